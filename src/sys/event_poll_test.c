// SPDX-License-Identifier: Apache-2.0

#include "sys/event_poll.h"

#include <string.h>
#include <unistd.h>

#include "kit/kit.h"
#include "sys/unix_socket.h"

static char abcd[] = "abcd";

static void a_wait_ends_for_events_and_wake_ups(void** state) {
  (void)state;
  weft_epoll_t epoll;
  weft_epoll_event_t events[WEFT_EPOLL_EVENT_LIMIT];
  bool timed_out;
  int sockets[2];
  weft_kit_assert_ok(weft_epoll_open(&epoll));
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  weft_kit_assert_ok(
      weft_epoll_add(&epoll, sockets[0], WEFT_EPOLL_READ | WEFT_EPOLL_EDGE, 5));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_epoll_add(&epoll, sockets[0], 0, 6));
  assert_int_equal(0, weft_epoll_wait(&epoll, 0, events, &timed_out));
  assert_true(timed_out);
  weft_epoll_wake(&epoll);
  assert_int_equal(0, weft_epoll_wait(&epoll, -1, events, &timed_out));
  assert_false(timed_out);
  const weft_socket_message_t message = {.data = abcd, .size_bytes = 1};
  weft_kit_assert_ok(weft_socket_send(sockets[1], &message));
  assert_int_equal(1, weft_epoll_wait(&epoll, -1, events, &timed_out));
  assert_int_equal(5, events[0].tag);
  assert_int_equal(WEFT_EPOLL_READ, events[0].events);
  // Told once.
  assert_int_equal(0, weft_epoll_wait(&epoll, 0, events, &timed_out));
  weft_epoll_change(&epoll, sockets[0], WEFT_EPOLL_WRITE, 7);
  assert_int_equal(1, weft_epoll_wait(&epoll, -1, events, &timed_out));
  assert_int_equal(7, events[0].tag);
  assert_int_equal(WEFT_EPOLL_WRITE, events[0].events);
  weft_sys_close(sockets[1]);
  assert_int_equal(1, weft_epoll_wait(&epoll, -1, events, &timed_out));
  assert_true((events[0].events & WEFT_EPOLL_HANG_UP) != 0);
  weft_epoll_remove(&epoll, sockets[0]);
  assert_int_equal(0, weft_epoll_wait(&epoll, 0, events, &timed_out));
  weft_sys_close(sockets[0]);
  weft_epoll_close(&epoll);
  weft_epoll_close(&epoll);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wait_ends_for_events_and_wake_ups),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
