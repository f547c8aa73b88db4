// SPDX-License-Identifier: Apache-2.0

#include "sys/unix_socket.h"

#include <string.h>
#include <unistd.h>

#include "kit/kit.h"

static char abcd[] = "abcd";

static weft_status_t receive(int socket, void* data, size_t size_bytes,
                             weft_socket_message_t* out_message) {
  *out_message =
      (weft_socket_message_t){.data = data, .size_bytes = size_bytes};
  return weft_socket_receive(socket, out_message);
}

static void messages_come_whole_and_in_order(void** state) {
  (void)state;
  int sockets[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  char text[16];
  weft_socket_message_t message;
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         receive(sockets[1], text, sizeof(text), &message));
  for (size_t i = 1; i < 4; i++) {
    const weft_socket_message_t sent = {.data = abcd, .size_bytes = i};
    weft_kit_assert_ok(weft_socket_send(sockets[0], &sent));
  }
  for (size_t i = 1; i < 4; i++) {
    weft_kit_assert_ok(receive(sockets[1], text, sizeof(text), &message));
    assert_int_equal(i, message.size_bytes);
    assert_memory_equal("abcd", text, i);
    assert_false(message.is_cut);
  }
  weft_sys_close(sockets[0]);
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         receive(sockets[1], text, sizeof(text), &message));
  const weft_socket_message_t late = {.data = abcd, .size_bytes = 4};
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED,
                         weft_socket_send(sockets[1], &late));
  weft_sys_close(sockets[1]);
}

static void descriptors_and_the_sender_come_along(void** state) {
  (void)state;
  int sockets[2];
  int ends[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  assert_int_equal(0, pipe(ends));
  const weft_socket_message_t sent = {.data = abcd,
                                      .size_bytes = 1,
                                      .descriptors = {ends[0], ends[1]},
                                      .descriptor_count = 2,
                                      .is_stamped = true};
  weft_kit_assert_ok(weft_socket_send(sockets[0], &sent));
  char byte;
  weft_socket_message_t message;
  weft_kit_assert_ok(receive(sockets[1], &byte, 1, &message));
  assert_int_equal(2, message.descriptor_count);
  assert_true(message.is_stamped);
  assert_int_equal(getpid(), message.process);
  assert_int_equal(weft_sys_user_id(), message.user);
  assert_int_equal(1, write(message.descriptors[1], "y", 1));
  assert_int_equal(1, read(ends[0], &byte, 1));
  assert_int_equal('y', byte);
  for (int i = 0; i < 2; i++) {
    weft_sys_close(ends[i]);
    weft_sys_close(message.descriptors[i]);
    weft_sys_close(sockets[i]);
  }
}

static void what_finds_no_room_is_cut(void** state) {
  (void)state;
  int sockets[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  const weft_socket_message_t sent = {.data = abcd, .size_bytes = 4};
  weft_kit_assert_ok(weft_socket_send(sockets[0], &sent));
  char text[2];
  weft_socket_message_t message;
  weft_kit_assert_ok(receive(sockets[1], text, sizeof(text), &message));
  assert_true(message.is_cut);
  weft_sys_close(sockets[0]);
  weft_sys_close(sockets[1]);
}

static void what_came_before_a_reset_is_received(void** state) {
  (void)state;
  int sockets[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  const weft_socket_message_t sent = {.data = abcd, .size_bytes = 4};
  weft_kit_assert_ok(weft_socket_send(sockets[0], &sent));
  weft_kit_assert_ok(weft_socket_send(sockets[1], &sent));
  // Closed with something unread, it resets the other end.
  weft_sys_close(sockets[0]);
  char text[4];
  weft_socket_message_t message;
  weft_kit_assert_ok(receive(sockets[1], text, sizeof(text), &message));
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         receive(sockets[1], text, sizeof(text), &message));
  weft_sys_close(sockets[1]);
}

static void only_sockets_of_the_kind_are_prepared(void** state) {
  (void)state;
  int sockets[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_STREAM, sockets));
  weft_kit_assert_ok(weft_socket_prepare(sockets[0], WEFT_SOCKET_STREAM));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "SOCK_SEQPACKET",
      weft_socket_prepare(sockets[0], WEFT_SOCKET_PACKETS));
  int ends[2];
  assert_int_equal(0, pipe(ends));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_socket_prepare(ends[0], WEFT_SOCKET_STREAM));
  for (int i = 0; i < 2; i++) {
    weft_sys_close(ends[i]);
    weft_sys_close(sockets[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_come_whole_and_in_order),
      cmocka_unit_test(descriptors_and_the_sender_come_along),
      cmocka_unit_test(what_finds_no_room_is_cut),
      cmocka_unit_test(what_came_before_a_reset_is_received),
      cmocka_unit_test(only_sockets_of_the_kind_are_prepared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
