// SPDX-License-Identifier: Apache-2.0

#include "sys/local.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/sys.h"
#include "sys/unix_socket.h"
#include "tests/kit/kit.h"

static void name_of_test(char* name, size_t capacity) {
  (void)snprintf(name, capacity, "weft-local-test-%d", getpid());
}

static void a_name_leads_to_whoever_listens(void** state) {
  (void)state;
  char name[64];
  name_of_test(name, sizeof(name));
  int listener = -1;
  int client = -1;
  int server = -1;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_local_connect(name, &client));
  weft_kit_assert_ok(weft_local_listen(name, &listener));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_local_listen(name, &server));
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         weft_local_accept(listener, &server));
  assert_int_equal(-1, server);
  weft_kit_assert_ok(weft_local_connect(name, &client));
  weft_kit_assert_ok(weft_local_accept(listener, &server));
  for (int i = 0; i < 2; i++) {
    weft_local_peer_t peer;
    assert_true(weft_local_peer(i == 0 ? client : server, &peer));
    assert_int_equal(geteuid(), peer.user_id);
    assert_int_equal(getpid(), peer.process_id);
  }
  assert_true(weft_local_is_writable(client));
  assert_false(weft_local_wait_readable(client, 0));
  assert_int_equal(1, write(server, "x", 1));
  assert_true(weft_local_wait_readable(client, WEFT_TIME_INFINITE));
  close(server);
  close(client);
  close(listener);
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_local_connect(name, &client));
}

static void names_that_cannot_be_are_refused(void** state) {
  (void)state;
  char name[WEFT_LOCAL_NAME_LIMIT + 2];
  memset(name, 'x', sizeof(name));
  name[sizeof(name) - 1] = '\0';
  int socket = -1;
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_local_listen(name, &socket));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_local_connect("", &socket));
  name[WEFT_LOCAL_NAME_LIMIT] = '\0';
  weft_kit_assert_ok(weft_local_listen(name, &socket));
  close(socket);
}

static void too_many_that_wait_are_told_to_come_again(void** state) {
  (void)state;
  char name[64];
  name_of_test(name, sizeof(name));
  int listener = -1;
  weft_kit_assert_ok(weft_local_listen(name, &listener));
  int sockets[512];
  size_t count = 0;
  weft_status_code_t code = WEFT_STATUS_OK;
  while (code == WEFT_STATUS_OK && count < 512) {
    code = weft_status_ignore(weft_local_connect(name, &sockets[count]));
    count += code == WEFT_STATUS_OK ? 1 : 0;
  }
  assert_int_equal(WEFT_STATUS_UNAVAILABLE, code);
  while (count > 0) {
    close(sockets[--count]);
  }
  close(listener);
}

static void what_is_no_socket_of_messages_has_no_peer(void** state) {
  (void)state;
  weft_local_peer_t peer;
  int ends[2];
  assert_int_equal(0, pipe(ends));
  assert_false(weft_local_peer(ends[0], &peer));
  assert_false(weft_local_peer(-1, &peer));
  assert_true(weft_local_inode(ends[0]) == 0);
  assert_true(weft_local_inode(-1) == 0);
  close(ends[0]);
  close(ends[1]);
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_STREAM, ends));
  assert_false(weft_local_peer(ends[0], &peer));
  assert_true(weft_local_inode(ends[0]) != weft_local_inode(ends[1]));
  close(ends[0]);
  close(ends[1]);
}

static void an_end_that_is_closed_is_writable(void** state) {
  (void)state;
  int ends[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
  char bytes[256] = "x";
  while (write(ends[0], bytes, sizeof(bytes)) > 0) {
  }
  assert_false(weft_local_is_writable(ends[0]));
  close(ends[1]);
  assert_true(weft_local_is_writable(ends[0]));
  assert_true(weft_local_wait_readable(ends[0], WEFT_TIME_INFINITE));
  close(ends[0]);
}

static void random_numbers_differ(void** state) {
  (void)state;
  uint64_t a = 0;
  uint64_t b = 0;
  weft_kit_assert_ok(weft_sys_random(&a));
  weft_kit_assert_ok(weft_sys_random(&b));
  assert_true(a != b);
}

static void signals_have_words(void** state) {
  (void)state;
  assert_string_equal("Killed", weft_sys_signal_text(SIGKILL));
  assert_string_equal("unknown signal", weft_sys_signal_text(12345));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_leads_to_whoever_listens),
      cmocka_unit_test(names_that_cannot_be_are_refused),
      cmocka_unit_test(too_many_that_wait_are_told_to_come_again),
      cmocka_unit_test(what_is_no_socket_of_messages_has_no_peer),
      cmocka_unit_test(an_end_that_is_closed_is_writable),
      cmocka_unit_test(random_numbers_differ),
      cmocka_unit_test(signals_have_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
