// SPDX-License-Identifier: Apache-2.0

#include "base/heap.h"

// Joins two heaps; either may be empty. The roots have no siblings.
static weft_heap_node_t* meld(const weft_heap_t* heap, weft_heap_node_t* a,
                              weft_heap_node_t* b) {
  if (a == NULL) {
    return b;
  }
  if (b == NULL) {
    return a;
  }
  if (heap->before(b, a)) {
    weft_heap_node_t* first = b;
    b = a;
    a = first;
  }
  b->sibling = a->child;
  b->previous = a;
  if (a->child != NULL) {
    a->child->previous = b;
  }
  a->child = b;
  return a;
}

// Takes the first two heaps off a list of siblings and joins them.
static weft_heap_node_t* meld_pair(const weft_heap_t* heap,
                                   weft_heap_node_t** list) {
  weft_heap_node_t* a = *list;
  weft_heap_node_t* b = a->sibling;
  *list = b != NULL ? b->sibling : NULL;
  a->sibling = NULL;
  if (b != NULL) {
    b->sibling = NULL;
  }
  return meld(heap, a, b);
}

// Joins a list of siblings into one heap: in pairs from the left, then the
// pairs from the right. Loops, since the list may be as long as the heap.
static weft_heap_node_t* meld_siblings(const weft_heap_t* heap,
                                       weft_heap_node_t* list) {
  weft_heap_node_t* pairs = NULL;
  while (list != NULL) {
    weft_heap_node_t* pair = meld_pair(heap, &list);
    pair->sibling = pairs;
    pairs = pair;
  }
  weft_heap_node_t* root = NULL;
  while (pairs != NULL) {
    weft_heap_node_t* pair = pairs;
    pairs = pair->sibling;
    pair->sibling = NULL;
    root = meld(heap, root, pair);
  }
  if (root != NULL) {
    root->previous = NULL;
  }
  return root;
}

// Takes a node with all below it out of the list of its siblings.
static void cut(weft_heap_node_t* node) {
  if (node->previous->child == node) {
    node->previous->child = node->sibling;
  } else {
    node->previous->sibling = node->sibling;
  }
  if (node->sibling != NULL) {
    node->sibling->previous = node->previous;
  }
}

void weft_heap_insert(weft_heap_t* heap, weft_heap_node_t* node) {
  *node = (weft_heap_node_t){0};
  heap->root = meld(heap, heap->root, node);
}

void weft_heap_remove(weft_heap_t* heap, weft_heap_node_t* node) {
  weft_heap_node_t* below = meld_siblings(heap, node->child);
  if (node == heap->root) {
    heap->root = below;
  } else {
    cut(node);
    heap->root = meld(heap, heap->root, below);
  }
  *node = (weft_heap_node_t){0};
}
