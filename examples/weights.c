// SPDX-License-Identifier: Apache-2.0
// A trainer writes its weights again and again; an actor, in another process if
// there is one, reads them into the same memory each time.
#include <stdio.h>
#include <weft/weft.h>

static const int64_t shape[] = {2, 3};

// Each value's tensor lands in `weights`, which is the reader's own again once
// the lease is released.
static weft_status_t read_all(weft_reader_t* reader, weft_tensor_t* weights) {
  const weft_destination_t into = {.tensors = &weights, .tensor_count = 1};
  weft_lease_t lease;
  weft_status_t status;
  while ((status = weft_reader_read_into(reader, &into, WEFT_TIME_INFINITE,
                                         &lease)) == WEFT_OK) {
    char text[80];
    weft_value_format(lease.value, text, sizeof(text));
    const float* first = weft_tensor_data(weights);
    printf("%s: from %.1f to %.1f\n", text, (double)first[0], (double)first[5]);
    weft_lease_release(&lease);
  }
  return status;
}

static weft_status_t follow(weft_context_t* context, void* state,
                            const weft_value_t* arguments, weft_value_t* out) {
  weft_reader_t* reader = NULL;
  weft_tensor_t* weights = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create(NULL, NULL, WEFT_FLOAT32, 2, shape, &weights));
  weft_status_t status = weft_reader_open(arguments[0], &reader);
  if (status == WEFT_OK) {
    status = read_all(reader, weights);
  }
  weft_reader_release(reader);
  weft_tensor_release(weights);
  if (weft_status_code(status) == WEFT_STATUS_CLOSED) {
    weft_status_release(status);
    status = WEFT_OK;
  }
  return status;
}

static const weft_parameter_t input = {"reader", WEFT_KIND_CHANNEL_END};
static const weft_endpoint_t endpoints[] = {{"follow", follow, &input, 1}};
static const weft_class_t player = {"player", 1, NULL, NULL, endpoints, 1};

// Owns: takes the tensor over.
static weft_status_t write_step(weft_writer_t* writer, int64_t step,
                                weft_tensor_t* tensor) {
  weft_value_t parts[] = {weft_int64(step), weft_tensor_into_value(tensor)};
  weft_value_t list;
  weft_status_t status = weft_list_create(NULL, parts, 2, &list);
  if (status == WEFT_OK) {
    status = weft_writer_write(writer, list, WEFT_TIME_INFINITE);
    weft_value_release(list);
  }
  weft_value_release(parts[1]);
  return status;
}

static weft_status_t train(weft_runtime_t* runtime, weft_writer_t* writer,
                           weft_status_t* out_refused) {
  for (int64_t step = 0; step < 3; step++) {
    // In memory that others can read: it is lent, and not copied, to send it.
    weft_tensor_t* weights = NULL;
    void* data = NULL;
    WEFT_RETURN_IF_ERROR(
        weft_tensor_create_shared(runtime, WEFT_FLOAT32, 2, shape, &weights));
    WEFT_RETURN_IF_ERROR(weft_tensor_mutable_data(weights, &data));
    for (int i = 0; i < 6; i++) {
      ((float*)data)[i] = (float)step + (float)i / 10;
    }
    WEFT_RETURN_IF_ERROR(write_step(writer, step, weights));
  }
  // Another shape is an error of this write alone.
  weft_tensor_t* wrong = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create(NULL, NULL, WEFT_FLOAT32, 1, shape, &wrong));
  *out_refused = write_step(writer, 3, wrong);
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
      weft_spawn(runtime, &player, weft_none(), &options, &actor));
  weft_value_t end = weft_reader_value(reader);
  weft_status_t status =
      weft_call(runtime, actor, 0, WEFT_ARGUMENTS(end), NULL, out_done);
  weft_value_release(end);
  return status;
}

static weft_status_t run(weft_runtime_t* runtime, void* user) {
  const weft_channel_options_t options = {.name = "weights", .is_static = true};
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_future_t* done = NULL;
  weft_status_t refused = WEFT_OK;
  weft_value_t nothing;
  WEFT_RETURN_IF_ERROR(
      weft_channel_create(runtime, &options, &writer, &reader));
  weft_status_t status = send_away(runtime, reader, &done);
  weft_reader_release(reader);
  if (status == WEFT_OK) {
    status = train(runtime, writer, &refused);
  }
  if (status == WEFT_OK) {
    status = weft_future_get(done, WEFT_TIME_INFINITE, &nothing);
  }
  if (status == WEFT_OK) {
    printf("%s\n", weft_status_message(weft_status_cause(refused)));
  }
  weft_status_release(refused);
  weft_future_release(done);
  weft_writer_release(writer);
  return status;
}

int main(void) {
  static const weft_class_t* const classes[] = {&player};
  const weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  setlinebuf(stdout);  // So that each line is seen when it is printed.
  return weft_runtime_main(&options, run, NULL);
}
