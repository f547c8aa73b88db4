// SPDX-License-Identifier: Apache-2.0
//
// The counted objects that values hold, as the files of this folder see them.

#ifndef WEFT_VALUE_VALUE_INTERNAL_H_
#define WEFT_VALUE_VALUE_INTERNAL_H_

#include "base/memory.h"
#include "base/object.h"
#include "weft/value.h"

// The error for a value of another kind than `expected`.
__attribute__((cold, noinline)) weft_status_t weft_value_wrong_kind(
    weft_value_t value, weft_kind_t expected);

static inline weft_status_t weft_value_expect(weft_value_t value,
                                              weft_kind_t expected) {
  return value.kind == (uint8_t)expected
             ? WEFT_OK
             : weft_value_wrong_kind(value, expected);
}

// A block for `head_bytes` and `count` elements behind them. Errors:
// RESOURCE_EXHAUSTED, with `what` in the message.
weft_status_t weft_value_allocate(const weft_allocator_t* allocator,
                                  size_t head_bytes, size_t count,
                                  size_t element_bytes, const char* what,
                                  void** out_block);

// --- Strings and bytes ------------------------------------------------------

typedef struct weft_string_object {
  weft_object_t object;
  const weft_allocator_t* allocator;
  size_t length_bytes;
  // Behind the object, and a NUL behind them; of a view elsewhere, without one.
  const char* data;
} weft_string_object_t;

// Of a string or bytes.
static inline const weft_string_object_t* weft_value_string(
    weft_value_t value) {
  return (const weft_string_object_t*)(const void*)value.as.object;
}

// Bytes that the caller, who has the only reference, fills before anybody else
// gets one. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_bytes_create_open(const weft_allocator_t* allocator,
                                     size_t size_bytes, weft_value_t* out_bytes,
                                     void** out_data);

// Bytes that lie elsewhere: whoever makes them frees the object in `destroy`,
// of a table of kind BYTES.
void weft_bytes_view_init(weft_string_object_t* view,
                          const weft_object_vtable_t* vtable, const void* data,
                          size_t size_bytes);

// True when two strings, or two runs of bytes, are the same.
bool weft_string_equal(const weft_string_object_t* a,
                       const weft_string_object_t* b);

// --- Lists and maps ---------------------------------------------------------

// How lists and maps begin. `object.extra` is the depth: 1 with no list or
// map inside. It is bounded when one is made, so that whoever descends may
// recurse.
typedef struct weft_container {
  weft_object_t object;
  const weft_allocator_t* allocator;
  size_t count;
  // See `weft_value_tensor_bytes`; stays at UINT64_MAX once it got there.
  uint64_t tensor_bytes;
} weft_container_t;

// Prepares the head of a container before its first value is admitted.
void weft_container_init(weft_container_t* container,
                         const weft_object_vtable_t* vtable,
                         const weft_allocator_t* allocator, size_t count);

// Takes account of a value that the container will hold; retains nothing.
// Errors: OUT_OF_RANGE when the container becomes too deep.
weft_status_t weft_container_admit(weft_container_t* container,
                                   weft_value_t value);

typedef struct weft_list {
  weft_container_t container;
  weft_value_t values[];
} weft_list_t;

typedef struct weft_map {
  weft_container_t container;
  weft_map_entry_t entries[];
  // Behind the entries: see `weft_map_order`.
} weft_map_t;

// The positions of the entries sorted by key, as `uint32_t`: equal maps have
// equal keys in this order.
static inline uint32_t* weft_map_order(weft_map_t* map) {
  return (uint32_t*)(void*)(map->entries + map->container.count);
}

static inline weft_list_t* weft_value_list(weft_value_t value) {
  return (weft_list_t*)(void*)value.as.object;
}

static inline weft_map_t* weft_value_map(weft_value_t value) {
  return (weft_map_t*)(void*)value.as.object;
}

// --- Opaque objects and statuses --------------------------------------------

typedef struct weft_opaque {
  weft_object_t object;
  const weft_allocator_t* allocator;
  const weft_opaque_type_t* type;
  void* pointer;
} weft_opaque_t;

typedef struct weft_status_object {
  weft_object_t object;
  const weft_allocator_t* allocator;
  weft_status_t status;
} weft_status_object_t;

static inline const weft_opaque_t* weft_value_opaque(weft_value_t value) {
  return (const weft_opaque_t*)(const void*)value.as.object;
}

static inline weft_status_t weft_value_status(weft_value_t value) {
  return ((const weft_status_object_t*)(const void*)value.as.object)->status;
}

#endif  // WEFT_VALUE_VALUE_INTERNAL_H_
