// SPDX-License-Identifier: Apache-2.0
//
// A hash table of nodes that are embedded in what it finds, by keys of 64
// bits. Inserting cannot fail: when there is no memory for more buckets the
// chains become longer. It must stay where it was initialised.

#ifndef WEFT_BASE_TABLE_H_
#define WEFT_BASE_TABLE_H_

#include <stdbool.h>

#include "weft/allocator.h"

typedef struct weft_table_node weft_table_node_t;
struct weft_table_node {
  weft_table_node_t* next;
  uint64_t key;
};

#define WEFT_TABLE_BUCKETS_INSIDE 8

typedef struct weft_table {
  const weft_allocator_t* allocator;
  // A power of two, less one.
  size_t mask;
  size_t count;
  weft_table_node_t** buckets;
  weft_table_node_t* inside[WEFT_TABLE_BUCKETS_INSIDE];
} weft_table_t;

void weft_table_init(weft_table_t* table, const weft_allocator_t* allocator);
// Frees the buckets; nodes are their owners'. Zeroed memory is fine.
void weft_table_deinit(weft_table_t* table);

// The node with a key; NULL when there is none.
weft_table_node_t* weft_table_find(const weft_table_t* table, uint64_t key);

// Puts in a node, whose key no other node has.
void weft_table_insert(weft_table_t* table, weft_table_node_t* node,
                       uint64_t key);

// Takes out the node with a key; NULL when there is none.
weft_table_node_t* weft_table_remove(weft_table_t* table, uint64_t key);

// Takes out some node; NULL when there is none.
weft_table_node_t* weft_table_take_any(weft_table_t* table);

// Calls `visit` with every node; it may not change the table.
void weft_table_visit(const weft_table_t* table,
                      void (*visit)(void* user, weft_table_node_t* node),
                      void* user);

#endif  // WEFT_BASE_TABLE_H_
