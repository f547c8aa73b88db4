// SPDX-License-Identifier: Apache-2.0
//
// Files that one writer has to itself.

#ifndef WEFT_SYS_OUTPUT_H_
#define WEFT_SYS_OUTPUT_H_

#include "weft/common.h"
#include "weft/status.h"

// A file that is written by one writer; -1 when it is closed.
typedef struct weft_sys_file {
  int descriptor;
} weft_sys_file_t;

// Opens a file for writing, empties it, and keeps every other writer that
// opens it this way away, in any process, until it is closed. What is not a
// regular file (a terminal, a pipe) cannot be had.
// Errors: ALREADY_EXISTS when another writer has it; INVALID_ARGUMENT when
// it cannot be opened, with the system's reason.
WEFT_MUST_USE weft_status_t weft_sys_file_open(weft_sys_file_t* file,
                                               const char* path);
// Writes all of it at a place in the file.
// Errors: RESOURCE_EXHAUSTED when the disk is full; DATA_LOSS for any other
// reason. Some of it may have been written.
WEFT_MUST_USE weft_status_t weft_sys_file_write_at(const weft_sys_file_t* file,
                                                   const char* bytes,
                                                   size_t count,
                                                   uint64_t offset);
// Cuts the file; false if that cannot be done.
bool weft_sys_file_cut(const weft_sys_file_t* file, uint64_t size_bytes);
// Nothing if it is closed.
void weft_sys_file_close(weft_sys_file_t* file);

#endif  // WEFT_SYS_OUTPUT_H_
