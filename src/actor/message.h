// SPDX-License-Identifier: Apache-2.0
//
// What waits in a mailbox: who sent it, what for, and the arguments behind it,
// in declared order. One with a single argument is one cache line.

#ifndef WEFT_ACTOR_MESSAGE_H_
#define WEFT_ACTOR_MESSAGE_H_

#include "actor/mailbox.h"
#include "async/future_internal.h"
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
  WEFT_MESSAGE_FINISHED = 8
};

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

// Makes a message whose arguments are none; NULL when there is no memory.
weft_message_t* weft_message_allocate(weft_runtime_t* runtime,
                                      uint32_t argument_count);

// Makes a message to an endpoint. Owns: retains the arguments; lazy futures
// among them are not started yet.
// Errors: INVALID_ARGUMENT, naming class, endpoint and parameter;
// RESOURCE_EXHAUSTED.
weft_status_t weft_message_create(weft_runtime_t* runtime,
                                  const weft_class_t* actor_class,
                                  uint32_t endpoint,
                                  const weft_arguments_t* arguments,
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

// Releases the arguments. They are none afterwards.
void weft_message_release_arguments(weft_message_t* message);

// Gives the block back; arguments and reply have been taken care of.
void weft_message_free(weft_runtime_t* runtime, weft_message_t* message);

#endif  // WEFT_ACTOR_MESSAGE_H_
