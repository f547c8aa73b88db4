// SPDX-License-Identifier: Apache-2.0
//
// A doubly linked list of nodes that are embedded in what they list. The list
// is a ring through its own node, so no operation has a special case; it must
// stay where it was initialised.

#ifndef WEFT_BASE_DLIST_H_
#define WEFT_BASE_DLIST_H_

#include <stdbool.h>
#include <stddef.h>

typedef struct weft_dlist_node weft_dlist_node_t;
struct weft_dlist_node {
  weft_dlist_node_t* next;
  weft_dlist_node_t* previous;
};

typedef struct weft_dlist {
  weft_dlist_node_t ring;
} weft_dlist_t;

static inline void weft_dlist_init(weft_dlist_t* list) {
  list->ring.next = &list->ring;
  list->ring.previous = &list->ring;
}

static inline bool weft_dlist_is_empty(const weft_dlist_t* list) {
  return list->ring.next == &list->ring;
}

// The first node, or NULL.
static inline weft_dlist_node_t* weft_dlist_first(const weft_dlist_t* list) {
  return weft_dlist_is_empty(list) ? NULL : list->ring.next;
}

// The node after one that is in the list, or NULL.
static inline weft_dlist_node_t* weft_dlist_next(
    const weft_dlist_t* list, const weft_dlist_node_t* node) {
  return node->next == &list->ring ? NULL : node->next;
}

// The last node, or NULL.
static inline weft_dlist_node_t* weft_dlist_last(const weft_dlist_t* list) {
  return weft_dlist_is_empty(list) ? NULL : list->ring.previous;
}

// The node before one that is in the list, or NULL.
static inline weft_dlist_node_t* weft_dlist_previous(
    const weft_dlist_t* list, const weft_dlist_node_t* node) {
  return node->previous == &list->ring ? NULL : node->previous;
}

// Puts a node that is in no list last.
static inline void weft_dlist_append(weft_dlist_t* list,
                                     weft_dlist_node_t* node) {
  node->next = &list->ring;
  node->previous = list->ring.previous;
  list->ring.previous->next = node;
  list->ring.previous = node;
}

// Takes a node out of the list that it is in, and leaves it in none.
static inline void weft_dlist_remove(weft_dlist_node_t* node) {
  node->previous->next = node->next;
  node->next->previous = node->previous;
  node->next = NULL;
  node->previous = NULL;
}

// True for a node that `weft_dlist_remove` left, or that was zeroed.
static inline bool weft_dlist_node_is_free(const weft_dlist_node_t* node) {
  return node->next == NULL;
}

// Takes the first node out; NULL when there is none.
static inline weft_dlist_node_t* weft_dlist_take_first(weft_dlist_t* list) {
  weft_dlist_node_t* node = weft_dlist_first(list);
  if (node != NULL) {
    weft_dlist_remove(node);
  }
  return node;
}

// Moves all nodes of `from` behind those of `list`.
static inline void weft_dlist_move_all(weft_dlist_t* list, weft_dlist_t* from) {
  if (weft_dlist_is_empty(from)) {
    return;
  }
  from->ring.next->previous = list->ring.previous;
  list->ring.previous->next = from->ring.next;
  from->ring.previous->next = &list->ring;
  list->ring.previous = from->ring.previous;
  weft_dlist_init(from);
}

#endif  // WEFT_BASE_DLIST_H_
