// SPDX-License-Identifier: Apache-2.0
//
// Statuses as other layers of the library see them: made again from parts
// that came from elsewhere, and, for tests, made without memory.

#ifndef WEFT_BASE_STATUS_INTERNAL_H_
#define WEFT_BASE_STATUS_INTERNAL_H_

#include "weft/status.h"

// Text of a status. NULL: there is none.
typedef struct weft_status_text {
  // Without a NUL behind it, and without one inside.
  const char* data;
  // Units: bytes.
  size_t length;
} weft_status_text_t;

// All that a status says.
typedef struct weft_status_parts {
  weft_status_code_t code;
  weft_status_text_t message;
  weft_status_text_t file;
  int line;
  int32_t rank;
  weft_status_text_t actor;
  weft_status_text_t endpoint;
  weft_status_t cause;
} weft_status_parts_t;

// Makes a status that says where it was made by itself: one that came from
// another runtime. Owns: copies the texts, takes `cause` over.
// Errors: without memory a code alone is left, as from `weft_status_make`.
weft_status_t weft_status_restore(const weft_status_parts_t* parts);

// For tests: statuses allocate by themselves, from the C heap, since they
// outlive runtimes and their allocators. Here that can be made to fail.
// While on, every status is made as if there were no memory: a code alone.
// Thread: any; for all threads.
void weft_status_fail_allocations(bool fail);

#endif  // WEFT_BASE_STATUS_INTERNAL_H_
