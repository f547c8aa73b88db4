// SPDX-License-Identifier: Apache-2.0
// A reader is sent to an actor, in another process if there is one, which
// splits it for two consumers: each value crosses once.
#include <stdio.h>
#include <weft/weft.h>

static weft_status_t read_all(const char* name, weft_reader_t* reader) {
  char line[80];
  int length = snprintf(line, sizeof(line), "%s: ", name);
  weft_lease_t lease;
  weft_status_t status;
  while ((status = weft_reader_read(reader, WEFT_TIME_INFINITE, &lease)) ==
         WEFT_OK) {
    char text[20];
    weft_value_format(lease.value, text, sizeof(text));
    length +=
        snprintf(line + length, sizeof(line) - (size_t)length, "%s, ", text);
    weft_lease_release(&lease);
  }
  if (weft_status_code(status) != WEFT_STATUS_CLOSED) {
    return status;
  }
  weft_status_release(status);
  printf("%sthe end\n", line);
  return WEFT_OK;
}

static weft_status_t consume(weft_context_t* context, void* state,
                             const weft_value_t* arguments, weft_value_t* out) {
  weft_reader_t* reader = NULL;
  weft_reader_t* consumers[2] = {NULL, NULL};
  WEFT_RETURN_IF_ERROR(weft_reader_open(arguments[0], &reader));
  weft_status_t status = weft_reader_share(reader, 2, consumers);
  if (status == WEFT_OK) {
    status = read_all("first", consumers[0]);
  }
  if (status == WEFT_OK) {
    status = read_all("second", consumers[1]);
  }
  weft_reader_release(consumers[0]);
  weft_reader_release(consumers[1]);
  weft_reader_release(reader);
  return status;
}

static const weft_parameter_t input = {"reader", WEFT_KIND_CHANNEL_END};
static const weft_endpoint_t endpoints[] = {{"consume", consume, &input, 1}};
static const weft_class_t sink = {"sink", 1, NULL, NULL, endpoints, 1};

static weft_status_t write_all(weft_writer_t* writer) {
  for (int64_t i = 0; i < 3; i++) {
    WEFT_RETURN_IF_ERROR(
        weft_writer_write(writer, weft_int64(i), WEFT_TIME_INFINITE));
  }
  weft_writer_close(writer, WEFT_OK);
  return WEFT_OK;
}

// Gives the reader away; the future tells when all was read.
static weft_status_t send_away(weft_runtime_t* runtime, weft_reader_t* reader,
                               weft_future_t** out_done) {
  const weft_spawn_options_t options = {
      .place = weft_runtime_size(runtime) > 1 ? 1 : 0};
  weft_actor_t actor;
  WEFT_RETURN_IF_ERROR(
      weft_spawn(runtime, &sink, weft_none(), &options, &actor));
  weft_value_t end = weft_reader_value(reader);
  weft_status_t status =
      weft_call(runtime, actor, 0, WEFT_ARGUMENTS(end), NULL, out_done);
  weft_value_release(end);
  return status;
}

static weft_status_t run(weft_runtime_t* runtime, void* user) {
  // The first consumer reads all before the second does: a slot for each.
  const weft_channel_options_t options = {.name = "numbers", .slot_count = 4};
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_future_t* done = NULL;
  weft_value_t nothing;
  WEFT_RETURN_IF_ERROR(
      weft_channel_create(runtime, &options, &writer, &reader));
  weft_status_t status = send_away(runtime, reader, &done);
  weft_reader_release(reader);
  if (status == WEFT_OK) {
    status = write_all(writer);
  }
  if (status == WEFT_OK) {
    status = weft_future_get(done, WEFT_TIME_INFINITE, &nothing);
  }
  weft_future_release(done);
  weft_writer_release(writer);
  return status;
}

int main(void) {
  static const weft_class_t* const classes[] = {&sink};
  const weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  setlinebuf(stdout);  // So that each line is seen when it is printed.
  return weft_runtime_main(&options, run, NULL);
}
