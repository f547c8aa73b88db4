// SPDX-License-Identifier: Apache-2.0
//
// How processes of one host find each other: sockets of messages with abstract
// names, which live as long as the socket and in no file system. The kernel
// says who is at the other end.

#ifndef WEFT_SYS_LOCAL_H_
#define WEFT_SYS_LOCAL_H_

#include "weft/common.h"
#include "weft/status.h"

// The longest abstract name. Units: bytes.
#define WEFT_LOCAL_NAME_LIMIT 107

// --- Names ------------------------------------------------------------------

// Listens at an abstract name, which is given without its leading NUL.
// Errors: INVALID_ARGUMENT; ALREADY_EXISTS when somebody does;
// RESOURCE_EXHAUSTED.
weft_status_t weft_local_listen(const char* name, int* out_socket);

// Connects to whoever listens there. Blocks: no.
// Errors: INVALID_ARGUMENT; NOT_FOUND when nobody does; UNAVAILABLE when too
// many wait to be accepted; PERMISSION_DENIED; RESOURCE_EXHAUSTED.
weft_status_t weft_local_connect(const char* name, int* out_socket);

// The next one that connected. Blocks: no.
// Errors: WOULD_BLOCK (a code alone) when there is none; RESOURCE_EXHAUSTED
// when it cannot have a descriptor: it is still there then.
weft_status_t weft_local_accept(int listener, int* out_socket);

// A descriptor of nothing, kept to be given up when there is no other. -1 when
// there is none.
int weft_local_spare(void);

// --- Sockets ----------------------------------------------------------------

// Who made the other end, by the kernel's word.
typedef struct weft_local_peer {
  uint32_t user_id;
  uint32_t process_id;
} weft_local_peer_t;

// False when it is no Unix socket of messages that is connected.
bool weft_local_peer(int socket, weft_local_peer_t* out_peer);

// The number by which the kernel tells this socket from all others; 0 when it
// is no socket.
uint64_t weft_local_inode(int socket);

// True when a message could be sent, or the other end is closed.
bool weft_local_is_writable(int socket);

// Waits until something can be received, or `deadline_ns`: false then.
bool weft_local_wait_readable(int socket, int64_t deadline_ns);

// --- The system -------------------------------------------------------------

// A number that nobody can guess. Errors: UNAVAILABLE.
weft_status_t weft_sys_random(uint64_t* out_number);

// What a signal does, in words, as "Killed"; never NULL.
const char* weft_sys_signal_text(int number);

#endif  // WEFT_SYS_LOCAL_H_
