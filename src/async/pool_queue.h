// SPDX-License-Identifier: Apache-2.0
//
// The tasks that wait at one worker, in three places:
//
//   next    the first task that the running one posted: runs right after it,
//           what it works on still in the cache, and is not worth a thief's
//           while. When it has stood there for very long, because the present
//           task does not end, a thief can take it all the same.
//   stack   the other tasks that tasks of this worker posted. The newest runs
//           first: work that branches is done branch by branch, so that few
//           tasks wait at any time and memory is used again while it is warm
//           (a tree of a million actors takes a quarter of the time). Thieves
//           take the oldest, which is likely to lead to the most.
//   ring    tasks that posted themselves again, and those from outside. The
//           oldest runs first. Thieves take half.
//
//               head                tail
//                 v                   v
//   thieves <-- | a | b | c | d | e |   |   |     256 places each
//   (and, in the ring, the owner)     ^-- the owner puts (in the stack: takes)
//
// Sources: Chase, Lev, Dynamic circular work-stealing deque, 2005, for the
// stack; the run queues of Go's scheduler for `next` and the ring.

#ifndef WEFT_ASYNC_POOL_QUEUE_H_
#define WEFT_ASYNC_POOL_QUEUE_H_

#include <stdalign.h>
#include <stdatomic.h>

#include "weft/executor.h"

#define WEFT_POOL_PLACES 256

// Tasks linked by their `next`.
typedef struct weft_task_list {
  weft_task_t* first;
  weft_task_t* last;
  uint32_t count;
} weft_task_list_t;

static inline void weft_task_list_append(weft_task_list_t* list,
                                         weft_task_t* task) {
  task->next = NULL;
  if (list->last != NULL) {
    list->last->next = task;
  } else {
    list->first = task;
  }
  list->last = task;
  list->count++;
}

// The places of a ring or a stack that are in use: from head to tail.
typedef struct weft_pool_places {
  // Whoever takes the oldest task moves the head, which only grows.
  alignas(64) _Atomic uint64_t head;
  // Written by the owner.
  alignas(64) _Atomic uint64_t tail;
  _Atomic(weft_task_t*) tasks[WEFT_POOL_PLACES];
} weft_pool_places_t;

typedef struct weft_pool_queue {
  // Put by the owner; thieves may swap it for NULL.
  _Atomic(weft_task_t*) next;
  // False when there are no thieves: then no step needs a locked operation.
  bool is_shared;
  weft_pool_places_t stack;
  weft_pool_places_t ring;
} weft_pool_queue_t;

// --- For everybody ----------------------------------------------------------

static inline bool weft_pool_places_are_empty(weft_pool_places_t* places) {
  // Acquire: pairs with the release of the tail by the owner. Others than the
  // owner know little: a hint.
  uint64_t tail = atomic_load_explicit(&places->tail, memory_order_acquire);
  return atomic_load_explicit(&places->head, memory_order_acquire) >= tail;
}

// True when neither stack nor ring has a task: nothing for a thief.
static inline bool weft_pool_queue_has_none_to_steal(weft_pool_queue_t* queue) {
  return weft_pool_places_are_empty(&queue->stack) &&
         weft_pool_places_are_empty(&queue->ring);
}

// True when there is no task at all. A hint, but for the owner.
static inline bool weft_pool_queue_is_empty(weft_pool_queue_t* queue) {
  // Acquire: pairs with the release in `offer`.
  return atomic_load_explicit(&queue->next, memory_order_acquire) == NULL &&
         weft_pool_queue_has_none_to_steal(queue);
}

// Takes the oldest task of the stack; NULL when it is empty, or somebody else
// was faster.
weft_task_t* weft_pool_stack_take_oldest(weft_pool_queue_t* queue);

// Moves half of the ring of `queue`, rounded up, to that of `into`, whose
// owner calls and whose ring is empty. Returns the number of tasks moved.
uint32_t weft_pool_ring_steal(weft_pool_queue_t* queue,
                              weft_pool_queue_t* into);

// Moves the oldest tasks of the stack of `queue`, about half and a few at
// most, to the ring of `into`, whose owner calls and whose ring is empty.
// Returns the number of tasks moved.
uint32_t weft_pool_stack_steal(weft_pool_queue_t* queue,
                               weft_pool_queue_t* into);

// Takes what stands in `next`; NULL when there is nothing.
weft_task_t* weft_pool_queue_steal_next(weft_pool_queue_t* queue);

// --- For the owner: next ----------------------------------------------------

// Puts a task into `next` if that is free.
static inline bool weft_pool_queue_offer(weft_pool_queue_t* queue,
                                         weft_task_t* task) {
  // Relaxed: only the owner puts a task here, and a thief that takes the last
  // one changes nothing that the owner reads.
  if (atomic_load_explicit(&queue->next, memory_order_relaxed) != NULL) {
    return false;
  }
  // Release: pairs with the acquire of the thief that takes it.
  atomic_store_explicit(&queue->next, task, memory_order_release);
  return true;
}

// Takes the task in `next`; NULL when there is none.
static inline weft_task_t* weft_pool_queue_take_next(weft_pool_queue_t* queue) {
  // Relaxed: what the owner finds here it has put itself.
  weft_task_t* task = atomic_load_explicit(&queue->next, memory_order_relaxed);
  if (task == NULL) {
    return NULL;
  }
  if (queue->is_shared) {
    // Relaxed, but one locked step: either this or a thief's exchange gets it.
    return atomic_exchange_explicit(&queue->next, NULL, memory_order_relaxed);
  }
  // Relaxed: without thieves nobody else looks.
  atomic_store_explicit(&queue->next, NULL, memory_order_relaxed);
  return task;
}

// --- For the owner: ring and stack ------------------------------------------

// Free places; thieves may make more.
static inline uint32_t weft_pool_places_room(weft_pool_places_t* places) {
  // Relaxed: the owner's own word.
  uint64_t tail = atomic_load_explicit(&places->tail, memory_order_relaxed);
  // Acquire: pairs with the release of whoever moved the head past places
  // that are filled next; its read of those places is over.
  uint64_t head = atomic_load_explicit(&places->head, memory_order_acquire);
  return WEFT_POOL_PLACES - (uint32_t)(tail - head);
}

// Puts a task at the tail; false when all places are in use.
static inline bool weft_pool_places_push(weft_pool_places_t* places,
                                         weft_task_t* task) {
  if (weft_pool_places_room(places) == 0) {
    return false;
  }
  // Relaxed: the owner's own word.
  uint64_t tail = atomic_load_explicit(&places->tail, memory_order_relaxed);
  // Relaxed: the tail publishes it.
  atomic_store_explicit(&places->tasks[tail % WEFT_POOL_PLACES], task,
                        memory_order_relaxed);
  // Release: pairs with the acquire of the tail by thieves.
  atomic_store_explicit(&places->tail, tail + 1, memory_order_release);
  return true;
}

// Takes the oldest task of the ring; NULL when it is empty.
static inline weft_task_t* weft_pool_ring_pop(weft_pool_queue_t* queue) {
  weft_pool_places_t* ring = &queue->ring;
  // Relaxed: the owner's own word.
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  // Relaxed: all tasks in the ring are the owner's, who knows them.
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  while (head != tail) {
    // Relaxed: the owner has filled this place itself.
    weft_task_t* task = atomic_load_explicit(
        &ring->tasks[head % WEFT_POOL_PLACES], memory_order_relaxed);
    if (!queue->is_shared) {
      // Relaxed: without thieves nobody else looks.
      atomic_store_explicit(&ring->head, head + 1, memory_order_relaxed);
      return task;
    }
    // Release: pairs with the acquire of the head by thieves, who then see a
    // tail that is no older. On failure a thief was faster.
    if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1,
                                              memory_order_release,
                                              memory_order_relaxed)) {
      return task;
    }
  }
  return NULL;
}

// As below, when there are thieves.
weft_task_t* weft_pool_stack_pop_shared(weft_pool_places_t* stack);

// Takes the newest task of the stack; NULL when it is empty.
static inline weft_task_t* weft_pool_stack_pop(weft_pool_queue_t* queue) {
  weft_pool_places_t* stack = &queue->stack;
  // Relaxed, both: the owner's own word; and the head only grows, so if it
  // has come this far there is nothing, whether or not it went on.
  uint64_t tail = atomic_load_explicit(&stack->tail, memory_order_relaxed);
  if (atomic_load_explicit(&stack->head, memory_order_relaxed) == tail) {
    return NULL;
  }
  if (queue->is_shared) {
    return weft_pool_stack_pop_shared(stack);
  }
  // Relaxed: without thieves nobody else looks.
  atomic_store_explicit(&stack->tail, tail - 1, memory_order_relaxed);
  return atomic_load_explicit(&stack->tasks[(tail - 1) % WEFT_POOL_PLACES],
                              memory_order_relaxed);
}

// Takes the oldest tasks of the ring, or of the stack, at most `limit`.
weft_task_list_t weft_pool_ring_grab(weft_pool_queue_t* queue, uint32_t limit);
weft_task_list_t weft_pool_stack_grab(weft_pool_queue_t* queue, uint32_t limit);

#endif  // WEFT_ASYNC_POOL_QUEUE_H_
