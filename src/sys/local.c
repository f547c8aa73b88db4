// SPDX-License-Identifier: Apache-2.0

#include "sys/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/sys.h"
#include "sys/unix_socket.h"

#define NS_PER_MS 1000000
// As many as may wait to be accepted.
#define BACKLOG 128

static weft_status_t exhausted(const char* what) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "%s: %s; raise the limit of open files (ulimit -n)",
                          what, strerrordesc_np(errno));
}

// --- Names ------------------------------------------------------------------

// Fills in an abstract address; returns its size, 0 when the name is too long.
static socklen_t address_of(const char* name, struct sockaddr_un* address) {
  size_t length = strlen(name);
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (length == 0 || length > WEFT_LOCAL_NAME_LIMIT) {
    return 0;
  }
  // The first byte stays NUL: that makes it abstract.
  memcpy(address->sun_path + 1, name, length);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static weft_status_t open_socket(const char* name, struct sockaddr_un* address,
                                 socklen_t* out_size, int* out_socket) {
  *out_size = address_of(name, address);
  if (*out_size == 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the name of a socket has %zu bytes; 1 to %d are "
                            "possible",
                            strlen(name), WEFT_LOCAL_NAME_LIMIT);
  }
  int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
  *out_socket = socket(AF_UNIX, type, 0);
  return *out_socket >= 0 ? WEFT_OK : exhausted("a socket cannot be made");
}

weft_status_t weft_local_listen(const char* name, int* out_socket) {
  *out_socket = -1;
  struct sockaddr_un address;
  socklen_t size;
  int listener = -1;
  weft_status_t status = open_socket(name, &address, &size, &listener);
  if (status == WEFT_OK &&
      (bind(listener, (const struct sockaddr*)&address, size) != 0 ||
       listen(listener, BACKLOG) != 0)) {
    status = errno == EADDRINUSE
                 ? weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                                    "somebody listens at @%s already", name)
                 : exhausted("a socket cannot listen");
  }
  if (status != WEFT_OK) {
    weft_sys_close(listener);
    return status;
  }
  *out_socket = listener;
  return WEFT_OK;
}

static weft_status_t connect_error(const char* name) {
  switch (errno) {
    case ECONNREFUSED:
    case ENOENT:
      return weft_status_make(WEFT_STATUS_NOT_FOUND, "nobody listens at @%s",
                              name);
    case EAGAIN:
      return weft_status_make(WEFT_STATUS_UNAVAILABLE,
                              "too many wait to be accepted at @%s", name);
    case EACCES:
    case EPERM:
      return weft_status_make(WEFT_STATUS_PERMISSION_DENIED,
                              "the system refuses a connection to @%s", name);
    default:
      return exhausted("a socket cannot be connected");
  }
}

weft_status_t weft_local_connect(const char* name, int* out_socket) {
  *out_socket = -1;
  struct sockaddr_un address;
  socklen_t size;
  int socket = -1;
  weft_status_t status = open_socket(name, &address, &size, &socket);
  if (status == WEFT_OK &&
      connect(socket, (const struct sockaddr*)&address, size) != 0) {
    status = connect_error(name);
  }
  if (status != WEFT_OK) {
    weft_sys_close(socket);
    return status;
  }
  *out_socket = socket;
  return WEFT_OK;
}

weft_status_t weft_local_accept(int listener, int* out_socket) {
  *out_socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (*out_socket >= 0) {
    return WEFT_OK;
  }
  return errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                 errno == ENOBUFS
             ? exhausted("a connection cannot be accepted")
             : weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
}

int weft_local_spare(void) {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// --- Sockets ----------------------------------------------------------------

static bool has_option(int socket, int option, int wanted) {
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 &&
         value == wanted;
}

bool weft_local_peer(int socket, weft_local_peer_t* out_peer) {
  *out_peer = (weft_local_peer_t){UINT32_MAX, 0};
  struct ucred credentials = {0};
  socklen_t size = sizeof(credentials);
  if (!has_option(socket, SO_DOMAIN, AF_UNIX) ||
      !has_option(socket, SO_TYPE, SOCK_SEQPACKET) ||
      getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return false;
  }
  out_peer->user_id = credentials.uid;
  out_peer->process_id = (uint32_t)credentials.pid;
  // What was never connected has no credentials.
  return credentials.uid != UINT32_MAX;
}

uint64_t weft_local_inode(int socket) {
  struct stat stat;
  bool is_socket = fstat(socket, &stat) == 0 && S_ISSOCK(stat.st_mode);
  return is_socket ? (uint64_t)stat.st_ino : 0;
}

bool weft_local_is_writable(int socket) {
  struct pollfd wanted = {.fd = socket, .events = POLLOUT};
  return poll(&wanted, 1, 0) > 0;
}

bool weft_local_wait_readable(int socket, int64_t deadline_ns) {
  struct pollfd wanted = {.fd = socket, .events = POLLIN};
  while (true) {
    int64_t left_ns = deadline_ns - weft_sys_now_ns();
    int wait_ms = 0;
    if (deadline_ns == WEFT_TIME_INFINITE) {
      wait_ms = -1;
    } else if (left_ns > 0) {
      // A longer wait is taken in parts.
      int64_t left_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
      wait_ms = left_ms < NS_PER_MS ? (int)left_ms : NS_PER_MS;
    }
    if (poll(&wanted, 1, wait_ms) > 0) {
      return true;
    }
    if (wait_ms == 0) {
      return false;
    }
  }
}

// --- The system -------------------------------------------------------------

weft_status_t weft_sys_random(uint64_t* out_number) {
  *out_number = 0;
  ssize_t size;
  do {
    size = getrandom(out_number, sizeof(*out_number), 0);
  } while (size < 0 && errno == EINTR);
  if (size != (ssize_t)sizeof(*out_number)) {
    return weft_status_make(WEFT_STATUS_UNAVAILABLE,
                            "the system gives no random numbers: %s",
                            strerrordesc_np(errno));
  }
  return WEFT_OK;
}

const char* weft_sys_signal_text(int number) {
  const char* text = sigdescr_np(number);
  return text != NULL ? text : "unknown signal";
}
