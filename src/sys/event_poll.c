// SPDX-License-Identifier: Apache-2.0

#include "sys/event_poll.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"

#define WAKE_TAG UINT64_MAX

static weft_status_t failed(int error, const char* what) {
  if (error == EEXIST || error == EPERM || error == EBADF) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT, "%s: %s", what,
                            strerror(error));
  }
  const char* advice = "";
  if (error == EMFILE || error == ENFILE) {
    advice = "; raise the limit of open files (ulimit -n)";
  } else if (error == ENOSPC) {
    advice = "; raise fs.epoll.max_user_watches";
  }
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "%s: %s%s", what,
                          strerror(error), advice);
}

static struct epoll_event native(uint32_t events, uint64_t tag) {
  uint32_t bits = EPOLLRDHUP;
  bits |= (events & WEFT_EPOLL_READ) != 0 ? (uint32_t)EPOLLIN : 0;
  bits |= (events & WEFT_EPOLL_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0;
  bits |= (events & WEFT_EPOLL_EDGE) != 0 ? (uint32_t)EPOLLET : 0;
  return (struct epoll_event){.events = bits, .data = {.u64 = tag}};
}

static uint32_t from_native(uint32_t bits) {
  uint32_t events = 0;
  events |= (bits & EPOLLIN) != 0 ? (uint32_t)WEFT_EPOLL_READ : 0;
  events |= (bits & EPOLLOUT) != 0 ? (uint32_t)WEFT_EPOLL_WRITE : 0;
  events |= (bits & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0
                ? (uint32_t)WEFT_EPOLL_HANG_UP
                : 0;
  return events;
}

// --- Opening and closing ----------------------------------------------------

weft_status_t weft_epoll_open(weft_epoll_t* epoll) {
  *epoll = (weft_epoll_t){.descriptor = epoll_create1(EPOLL_CLOEXEC),
                          .wake_descriptor = -1,
                          .is_open = true};
  weft_status_t status = WEFT_OK;
  if (epoll->descriptor < 0) {
    status = failed(errno, "epoll");
  } else {
    epoll->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    status = epoll->wake_descriptor < 0
                 ? failed(errno, "eventfd")
                 : weft_epoll_add(epoll, epoll->wake_descriptor,
                                  WEFT_EPOLL_READ, WAKE_TAG);
  }
  if (status != WEFT_OK) {
    weft_epoll_close(epoll);
  }
  return status;
}

void weft_epoll_close(weft_epoll_t* epoll) {
  if (!epoll->is_open) {
    return;
  }
  if (epoll->wake_descriptor >= 0) {
    (void)close(epoll->wake_descriptor);
  }
  if (epoll->descriptor >= 0) {
    (void)close(epoll->descriptor);
  }
  epoll->is_open = false;
}

// --- Descriptors ------------------------------------------------------------

weft_status_t weft_epoll_add(weft_epoll_t* epoll, int descriptor,
                             uint32_t events, uint64_t tag) {
  struct epoll_event event = native(events, tag);
  return epoll_ctl(epoll->descriptor, EPOLL_CTL_ADD, descriptor, &event) == 0
             ? WEFT_OK
             : failed(errno, "a descriptor cannot be waited for");
}

void weft_epoll_change(weft_epoll_t* epoll, int descriptor, uint32_t events,
                       uint64_t tag) {
  struct epoll_event event = native(events, tag);
  int error = epoll_ctl(epoll->descriptor, EPOLL_CTL_MOD, descriptor, &event);
  weft_assert(error == 0);
}

void weft_epoll_remove(weft_epoll_t* epoll, int descriptor) {
  // An error means that it is not there, which is what is asked for.
  (void)epoll_ctl(epoll->descriptor, EPOLL_CTL_DEL, descriptor, NULL);
}

// --- Waiting ----------------------------------------------------------------

size_t weft_epoll_wait(weft_epoll_t* epoll, int timeout_ms,
                       weft_epoll_event_t out_events[WEFT_EPOLL_EVENT_LIMIT],
                       bool* out_timed_out) {
  struct epoll_event events[WEFT_EPOLL_EVENT_LIMIT];
  int count =
      epoll_wait(epoll->descriptor, events, WEFT_EPOLL_EVENT_LIMIT, timeout_ms);
  weft_assert(count >= 0 || errno == EINTR);
  *out_timed_out = count == 0;
  size_t taken = 0;
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 == WAKE_TAG) {
      uint64_t times;
      (void)!read(epoll->wake_descriptor, &times, sizeof(times));
    } else {
      out_events[taken].tag = events[i].data.u64;
      out_events[taken].events = from_native(events[i].events);
      taken++;
    }
  }
  return taken;
}

void weft_epoll_wake(weft_epoll_t* epoll) {
  uint64_t once = 1;
  int saved = errno;
  // Can only fail when it was called 2^64 times since the last wait.
  (void)!write(epoll->wake_descriptor, &once, sizeof(once));
  errno = saved;
}
