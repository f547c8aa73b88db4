// SPDX-License-Identifier: Apache-2.0
//
// A queue that any thread may push to and one thread pops from: a linked list
// whose nodes are part of the messages, and a stub that keeps it from ever
// being empty.
//
//   tail -> [oldest] -> [ ... ] -> [newest] <- head
//
// Pushing is one atomic exchange of `head` and a store. Popping is loads
// only, except for the last message, which costs a push of the stub.
// Source: D. Vyukov, "Intrusive MPSC node-based queue", 1024cores.net.

#ifndef WEFT_BENCH_FLOOR_MPSC_H_
#define WEFT_BENCH_FLOOR_MPSC_H_

#include <stdatomic.h>
#include <stddef.h>

typedef struct weft_mpsc_node weft_mpsc_node_t;
struct weft_mpsc_node {
  _Atomic(weft_mpsc_node_t*) next;
};

typedef struct weft_mpsc {
  _Atomic(weft_mpsc_node_t*) head;
  weft_mpsc_node_t* tail;
  weft_mpsc_node_t stub;
} weft_mpsc_t;

static inline void weft_mpsc_init(weft_mpsc_t* queue) {
  atomic_init(&queue->stub.next, NULL);
  atomic_init(&queue->head, &queue->stub);
  queue->tail = &queue->stub;
}

static inline void weft_mpsc_push(weft_mpsc_t* queue, weft_mpsc_node_t* node) {
  // Relaxed: the store to `previous->next` below publishes the node.
  atomic_store_explicit(&node->next, NULL, memory_order_relaxed);
  // Acquire-release: pairs with the exchange of the next producer, which then
  // writes to this node, and with that of the one before.
  weft_mpsc_node_t* previous =
      atomic_exchange_explicit(&queue->head, node, memory_order_acq_rel);
  // Release: pairs with the acquire loads in `weft_mpsc_pop`.
  atomic_store_explicit(&previous->next, node, memory_order_release);
}

// The oldest message; NULL when there is none, or when a producer is between
// its two steps.
static inline weft_mpsc_node_t* weft_mpsc_pop(weft_mpsc_t* queue) {
  weft_mpsc_node_t* tail = queue->tail;
  // Acquire, here and below: pairs with the release store in push.
  weft_mpsc_node_t* next =
      atomic_load_explicit(&tail->next, memory_order_acquire);
  if (tail == &queue->stub) {
    if (next == NULL) {
      return NULL;
    }
    queue->tail = tail = next;
    next = atomic_load_explicit(&tail->next, memory_order_acquire);
  }
  if (next == NULL) {
    // Acquire: pairs with the exchange in push, of a producer that is between
    // its steps.
    if (tail != atomic_load_explicit(&queue->head, memory_order_acquire)) {
      return NULL;
    }
    weft_mpsc_push(queue, &queue->stub);
    next = atomic_load_explicit(&tail->next, memory_order_acquire);
    if (next == NULL) {
      return NULL;
    }
  }
  queue->tail = next;
  return tail;
}

#endif  // WEFT_BENCH_FLOOR_MPSC_H_
