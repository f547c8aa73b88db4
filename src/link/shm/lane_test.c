// SPDX-License-Identifier: Apache-2.0

#include "link/shm/lane.h"

#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"

#define RING_BYTES WEFT_LANE_BYTES_MIN

typedef struct lane {
  void* memory;
  weft_lane_out_t out;
  weft_lane_in_t in;
} lane_t;

static void lane_init(lane_t* lane) {
  size_t size_bytes = weft_lane_memory_bytes(RING_BYTES);
  lane->memory = aligned_alloc(4096, size_bytes);
  memset(lane->memory, 0, size_bytes);
  weft_lane_out_init(&lane->out, lane->memory, RING_BYTES);
  weft_lane_in_init(&lane->in, lane->memory, RING_BYTES);
}

static void write_frame(lane_t* lane, uint32_t size_bytes, uint8_t value) {
  memset(weft_lane_reserve(&lane->out, size_bytes), value, size_bytes);
  weft_lane_commit(&lane->out, size_bytes);
}

static void expect_frame(lane_t* lane, uint32_t size_bytes, uint8_t value) {
  static unsigned char buffer[WEFT_LINK_FRAME_LIMIT];
  uint32_t came = 0;
  uint32_t available;
  while (came == 0) {
    assert_true(weft_lane_available(
        &lane->in, weft_lane_cursors(lane->out.next, 0, 0), &available));
    assert_true(available > 0);
    assert_true(weft_lane_take(&lane->in, available, buffer, &came));
  }
  assert_int_equal(size_bytes, came);
  assert_int_equal(value, buffer[0]);
  assert_int_equal(value, buffer[size_bytes - 1]);
}

static void a_frame_of_64_bytes_takes_one_line(void** state) {
  (void)state;
  assert_int_equal(64, weft_lane_span(64));
  assert_int_equal(64, weft_lane_span(1));
  assert_int_equal(128, weft_lane_span(65));
  assert_int_equal(56, WEFT_LANE_EXPRESS_BYTES);
}

static void frames_go_round_also_where_cursors_wrap(void** state) {
  (void)state;
  lane_t lane;
  lane_init(&lane);
  // Just before 2^32.
  lane.out.next = lane.in.head = (uint32_t) - (3 * RING_BYTES);
  for (uint32_t i = 0; i < 2000; i++) {
    uint32_t size_bytes = 1 + i * 977 % WEFT_LINK_FRAME_LIMIT;
    uint32_t need = weft_lane_need(&lane.out, size_bytes);
    assert_true(need <= weft_lane_free(&lane.out, lane.in.head));
    uint32_t before = lane.out.next;
    write_frame(&lane, size_bytes, (uint8_t)i);
    assert_int_equal(need, lane.out.next - before);
    expect_frame(&lane, size_bytes, (uint8_t)i);
    assert_int_equal(lane.out.next, lane.in.head);
  }
  free(lane.memory);
}

static void a_short_frame_alone_goes_by_express(void** state) {
  (void)state;
  lane_t lane;
  lane_init(&lane);
  write_frame(&lane, WEFT_LANE_EXPRESS_BYTES, 7);
  assert_int_equal(WEFT_LANE_EXPRESS_BYTES,
                   weft_lane_single(&lane.out, 0, lane.out.next));
  weft_lane_fill_express(&lane.out, 0);
  unsigned char frame[WEFT_LANE_EXPRESS_BYTES] = {0};
  weft_lane_take_express(&lane.in, frame);
  assert_int_equal(7, frame[0]);
  assert_int_equal(7, frame[WEFT_LANE_EXPRESS_BYTES - 1]);
  assert_int_equal(lane.out.next, lane.in.head);
  write_frame(&lane, WEFT_LANE_EXPRESS_BYTES + 1, 8);
  assert_int_equal(0, weft_lane_single(&lane.out, 64, lane.out.next));
  write_frame(&lane, 1, 9);
  assert_int_equal(0, weft_lane_single(&lane.out, 64, lane.out.next));
  free(lane.memory);
}

static void cursors_without_sense_are_found(void** state) {
  (void)state;
  lane_t lane;
  lane_init(&lane);
  unsigned char buffer[WEFT_LINK_FRAME_LIMIT];
  uint32_t bytes;
  assert_false(weft_lane_available(
      &lane.in, weft_lane_cursors(RING_BYTES + 64, 0, 0), &bytes));
  assert_false(
      weft_lane_available(&lane.in, weft_lane_cursors(64, 57, 0), &bytes));
  const uint16_t wrong[] = {0, 65, WEFT_LINK_FRAME_LIMIT + 1, WEFT_LANE_PAD};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    atomic_store_explicit(&lane.out.sizes[0], wrong[i], memory_order_relaxed);
    assert_false(weft_lane_take(&lane.in, 64, buffer, &bytes));
    assert_int_equal(0, lane.in.head);
  }
  free(lane.memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_frame_of_64_bytes_takes_one_line),
      cmocka_unit_test(frames_go_round_also_where_cursors_wrap),
      cmocka_unit_test(a_short_frame_alone_goes_by_express),
      cmocka_unit_test(cursors_without_sense_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
