// SPDX-License-Identifier: Apache-2.0
//
// From keys, which are bytes, to pointers: names of actors, handles, and what
// else is looked up rather seldom. It keeps the order of insertion, so a walk
// through it is the same in every run. Not for hot paths: a look-up costs
// some 20 ns, an insertion an allocation.
//
// Thread: one at a time; whoever shares a table guards it.

#ifndef WEFT_BASE_TABLE_H_
#define WEFT_BASE_TABLE_H_

#include <string.h>

#include "weft/allocator.h"
#include "weft/status.h"

typedef struct weft_table_entry weft_table_entry_t;

typedef struct weft_table {
  const weft_allocator_t* allocator;
  // NULL while the table is empty.
  weft_table_entry_t* first;
} weft_table_t;

// An empty table; it allocates when something is put in. NULL: the C heap.
void weft_table_init(weft_table_t* table, const weft_allocator_t* allocator);
// Forgets all entries. What the pointers point to is the caller's.
void weft_table_deinit(weft_table_t* table);

size_t weft_table_count(const weft_table_t* table);

// Puts `value`, which is not NULL, under a key, whose bytes are copied.
// Errors: ALREADY_EXISTS, and the table is as it was; RESOURCE_EXHAUSTED.
WEFT_MUST_USE weft_status_t weft_table_insert(weft_table_t* table,
                                              const void* key,
                                              size_t key_size_bytes,
                                              void* value);

// What is under a key; NULL when there is nothing.
void* weft_table_find(const weft_table_t* table, const void* key,
                      size_t key_size_bytes);

// Takes out and gives what is under a key; NULL when there is nothing.
void* weft_table_remove(weft_table_t* table, const void* key,
                        size_t key_size_bytes);

// Walks through a table in the order of insertion: the first entry, the next
// one, or NULL. An entry may be removed when the next one is known.
const weft_table_entry_t* weft_table_first(const weft_table_t* table);
const weft_table_entry_t* weft_table_next(const weft_table_entry_t* entry);

// What stands in an entry. The key is lent, and has a NUL behind it.
void* weft_table_entry_value(const weft_table_entry_t* entry);
const void* weft_table_entry_key(const weft_table_entry_t* entry,
                                 size_t* out_size_bytes);

// --- Keys that are numbers, and keys that are names -------------------------

static inline weft_status_t weft_table_insert_number(weft_table_t* table,
                                                     uint64_t key,
                                                     void* value) {
  return weft_table_insert(table, &key, sizeof(key), value);
}

static inline void* weft_table_find_number(const weft_table_t* table,
                                           uint64_t key) {
  return weft_table_find(table, &key, sizeof(key));
}

static inline void* weft_table_remove_number(weft_table_t* table,
                                             uint64_t key) {
  return weft_table_remove(table, &key, sizeof(key));
}

static inline weft_status_t weft_table_insert_name(weft_table_t* table,
                                                   const char* key,
                                                   void* value) {
  return weft_table_insert(table, key, strlen(key), value);
}

static inline void* weft_table_find_name(const weft_table_t* table,
                                         const char* key) {
  return weft_table_find(table, key, strlen(key));
}

static inline void* weft_table_remove_name(weft_table_t* table,
                                           const char* key) {
  return weft_table_remove(table, key, strlen(key));
}

#endif  // WEFT_BASE_TABLE_H_
