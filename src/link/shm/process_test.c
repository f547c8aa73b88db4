// SPDX-License-Identifier: Apache-2.0
//
// Two processes: frames cross, and a death is told.

#include "link/shm/shm_kit.h"

static void await_end(weft_one_end_t* one) {
  while (!weft_notes_is_closed(&one->notes)) {
    weft_side_poll(&one->side);
    (void)sched_yield();
  }
}

// Another thread may be telling the sink of the end still: behind that the link
// refuses.
static weft_status_t await_refusal(weft_link_t* link) {
  weft_status_t status;
  void* data;
  do {
    status = weft_link_reserve(link, 8, WEFT_LINK_RESERVED, &data);
  } while (status == WEFT_OK);
  return status;
}

// --- Bodies of children -----------------------------------------------------

static void echo_own(weft_notes_t* notes, const void* data, size_t size_bytes) {
  weft_one_end_t* one = notes->user;
  weft_notes_t answering = {.user = one->link};
  echo(&answering, data, size_bytes);
  assert_null(answering.fault);
}

static void echo_until_closed(int socket) {
  weft_one_end_t one;
  weft_notes_init(&one.notes);
  weft_notes_answer(&one.notes, echo_own, &one);
  weft_one_open_noted(&one, 1, socket);
  await_end(&one);
  weft_one_close(&one);
}

#define LAST_WORDS 1000

static void talk_and_die(int socket) {
  weft_one_end_t one;
  weft_one_open(&one, 1, socket);
  for (uint64_t i = 0; i < LAST_WORDS; i++) {
    void* data;
    weft_kit_assert_ok(
        weft_link_reserve(one.link, 100, WEFT_LINK_ORDINARY, &data));
    weft_pair_fill(data, 100, i);
    weft_link_commit(one.link, 100);
  }
  weft_link_flush(one.link);
  (void)kill(getpid(), SIGKILL);
}

// The test has its other end: what reads from it lives as long.
static int lifeline[2];

// A child of its own lives on, and holds the socket open.
static void fork_talk_and_die(int socket) {
  (void)close(lifeline[1]);
  if (fork() == 0) {
    char nothing;
    (void)!read(lifeline[0], &nothing, 1);
    _exit(0);
  }
  talk_and_die(socket);
}

static void die_at_once(int socket) {
  (void)socket;
  (void)kill(getpid(), SIGKILL);
}

// --- Tests ------------------------------------------------------------------

static void frames_cross_between_processes(void** state) {
  (void)state;
  int socket;
  pid_t child = weft_side_fork(echo_until_closed, &socket);
  weft_one_end_t one;
  weft_one_open(&one, 0, socket);
  for (uint64_t i = 0; i < 1000; i++) {
    size_t size_bytes = 8 + i * 13 % 3000;
    void* data;
    weft_kit_assert_ok(
        weft_link_reserve(one.link, size_bytes, WEFT_LINK_ORDINARY, &data));
    weft_pair_fill(data, size_bytes, i);
    weft_link_commit(one.link, size_bytes);
    weft_link_flush(one.link);
    while (weft_notes_frames(&one.notes) <= i) {
      weft_side_poll(&one.side);
    }
    unsigned char came[WEFT_LINK_FRAME_LIMIT];
    unsigned char wanted[WEFT_LINK_FRAME_LIMIT];
    uint32_t came_bytes = 0;
    assert_true(weft_notes_next(&one.notes, came, &came_bytes));
    assert_int_equal(size_bytes, came_bytes);
    weft_pair_fill(wanted, size_bytes, i);
    assert_memory_equal(wanted, came, size_bytes);
  }
  assert_int_equal(child, weft_shm_peer_process(one.link));
  weft_link_close(one.link, WEFT_OK);
  await_end(&one);
  weft_one_close(&one);
  weft_side_expect_exit(child, 0);
}

static void what_was_flushed_before_a_death_arrives(void** state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    int socket;
    pid_t child = weft_side_fork(talk_and_die, &socket);
    weft_one_end_t one;
    weft_one_open(&one, 0, socket);
    await_end(&one);
    assert_int_equal(LAST_WORDS, one.notes.frame_count);
    char text[64];
    (void)snprintf(text, sizeof(text), "rank 1 (process %d) died", child);
    weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, text,
                                weft_status_retain(one.notes.reason));
    weft_kit_assert_status(WEFT_STATUS_PEER_DIED, await_refusal(one.link));
    weft_one_close(&one);
    weft_side_expect_exit(child, SIGKILL);
  }
}

// Its death is known, and this side has not even read its hello.
static void a_link_to_the_dead_is_closed_behind_its_last_words(void** state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    int socket;
    assert_int_equal(0, pipe(lifeline));
    pid_t child = weft_side_fork(fork_talk_and_die, &socket);
    weft_side_expect_exit(child, SIGKILL);
    weft_one_end_t one;
    weft_one_open(&one, 0, socket);
    weft_link_close(one.link,
                    weft_status_make(WEFT_STATUS_PEER_DIED, "it fell over"));
    await_end(&one);
    assert_int_equal(LAST_WORDS, one.notes.frame_count);
    weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "it fell over",
                                weft_status_retain(one.notes.reason));
    weft_one_close(&one);
    (void)close(lifeline[0]);
    (void)close(lifeline[1]);
  }
}

static void a_death_before_the_hello_is_told(void** state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    int socket;
    pid_t child = weft_side_fork(die_at_once, &socket);
    weft_one_end_t one;
    weft_one_open(&one, 0, socket);
    await_end(&one);
    weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "before it said hello",
                                weft_status_retain(one.notes.reason));
    weft_one_close(&one);
    weft_side_expect_exit(child, SIGKILL);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_cross_between_processes),
      cmocka_unit_test(what_was_flushed_before_a_death_arrives),
      cmocka_unit_test(a_link_to_the_dead_is_closed_behind_its_last_words),
      cmocka_unit_test(a_death_before_the_hello_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
