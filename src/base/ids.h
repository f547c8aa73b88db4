// SPDX-License-Identifier: Apache-2.0
//
// Numbers for things that others name from afar: a place in an array, and how
// often the place was used. A number of an old use finds nothing, and 0 is
// never given.
//
//   id:  bits 32-63  the use of the place, from 1
//        bits 0-31   the place
//
// Thread: one at a time; the owner sees to it.

#ifndef WEFT_BASE_IDS_H_
#define WEFT_BASE_IDS_H_

#include <stdbool.h>

#include "weft/allocator.h"

typedef struct weft_ids_place {
  // NULL while the place is free.
  void* object;
  uint32_t use;
  // Among free places: the next; UINT32_MAX: none.
  uint32_t next_free;
} weft_ids_place_t;

typedef struct weft_ids {
  const weft_allocator_t* allocator;
  weft_ids_place_t* places;
  uint32_t count;
  uint32_t first_free;
  // Ids that are given out.
  uint32_t used;
} weft_ids_t;

void weft_ids_init(weft_ids_t* ids, const weft_allocator_t* allocator);
// Objects are their owners'. Zeroed memory is fine.
void weft_ids_deinit(weft_ids_t* ids);

// Gives an object a number; 0 when there is no memory.
uint64_t weft_ids_give(weft_ids_t* ids, void* object);

// The object that has this number now; NULL for none.
void* weft_ids_find(const weft_ids_t* ids, uint64_t id);

// Takes the number back; returns the object, or NULL.
void* weft_ids_take(weft_ids_t* ids, uint64_t id);

// The first object whose place is not before `*place`, which is moved behind
// it; NULL when there is none.
void* weft_ids_next(const weft_ids_t* ids, uint32_t* place);

#endif  // WEFT_BASE_IDS_H_
