// SPDX-License-Identifier: Apache-2.0

#include "sys/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"

// What comes beside the bytes: who sends, and descriptors.
typedef union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(struct ucred)) +
             CMSG_SPACE(sizeof(int) * WEFT_SOCKET_DESCRIPTOR_LIMIT)];
} control_t;

static int native_kind(weft_socket_kind_t kind) {
  return kind == WEFT_SOCKET_PACKETS ? SOCK_SEQPACKET : SOCK_STREAM;
}

static weft_status_t failed(int error, const char* what) {
  if (error == EAGAIN) {
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  if (error == EPIPE || error == ECONNRESET || error == ENOTCONN) {
    return weft_status_make(WEFT_STATUS_PEER_DIED,
                            "%s: the other end is closed", what);
  }
  if (error == EMFILE || error == ENFILE || error == ETOOMANYREFS) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "%s: %s; raise the limit of open files (ulimit -n)",
                            what, strerror(error));
  }
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "%s: %s", what,
                          strerror(error));
}

// --- Making -----------------------------------------------------------------

static weft_status_t learn_senders(int socket) {
  int on = 1;
  return setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0
             ? WEFT_OK
             : failed(errno, "a socket");
}

weft_status_t weft_socket_pair(weft_socket_kind_t kind, int out_sockets[2]) {
  out_sockets[0] = -1;
  out_sockets[1] = -1;
  int sockets[2];
  if (socketpair(AF_UNIX, native_kind(kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                 sockets) != 0) {
    return failed(errno, "a pair of sockets");
  }
  weft_status_t status = learn_senders(sockets[0]);
  if (status == WEFT_OK) {
    status = learn_senders(sockets[1]);
  }
  if (status != WEFT_OK) {
    weft_sys_close(sockets[0]);
    weft_sys_close(sockets[1]);
    return status;
  }
  out_sockets[0] = sockets[0];
  out_sockets[1] = sockets[1];
  return WEFT_OK;
}

static bool is_of_kind(int socket, weft_socket_kind_t kind) {
  int domain = 0;
  int type = 0;
  socklen_t length = sizeof(int);
  if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 ||
      domain != AF_UNIX) {
    return false;
  }
  length = sizeof(int);
  return getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
         type == native_kind(kind);
}

weft_status_t weft_socket_prepare(int socket, weft_socket_kind_t kind) {
  if (!is_of_kind(socket, kind)) {
    return weft_status_make(
        WEFT_STATUS_INVALID_ARGUMENT,
        "descriptor %d is no Unix socket of type %s", socket,
        kind == WEFT_SOCKET_PACKETS ? "SOCK_SEQPACKET" : "SOCK_STREAM");
  }
  int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(socket, F_SETFD, FD_CLOEXEC) != 0) {
    return failed(errno, "a socket");
  }
  return learn_senders(socket);
}

// --- Sending ----------------------------------------------------------------

static void put_control(struct msghdr* head, control_t* control,
                        const weft_socket_message_t* message) {
  memset(control, 0, sizeof(*control));
  head->msg_control = control->bytes;
  head->msg_controllen = sizeof(control->bytes);
  struct cmsghdr* part = CMSG_FIRSTHDR(head);
  size_t used = 0;
  if (message->is_stamped) {
    const struct ucred self = {
        .pid = getpid(), .uid = geteuid(), .gid = getegid()};
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_CREDENTIALS;
    part->cmsg_len = CMSG_LEN(sizeof(self));
    memcpy(CMSG_DATA(part), &self, sizeof(self));
    used += CMSG_SPACE(sizeof(self));
    part = CMSG_NXTHDR(head, part);
  }
  if (message->descriptor_count > 0) {
    size_t size_bytes = sizeof(int) * message->descriptor_count;
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(size_bytes);
    memcpy(CMSG_DATA(part), message->descriptors, size_bytes);
    used += CMSG_SPACE(size_bytes);
  }
  head->msg_controllen = used;
}

weft_status_t weft_socket_send(int socket,
                               const weft_socket_message_t* message) {
  weft_assert(message->descriptor_count <= WEFT_SOCKET_DESCRIPTOR_LIMIT);
  struct iovec part = {message->data, message->size_bytes};
  struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
  control_t control;
  if (message->is_stamped || message->descriptor_count > 0) {
    put_control(&head, &control, message);
  }
  ssize_t count = 0;
  do {
    count = sendmsg(socket, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    return failed(errno, "a message cannot be sent");
  }
  return WEFT_OK;
}

// --- Receiving --------------------------------------------------------------

static void take_descriptors(weft_socket_message_t* message,
                             const struct cmsghdr* part) {
  size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; i++) {
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
    if (message->descriptor_count < WEFT_SOCKET_DESCRIPTOR_LIMIT) {
      message->descriptors[message->descriptor_count++] = descriptor;
    } else {
      message->is_cut = true;
      weft_sys_close(descriptor);
    }
  }
}

static void take_control(weft_socket_message_t* message, struct msghdr* head) {
  for (struct cmsghdr* part = CMSG_FIRSTHDR(head); part != NULL;
       part = CMSG_NXTHDR(head, part)) {
    if (part->cmsg_level != SOL_SOCKET) {
      continue;
    }
    if (part->cmsg_type == SCM_RIGHTS) {
      take_descriptors(message, part);
    } else if (part->cmsg_type == SCM_CREDENTIALS &&
               part->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
      struct ucred sender;
      memcpy(&sender, CMSG_DATA(part), sizeof(sender));
      message->is_stamped = true;
      message->process = sender.pid > 0 ? (uint32_t)sender.pid : 0;
      message->user = sender.uid;
    }
  }
}

weft_status_t weft_socket_receive(int socket, weft_socket_message_t* message) {
  struct iovec part = {message->data, message->size_bytes};
  control_t control;
  struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
  message->size_bytes = 0;
  message->descriptor_count = 0;
  message->is_stamped = false;
  message->is_cut = false;
  ssize_t count = 0;
  do {
    head.msg_control = control.bytes;
    head.msg_controllen = sizeof(control.bytes);
    count = recvmsg(socket, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // A reset is told once, ahead of messages that came before it.
  } while (count < 0 && (errno == EINTR || errno == ECONNRESET));
  if (count < 0) {
    return errno == EAGAIN ? weft_status_from_code(WEFT_STATUS_WOULD_BLOCK)
                           : weft_status_from_code(WEFT_STATUS_CLOSED);
  }
  take_control(message, &head);
  message->size_bytes = (size_t)count;
  message->is_cut |= (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  // An empty message with descriptors is one; without, it is the end.
  return count == 0 && message->descriptor_count == 0
             ? weft_status_from_code(WEFT_STATUS_CLOSED)
             : WEFT_OK;
}

void weft_socket_shutdown(int socket) {
  (void)shutdown(socket, SHUT_RDWR);
}

// --- Descriptors ------------------------------------------------------------

void weft_sys_close(int descriptor) {
  if (descriptor >= 0) {
    (void)close(descriptor);
  }
}

bool weft_sys_may_open(uint32_t count) {
  int descriptor = eventfd(0, EFD_CLOEXEC);
  bool may_open =
      descriptor >= 0 && (count <= 1 || weft_sys_may_open(count - 1));
  weft_sys_close(descriptor);
  return may_open;
}

uint32_t weft_sys_user_id(void) {
  return (uint32_t)geteuid();
}
