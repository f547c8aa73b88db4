// SPDX-License-Identifier: Apache-2.0
//
// The hash table is uthash's; what is here gives it an allocator and turns a
// lack of memory into a status.

#include "base/table.h"

#include <limits.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/memory.h"

// Each function that inserts or removes has a `table` in scope; inserting
// also has an `entry`, which is set to NULL when there is no memory.
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry_without_memory) (has_memory = false)
#define uthash_malloc(size_bytes) \
  weft_memory_allocate(table->allocator, (size_bytes))
#define uthash_free(block, size_bytes) \
  weft_memory_free(table->allocator, (block), (size_bytes))
#include <uthash.h>

struct weft_table_entry {
  UT_hash_handle hh;
  void* value;
  size_t key_size_bytes;
  // With a NUL behind it.
  char key[];
};

void weft_table_init(weft_table_t* table, const weft_allocator_t* allocator) {
  table->allocator = weft_allocator_or_system(allocator);
  table->first = NULL;
}

static size_t entry_bytes(const weft_table_entry_t* entry) {
  return sizeof(*entry) + entry->key_size_bytes + 1;
}

static weft_table_entry_t* create_entry(weft_table_t* table, const void* key,
                                        size_t key_size_bytes, void* value) {
  size_t size_bytes = 0;
  // uthash counts the bytes of keys as `unsigned`.
  if (key_size_bytes > UINT_MAX ||
      !weft_checked_array(sizeof(weft_table_entry_t), key_size_bytes + 1, 1,
                          &size_bytes)) {
    return NULL;
  }
  weft_table_entry_t* entry =
      weft_memory_allocate_zeroed(table->allocator, size_bytes);
  if (entry != NULL) {
    entry->value = value;
    entry->key_size_bytes = key_size_bytes;
    memcpy(entry->key, key, key_size_bytes);
  }
  return entry;
}

static weft_table_entry_t* find_entry(const weft_table_t* table,
                                      const void* key, size_t key_size_bytes) {
  weft_table_entry_t* entry = NULL;
  HASH_FIND(hh, table->first, key, key_size_bytes, entry);
  return entry;
}

static bool add_entry(weft_table_t* table, weft_table_entry_t* entry) {
  bool has_memory = true;
  HASH_ADD_KEYPTR(hh, table->first, entry->key, entry->key_size_bytes, entry);
  return has_memory;
}

static void free_entry(weft_table_t* table, weft_table_entry_t* entry) {
  if (entry != NULL) {
    weft_memory_free(table->allocator, entry, entry_bytes(entry));
  }
}

weft_status_t weft_table_insert(weft_table_t* table, const void* key,
                                size_t key_size_bytes, void* value) {
  weft_assert(value != NULL);
  if (find_entry(table, key, key_size_bytes) != NULL) {
    return weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                            "the key is in the table");
  }
  weft_table_entry_t* entry = create_entry(table, key, key_size_bytes, value);
  if (entry == NULL || !add_entry(table, entry)) {
    free_entry(table, entry);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for one more entry of a table");
  }
  return WEFT_OK;
}

void* weft_table_find(const weft_table_t* table, const void* key,
                      size_t key_size_bytes) {
  const weft_table_entry_t* entry = find_entry(table, key, key_size_bytes);
  return entry != NULL ? entry->value : NULL;
}

void* weft_table_remove(weft_table_t* table, const void* key,
                        size_t key_size_bytes) {
  weft_table_entry_t* entry = find_entry(table, key, key_size_bytes);
  if (entry == NULL) {
    return NULL;
  }
  void* value = entry->value;
  HASH_DELETE(hh, table->first, entry);
  free_entry(table, entry);
  return value;
}

void weft_table_deinit(weft_table_t* table) {
  weft_table_entry_t* entry = table->first;
  HASH_CLEAR(hh, table->first);
  while (entry != NULL) {
    weft_table_entry_t* next = entry->hh.next;
    free_entry(table, entry);
    entry = next;
  }
}

size_t weft_table_count(const weft_table_t* table) {
  return HASH_COUNT(table->first);
}

const weft_table_entry_t* weft_table_first(const weft_table_t* table) {
  return table->first;
}

const weft_table_entry_t* weft_table_next(const weft_table_entry_t* entry) {
  return entry->hh.next;
}

void* weft_table_entry_value(const weft_table_entry_t* entry) {
  return entry->value;
}

const void* weft_table_entry_key(const weft_table_entry_t* entry,
                                 size_t* out_size_bytes) {
  *out_size_bytes = entry->key_size_bytes;
  return entry->key;
}
