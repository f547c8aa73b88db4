// SPDX-License-Identifier: Apache-2.0
//
// What the tests of channels share: a channel of some kind with its runtime,
// which must give all its memory back, and writing and reading in one line.

#ifndef WEFT_CHANNEL_CHANNEL_KIT_H_
#define WEFT_CHANNEL_CHANNEL_KIT_H_

#include <string.h>

#include "actor/actor_kit.h"
#include "async/future_kit.h"
#include "channel/channel.h"

#define READERS 3
#define SLOTS 4

// One kind of channel, for the suite that all of them run.
typedef struct weft_channel_kind {
  const char* name;
  // Makes a channel of SLOTS slots with READERS readers.
  weft_status_t (*create)(weft_runtime_t* runtime, weft_writer_t** out_writer,
                          weft_reader_t** out_readers);
} weft_channel_kind_t;

static inline weft_status_t weft_kind_local(weft_runtime_t* runtime,
                                            weft_writer_t** out_writer,
                                            weft_reader_t** out_readers) {
  const weft_channel_options_t options = {
      .name = "tested",
      .reader_count = READERS,
      .slot_count = SLOTS,
  };
  return weft_channel_create(runtime, &options, out_writer, out_readers);
}

static inline weft_status_t weft_kind_shared(weft_runtime_t* runtime,
                                             weft_writer_t** out_writer,
                                             weft_reader_t** out_readers) {
  const weft_channel_options_t options = {.name = "tested",
                                          .slot_count = SLOTS};
  weft_reader_t* inner = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_channel_create(runtime, &options, out_writer, &inner));
  weft_status_t status = weft_reader_share(inner, READERS, out_readers);
  weft_reader_release(inner);
  if (status != WEFT_OK) {
    weft_writer_release(*out_writer);
    *out_writer = NULL;
  }
  return status;
}

static const weft_channel_kind_t weft_channel_kinds[] = {
    {"local", weft_kind_local},
    {"shared", weft_kind_shared},
};
#define KINDS (sizeof(weft_channel_kinds) / sizeof(weft_channel_kinds[0]))

typedef struct weft_channel_case {
  weft_future_kit_t kit;
  weft_writer_t* writer;
  weft_reader_t* readers[READERS];
} weft_channel_case_t;

static inline void weft_case_init(weft_channel_case_t* c,
                                  const weft_channel_kind_t* kind) {
  const weft_runtime_options_t options = {.worker_count = 2};
  memset(c, 0, sizeof(*c));
  weft_future_kit_init(&c->kit, &options);
  weft_kit_assert_ok(kind->create(c->kit.runtime, &c->writer, c->readers));
}

static inline void weft_case_deinit(weft_channel_case_t* c) {
  weft_writer_release(c->writer);
  for (int i = 0; i < READERS; i++) {
    weft_reader_release(c->readers[i]);
  }
  weft_future_kit_deinit(&c->kit);
}

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

static inline int64_t weft_soon(const weft_channel_case_t* c, int64_t ms) {
  return weft_deadline_after(c->kit.runtime, ms * WEFT_MS);
}

#endif  // WEFT_CHANNEL_CHANNEL_KIT_H_
