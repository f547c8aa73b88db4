// SPDX-License-Identifier: Apache-2.0
//
// The head of every frame between two runtimes; see FORMAT.md. Little endian,
// 48 bytes, then a payload:
//
//   scalars      8 bytes each, at most 8 of them; their kinds are in the head
//   or a body    MessagePack (codec.h), padded to 8 bytes, then the table of
//                attachments: what the body names by number and carries beside
//
// So a call of up to two scalars is one line of 64 bytes.

#ifndef WEFT_WIRE_FRAME_H_
#define WEFT_WIRE_FRAME_H_

#include "weft/status.h"

// X(identifier, number, name). Numbers are part of the format.
#define WEFT_FRAME_TYPES(X)                                                   \
  /* A message to an actor: id is the caller's name for the reply, 0: none */ \
  X(CALL, 1, "call")                                                          \
  /* The outcome of the call `id`. */                                         \
  X(REPLY, 2, "reply")                                                        \
  /* The caller gave the call `id` up. */                                     \
  X(CANCEL, 3, "cancel")                                                      \
  /* `id` more messages to the target may be sent. */                         \
  X(CREDIT, 4, "credit")                                                      \
  /* The outcome of the future `id` of the runtime `target`. */               \
  X(VALUE, 5, "value")                                                        \
  /* The outcome of a future, which the payload says to whom, is wanted: a    \
     call `id` of the sender, or what the sender knows as `id`. */            \
  X(SUBSCRIBE, 6, "subscribe")                                                \
  /* The `id` blocks in the payload are lent on to other runtimes. */         \
  X(LEND, 7, "lend")                                                          \
  /* Loans of the `id` blocks in the payload are given back. */               \
  X(RELEASE, 8, "release")                                                    \
  /* Are you there? / I am. */                                                \
  X(PING, 9, "ping")                                                          \
  X(PONG, 10, "pong")                                                         \
  /* The answer to SUBSCRIBE: `endpoint` says whether it will be sent. */     \
  X(ACCEPT, 11, "accept")                                                     \
  /* The outcome of the future `id` comes from the runtime `target_index`. */ \
  X(FOLLOWS, 12, "follows")                                                   \
  /* The segment `id` is gone: what is mapped of it can go, too. */           \
  X(DROP, 13, "drop")                                                         \
  /* What LEND said of the `id` blocks in the payload has come to nothing. */ \
  X(UNLEND, 14, "unlend")                                                     \
  /* What does the future `id` wait for? See peer/probe.h. */                 \
  X(PROBE, 15, "probe")                                                       \
  /* About the channel `target_index`, `target_generation`: who made it and   \
     its number there; `endpoint` says what. */                               \
  X(CHANNEL, 16, "channel")                                                   \
  /* Value `id` of a channel, for the readers whose bits `sender` has; or its \
     end, as `endpoint` says. */                                              \
  X(SLOT, 17, "slot")                                                         \
  /* A segment that was shown has not arrived: all are to be shown again. */  \
  X(MISSED, 18, "missed")

typedef enum weft_frame_type {
#define WEFT_FRAME_ENUM(identifier, number, name) \
  WEFT_FRAME_##identifier = (number),
  WEFT_FRAME_TYPES(WEFT_FRAME_ENUM)
#undef WEFT_FRAME_ENUM
} weft_frame_type_t;

// Bits of `flags`.
enum {
  // The payload is scalars, whose kinds are in `kinds`.
  WEFT_FRAME_SCALARS = 1,
  // Of REPLY and VALUE: the outcome is an error; the payload is a body of one
  // status, and there are no values. With SCALARS it is the code alone.
  WEFT_FRAME_ERROR = 2,
  // The payload begins with 8 bytes, the id of the trace's arrow.
  WEFT_FRAME_FLOW = 4,
  // The body does not stand here but in attachment 0.
  WEFT_FRAME_BODY_ATTACHED = 8,
  // Of VALUE: an error, and the sender's last word is still to come.
  WEFT_FRAME_MORE = 16,
  // Of SLOT: the body is the value's data, without its structure.
  WEFT_FRAME_BARE = 32
};

// `endpoint` of ACCEPT.
enum { WEFT_ACCEPT_NO = 0, WEFT_ACCEPT_YES = 1 };

// `endpoint` of CHANNEL; all words are scalars.
enum {
  // (end, its key) is used by the sender. A REPLY to `id` says 0, the holder
  // that is the hub, or, for the writer, the readers that are left and keys.
  WEFT_CHANNEL_JOIN = 1,
  // (holder) is the hub now.
  WEFT_CHANNEL_MOVED = 2,
  // (end, count): so many copies are gone, and nobody used them.
  WEFT_CHANNEL_RETURN = 3,
  // (value, readers) ...: these have released it.
  WEFT_CHANNEL_RELEASE = 4,
  // (readers): these have left.
  WEFT_CHANNEL_LEAVE = 5,
  // (end, holder << 32 | whether it is so, key): a copy was passed on to
  // another.
  WEFT_CHANNEL_PASS = 6,
  // (): a reader has released what the writer sleeps for.
  WEFT_CHANNEL_BELL = 7,
  // (readers): these have come to the hub, or have left.
  WEFT_CHANNEL_ARRIVE = 8,
  // (1): the sender knows the structure of the values.
  WEFT_CHANNEL_AGREED = 9
};

// `endpoint` of SLOT.
enum {
  WEFT_SLOT_VALUE = 0,
  // Nothing more comes: after what has come, or in place of it.
  WEFT_SLOT_END = 1,
  WEFT_SLOT_END_AT_ONCE = 2,
  // (tensor): the memory of a ring, from the hub; of a cursor, to it.
  WEFT_SLOT_RING = 3,
  WEFT_SLOT_CURSOR = 4,
  // From value `id` on readers find values in the ring.
  WEFT_SLOT_BEGIN = 5,
  // Something is in the ring that a reader sleeps for.
  WEFT_SLOT_BELL = 6
};

typedef struct weft_frame {
  // Of the whole frame, head and payload.
  uint32_t size_bytes;
  // A weft_frame_type_t.
  uint8_t type;
  uint8_t flags;
  // Of the target; of SPAWN and others, what the type says.
  uint16_t endpoint;
  uint64_t id;
  // The actor that the frame is for, or about; of the receiver.
  uint32_t target_index;
  uint32_t target_generation;
  // Who sends: an actor of the sending runtime (index << 32 | generation) or
  // a thread (bit 63).
  uint64_t sender;
  // What is left until the deadline; INT64_MAX: there is none.
  int64_t timeout_ns;
  // Values in the payload: by position, then by name.
  uint8_t value_count;
  uint8_t named_count;
  uint16_t attachment_count;
  // With WEFT_FRAME_SCALARS 4 bits for each scalar, the first in the lowest.
  // Else the size of the body, without what pads it; 0 with
  // WEFT_FRAME_BODY_ATTACHED. Units: bytes.
  uint32_t kinds;
} weft_frame_t;

#define WEFT_FRAME_HEAD_BYTES 48
_Static_assert(sizeof(weft_frame_t) == WEFT_FRAME_HEAD_BYTES, "the format");
#define WEFT_FRAME_SCALAR_LIMIT 8

// One entry of the payload of LEND, RELEASE and UNLEND, and how many there are
// at most.
typedef struct weft_frame_loan {
  // Names the block, as attachments do.
  uint32_t segment;
  uint32_t generation;
  uint64_t offset_bytes;
  uint64_t size_bytes;
  uint64_t segment_bytes;
  // The other one, as rank << 16 | incarnation: who gets the loan, or, of
  // RELEASE, who gave it.
  uint32_t other;
  uint32_t count;
} weft_frame_loan_t;

#define WEFT_FRAME_LOAN_BYTES 40
_Static_assert(sizeof(weft_frame_loan_t) == WEFT_FRAME_LOAN_BYTES,
               "the format");
#define WEFT_FRAME_LOAN_LIMIT 64

// Where the parts of a frame begin, counted from its first byte; multiples
// of 8.
typedef struct weft_frame_places {
  // Scalars, or the body.
  uint64_t payload;
  // The table of attachments.
  uint64_t attachments;
  // Behind the table: the first inline attachment. A frame without any ends
  // here.
  uint64_t rest;
} weft_frame_places_t;

// Finds them from `flags`, `value_count`, `attachment_count` and `kinds`.
weft_frame_places_t weft_frame_places(const weft_frame_t* frame);

// The name of a type, such as "call". Never NULL.
const char* weft_frame_type_name(uint8_t type);

#endif  // WEFT_WIRE_FRAME_H_
