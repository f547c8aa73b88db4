// SPDX-License-Identifier: Apache-2.0

#include "async/pool_queue.h"

#include "kit/kit.h"

static weft_task_t* take_from_ring(weft_pool_queue_t* queue) {
  return weft_pool_ring_pop(queue);
}

static weft_task_t* take_from_stack(weft_pool_queue_t* queue) {
  return weft_pool_stack_pop(queue);
}

// Puts seven tasks and takes them again, more often than there are places, so
// that the places wrap.
static void put_and_take(bool is_shared, bool is_ring) {
  static weft_pool_queue_t queue;
  queue = (weft_pool_queue_t){.is_shared = is_shared};
  weft_pool_places_t* places = is_ring ? &queue.ring : &queue.stack;
  weft_task_t tasks[7];
  for (int round = 0; round < 3 * WEFT_POOL_PLACES; round++) {
    for (int i = 0; i < 7; i++) {
      assert_true(weft_pool_places_push(places, &tasks[i]));
      // The stack's tail goes up and down; its head goes on by this.
      if (!is_ring && i == 0) {
        assert_ptr_equal(&tasks[0], weft_pool_stack_take_oldest(&queue));
        assert_true(weft_pool_places_push(places, &tasks[0]));
      }
    }
    assert_int_equal(WEFT_POOL_PLACES - 7, weft_pool_places_room(places));
    for (int i = 0; i < 7; i++) {
      weft_task_t* task =
          is_ring ? take_from_ring(&queue) : take_from_stack(&queue);
      assert_ptr_equal(&tasks[is_ring ? i : 6 - i], task);
    }
    assert_true(weft_pool_places_are_empty(places));
    assert_null(take_from_ring(&queue));
    assert_null(take_from_stack(&queue));
    assert_null(weft_pool_stack_take_oldest(&queue));
  }
}

static void the_ring_gives_the_oldest_task_first(void** state) {
  (void)state;
  put_and_take(false, true);
  put_and_take(true, true);
}

static void the_stack_gives_the_newest_task_first(void** state) {
  (void)state;
  put_and_take(false, false);
  put_and_take(true, false);
}

static void a_full_ring_or_stack_takes_no_more(void** state) {
  (void)state;
  for (int is_ring = 0; is_ring <= 1; is_ring++) {
    static weft_pool_queue_t queue;
    static weft_task_t tasks[WEFT_POOL_PLACES + 1];
    queue = (weft_pool_queue_t){.is_shared = true};
    weft_pool_places_t* places = is_ring == 1 ? &queue.ring : &queue.stack;
    for (int i = 0; i < WEFT_POOL_PLACES; i++) {
      assert_true(weft_pool_places_push(places, &tasks[i]));
    }
    assert_int_equal(0, weft_pool_places_room(places));
    assert_false(weft_pool_places_push(places, &tasks[WEFT_POOL_PLACES]));
    weft_task_list_t list = is_ring == 1 ? weft_pool_ring_grab(&queue, 10)
                                         : weft_pool_stack_grab(&queue, 10);
    assert_int_equal(10, list.count);
    assert_ptr_equal(&tasks[9], list.last);
    int count = 0;
    for (weft_task_t* task = list.first; task != NULL; task = task->next) {
      assert_ptr_equal(&tasks[count++], task);
    }
    assert_int_equal(10, count);
    assert_true(weft_pool_places_push(places, &tasks[WEFT_POOL_PLACES]));
  }
}

static void next_holds_one_task(void** state) {
  (void)state;
  for (int shared = 0; shared <= 1; shared++) {
    static weft_pool_queue_t queue;
    queue = (weft_pool_queue_t){.is_shared = shared == 1};
    weft_task_t tasks[2];
    assert_true(weft_pool_queue_is_empty(&queue));
    assert_true(weft_pool_queue_offer(&queue, &tasks[0]));
    assert_false(weft_pool_queue_offer(&queue, &tasks[1]));
    assert_false(weft_pool_queue_is_empty(&queue));
    assert_true(weft_pool_queue_has_none_to_steal(&queue));
    assert_ptr_equal(&tasks[0], weft_pool_queue_take_next(&queue));
    assert_null(weft_pool_queue_take_next(&queue));
    assert_true(weft_pool_queue_offer(&queue, &tasks[1]));
    assert_ptr_equal(&tasks[1], weft_pool_queue_steal_next(&queue));
    assert_null(weft_pool_queue_steal_next(&queue));
  }
}

static void a_thief_takes_half_of_the_oldest(void** state) {
  (void)state;
  for (int is_ring = 0; is_ring <= 1; is_ring++) {
    static weft_pool_queue_t queue;
    static weft_pool_queue_t thief;
    queue = (weft_pool_queue_t){.is_shared = true};
    thief = (weft_pool_queue_t){.is_shared = true};
    uint32_t (*steal)(weft_pool_queue_t*, weft_pool_queue_t*) =
        is_ring == 1 ? weft_pool_ring_steal : weft_pool_stack_steal;
    weft_pool_places_t* places = is_ring == 1 ? &queue.ring : &queue.stack;
    weft_task_t tasks[5];
    assert_int_equal(0, steal(&queue, &thief));
    for (int i = 0; i < 5; i++) {
      assert_true(weft_pool_places_push(places, &tasks[i]));
    }
    assert_int_equal(3, steal(&queue, &thief));
    for (int i = 0; i < 3; i++) {
      assert_ptr_equal(&tasks[i], weft_pool_ring_pop(&thief));
    }
    assert_int_equal(1, steal(&queue, &thief));
    // The last one can be stolen, too.
    assert_int_equal(1, steal(&queue, &thief));
    assert_ptr_equal(&tasks[3], weft_pool_ring_pop(&thief));
    assert_ptr_equal(&tasks[4], weft_pool_ring_pop(&thief));
    assert_true(weft_pool_queue_is_empty(&queue));
  }
}

// --- Thieves at work --------------------------------------------------------

#define TASKS 400000
#define THREADS 3

typedef struct counted {
  weft_task_t task;
  _Atomic uint32_t taken;
} counted_t;

typedef struct heist {
  weft_pool_queue_t queues[THREADS];
  counted_t* tasks;
  uint32_t task_count;
  _Atomic uint32_t taken;
} heist_t;

static void take(heist_t* heist, weft_task_t* task) {
  if (task != NULL) {
    // Relaxed: counts, read when all threads have ended.
    atomic_fetch_add_explicit(&((counted_t*)(void*)task)->taken, 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&heist->taken, 1, memory_order_relaxed);
  }
}

static bool is_over(heist_t* heist) {
  // Relaxed: it only ends the loop.
  return atomic_load_explicit(&heist->taken, memory_order_relaxed) >=
         heist->task_count;
}

static void take_all_own(heist_t* heist, weft_pool_queue_t* queue) {
  weft_task_t* task;
  while ((task = weft_pool_queue_take_next(queue)) != NULL ||
         (task = weft_pool_stack_pop(queue)) != NULL ||
         (task = weft_pool_ring_pop(queue)) != NULL) {
    take(heist, task);
  }
}

// Puts all tasks, and takes most of them.
static void own(heist_t* heist, weft_pool_queue_t* queue) {
  for (uint32_t i = 0; i < heist->task_count;) {
    weft_task_t* task = &heist->tasks[i].task;
    if (weft_pool_queue_offer(queue, task) ||
        weft_pool_places_push(i % 2 == 0 ? &queue->ring : &queue->stack,
                              task)) {
      i++;
    } else {
      take_all_own(heist, queue);
    }
    if (i % 3 != 0) {
      take(heist, weft_pool_queue_take_next(queue));
      take(heist, weft_pool_ring_pop(queue));
      take(heist, weft_pool_stack_pop(queue));
    }
  }
}

// The first thread puts tasks and takes some; the others steal.
static void own_or_steal(size_t index, void* user) {
  heist_t* heist = user;
  weft_pool_queue_t* queue = &heist->queues[index];
  if (index == 0) {
    own(heist, queue);
  }
  while (!is_over(heist)) {
    for (size_t victim = 0; victim < THREADS; victim++) {
      if (victim != index) {
        weft_pool_queue_t* from = &heist->queues[victim];
        take(heist, weft_pool_queue_steal_next(from));
        weft_pool_ring_steal(from, queue);
        take_all_own(heist, queue);
        weft_pool_stack_steal(from, queue);
        take(heist, weft_pool_stack_take_oldest(from));
        take_all_own(heist, queue);
      }
    }
    take_all_own(heist, queue);
  }
}

// The first thread puts two tasks at a time and takes them back; the others
// are after the same two.
static void fight_for_the_last_two(size_t index, void* user) {
  heist_t* heist = user;
  weft_pool_queue_t* queue = &heist->queues[0];
  for (uint32_t i = 0; index == 0 && i < heist->task_count; i++) {
    while (!weft_pool_places_push(&queue->stack, &heist->tasks[i].task)) {
      take(heist, weft_pool_stack_pop(queue));
    }
    for (int take_two = 0; i % 2 == 1 && take_two < 2; take_two++) {
      take(heist, weft_pool_stack_pop(queue));
    }
  }
  while (!is_over(heist)) {
    take(heist, index == 0 ? weft_pool_stack_pop(queue)
                           : weft_pool_stack_take_oldest(queue));
  }
}

static void check_heist(void (*body)(size_t index, void* user)) {
  static heist_t heist;
  heist = (heist_t){.tasks = NULL};
  for (int i = 0; i < THREADS; i++) {
    heist.queues[i].is_shared = true;
  }
  heist.task_count = (uint32_t)weft_kit_amount(TASKS);
  heist.tasks = test_calloc(heist.task_count, sizeof(counted_t));
  weft_kit_run_threads(THREADS, body, &heist);
  for (uint32_t i = 0; i < heist.task_count; i++) {
    // Relaxed: all threads have ended.
    assert_int_equal(
        1, atomic_load_explicit(&heist.tasks[i].taken, memory_order_relaxed));
  }
  test_free(heist.tasks);
}

static void each_task_is_taken_by_one_thread(void** state) {
  (void)state;
  check_heist(own_or_steal);
}

static void the_last_two_tasks_are_taken_once(void** state) {
  (void)state;
  check_heist(fight_for_the_last_two);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_ring_gives_the_oldest_task_first),
      cmocka_unit_test(the_stack_gives_the_newest_task_first),
      cmocka_unit_test(a_full_ring_or_stack_takes_no_more),
      cmocka_unit_test(next_holds_one_task),
      cmocka_unit_test(a_thief_takes_half_of_the_oldest),
      cmocka_unit_test(each_task_is_taken_by_one_thread),
      cmocka_unit_test(the_last_two_tasks_are_taken_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
