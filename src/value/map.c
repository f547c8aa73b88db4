// SPDX-License-Identifier: Apache-2.0
//
// Maps: entries in the order given, and behind them their positions sorted by
// key. Sorting finds a key that comes twice, searching is by halves, and no
// choice of keys can make either slow, as it could with a hash table.
//
//   [container][entry 0][entry 1]...[entry n-1][order 0]...[order n-1]

#include <string.h>

#include "value/value_internal.h"

// Bytes behind the head for each entry: the entry, and its place in the order.
#define ENTRY_BYTES (sizeof(weft_map_entry_t) + sizeof(uint32_t))

// A key as it is looked for.
typedef struct key {
  const char* data;
  size_t length_bytes;
} key_t;

static key_t key_at(const weft_map_t* map, uint32_t position) {
  const weft_string_object_t* text =
      weft_value_string(map->entries[position].key);
  return (key_t){text->data, text->length_bytes};
}

// Shorter keys first: most comparisons end with that. The order is for
// searching, and never shown.
static int key_compare(key_t a, key_t b) {
  if (a.length_bytes != b.length_bytes) {
    return a.length_bytes < b.length_bytes ? -1 : 1;
  }
  return memcmp(a.data, b.data, a.length_bytes);
}

// Moves the entry at `root` of a heap down to where its key belongs.
static void order_sift(weft_map_t* map, size_t root, size_t count) {
  uint32_t* order = weft_map_order(map);
  uint32_t moved = order[root];
  size_t child = 2 * root + 1;
  while (child < count) {
    if (child + 1 < count && key_compare(key_at(map, order[child]),
                                         key_at(map, order[child + 1])) < 0) {
      ++child;
    }
    if (key_compare(key_at(map, moved), key_at(map, order[child])) >= 0) {
      break;
    }
    order[root] = order[child];
    root = child;
    child = 2 * root + 1;
  }
  order[root] = moved;
}

// Heapsort: no memory, no recursion, no bad case.
static void order_sort(weft_map_t* map) {
  size_t count = map->container.count;
  uint32_t* order = weft_map_order(map);
  for (size_t i = 0; i < count; ++i) {
    order[i] = (uint32_t)i;
  }
  for (size_t root = count / 2; root-- > 0;) {
    order_sift(map, root, count);
  }
  for (size_t last = count; last-- > 1;) {
    uint32_t largest = order[0];
    order[0] = order[last];
    order[last] = largest;
    order_sift(map, 0, last);
  }
}

// Errors: ALREADY_EXISTS when two neighbours in the order have one key.
static weft_status_t order_check(weft_map_t* map) {
  const uint32_t* order = weft_map_order(map);
  for (size_t i = 1; i < map->container.count; ++i) {
    key_t key = key_at(map, order[i]);
    if (key_compare(key_at(map, order[i - 1]), key) == 0) {
      uint32_t a = order[i - 1];
      uint32_t b = order[i];
      return weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                              "the key \"%.100s\" is in the map twice, as "
                              "entries %u and %u",
                              key.data, a < b ? a : b, a < b ? b : a);
    }
  }
  return WEFT_OK;
}

static weft_status_t map_admit(weft_map_t* map,
                               const weft_map_entry_t* entries) {
  for (size_t i = 0; i < map->container.count; ++i) {
    if (entries[i].key.kind != WEFT_KIND_STRING) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "the key of entry %zu is of kind %s, not string",
                              i,
                              weft_kind_name(weft_value_kind(entries[i].key)));
    }
    WEFT_RETURN_IF_ERROR(
        weft_container_admit(&map->container, entries[i].value));
    map->entries[i] = entries[i];
  }
  order_sort(map);
  return order_check(map);
}

static void map_free(weft_map_t* map) {
  weft_memory_free(map->container.allocator, map,
                   sizeof(*map) + map->container.count * ENTRY_BYTES);
}

static void map_destroy(weft_object_t* object) {
  weft_map_t* map = (weft_map_t*)(void*)object;
  for (size_t i = 0; i < map->container.count; ++i) {
    weft_value_release(map->entries[i].key);
    weft_value_release(map->entries[i].value);
  }
  map_free(map);
}

static const weft_object_vtable_t map_vtable = {
    .destroy = map_destroy,
    .kind = WEFT_KIND_MAP,
};

static weft_status_t check_entries(const weft_map_entry_t* entries,
                                   size_t count) {
  if (entries == NULL && count > 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a map of %zu entries has none", count);
  }
  if (count > UINT32_MAX) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "a map of %zu entries; the limit is %u", count,
                            UINT32_MAX);
  }
  return WEFT_OK;
}

weft_status_t weft_map_create(const weft_allocator_t* allocator,
                              const weft_map_entry_t* entries, size_t count,
                              weft_value_t* out_map) {
  *out_map = weft_none();
  WEFT_RETURN_IF_ERROR(check_entries(entries, count));
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  void* block = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_allocate(from, sizeof(weft_map_t), count,
                                           ENTRY_BYTES, "map", &block));
  weft_map_t* map = block;
  weft_container_init(&map->container, &map_vtable, from, count);
  weft_status_t status = map_admit(map, entries);
  if (status != WEFT_OK) {
    map_free(map);
    return status;
  }
  for (size_t i = 0; i < count; ++i) {
    (void)weft_value_retain(entries[i].key);
    (void)weft_value_retain(entries[i].value);
  }
  *out_map = weft_object_value(&map->container.object);
  return WEFT_OK;
}

weft_status_t weft_value_as_map(weft_value_t value,
                                const weft_map_entry_t** out_entries,
                                size_t* out_count) {
  *out_entries = NULL;
  *out_count = 0;
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_MAP));
  const weft_map_t* map = weft_value_map(value);
  *out_entries = map->entries;
  *out_count = map->container.count;
  return WEFT_OK;
}

weft_status_t weft_map_get(weft_value_t map_value, const char* key,
                           weft_value_t* out_value) {
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_value_expect(map_value, WEFT_KIND_MAP));
  weft_map_t* map = weft_value_map(map_value);
  key_t wanted = {key, strlen(key)};
  const uint32_t* order = weft_map_order(map);
  size_t from = 0;
  size_t to = map->container.count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    int compared = key_compare(wanted, key_at(map, order[middle]));
    if (compared == 0) {
      *out_value = map->entries[order[middle]].value;
      return WEFT_OK;
    }
    from = compared > 0 ? middle + 1 : from;
    to = compared < 0 ? middle : to;
  }
  return weft_status_make(WEFT_STATUS_NOT_FOUND,
                          "the map of %zu entries has no key \"%.100s\"",
                          map->container.count, key);
}
