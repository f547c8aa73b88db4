// SPDX-License-Identifier: Apache-2.0
//
// Memory without a name that processes share: made by one, mapped by those
// who are given its descriptor, gone with the last of them. Its pages are
// reserved when it is made, so running out is a status and never a signal;
// its size is sealed, so no one can take pages away from under a reader.

#ifndef WEFT_SYS_MEMFD_H_
#define WEFT_SYS_MEMFD_H_

#include "weft/status.h"

typedef enum weft_memfd_access {
  // Whoever has the descriptor may map it to write.
  WEFT_MEMFD_SHARED = 0,
  // Only the mapping of the maker writes; the kernel refuses all others.
  WEFT_MEMFD_ONE_WRITER = 1
} weft_memfd_access_t;

typedef struct weft_memfd {
  // -1 when there is none, or once it was closed.
  int descriptor;
  size_t size_bytes;
  // NULL when it is not mapped.
  void* data;
} weft_memfd_t;

// Of a `weft_memfd_t` that holds nothing.
#define WEFT_MEMFD_NONE \
  { -1, 0, NULL }

// Makes memory of `size_bytes` (> 0, rounded up to whole pages), zeroed,
// reserved, sealed, and mapped to be read and written. `name` is for
// /proc/PID/maps. Errors: RESOURCE_EXHAUSTED, which says what ran out.
weft_status_t weft_memfd_create(const char* name, size_t size_bytes,
                                weft_memfd_access_t access,
                                weft_memfd_t* out_memfd);

// Maps what a peer has sent, after a look at its seals, and its size, which
// must be `size_bytes` unless that is 0. Maps to be read, and, when `access` is
// SHARED, to be written.
// Owns: takes `descriptor` over, also on failure.
// Errors: DATA_LOSS for what is no such memory, or lacks a seal, or has
// another size; RESOURCE_EXHAUSTED.
weft_status_t weft_memfd_map(int descriptor, size_t size_bytes,
                             weft_memfd_access_t access,
                             weft_memfd_t* out_memfd);

// Makes the pages of a range present, so that the first write costs no fault.
// A failure is no error: the pages are reserved and come when they are used.
void weft_memfd_populate(const weft_memfd_t* memfd, size_t offset_bytes,
                         size_t size_bytes);

// By which the kernel tells memory from all other that there is now: numbers of
// one file system, of which there are several for memory, mean nothing in
// another. All 0 for a descriptor of something else.
typedef struct weft_memfd_identity {
  uint64_t device;
  uint64_t number;
} weft_memfd_identity_t;

weft_memfd_identity_t weft_memfd_identity(int descriptor);
// Whether both are of the same memory; never for something else.
bool weft_memfd_is_same(weft_memfd_identity_t one, weft_memfd_identity_t other);

// Closes the descriptor and keeps the mapping.
void weft_memfd_close_descriptor(weft_memfd_t* memfd);

// Unmaps and closes; nothing is fine.
void weft_memfd_release(weft_memfd_t* memfd);

// Units: bytes.
size_t weft_sys_page_bytes(void);

// The memory that this host has, or this container may use if that is less.
// Units: bytes.
uint64_t weft_sys_memory_bytes(void);

#endif  // WEFT_SYS_MEMFD_H_
