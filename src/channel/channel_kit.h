// SPDX-License-Identifier: Apache-2.0
//
// What the tests of channels share: writing and reading in one line.

#ifndef WEFT_CHANNEL_CHANNEL_KIT_H_
#define WEFT_CHANNEL_CHANNEL_KIT_H_

#include <string.h>

#include "actor/actor_kit.h"
#include "async/future_kit.h"
#include "channel/channel.h"

static inline weft_status_t weft_try_put(weft_writer_t* writer,
                                         int64_t number) {
  return weft_writer_write(writer, weft_int64(number), WEFT_TIME_NOW);
}

static inline void weft_put(weft_writer_t* writer, int64_t number) {
  weft_kit_assert_ok(weft_try_put(writer, number));
}

static inline weft_status_t weft_try_take(weft_reader_t* reader,
                                          weft_lease_t* out_lease) {
  return weft_reader_read(reader, WEFT_TIME_NOW, out_lease);
}

static inline weft_lease_t weft_take(weft_reader_t* reader) {
  weft_lease_t lease;
  weft_kit_assert_ok(weft_try_take(reader, &lease));
  return lease;
}

static inline void weft_check_number(const weft_lease_t* lease,
                                     int64_t number) {
  int64_t found = 0;
  weft_kit_assert_ok(weft_status_retain(lease->status));
  weft_kit_assert_ok(weft_value_as_int64(lease->value, &found));
  assert_int_equal(number, found);
}

// Reads, checks and releases the next value.
static inline void weft_get(weft_reader_t* reader, int64_t number) {
  weft_lease_t lease = weft_take(reader);
  weft_check_number(&lease, number);
  weft_lease_release(&lease);
  assert_null(lease.reader);
}

static inline void weft_expect_empty(weft_reader_t* reader,
                                     weft_status_code_t code) {
  weft_lease_t lease;
  weft_kit_assert_status(code, weft_try_take(reader, &lease));
  assert_null(lease.reader);
}

#endif  // WEFT_CHANNEL_CHANNEL_KIT_H_
