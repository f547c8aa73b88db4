// SPDX-License-Identifier: Apache-2.0
// A stream is recorded into a file, and played back: what is written into a
// channel is read encoded, kept as it is, and written again.
#include <stdio.h>
#include <weft/weft.h>

static weft_status_t fail(const char* what) {
  return weft_status_make(WEFT_STATUS_FAILED, "cannot %s the file", what);
}

// What the stream is made of.
static weft_status_t write_all(weft_writer_t* writer) {
  weft_value_t text = weft_none();
  WEFT_RETURN_IF_ERROR(weft_string_from_c(NULL, "a frame", &text));
  weft_status_t status = weft_writer_write(writer, text, WEFT_TIME_NOW);
  weft_value_release(text);
  WEFT_RETURN_IF_ERROR(status);
  weft_status_t error =
      weft_status_make(WEFT_STATUS_FAILED, "the lens is dirty");
  status = weft_writer_fail(writer, error, WEFT_TIME_NOW);
  weft_status_release(error);
  WEFT_RETURN_IF_ERROR(status);
  WEFT_RETURN_IF_ERROR(
      weft_writer_write(writer, weft_float64(0.5), WEFT_TIME_NOW));
  weft_writer_close(writer, WEFT_OK);
  return WEFT_OK;
}

// The end of a channel is no error.
static weft_status_t unless_closed(weft_status_t status) {
  if (weft_status_code(status) != WEFT_STATUS_CLOSED) {
    return status;
  }
  weft_status_release(status);
  return WEFT_OK;
}

// Keeps all that comes, until the end.
static weft_status_t record(weft_reader_t* reader, FILE* file) {
  weft_lease_t lease;
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK && (status = weft_reader_read_encoded(
                                   reader, WEFT_TIME_NOW, &lease)) == WEFT_OK) {
    const void* data;
    size_t size_bytes;
    status = weft_value_as_bytes(lease.value, &data, &size_bytes);
    if (status == WEFT_OK && fwrite(data, 1, size_bytes, file) != size_bytes) {
      status = fail("write");
    }
    weft_lease_release(&lease);
  }
  return unless_closed(status);
}

// Writes what was kept, one after the other.
static weft_status_t play(FILE* file, weft_writer_t* writer) {
  static char data[4096];
  while (fread(data, 1, WEFT_ENCODED_HEAD_BYTES, file) > 0) {
    size_t size_bytes;
    WEFT_RETURN_IF_ERROR(
        weft_encoded_measure(data, WEFT_ENCODED_HEAD_BYTES, &size_bytes));
    size_t rest = size_bytes - WEFT_ENCODED_HEAD_BYTES;
    if (size_bytes > sizeof(data) ||
        fread(data + WEFT_ENCODED_HEAD_BYTES, 1, rest, file) != rest) {
      return fail("read");
    }
    WEFT_RETURN_IF_ERROR(
        weft_writer_write_encoded(writer, data, size_bytes, WEFT_TIME_NOW));
  }
  weft_writer_close(writer, WEFT_OK);
  return WEFT_OK;
}

static weft_status_t show(weft_reader_t* reader) {
  weft_lease_t lease;
  weft_status_t status;
  while ((status = weft_reader_read(reader, WEFT_TIME_NOW, &lease)) ==
         WEFT_OK) {
    char text[80];
    weft_value_format(lease.value, text, sizeof(text));
    printf("%s\n",
           lease.status != WEFT_OK ? weft_status_message(lease.status) : text);
    weft_lease_release(&lease);
  }
  return unless_closed(status);
}

// Both ends of a channel in this program.
static weft_status_t pass(weft_runtime_t* runtime, FILE* file, bool plays) {
  const weft_channel_options_t options = {.name = "camera", .slot_count = 4};
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_channel_create(runtime, &options, &writer, &reader));
  weft_status_t status = plays ? play(file, writer) : write_all(writer);
  if (status == WEFT_OK) {
    status = plays ? show(reader) : record(reader, file);
  }
  weft_writer_release(writer);
  weft_reader_release(reader);
  return status;
}

static weft_status_t run(weft_runtime_t* runtime, void* user) {
  FILE* file = tmpfile();
  if (file == NULL) {
    return fail("make");
  }
  weft_status_t status = pass(runtime, file, false);
  rewind(file);
  if (status == WEFT_OK) {
    status = pass(runtime, file, true);
  }
  fclose(file);
  return status;
}

int main(void) {
  return weft_runtime_main(NULL, run, NULL);
}
