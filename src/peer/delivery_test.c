// SPDX-License-Identifier: Apache-2.0
//
// Values from one runtime to another: packed, written, and read again.

#include <stdio.h>

#include "peer/delivery_kit.h"
#include "wire/codec_kit.h"

static void send(weft_peer_kit_t* kit, const weft_arguments_t* arguments) {
  weft_kit_assert_ok(weft_peer_kit_send(kit, 0, 1, arguments));
  weft_status_t status = weft_inbox.status;
  weft_inbox.status = WEFT_OK;
  weft_kit_assert_ok(status);
  assert_true(weft_inbox.is_full);
}

// --- Values -----------------------------------------------------------------

static weft_value_t make_string(const weft_allocator_t* allocator,
                                size_t length_bytes, char letter) {
  char* text = malloc(length_bytes + 1);
  assert_non_null(text);
  memset(text, letter, length_bytes);
  weft_value_t value = weft_none();
  weft_kit_assert_ok(weft_string_create(allocator, text, length_bytes, &value));
  free(text);
  return value;
}

static weft_value_t make_tensor(weft_runtime_t* runtime, bool is_shared,
                                int64_t size_bytes, int fill) {
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      is_shared ? weft_tensor_create_shared(runtime, WEFT_UINT8, 1, &size_bytes,
                                            &tensor)
                : weft_tensor_create(runtime->allocator, NULL, WEFT_UINT8, 1,
                                     &size_bytes, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  if (size_bytes > 0) {
    memset(data, fill, (size_t)size_bytes);
  }
  return weft_tensor_into_value(tensor);
}

static void release_all(weft_value_t* values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    weft_value_release(values[i]);
  }
}

// One of each kind that can be sent, by chance of nothing.
enum { KINDS = 12 };

static void make_kinds(weft_runtime_t* runtime, weft_value_t* values) {
  const weft_allocator_t* allocator = runtime->allocator;
  const weft_actor_t actor = {.index = 7, .generation = 3, .rank = 1};
  values[0] = weft_none();
  values[1] = weft_bool(true);
  values[2] = weft_int64(INT64_MIN);
  values[3] = weft_float64(-0.5);
  values[4] = weft_actor_value(actor);
  values[5] = make_string(allocator, 0, 'a');
  values[6] = make_string(allocator, 5000, 'b');
  weft_kit_assert_ok(weft_bytes_create(allocator, "\0\1\2", 3, &values[7]));
  values[8] = make_tensor(runtime, false, 100, 1);
  values[9] = make_tensor(runtime, false, 5000, 2);
  weft_kit_assert_ok(weft_list_create(allocator, values, 10, &values[10]));
  const weft_map_entry_t entry = {.key = values[6], .value = values[10]};
  weft_kit_assert_ok(weft_map_create(allocator, &entry, 1, &values[11]));
}

static void each_kind_arrives_by_position(void** state) {
  weft_peer_kit_t kit;
  weft_value_t values[KINDS];
  (void)state;
  weft_inbox_open(&kit);
  make_kinds(kit.members[0].runtime, values);
  const weft_arguments_t arguments = {.positional = values,
                                      .positional_count = KINDS};
  send(&kit, &arguments);
  assert_int_equal(weft_inbox.delivery.count, KINDS);
  assert_int_equal(weft_inbox.delivery.named_count, 0);
  for (uint32_t i = 0; i < KINDS; i++) {
    weft_codec_kit_assert_equal(values[i], weft_inbox.delivery.values[i]);
  }
  release_all(values, KINDS);
  weft_inbox_close(&kit);
}

static void each_kind_arrives_by_name(void** state) {
  weft_peer_kit_t kit;
  weft_value_t values[KINDS];
  weft_named_value_t named[KINDS];
  char names[KINDS][16];
  (void)state;
  weft_inbox_open(&kit);
  make_kinds(kit.members[0].runtime, values);
  for (int i = 0; i < KINDS; i++) {
    (void)snprintf(names[i], sizeof(names[i]), "name%d", i);
    named[i] = (weft_named_value_t){.name = names[i], .value = values[i]};
  }
  const weft_arguments_t arguments = {.positional = values,
                                      .positional_count = 2,
                                      .named = named,
                                      .named_count = KINDS};
  send(&kit, &arguments);
  assert_int_equal(weft_inbox.delivery.count, KINDS + 2);
  assert_int_equal(weft_inbox.delivery.named_count, KINDS);
  for (uint32_t i = 0; i < KINDS; i++) {
    assert_string_equal(weft_inbox.delivery.names[i], names[i]);
    weft_codec_kit_assert_equal(values[i], weft_inbox.delivery.values[2 + i]);
  }
  release_all(values, KINDS);
  weft_inbox_close(&kit);
}

static void as_many_arguments_as_there_may_be_arrive(void** state) {
  weft_peer_kit_t kit;
  weft_value_t values[WEFT_PARAMETER_LIMIT + 1];
  (void)state;
  weft_inbox_open(&kit);
  for (uint32_t count = 0; count <= WEFT_PARAMETER_LIMIT; count++) {
    for (uint32_t i = 0; i <= count; i++) {
      values[i] = weft_int64((int64_t)i * count);
    }
    const weft_arguments_t arguments = {.positional = values,
                                        .positional_count = count};
    send(&kit, &arguments);
    assert_int_equal(weft_inbox.delivery.count, count);
    for (uint32_t i = 0; i < count; i++) {
      assert_int_equal(weft_inbox.delivery.values[i].as.int64, i * count);
    }
    weft_inbox_empty(&kit, 0);
  }
  const weft_arguments_t arguments = {
      .positional = values, .positional_count = WEFT_PARAMETER_LIMIT + 1};
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "33 arguments",
                              weft_peer_kit_send(&kit, 0, 1, &arguments));
  weft_inbox_close(&kit);
}

static void the_arrow_of_a_trace_goes_with_any_payload(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_value_t text = make_string(&kit.memory.allocator, 10, 'x');
  for (int is_packed = 0; is_packed < 2; is_packed++) {
    weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
    const weft_frame_t head = {.type = WEFT_FRAME_CALL};
    weft_parcel_t parcel;
    weft_parcel_init(&parcel, &head);
    parcel.flow = 77;
    weft_kit_assert_ok(weft_parcel_pack(
        &parcel, peer, WEFT_ARGUMENTS(is_packed ? text : weft_int64(4))));
    weft_mutex_lock(&peer->lock);
    weft_kit_assert_ok(
        weft_parcel_write_locked(&parcel, peer, WEFT_LINK_ORDINARY));
    weft_peer_flush_locked(peer);
    weft_mutex_unlock(&peer->lock);
    weft_parcel_deinit(&parcel, peer);
    weft_peer_kit_run(&kit);
    assert_true(weft_inbox.is_full);
    assert_int_equal(weft_inbox.delivery.flow, 77);
    weft_inbox_empty(&kit, 0);
  }
  weft_value_release(text);
  weft_inbox_close(&kit);
}

// --- Large bodies -----------------------------------------------------------

static void a_body_larger_than_a_frame_goes_beside_it(void** state) {
  weft_peer_kit_t kit;
  weft_value_t numbers[4000];
  weft_value_t list = weft_none();
  (void)state;
  weft_inbox_open(&kit);
  for (int i = 0; i < 4000; i++) {
    numbers[i] = weft_int64(INT64_MAX - i);
  }
  weft_kit_assert_ok(
      weft_list_create(&kit.memory.allocator, numbers, 4000, &list));
  const weft_named_value_t named = {.name = "rest", .value = list};
  const weft_arguments_t arguments = {.positional = &list,
                                      .positional_count = 1,
                                      .named = &named,
                                      .named_count = 1};
  send(&kit, &arguments);
  assert_int_not_equal(
      kit.members[1].last_frame.flags & WEFT_FRAME_BODY_ATTACHED, 0);
  weft_codec_kit_assert_equal(list, weft_inbox.delivery.values[0]);
  weft_codec_kit_assert_equal(list, weft_inbox.delivery.values[1]);
  assert_string_equal(weft_inbox.delivery.names[0], "rest");
  // The body was copied, so it is back already.
  weft_peer_kit_check_arena(&kit, 0);
  weft_value_release(list);
  weft_inbox_close(&kit);
}

// More than fit into a frame by themselves.
static void many_small_tensors_arrive(void** state) {
  weft_peer_kit_t kit;
  weft_value_t tensors[WEFT_WIRE_ATTACHMENT_LIMIT];
  weft_value_t list = weft_none();
  (void)state;
  weft_inbox_open(&kit);
  for (int i = 0; i < WEFT_WIRE_ATTACHMENT_LIMIT; i++) {
    tensors[i] = make_tensor(kit.members[0].runtime, false, 1024, i);
  }
  weft_kit_assert_ok(weft_list_create(&kit.memory.allocator, tensors,
                                      WEFT_WIRE_ATTACHMENT_LIMIT, &list));
  send(&kit, WEFT_ARGUMENTS(list));
  weft_codec_kit_assert_equal(list, weft_inbox.delivery.values[0]);
  assert_true(kit.members[1].last_frame.size_bytes <= WEFT_LINK_FRAME_LIMIT);
  release_all(tensors, WEFT_WIRE_ATTACHMENT_LIMIT);
  weft_value_release(list);
  weft_inbox_close(&kit);
}

static void many_large_strings_and_a_tensor_without_elements_arrive(
    void** state) {
  weft_peer_kit_t kit;
  weft_value_t values[100];
  weft_value_t list = weft_none();
  (void)state;
  weft_inbox_open(&kit);
  for (int i = 0; i < 99; i++) {
    values[i] = make_string(&kit.memory.allocator, 5000, (char)('a' + i % 26));
  }
  values[99] = make_tensor(kit.members[0].runtime, true, 0, 0);
  weft_kit_assert_ok(
      weft_list_create(&kit.memory.allocator, values, 100, &list));
  send(&kit, WEFT_ARGUMENTS(list));
  weft_codec_kit_assert_equal(list, weft_inbox.delivery.values[0]);
  // Strings are copied out of what was lent.
  weft_peer_kit_check_arena(&kit, 0);
  release_all(values, 100);
  weft_value_release(list);
  weft_inbox_close(&kit);
}

// --- Tensors ----------------------------------------------------------------

static void a_private_tensor_is_copied_once(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_value_t tensor = make_tensor(kit.members[0].runtime, false, 100000, 9);
  send(&kit, WEFT_ARGUMENTS(tensor));
  weft_codec_kit_assert_equal(tensor, weft_inbox.delivery.values[0]);
  assert_int_equal(weft_peer_kit_counters(&kit, 0).bytes_copied, 100000);
  assert_int_equal(weft_peer_kit_counters(&kit, 0).bytes_lent, 0);
  assert_int_equal(weft_peer_kit_counters(&kit, 1).bytes_copied, 0);
  assert_int_equal(weft_peer_kit_arena(&kit, 0).loan_count, 1);
  weft_inbox_empty(&kit, 0);
  weft_peer_kit_check_arena(&kit, 0);
  weft_value_release(tensor);
  weft_inbox_close(&kit);
}

static void a_shared_tensor_is_lent(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_value_t tensor = make_tensor(kit.members[0].runtime, true, 100000, 9);
  send(&kit, WEFT_ARGUMENTS(tensor, tensor));
  weft_codec_kit_assert_equal(tensor, weft_inbox.delivery.values[0]);
  weft_codec_kit_assert_equal(tensor, weft_inbox.delivery.values[1]);
  assert_int_equal(weft_peer_kit_counters(&kit, 0).bytes_copied, 0);
  assert_int_equal(weft_peer_kit_counters(&kit, 0).bytes_lent, 200000);
  // The block stays while one of the two is held.
  weft_value_release(tensor);
  weft_value_release(weft_inbox.delivery.values[0]);
  weft_inbox.delivery.values[0] = weft_none();
  weft_peer_kit_run(&kit);
  assert_true(weft_peer_kit_arena(&kit, 0).lent_bytes >= 100000);
  weft_inbox_empty(&kit, 0);
  weft_inbox_close(&kit);
}

static void a_borrowed_tensor_goes_home_as_itself(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_value_t tensor = make_tensor(kit.members[0].runtime, true, 50000, 3);
  send(&kit, WEFT_ARGUMENTS(tensor));
  weft_value_t borrowed = weft_value_retain(weft_inbox.delivery.values[0]);
  weft_inbox_empty(&kit, 0);
  weft_kit_assert_ok(weft_peer_kit_send(&kit, 1, 0, WEFT_ARGUMENTS(borrowed)));
  assert_true(weft_inbox.is_full);
  weft_codec_kit_assert_equal(tensor, weft_inbox.delivery.values[0]);
  const weft_tensor_t* there = NULL;
  const weft_tensor_t* here = NULL;
  weft_kit_assert_ok(weft_value_as_tensor(tensor, &here));
  weft_kit_assert_ok(
      weft_value_as_tensor(weft_inbox.delivery.values[0], &there));
  assert_ptr_equal(weft_tensor_data(here), weft_tensor_data(there));
  weft_delivery_deinit(weft_peer_kit_peer(&kit, 0, 1), &weft_inbox.delivery);
  weft_inbox.is_full = false;
  weft_value_release(borrowed);
  weft_value_release(tensor);
  weft_inbox_close(&kit);
}

// From rank 0 to rank 1, and from there to rank 2.
static void lend_on(weft_peer_kit_t* kit, weft_value_t tensor) {
  send(kit, WEFT_ARGUMENTS(tensor));
  weft_value_t borrowed = weft_value_retain(weft_inbox.delivery.values[0]);
  weft_inbox_empty(kit, 0);
  weft_kit_assert_ok(weft_peer_kit_send(kit, 1, 2, WEFT_ARGUMENTS(borrowed)));
  weft_value_release(borrowed);
}

static void a_borrowed_tensor_is_lent_on(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_peer_kit_connect(&kit, 1, 2);
  weft_peer_kit_connect(&kit, 0, 2);
  weft_value_t tensor = make_tensor(kit.members[0].runtime, true, 50000, 3);
  lend_on(&kit, tensor);
  assert_true(weft_inbox.is_full);
  weft_codec_kit_assert_equal(tensor, weft_inbox.delivery.values[0]);
  weft_peer_kit_run(&kit);
  assert_int_equal(weft_peer_kit_counters(&kit, 1).bytes_copied, 0);
  assert_int_equal(weft_peer_kit_arena(&kit, 0).loan_count, 1);
  weft_delivery_deinit(weft_peer_kit_peer(&kit, 2, 1), &weft_inbox.delivery);
  weft_inbox.is_full = false;
  weft_value_release(tensor);
  weft_inbox_close(&kit);
}

static weft_link_sink_vtable_t losing_vtable;
static const weft_link_sink_vtable_t* whole_vtable;

static void lose_descriptor(weft_link_sink_t* sink, uint64_t tag,
                            int descriptor) {
  (void)close(descriptor);
  whole_vtable->descriptor(sink, tag, -1);
}

// The value fails that needs it, and its loan comes back; the next arrives.
static void a_segment_that_finds_no_room_is_shown_again(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 1, 0);
  weft_value_t tensor = make_tensor(kit.members[0].runtime, true, 50000, 3);
  whole_vtable = peer->sink.vtable;
  losing_vtable = *whole_vtable;
  losing_vtable.descriptor = lose_descriptor;
  peer->sink.vtable = &losing_vtable;
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_ok(weft_peer_kit_send(&kit, 0, 1, WEFT_ARGUMENTS(tensor)));
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "rank 0",
                                weft_inbox.status);
    weft_inbox.status = WEFT_OK;
  }
  peer->sink.vtable = whole_vtable;
  send(&kit, WEFT_ARGUMENTS(tensor));
  weft_codec_kit_assert_equal(tensor, weft_inbox.delivery.values[0]);
  assert_int_equal(weft_peer_state(peer), WEFT_PEER_UP);
  weft_value_release(tensor);
  weft_inbox_close(&kit);
}

// The owner must know of each holder; it cannot be told.
static void what_is_of_an_owner_out_of_reach_is_not_lent_on(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_peer_kit_connect(&kit, 1, 2);
  weft_value_t tensor = make_tensor(kit.members[0].runtime, true, 50000, 3);
  lend_on(&kit, tensor);
  weft_value_t borrowed = weft_value_retain(weft_inbox.delivery.values[0]);
  weft_delivery_deinit(weft_peer_kit_peer(&kit, 2, 1), &weft_inbox.delivery);
  weft_inbox.is_full = false;
  assert_int_equal(kit.members[2].wanted[0], 1);
  weft_peers_refuse(
      kit.members[2].runtime, 0,
      weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no more files"));
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "rank 0 cannot be reached now",
      weft_peer_kit_send(&kit, 2, 1, WEFT_ARGUMENTS(borrowed)));
  assert_int_equal(kit.members[2].wanted[0], 2);
  weft_peer_kit_connect(&kit, 0, 2);
  weft_kit_assert_ok(weft_peer_kit_send(&kit, 2, 1, WEFT_ARGUMENTS(borrowed)));
  weft_codec_kit_assert_equal(tensor, weft_inbox.delivery.values[0]);
  weft_inbox_empty(&kit, 2);
  weft_value_release(borrowed);
  weft_value_release(tensor);
  weft_inbox_close(&kit);
}

// --- What cannot be sent ----------------------------------------------------

static void what_cannot_be_sent_is_an_error_that_says_where_it_is(
    void** state) {
  static const weft_opaque_type_t type = {.name = "secret"};
  weft_peer_kit_t kit;
  weft_value_t secret = weft_none();
  weft_value_t list = weft_none();
  (void)state;
  weft_inbox_open(&kit);
  const weft_allocator_t* allocator = &kit.memory.allocator;
  weft_value_t tensor = make_tensor(kit.members[0].runtime, true, 5000, 0);
  weft_kit_assert_ok(weft_opaque_create(allocator, &type, &kit, &secret));
  const weft_value_t values[] = {tensor, secret};
  weft_kit_assert_ok(weft_list_create(allocator, values, 2, &list));
  weft_kit_assert_status_says(
      WEFT_STATUS_UNIMPLEMENTED, "argument 1: [1]",
      weft_peer_kit_send(&kit, 0, 1, WEFT_ARGUMENTS(weft_int64(1), list)));
  const weft_named_value_t named = {.name = "key", .value = list};
  const weft_arguments_t arguments = {.named = &named, .named_count = 1};
  weft_kit_assert_status_says(WEFT_STATUS_UNIMPLEMENTED, "key",
                              weft_peer_kit_send(&kit, 0, 1, &arguments));
  assert_int_equal(weft_inbox.count, 0);
  assert_int_equal(weft_peer_kit_arena(&kit, 0).loan_count, 0);
  weft_value_release(list);
  weft_value_release(secret);
  weft_value_release(tensor);
  weft_inbox_close(&kit);
}

// What was packed and never written.
static void a_parcel_that_is_not_sent_takes_its_loans_back(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_inbox_open(&kit);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
  weft_peer_t* full = NULL;
  weft_value_t tensor = make_tensor(kit.members[0].runtime, true, 5000, 0);
  const weft_frame_t head = {.type = WEFT_FRAME_CALL};
  weft_parcel_t parcel;
  weft_parcel_init(&parcel, &head);
  weft_kit_assert_ok(weft_parcel_pack(&parcel, peer, WEFT_ARGUMENTS(tensor)));
  weft_kit_assert_ok(weft_parcel_prepare(&parcel, peer, &full));
  assert_int_equal(weft_peer_kit_arena(&kit, 0).loan_count, 1);
  weft_parcel_deinit(&parcel, peer);
  weft_value_release(tensor);
  weft_peer_kit_check_arena(&kit, 0);
  weft_inbox_close(&kit);
}

// --- Memory that runs out ---------------------------------------------------

// A bit of everything that needs memory.
static weft_arguments_t make_load(weft_peer_kit_t* kit, weft_value_t* values,
                                  weft_named_value_t* named) {
  weft_runtime_t* runtime = kit->members[0].runtime;
  make_kinds(runtime, values);
  values[KINDS] = make_tensor(runtime, true, 70000, 5);
  *named = (weft_named_value_t){.name = "tensor", .value = values[KINDS]};
  weft_arguments_t arguments = {.positional = values,
                                .positional_count = KINDS + 1,
                                .named = named,
                                .named_count = 1};
  return arguments;
}

static void packing_without_memory_fails_and_leaves_nothing(void** state) {
  weft_peer_kit_t kit;
  weft_value_t values[KINDS + 1];
  weft_named_value_t named;
  (void)state;
  weft_inbox_open(&kit);
  weft_arguments_t arguments = make_load(&kit, values, &named);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
  uint64_t rounds = 0;
  bool has_failed;
  do {
    const weft_frame_t head = {.type = WEFT_FRAME_CALL};
    weft_peer_t* full = NULL;
    weft_parcel_t parcel;
    weft_parcel_init(&parcel, &head);
    weft_kit_allocator_fail(&kit.memory, rounds++, 1);
    weft_status_t status = weft_parcel_pack(&parcel, peer, &arguments);
    if (status == WEFT_OK) {
      status = weft_parcel_prepare(&parcel, peer, &full);
    }
    has_failed = kit.memory.failed > 0;
    weft_kit_allocator_fail(&kit.memory, 0, 0);
    weft_parcel_deinit(&parcel, peer);
    // It may have done without.
    weft_status_code_t code = weft_status_ignore(status);
    assert_true(code == WEFT_STATUS_OK ||
                (has_failed && code == WEFT_STATUS_RESOURCE_EXHAUSTED));
    assert_int_equal(weft_peer_kit_arena(&kit, 0).loan_count, 0);
  } while (has_failed);
  assert_true(rounds > 3);
  release_all(values, KINDS + 1);
  weft_inbox_close(&kit);
}

static void read_without_memory(bool fails_on) {
  weft_peer_kit_t kit;
  weft_value_t values[KINDS + 1];
  weft_named_value_t named;
  weft_inbox_open(&kit);
  weft_arguments_t arguments = make_load(&kit, values, &named);
  weft_inbox.failing = 1;
  weft_inbox.fails_on = fails_on;
  weft_kit_assert_ok(weft_peer_kit_send(&kit, 0, 1, &arguments));
  while (weft_inbox.has_failed) {
    if (!weft_inbox.is_full) {
      assert_int_equal(weft_status_code(weft_inbox.status),
                       WEFT_STATUS_RESOURCE_EXHAUSTED);
      assert_int_equal(weft_peer_kit_arena(&kit, 0).loan_count, 0);
    }
    weft_inbox_empty(&kit, 0);
    weft_inbox.failing++;
    weft_kit_assert_ok(weft_peer_kit_send(&kit, 0, 1, &arguments));
  }
  assert_true(weft_inbox.is_full);
  assert_true(weft_inbox.failing > 5);
  assert_int_equal(weft_inbox.delivery.count, KINDS + 2);
  release_all(values, KINDS + 1);
  weft_inbox_close(&kit);
}

static void reading_without_memory_fails_and_gives_loans_back(void** state) {
  (void)state;
  read_without_memory(false);
  read_without_memory(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_kind_arrives_by_position),
      cmocka_unit_test(each_kind_arrives_by_name),
      cmocka_unit_test(as_many_arguments_as_there_may_be_arrive),
      cmocka_unit_test(the_arrow_of_a_trace_goes_with_any_payload),
      cmocka_unit_test(a_body_larger_than_a_frame_goes_beside_it),
      cmocka_unit_test(many_small_tensors_arrive),
      cmocka_unit_test(many_large_strings_and_a_tensor_without_elements_arrive),
      cmocka_unit_test(a_private_tensor_is_copied_once),
      cmocka_unit_test(a_shared_tensor_is_lent),
      cmocka_unit_test(a_borrowed_tensor_goes_home_as_itself),
      cmocka_unit_test(a_borrowed_tensor_is_lent_on),
      cmocka_unit_test(a_segment_that_finds_no_room_is_shown_again),
      cmocka_unit_test(what_is_of_an_owner_out_of_reach_is_not_lent_on),
      cmocka_unit_test(what_cannot_be_sent_is_an_error_that_says_where_it_is),
      cmocka_unit_test(a_parcel_that_is_not_sent_takes_its_loans_back),
      cmocka_unit_test(packing_without_memory_fails_and_leaves_nothing),
      cmocka_unit_test(reading_without_memory_fails_and_gives_loans_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
