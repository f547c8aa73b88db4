// SPDX-License-Identifier: Apache-2.0
//
// Immutable data. A value is a cell of 16 bytes, passed by value: a kind, and
// either the datum itself (none, bool, int64, float64, actor) or a counted
// object (string, bytes, list, map, tensor, future, opaque, ...).
//
// Ownership: a function that creates or copies hands over one reference; an
// accessor lends. `const weft_value_t*` parameters borrow; functions that take
// over say so under Owns. A cell is plain data: copying the struct copies no
// reference, `weft_value_retain` does.
// Thread: values are immutable; any thread may read, retain and release,
// without a lock.

#ifndef WEFT_VALUE_H_
#define WEFT_VALUE_H_

#include "weft/allocator.h"
#include "weft/status.h"

WEFT_BEGIN_DECLS

typedef enum weft_kind {
  WEFT_KIND_NONE = 0,
  WEFT_KIND_BOOL = 1,
  WEFT_KIND_INT64 = 2,
  WEFT_KIND_FLOAT64 = 3,
  // A handle of an actor; see actor.h. It names, it does not own.
  WEFT_KIND_ACTOR = 4,
  // Kinds from here on hold a counted object.
  WEFT_KIND_STRING = 8,
  WEFT_KIND_BYTES = 9,
  WEFT_KIND_LIST = 10,
  WEFT_KIND_MAP = 11,
  WEFT_KIND_TENSOR = 12,
  // A value that may not be here yet; as an argument it is delivered as what
  // it holds.
  WEFT_KIND_FUTURE = 13,
  // An object of the host program, passed as it is inside a process.
  WEFT_KIND_OPAQUE = 14,
  // A status as data: a failed outcome inside a list of outcomes.
  WEFT_KIND_STATUS = 15,
  // The writer's or a reader's end of a channel; see channel.h.
  WEFT_KIND_CHANNEL_END = 16,
  // In declarations of parameters only: any kind is accepted.
  WEFT_KIND_ANY = 255
} weft_kind_t;

// Names an actor anywhere in the job; 12 bytes. Compare with
// `weft_actor_equal`. All zeros names nobody.
typedef struct weft_actor {
  // The runtime that holds the actor, and which life of that rank.
  uint16_t rank;
  uint16_t incarnation;
  // The entry in that runtime's table, and which use of the entry. The first
  // generation is 1, so a handle of zeros is never valid.
  uint32_t index;
  uint32_t generation;
} weft_actor_t;

// The head of every counted object. Private.
typedef struct weft_object weft_object_t;

// The cell. Read it with the functions below, or by field once its kind is
// known.
typedef struct weft_value {
  // A weft_kind_t.
  uint8_t kind;
  uint8_t reserved;
  // For actors: rank here, incarnation and index below, generation last.
  uint16_t rank;
  uint32_t index;
  union {
    bool boolean;
    int64_t int64;
    double float64;
    weft_object_t* object;
    // Packed as incarnation << 32 | generation.
    uint64_t actor;
  } as;
} weft_value_t;

// --- Cells ------------------------------------------------------------------

// What a cell holds.
static inline weft_kind_t weft_value_kind(weft_value_t value) {
  return (weft_kind_t)value.kind;
}

// True when the cell holds a counted object.
static inline bool weft_value_is_counted(weft_value_t value) {
  return value.kind >= WEFT_KIND_STRING;
}

// The name of a kind, such as "int64". Never NULL.
WEFT_API const char* weft_kind_name(weft_kind_t kind);

// For `weft_value_retain` and `weft_value_release`.
WEFT_API void weft_value_retain_object(weft_value_t value);
WEFT_API void weft_value_release_object(weft_value_t value);

// Another reference to the same datum; returns its argument.
static inline weft_value_t weft_value_retain(weft_value_t value) {
  if (weft_value_is_counted(value)) {
    weft_value_retain_object(value);
  }
  return value;
}

// Gives a reference back.
static inline void weft_value_release(weft_value_t value) {
  if (weft_value_is_counted(value)) {
    weft_value_release_object(value);
  }
}

// Nothing; all bytes of the cell are zero.
static inline weft_value_t weft_none(void) {
  weft_value_t value = {0, 0, 0, 0, {0}};
  return value;
}

// True or false.
static inline weft_value_t weft_bool(bool boolean) {
  weft_value_t value = weft_none();
  value.kind = WEFT_KIND_BOOL;
  value.as.int64 = boolean ? 1 : 0;
  return value;
}

// A whole number.
static inline weft_value_t weft_int64(int64_t int64) {
  weft_value_t value = weft_none();
  value.kind = WEFT_KIND_INT64;
  value.as.int64 = int64;
  return value;
}

// A number of double precision.
static inline weft_value_t weft_float64(double float64) {
  weft_value_t value = weft_none();
  value.kind = WEFT_KIND_FLOAT64;
  value.as.float64 = float64;
  return value;
}

// The handle of an actor.
static inline weft_value_t weft_actor_value(weft_actor_t actor) {
  weft_value_t value = weft_none();
  value.kind = WEFT_KIND_ACTOR;
  value.rank = actor.rank;
  value.index = actor.index;
  value.as.actor = ((uint64_t)actor.incarnation << 32) | actor.generation;
  return value;
}

// Readers of scalars. Errors: INVALID_ARGUMENT when the value is of another
// kind; the message names both. `out_x` is zeroed then.
WEFT_API WEFT_MUST_USE weft_status_t weft_value_as_bool(weft_value_t value,
                                                        bool* out_boolean);
WEFT_API WEFT_MUST_USE weft_status_t weft_value_as_int64(weft_value_t value,
                                                         int64_t* out_int64);
// Accepts an int64 too, where it is exact as a float64; else OUT_OF_RANGE.
WEFT_API WEFT_MUST_USE weft_status_t weft_value_as_float64(weft_value_t value,
                                                           double* out_float64);
WEFT_API WEFT_MUST_USE weft_status_t
weft_value_as_actor(weft_value_t value, weft_actor_t* out_actor);

// --- Strings and bytes ------------------------------------------------------

// Copies `length_bytes` bytes of UTF-8; a NUL is kept behind them.
// Errors: INVALID_ARGUMENT when the bytes are not UTF-8; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_string_create(const weft_allocator_t* allocator, const char* data,
                   size_t length_bytes, weft_value_t* out_string);

// As above, of a C string.
WEFT_API WEFT_MUST_USE weft_status_t
weft_string_from_c(const weft_allocator_t* allocator, const char* c_string,
                   weft_value_t* out_string);

// Lends the characters, NUL behind them; `out_length_bytes` may be NULL.
// Errors: INVALID_ARGUMENT for another kind.
WEFT_API WEFT_MUST_USE weft_status_t weft_value_as_string(
    weft_value_t value, const char** out_data, size_t* out_length_bytes);

// Copies bytes. `data` may be NULL when `size_bytes` is 0.
WEFT_API WEFT_MUST_USE weft_status_t
weft_bytes_create(const weft_allocator_t* allocator, const void* data,
                  size_t size_bytes, weft_value_t* out_bytes);

// Lends the bytes; the pointer is never NULL.
WEFT_API WEFT_MUST_USE weft_status_t weft_value_as_bytes(
    weft_value_t value, const void** out_data, size_t* out_size_bytes);

// --- Lists and maps ---------------------------------------------------------

// How deep lists and maps may stand in each other. So a value can be walked
// and freed by recursion, whoever made it.
#define WEFT_VALUE_DEPTH_LIMIT 64

// Copies `count` values into a list.
// Owns: retains each; the caller keeps its own references.
// Errors: OUT_OF_RANGE when it would be too deep; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_list_create(const weft_allocator_t* allocator, const weft_value_t* values,
                 size_t count, weft_value_t* out_list);

// Lends the elements of a list.
WEFT_API WEFT_MUST_USE weft_status_t weft_value_as_list(
    weft_value_t value, const weft_value_t** out_values, size_t* out_count);

typedef struct weft_map_entry {
  // A string.
  weft_value_t key;
  weft_value_t value;
} weft_map_entry_t;

// Copies entries into a map, which keeps their order.
// Owns: retains keys and values.
// Errors: INVALID_ARGUMENT when a key is not a string; ALREADY_EXISTS when a
// key comes twice; OUT_OF_RANGE when it would be too deep, or have 2^32
// entries; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_map_create(
    const weft_allocator_t* allocator, const weft_map_entry_t* entries,
    size_t count, weft_value_t* out_map);

// Lends the entries of a map, in order.
WEFT_API WEFT_MUST_USE weft_status_t
weft_value_as_map(weft_value_t value, const weft_map_entry_t** out_entries,
                  size_t* out_count);

// Lends the value under a key. Errors: NOT_FOUND; INVALID_ARGUMENT.
WEFT_API WEFT_MUST_USE weft_status_t weft_map_get(weft_value_t map,
                                                  const char* key,
                                                  weft_value_t* out_value);

// --- Opaque objects ---------------------------------------------------------

// The identity of a host program's type: compared by address.
typedef struct weft_opaque_type {
  // For messages.
  const char* name;
  // Called once, on whatever thread drops the last reference; may be NULL.
  void (*release)(void* pointer);
} weft_opaque_type_t;

// Wraps a pointer. Owns: takes the pointer over on success only.
WEFT_API WEFT_MUST_USE weft_status_t weft_opaque_create(
    const weft_allocator_t* allocator, const weft_opaque_type_t* type,
    void* pointer, weft_value_t* out_opaque);

// Lends the pointer. Errors: INVALID_ARGUMENT when the value is no opaque
// object or of another type; the message names both.
WEFT_API WEFT_MUST_USE weft_status_t weft_value_as_opaque(
    weft_value_t value, const weft_opaque_type_t* type, void** out_pointer);

// --- Statuses as data -------------------------------------------------------

// Wraps an error, so that a list of outcomes can hold it. Owns: takes
// `status` over, also on failure. `status` is not OK.
WEFT_API WEFT_MUST_USE weft_status_t
weft_status_value_create(const weft_allocator_t* allocator,
                         weft_status_t status, weft_value_t* out_value);

// Lends the wrapped error.
WEFT_API WEFT_MUST_USE weft_status_t
weft_value_as_status(weft_value_t value, weft_status_t* out_status);

// --- All kinds --------------------------------------------------------------

// True when both are of one kind and hold equal data. Tensors, futures and
// opaque objects are equal when they are the same object; NaN equals nothing.
// The order of a map's entries does not count, nor the place where a status
// was made.
WEFT_API bool weft_value_equal(weft_value_t a, weft_value_t b);

// Writes a value for people, as `weft_status_format` does; what is longer than
// 1000 bytes is cut short with "...".
WEFT_API size_t weft_value_format(weft_value_t value, char* buffer,
                                  size_t capacity);

WEFT_END_DECLS

#endif  // WEFT_VALUE_H_
