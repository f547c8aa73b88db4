// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"
#include "trace/trace.h"
#include "value/tensor_internal.h"

// --- A device whose copies wait in a queue ----------------------------------
// Its memory is the allocator's, at addresses that only it can read: each is
// the true one with all bits of a mask turned. Copies run on a thread of the
// device, when somebody synchronizes.

#define ADDRESS_MASK ((uintptr_t)0x5a << 48)
#define QUEUE_LIMIT 4096

typedef struct queue_device {
  weft_device_driver_t driver;
  weft_device_copy_t queue[QUEUE_LIMIT];
  size_t count;
  // Copies done so far.
  size_t done;
  // Copies from this one on fail.
  size_t fail_at;
  // Copies beyond this many in the queue are refused.
  size_t refuse_at;
} queue_device_t;

static void* turn(const void* address) {
  return (void*)((uintptr_t)address ^ ADDRESS_MASK);
}

static weft_status_t queue_allocate(const weft_device_driver_t* driver,
                                    const weft_allocator_t* allocator,
                                    size_t size_bytes, void** out_address) {
  void* address = NULL;
  (void)driver;
  WEFT_RETURN_IF_ERROR(weft_device_cpu()->vtable->allocate(
      weft_device_cpu(), allocator, size_bytes, &address));
  *out_address = turn(address);
  return WEFT_OK;
}

static void queue_free(const weft_device_driver_t* driver,
                       const weft_allocator_t* allocator, void* address,
                       size_t size_bytes) {
  queue_device_t* device = driver->self;
  assert_int_equal(device->count, 0);
  allocator->free(allocator->self, turn(address), size_bytes);
}

static weft_status_t queue_copy(const weft_device_driver_t* driver,
                                uint32_t queue,
                                const weft_device_copy_t* copy) {
  queue_device_t* device = driver->self;
  assert_int_equal(queue, 0);
  if (device->count == device->refuse_at || device->count == QUEUE_LIMIT) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "the queue is full");
  }
  device->queue[device->count++] = *copy;
  return WEFT_OK;
}

static void run_queue(size_t index, void* user) {
  queue_device_t* device = user;
  (void)index;
  for (size_t i = 0; i < device->count; ++i) {
    const weft_device_copy_t* copy = &device->queue[i];
    bool from_here = copy->source_driver == &device->driver;
    bool to_here = copy->destination_driver == &device->driver;
    if (device->done++ >= device->fail_at) {
      copy->done(copy->done_user,
                 weft_status_make(WEFT_STATUS_DATA_LOSS, "copy %zu was lost",
                                  device->done - 1));
      continue;
    }
    memcpy(to_here ? turn(copy->destination) : copy->destination,
           from_here ? turn(copy->source) : copy->source, copy->size_bytes);
    copy->done(copy->done_user, WEFT_OK);
  }
  device->count = 0;
}

static void queue_synchronize(const weft_device_driver_t* driver,
                              uint32_t queue) {
  assert_int_equal(queue, 0);
  weft_kit_run_threads(1, run_queue, driver->self);
}

static const weft_device_vtable_t queue_vtable = {
    .allocate = queue_allocate,
    .free = queue_free,
    .copy = queue_copy,
    .synchronize = queue_synchronize,
};

static void queue_device_init(queue_device_t* device) {
  memset(device, 0, sizeof(*device));
  device->driver = (weft_device_driver_t){
      .vtable = &queue_vtable,
      .device = {WEFT_DEVICE_EXTENSION, 0},
      .self = device,
  };
  device->fail_at = SIZE_MAX;
  device->refuse_at = SIZE_MAX;
}

// --- Tensors to copy --------------------------------------------------------

// A tensor whose bytes count up, of one dimension.
static weft_tensor_t* count_bytes(weft_dtype_t dtype, int64_t size) {
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_create(NULL, NULL, dtype, 1, &size, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  for (size_t i = 0; i < weft_tensor_size_bytes(tensor); ++i) {
    ((uint8_t*)data)[i] = (uint8_t)(i * 37 + 11);
  }
  return tensor;
}

static weft_tensor_t* view_of(weft_tensor_t* tensor, uint32_t ndim,
                              const int64_t* shape, const int64_t* strides,
                              size_t byte_offset) {
  weft_tensor_layout_t layout = *weft_tensor_layout(tensor);
  weft_tensor_t* view = NULL;
  layout.ndim = ndim;
  layout.shape = shape;
  layout.strides = strides;
  layout.byte_offset = byte_offset;
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, weft_tensor_storage(tensor),
                                              &layout, &view));
  return view;
}

static unsigned bit_of(const weft_tensor_t* tensor, int64_t bit) {
  const uint8_t* bytes = tensor->storage->data;
  return (unsigned)(bytes[bit / 8] >> (bit % 8)) & 1u;
}

// The first bit of the element with these indices, in its storage.
static int64_t first_bit(const weft_tensor_t* tensor, const int64_t* index) {
  int64_t element = 0;
  for (uint32_t i = 0; i < tensor->layout.ndim; ++i) {
    element += index[i] * tensor->layout.strides[i];
  }
  return (int64_t)tensor->layout.byte_offset * 8 +
         element * weft_dtype_bits(tensor->layout.dtype);
}

// Compares element by element, in the plainest way.
static void check_same_elements(const weft_tensor_t* a,
                                const weft_tensor_t* b) {
  const int64_t bits = weft_dtype_bits(a->layout.dtype);
  int64_t index[WEFT_TENSOR_NDIM_LIMIT] = {0};
  assert_int_equal(a->element_count, b->element_count);
  for (int64_t n = 0; n < a->element_count; ++n) {
    int64_t rest = n;
    for (uint32_t i = a->layout.ndim; i-- > 0;) {
      assert_int_equal(a->layout.shape[i], b->layout.shape[i]);
      index[i] = rest % a->layout.shape[i];
      rest /= a->layout.shape[i];
    }
    for (int64_t bit = 0; bit < bits; ++bit) {
      assert_int_equal(bit_of(a, first_bit(a, index) + bit),
                       bit_of(b, first_bit(b, index) + bit));
    }
  }
}

// --- On the cpu -------------------------------------------------------------

static void a_copy_is_new_contiguous_and_unique(void** state) {
  (void)state;
  const int64_t shape[] = {3, 2};
  const int64_t strides[] = {1, 3};
  weft_tensor_t* tensor = count_bytes(WEFT_INT16, 6);
  weft_tensor_t* transposed = view_of(tensor, 2, shape, strides, 0);
  weft_tensor_t* copy = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, transposed, &copy));
  assert_true(weft_tensor_is_contiguous(copy));
  check_same_elements(transposed, copy);
  weft_kit_assert_ok(weft_tensor_mutable_data(copy, &data));
  assert_ptr_not_equal(weft_tensor_storage(copy), weft_tensor_storage(tensor));
  weft_tensor_release(tensor);
  weft_tensor_release(transposed);
  weft_tensor_release(copy);
}

static void copies_of_one_and_of_no_elements_are_made(void** state) {
  (void)state;
  weft_tensor_t* tensor = count_bytes(WEFT_INT64, 1);
  weft_tensor_t* scalar = view_of(tensor, 0, NULL, NULL, 0);
  weft_tensor_t* copy = NULL;
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, scalar, &copy));
  assert_int_equal(weft_tensor_layout(copy)->ndim, 0);
  check_same_elements(scalar, copy);
  weft_tensor_release(copy);
  weft_tensor_release(scalar);
  weft_tensor_release(tensor);
  tensor = count_bytes(WEFT_INT64, 0);
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, tensor, &copy));
  assert_int_equal(weft_tensor_size_bytes(copy), 0);
  weft_tensor_release(copy);
  weft_tensor_release(tensor);
}

static void a_repeated_element_is_written_out(void** state) {
  (void)state;
  const int64_t shape[] = {3, 4};
  const int64_t strides[] = {0, 1};
  weft_tensor_t* tensor = count_bytes(WEFT_INT16, 4);
  weft_tensor_t* repeated = view_of(tensor, 2, shape, strides, 0);
  weft_tensor_t* copy = NULL;
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, repeated, &copy));
  assert_int_equal(weft_storage_size_bytes(weft_tensor_storage(copy)), 24);
  check_same_elements(repeated, copy);
  weft_tensor_release(tensor);
  weft_tensor_release(repeated);
  weft_tensor_release(copy);
}

// A layout at random that lies within the storage of `tensor`, or NULL.
static weft_tensor_t* random_view(weft_kit_random_t* random,
                                  weft_tensor_t* tensor) {
  int64_t shape[4];
  int64_t strides[4];
  uint32_t ndim = (uint32_t)weft_kit_random_below(random, 5);
  for (uint32_t i = 0; i < ndim; ++i) {
    shape[i] = (int64_t)weft_kit_random_below(random, 4) +
               (weft_kit_random_below(random, 20) > 0 ? 1 : 0);
    strides[i] = (int64_t)weft_kit_random_below(random, 25) - 8;
  }
  // One in three has contiguous inner dimensions.
  if (ndim > 1 && weft_kit_random_below(random, 3) == 0) {
    strides[ndim - 1] = 1;
    strides[ndim - 2] = shape[ndim - 1];
  }
  weft_tensor_layout_t layout = {weft_tensor_layout(tensor)->dtype, ndim, shape,
                                 strides,
                                 weft_kit_random_below(random, 12) * 8};
  weft_tensor_t* view = NULL;
  weft_status_ignore(weft_tensor_from_storage(NULL, weft_tensor_storage(tensor),
                                              &layout, &view));
  return view;
}

static void copy_random_layouts(weft_kit_random_t* random, void* user) {
  static const weft_dtype_t dtypes[] = {
      {WEFT_DTYPE_INT, 1, 1},           {WEFT_DTYPE_INT, 8, 1},
      {WEFT_DTYPE_INT, 16, 1},          {WEFT_DTYPE_UINT, 4, 1},
      {WEFT_DTYPE_UINT, 8, 3},          {WEFT_DTYPE_FLOAT, 64, 1},
      {WEFT_DTYPE_FLOAT6_E2M3FN, 6, 1}, {WEFT_DTYPE_FLOAT4_E2M1FN, 4, 2},
      {WEFT_DTYPE_UINT, 12, 1},
  };
  size_t* copied = user;
  weft_dtype_t dtype = dtypes[weft_kit_random_below(random, 9)];
  weft_tensor_t* tensor = count_bytes(dtype, 120);
  weft_tensor_t* view = random_view(random, tensor);
  if (view != NULL) {
    weft_tensor_t* copy = NULL;
    weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, view, &copy));
    check_same_elements(view, copy);
    weft_tensor_release(copy);
    weft_tensor_release(view);
    ++*copied;
  }
  weft_tensor_release(tensor);
}

static void copies_of_any_layout_hold_the_same_elements(void** state) {
  (void)state;
  size_t copied = 0;
  weft_kit_for_some_seeds(4000, copy_random_layouts, &copied);
  // Most layouts must lie within their storage, or this tests nothing.
  assert_true(getenv("WEFT_TEST_SEED") != NULL || copied > 100);
}

static void copied_bytes_are_counted(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_runtime_t runtime = {.allocator = &kit.allocator, .name = "test"};
  weft_kit_assert_ok(weft_trace_create(&runtime, NULL, NULL));
  weft_tensor_t* tensor = count_bytes(WEFT_INT16, 6);
  weft_tensor_t* copies[2] = {NULL, NULL};
  weft_kit_assert_ok(weft_tensor_copy(&runtime, NULL, tensor, &copies[0]));
  weft_kit_assert_ok(weft_tensor_copy(&runtime, NULL, tensor, &copies[1]));
  weft_counters_t counters;
  weft_runtime_counters(&runtime, &counters);
  assert_int_equal(counters.bytes_copied, 24);
  weft_tensor_release(copies[0]);
  weft_tensor_release(copies[1]);
  weft_tensor_release(tensor);
  weft_trace_destroy(&runtime);
  weft_kit_allocator_deinit(&kit);
}

static void a_declaration_is_not_copied(void** state) {
  (void)state;
  weft_tensor_t* tensor = NULL;
  weft_tensor_t* copy = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 0, NULL, &tensor));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_copy(NULL, NULL, tensor, &copy));
  assert_null(copy);
  weft_tensor_release(tensor);
}

static weft_status_t copy_from(const weft_allocator_t* allocator, void* user,
                               void** out_object) {
  weft_runtime_t runtime = {.allocator = allocator};
  weft_tensor_t* copy = NULL;
  weft_status_t status = weft_tensor_copy(&runtime, NULL, user, &copy);
  *out_object = copy;
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_tensor_release(object);
}

static void copying_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_tensor_t* tensor = count_bytes(WEFT_INT16, 6);
  weft_kit_creation_t creation = {copy_from, destroy, tensor};
  weft_kit_sweep(&creation);
  weft_tensor_release(tensor);
}

// --- Over a queue -----------------------------------------------------------

static void a_tensor_goes_to_a_device_and_back(void** state) {
  (void)state;
  static queue_device_t device;
  queue_device_init(&device);
  const int64_t shape[] = {3, 2};
  const int64_t strides[] = {1, 3};
  weft_tensor_t* tensor = count_bytes(WEFT_INT16, 6);
  weft_tensor_t* transposed = view_of(tensor, 2, shape, strides, 0);
  weft_tensor_t* there = NULL;
  weft_tensor_t* further = NULL;
  weft_tensor_t* back = NULL;
  weft_kit_assert_ok(
      weft_tensor_copy(NULL, &device.driver, transposed, &there));
  assert_int_equal(weft_tensor_device(there).type, WEFT_DEVICE_EXTENSION);
  assert_int_equal(device.done, 6);
  weft_kit_assert_ok(weft_tensor_copy(NULL, &device.driver, there, &further));
  assert_int_equal(device.done, 7);
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, further, &back));
  assert_int_equal(device.done, 8);
  check_same_elements(transposed, back);
  weft_tensor_release(tensor);
  weft_tensor_release(transposed);
  weft_tensor_release(there);
  weft_tensor_release(further);
  weft_tensor_release(back);
}

static void a_copy_that_fails_is_reported_and_nothing_is_kept(void** state) {
  (void)state;
  static queue_device_t device;
  const int64_t shape[] = {3, 2};
  const int64_t strides[] = {1, 3};
  weft_tensor_t* tensor = count_bytes(WEFT_INT16, 6);
  weft_tensor_t* transposed = view_of(tensor, 2, shape, strides, 0);
  weft_tensor_t* there = NULL;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_runtime_t runtime = {.allocator = &kit.allocator, .name = "test"};
  for (size_t i = 0; i < 6; ++i) {
    char text[32];
    (void)snprintf(text, sizeof(text), "copy %zu was lost", i);
    queue_device_init(&device);
    device.fail_at = i;
    // All from this one on fail; the first is what is reported.
    weft_kit_assert_status_says(
        WEFT_STATUS_DATA_LOSS, text,
        weft_tensor_copy(&runtime, &device.driver, transposed, &there));
    assert_null(there);
    assert_int_equal(device.done, 6);
    weft_kit_allocator_check_empty(&kit);
  }
  weft_kit_allocator_deinit(&kit);
  weft_tensor_release(tensor);
  weft_tensor_release(transposed);
}

static void a_copy_that_cannot_start_waits_for_those_that_did(void** state) {
  (void)state;
  static queue_device_t device;
  queue_device_init(&device);
  device.refuse_at = 4;
  device.fail_at = 2;
  const int64_t shape[] = {3, 2};
  const int64_t strides[] = {1, 3};
  weft_tensor_t* tensor = count_bytes(WEFT_INT16, 6);
  weft_tensor_t* transposed = view_of(tensor, 2, shape, strides, 0);
  weft_tensor_t* there = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "the queue is full",
      weft_tensor_copy(NULL, &device.driver, transposed, &there));
  assert_null(there);
  assert_int_equal(device.done, 4);
  weft_tensor_release(tensor);
  weft_tensor_release(transposed);
}

static void packed_elements_with_gaps_stay_on_the_cpu(void** state) {
  (void)state;
  static queue_device_t device;
  queue_device_init(&device);
  const int64_t shape[] = {3};
  const int64_t strides[] = {2};
  weft_tensor_t* tensor =
      count_bytes(weft_dtype_make(WEFT_DTYPE_FLOAT6_E2M3FN, 6), 6);
  weft_tensor_t* gaps = view_of(tensor, 1, shape, strides, 0);
  weft_tensor_t* there = NULL;
  weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED,
                         weft_tensor_copy(NULL, &device.driver, gaps, &there));
  weft_kit_assert_ok(weft_tensor_copy(NULL, &device.driver, tensor, &there));
  assert_int_equal(weft_tensor_size_bytes(there), 5);
  weft_tensor_release(there);
  weft_tensor_release(gaps);
  weft_tensor_release(tensor);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_copy_is_new_contiguous_and_unique),
      cmocka_unit_test(copies_of_one_and_of_no_elements_are_made),
      cmocka_unit_test(a_repeated_element_is_written_out),
      cmocka_unit_test(copies_of_any_layout_hold_the_same_elements),
      cmocka_unit_test(copied_bytes_are_counted),
      cmocka_unit_test(a_declaration_is_not_copied),
      cmocka_unit_test(copying_survives_every_allocation_failure),
      cmocka_unit_test(a_tensor_goes_to_a_device_and_back),
      cmocka_unit_test(a_copy_that_fails_is_reported_and_nothing_is_kept),
      cmocka_unit_test(a_copy_that_cannot_start_waits_for_those_that_did),
      cmocka_unit_test(packed_elements_with_gaps_stay_on_the_cpu),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
