// SPDX-License-Identifier: Apache-2.0

#include "base/table.h"

#include "base/memory.h"

// The finaliser of MurmurHash3: every bit of the key changes every other.
static uint64_t mix(uint64_t key) {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccdu;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53u;
  return key ^ (key >> 33);
}

static weft_table_node_t** bucket_of(const weft_table_t* table, uint64_t key) {
  return &table->buckets[mix(key) & table->mask];
}

void weft_table_init(weft_table_t* table, const weft_allocator_t* allocator) {
  *table = (weft_table_t){
      .allocator = allocator,
      .mask = WEFT_TABLE_BUCKETS_INSIDE - 1,
  };
  table->buckets = table->inside;
}

static void free_buckets(weft_table_t* table) {
  if (table->buckets != table->inside) {
    weft_memory_free(table->allocator, table->buckets,
                     (table->mask + 1) * sizeof(*table->buckets));
  }
}

void weft_table_deinit(weft_table_t* table) {
  if (table->buckets != NULL) {
    free_buckets(table);
    table->buckets = NULL;
  }
}

weft_table_node_t* weft_table_find(const weft_table_t* table, uint64_t key) {
  weft_table_node_t* node = *bucket_of(table, key);
  while (node != NULL && node->key != key) {
    node = node->next;
  }
  return node;
}

// Twice as many buckets, if there is memory for them.
static void grow(weft_table_t* table) {
  size_t count = (table->mask + 1) * 2;
  weft_table_t larger = *table;
  larger.mask = count - 1;
  larger.buckets = weft_memory_allocate_zeroed(table->allocator,
                                               count * sizeof(*larger.buckets));
  if (larger.buckets == NULL) {
    return;
  }
  for (size_t i = 0; i <= table->mask; i++) {
    weft_table_node_t* node = table->buckets[i];
    while (node != NULL) {
      weft_table_node_t* next = node->next;
      weft_table_node_t** bucket = bucket_of(&larger, node->key);
      node->next = *bucket;
      *bucket = node;
      node = next;
    }
  }
  free_buckets(table);
  table->mask = larger.mask;
  table->buckets = larger.buckets;
}

void weft_table_insert(weft_table_t* table, weft_table_node_t* node,
                       uint64_t key) {
  if (table->count > table->mask) {
    grow(table);
  }
  weft_table_node_t** bucket = bucket_of(table, key);
  node->key = key;
  node->next = *bucket;
  *bucket = node;
  table->count++;
}

weft_table_node_t* weft_table_remove(weft_table_t* table, uint64_t key) {
  weft_table_node_t** place = bucket_of(table, key);
  while (*place != NULL && (*place)->key != key) {
    place = &(*place)->next;
  }
  weft_table_node_t* node = *place;
  if (node != NULL) {
    *place = node->next;
    node->next = NULL;
    table->count--;
  }
  return node;
}

weft_table_node_t* weft_table_take_any(weft_table_t* table) {
  for (size_t i = 0; table->count > 0 && i <= table->mask; i++) {
    if (table->buckets[i] != NULL) {
      return weft_table_remove(table, table->buckets[i]->key);
    }
  }
  return NULL;
}

void weft_table_visit(const weft_table_t* table,
                      void (*visit)(void* user, weft_table_node_t* node),
                      void* user) {
  for (size_t i = 0; i <= table->mask; i++) {
    for (weft_table_node_t* node = table->buckets[i]; node != NULL;
         node = node->next) {
      visit(user, node);
    }
  }
}
