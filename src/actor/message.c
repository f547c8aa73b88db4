// SPDX-License-Identifier: Apache-2.0

#include "actor/message.h"

#include <stdio.h>

#include "weft/tensor.h"

_Static_assert(sizeof(weft_message_t) + sizeof(weft_value_t) ==
                   WEFT_MESSAGE_LINE_BYTES,
               "a message with one argument is one cache line");
_Static_assert(WEFT_PARAMETER_LIMIT <= UINT8_MAX, "argument_count holds it");

// --- Blocks -----------------------------------------------------------------

// Whole cache lines, as mailboxes want their nodes.
static size_t size_of(uint32_t argument_count) {
  size_t size_bytes =
      sizeof(weft_message_t) + argument_count * sizeof(weft_value_t);
  return (size_bytes + 63) & ~(size_t)63;
}

weft_status_t weft_message_no_memory(void) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for a message");
}

weft_message_t* weft_message_allocate_large(weft_runtime_t* runtime,
                                            uint32_t argument_count) {
  return weft_slab_allocate(runtime->slab, size_of(argument_count));
}

void weft_message_free_large(weft_runtime_t* runtime, weft_message_t* message) {
  weft_slab_free(runtime->slab, message, size_of(message->argument_count));
}

weft_message_t* weft_message_allocate(weft_runtime_t* runtime,
                                      uint32_t argument_count) {
  weft_message_t* message = weft_message_allocate_bare(runtime, argument_count);
  for (uint32_t i = 0; message != NULL && i < argument_count; i++) {
    message->arguments[i] = weft_none();
  }
  return message;
}

// --- Arguments --------------------------------------------------------------

static void name_endpoint(char* text, size_t capacity,
                          const weft_class_t* actor_class,
                          const weft_endpoint_t* endpoint) {
  snprintf(text, capacity, "%s.%s", actor_class->name, endpoint->name);
}

weft_status_t weft_message_no_endpoint(const weft_class_t* actor_class,
                                       uint32_t endpoint_index) {
  return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                          "class %s has %u endpoints, none of number %u",
                          actor_class->name, actor_class->endpoint_count,
                          endpoint_index);
}

weft_status_t weft_message_order(weft_message_t* message,
                                 const weft_class_t* actor_class,
                                 const weft_endpoint_t* endpoint,
                                 const weft_arguments_t* arguments) {
  char what[256];
  name_endpoint(what, sizeof(what), actor_class, endpoint);
  message->flags = 0;
  WEFT_RETURN_IF_ERROR(weft_arguments_order(what, endpoint->parameters,
                                            endpoint->parameter_count,
                                            arguments, message->arguments));
  for (uint32_t i = 0; i < message->argument_count; i++) {
    if (weft_value_kind(message->arguments[i]) == WEFT_KIND_FUTURE) {
      message->flags |= WEFT_MESSAGE_FUTURES;
    }
  }
  return WEFT_OK;
}

weft_status_t weft_message_create_hidden(weft_runtime_t* runtime,
                                         const weft_class_t* actor_class,
                                         uint32_t endpoint_index,
                                         const weft_arguments_t* arguments,
                                         uint32_t hidden,
                                         weft_message_t** out_message) {
  *out_message = NULL;
  if (endpoint_index >= actor_class->endpoint_count) {
    return weft_message_no_endpoint(actor_class, endpoint_index);
  }
  const weft_endpoint_t* endpoint = &actor_class->endpoints[endpoint_index];
  weft_message_t* message =
      weft_message_allocate(runtime, endpoint->parameter_count + hidden);
  if (message == NULL) {
    return weft_message_no_memory();
  }
  message->endpoint = (uint16_t)endpoint_index;
  if (!weft_message_fill(message, endpoint, arguments)) {
    weft_status_t status =
        weft_message_order(message, actor_class, endpoint, arguments);
    if (status != WEFT_OK) {
      weft_message_free(runtime, message);
      return status;
    }
  }
  if ((message->flags & WEFT_MESSAGE_SCALARS) == 0) {
    weft_message_retain_objects(message);
  }
  *out_message = message;
  return WEFT_OK;
}

void weft_message_retain_objects(weft_message_t* message) {
  for (uint32_t i = 0; i < message->argument_count; i++) {
    weft_value_retain(message->arguments[i]);
  }
}

uint64_t weft_message_tensor_bytes(const weft_message_t* message) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < message->argument_count; i++) {
    bytes += weft_value_tensor_bytes(message->arguments[i]);
  }
  return bytes;
}

void weft_message_release_objects(weft_message_t* message) {
  for (uint32_t i = 0; i < message->argument_count; i++) {
    weft_value_t argument = message->arguments[i];
    if (weft_value_is_counted(argument)) {
      message->arguments[i] = weft_none();
      weft_value_release_object(argument);
    }
  }
}

void weft_message_start_arguments(weft_message_t* message) {
  for (uint32_t i = 0; i < message->argument_count; i++) {
    weft_value_t argument = message->arguments[i];
    if (weft_value_kind(argument) == WEFT_KIND_FUTURE) {
      weft_future_start((weft_future_t*)(void*)argument.as.object);
    }
  }
}

static weft_status_t check(const weft_class_t* actor_class,
                           const weft_endpoint_t* endpoint, uint32_t index,
                           weft_value_t argument) {
  if (endpoint == NULL || endpoint->parameters[index].kind == WEFT_KIND_ANY) {
    return WEFT_OK;
  }
  char what[256];
  name_endpoint(what, sizeof(what), actor_class, endpoint);
  return weft_argument_check(what, &endpoint->parameters[index], argument);
}

weft_status_t weft_message_resolve(weft_message_t* message,
                                   const weft_class_t* actor_class,
                                   const weft_endpoint_t* endpoint,
                                   weft_future_t** out_awaited) {
  *out_awaited = NULL;
  for (uint32_t i = 0; i < message->argument_count; i++) {
    // A future may hold a future.
    bool was_future = false;
    while (weft_value_kind(message->arguments[i]) == WEFT_KIND_FUTURE) {
      weft_future_t* future =
          (weft_future_t*)(void*)message->arguments[i].as.object;
      if (!weft_future_is_done(future)) {
        *out_awaited = future;
        return WEFT_OK;
      }
      weft_value_t value;
      WEFT_RETURN_IF_ERROR(weft_future_result(future, &value));
      message->arguments[i] = weft_value_retain(value);
      weft_future_release(future);
      was_future = true;
    }
    if (was_future) {
      WEFT_RETURN_IF_ERROR(
          check(actor_class, endpoint, i, message->arguments[i]));
    }
  }
  message->flags &= (uint8_t)~WEFT_MESSAGE_FUTURES;
  return WEFT_OK;
}
