// SPDX-License-Identifier: Apache-2.0
//
// Who sleeps, and is woken: bells, places, the service thread.

#include <linux/futex.h>
#include <sys/syscall.h>

#include "link/shm/shm_kit.h"

typedef struct sleepers {
  weft_shm_side_t sides[2];
  weft_notes_t notes[2];
  weft_link_t* links[2];
  // Frames that have come. Threads sleep on it beside the bell: it may be
  // another thread that takes the frame.
  _Atomic uint32_t came[2];
} sleepers_t;

static void count_frame(weft_notes_t* notes, const void* data,
                        size_t size_bytes) {
  (void)data;
  (void)size_bytes;
  _Atomic uint32_t* came = notes->user;
  atomic_fetch_add_explicit(came, 1, memory_order_seq_cst);
  weft_futex_wake(came, UINT32_MAX);
}

static void sleepers_open(sleepers_t* s) {
  int sockets[2];
  memset(s, 0, sizeof(*s));
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  for (uint16_t i = 0; i < 2; i++) {
    weft_notes_init(&s->notes[i]);
    weft_notes_answer(&s->notes[i], count_frame, &s->came[i]);
    weft_side_init(&s->sides[i], i, 0);
    s->links[i] = weft_side_open(&s->sides[i], sockets[i], (uint16_t)(1 - i),
                                 &s->notes[i].sink);
  }
}

static void sleepers_close(sleepers_t* s) {
  for (int i = 0; i < 2; i++) {
    weft_shm_stop(s->sides[i].shm);
    weft_link_destroy(s->links[i]);
    weft_side_deinit(&s->sides[i]);
    weft_notes_deinit(&s->notes[i]);
  }
}

static weft_progress_t* progress_of(sleepers_t* s, int side) {
  return weft_shm_progress(s->sides[side].shm);
}

static bool arm(sleepers_t* s, int side, weft_sleeper_t who,
                weft_bell_t* out_bell) {
  weft_progress_t* progress = progress_of(s, side);
  return progress->vtable->arm(progress, who, out_bell);
}

static void disarm(sleepers_t* s, int side, weft_sleeper_t who) {
  weft_progress_t* progress = progress_of(s, side);
  progress->vtable->disarm(progress, who);
}

// Takes a place that is free. What is left of the beginning, as the word of the
// socket that the service thread passes on, may come first.
static void arm_when_quiet(sleepers_t* s, int side, weft_sleeper_t who,
                           weft_bell_t* out_bell) {
  while (!arm(s, side, who, out_bell)) {
    assert_non_null(out_bell->word);
    weft_side_poll(&s->sides[side]);
  }
}

// Sleeps until another frame has come, or the bell rings.
static void sleep_on(_Atomic uint32_t* came, uint32_t seen,
                     const weft_bell_t* bell) {
  struct futex_waitv words[2] = {
      {.uaddr = (uintptr_t)came,
       .val = seen,
       .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG},
      {.uaddr = (uintptr_t)bell->word,
       .val = bell->expected,
       .flags = FUTEX_32},
  };
  (void)syscall(SYS_futex_waitv, words, 2, 0, NULL, 0);
}

static uint32_t frames_at(sleepers_t* s, int side) {
  return atomic_load_explicit(&s->came[side], memory_order_seq_cst);
}

// Those that whoever polls, or was asked to look once more, has seen.
static uint32_t frames_seen_at(sleepers_t* s, int side) {
  weft_shm_t* shm = s->sides[side].shm;
  assert_true(weft_shm_poll_enter(shm));
  uint32_t frames = frames_at(s, side);
  weft_shm_poll_leave(shm);
  return frames;
}

static void send_number(sleepers_t* s, int side, uint64_t number) {
  void* data;
  weft_kit_assert_ok(
      weft_link_reserve(s->links[side], 8, WEFT_LINK_RESERVED, &data));
  memcpy(data, &number, 8);
  weft_link_commit(s->links[side], 8);
  weft_link_flush(s->links[side]);
}

// Waits as a thread of the runtime does: polls, arms, sleeps.
static void wait_for(sleepers_t* s, int side, weft_sleeper_t who,
                     uint32_t frames) {
  uint32_t came;
  while ((came = frames_at(s, side)) < frames) {
    weft_bell_t bell;
    weft_side_poll(&s->sides[side]);
    if (frames_at(s, side) < frames && arm(s, side, who, &bell)) {
      sleep_on(&s->came[side], came, &bell);
      disarm(s, side, who);
    }
  }
}

// Until both have heard each other's hello.
static void warm_up(sleepers_t* s) {
  send_number(s, 0, 0);
  send_number(s, 1, 0);
  wait_for(s, 0, WEFT_SLEEPER_IDLE, 1);
  wait_for(s, 1, WEFT_SLEEPER_IDLE, 1);
}

// --- Tests ------------------------------------------------------------------

static void play(size_t index, void* user) {
  sleepers_t* s = user;
  uint32_t rounds = (uint32_t)weft_kit_amount(20000);
  for (uint32_t i = 2; i < rounds; i++) {
    if (index == 0) {
      send_number(s, 0, i);
      wait_for(s, 0, WEFT_SLEEPER_WAITING, i);
    } else {
      wait_for(s, 1, i % 2 ? WEFT_SLEEPER_WAITING : WEFT_SLEEPER_IDLE, i);
      send_number(s, 1, i);
    }
  }
}

static void sleepers_wake_each_other(void** state) {
  (void)state;
  sleepers_t s;
  sleepers_open(&s);
  warm_up(&s);
  weft_kit_run_threads(2, play, &s);
  sleepers_close(&s);
}

static void one_place_is_for_one(void** state) {
  (void)state;
  sleepers_t s;
  sleepers_open(&s);
  warm_up(&s);
  weft_bell_t first;
  weft_bell_t second;
  for (int who = 0; who < 2; who++) {
    weft_sleeper_t sleeper = (weft_sleeper_t)who;
    arm_when_quiet(&s, 0, sleeper, &first);
    assert_non_null(first.word);
    assert_false(arm(&s, 0, sleeper, &second));
    assert_null(second.word);
    disarm(&s, 0, sleeper);
    arm_when_quiet(&s, 0, sleeper, &second);
    assert_ptr_equal(first.word, second.word);
    disarm(&s, 0, sleeper);
  }
  sleepers_close(&s);
}

static void who_waits_is_woken_first(void** state) {
  (void)state;
  sleepers_t s;
  sleepers_open(&s);
  warm_up(&s);
  weft_bell_t idle;
  weft_bell_t waiting;
  arm_when_quiet(&s, 0, WEFT_SLEEPER_IDLE, &idle);
  arm_when_quiet(&s, 0, WEFT_SLEEPER_WAITING, &waiting);
  assert_ptr_not_equal(idle.word, waiting.word);
  send_number(&s, 1, 1);
  assert_int_not_equal(
      waiting.expected,
      atomic_load_explicit(waiting.word, memory_order_seq_cst));
  assert_int_equal(idle.expected,
                   atomic_load_explicit(idle.word, memory_order_seq_cst));
  // Rung once for each sleep.
  uint32_t rung = atomic_load_explicit(waiting.word, memory_order_seq_cst);
  send_number(&s, 1, 2);
  assert_int_equal(rung,
                   atomic_load_explicit(waiting.word, memory_order_seq_cst));
  // Who leaves sees to what came.
  disarm(&s, 0, WEFT_SLEEPER_WAITING);
  assert_int_equal(3, frames_seen_at(&s, 0));
  // Then it is the other one who is woken.
  send_number(&s, 1, 3);
  assert_int_not_equal(idle.expected,
                       atomic_load_explicit(idle.word, memory_order_seq_cst));
  disarm(&s, 0, WEFT_SLEEPER_IDLE);
  assert_int_equal(4, frames_seen_at(&s, 0));
  sleepers_close(&s);
}

static void who_arms_late_is_told_to_poll(void** state) {
  (void)state;
  sleepers_t s;
  sleepers_open(&s);
  warm_up(&s);
  uint32_t frames = 1;
  bool was_told = false;
  for (int i = 0; i < 1000 && !was_told; i++) {
    send_number(&s, 1, 1);
    frames++;
    weft_bell_t bell;
    if (arm(&s, 0, WEFT_SLEEPER_IDLE, &bell)) {
      // The service thread was quicker.
      disarm(&s, 0, WEFT_SLEEPER_IDLE);
    } else {
      assert_non_null(bell.word);
      was_told = true;
    }
    wait_for(&s, 0, WEFT_SLEEPER_IDLE, frames);
  }
  assert_true(was_told);
  sleepers_close(&s);
}

static void nobody_polls_and_frames_come_all_the_same(void** state) {
  (void)state;
  sleepers_t s;
  sleepers_open(&s);
  for (uint64_t i = 1; i <= 200; i++) {
    send_number(&s, 1, i);
    while (frames_at(&s, 0) < i) {
      (void)sched_yield();
    }
  }
  sleepers_close(&s);
}

static void a_sleeper_that_stays_ends_the_ticking(void** state) {
  (void)state;
  sleepers_t s;
  sleepers_open(&s);
  warm_up(&s);
  weft_shm_t* shm = s.sides[0].shm;
  weft_bell_t bell;
  assert_true(arm(&s, 0, WEFT_SLEEPER_IDLE, &bell));
  bool is_ticking = true;
  while (is_ticking) {
    (void)sched_yield();
    weft_mutex_lock(&shm->place_lock);
    is_ticking = shm->is_ticking;
    weft_mutex_unlock(&shm->place_lock);
  }
  disarm(&s, 0, WEFT_SLEEPER_IDLE);
  // Then nobody sleeps, until the service thread does.
  bool service_sleeps = false;
  while (!service_sleeps) {
    (void)sched_yield();
    weft_mutex_lock(&shm->place_lock);
    service_sleeps = shm->service_sleeps;
    assert_true(service_sleeps || shm->is_ticking);
    weft_mutex_unlock(&shm->place_lock);
  }
  sleepers_close(&s);
}

static void poll_often(sleepers_t* s, int side) {
  for (int i = 0; i < 100; i++) {
    weft_side_poll(&s->sides[side]);
  }
}

static void who_is_not_needed_leaves_it_to_those_that_poll(void** state) {
  (void)state;
  sleepers_t s;
  sleepers_open(&s);
  warm_up(&s);
  weft_bell_t bell;
  uint32_t frames = 1;
  // How often others poll is a matter of time, so not every ring counts.
  while (arm(&s, 0, WEFT_SLEEPER_IDLE, &bell)) {
    send_number(&s, 1, frames++);
    poll_often(&s, 0);
    disarm(&s, 0, WEFT_SLEEPER_IDLE);
  }
  assert_null(bell.word);
  assert_true(bell.retry_ns > 0);
  assert_int_equal(frames, frames_at(&s, 0));
  // Until a while has passed in which nobody polls.
  while (!arm(&s, 0, WEFT_SLEEPER_IDLE, &bell)) {
    assert_true(bell.retry_ns > 0);
    (void)sched_yield();
  }
  send_number(&s, 1, frames++);
  disarm(&s, 0, WEFT_SLEEPER_IDLE);
  assert_int_equal(frames, frames_at(&s, 0));
  sleepers_close(&s);
}

// --- Watches ----------------------------------------------------------------

typedef struct watched {
  weft_shm_watch_t watch;
  weft_shm_t* shm;
  _Atomic uint32_t calls;
  bool removes_itself;
} watched_t;

static void count_call(weft_shm_watch_t* watch) {
  watched_t* watched = WEFT_CONTAINER_OF(watch, watched_t, watch);
  char byte;
  (void)!read(watch->descriptor, &byte, 1);
  if (watched->removes_itself) {
    weft_shm_remove_watch(watched->shm, watch);
  }
  atomic_fetch_add_explicit(&watched->calls, 1, memory_order_seq_cst);
}

static void a_watch_is_called_until_it_is_removed(void** state) {
  (void)state;
  weft_shm_side_t side;
  weft_side_init(&side, 0, 0);
  for (int i = 0; i < 2; i++) {
    int ends[2];
    assert_int_equal(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    watched_t watched = {
        .watch = {.descriptor = ends[0], .ready = count_call},
        .shm = side.shm,
        .removes_itself = i == 1,
    };
    weft_kit_assert_ok(weft_shm_add_watch(side.shm, &watched.watch));
    for (uint32_t calls = 0; calls < (i == 0 ? 10u : 1u); calls++) {
      assert_int_equal(1, write(ends[1], "x", 1));
      while (atomic_load_explicit(&watched.calls, memory_order_seq_cst) <=
             calls) {
        (void)sched_yield();
      }
    }
    weft_shm_remove_watch(side.shm, &watched.watch);
    weft_shm_remove_watch(side.shm, &watched.watch);
    uint32_t calls = atomic_load_explicit(&watched.calls, memory_order_seq_cst);
    assert_int_equal(1, write(ends[1], "x", 1));
    assert_int_equal(
        calls, atomic_load_explicit(&watched.calls, memory_order_seq_cst));
    (void)close(ends[0]);
    (void)close(ends[1]);
  }
  weft_shm_stop(side.shm);
  weft_shm_watch_t late = {.descriptor = 0, .ready = count_call};
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         weft_shm_add_watch(side.shm, &late));
  weft_side_deinit(&side);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sleepers_wake_each_other),
      cmocka_unit_test(one_place_is_for_one),
      cmocka_unit_test(who_waits_is_woken_first),
      cmocka_unit_test(who_arms_late_is_told_to_poll),
      cmocka_unit_test(nobody_polls_and_frames_come_all_the_same),
      cmocka_unit_test(a_sleeper_that_stays_ends_the_ticking),
      cmocka_unit_test(who_is_not_needed_leaves_it_to_those_that_poll),
      cmocka_unit_test(a_watch_is_called_until_it_is_removed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
