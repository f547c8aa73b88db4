// SPDX-License-Identifier: Apache-2.0
//
// Tensors of devices on their way to other processes: they are copied into
// memory that those can read, once for all of them, before anything is sent.

#include "channel/part.h"

static bool is_of_device(const weft_tensor_t* tensor) {
  return weft_tensor_device(tensor).type != WEFT_DEVICE_CPU;
}

static weft_destination_t shared_memory(void) {
  return (weft_destination_t){.driver = weft_device_cpu()};
}

// Makes what is not under way already.
static weft_status_t begin(weft_part_t* part, weft_value_t value) {
  weft_mutex_lock(&part->lock);
  weft_runtime_t* runtime = part->runtime;
  weft_mutex_unlock(&part->lock);
  if (runtime == NULL) {
    return weft_part_closed_status(part, "the runtime has stopped");
  }
  const weft_move_order_t order = {
      .runtime = runtime,
      .allocator = part->allocator,
      .destination = shared_memory(),
      .is_shared = true,
  };
  WEFT_RETURN_IF_ERROR(weft_move_create(&order, value, &part->staging));
  weft_move_start(part->staging);
  return WEFT_OK;
}

static weft_status_t stage(weft_part_t* part, weft_value_t value,
                           int64_t deadline_ns, weft_value_t* out_staged) {
  const weft_destination_t destination = shared_memory();
  *out_staged = weft_none();
  if (!weft_value_has_tensor(value, is_of_device)) {
    *out_staged = weft_value_retain(value);
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(
      weft_move_end_other(&part->staging, value, &destination, deadline_ns));
  if (part->staging == NULL) {
    WEFT_RETURN_IF_ERROR(begin(part, value));
  }
  WEFT_RETURN_IF_ERROR(weft_move_wait(part->staging, deadline_ns));
  weft_status_t status = weft_move_result(part->staging, out_staged);
  weft_move_release(part->staging);
  part->staging = NULL;
  return status;
}

weft_status_t weft_stage_write(weft_part_t* part, weft_value_t value,
                               weft_status_t error, int64_t deadline_ns) {
  weft_value_t staged;
  WEFT_RETURN_IF_ERROR(stage(part, value, deadline_ns, &staged));
  weft_status_t status = weft_places_write(part, value, staged, error);
  weft_value_release(staged);
  return status;
}

void weft_stage_now(const weft_part_t* part, weft_runtime_t* runtime,
                    weft_value_t* value, weft_status_t* error) {
  if (!weft_value_has_tensor(*value, is_of_device)) {
    return;
  }
  const weft_move_order_t order = {
      .runtime = runtime,
      .allocator = part->allocator,
      .destination = shared_memory(),
      .is_shared = true,
      .blocks = true,
  };
  weft_move_t* move;
  weft_value_t staged = weft_none();
  weft_status_t status = weft_move_create(&order, *value, &move);
  if (status == WEFT_OK) {
    weft_move_start(move);
    weft_status_release(weft_move_wait(move, WEFT_TIME_INFINITE));
    status = weft_move_result(move, &staged);
  }
  weft_move_release(move);
  weft_value_release(*value);
  *value = staged;
  *error = status;
}
