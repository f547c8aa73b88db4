// SPDX-License-Identifier: Apache-2.0

#include "link/sim/lane.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kit/kit.h"

#define CAPACITY 65536

typedef struct fixture {
  weft_kit_allocator_t memory;
  weft_sim_lane_t lane;
} fixture_t;

static void setup(fixture_t* fixture) {
  memset(fixture, 0, sizeof(*fixture));
  weft_kit_allocator_init(&fixture->memory);
  weft_kit_assert_ok(
      weft_sim_lane_init(&fixture->lane, &fixture->memory.allocator, CAPACITY));
}

static void teardown(fixture_t* fixture) {
  weft_sim_lane_deinit(&fixture->lane, &fixture->memory.allocator);
  weft_kit_allocator_deinit(&fixture->memory);
}

// Frames of random sizes, each filled with its number, in and out.
typedef struct traffic {
  size_t sizes[CAPACITY / 16];
  uint64_t sent;
  uint64_t flushed;
  uint64_t received;
} traffic_t;

static size_t* size_of(traffic_t* traffic, uint64_t number) {
  return &traffic->sizes[number % (CAPACITY / 16)];
}

static void put(fixture_t* fixture, traffic_t* traffic,
                weft_kit_random_t* random) {
  uint64_t limit =
      weft_kit_random_below(random, 2) == 0 ? 100 : WEFT_LINK_FRAME_LIMIT;
  size_t reserved = 1 + weft_kit_random_below(random, limit);
  size_t size = 1 + weft_kit_random_below(random, reserved);
  bool was_empty = traffic->sent == traffic->received;
  void* data =
      weft_sim_lane_reserve(&fixture->lane, reserved, WEFT_LINK_ORDINARY);
  assert_true(data != NULL || !was_empty);
  if (data != NULL) {
    assert_int_equal(0, (uintptr_t)data % 8);
    memset(data, (int)(traffic->sent % 251), reserved);
    weft_sim_lane_commit(&fixture->lane, size);
    *size_of(traffic, traffic->sent) = size;
    traffic->sent++;
  }
}

static void flush(fixture_t* fixture, traffic_t* traffic) {
  while (traffic->flushed < traffic->sent) {
    weft_sim_record_t* record = weft_sim_lane_flush_one(&fixture->lane);
    assert_non_null(record);
    record->due_ns = (int64_t)traffic->flushed;
    traffic->flushed += record->is_skip == 0;
  }
  assert_null(weft_sim_lane_flush_one(&fixture->lane));
}

static void get(fixture_t* fixture, traffic_t* traffic) {
  int64_t due_ns = -1;
  weft_sim_next_t next = weft_sim_lane_next(&fixture->lane, &due_ns);
  if (traffic->received == traffic->flushed) {
    assert_int_equal(WEFT_SIM_NOTHING, next);
    return;
  }
  assert_int_equal(WEFT_SIM_FRAME, next);
  assert_int_equal(traffic->received, due_ns);
  size_t size;
  uint64_t place;
  const unsigned char* data =
      weft_sim_lane_frame(&fixture->lane, &size, &place);
  assert_int_equal(*size_of(traffic, traffic->received), size);
  assert_int_equal(traffic->received % 251, data[0]);
  assert_int_equal(traffic->received % 251, data[size - 1]);
  weft_sim_lane_done(&fixture->lane, place);
  traffic->received++;
}

static void pass_frames(weft_kit_random_t* random, void* user) {
  (void)user;
  fixture_t fixture;
  setup(&fixture);
  traffic_t traffic = {.sent = 0};
  for (int i = 0; i < 1000; i++) {
    switch (weft_kit_random_below(random, 4)) {
      case 0:
        flush(&fixture, &traffic);
        break;
      case 1:
        put(&fixture, &traffic, random);
        break;
      case 2:
        if (weft_kit_random_below(random, 20) == 0) {
          weft_sim_lane_forget(&fixture.lane);
          traffic.sent = traffic.flushed;
        }
        break;
      default:
        get(&fixture, &traffic);
        break;
    }
  }
  teardown(&fixture);
}

static void frames_come_whole_and_in_order(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, pass_frames, NULL);
}

static void what_was_refused_is_told_of_room_once(void** state) {
  (void)state;
  fixture_t fixture;
  setup(&fixture);
  weft_sim_lane_t* lane = &fixture.lane;
  uint32_t count = 0;
  while (weft_sim_lane_reserve(lane, 8000, WEFT_LINK_ORDINARY) != NULL) {
    weft_sim_lane_commit(lane, 8000);
    count++;
  }
  assert_int_equal((CAPACITY - WEFT_LINK_RESERVE_BYTES) / 8016, count);
  assert_false(weft_sim_lane_has_room_again(lane));
  // What may use the rest finds some.
  assert_non_null(weft_sim_lane_reserve(lane, 8000, WEFT_LINK_RESERVED));
  weft_sim_lane_commit(lane, 8000);
  while (weft_sim_lane_flush_one(lane) != NULL) {
  }
  bool has_room = false;
  uint32_t taken = 0;
  while (!has_room) {
    int64_t due_ns;
    assert_int_equal(WEFT_SIM_FRAME, weft_sim_lane_next(lane, &due_ns));
    size_t size;
    uint64_t place;
    weft_sim_lane_frame(lane, &size, &place);
    weft_sim_lane_done(lane, place);
    taken++;
    has_room = weft_sim_lane_has_room_again(lane);
  }
  assert_true(taken > 1 && taken < count);
  assert_false(weft_sim_lane_has_room_again(lane));
  assert_non_null(weft_sim_lane_reserve(lane, 8000, WEFT_LINK_ORDINARY));
  teardown(&fixture);
}

static void a_descriptor_comes_before_frames_flushed_later(void** state) {
  (void)state;
  fixture_t fixture;
  setup(&fixture);
  weft_sim_lane_t* lane = &fixture.lane;
  for (int i = 0; i < 2; i++) {
    weft_sim_lane_reserve(lane, 10, WEFT_LINK_ORDINARY);
    weft_sim_lane_commit(lane, 10);
    // The second is committed, but not flushed, before the descriptor.
    if (i == 0) {
      assert_non_null(weft_sim_lane_flush_one(lane));
    }
  }
  int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert_true(weft_sim_lane_put_descriptor(lane, 5, file, 77));
  assert_non_null(weft_sim_lane_flush_one(lane));
  int64_t due_ns;
  size_t size;
  uint64_t place;
  assert_int_equal(WEFT_SIM_FRAME, weft_sim_lane_next(lane, &due_ns));
  weft_sim_lane_frame(lane, &size, &place);
  weft_sim_lane_done(lane, place);
  assert_int_equal(WEFT_SIM_DESCRIPTOR, weft_sim_lane_next(lane, &due_ns));
  assert_int_equal(77, due_ns);
  weft_sim_parcel_t parcel = weft_sim_lane_take_descriptor(lane);
  assert_int_equal(5, parcel.tag);
  assert_int_equal(file, parcel.descriptor);
  close(file);
  assert_int_equal(WEFT_SIM_FRAME, weft_sim_lane_next(lane, &due_ns));
  teardown(&fixture);
}

static void descriptors_are_bounded_and_closed_with_the_lane(void** state) {
  (void)state;
  fixture_t fixture;
  setup(&fixture);
  weft_sim_lane_t* lane = &fixture.lane;
  int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int file = first;
  uint32_t count = 0;
  while (weft_sim_lane_put_descriptor(lane, count, file, 0)) {
    count++;
    file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  assert_int_equal(WEFT_SIM_PARCEL_LIMIT, count);
  assert_false(weft_sim_lane_has_room_again(lane));
  close(weft_sim_lane_take_descriptor(lane).descriptor);
  assert_true(weft_sim_lane_has_room_again(lane));
  assert_true(weft_sim_lane_put_descriptor(lane, count, file, 0));
  teardown(&fixture);
  assert_int_equal(-1, fcntl(file, F_GETFD));
  assert_int_equal(-1, fcntl(first, F_GETFD));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_come_whole_and_in_order),
      cmocka_unit_test(what_was_refused_is_told_of_room_once),
      cmocka_unit_test(a_descriptor_comes_before_frames_flushed_later),
      cmocka_unit_test(descriptors_are_bounded_and_closed_with_the_lane),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
