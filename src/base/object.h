// SPDX-License-Identifier: Apache-2.0
//
// The head of every counted object: a reference count that any thread may
// change without a lock, and what to do when it reaches zero. Values,
// futures, storages and statuses' carriers all begin with it.

#ifndef WEFT_BASE_OBJECT_H_
#define WEFT_BASE_OBJECT_H_

#include <stdatomic.h>

#include "weft/value.h"

typedef struct weft_object_vtable {
  // Frees the object. Called once, on the thread that dropped the last
  // reference, with no lock held.
  void (*destroy)(weft_object_t* object);
  // The kind of value that the object is.
  weft_kind_t kind;
} weft_object_vtable_t;

struct weft_object {
  _Atomic uint32_t references;
  // For the object's own type to use.
  uint32_t extra;
  const weft_object_vtable_t* vtable;
};

static inline void weft_object_init(weft_object_t* object,
                                    const weft_object_vtable_t* vtable,
                                    uint32_t references) {
  atomic_init(&object->references, references);
  object->extra = 0;
  object->vtable = vtable;
}

static inline void weft_object_retain(weft_object_t* object) {
  // Relaxed: whoever retains holds a reference, so nothing is published here.
  atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}

// True when the caller holds the only reference.
static inline bool weft_object_is_unique(const weft_object_t* object) {
  // Acquire: pairs with the release in `weft_object_release` of whoever held
  // the others, so that its last reads are over before the object is changed.
  return atomic_load_explicit(&object->references, memory_order_acquire) == 1;
}

static inline void weft_object_release(weft_object_t* object) {
  // The sole owner needs no locked operation: nobody else can retain.
  // Acquire-release: pairs with the same operation of other owners; what they
  // did with the object happens before it is destroyed.
  if (weft_object_is_unique(object) ||
      atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) ==
          1) {
    object->vtable->destroy(object);
  }
}

// Wraps an object whose reference the caller gives away.
static inline weft_value_t weft_object_value(weft_object_t* object) {
  weft_value_t value = weft_none();
  value.kind = (uint8_t)object->vtable->kind;
  value.as.object = object;
  return value;
}

#endif  // WEFT_BASE_OBJECT_H_
