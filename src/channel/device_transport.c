// SPDX-License-Identifier: Apache-2.0
//
// Tensors pass as they are, and a device copies them to where the reader wants
// them. A copy that the writer's device does stands in its queue, behind what
// fills the tensors; another device has to wait for that first.

#include "base/checked.h"
#include "base/container.h"
#include "base/memory.h"
#include "channel/transport.h"
#include "value/transfer.h"

typedef struct device_transport {
  weft_transport_t transport;
  const weft_allocator_t* allocator;
  const weft_device_driver_t* driver;
  uint32_t queue;
} device_transport_t;

typedef struct device_message {
  weft_transport_message_t message;
  size_t size_bytes;
  const weft_tensor_t* tensors[];
} device_message_t;

static device_transport_t* transport_of(weft_transport_t* transport) {
  return WEFT_CONTAINER_OF(transport, device_transport_t, transport);
}

static device_message_t* message_of(weft_transport_message_t* message) {
  return WEFT_CONTAINER_OF(message, device_message_t, message);
}

static void release_all(weft_tensor_t** tensors, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    weft_tensor_release(tensors[i]);
    tensors[i] = NULL;
  }
}

// Says which tensor of a message an error is about. WEFT_OK is fine.
static weft_status_t about(size_t index, weft_status_t status) {
  return status == WEFT_OK
             ? WEFT_OK
             : weft_status_make_caused(weft_status_code(status), status,
                                       "tensor %zu of a message", index);
}

static const weft_device_driver_t* driver_of(const weft_tensor_t* tensor) {
  return weft_storage_driver(weft_tensor_storage(tensor));
}

static weft_status_t expect_on(const weft_tensor_t* tensor,
                               const weft_device_driver_t* driver) {
  weft_device_t is = weft_tensor_device(tensor);
  if (driver_of(tensor) != driver) {
    return weft_status_make(
        WEFT_STATUS_INVALID_ARGUMENT, "it is on %s:%d; it should be on %s:%d",
        weft_device_type_name(is.type), is.id,
        weft_device_type_name(driver->device.type), driver->device.id);
  }
  return WEFT_OK;
}

// --- Sending ----------------------------------------------------------------

static weft_status_t check_sent(const device_transport_t* transport,
                                const weft_tensor_t* tensor) {
  if (!weft_tensor_is_sized(tensor)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION, "it has no size");
  }
  return expect_on(tensor, transport->driver);
}

static weft_status_t device_send(weft_transport_t* base,
                                 const weft_tensor_t* const* tensors,
                                 size_t count,
                                 weft_transport_message_t** out_message) {
  device_transport_t* transport = transport_of(base);
  size_t size_bytes = 0;
  *out_message = NULL;
  for (size_t i = 0; i < count; ++i) {
    WEFT_RETURN_IF_ERROR(about(i, check_sent(transport, tensors[i])));
  }
  device_message_t* message =
      weft_checked_array(sizeof(*message), count, sizeof(*tensors), &size_bytes)
          ? weft_memory_allocate(transport->allocator, size_bytes)
          : NULL;
  if (message == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a message of %zu tensors", count);
  }
  message->message = (weft_transport_message_t){base, count};
  message->size_bytes = size_bytes;
  for (size_t i = 0; i < count; ++i) {
    message->tensors[i] = weft_tensor_retain(tensors[i]);
  }
  *out_message = &message->message;
  return WEFT_OK;
}

static void device_drop(weft_transport_message_t* base) {
  device_message_t* message = message_of(base);
  for (size_t i = 0; i < base->count; ++i) {
    weft_tensor_release((weft_tensor_t*)(uintptr_t)message->tensors[i]);
  }
  weft_memory_free(transport_of(base->transport)->allocator, message,
                   message->size_bytes);
}

// --- Receiving --------------------------------------------------------------

// Checks memory that the reader provides, and gives it its size if it has
// none.
static weft_status_t prepare_provided(weft_tensor_t* into,
                                      const weft_tensor_t* source,
                                      const weft_transport_place_t* place) {
  const weft_tensor_layout_t* layout = weft_tensor_layout(source);
  const weft_tensor_layout_t* is = weft_tensor_layout(into);
  void* data = NULL;
  WEFT_RETURN_IF_ERROR(expect_on(into, place->driver));
  if (!weft_tensor_is_sized(into) && is->ndim == layout->ndim &&
      weft_dtype_equal(is->dtype, layout->dtype)) {
    return weft_tensor_resize(into, layout->shape);
  }
  WEFT_RETURN_IF_ERROR(
      weft_tensor_expect(into, layout->dtype, layout->ndim, layout->shape));
  if (!weft_tensor_is_contiguous(into)) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the reader's memory has gaps");
  }
  return weft_tensor_mutable_data(into, &data);
}

// Memory for one tensor, in `*out_tensor`; NULL if it is to be lent.
static weft_status_t prepare_one(const weft_tensor_t* source,
                                 const weft_transport_place_t* place,
                                 weft_tensor_t* into,
                                 weft_tensor_t** out_tensor) {
  const weft_tensor_layout_t* layout = weft_tensor_layout(source);
  if (into != NULL) {
    WEFT_RETURN_IF_ERROR(prepare_provided(into, source, place));
    *out_tensor = weft_tensor_retain(into);
    return WEFT_OK;
  }
  return driver_of(source) == place->driver
             ? WEFT_OK
             : weft_tensor_create(place->allocator, place->driver,
                                  layout->dtype, layout->ndim, layout->shape,
                                  out_tensor);
}

// Moves the data, and lends what has no memory of its own.
static weft_status_t move_all(const device_transport_t* transport,
                              const device_message_t* message,
                              const weft_transport_place_t* place,
                              weft_tensor_t** tensors) {
  const weft_device_driver_t* from = transport->driver;
  bool is_in_line = weft_transfer_mover(from, place->driver) == from;
  weft_transfer_t transfer;
  weft_status_t status = WEFT_OK;
  weft_transfer_init(&transfer, from, place->driver,
                     is_in_line ? transport->queue : place->queue);
  if (!is_in_line) {
    from->vtable->synchronize(from, transport->queue);
  }
  for (size_t i = 0; i < message->message.count && status == WEFT_OK; ++i) {
    if (tensors[i] != NULL) {
      status = weft_transfer_add(&transfer, message->tensors[i], tensors[i]);
    } else {
      tensors[i] = weft_tensor_retain(message->tensors[i]);
    }
  }
  if (is_in_line && !transfer.has_parts) {
    from->vtable->synchronize(from, transport->queue);
  }
  return weft_transfer_finish(&transfer, status);
}

static weft_status_t device_receive(weft_transport_message_t* base,
                                    const weft_transport_place_t* place,
                                    weft_tensor_t* const* into,
                                    weft_tensor_t** out_tensors) {
  const device_message_t* message = message_of(base);
  weft_status_t status = WEFT_OK;
  for (size_t i = 0; i < base->count; ++i) {
    out_tensors[i] = NULL;
  }
  for (size_t i = 0; i < base->count && status == WEFT_OK; ++i) {
    status =
        about(i, prepare_one(message->tensors[i], place,
                             into != NULL ? into[i] : NULL, &out_tensors[i]));
  }
  if (status == WEFT_OK && base->count > 0) {
    status =
        move_all(transport_of(base->transport), message, place, out_tensors);
  }
  if (status != WEFT_OK) {
    release_all(out_tensors, base->count);
  }
  return status;
}

// --- Life -------------------------------------------------------------------

static void device_destroy(weft_transport_t* base) {
  device_transport_t* transport = transport_of(base);
  weft_memory_free(transport->allocator, transport, sizeof(*transport));
}

static const weft_transport_vtable_t device_vtable = {
    .destroy = device_destroy,
    .send = device_send,
    .receive = device_receive,
    .drop = device_drop,
};

weft_status_t weft_device_transport_create(const weft_allocator_t* allocator,
                                           const weft_device_driver_t* driver,
                                           uint32_t queue,
                                           weft_transport_t** out_transport) {
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  device_transport_t* transport =
      weft_memory_allocate(from, sizeof(*transport));
  *out_transport = NULL;
  if (transport == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a transport of tensors");
  }
  *transport = (device_transport_t){
      .transport = {&device_vtable},
      .allocator = from,
      .driver = driver != NULL ? driver : weft_device_cpu(),
      .queue = queue,
  };
  *out_transport = &transport->transport;
  return WEFT_OK;
}
