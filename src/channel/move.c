// SPDX-License-Identifier: Apache-2.0

#include "channel/move.h"

#include "base/checked.h"
#include "base/container.h"
#include "base/memory.h"
#include "trace/trace.h"
#include "value/structure.h"
#include "value/tensor_internal.h"
#include "value/transfer.h"

// One tensor that is copied.
typedef struct leg {
  weft_transfer_t transfer;
  weft_move_t* move;
  // Which of the value's.
  size_t index;
  // Lent by the values.
  const weft_tensor_t* source;
  weft_tensor_t* destination;
  // The destination is memory of the reader.
  bool is_provided;
} leg_t;

struct weft_move {
  _Atomic uint32_t references;
  const weft_allocator_t* allocator;
  size_t size_bytes;
  weft_move_order_t order;
  // What is moved; and what comes of it, once it is over.
  weft_value_t source;
  weft_value_t value;
  // Tensors that were looked at.
  size_t seen;
  bool is_started;
  // Tensors that are not over, and whoever starts. The last one completes the
  // promise, and then touches nothing but that.
  _Atomic uint32_t running;
  // NULL when nothing is to be waited for, or without a runtime.
  weft_promise_t* promise;
  weft_future_t* future;
  size_t leg_count;
  leg_t legs[];
};

static bool is_cpu(const weft_device_driver_t* driver) {
  return driver->device.type == WEFT_DEVICE_CPU;
}

static const weft_device_driver_t* driver_of(const weft_tensor_t* tensor) {
  return weft_storage_driver(weft_tensor_storage(tensor));
}

static const weft_device_driver_t* mover_of(const leg_t* leg) {
  return weft_transfer_mover(driver_of(leg->source),
                             driver_of(leg->destination));
}

// --- Room -------------------------------------------------------------------

// Checks memory that the reader provides, and gives it its size if it has none.
static weft_status_t check_provided(weft_tensor_t* into,
                                    const weft_tensor_t* source) {
  const weft_tensor_layout_t* layout = weft_tensor_layout(source);
  const weft_tensor_layout_t* is = weft_tensor_layout(into);
  void* data = NULL;
  if (!weft_tensor_is_sized(into) && is->ndim == layout->ndim &&
      weft_dtype_equal(is->dtype, layout->dtype)) {
    return weft_tensor_resize(into, layout->shape);
  }
  WEFT_RETURN_IF_ERROR(
      weft_tensor_expect(into, layout->dtype, layout->ndim, layout->shape));
  if (!weft_tensor_is_contiguous(into)) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the memory that is to take it has gaps");
  }
  return weft_tensor_mutable_data(into, &data);
}

static weft_status_t make_room(const weft_move_order_t* order,
                               const weft_tensor_t* source,
                               weft_tensor_t** out_tensor) {
  const weft_tensor_layout_t* layout = weft_tensor_layout(source);
  return order->is_shared
             ? weft_tensor_create_shared(order->runtime, layout->dtype,
                                         layout->ndim, layout->shape,
                                         out_tensor)
             : weft_tensor_create(order->allocator, order->destination.driver,
                                  layout->dtype, layout->ndim, layout->shape,
                                  out_tensor);
}

// What the reader has brought for a tensor; NULL: nothing.
static weft_tensor_t* provided_at(const weft_destination_t* destination,
                                  size_t index) {
  return index < destination->tensor_count ? destination->tensors[index] : NULL;
}

// Where a tensor is to be: `out_tensor` has a reference, NULL for one that is
// lent.
static weft_status_t find_room(weft_move_t* move, const weft_tensor_t* source,
                               weft_tensor_t** out_tensor) {
  const weft_destination_t* destination = &move->order.destination;
  weft_tensor_t* into = provided_at(destination, move->seen++);
  *out_tensor = NULL;
  if (into == NULL && (destination->driver == NULL ||
                       destination->driver == driver_of(source))) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(source));
  if (into == NULL) {
    return make_room(&move->order, source, out_tensor);
  }
  WEFT_RETURN_IF_ERROR(check_provided(into, source));
  *out_tensor = weft_tensor_retain(into);
  return WEFT_OK;
}

static weft_status_t place_part(void* user, const weft_path_t* path,
                                weft_value_t part, weft_value_t* out_part) {
  weft_move_t* move = user;
  const weft_tensor_t* source;
  weft_tensor_t* destination;
  if (weft_value_kind(part) != WEFT_KIND_TENSOR) {
    *out_part = weft_value_retain(part);
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(part, &source));
  WEFT_RETURN_IF_ERROR(
      weft_path_located(path, find_room(move, source, &destination)));
  if (destination == NULL) {
    *out_part = weft_value_retain(part);
    return WEFT_OK;
  }
  leg_t* leg = &move->legs[move->leg_count++];
  *leg = (leg_t){.move = move,
                 .index = move->seen - 1,
                 .source = source,
                 .destination = destination,
                 .is_provided = provided_at(&move->order.destination,
                                            move->seen - 1) != NULL};
  // The value has the reference from here on.
  *out_part = weft_tensor_into_value(destination);
  return WEFT_OK;
}

// --- Life -------------------------------------------------------------------

static weft_status_t check_count(const weft_destination_t* destination,
                                 size_t count) {
  return destination->tensor_count == 0 || destination->tensor_count == count
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                "memory is provided for %zu tensors; the value "
                                "has %zu",
                                destination->tensor_count, count);
}

static weft_status_t allocate(const weft_move_order_t* order, size_t count,
                              weft_move_t** out_move) {
  size_t size_bytes = 0;
  weft_move_t* move = NULL;
  if (weft_checked_array(sizeof(*move), count, sizeof(move->legs[0]),
                         &size_bytes)) {
    move = weft_memory_allocate(order->allocator, size_bytes);
  }
  *out_move = move;
  if (move == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to move %zu tensors", count);
  }
  *move = (weft_move_t){
      .allocator = order->allocator,
      .size_bytes = size_bytes,
      .order = *order,
  };
  // Those of the reader are known by where they are copied to.
  move->order.destination.tensors = NULL;
  atomic_init(&move->references, 1);
  atomic_init(&move->running, 1);
  return WEFT_OK;
}

// Something that is to be waited for, by way of the runtime.
static weft_status_t make_promise(weft_move_t* move) {
  bool is_later = false;
  for (size_t i = 0; i < move->leg_count; i++) {
    is_later = is_later || !is_cpu(mover_of(&move->legs[i]));
  }
  return is_later && !move->order.blocks && move->order.runtime != NULL
             ? weft_promise_create(move->order.runtime, &move->promise,
                                   &move->future)
             : WEFT_OK;
}

weft_status_t weft_move_create(const weft_move_order_t* order,
                               weft_value_t value, weft_move_t** out_move) {
  size_t count = weft_value_tensor_count(value);
  weft_move_t* move;
  *out_move = NULL;
  WEFT_RETURN_IF_ERROR(check_count(&order->destination, count));
  WEFT_RETURN_IF_ERROR(allocate(order, count, &move));
  move->source = weft_value_retain(value);
  move->order.destination.tensors = order->destination.tensors;
  weft_status_t status = weft_value_replace(order->allocator, value, place_part,
                                            move, &move->value);
  move->order.destination.tensors = NULL;
  if (status == WEFT_OK) {
    status = make_promise(move);
  }
  if (status != WEFT_OK) {
    weft_move_release(move);
    return status;
  }
  *out_move = move;
  return WEFT_OK;
}

weft_move_t* weft_move_retain(weft_move_t* move) {
  // Relaxed: whoever retains has a reference.
  atomic_fetch_add_explicit(&move->references, 1, memory_order_relaxed);
  return move;
}

// Blocks until no device works for it.
static void await_devices(const weft_move_t* move) {
  for (size_t i = 0; i < move->leg_count; i++) {
    const leg_t* leg = &move->legs[i];
    const weft_device_driver_t* mover = mover_of(leg);
    mover->vtable->synchronize(mover, leg->transfer.queue);
  }
}

static bool is_over(const weft_move_t* move) {
  return move->future == NULL
             // Acquire: pairs with the release of the last that ran.
             ? atomic_load_explicit(&move->running, memory_order_acquire) == 0
             : weft_future_is_done(move->future);
}

void weft_move_release(weft_move_t* move) {
  // Release and acquire: the last one sees what the others did.
  if (move == NULL || atomic_fetch_sub_explicit(&move->references, 1,
                                                memory_order_acq_rel) != 1) {
    return;
  }
  if (!move->is_started) {
    weft_promise_release(move->promise);
  } else if (!is_over(move)) {
    await_devices(move);
  }
  for (size_t i = 0; i < move->leg_count; i++) {
    // Relaxed: nothing runs any more.
    weft_status_release(atomic_load_explicit(&move->legs[i].transfer.error,
                                             memory_order_relaxed));
  }
  weft_future_release(move->future);
  weft_value_release(move->value);
  weft_value_release(move->source);
  weft_memory_free(move->allocator, move, move->size_bytes);
}

// --- Moving -----------------------------------------------------------------

static void end_one(weft_move_t* move) {
  weft_promise_t* promise = move->promise;
  // Release and acquire: what all others did is seen by whoever is told.
  if (atomic_fetch_sub_explicit(&move->running, 1, memory_order_acq_rel) == 1 &&
      promise != NULL) {
    // Nobody else completes it.
    weft_status_release(weft_promise_set(promise, weft_none()));
    weft_promise_release(promise);
  }
}

static void leg_over(weft_transfer_t* transfer) {
  end_one(WEFT_CONTAINER_OF(transfer, leg_t, transfer)->move);
}

void weft_move_start(weft_move_t* move) {
  move->is_started = true;
  // Relaxed: nobody else runs before the first is sealed.
  atomic_fetch_add_explicit(&move->running, (uint32_t)move->leg_count,
                            memory_order_relaxed);
  uint64_t copied_bytes = 0;
  for (size_t i = 0; i < move->leg_count; i++) {
    leg_t* leg = &move->legs[i];
    const weft_device_driver_t* to = driver_of(leg->destination);
    copied_bytes += weft_tensor_size_bytes(leg->source);
    // Queues are the destination's own.
    weft_transfer_init(&leg->transfer, driver_of(leg->source), to,
                       is_cpu(to) ? 0 : move->order.destination.queue);
    leg->transfer.over = leg_over;
  }
  if (move->order.runtime != NULL) {
    weft_count(move->order.runtime, WEFT_COUNTER_bytes_copied, copied_bytes);
  }
  for (size_t i = 0; i < move->leg_count; i++) {
    leg_t* leg = &move->legs[i];
    weft_transfer_seal(
        &leg->transfer,
        weft_transfer_add(&leg->transfer, leg->source, leg->destination));
  }
  end_one(move);
}

bool weft_move_serves(const weft_move_t* move, weft_value_t value,
                      const weft_destination_t* destination) {
  const weft_destination_t* is = &move->order.destination;
  bool serves = move->source.kind == value.kind &&
                move->source.as.object == value.as.object &&
                is->driver == destination->driver &&
                is->tensor_count == destination->tensor_count;
  // What the reader brings is copied to, each of it, and nothing else is.
  size_t provided = 0;
  for (size_t i = 0; i < destination->tensor_count && serves; i++) {
    provided += destination->tensors[i] != NULL ? 1 : 0;
  }
  for (size_t i = 0; i < move->leg_count && serves; i++) {
    const leg_t* leg = &move->legs[i];
    const weft_tensor_t* into = provided_at(destination, leg->index);
    serves = into == (leg->is_provided ? leg->destination : NULL);
    provided -= into != NULL && serves ? 1 : 0;
  }
  return serves && provided == 0;
}

static weft_status_t still_runs(const weft_move_t* move, weft_status_t cause) {
  weft_device_t device = {.type = WEFT_DEVICE_CPU};
  for (size_t i = 0; i < move->leg_count && device.type == WEFT_DEVICE_CPU;
       i++) {
    device = mover_of(&move->legs[i])->device;
  }
  return weft_status_make_caused(
      weft_status_code(cause), cause,
      "%s:%d has not copied all tensors of the value yet",
      weft_device_type_name(device.type), device.id);
}

weft_status_t weft_move_wait(weft_move_t* move, int64_t deadline_ns) {
  if (is_over(move)) {
    return WEFT_OK;
  }
  if (move->future == NULL) {
    await_devices(move);
    return WEFT_OK;
  }
  weft_status_t status = deadline_ns == WEFT_TIME_NOW
                             ? weft_status_from_code(WEFT_STATUS_WOULD_BLOCK)
                             : weft_future_wait(move->future, deadline_ns);
  return status == WEFT_OK ? WEFT_OK : still_runs(move, status);
}

weft_status_t weft_move_end_other(weft_move_t** unfinished, weft_value_t value,
                                  const weft_destination_t* destination,
                                  int64_t deadline_ns) {
  weft_move_t* move = *unfinished;
  if (move == NULL || weft_move_serves(move, value, destination)) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_move_wait(move, deadline_ns));
  *unfinished = NULL;
  weft_move_release(move);
  return WEFT_OK;
}

// The first error of a tensor, with its name.
static weft_status_t error_of(const leg_t* leg) {
  // Acquire: pairs with the release of whoever sealed it.
  weft_status_t error =
      atomic_load_explicit(&leg->transfer.error, memory_order_acquire);
  if (error == WEFT_OK) {
    return WEFT_OK;
  }
  weft_device_t to = weft_tensor_device(leg->destination);
  char source[WEFT_TENSOR_TEXT_CAPACITY];
  (void)weft_tensor_format(leg->source, source, sizeof(source));
  return weft_status_make_caused(
      weft_status_code(error), weft_status_retain(error),
      "tensor %zu of the value, %s, was not copied to %s:%d", leg->index,
      source, weft_device_type_name(to.type), to.id);
}

weft_status_t weft_move_result(weft_move_t* move, weft_value_t* out_value) {
  *out_value = weft_none();
  for (size_t i = 0; i < move->leg_count; i++) {
    WEFT_RETURN_IF_ERROR(error_of(&move->legs[i]));
  }
  *out_value = weft_value_retain(move->value);
  return WEFT_OK;
}
