// SPDX-License-Identifier: Apache-2.0
//
// For tests of values: an opaque object that counts its releases, and a sweep
// over functions that create a value.

#ifndef WEFT_VALUE_VALUE_KIT_H_
#define WEFT_VALUE_VALUE_KIT_H_

#include <stdatomic.h>

#include "kit/kit.h"
#include "weft/value.h"

static inline void weft_value_kit_count(void* pointer) {
  _Atomic int* count = (_Atomic int*)pointer;
  // Relaxed: read when all threads that release have ended.
  atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static inline int weft_value_kit_read(_Atomic int* count) {
  // Relaxed: see above.
  return atomic_load_explicit(count, memory_order_relaxed);
}

static const weft_opaque_type_t weft_value_kit_counted = {
    .name = "counted",
    .release = weft_value_kit_count,
};

// A value that adds 1 to `*count` when it is freed.
static inline weft_value_t weft_value_kit_opaque(_Atomic int* count) {
  weft_value_t value;
  weft_kit_assert_ok(
      weft_opaque_create(NULL, &weft_value_kit_counted, count, &value));
  return value;
}

static inline weft_value_t weft_value_kit_string(const char* text) {
  weft_value_t value;
  weft_kit_assert_ok(weft_string_from_c(NULL, text, &value));
  return value;
}

// A list of values, whose references it takes over.
static inline weft_value_t weft_value_kit_list(const weft_value_t* values,
                                               size_t count) {
  weft_value_t list;
  weft_kit_assert_ok(weft_list_create(NULL, values, count, &list));
  for (size_t i = 0; i < count; ++i) {
    weft_value_release(values[i]);
  }
  return list;
}

typedef weft_status_t (*weft_value_kit_create_fn_t)(
    const weft_allocator_t* allocator, weft_value_t* out_value);

static inline weft_status_t weft_value_kit_create(
    const weft_allocator_t* allocator, void* user, void** out_object) {
  const weft_value_kit_create_fn_t* create =
      (const weft_value_kit_create_fn_t*)user;
  weft_value_t value = weft_none();
  weft_status_t status = (*create)(allocator, &value);
  if (status != WEFT_OK) {
    assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
    return status;
  }
  *out_object = value.as.object;
  return WEFT_OK;
}

static inline void weft_value_kit_destroy(void* object, void* user) {
  (void)user;
  // Which counted kind it is does not matter to a release.
  weft_value_t value = weft_none();
  value.kind = WEFT_KIND_STRING;
  value.as.object = (weft_object_t*)object;
  weft_value_release(value);
}

// Sweeps allocation failures over a function that creates a counted value.
static inline void weft_value_kit_sweep(weft_value_kit_create_fn_t create) {
  weft_kit_creation_t creation = {weft_value_kit_create, weft_value_kit_destroy,
                                  &create};
  weft_kit_sweep(&creation);
}

#endif  // WEFT_VALUE_VALUE_KIT_H_
