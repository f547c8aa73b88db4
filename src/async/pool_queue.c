// SPDX-License-Identifier: Apache-2.0

#include "async/pool_queue.h"

#include "base/assert.h"

// --- The stack --------------------------------------------------------------
// The owner takes at the tail, thieves at the head. They meet only at the last
// task. The owner announces what it takes by moving the tail first and looks
// at the head second; a thief looks at the head first and at the tail second.
// All four are sequentially consistent, so at least one of two that want the
// same task sees the other; and for the last task both must move the head.

weft_task_t* weft_pool_stack_pop_shared(weft_pool_places_t* stack) {
  // Relaxed: the owner's own word.
  uint64_t last = atomic_load_explicit(&stack->tail, memory_order_relaxed) - 1;
  // Sequentially consistent, both: see above.
  atomic_store_explicit(&stack->tail, last, memory_order_seq_cst);
  uint64_t head = atomic_load_explicit(&stack->head, memory_order_seq_cst);
  if (head < last) {
    // Relaxed: the owner has filled this place itself.
    return atomic_load_explicit(&stack->tasks[last % WEFT_POOL_PLACES],
                                memory_order_relaxed);
  }
  weft_task_t* task = NULL;
  // Sequentially consistent: see above. On failure a thief was faster.
  if (head == last && atomic_compare_exchange_strong_explicit(
                          &stack->head, &head, last + 1, memory_order_seq_cst,
                          memory_order_relaxed)) {
    // Relaxed: as above.
    task = atomic_load_explicit(&stack->tasks[last % WEFT_POOL_PLACES],
                                memory_order_relaxed);
  }
  // Release: pairs with the acquire of thieves, as any store of the tail.
  atomic_store_explicit(&stack->tail, last + 1, memory_order_release);
  return task;
}

weft_task_t* weft_pool_stack_take_oldest(weft_pool_queue_t* queue) {
  weft_pool_places_t* stack = &queue->stack;
  // Sequentially consistent, both: see above. The tail is also an acquire:
  // pairs with the release in `push`.
  uint64_t head = atomic_load_explicit(&stack->head, memory_order_seq_cst);
  uint64_t tail = atomic_load_explicit(&stack->tail, memory_order_seq_cst);
  if (head >= tail) {
    return NULL;
  }
  // Relaxed: the tail made it visible. It may be filled anew by now; then the
  // head has moved.
  weft_task_t* task = atomic_load_explicit(
      &stack->tasks[head % WEFT_POOL_PLACES], memory_order_relaxed);
  // Sequentially consistent: see above; also the release that pairs with the
  // acquire of the head in `room`.
  bool taken = atomic_compare_exchange_strong_explicit(
      &stack->head, &head, head + 1, memory_order_seq_cst,
      memory_order_relaxed);
  return taken ? task : NULL;
}

// The most that a thief takes off a stack: the oldest lead to the most work,
// and each is claimed by itself.
#define STACK_STEAL_LIMIT 8

uint32_t weft_pool_stack_steal(weft_pool_queue_t* queue,
                               weft_pool_queue_t* into) {
  uint32_t waiting = WEFT_POOL_PLACES - weft_pool_places_room(&queue->stack);
  uint32_t wanted = waiting - waiting / 2;
  wanted = wanted < STACK_STEAL_LIMIT ? wanted : STACK_STEAL_LIMIT;
  uint32_t count = 0;
  weft_task_t* task;
  while (count < wanted &&
         (task = weft_pool_stack_take_oldest(queue)) != NULL) {
    bool pushed = weft_pool_places_push(&into->ring, task);
    weft_assert(pushed);
    count++;
  }
  return count;
}

// --- The ring ---------------------------------------------------------------

// Looks at the ring from outside: where it starts, and how many tasks it has.
static uint32_t look(weft_pool_places_t* ring, uint64_t* out_head) {
  // Acquire: pairs with the release of whoever moved the head, so that the
  // tail read next is at least as new.
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
  // Acquire: pairs with the release in `push`; the places before the tail are
  // filled, and the tasks in them whole.
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
  *out_head = head;
  uint64_t count = tail - head;
  // The head moved on between the two loads; the next step will notice.
  return count > WEFT_POOL_PLACES ? 0 : (uint32_t)count;
}

// Claims `count` tasks from `head` on, whose places have been read.
static bool claim(weft_pool_places_t* ring, uint64_t head, uint32_t count) {
  // Acquire-release: pairs with the acquire of the head in `room`, so that no
  // place is filled again before it was read here, and with other thieves.
  return atomic_compare_exchange_strong_explicit(
      &ring->head, &head, head + count, memory_order_acq_rel,
      memory_order_relaxed);
}

uint32_t weft_pool_ring_steal(weft_pool_queue_t* queue,
                              weft_pool_queue_t* into) {
  weft_pool_places_t* from = &queue->ring;
  weft_pool_places_t* to = &into->ring;
  // Relaxed: the caller's own word.
  uint64_t tail = atomic_load_explicit(&to->tail, memory_order_relaxed);
  uint64_t head;
  uint32_t count;
  while ((count = look(from, &head)) > 0) {
    count -= count / 2;
    for (uint32_t i = 0; i < count; i++) {
      // Relaxed: `look` made the places visible, the tail will publish these.
      weft_task_t* task = atomic_load_explicit(
          &from->tasks[(head + i) % WEFT_POOL_PLACES], memory_order_relaxed);
      atomic_store_explicit(&to->tasks[(tail + i) % WEFT_POOL_PLACES], task,
                            memory_order_relaxed);
    }
    if (claim(from, head, count)) {
      // Release: as in `push`.
      atomic_store_explicit(&to->tail, tail + count, memory_order_release);
      return count;
    }
  }
  return 0;
}

// --- Both -------------------------------------------------------------------

weft_task_t* weft_pool_queue_steal_next(weft_pool_queue_t* queue) {
  // Acquire: pairs with the release in `offer`.
  return atomic_exchange_explicit(&queue->next, NULL, memory_order_acquire);
}

static weft_task_list_t grab(weft_task_t* (*take)(weft_pool_queue_t* queue),
                             weft_pool_queue_t* queue, uint32_t limit) {
  weft_task_list_t list = {0};
  weft_task_t* task;
  while (list.count < limit && (task = take(queue)) != NULL) {
    weft_task_list_append(&list, task);
  }
  return list;
}

weft_task_list_t weft_pool_ring_grab(weft_pool_queue_t* queue, uint32_t limit) {
  return grab(weft_pool_ring_pop, queue, limit);
}

weft_task_list_t weft_pool_stack_grab(weft_pool_queue_t* queue,
                                      uint32_t limit) {
  return grab(weft_pool_stack_take_oldest, queue, limit);
}
