// SPDX-License-Identifier: Apache-2.0
//
// A pairing heap of nodes that are embedded in what they order: it allocates
// nothing, so nothing here can fail. Inserting takes constant time, taking
// out logarithmic time on average.
//
//   root            A node knows its first child, its next sibling, and what
//    |child         comes before it: the previous sibling, or for a first
//    v              child the parent. No node comes before its parent.
//    a <-> b <-> c
//
// Source: Fredman, Sedgewick, Sleator, Tarjan, The pairing heap, 1986.

#ifndef WEFT_BASE_HEAP_H_
#define WEFT_BASE_HEAP_H_

#include "weft/executor.h"

// True when `a` comes before `b`. A strict weak order; nodes that neither
// precede come out in no order that can be relied on, so compare a sequence
// number last where that matters.
typedef bool (*weft_heap_before_fn_t)(const weft_heap_node_t* a,
                                      const weft_heap_node_t* b);

typedef struct weft_heap {
  weft_heap_node_t* root;
  weft_heap_before_fn_t before;
} weft_heap_t;

static inline void weft_heap_init(weft_heap_t* heap,
                                  weft_heap_before_fn_t before) {
  heap->root = NULL;
  heap->before = before;
}

// The node that comes before all others; NULL when there is none.
static inline weft_heap_node_t* weft_heap_first(const weft_heap_t* heap) {
  return heap->root;
}

// Puts in a node that is in no heap; whatever it holds is overwritten.
void weft_heap_insert(weft_heap_t* heap, weft_heap_node_t* node);

// Takes out a node, which must be in this heap.
void weft_heap_remove(weft_heap_t* heap, weft_heap_node_t* node);

#endif  // WEFT_BASE_HEAP_H_
