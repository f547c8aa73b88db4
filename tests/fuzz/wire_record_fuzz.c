// SPDX-License-Identifier: Apache-2.0
//
// Reads the input as an encoded value. What is accepted must come back the same
// when it is encoded and decoded again; what is found plain must be accepted.

#include <string.h>

#include "base/assert.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

static weft_value_t encode(weft_status_t error, weft_value_t value) {
  weft_value_t bytes;
  weft_status_t status = weft_record_create(NULL, error, value, &bytes);
  weft_assert(status == WEFT_OK);
  return bytes;
}

static void check_again(weft_status_t error, weft_value_t value) {
  weft_value_t first = encode(error, value);
  const void* data = NULL;
  size_t size_bytes = 0;
  weft_status_t back_error = WEFT_OK;
  weft_value_t back;
  weft_status_t status = weft_value_as_bytes(first, &data, &size_bytes);
  weft_assert(status == WEFT_OK);
  status = weft_encoded_decode(NULL, data, size_bytes, &back_error, &back);
  weft_assert(status == WEFT_OK);
  weft_value_t second = encode(back_error, back);
  weft_assert(weft_value_equal(first, second));
  weft_value_release(first);
  weft_value_release(second);
  weft_value_release(back);
  weft_status_release(back_error);
}

static bool is_plain(const uint8_t* data, size_t size_bytes) {
  weft_record_t record;
  return weft_status_ignore(weft_record_open(data, size_bytes, &record)) ==
             WEFT_STATUS_OK &&
         !record.is_error && record.attachment_count == 0 &&
         weft_body_is_plain(record.body, record.body_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes) {
  weft_status_t error = WEFT_OK;
  weft_value_t value;
  size_t measured_bytes = 0;
  weft_status_t status =
      weft_encoded_decode(NULL, data, size_bytes, &error, &value);
  weft_assert(status == WEFT_OK || !is_plain(data, size_bytes));
  if (status == WEFT_OK) {
    status =
        weft_encoded_measure(data, WEFT_ENCODED_HEAD_BYTES, &measured_bytes);
    weft_assert(status == WEFT_OK && measured_bytes == size_bytes);
    check_again(error, value);
  }
  weft_status_release(status);
  weft_status_release(error);
  weft_value_release(value);
  return 0;
}
