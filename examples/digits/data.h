// SPDX-License-Identifier: Apache-2.0
//
// The images, read from examples/data/digits.csv.gz into tensors, and the
// parts of them that actors are given.

#ifndef DIGITS_DATA_H_
#define DIGITS_DATA_H_

#include <weft/weft.h>

typedef struct digits_data {
  // float32 [count][64], each pixel 0 to 1.
  weft_value_t images;
  // uint8 [count][1], each 0 to 9.
  weft_value_t labels;
  uint32_t count;
} digits_data_t;

// Reads all images, into memory that other processes can read. Errors:
// NOT_FOUND with the path; DATA_LOSS with the line that is not 65 integers in
// range.
weft_status_t digits_data_read(weft_runtime_t* runtime, const char* path,
                               digits_data_t* out_data);

void digits_data_release(digits_data_t* data);

// `count` rows from `first` on, without a copy, as a list of two tensors:
// images and labels.
weft_status_t digits_data_slice(const digits_data_t* data, uint32_t first,
                                uint32_t count, weft_value_t* out_slice);

// The other end: what an actor was given. Lends the memory of both tensors,
// which stays while `slice` is held.
// Errors: INVALID_ARGUMENT for anything but such a list.
typedef struct digits_rows {
  const float* images;
  const uint8_t* labels;
  uint32_t count;
} digits_rows_t;
weft_status_t digits_data_open(weft_value_t slice, digits_rows_t* out_rows);

// Makes a float32 tensor of one dimension and lends its memory for filling.
// Other processes can read it where it lies, so it is never copied.
weft_status_t digits_floats_create(weft_runtime_t* runtime, uint32_t count,
                                   weft_tensor_t** out_tensor,
                                   float** out_floats);

// Lends the floats of such a tensor.
// Errors: INVALID_ARGUMENT when it does not hold `count` floats.
weft_status_t digits_floats_open(weft_value_t value, uint32_t count,
                                 const float** out_floats);

#endif  // DIGITS_DATA_H_
