// SPDX-License-Identifier: Apache-2.0
//
// What goes over the socket of a link: a hello each way with the descriptors
// of lane, face and bell; descriptors of those above; and a ring for a service
// thread that sleeps. All messages are packets of exactly these sizes.

#ifndef WEFT_LINK_SHM_HELLO_H_
#define WEFT_LINK_SHM_HELLO_H_

#include "sys/unix_socket.h"

#define WEFT_SHM_VERSION 1
// "weft", and the kind of the message.
#define WEFT_SHM_HELLO 0x77656601u
#define WEFT_SHM_DESCRIPTOR 0x77656602u
#define WEFT_SHM_RING 0x77656603u

// Of a hello: what its descriptors are, in this order.
enum {
  WEFT_SHM_LANE = 0,
  WEFT_SHM_FACE = 1,
  WEFT_SHM_BELL = 2,
  WEFT_SHM_HELLO_DESCRIPTORS = 3
};

// Who speaks, to whom.
typedef struct weft_shm_hello {
  uint32_t kind;
  uint32_t version;
  uint64_t job;
  uint16_t rank;
  uint16_t incarnation;
  uint16_t peer_rank;
  uint16_t peer_incarnation;
  // Of the ring in the lane.
  uint64_t ring_bytes;
} weft_shm_hello_t;

// A descriptor, or a ring (without one, and the tag 0).
typedef struct weft_shm_note {
  uint32_t kind;
  uint32_t zero;
  uint64_t tag;
} weft_shm_note_t;

// Errors: as `weft_socket_send`.
weft_status_t weft_shm_send_hello(
    int socket, const weft_shm_hello_t* hello,
    const int descriptors[WEFT_SHM_HELLO_DESCRIPTORS]);
weft_status_t weft_shm_send_descriptor(int socket, uint64_t tag,
                                       int descriptor);
// A ring that cannot be sent is not needed: the socket is full of what wakes
// the service thread anyway, or nobody is there.
void weft_shm_send_ring(int socket);

// What came. Descriptors are in `message`.
typedef struct weft_shm_received {
  union {
    uint32_t kind;
    weft_shm_hello_t hello;
    weft_shm_note_t note;
    // A longer message is cut, and that is seen.
    unsigned char bytes[64];
  } data;
  weft_socket_message_t message;
} weft_shm_received_t;

// Takes a message that is sound by itself. Owns: its descriptors are the
// caller's; none on errors, and none of a note whose descriptor was lost, as no
// more may be opened.
// Errors: WOULD_BLOCK, CLOSED (codes alone); DATA_LOSS for what is no message;
// RESOURCE_EXHAUSTED when the descriptors of a hello were lost.
weft_status_t weft_shm_receive(int socket, weft_shm_received_t* out_received);

// Compares a hello with what is expected of it: `own` is the hello of this
// side. Errors: FAILED_PRECONDITION, PERMISSION_DENIED, DATA_LOSS.
weft_status_t weft_shm_check_hello(const weft_shm_received_t* received,
                                   const weft_shm_hello_t* own);

void weft_shm_close_received(weft_shm_received_t* received);

#endif  // WEFT_LINK_SHM_HELLO_H_
