// SPDX-License-Identifier: Apache-2.0
//
// The way that the data of tensors takes from a writer to its readers, beside
// the rest of a message. A draft: no channel uses it yet.
//
//   writer: value --> body, with a placeholder for each tensor ----.
//                 '-> tensors --send--> message, in the slot beside it
//                                          | receive, once a reader:
//   reader: value <-- body, with <-- tensors, in the reader's memory or
//                                    in memory of their own, or lent
//
// The tensors of a message are sent and received together, in the order of
// their placeholders; those that lie elsewhere than where the writer's do stay
// in the body. The slot holds the message until each reader has received it, so
// a transport has no queue of its own, and no bound.

#ifndef WEFT_CHANNEL_TRANSPORT_H_
#define WEFT_CHANNEL_TRANSPORT_H_

#include "weft/tensor.h"

typedef struct weft_transport weft_transport_t;

// The tensors of one message; a transport has more behind it.
typedef struct weft_transport_message {
  weft_transport_t* transport;
  size_t count;
} weft_transport_message_t;

// Where a reader wants tensors to be.
typedef struct weft_transport_place {
  // Of what is made for the reader; never NULL.
  const weft_allocator_t* allocator;
  // Never NULL.
  const weft_device_driver_t* driver;
  // One of this device's, for copies to it.
  uint32_t queue;
} weft_transport_place_t;

typedef struct weft_transport_vtable {
  // When no message of it is left.
  void (*destroy)(weft_transport_t* transport);
  // Takes the tensors of one message; retains them. Thread: the writer's.
  // Blocks: no.
  // Errors: INVALID_ARGUMENT for a tensor that lies elsewhere than the
  // transport says; FAILED_PRECONDITION for one that is not sized;
  // RESOURCE_EXHAUSTED.
  weft_status_t (*send)(weft_transport_t* transport,
                        const weft_tensor_t* const* tensors, size_t count,
                        weft_transport_message_t** out_message);
  // Gives them to a reader. `into` has a tensor, or NULL, for each: memory of
  // the reader's, on the device of `place`, that nobody else has, row by row
  // without gaps. It must have the dtype and the shape of what is sent; if it
  // is declared, what is known of them, and it is sized. `into` NULL: none.
  // Otherwise a tensor is lent if it lies there already, else it is new.
  // Everything is checked, and there is memory for all, before any data moves.
  // After an error the memory of the reader may hold anything, and what was
  // declared may have its size. It may be received again.
  // Thread: a reader's; several at once. Blocks: until the data is there; each
  // device that has to do with it is synchronized once, whatever their number.
  // Owns: `out_tensors` has room for a reference to each, of which `into` is
  // some.
  // Errors: INVALID_ARGUMENT, which says which tensor is not what `into` takes;
  // FAILED_PRECONDITION for memory that others have, too; RESOURCE_EXHAUSTED;
  // what the devices say.
  weft_status_t (*receive)(weft_transport_message_t* message,
                           const weft_transport_place_t* place,
                           weft_tensor_t* const* into,
                           weft_tensor_t** out_tensors);
  // Frees the message. Nobody receives it any more. Thread: any.
  void (*drop)(weft_transport_message_t* message);
} weft_transport_vtable_t;

struct weft_transport {
  const weft_transport_vtable_t* vtable;
};

// --- Kinds ------------------------------------------------------------------

// Within a process, by the devices themselves. The writer's tensors lie on
// `driver` (NULL: the cpu). What fills them need not be over when they are
// sent: it was appended to `queue` of that device before.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_device_transport_create(const weft_allocator_t* allocator,
                                           const weft_device_driver_t* driver,
                                           uint32_t queue,
                                           weft_transport_t** out_transport);

#endif  // WEFT_CHANNEL_TRANSPORT_H_
