// SPDX-License-Identifier: Apache-2.0

#include "actor/message.h"

#include <stdio.h>

#include "sys/slab.h"

_Static_assert(sizeof(weft_message_t) + sizeof(weft_value_t) == 64,
               "a message with one argument is one cache line");
_Static_assert(WEFT_PARAMETER_LIMIT <= UINT8_MAX, "argument_count holds it");

// --- Blocks -----------------------------------------------------------------

// Whole cache lines, as mailboxes want their nodes.
static size_t size_of(uint32_t argument_count) {
  size_t size_bytes =
      sizeof(weft_message_t) + argument_count * sizeof(weft_value_t);
  return (size_bytes + 63) & ~(size_t)63;
}

static weft_status_t no_memory(void) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for a message");
}

static inline weft_message_t* allocate(weft_runtime_t* runtime,
                                       uint32_t argument_count) {
  weft_message_t* message =
      weft_slab_allocate(runtime->slab, size_of(argument_count));
  if (message != NULL) {
    message->sender = 0;
    message->reply = NULL;
    message->deadline_ns = WEFT_TIME_INFINITE;
    message->flow = 0;
    message->generation = 0;
    message->endpoint = 0;
    message->argument_count = (uint8_t)argument_count;
    message->flags = 0;
  }
  return message;
}

weft_message_t* weft_message_allocate(weft_runtime_t* runtime,
                                      uint32_t argument_count) {
  weft_message_t* message = allocate(runtime, argument_count);
  for (uint32_t i = 0; message != NULL && i < argument_count; i++) {
    message->arguments[i] = weft_none();
  }
  return message;
}

void weft_message_release_arguments(weft_message_t* message) {
  uint32_t count = message->argument_count;
  for (uint32_t i = 0; i < count; i++) {
    weft_value_t argument = message->arguments[i];
    message->arguments[i] = weft_none();
    weft_value_release(argument);
  }
}

void weft_message_free(weft_runtime_t* runtime, weft_message_t* message) {
  weft_slab_free(runtime->slab, message, size_of(message->argument_count));
}

// --- Arguments --------------------------------------------------------------

static void name_endpoint(char* text, size_t capacity,
                          const weft_class_t* actor_class,
                          const weft_endpoint_t* endpoint) {
  snprintf(text, capacity, "%s.%s", actor_class->name, endpoint->name);
}

// True when the arguments are values by position that fit: nothing is left to
// check or to put in order. This is how nearly all messages come.
static inline bool fits_by_position(const weft_endpoint_t* endpoint,
                                    const weft_arguments_t* arguments) {
  if (arguments == NULL) {
    return endpoint->parameter_count == 0;
  }
  if (arguments->named_count != 0 ||
      arguments->positional_count != endpoint->parameter_count) {
    return false;
  }
  for (uint32_t i = 0; i < endpoint->parameter_count; i++) {
    weft_kind_t wanted = endpoint->parameters[i].kind;
    weft_kind_t given = weft_value_kind(arguments->positional[i]);
    if (given == WEFT_KIND_FUTURE ||
        (wanted != given && wanted != WEFT_KIND_ANY)) {
      return false;
    }
  }
  return true;
}

static weft_status_t order(const weft_class_t* actor_class,
                           const weft_endpoint_t* endpoint,
                           const weft_arguments_t* arguments,
                           weft_message_t* message) {
  char what[256];
  name_endpoint(what, sizeof(what), actor_class, endpoint);
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

weft_status_t weft_message_create(weft_runtime_t* runtime,
                                  const weft_class_t* actor_class,
                                  uint32_t endpoint_index,
                                  const weft_arguments_t* arguments,
                                  weft_message_t** out_message) {
  *out_message = NULL;
  if (endpoint_index >= actor_class->endpoint_count) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "class %s has %u endpoints, none of number %u",
                            actor_class->name, actor_class->endpoint_count,
                            endpoint_index);
  }
  const weft_endpoint_t* endpoint = &actor_class->endpoints[endpoint_index];
  uint32_t count = endpoint->parameter_count;
  weft_message_t* message = allocate(runtime, count);
  if (message == NULL) {
    return no_memory();
  }
  message->endpoint = (uint16_t)endpoint_index;
  if (fits_by_position(endpoint, arguments)) {
    for (uint32_t i = 0; i < count; i++) {
      message->arguments[i] = arguments->positional[i];
    }
  } else {
    weft_status_t status = order(actor_class, endpoint, arguments, message);
    if (status != WEFT_OK) {
      weft_message_free(runtime, message);
      return status;
    }
  }
  for (uint32_t i = 0; i < count; i++) {
    weft_value_retain(message->arguments[i]);
  }
  *out_message = message;
  return WEFT_OK;
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
