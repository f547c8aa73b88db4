// SPDX-License-Identifier: Apache-2.0

#include "actor/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "kit/kit.h"
#include "sys/sys.h"

typedef struct letter {
  _Alignas(64) weft_mailbox_node_t node;
  size_t sender;
  uint32_t number;
} letter_t;

typedef struct box {
  _Alignas(64) weft_mailbox_in_t in;
  _Alignas(64) weft_mailbox_out_t out;
} box_t;

static letter_t* taken(box_t* box) {
  weft_mailbox_node_t* passed;
  weft_mailbox_node_t* node = weft_mailbox_pop(&box->out, &passed);
  return node != NULL ? WEFT_CONTAINER_OF(node, letter_t, node) : NULL;
}

static weft_mailbox_push_t put(box_t* box, letter_t* letter) {
  return weft_mailbox_push(&box->in, &letter->node, false);
}

static void open_idle(box_t* box, uint32_t bound) {
  memset(box, 0, sizeof(*box));
  weft_mailbox_init_dead(&box->in);
  weft_mailbox_open(&box->in, &box->out, bound);
  assert_true(weft_mailbox_try_idle(&box->in, &box->out));
}

static void what_is_put_in_comes_out_in_order(void** state) {
  (void)state;
  box_t box;
  letter_t letters[10];
  open_idle(&box, 100);
  assert_null(taken(&box));
  for (int i = 0; i < 10; i++) {
    assert_int_equal(i == 0 ? WEFT_MAILBOX_PUSHED_FIRST : WEFT_MAILBOX_PUSHED,
                     put(&box, &letters[i]));
  }
  for (int i = 0; i < 10; i++) {
    assert_ptr_equal(&letters[i], taken(&box));
  }
  assert_null(taken(&box));
}

static void the_node_taken_last_stays_until_the_next(void** state) {
  (void)state;
  box_t box;
  letter_t letters[2];
  weft_mailbox_node_t* passed;
  open_idle(&box, 100);
  put(&box, &letters[0]);
  weft_mailbox_pop(&box.out, &passed);
  assert_ptr_equal(&box.out.stub, passed);
  put(&box, &letters[1]);
  weft_mailbox_pop(&box.out, &passed);
  assert_ptr_equal(&letters[0].node, passed);
  assert_ptr_equal(&letters[1].node, box.out.head);
}

static void only_one_of_those_who_find_it_idle_is_to_post(void** state) {
  (void)state;
  box_t box;
  letter_t letters[3];
  open_idle(&box, 100);
  assert_int_equal(WEFT_MAILBOX_PUSHED_FIRST, put(&box, &letters[0]));
  assert_false(weft_mailbox_claim(&box.in));
  assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &letters[1]));
  // It does not go idle while something is queued.
  taken(&box);
  assert_false(weft_mailbox_try_idle(&box.in, &box.out));
  taken(&box);
  assert_true(weft_mailbox_try_idle(&box.in, &box.out));
  assert_true(weft_mailbox_claim(&box.in));
  assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &letters[2]));
}

static void it_is_full_at_its_bound_until_messages_are_finished(void** state) {
  (void)state;
  box_t box;
  letter_t letters[4];
  open_idle(&box, 3);
  for (int i = 0; i < 3; i++) {
    assert_false(weft_mailbox_is_full(&box.in));
    assert_true(put(&box, &letters[i]) <= WEFT_MAILBOX_PUSHED_FIRST);
  }
  assert_true(weft_mailbox_is_full(&box.in));
  assert_int_equal(WEFT_MAILBOX_IS_FULL, put(&box, &letters[3]));
  // Taking makes no room, finishing does.
  taken(&box);
  assert_int_equal(WEFT_MAILBOX_IS_FULL, put(&box, &letters[3]));
  weft_mailbox_finish(&box.in, 1);
  assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &letters[3]));
}

static void what_is_reserved_goes_into_a_full_one(void** state) {
  (void)state;
  box_t box;
  letter_t letters[3];
  open_idle(&box, 1);
  put(&box, &letters[0]);
  assert_int_equal(WEFT_MAILBOX_PUSHED,
                   weft_mailbox_push(&box.in, &letters[1].node, true));
  assert_int_equal(WEFT_MAILBOX_IS_FULL, put(&box, &letters[2]));
  // It takes nobody's room, so finishing the other is enough.
  weft_mailbox_finish(&box.in, 1);
  assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &letters[2]));
}

static void what_is_reserved_never_wraps_the_count(void** state) {
  (void)state;
  box_t box;
  letter_t letters[2];
  letter_t counted[3];
  open_idle(&box, 2);
  // More than the count has room for; a node is used again once another was
  // taken after it.
  for (uint32_t i = 0; i < (UINT32_C(1) << WEFT_MAILBOX_COUNT_BITS); i++) {
    weft_mailbox_push(&box.in, &letters[i % 2].node, true);
    assert_ptr_equal(&letters[i % 2], taken(&box));
    if (i % 4096 == 0) {
      assert_false(weft_mailbox_is_full(&box.in));
    }
  }
  assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &counted[0]));
  assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &counted[1]));
  assert_int_equal(WEFT_MAILBOX_IS_FULL, put(&box, &counted[2]));
}

static void counts_may_wrap(void** state) {
  (void)state;
  box_t box;
  letter_t letters[4];
  open_idle(&box, 2);
  // More than the bits of the count hold.
  for (uint32_t i = 0; i < (UINT32_C(3) << WEFT_MAILBOX_COUNT_BITS); i++) {
    assert_int_equal(WEFT_MAILBOX_PUSHED_FIRST, put(&box, &letters[i % 4]));
    assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &letters[(i + 1) % 4]));
    assert_int_equal(WEFT_MAILBOX_IS_FULL, put(&box, &letters[(i + 2) % 4]));
    taken(&box);
    taken(&box);
    weft_mailbox_finish(&box.in, 2);
    assert_true(weft_mailbox_try_idle(&box.in, &box.out));
  }
}

static void a_closed_one_takes_nothing_but_gives_what_it_has(void** state) {
  (void)state;
  box_t box;
  letter_t letters[2];
  open_idle(&box, 10);
  put(&box, &letters[0]);
  assert_int_equal(0, weft_mailbox_close(&box.in));
  assert_true(weft_mailbox_is_closed(&box.in));
  assert_int_equal(WEFT_MAILBOX_IS_CLOSED, put(&box, &letters[1]));
  assert_int_equal(WEFT_MAILBOX_IS_CLOSED,
                   weft_mailbox_push(&box.in, &letters[1].node, true));
  assert_false(weft_mailbox_watch(&box.in));
  assert_ptr_equal(&letters[0], taken(&box));
  assert_null(taken(&box));
  assert_false(weft_mailbox_is_dead(&box.in));
  assert_ptr_equal(&letters[0].node, weft_mailbox_leave(&box.in, &box.out));
  assert_true(weft_mailbox_is_dead(&box.in));
  assert_false(weft_mailbox_claim(&box.in));
  assert_int_equal(WEFT_MAILBOX_IS_CLOSED, put(&box, &letters[1]));
  // And it can be opened again.
  weft_mailbox_open(&box.in, &box.out, 10);
  assert_null(taken(&box));
  assert_int_equal(WEFT_MAILBOX_PUSHED, put(&box, &letters[1]));
}

static void one_that_was_never_used_leaves_no_node(void** state) {
  (void)state;
  box_t box;
  open_idle(&box, 10);
  weft_mailbox_close(&box.in);
  assert_null(weft_mailbox_leave(&box.in, &box.out));
}

static void it_stays_watched_until_it_is_left(void** state) {
  (void)state;
  box_t box;
  letter_t letters[2];
  open_idle(&box, 10);
  assert_true(weft_mailbox_watch(&box.in));
  assert_true(weft_mailbox_watch(&box.in));
  put(&box, &letters[0]);
  taken(&box);
  weft_mailbox_finish(&box.in, 1);
  assert_true(weft_mailbox_try_idle(&box.in, &box.out));
  put(&box, &letters[1]);
  assert_int_equal(WEFT_MAILBOX_WATCHED, weft_mailbox_close(&box.in));
}

// --- Threads ----------------------------------------------------------------

enum { SENDERS = 3, LETTERS = 20000, BOUND = 100 };

// The consumer is whoever took IDLE away, as with actors: the run of `post`
// by one thread at a time is what is tested.
typedef struct office {
  box_t box;
  letter_t* letters;
  uint32_t next[SENDERS];
  // Turns that run at this moment; never more than one.
  _Atomic uint32_t consumers;
  _Atomic uint32_t wrong;
  _Atomic uint32_t received;
} office_t;

static void expect(office_t* office, bool holds) {
  if (!holds) {
    atomic_fetch_add_explicit(&office->wrong, 1, memory_order_relaxed);
  }
}

static void consume(office_t* office) {
  bool is_idle = false;
  while (!is_idle) {
    expect(office, atomic_fetch_add_explicit(&office->consumers, 1,
                                             memory_order_relaxed) == 0);
    letter_t* letter = taken(&office->box);
    if (letter != NULL) {
      expect(office, letter->number == office->next[letter->sender]);
      office->next[letter->sender]++;
      weft_mailbox_finish(&office->box.in, 1);
      atomic_fetch_add_explicit(&office->received, 1, memory_order_relaxed);
    }
    atomic_fetch_sub_explicit(&office->consumers, 1, memory_order_relaxed);
    is_idle = weft_mailbox_try_idle(&office->box.in, &office->box.out);
  }
}

static void send_all(size_t index, void* user) {
  office_t* office = user;
  for (uint32_t i = 0; i < LETTERS; i++) {
    letter_t* letter = &office->letters[index * LETTERS + i];
    letter->sender = index;
    letter->number = i;
    weft_mailbox_push_t push;
    while ((push = put(&office->box, letter)) == WEFT_MAILBOX_IS_FULL) {
      weft_sys_yield();
    }
    if (push == WEFT_MAILBOX_PUSHED_FIRST) {
      consume(office);
    }
  }
}

static void each_sender_keeps_its_order_and_one_consumes(void** state) {
  (void)state;
  static office_t office;
  memset(&office, 0, sizeof(office));
  office.letters =
      aligned_alloc(64, (size_t)SENDERS * LETTERS * sizeof(letter_t));
  assert_non_null(office.letters);
  open_idle(&office.box, BOUND);
  weft_kit_run_threads(SENDERS, send_all, &office);
  assert_int_equal(0, office.wrong);
  assert_int_equal(SENDERS * LETTERS, office.received);
  assert_true(weft_mailbox_claim(&office.box.in));
  free(office.letters);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_put_in_comes_out_in_order),
      cmocka_unit_test(the_node_taken_last_stays_until_the_next),
      cmocka_unit_test(only_one_of_those_who_find_it_idle_is_to_post),
      cmocka_unit_test(it_is_full_at_its_bound_until_messages_are_finished),
      cmocka_unit_test(what_is_reserved_goes_into_a_full_one),
      cmocka_unit_test(what_is_reserved_never_wraps_the_count),
      cmocka_unit_test(counts_may_wrap),
      cmocka_unit_test(a_closed_one_takes_nothing_but_gives_what_it_has),
      cmocka_unit_test(one_that_was_never_used_leaves_no_node),
      cmocka_unit_test(it_stays_watched_until_it_is_left),
      cmocka_unit_test(each_sender_keeps_its_order_and_one_consumes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
