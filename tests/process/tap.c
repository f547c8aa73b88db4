// SPDX-License-Identifier: Apache-2.0

#include "process/tap.h"

#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"
#include "process/handler.h"

#define LEASE_LIMIT 64
// How long a tap waits for the other side. Units: ns.
#define PATIENCE_NS INT64_C(60000000000)

typedef struct tap {
  weft_runtime_t* runtime;
  weft_reader_t* reader;
  weft_writer_t* writer;
  weft_lease_t leases[LEASE_LIMIT];
  size_t first_lease;
  size_t lease_count;
} tap_t;

static int64_t patience(const tap_t* tap) {
  return weft_deadline_after(tap->runtime, PATIENCE_NS);
}

static void release_leases(tap_t* tap) {
  while (tap->first_lease < tap->lease_count) {
    weft_lease_release(&tap->leases[tap->first_lease++]);
  }
  tap->first_lease = 0;
  tap->lease_count = 0;
}

static void give_up(tap_t* tap) {
  release_leases(tap);
  weft_reader_release(tap->reader);
  weft_writer_release(tap->writer);
  tap->reader = NULL;
  tap->writer = NULL;
}

static weft_status_t init(weft_context_t* context, weft_value_t value,
                          void** out_state) {
  (void)value;
  tap_t* tap = calloc(1, sizeof(*tap));
  tap->runtime = weft_context_runtime(context);
  *out_state = tap;
  return WEFT_OK;
}

static void deinit(void* state) {
  give_up(state);
  free(state);
}

HANDLER(open_reader) {
  tap_t* tap = state;
  weft_reader_release(tap->reader);
  return weft_reader_open(arguments[0], &tap->reader);
}

HANDLER(open_writer) {
  tap_t* tap = state;
  weft_writer_release(tap->writer);
  return weft_writer_open(arguments[0], &tap->writer);
}

static weft_status_t expect_end(const void* end) {
  return end != NULL ? WEFT_OK
                     : weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                                        "the tap has no such end");
}

HANDLER(read_values) {
  tap_t* tap = state;
  int64_t count = int_of(arguments[0]);
  weft_status_t status = expect_end(tap->reader);
  weft_value_t* values = calloc((size_t)count + 1, sizeof(*values));
  size_t done = 0;
  while (status == WEFT_OK && done < (size_t)count) {
    weft_lease_t lease;
    status = weft_reader_read(tap->reader, patience(tap), &lease);
    if (status == WEFT_OK) {
      status = weft_status_retain(lease.status);
      values[done++] = weft_value_retain(lease.value);
      weft_lease_release(&lease);
    }
  }
  if (status == WEFT_OK) {
    status = weft_list_create(weft_runtime_allocator(tap->runtime), values,
                              done, out_result);
  }
  for (size_t i = 0; i < done; i++) {
    weft_value_release(values[i]);
  }
  free(values);
  return status;
}

HANDLER(lease_one) {
  tap_t* tap = state;
  weft_lease_t* lease = &tap->leases[tap->lease_count];
  WEFT_RETURN_IF_ERROR(expect_end(tap->reader));
  WEFT_RETURN_IF_ERROR(weft_reader_read(tap->reader, patience(tap), lease));
  tap->lease_count++;
  if (lease->status != WEFT_OK) {
    return weft_status_retain(lease->status);
  }
  *out_result = weft_value_retain(lease->value);
  return WEFT_OK;
}

HANDLER(release_one) {
  tap_t* tap = state;
  weft_lease_release(&tap->leases[tap->first_lease++]);
  return WEFT_OK;
}

HANDLER(write_numbers) {
  tap_t* tap = state;
  int64_t first = int_of(arguments[0]);
  int64_t count = int_of(arguments[1]);
  WEFT_RETURN_IF_ERROR(expect_end(tap->writer));
  for (int64_t i = first; i < first + count; i++) {
    WEFT_RETURN_IF_ERROR(
        weft_writer_write(tap->writer, weft_int64(i), patience(tap)));
  }
  return WEFT_OK;
}

HANDLER(write_value) {
  tap_t* tap = state;
  weft_status_t error;
  WEFT_RETURN_IF_ERROR(expect_end(tap->writer));
  if (weft_value_kind(arguments[0]) == WEFT_KIND_STATUS) {
    weft_kit_assert_ok(weft_value_as_status(arguments[0], &error));
    return weft_writer_fail(tap->writer, error, patience(tap));
  }
  return weft_writer_write(tap->writer, arguments[0], patience(tap));
}

HANDLER(write_bytes) {
  tap_t* tap = state;
  void* data;
  size_t size_bytes = (size_t)int_of(arguments[0]);
  WEFT_RETURN_IF_ERROR(expect_end(tap->writer));
  WEFT_RETURN_IF_ERROR(
      weft_writer_reserve(tap->writer, size_bytes, patience(tap), &data));
  memset(data, (int)(size_bytes & 0xff), size_bytes);
  return weft_writer_commit(tap->writer, size_bytes);
}

HANDLER(close_writer) {
  tap_t* tap = state;
  weft_status_t reason = WEFT_OK;
  WEFT_RETURN_IF_ERROR(expect_end(tap->writer));
  if (weft_value_kind(arguments[0]) == WEFT_KIND_STATUS) {
    weft_kit_assert_ok(weft_value_as_status(arguments[0], &reason));
  }
  weft_writer_close(tap->writer, weft_status_retain(reason));
  return WEFT_OK;
}

HANDLER(leave) {
  give_up(state);
  return WEFT_OK;
}

HANDLER(make) {
  const tap_t* tap = state;
  const weft_channel_options_t options = {
      .name = "made",
      .reader_count = (uint32_t)int_of(arguments[0]),
      .slot_count = (uint32_t)int_of(arguments[1]),
  };
  weft_writer_t* writer;
  weft_reader_t* readers[WEFT_CHANNEL_READER_LIMIT];
  weft_value_t ends[WEFT_CHANNEL_READER_LIMIT + 1];
  WEFT_RETURN_IF_ERROR(
      weft_channel_create(tap->runtime, &options, &writer, readers));
  ends[0] = weft_writer_value(writer);
  weft_writer_release(writer);
  for (uint32_t i = 0; i < options.reader_count; i++) {
    ends[i + 1] = weft_reader_value(readers[i]);
    weft_reader_release(readers[i]);
  }
  weft_status_t status =
      weft_list_create(weft_runtime_allocator(tap->runtime), ends,
                       options.reader_count + 1, out_result);
  for (uint32_t i = 0; i <= options.reader_count; i++) {
    weft_value_release(ends[i]);
  }
  return status;
}

HANDLER(echo) {
  *out_result = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

static const weft_parameter_t one_end[] = {{"end", WEFT_KIND_CHANNEL_END}};
static const weft_parameter_t one_number[] = {{"number", WEFT_KIND_INT64}};
static const weft_parameter_t two_numbers[] = {{"first", WEFT_KIND_INT64},
                                               {"second", WEFT_KIND_INT64}};
static const weft_parameter_t any_value[] = {{"value", WEFT_KIND_ANY}};

static const weft_endpoint_t endpoints[TAP_ENDPOINTS] = {
    [TAP_OPEN_READER] = {"open_reader", open_reader, one_end, 1},
    [TAP_OPEN_WRITER] = {"open_writer", open_writer, one_end, 1},
    [TAP_READ] = {"read", read_values, one_number, 1},
    [TAP_LEASE] = {"lease", lease_one, NULL, 0},
    [TAP_RELEASE] = {"release", release_one, NULL, 0},
    [TAP_WRITE_NUMBERS] = {"write_numbers", write_numbers, two_numbers, 2},
    [TAP_WRITE] = {"write", write_value, any_value, 1},
    [TAP_WRITE_BYTES] = {"write_bytes", write_bytes, one_number, 1},
    [TAP_CLOSE] = {"close", close_writer, any_value, 1},
    [TAP_LEAVE] = {"leave", leave, NULL, 0},
    [TAP_MAKE] = {"make", make, two_numbers, 2},
    [TAP_ECHO] = {"echo", echo, one_end, 1},
};

const weft_class_t tap_class = {"tap",  1,         init,
                                deinit, endpoints, TAP_ENDPOINTS};
