// SPDX-License-Identifier: Apache-2.0

#include "data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "network.h"

enum {
  LINE_LIMIT = 512,
  BRIGHTEST = 16,
  IMAGE_LIMIT = 100000,
};

// Reads one line: 64 pixels and a label. False when it is anything else.
static bool parse_line(const char* line, float* out_image, uint8_t* out_label) {
  char* next = NULL;
  for (uint32_t i = 0; i <= DIGITS_PIXELS; ++i) {
    long number = strtol(line, &next, 10);
    long limit = i < DIGITS_PIXELS ? BRIGHTEST : DIGITS_CLASSES - 1;
    char expected = i < DIGITS_PIXELS ? ',' : '\n';
    if (next == line || number < 0 || number > limit || *next != expected) {
      return false;
    }
    if (i < DIGITS_PIXELS) {
      out_image[i] = (float)number / BRIGHTEST;
    } else {
      *out_label = (uint8_t)number;
    }
    line = next + 1;
  }
  return true;
}

static uint32_t count_lines(gzFile file) {
  char line[LINE_LIMIT];
  uint32_t count = 0;
  while (count < IMAGE_LIMIT && gzgets(file, line, LINE_LIMIT) != NULL) {
    ++count;
  }
  gzrewind(file);
  return count;
}

// Makes a tensor of `count` rows and lends its memory for filling.
static weft_status_t create_rows(weft_runtime_t* runtime, weft_dtype_t dtype,
                                 uint32_t count, uint32_t width,
                                 weft_value_t* out_value, void** out_data) {
  int64_t shape[] = {count, width};
  weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create_shared(runtime, dtype, 2, shape, &tensor));
  weft_status_t status = weft_tensor_mutable_data(tensor, out_data);
  if (weft_status_is_ok(status)) {
    *out_value = weft_tensor_value(tensor);
  }
  weft_tensor_release(tensor);
  return status;
}

static weft_status_t read_lines(weft_runtime_t* runtime, gzFile file,
                                const char* path, digits_data_t* data) {
  void* images = NULL;
  void* labels = NULL;
  WEFT_RETURN_IF_ERROR(create_rows(runtime, WEFT_FLOAT32, data->count,
                                   DIGITS_PIXELS, &data->images, &images));
  WEFT_RETURN_IF_ERROR(
      create_rows(runtime, WEFT_UINT8, data->count, 1, &data->labels, &labels));
  char line[LINE_LIMIT];
  for (uint32_t i = 0; i < data->count; ++i) {
    if (gzgets(file, line, LINE_LIMIT) == NULL ||
        !parse_line(line, (float*)images + (size_t)i * DIGITS_PIXELS,
                    (uint8_t*)labels + i)) {
      return weft_status_make(WEFT_STATUS_DATA_LOSS,
                              "%s:%u: not 64 pixels of 0 to 16 and a label of "
                              "0 to 9",
                              path, i + 1);
    }
  }
  return WEFT_OK;
}

weft_status_t digits_data_read(weft_runtime_t* runtime, const char* path,
                               digits_data_t* out_data) {
  memset(out_data, 0, sizeof(*out_data));
  gzFile file = gzopen(path, "rb");
  if (file == NULL) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "cannot open the images at %s: %s", path,
                            strerror(errno));
  }
  digits_data_t data = {weft_none(), weft_none(), count_lines(file)};
  weft_status_t status = read_lines(runtime, file, path, &data);
  gzclose(file);
  if (weft_status_is_ok(status)) {
    *out_data = data;
  } else {
    digits_data_release(&data);
  }
  return status;
}

void digits_data_release(digits_data_t* data) {
  weft_value_release(data->images);
  weft_value_release(data->labels);
  data->images = weft_none();
  data->labels = weft_none();
}

// Rows of one tensor as a value, without a copy.
static weft_status_t slice_rows(weft_value_t rows, uint32_t first,
                                uint32_t count, weft_value_t* out_view) {
  const weft_tensor_t* tensor = NULL;
  weft_tensor_t* view = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(rows, &tensor));
  WEFT_RETURN_IF_ERROR(
      weft_tensor_slice(tensor, 0, first, first + count, &view));
  *out_view = weft_tensor_value(view);
  weft_tensor_release(view);
  return WEFT_OK;
}

weft_status_t digits_data_slice(const digits_data_t* data, uint32_t first,
                                uint32_t count, weft_value_t* out_slice) {
  weft_value_t parts[2] = {weft_none(), weft_none()};
  weft_status_t status = slice_rows(data->images, first, count, &parts[0]);
  if (weft_status_is_ok(status)) {
    status = slice_rows(data->labels, first, count, &parts[1]);
  }
  if (weft_status_is_ok(status)) {
    status = weft_list_create(NULL, parts, 2, out_slice);
  }
  weft_value_release(parts[0]);
  weft_value_release(parts[1]);
  return status;
}

// Lends the memory of a tensor of `width` columns, and the number of its rows.
static weft_status_t open_rows(weft_value_t value, weft_dtype_t dtype,
                               uint32_t width, const void** out_data,
                               int64_t* out_count) {
  const weft_tensor_t* tensor = NULL;
  int64_t shape[] = {WEFT_DIMENSION_UNKNOWN, width};
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(value, &tensor));
  WEFT_RETURN_IF_ERROR(weft_tensor_expect(tensor, dtype, 2, shape));
  *out_data = weft_tensor_data(tensor);
  *out_count = weft_tensor_layout(tensor)->shape[0];
  return WEFT_OK;
}

weft_status_t digits_data_open(weft_value_t slice, digits_rows_t* out_rows) {
  const weft_value_t* parts = NULL;
  size_t part_count = 0;
  const void* images = NULL;
  const void* labels = NULL;
  int64_t image_count = 0;
  int64_t label_count = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_list(slice, &parts, &part_count));
  if (part_count != 2) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "images and labels expected, got %zu parts",
                            part_count);
  }
  WEFT_RETURN_IF_ERROR(
      open_rows(parts[0], WEFT_FLOAT32, DIGITS_PIXELS, &images, &image_count));
  WEFT_RETURN_IF_ERROR(
      open_rows(parts[1], WEFT_UINT8, 1, &labels, &label_count));
  if (image_count != label_count) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%lld images but %lld labels",
                            (long long)image_count, (long long)label_count);
  }
  *out_rows = (digits_rows_t){images, labels, (uint32_t)image_count};
  return WEFT_OK;
}

weft_status_t digits_floats_create(weft_runtime_t* runtime, uint32_t count,
                                   weft_tensor_t** out_tensor,
                                   float** out_floats) {
  int64_t shape[] = {count};
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create_shared(runtime, WEFT_FLOAT32, 1, shape, &tensor));
  weft_status_t status = weft_tensor_mutable_data(tensor, &data);
  if (!weft_status_is_ok(status)) {
    weft_tensor_release(tensor);
    return status;
  }
  *out_tensor = tensor;
  *out_floats = data;
  return WEFT_OK;
}

weft_status_t digits_floats_open(weft_value_t value, uint32_t count,
                                 const float** out_floats) {
  const weft_tensor_t* tensor = NULL;
  int64_t shape[] = {count};
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(value, &tensor));
  WEFT_RETURN_IF_ERROR(weft_tensor_expect(tensor, WEFT_FLOAT32, 1, shape));
  *out_floats = weft_tensor_data(tensor);
  return WEFT_OK;
}
