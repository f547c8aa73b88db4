// SPDX-License-Identifier: Apache-2.0
//
// What waits in a mailbox: who sent it, what for, and the arguments behind it,
// in declared order. One with a single argument is one cache line.

#ifndef WEFT_ACTOR_MESSAGE_H_
#define WEFT_ACTOR_MESSAGE_H_

#include "actor/mailbox.h"
#include "async/future_internal.h"
#include "base/runtime.h"
#include "sys/slab.h"
#include "weft/actor.h"

// Bits of `flags`.
enum {
  // Some argument is a future.
  WEFT_MESSAGE_FUTURES = 1,
  // No endpoint: the actor ends in its turn, for `reason`.
  WEFT_MESSAGE_STOP = 2,
  // No endpoint: the class's init.
  WEFT_MESSAGE_INIT = 4,
  // Handled, but still the head of the mailbox. The consumer's own.
  WEFT_MESSAGE_FINISHED = 8,
  // No argument is a counted object, nor will be: nothing to retain, to
  // release or to measure. It asks for nothing when it is not set.
  WEFT_MESSAGE_SCALARS = 16,
  // Was put in regardless of the bound, and does not count in it.
  WEFT_MESSAGE_UNCOUNTED = 32,
  // Of a peer; see remote.h.
  WEFT_MESSAGE_REMOTE = 64
};

// A message with these alone is handled when it is taken.
#define WEFT_MESSAGE_PLAIN \
  (WEFT_MESSAGE_SCALARS | WEFT_MESSAGE_UNCOUNTED | WEFT_MESSAGE_REMOTE)

typedef struct weft_message weft_message_t;
struct weft_message {
  weft_mailbox_node_t node;
  union {
    // An actor or a thread; see `weft_sender_self`.
    uint64_t sender;
    // While the message is held: the next of its line, which knows the sender.
    weft_message_t* next_held;
  };
  union {
    // Completed by the handler; NULL for a send.
    weft_future_t* reply;
    // Of WEFT_MESSAGE_STOP.
    weft_status_t reason;
  };
  int64_t deadline_ns;
  // What `weft_trace_send` gave; 0 when spans are off.
  uint64_t flow;
  // Of the actor that it is for.
  uint32_t generation;
  uint16_t endpoint;
  uint8_t argument_count;
  uint8_t flags;
  weft_value_t arguments[];
};

// The size of nearly all messages: those with one argument at most.
#define WEFT_MESSAGE_LINE_BYTES 64

// Makes a message whose arguments are none; NULL when there is no memory.
weft_message_t* weft_message_allocate(weft_runtime_t* runtime,
                                      uint32_t argument_count);

// Makes a message to an endpoint. Owns: retains the arguments; lazy futures
// among them are not started yet.
// Errors: INVALID_ARGUMENT, naming class, endpoint and parameter;
// RESOURCE_EXHAUSTED.
static inline weft_status_t weft_message_create(
    weft_runtime_t* runtime, const weft_class_t* actor_class,
    uint32_t endpoint_index, const weft_arguments_t* arguments,
    weft_message_t** out_message);

// The same, with `hidden` arguments more behind those that are declared, which
// are none.
weft_status_t weft_message_create_hidden(weft_runtime_t* runtime,
                                         const weft_class_t* actor_class,
                                         uint32_t endpoint_index,
                                         const weft_arguments_t* arguments,
                                         uint32_t hidden,
                                         weft_message_t** out_message);

// Starts the lazy futures among the arguments: sending them counts as a wait.
void weft_message_start_arguments(weft_message_t* message);

// Replaces futures among the arguments by what they hold, as far as they are
// done. OK and NULL: the message can be handled. OK and a future, lent: that
// one is not done. An error: that of a future, or INVALID_ARGUMENT for a value
// that does not fit `endpoint` (NULL: everything fits).
weft_status_t weft_message_resolve(weft_message_t* message,
                                   const weft_class_t* actor_class,
                                   const weft_endpoint_t* endpoint,
                                   weft_future_t** out_awaited);

// The size of the tensors among the arguments. Units: bytes.
uint64_t weft_message_tensor_bytes(const weft_message_t* message);

// Releases the arguments. Counted ones are none afterwards.
static inline void weft_message_release_arguments(weft_message_t* message);

// Gives the block back; arguments and reply have been taken care of.
static inline void weft_message_free(weft_runtime_t* runtime,
                                     weft_message_t* message);

// --- The fast path ----------------------------------------------------------
// Below is what is needed to compile the functions above into their callers:
// all of it is done for each message.

// What `message.c` does when the fast path cannot: larger blocks; arguments
// with names, of the wrong kind, or futures; objects.
weft_message_t* weft_message_allocate_large(weft_runtime_t* runtime,
                                            uint32_t argument_count);
void weft_message_free_large(weft_runtime_t* runtime, weft_message_t* message);
weft_status_t weft_message_no_endpoint(const weft_class_t* actor_class,
                                       uint32_t endpoint_index);
weft_status_t weft_message_no_memory(void);
weft_status_t weft_message_order(weft_message_t* message,
                                 const weft_class_t* actor_class,
                                 const weft_endpoint_t* endpoint,
                                 const weft_arguments_t* arguments);
void weft_message_retain_objects(weft_message_t* message);
void weft_message_release_objects(weft_message_t* message);

// A message without arguments, whatever their number; they are not set.
static inline weft_message_t* weft_message_allocate_bare(
    weft_runtime_t* runtime, uint32_t argument_count) {
  weft_message_t* message =
      __builtin_expect(argument_count <= 1, 1)
          ? weft_slab_allocate(runtime->slab, WEFT_MESSAGE_LINE_BYTES)
          : weft_message_allocate_large(runtime, argument_count);
  if (__builtin_expect(message != NULL, 1)) {
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

// Copies arguments that are values by position and fit: nothing is left to
// put in order. False else. This is how nearly all messages come.
static inline bool weft_message_fill(weft_message_t* message,
                                     const weft_endpoint_t* endpoint,
                                     const weft_arguments_t* arguments) {
  uint32_t count = endpoint->parameter_count;
  // All kinds in one: the kinds of objects have bits that those of scalars
  // lack.
  uint32_t kinds = 0;
  if (arguments == NULL) {
    message->flags = WEFT_MESSAGE_SCALARS;
    return count == 0;
  }
  if (arguments->named_count != 0 || arguments->positional_count != count) {
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    weft_value_t value = arguments->positional[i];
    weft_kind_t wanted = endpoint->parameters[i].kind;
    weft_kind_t given = weft_value_kind(value);
    if (given == WEFT_KIND_FUTURE ||
        (wanted != given && wanted != WEFT_KIND_ANY)) {
      return false;
    }
    message->arguments[i] = value;
    kinds |= given;
  }
  message->flags = kinds < WEFT_KIND_STRING ? WEFT_MESSAGE_SCALARS : 0;
  return true;
}

static inline __attribute__((always_inline)) weft_status_t weft_message_create(
    weft_runtime_t* runtime, const weft_class_t* actor_class,
    uint32_t endpoint_index, const weft_arguments_t* arguments,
    weft_message_t** out_message) {
  *out_message = NULL;
  if (__builtin_expect(endpoint_index >= actor_class->endpoint_count, 0)) {
    return weft_message_no_endpoint(actor_class, endpoint_index);
  }
  const weft_endpoint_t* endpoint = &actor_class->endpoints[endpoint_index];
  weft_message_t* message =
      weft_message_allocate_bare(runtime, endpoint->parameter_count);
  if (__builtin_expect(message == NULL, 0)) {
    return weft_message_no_memory();
  }
  message->endpoint = (uint16_t)endpoint_index;
  if (__builtin_expect(!weft_message_fill(message, endpoint, arguments), 0)) {
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

static inline void weft_message_release_arguments(weft_message_t* message) {
  if ((message->flags & WEFT_MESSAGE_SCALARS) == 0) {
    weft_message_release_objects(message);
  }
}

static inline void weft_message_free(weft_runtime_t* runtime,
                                     weft_message_t* message) {
  if (__builtin_expect(message->argument_count <= 1, 1)) {
    weft_slab_free(runtime->slab, message, WEFT_MESSAGE_LINE_BYTES);
  } else {
    weft_message_free_large(runtime, message);
  }
}

#endif  // WEFT_ACTOR_MESSAGE_H_
