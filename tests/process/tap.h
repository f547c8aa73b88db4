// SPDX-License-Identifier: Apache-2.0
//
// An actor that has ends of channels, and reads and writes as it is told.

#ifndef WEFT_TESTS_PROCESS_TAP_H_
#define WEFT_TESTS_PROCESS_TAP_H_

#include "weft/weft.h"

enum {
  // (end of a reader), (end of a writer) opens it in place of what it had
  TAP_OPEN_READER,
  TAP_OPEN_WRITER,
  // (count) -> a list of the next values, each released; waits for them
  TAP_READ,
  // () -> the next value, or error, still leased; () releases the oldest lease
  TAP_LEASE,
  TAP_RELEASE,
  // (first, count) writes as many numbers; (value) writes it; (size) reserves,
  // fills and commits
  TAP_WRITE_NUMBERS,
  TAP_WRITE,
  TAP_WRITE_BYTES,
  // (none or status) closes the writer; () gives the ends up
  TAP_CLOSE,
  TAP_LEAVE,
  // (readers, slots) -> [end of the writer, ends of readers ...]
  TAP_MAKE,
  // (end) -> the same
  TAP_ECHO,
  TAP_ENDPOINTS
};

extern const weft_class_t tap_class;

#endif  // WEFT_TESTS_PROCESS_TAP_H_
