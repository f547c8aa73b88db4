// SPDX-License-Identifier: Apache-2.0
//
// The hook, with a progress that other threads feed: frames are nodes of a
// list, the bell is a word of this process.

#include "async/progress.h"

#include <stdlib.h>

#include "async/async_internal.h"
#include "async/future_kit.h"
#include "base/assert.h"
#include "base/container.h"

#define SLEEPERS 2

// A pretend frame: completes a promise, posts a task, or is only counted.
typedef struct frame frame_t;
struct frame {
  frame_t* next;
  weft_promise_t* promise;
  weft_task_t* task;
  weft_parker_t* parker;
  // Something else than a frame, a link that ends say, which no poll counts.
  bool is_none;
};

// As lanes do it: whoever sends looks for a sleeper second, a sleeper takes
// the place first and looks for frames second.
typedef struct fake {
  weft_progress_t progress;
  weft_runtime_t* runtime;
  weft_mutex_t lock;
  frame_t* first;
  frame_t** last;
  bool refuses;
  bool is_taken[SLEEPERS];
  _Atomic uint32_t bell;
  // Threads that are in a call of the progress.
  _Atomic int calls;
  _Atomic uint32_t polled;
  _Atomic uint32_t flushed;
  _Atomic uint32_t armed[SLEEPERS];
  _Atomic uint32_t refused;
  // The thread that last dealt with a frame.
  _Atomic uint32_t poller;
} fake_t;

static fake_t* fake_of(weft_progress_t* progress) {
  return WEFT_CONTAINER_OF(progress, fake_t, progress);
}

static frame_t* take_all(fake_t* fake) {
  weft_mutex_lock(&fake->lock);
  frame_t* first = fake->first;
  fake->first = NULL;
  fake->last = &fake->first;
  weft_mutex_unlock(&fake->lock);
  return first;
}

static void deal_with(fake_t* fake, const frame_t* frame) {
  // Release: pairs with the acquire in `read_word`.
  atomic_store_explicit(&fake->poller, weft_sys_thread_id(),
                        memory_order_release);
  if (frame->promise != NULL) {
    weft_status_t status = weft_promise_set(frame->promise, weft_none());
    weft_assert(status == WEFT_OK);
    weft_promise_release(frame->promise);
  }
  if (frame->task != NULL) {
    weft_executor_post(weft_runtime_executor(fake->runtime), frame->task);
  }
  if (frame->parker != NULL) {
    weft_unpark(frame->parker);
  }
}

static uint32_t fake_poll(weft_progress_t* progress) {
  fake_t* fake = fake_of(progress);
  weft_count_add(&fake->calls, 1);
  uint32_t count = 0;
  frame_t* frame = take_all(fake);
  while (frame != NULL) {
    // Its owner may go on, and the frame be gone, as soon as it is dealt with.
    frame_t copy = *frame;
    frame = copy.next;
    deal_with(fake, &copy);
    count += copy.is_none ? 0 : 1;
  }
  // Release: pairs with the acquire in `weft_await_word`.
  atomic_fetch_add_explicit(&fake->polled, count, memory_order_release);
  weft_count_add(&fake->calls, -1);
  return count;
}

static void fake_flush(weft_progress_t* progress) {
  weft_raise_word(&fake_of(progress)->flushed);
}

static bool fake_arm(weft_progress_t* progress, weft_sleeper_t sleeper,
                     weft_bell_t* out_bell) {
  fake_t* fake = fake_of(progress);
  *out_bell = (weft_bell_t){0};
  weft_mutex_lock(&fake->lock);
  bool is_free = !fake->refuses && !fake->is_taken[sleeper];
  bool has_come = fake->first != NULL;
  fake->is_taken[sleeper] |= is_free && !has_come;
  if (is_free) {
    // Relaxed: it changes under the lock.
    out_bell->expected =
        atomic_load_explicit(&fake->bell, memory_order_relaxed);
    out_bell->word = &fake->bell;
  }
  weft_mutex_unlock(&fake->lock);
  bool is_armed = is_free && !has_come;
  weft_raise_word(is_armed ? &fake->armed[sleeper] : &fake->refused);
  return is_armed;
}

static void fake_disarm(weft_progress_t* progress, weft_sleeper_t sleeper) {
  fake_t* fake = fake_of(progress);
  weft_mutex_lock(&fake->lock);
  weft_assert(fake->is_taken[sleeper]);
  fake->is_taken[sleeper] = false;
  weft_mutex_unlock(&fake->lock);
  // As lanes do it: the frames that the bell was rung for.
  (void)fake_poll(progress);
}

static const weft_progress_vtable_t fake_vtable = {
    .poll = fake_poll,
    .flush = fake_flush,
    .arm = fake_arm,
    .disarm = fake_disarm,
};

// Sends a frame from "another process", and rings if somebody sleeps.
static void send(fake_t* fake, frame_t* frame) {
  frame->next = NULL;
  weft_mutex_lock(&fake->lock);
  *fake->last = frame;
  fake->last = &frame->next;
  bool rings =
      fake->is_taken[WEFT_SLEEPER_IDLE] || fake->is_taken[WEFT_SLEEPER_WAITING];
  if (rings) {
    // Relaxed: a sleeper looks again.
    atomic_fetch_add_explicit(&fake->bell, 1, memory_order_relaxed);
  }
  weft_mutex_unlock(&fake->lock);
  if (rings) {
    weft_futex_wake_shared(&fake->bell, UINT32_MAX);
  }
}

static void fake_init_with(fake_t* fake,
                           const weft_runtime_options_t* options) {
  *fake = (fake_t){.progress.vtable = &fake_vtable};
  weft_mutex_init(&fake->lock);
  fake->last = &fake->first;
  weft_kit_assert_ok(weft_runtime_create(options, &fake->runtime));
  weft_async_set_progress(fake->runtime, &fake->progress);
}

static void fake_init(fake_t* fake, uint32_t worker_count) {
  const weft_runtime_options_t options = {.worker_count = worker_count};
  fake_init_with(fake, &options);
}

static void fake_deinit(fake_t* fake) {
  weft_runtime_destroy(fake->runtime);
  assert_int_equal(0, weft_count(&fake->calls));
  assert_false(fake->is_taken[WEFT_SLEEPER_IDLE]);
  assert_false(fake->is_taken[WEFT_SLEEPER_WAITING]);
  weft_mutex_deinit(&fake->lock);
}

static uint32_t read_word(const _Atomic uint32_t* word) {
  // Acquire: pairs with the release in `weft_raise_word`.
  return atomic_load_explicit(word, memory_order_acquire);
}

// --- Those that wait --------------------------------------------------------

// Sends `frame` once the `place` was taken for the `least`th time.
typedef struct sender {
  fake_t* fake;
  frame_t* frame;
  _Atomic uint32_t* awaited;
  uint32_t least;
  weft_sys_thread_t thread;
} sender_t;

static void send_later(void* user) {
  sender_t* sender = user;
  weft_await_word(sender->awaited, sender->least);
  send(sender->fake, sender->frame);
}

static void sender_start(sender_t* sender) {
  weft_kit_assert_ok(
      weft_sys_thread_start(&sender->thread, "sender", send_later, sender));
}

static void a_waiter_is_woken_by_the_bell_and_polls(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 1);
  for (uint32_t i = 1; i <= 50; i++) {
    weft_pair_t pair = weft_pair(fake.runtime);
    frame_t frame = {.promise = pair.promise};
    sender_t sender = {
        .fake = &fake,
        .frame = &frame,
        .awaited = &fake.armed[WEFT_SLEEPER_WAITING],
        // An idle worker may be the one that takes the last frame, and then
        // the waiter sleeps on its own word.
        .least = read_word(&fake.armed[WEFT_SLEEPER_WAITING]) + 1,
    };
    sender_start(&sender);
    weft_kit_assert_ok(weft_future_wait(pair.future, WEFT_TIME_INFINITE));
    weft_sys_thread_join(&sender.thread);
    weft_future_release(pair.future);
  }
  // Whoever took the last frame may not have counted it so far.
  weft_await_word(&fake.polled, 50);
  assert_int_equal(50, read_word(&fake.polled));
  fake_deinit(&fake);
}

typedef struct brief {
  weft_task_t task;
  _Atomic uint32_t* word;
  uint32_t thread;
} brief_t;

static void run_brief(weft_task_t* task) {
  brief_t* brief = WEFT_CONTAINER_OF(task, brief_t, task);
  brief->thread = weft_sys_thread_id();
  weft_raise_word(brief->word);
}

// A task that keeps its worker until it is let go.
typedef struct hog {
  weft_task_t task;
  _Atomic uint32_t running;
  _Atomic uint32_t let_go;
} hog_t;

static void run_hog(weft_task_t* task) {
  hog_t* hog = WEFT_CONTAINER_OF(task, hog_t, task);
  weft_raise_word(&hog->running);
  weft_await_word(&hog->let_go, 1);
}

static void hog_start(hog_t* hog, weft_runtime_t* runtime) {
  *hog = (hog_t){.task.run = run_hog};
  weft_executor_post(weft_runtime_executor(runtime), &hog->task);
  weft_await_word(&hog->running, 1);
}

static void a_waiter_polls_while_all_workers_are_busy(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 2);
  hog_t hogs[2];
  hog_start(&hogs[0], fake.runtime);
  hog_start(&hogs[1], fake.runtime);
  for (uint32_t i = 1; i <= 50; i++) {
    weft_pair_t pair = weft_pair(fake.runtime);
    frame_t frame = {.promise = pair.promise};
    sender_t sender = {.fake = &fake,
                       .frame = &frame,
                       .awaited = &fake.armed[WEFT_SLEEPER_WAITING],
                       .least = i};
    sender_start(&sender);
    weft_kit_assert_ok(weft_future_wait(pair.future, WEFT_TIME_INFINITE));
    // Nobody else could: the workers run, and no thread is to spare.
    assert_int_equal(weft_sys_thread_id(), read_word(&fake.poller));
    weft_sys_thread_join(&sender.thread);
    weft_future_release(pair.future);
  }
  weft_raise_word(&hogs[0].let_go);
  weft_raise_word(&hogs[1].let_go);
  fake_deinit(&fake);
}

static void frames_that_came_before_the_wait_need_no_sleep(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 1);
  hog_t hog;
  hog_start(&hog, fake.runtime);
  weft_pair_t pair = weft_pair(fake.runtime);
  frame_t frame = {.promise = pair.promise};
  send(&fake, &frame);
  weft_kit_assert_ok(weft_future_wait(pair.future, WEFT_TIME_INFINITE));
  assert_int_equal(0, read_word(&fake.armed[WEFT_SLEEPER_WAITING]));
  weft_future_release(pair.future);
  weft_raise_word(&hog.let_go);
  fake_deinit(&fake);
}

static void a_wait_on_the_bell_ends_at_its_deadline(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 1);
  weft_parker_t parker;
  weft_parker_init(&parker, fake.runtime);
  for (uint32_t i = 1; i <= 3; i++) {
    int64_t deadline_ns = weft_deadline_after(fake.runtime, 2000000);
    weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                           weft_park(&parker, deadline_ns));
    assert_true(weft_runtime_now_ns(fake.runtime) >= deadline_ns);
    assert_true(read_word(&fake.armed[WEFT_SLEEPER_WAITING]) >= i);
  }
  fake_deinit(&fake);
}

// --- Those that are idle ----------------------------------------------------

static void an_idle_worker_runs_what_the_bell_was_rung_for(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 1);
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  frame_t frame = {.task = &brief.task};
  for (uint32_t i = 1; i <= 200; i++) {
    weft_await_word(&fake.armed[WEFT_SLEEPER_IDLE], i);
    send(&fake, &frame);
    weft_await_word(&ran, i);
    // The thread that polled is the one that ran it.
    assert_int_equal(brief.thread, read_word(&fake.poller));
  }
  fake_deinit(&fake);
}

// Sends something that is no frame while its worker is awake, and so no bell is
// rung.
typedef struct sending_task {
  weft_task_t task;
  fake_t* fake;
  frame_t* frame;
} sending_task_t;

static void run_sending(weft_task_t* task) {
  sending_task_t* sending = WEFT_CONTAINER_OF(task, sending_task_t, task);
  send(sending->fake, sending->frame);
}

static void what_is_no_frame_may_post_tasks_too(void** state) {
  (void)state;
  fake_t fake;
  // A spin would find the task by chance.
  assert_int_equal(0, setenv("WEFT_SPIN", "0", 1));
  fake_init(&fake, 1);
  assert_int_equal(0, unsetenv("WEFT_SPIN"));
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  frame_t frame = {.task = &brief.task, .is_none = true};
  sending_task_t sending = {
      .task.run = run_sending, .fake = &fake, .frame = &frame};
  for (uint32_t i = 1; i <= 200; i++) {
    weft_executor_post(weft_runtime_executor(fake.runtime), &sending.task);
    weft_await_word(&ran, i);
  }
  fake_deinit(&fake);
}

static void the_thread_that_polls_runs_what_it_finds(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 2);
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  frame_t frame = {.task = &brief.task};
  uint32_t hops = 0;
  for (uint32_t i = 1; i <= 200; i++) {
    weft_await_word(&fake.armed[WEFT_SLEEPER_IDLE], i);
    send(&fake, &frame);
    weft_await_word(&ran, i);
    hops += brief.thread != read_word(&fake.poller);
  }
  // A thread that still spins may be faster, now and then.
  assert_true(hops < 20);
  fake_deinit(&fake);
}

static void an_idle_thread_has_the_place_while_another_is_busy(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 2);
  weft_await_word(&fake.armed[WEFT_SLEEPER_IDLE], 1);
  hog_t hog;
  hog_start(&hog, fake.runtime);
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  frame_t frame = {.task = &brief.task};
  for (uint32_t i = 1; i <= 50; i++) {
    send(&fake, &frame);
    weft_await_word(&ran, i);
  }
  weft_raise_word(&hog.let_go);
  fake_deinit(&fake);
}

// --- Flush ------------------------------------------------------------------

typedef struct flusher {
  weft_task_t task;
  fake_t* fake;
  weft_future_t* future;
  _Atomic uint32_t done;
} flusher_t;

static void wait_for_future(weft_task_t* task) {
  flusher_t* flusher = WEFT_CONTAINER_OF(task, flusher_t, task);
  weft_status_t status = weft_future_wait(flusher->future, WEFT_TIME_INFINITE);
  weft_assert(status == WEFT_OK);
  weft_raise_word(&flusher->done);
}

static void frames_are_flushed_after_tasks_and_before_waits(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 1);
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  weft_executor_post(weft_runtime_executor(fake.runtime), &brief.task);
  weft_await_word(&fake.flushed, 1);
  assert_int_equal(1, read_word(&ran));

  weft_pair_t pair = weft_pair(fake.runtime);
  flusher_t flusher = {
      .task.run = wait_for_future, .fake = &fake, .future = pair.future};
  weft_executor_post(weft_runtime_executor(fake.runtime), &flusher.task);
  // Before the wait, which goes on.
  weft_await_word(&fake.flushed, 2);
  assert_int_equal(0, read_word(&flusher.done));
  weft_pair_set(&pair, weft_none());
  // After the task.
  weft_await_word(&fake.flushed, 3);
  assert_int_equal(1, read_word(&flusher.done));
  weft_future_release(pair.future);
  fake_deinit(&fake);
}

static void a_simulation_flushes_after_steps_and_before_waits(void** state) {
  (void)state;
  fake_t fake;
  const weft_runtime_options_t options = {.simulate = true};
  fake_init_with(&fake, &options);
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  weft_executor_post(weft_runtime_executor(fake.runtime), &brief.task);
  assert_int_equal(1, weft_runtime_run(fake.runtime, UINT64_MAX));
  // What was sent from outside, and what the task has sent.
  assert_int_equal(2, read_word(&fake.flushed));
  weft_pair_t pair = weft_pair(fake.runtime);
  flusher_t flusher = {
      .task.run = wait_for_future, .fake = &fake, .future = pair.future};
  weft_executor_post(weft_runtime_executor(fake.runtime), &flusher.task);
  assert_int_equal(1, weft_runtime_run(fake.runtime, UINT64_MAX));
  assert_int_equal(4, read_word(&fake.flushed));
  assert_int_equal(0, read_word(&flusher.done));
  weft_pair_set(&pair, weft_none());
  // The step that wakes the task is the task's from then on.
  assert_int_equal(1, weft_runtime_run(fake.runtime, UINT64_MAX));
  assert_int_equal(6, read_word(&fake.flushed));
  assert_int_equal(1, read_word(&flusher.done));
  // Frames come by timers there.
  assert_int_equal(0, read_word(&fake.armed[WEFT_SLEEPER_WAITING]));
  assert_int_equal(0, read_word(&fake.polled));
  weft_future_release(pair.future);
  fake_deinit(&fake);
}

// --- Refusals, changes, the end ---------------------------------------------

static void whoever_is_refused_the_place_sleeps_alone(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 2);
  weft_mutex_lock(&fake.lock);
  fake.refuses = true;
  weft_mutex_unlock(&fake.lock);
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  for (uint32_t i = 1; i <= 100; i++) {
    weft_executor_post(weft_runtime_executor(fake.runtime), &brief.task);
    weft_await_word(&ran, i);
  }
  weft_pair_t pair = weft_pair(fake.runtime);
  flusher_t flusher = {
      .task.run = wait_for_future, .fake = &fake, .future = pair.future};
  uint32_t refused = read_word(&fake.refused);
  weft_executor_post(weft_runtime_executor(fake.runtime), &flusher.task);
  weft_await_word(&fake.refused, refused + 1);
  weft_pair_set(&pair, weft_none());
  weft_await_word(&flusher.done, 1);
  weft_future_release(pair.future);
  fake_deinit(&fake);
}

static void a_progress_that_is_taken_away_is_not_called(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 1);
  weft_await_word(&fake.armed[WEFT_SLEEPER_IDLE], 1);
  weft_async_set_progress(fake.runtime, NULL);
  _Atomic uint32_t ran = 0;
  brief_t brief = {.task.run = run_brief, .word = &ran};
  weft_executor_post(weft_runtime_executor(fake.runtime), &brief.task);
  weft_await_word(&ran, 1);
  weft_kit_assert_ok(weft_runtime_stop(fake.runtime, WEFT_TIME_INFINITE));
  assert_int_equal(1, read_word(&fake.armed[WEFT_SLEEPER_IDLE]));
  assert_int_equal(0, read_word(&fake.flushed));
  fake_deinit(&fake);
}

static void wait_outside(void* user) {
  wait_for_future(&((flusher_t*)user)->task);
}

static void after_the_stop_nobody_calls_not_even_who_still_waits(void** state) {
  (void)state;
  fake_t fake;
  fake_init(&fake, 2);
  weft_pair_t pair = weft_pair(fake.runtime);
  flusher_t flusher = {.fake = &fake, .future = pair.future};
  weft_sys_thread_t thread;
  weft_kit_assert_ok(
      weft_sys_thread_start(&thread, "waiter", wait_outside, &flusher));
  weft_await_word(&fake.armed[WEFT_SLEEPER_WAITING], 1);
  weft_kit_assert_ok(weft_runtime_stop(fake.runtime, WEFT_TIME_INFINITE));
  // Its place is given up, and it sleeps on without.
  assert_false(fake.is_taken[WEFT_SLEEPER_WAITING]);
  assert_int_equal(0, weft_count(&fake.calls));
  fake.progress.vtable = NULL;
  weft_pair_set(&pair, weft_none());
  weft_sys_thread_join(&thread);
  assert_int_equal(1, read_word(&flusher.done));
  weft_future_release(pair.future);
  fake_deinit(&fake);
}

// --- All at once ------------------------------------------------------------

#define PRODUCERS 3

typedef struct storm {
  fake_t fake;
  uint32_t amount;
  _Atomic uint32_t ran;
} storm_t;

// Sends frames that post tasks, each when the one before has run, or all at a
// time; every few it waits for a reply.
static void produce(size_t index, void* user) {
  storm_t* storm = user;
  weft_runtime_t* runtime = storm->fake.runtime;
  weft_kit_random_t random;
  weft_kit_random_init(&random, index);
  _Atomic uint32_t ran = 0;
  uint32_t sent = 0;
  brief_t briefs[8];
  frame_t frames[8];
  while (sent < storm->amount) {
    uint32_t burst = 1 + (uint32_t)weft_kit_random_below(&random, 8);
    for (uint32_t i = 0; i < burst; i++) {
      briefs[i] = (brief_t){.task.run = run_brief, .word = &ran};
      frames[i] = (frame_t){.task = &briefs[i].task};
      send(&storm->fake, &frames[i]);
    }
    sent += burst;
    if (weft_kit_random_below(&random, 2) == 0) {
      weft_parker_t parker;
      weft_parker_init(&parker, runtime);
      frame_t reply = {.parker = &parker};
      send(&storm->fake, &reply);
      weft_status_t status = weft_park(&parker, WEFT_TIME_INFINITE);
      weft_assert(status == WEFT_OK);
    }
    weft_await_word(&ran, sent);
  }
}

static void no_frame_stays_behind(void** state) {
  (void)state;
  for (uint32_t workers = 1; workers <= 3; workers++) {
    storm_t storm = {.amount = (uint32_t)weft_kit_amount(20000)};
    fake_init(&storm.fake, workers);
    weft_kit_run_threads(PRODUCERS, produce, &storm);
    fake_deinit(&storm.fake);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_waiter_is_woken_by_the_bell_and_polls),
      cmocka_unit_test(a_waiter_polls_while_all_workers_are_busy),
      cmocka_unit_test(frames_that_came_before_the_wait_need_no_sleep),
      cmocka_unit_test(a_wait_on_the_bell_ends_at_its_deadline),
      cmocka_unit_test(an_idle_worker_runs_what_the_bell_was_rung_for),
      cmocka_unit_test(what_is_no_frame_may_post_tasks_too),
      cmocka_unit_test(the_thread_that_polls_runs_what_it_finds),
      cmocka_unit_test(an_idle_thread_has_the_place_while_another_is_busy),
      cmocka_unit_test(frames_are_flushed_after_tasks_and_before_waits),
      cmocka_unit_test(a_simulation_flushes_after_steps_and_before_waits),
      cmocka_unit_test(whoever_is_refused_the_place_sleeps_alone),
      cmocka_unit_test(a_progress_that_is_taken_away_is_not_called),
      cmocka_unit_test(after_the_stop_nobody_calls_not_even_who_still_waits),
      cmocka_unit_test(no_frame_stays_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
