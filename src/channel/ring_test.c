// SPDX-License-Identifier: Apache-2.0

#include "channel/ring.h"

#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"
#include "sys/sys.h"

#define SLOT_BYTES 48

typedef struct pair {
  weft_ring_t ring;
  weft_cursor_t* cursor;
} pair_t;

static void* take_lines(size_t size_bytes) {
  void* memory = aligned_alloc(WEFT_RING_LINE_BYTES,
                               (size_bytes + WEFT_RING_LINE_BYTES - 1) /
                                   WEFT_RING_LINE_BYTES * WEFT_RING_LINE_BYTES);
  assert_non_null(memory);
  memset(memory, 0x5a, size_bytes);
  return memory;
}

static void open_pair(pair_t* pair, uint32_t slot_count) {
  void* memory = take_lines(weft_ring_bytes(slot_count, SLOT_BYTES));
  pair->ring = weft_ring_at(memory, slot_count, SLOT_BYTES);
  weft_ring_clear(&pair->ring);
  pair->cursor = take_lines(sizeof(weft_cursor_t));
  memset(pair->cursor, 0, sizeof(*pair->cursor));
}

static void close_pair(pair_t* pair) {
  free(pair->ring.head);
  free(pair->cursor);
}

static void put(const pair_t* pair, uint64_t sequence) {
  memcpy(weft_ring_place(&pair->ring, sequence), &sequence, sizeof(sequence));
  weft_ring_show(&pair->ring, sequence, WEFT_RING_INT64, sizeof(sequence));
}

static weft_ring_look_t look(const pair_t* pair, uint64_t sequence,
                             uint64_t* out_number) {
  weft_ring_content_t content;
  weft_ring_look_t found = weft_ring_look(&pair->ring, sequence, &content);
  if (found == WEFT_RING_SHOWN) {
    assert_int_equal(content.kind, WEFT_RING_INT64);
    assert_int_equal(content.size_bytes, sizeof(*out_number));
    memcpy(out_number, content.data, sizeof(*out_number));
  }
  return found;
}

static void a_value_is_there_once_it_is_shown(void** state) {
  pair_t pair;
  uint64_t number = 0;
  (void)state;
  open_pair(&pair, 2);
  assert_int_equal(look(&pair, 0, &number), WEFT_RING_EMPTY);
  assert_false(weft_ring_is_shown(&pair.ring, 0));
  put(&pair, 0);
  put(&pair, 1);
  assert_true(weft_ring_is_shown(&pair.ring, 0));
  assert_int_equal(look(&pair, 0, &number), WEFT_RING_SHOWN);
  assert_int_equal(number, 0);
  assert_int_equal(look(&pair, 1, &number), WEFT_RING_SHOWN);
  assert_int_equal(number, 1);
  assert_int_equal(look(&pair, 2, &number), WEFT_RING_EMPTY);
  close_pair(&pair);
}

static void a_value_that_was_overwritten_is_known_to_be(void** state) {
  pair_t pair;
  uint64_t number;
  (void)state;
  open_pair(&pair, 2);
  put(&pair, 0);
  put(&pair, 2);
  assert_int_equal(look(&pair, 0, &number), WEFT_RING_OVERWRITTEN);
  assert_int_equal(look(&pair, 2, &number), WEFT_RING_SHOWN);
  close_pair(&pair);
}

static void what_no_writer_puts_is_refused(void** state) {
  pair_t pair;
  uint64_t number;
  (void)state;
  open_pair(&pair, 1);
  weft_ring_show(&pair.ring, 0, WEFT_RING_BYTES, SLOT_BYTES + 1);
  assert_int_equal(look(&pair, 0, &number), WEFT_RING_OVERWRITTEN);
  weft_ring_show(&pair.ring, 1, WEFT_RING_KIND_COUNT, 0);
  assert_int_equal(look(&pair, 1, &number), WEFT_RING_OVERWRITTEN);
  close_pair(&pair);
}

static void memory_that_cannot_be_a_ring_is_none(void** state) {
  static const struct {
    size_t size_bytes;
    uint32_t slot_count;
    uint32_t slot_bytes;
  } cases[] = {
      {0, 1, 0},
      {128, 1, 0},
      {128 + 63, 1, 0},
      {128 + 64, 1, 48},
      {128 + 96, 1, 0},
      {128 + 2 * 256, 2, 240},
      {128 + 2 * 256 + 64, 2, 0},
      {128 + 128, 3, 0},
      {128 + ((size_t)UINT32_MAX + 65), 1, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    // It is not looked at.
    char memory;
    weft_ring_t ring =
        weft_ring_find(&memory, cases[i].size_bytes, cases[i].slot_count);
    assert_int_equal(ring.head != NULL, cases[i].slot_bytes > 0);
    if (ring.head != NULL) {
      assert_int_equal(ring.slot_bytes, cases[i].slot_bytes);
      assert_int_equal(weft_ring_bytes(ring.slot_count, ring.slot_bytes),
                       cases[i].size_bytes);
    }
  }
}

static void whoever_waits_is_rung_once(void** state) {
  pair_t pair;
  (void)state;
  open_pair(&pair, 2);
  weft_cursor_announce(pair.cursor, 1);
  put(&pair, 0);
  assert_false(weft_cursor_waits(pair.cursor, 0));
  put(&pair, 1);
  assert_true(weft_cursor_waits(pair.cursor, 1));
  assert_false(weft_cursor_waits(pair.cursor, 2));
  weft_ring_announce(&pair.ring, 1);
  assert_false(weft_cursor_release(pair.cursor, &pair.ring, 0, 1));
  assert_int_equal(weft_cursor_low(pair.cursor), 1);
  assert_true(weft_cursor_release(pair.cursor, &pair.ring, 1, 2));
  assert_false(weft_cursor_release(pair.cursor, &pair.ring, 2, 3));
  // Several at once, the one that is waited for among them.
  weft_ring_announce(&pair.ring, 5);
  assert_true(weft_cursor_release(pair.cursor, &pair.ring, 3, 9));
  close_pair(&pair);
}

// --- Two threads ------------------------------------------------------------

typedef struct play {
  pair_t pair;
  uint64_t count;
  // Bells that were rung.
  _Atomic uint32_t to_writer;
  _Atomic uint32_t to_reader;
} play_t;

static uint32_t count_bells(const _Atomic uint32_t* bell) {
  // Acquire: pairs with the release in `ring_bell`.
  return atomic_load_explicit(bell, memory_order_acquire);
}

static void ring_bell(_Atomic uint32_t* bell) {
  // Release: pairs with the acquire in `count_bells`.
  atomic_fetch_add_explicit(bell, 1, memory_order_release);
  weft_futex_wake(bell, 1);
}

// Sleeps until it has been rung since `heard` was read.
static void await_bell(_Atomic uint32_t* bell, uint32_t heard) {
  while (count_bells(bell) == heard) {
    (void)weft_futex_wait(bell, heard, WEFT_TIME_INFINITE);
  }
}

static void await_release(play_t* play, uint64_t needed) {
  const pair_t* pair = &play->pair;
  while (weft_cursor_low(pair->cursor) <= needed) {
    uint32_t heard = count_bells(&play->to_writer);
    weft_ring_announce(&pair->ring, needed);
    if (weft_cursor_low(pair->cursor) <= needed) {
      await_bell(&play->to_writer, heard);
    }
  }
}

static void write_values(void* user) {
  play_t* play = user;
  for (uint64_t n = 0; n < play->count; n++) {
    if (n >= play->pair.ring.slot_count) {
      await_release(play, n - play->pair.ring.slot_count);
    }
    put(&play->pair, n);
    if (weft_cursor_waits(play->pair.cursor, n)) {
      ring_bell(&play->to_reader);
    }
  }
}

static void await_value(play_t* play, uint64_t sequence) {
  const pair_t* pair = &play->pair;
  while (!weft_ring_is_shown(&pair->ring, sequence)) {
    uint32_t heard = count_bells(&play->to_reader);
    weft_cursor_announce(pair->cursor, sequence);
    if (!weft_ring_is_shown(&pair->ring, sequence)) {
      await_bell(&play->to_reader, heard);
    }
  }
}

static void read_values(play_t* play) {
  const pair_t* pair = &play->pair;
  for (uint64_t n = 0; n < play->count; n++) {
    uint64_t number = 0;
    await_value(play, n);
    assert_int_equal(look(pair, n, &number), WEFT_RING_SHOWN);
    assert_int_equal(number, n);
    if (weft_cursor_release(pair->cursor, &pair->ring, n, n + 1)) {
      ring_bell(&play->to_writer);
    }
  }
}

// Both sleep as often as they can; if a bell were missing this would not end.
static void nobody_sleeps_for_ever(void** state) {
  (void)state;
  for (uint32_t slots = 1; slots <= 3; slots++) {
    play_t play = {.count = weft_kit_amount(20000)};
    weft_sys_thread_t writer;
    open_pair(&play.pair, slots);
    weft_kit_assert_ok(
        weft_sys_thread_start(&writer, "writer", write_values, &play));
    read_values(&play);
    weft_sys_thread_join(&writer);
    assert_int_equal(weft_cursor_low(play.pair.cursor), play.count);
    close_pair(&play.pair);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_value_is_there_once_it_is_shown),
      cmocka_unit_test(a_value_that_was_overwritten_is_known_to_be),
      cmocka_unit_test(what_no_writer_puts_is_refused),
      cmocka_unit_test(memory_that_cannot_be_a_ring_is_none),
      cmocka_unit_test(whoever_waits_is_rung_once),
      cmocka_unit_test(nobody_sleeps_for_ever),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
