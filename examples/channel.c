// SPDX-License-Identifier: Apache-2.0
// A thread writes into a channel, two readers take what it writes.
#include <stdio.h>
#include <weft/weft.h>

static weft_status_t read_all(const char* name, weft_reader_t* reader) {
  weft_lease_t lease;
  weft_status_t status;
  while ((status = weft_reader_read(reader, WEFT_TIME_NOW, &lease)) ==
         WEFT_OK) {
    char text[80];
    if (lease.status != WEFT_OK) {
      printf("%s: %s\n", name, weft_status_message(lease.status));
    } else {
      weft_value_format(lease.value, text, sizeof(text));
      printf("%s: %s\n", name, text);
    }
    weft_lease_release(&lease);
  }
  printf("%s: no more, %s\n", name, weft_status_message(status));
  weft_status_release(status);
  return WEFT_OK;
}

static weft_status_t write_all(weft_writer_t* writer) {
  void* place = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_writer_write(writer, weft_int64(42), WEFT_TIME_NOW));
  // Filled where it lies.
  WEFT_RETURN_IF_ERROR(weft_writer_reserve(writer, 3, WEFT_TIME_NOW, &place));
  snprintf(place, 3, "ab");
  WEFT_RETURN_IF_ERROR(weft_writer_commit(writer, 3));
  // An error in its turn; the channel goes on.
  weft_status_t error =
      weft_status_make(WEFT_STATUS_FAILED, "the lens is dirty");
  weft_status_t status = weft_writer_fail(writer, error, WEFT_TIME_NOW);
  weft_status_release(error);
  weft_writer_close(writer, WEFT_OK);
  return status;
}

static weft_status_t run(weft_runtime_t* runtime, void* user) {
  const weft_channel_options_t options = {
      .name = "camera", .reader_count = 2, .slot_count = 4};
  weft_writer_t* writer = NULL;
  weft_reader_t* readers[2] = {NULL, NULL};
  WEFT_RETURN_IF_ERROR(
      weft_channel_create(runtime, &options, &writer, readers));
  weft_status_t status = write_all(writer);
  if (status == WEFT_OK) {
    status = read_all("first", readers[0]);
  }
  if (status == WEFT_OK) {
    status = read_all("second", readers[1]);
  }
  weft_writer_release(writer);
  weft_reader_release(readers[0]);
  weft_reader_release(readers[1]);
  return status;
}

int main(void) {
  return weft_runtime_main(NULL, run, NULL);
}
