// SPDX-License-Identifier: Apache-2.0
//
// Unix sockets between processes of one host: messages, and with them
// descriptors and the sender's process and user, which the kernel vouches for.
// Sockets here never block, and are closed by exec.

#ifndef WEFT_SYS_UNIX_SOCKET_H_
#define WEFT_SYS_UNIX_SOCKET_H_

#include "weft/status.h"

typedef enum weft_socket_kind {
  // Bytes in order.
  WEFT_SOCKET_STREAM = 0,
  // Messages in order, each whole.
  WEFT_SOCKET_PACKETS = 1
} weft_socket_kind_t;

// A message has at most this many descriptors.
#define WEFT_SOCKET_DESCRIPTOR_LIMIT 4

typedef struct weft_socket_message {
  // Its bytes. To receive: where to put them, and how many there is room for;
  // then how many came.
  void* data;
  size_t size_bytes;
  int descriptors[WEFT_SOCKET_DESCRIPTOR_LIMIT];
  uint32_t descriptor_count;
  // To send: names the sender. Received: somebody is named below.
  bool is_stamped;
  // Bytes or descriptors did not find room. Descriptors are also lost when
  // this process may not open any more.
  bool is_cut;
  // Of the sender; the kernel has seen to it that they are true. A process
  // that this one cannot see is 0.
  uint32_t process;
  uint32_t user;
} weft_socket_message_t;

// Two sockets that are connected with each other.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_socket_pair(weft_socket_kind_t kind, int out_sockets[2]);

// Makes a socket that came from elsewhere one of the kind above: it does not
// block, is closed by exec, and learns who sends. Errors: INVALID_ARGUMENT for
// what is no Unix socket of this kind.
weft_status_t weft_socket_prepare(int socket, weft_socket_kind_t kind);

// Sends a message; its descriptors stay the caller's.
// Errors: WOULD_BLOCK (a code alone); PEER_DIED when the other end is closed;
// RESOURCE_EXHAUSTED.
weft_status_t weft_socket_send(int socket,
                               const weft_socket_message_t* message);

// Takes the next message, or what there is of a stream. Owns: the descriptors
// that came are the caller's.
// Errors: WOULD_BLOCK (a code alone) when there is none; CLOSED (a code alone)
// when there will be none.
weft_status_t weft_socket_receive(int socket, weft_socket_message_t* message);

// The other end hears at once that this one is closed; nothing can be sent or
// received any more, but what has come already.
void weft_socket_shutdown(int socket);

// Closes a descriptor, whatever it is. -1 is fine.
void weft_sys_close(int descriptor);

// Whether this process may open so many more descriptors now.
bool weft_sys_may_open(uint32_t count);

// The user whose rights this process has.
uint32_t weft_sys_user_id(void);

#endif  // WEFT_SYS_UNIX_SOCKET_H_
