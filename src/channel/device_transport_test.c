// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "channel/transport.h"
#include "value/sim_device_kit.h"

#define QUEUE_COUNT 2

static const int64_t two_by_three[] = {2, 3};
static const int64_t four[] = {4};
static const int32_t numbers[] = {1, 2, 3, 4, 5, 6};
static const float floats[] = {0.5f, 1.5f, 2.5f, 3.5f};

// --- A stage: a writer's device, a reader's, and a transport ----------------

typedef struct stage {
  // NULL: the cpu.
  weft_sim_device_t* writer;
  weft_sim_device_t* reader;
  weft_transport_t* transport;
  // What is sent, on the writer's device.
  weft_tensor_t* tensors[2];
  weft_transport_place_t place;
} stage_t;

static weft_tensor_t* put(weft_sim_device_t* device, weft_dtype_t dtype,
                          uint32_t ndim, const int64_t* shape,
                          const void* data) {
  weft_tensor_t* here = NULL;
  weft_tensor_t* there = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, dtype, ndim, shape, data, &here));
  weft_kit_assert_ok(
      weft_tensor_copy(NULL, weft_sim_kit_driver(device), here, &there));
  weft_tensor_release(here);
  return there;
}

// Queue 1 of a device; the only one of the cpu.
static uint32_t queue_of(weft_sim_device_t* device) {
  return device != NULL ? 1 : 0;
}

static void stage_open(stage_t* stage, weft_sim_device_t* writer,
                       weft_sim_device_t* reader) {
  *stage = (stage_t){.writer = writer, .reader = reader};
  weft_kit_assert_ok(weft_device_transport_create(
      NULL, weft_sim_kit_driver(writer), queue_of(writer), &stage->transport));
  stage->tensors[0] = put(writer, WEFT_INT32, 2, two_by_three, numbers);
  stage->tensors[1] = put(writer, WEFT_FLOAT32, 1, four, floats);
  stage->place = (weft_transport_place_t){
      weft_allocator_system(), weft_sim_kit_driver(reader), queue_of(reader)};
}

static void stage_close(stage_t* stage) {
  stage->transport->vtable->destroy(stage->transport);
  weft_tensor_release(stage->tensors[0]);
  weft_tensor_release(stage->tensors[1]);
  if (stage->writer != NULL) {
    assert_int_equal(weft_sim_kit_counters(stage->writer).live_blocks, 0);
  }
  if (stage->reader != NULL) {
    assert_int_equal(weft_sim_kit_counters(stage->reader).live_blocks, 0);
  }
}

static weft_transport_message_t* send(stage_t* stage) {
  weft_transport_message_t* message = NULL;
  weft_kit_assert_ok(stage->transport->vtable->send(
      stage->transport, (const weft_tensor_t* const*)stage->tensors, 2,
      &message));
  return message;
}

static weft_status_t receive(stage_t* stage, weft_transport_message_t* message,
                             weft_tensor_t* const* into,
                             weft_tensor_t** out_tensors) {
  return stage->transport->vtable->receive(message, &stage->place, into,
                                           out_tensors);
}

static void drop(weft_transport_message_t* message) {
  message->transport->vtable->drop(message);
}

static void check_data(const weft_tensor_t* tensor, weft_dtype_t dtype,
                       uint32_t ndim, const int64_t* shape, const void* data) {
  weft_tensor_t* here = NULL;
  weft_kit_assert_ok(weft_tensor_expect(tensor, dtype, ndim, shape));
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, tensor, &here));
  assert_memory_equal(weft_tensor_data(here), data,
                      weft_tensor_size_bytes(here));
  weft_tensor_release(here);
}

// Checks what was received, and releases it.
static void check_received(stage_t* stage, weft_tensor_t** tensors) {
  check_data(tensors[0], WEFT_INT32, 2, two_by_three, numbers);
  check_data(tensors[1], WEFT_FLOAT32, 1, four, floats);
  for (size_t i = 0; i < 2; ++i) {
    assert_ptr_equal(weft_storage_driver(weft_tensor_storage(tensors[i])),
                     stage->place.driver);
    weft_tensor_release(tensors[i]);
  }
}

static uint64_t synchronizations(weft_sim_device_t* device) {
  return device != NULL ? weft_sim_kit_counters(device).synchronizations : 0;
}

static weft_sim_device_t* make(bool is_stepped, int32_t id) {
  return weft_sim_kit_make(&(weft_sim_device_options_t){
      .id = id, .queue_count = QUEUE_COUNT, .is_stepped = is_stepped});
}

// Runs a body for every pair of writer and reader, one of them the cpu or not,
// and with devices that have a thread or not.
static void for_all_pairs(void (*body)(stage_t* stage)) {
  for (int i = 0; i < 18; ++i) {
    weft_sim_device_t* a = make(i >= 9, 1);
    weft_sim_device_t* b = make(i >= 9, 2);
    weft_sim_device_t* places[] = {NULL, a, b};
    stage_t stage;
    stage_open(&stage, places[i % 3], places[i / 3 % 3]);
    body(&stage);
    stage_close(&stage);
    weft_sim_device_destroy(a);
    weft_sim_device_destroy(b);
  }
}

// --- Where to ---------------------------------------------------------------

static void receive_new(stage_t* stage) {
  weft_tensor_t* tensors[2];
  weft_transport_message_t* message = send(stage);
  uint64_t writer_waits = synchronizations(stage->writer);
  uint64_t reader_waits = synchronizations(stage->reader);
  weft_kit_assert_ok(receive(stage, message, NULL, tensors));
  // Once a message, though it has two tensors.
  if (stage->writer != NULL) {
    assert_int_equal(synchronizations(stage->writer), writer_waits + 1);
  }
  if (stage->reader != NULL) {
    assert_int_equal(synchronizations(stage->reader), reader_waits + 1);
  }
  // Nothing is copied that is there already.
  assert_int_equal(tensors[0] == stage->tensors[0],
                   stage->writer == stage->reader);
  drop(message);
  check_received(stage, tensors);
}

static void tensors_get_to_any_device_with_one_synchronization(void** state) {
  (void)state;
  for_all_pairs(receive_new);
}

static void receive_into(stage_t* stage) {
  weft_tensor_t* into[] = {NULL, NULL};
  weft_tensor_t* tensors[2];
  const int64_t unknown[] = {WEFT_DIMENSION_UNKNOWN, 3};
  weft_kit_assert_ok(weft_tensor_declare(NULL, stage->place.driver, WEFT_INT32,
                                         2, unknown, &into[0]));
  weft_kit_assert_ok(weft_tensor_create(NULL, stage->place.driver, WEFT_FLOAT32,
                                        1, four, &into[1]));
  uint64_t reader_waits = synchronizations(stage->reader);
  weft_transport_message_t* message = send(stage);
  weft_kit_assert_ok(receive(stage, message, into, tensors));
  if (stage->reader != NULL) {
    assert_int_equal(synchronizations(stage->reader), reader_waits + 1);
  }
  drop(message);
  for (size_t i = 0; i < 2; ++i) {
    assert_ptr_equal(tensors[i], into[i]);
    weft_tensor_release(into[i]);
  }
  check_received(stage, tensors);
}

static void tensors_are_received_into_memory_of_the_reader(void** state) {
  (void)state;
  for_all_pairs(receive_into);
}

static void every_reader_may_receive_a_message(void** state) {
  (void)state;
  weft_sim_device_t* a = make(true, 1);
  weft_sim_device_t* b = make(true, 2);
  stage_t stage;
  stage_open(&stage, a, b);
  weft_tensor_t* tensors[2];
  weft_tensor_t* again[2];
  weft_transport_message_t* message = send(&stage);
  weft_kit_assert_ok(receive(&stage, message, NULL, tensors));
  weft_kit_assert_ok(receive(&stage, message, NULL, again));
  assert_ptr_not_equal(tensors[0], again[0]);
  check_received(&stage, tensors);
  check_received(&stage, again);
  drop(message);
  stage_close(&stage);
  weft_sim_device_destroy(a);
  weft_sim_device_destroy(b);
}

static void a_message_may_have_no_tensors(void** state) {
  (void)state;
  weft_sim_device_t* a = make(true, 1);
  stage_t stage;
  stage_open(&stage, a, NULL);
  uint64_t waits = synchronizations(a);
  weft_transport_message_t* message = NULL;
  weft_kit_assert_ok(
      stage.transport->vtable->send(stage.transport, NULL, 0, &message));
  weft_kit_assert_ok(receive(&stage, message, NULL, NULL));
  assert_int_equal(synchronizations(a), waits);
  drop(message);
  stage_close(&stage);
  weft_sim_device_destroy(a);
}

// --- What fills them is not over --------------------------------------------

static void done(void* user, weft_status_t status) {
  int* count = user;
  *count += weft_status_ignore(status) == WEFT_STATUS_OK ? 1 : 1000;
}

// Sends a tensor of `a` that is to be filled by what is in the writer's queue.
static void receive_late(weft_sim_device_t* a, weft_sim_device_t* reader) {
  const int32_t later[] = {60, 50, 40, 30, 20, 10};
  stage_t stage;
  int filled = 0;
  stage_open(&stage, a, reader);
  const weft_device_driver_t* driver = weft_sim_device_driver(a);
  const weft_device_copy_t fill = {
      .destination_driver = driver,
      .destination = (void*)(uintptr_t)weft_tensor_data(stage.tensors[0]),
      .source_driver = weft_device_cpu(),
      .source = later,
      .size_bytes = sizeof(later),
      .done = done,
      .done_user = &filled,
  };
  weft_kit_assert_ok(driver->vtable->copy(driver, 1, &fill));
  weft_transport_message_t* message = send(&stage);
  assert_int_equal(filled, 0);
  weft_tensor_t* tensors[2];
  weft_kit_assert_ok(receive(&stage, message, NULL, tensors));
  assert_int_equal(filled, 1);
  check_data(tensors[0], WEFT_INT32, 2, two_by_three, later);
  drop(message);
  weft_tensor_release(tensors[0]);
  weft_tensor_release(tensors[1]);
  stage_close(&stage);
}

static void data_that_is_still_on_its_way_is_waited_for(void** state) {
  (void)state;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    weft_sim_device_t* a = weft_sim_kit_make_stepped(QUEUE_COUNT, seed);
    weft_sim_device_t* b = weft_sim_kit_make_stepped(QUEUE_COUNT, seed);
    receive_late(a, b);
    receive_late(a, NULL);
    // Lent.
    receive_late(a, a);
    weft_sim_device_destroy(a);
    weft_sim_device_destroy(b);
  }
}

// --- What is refused --------------------------------------------------------

static void check_refused(stage_t* stage, weft_status_code_t code,
                          const char* part, weft_tensor_t* into) {
  weft_tensor_t* tensors[2];
  weft_tensor_t* provided[] = {NULL, into};
  uint64_t copies = weft_sim_kit_counters(stage->reader).copies;
  weft_transport_message_t* message = send(stage);
  weft_status_t status = receive(stage, message, provided, tensors);
  weft_kit_assert_status_says(code, "tensor 1 of a message",
                              weft_status_retain(status));
  weft_kit_assert_status_says(code, part, status);
  assert_null(tensors[0]);
  assert_null(tensors[1]);
  // Nor was the first one moved.
  assert_int_equal(weft_sim_kit_counters(stage->reader).copies, copies);
  drop(message);
  weft_tensor_release(into);
}

static weft_tensor_t* make_on(const weft_device_driver_t* driver,
                              weft_dtype_t dtype, uint32_t ndim,
                              const int64_t* shape) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, driver, dtype, ndim, shape, &tensor));
  return tensor;
}

static void memory_that_does_not_fit_is_refused_before_data_moves(
    void** state) {
  (void)state;
  weft_sim_device_t* a = make(true, 1);
  weft_sim_device_t* b = make(true, 2);
  const int64_t three[] = {3};
  const int64_t one_by_four[] = {1, 4};
  stage_t stage;
  stage_open(&stage, a, b);
  const weft_device_driver_t* on_b = weft_sim_device_driver(b);
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT, "int32[4], not float32",
                make_on(on_b, WEFT_INT32, 1, four));
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT, "float32[3], not",
                make_on(on_b, WEFT_FLOAT32, 1, three));
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT, "float32[1, 4], not",
                make_on(on_b, WEFT_FLOAT32, 2, one_by_four));
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT,
                "it is on extension:1; it should be on extension:2",
                make_on(weft_sim_device_driver(a), WEFT_FLOAT32, 1, four));
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT, "it is on cpu:0",
                make_on(NULL, WEFT_FLOAT32, 1, four));
  weft_tensor_t* declared = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, on_b, WEFT_FLOAT32, 1, three, &declared));
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT, "declared to be 3, not 4",
                declared);
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, on_b, WEFT_FLOAT64, 1, NULL, &declared));
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT, "not float32[4]",
                declared);
  stage_close(&stage);
  weft_sim_device_destroy(a);
  weft_sim_device_destroy(b);
}

static void memory_that_is_not_the_readers_alone_is_refused(void** state) {
  (void)state;
  weft_sim_device_t* a = make(true, 1);
  weft_sim_device_t* b = make(true, 2);
  stage_t stage;
  stage_open(&stage, a, b);
  const weft_device_driver_t* on_b = weft_sim_device_driver(b);
  weft_tensor_t* shared = make_on(on_b, WEFT_FLOAT32, 1, four);
  check_refused(&stage, WEFT_STATUS_FAILED_PRECONDITION, "shared",
                weft_tensor_retain(shared));
  weft_tensor_release(shared);
  weft_storage_t* storage = NULL;
  weft_tensor_t* gaps = NULL;
  const int64_t stride[] = {2};
  const weft_tensor_layout_t layout = {WEFT_FLOAT32, 1, four, stride, 0};
  weft_kit_assert_ok(weft_storage_create(NULL, on_b, 32, &storage));
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &gaps));
  weft_storage_release(storage);
  check_refused(&stage, WEFT_STATUS_INVALID_ARGUMENT, "gaps", gaps);
  stage_close(&stage);
  weft_sim_device_destroy(a);
  weft_sim_device_destroy(b);
}

static void only_tensors_of_the_writers_device_are_sent(void** state) {
  (void)state;
  weft_sim_device_t* a = make(true, 1);
  stage_t stage;
  stage_open(&stage, a, NULL);
  weft_transport_message_t* message = NULL;
  weft_tensor_t* tensors[] = {stage.tensors[0],
                              make_on(NULL, WEFT_FLOAT32, 1, four)};
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "it should be on extension:1",
      stage.transport->vtable->send(
          stage.transport, (const weft_tensor_t* const*)tensors, 2, &message));
  assert_null(message);
  weft_tensor_release(tensors[1]);
  weft_kit_assert_ok(weft_tensor_declare(NULL, weft_sim_device_driver(a),
                                         WEFT_INT32, 1, NULL, &tensors[1]));
  weft_kit_assert_status(
      WEFT_STATUS_FAILED_PRECONDITION,
      stage.transport->vtable->send(
          stage.transport, (const weft_tensor_t* const*)tensors, 2, &message));
  weft_tensor_release(tensors[1]);
  stage_close(&stage);
  weft_sim_device_destroy(a);
}

// --- Failures ---------------------------------------------------------------

static void a_copy_that_fails_fails_the_message_which_can_be_received_again(
    void** state) {
  (void)state;
  for (int is_stepped = 0; is_stepped < 2; ++is_stepped) {
    weft_sim_device_t* a = make(is_stepped, 1);
    weft_sim_device_t* b = make(is_stepped, 2);
    stage_t stage;
    stage_open(&stage, a, b);
    weft_tensor_t* tensors[2];
    weft_transport_message_t* message = send(&stage);
    for (uint64_t i = 0; i < 2; ++i) {
      weft_sim_device_fail_copies(
          b, i, 1, weft_status_make(WEFT_STATUS_DATA_LOSS, "a bit turned"));
      weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "a bit turned",
                                  receive(&stage, message, NULL, tensors));
      assert_null(tensors[0]);
      assert_null(tensors[1]);
      weft_sim_device_fail_allocations(b, i, 1);
      weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                  i == 0 ? "tensor 0" : "tensor 1",
                                  receive(&stage, message, NULL, tensors));
      assert_int_equal(weft_sim_kit_counters(b).live_blocks, 0);
    }
    weft_kit_assert_ok(receive(&stage, message, NULL, tensors));
    check_received(&stage, tensors);
    weft_sim_device_lose(
        a, weft_status_make(WEFT_STATUS_UNAVAILABLE, "it fell off"));
    weft_kit_assert_status_says(WEFT_STATUS_UNAVAILABLE, "it fell off",
                                receive(&stage, message, NULL, tensors));
    drop(message);
    stage_close(&stage);
    weft_sim_device_destroy(a);
    weft_sim_device_destroy(b);
  }
}

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  (void)user;
  weft_transport_t* transport = NULL;
  weft_status_t status =
      weft_device_transport_create(allocator, NULL, 0, &transport);
  *out_object = transport;
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_transport_t* transport = object;
  transport->vtable->destroy(transport);
}

// Sends and receives two tensors of the cpu, into new memory of a device.
static weft_status_t exchange(const weft_allocator_t* allocator, void* user,
                              void** out_object) {
  stage_t* stage = user;
  weft_transport_t* transport = NULL;
  weft_transport_message_t* message = NULL;
  weft_tensor_t* tensors[2] = {NULL, NULL};
  WEFT_RETURN_IF_ERROR(
      weft_device_transport_create(allocator, NULL, 0, &transport));
  weft_status_t status = transport->vtable->send(
      transport, (const weft_tensor_t* const*)stage->tensors, 2, &message);
  if (status == WEFT_OK) {
    weft_transport_place_t place = stage->place;
    place.allocator = allocator;
    status = transport->vtable->receive(message, &place, NULL, tensors);
    weft_tensor_release(tensors[1]);
    transport->vtable->drop(message);
  }
  transport->vtable->destroy(transport);
  *out_object = tensors[0];
  return status;
}

static void release(void* object, void* user) {
  (void)user;
  weft_tensor_release(object);
}

static void it_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_sim_device_t* b = make(false, 2);
  stage_t stage;
  stage_open(&stage, NULL, b);
  weft_kit_sweep(&(weft_kit_creation_t){create, destroy, NULL});
  weft_kit_sweep(&(weft_kit_creation_t){exchange, release, &stage});
  stage_close(&stage);
  weft_sim_device_destroy(b);
}

// --- Threads ----------------------------------------------------------------

#define READER_COUNT 3

typedef struct readers {
  stage_t* stage;
  weft_transport_message_t* message;
  weft_tensor_t* received[READER_COUNT][2];
  weft_status_t statuses[READER_COUNT];
} readers_t;

static void receive_once(size_t index, void* user) {
  readers_t* readers = user;
  readers->statuses[index] =
      receive(readers->stage, readers->message, NULL, readers->received[index]);
}

static void several_readers_receive_at_once(void** state) {
  (void)state;
  weft_sim_device_t* a = make(false, 1);
  weft_sim_device_t* b = make(false, 2);
  stage_t stage;
  stage_open(&stage, a, b);
  uint64_t rounds = weft_kit_amount(50);
  for (uint64_t round = 0; round < rounds; ++round) {
    readers_t readers = {.stage = &stage, .message = send(&stage)};
    weft_kit_run_threads(READER_COUNT, receive_once, &readers);
    drop(readers.message);
    for (size_t i = 0; i < READER_COUNT; ++i) {
      weft_kit_assert_ok(readers.statuses[i]);
      check_received(&stage, readers.received[i]);
    }
  }
  stage_close(&stage);
  weft_sim_device_destroy(a);
  weft_sim_device_destroy(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tensors_get_to_any_device_with_one_synchronization),
      cmocka_unit_test(tensors_are_received_into_memory_of_the_reader),
      cmocka_unit_test(every_reader_may_receive_a_message),
      cmocka_unit_test(a_message_may_have_no_tensors),
      cmocka_unit_test(data_that_is_still_on_its_way_is_waited_for),
      cmocka_unit_test(memory_that_does_not_fit_is_refused_before_data_moves),
      cmocka_unit_test(memory_that_is_not_the_readers_alone_is_refused),
      cmocka_unit_test(only_tensors_of_the_writers_device_are_sent),
      cmocka_unit_test(
          a_copy_that_fails_fails_the_message_which_can_be_received_again),
      cmocka_unit_test(it_survives_every_allocation_failure),
      cmocka_unit_test(several_readers_receive_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
