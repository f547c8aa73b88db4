// SPDX-License-Identifier: Apache-2.0
//
// A process is killed after each instruction of what it does with a link, one
// run an instruction (fewer in a usual test run), until a run gets to the end.
// Whatever was delivered is whole and in order, and the survivor hears of the
// death.

#include <sys/ptrace.h>

#include "base/sanitizer.h"
#include "link/shm/shm_kit.h"

#define FRAMES 3
#define FRAME_BYTES 200

// A whole run takes so many parts, each with other instructions.
#define PARTS 20

// Instructions until the next point at which the child is killed: in a usual
// test run more and more.
static uint64_t stride(uint64_t steps) {
  return weft_kit_is_whole() ? PARTS : 1 + steps / weft_kit_amount(5);
}

// From here on the parent counts instructions.
static void begin_steps(void) {
  (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  (void)raise(SIGSTOP);
}

static void await_attached(weft_one_end_t* one) {
  while (weft_shm_peer_process(one->link) == 0) {
    weft_side_poll(&one->side);
  }
}

// --- What the child does ----------------------------------------------------

static void write_some(weft_one_end_t* one) {
  for (uint64_t i = 0; i < FRAMES; i++) {
    void* data;
    weft_kit_assert_ok(
        weft_link_reserve(one->link, FRAME_BYTES, WEFT_LINK_ORDINARY, &data));
    weft_pair_fill(data, FRAME_BYTES, i);
    weft_link_commit(one->link, FRAME_BYTES);
    if (i == 1) {
      weft_kit_assert_ok(weft_link_send_descriptor(one->link, 7, 0));
    }
    weft_link_flush(one->link);
  }
}

static void open_and_die(int socket) {
  begin_steps();
  weft_one_end_t one;
  weft_one_open(&one, 1, socket);
  (void)kill(getpid(), SIGKILL);
}

static void write_and_die(int socket) {
  weft_one_end_t one;
  weft_one_open(&one, 1, socket);
  await_attached(&one);
  begin_steps();
  write_some(&one);
  (void)kill(getpid(), SIGKILL);
}

static void read_and_die(int socket) {
  weft_one_end_t one;
  weft_one_open(&one, 1, socket);
  await_attached(&one);
  begin_steps();
  for (int i = 0; i < 20; i++) {
    weft_side_poll(&one.side);
    weft_bell_t bell;
    weft_progress_t* progress = weft_shm_progress(one.side.shm);
    if (progress->vtable->arm(progress, WEFT_SLEEPER_IDLE, &bell)) {
      progress->vtable->disarm(progress, WEFT_SLEEPER_IDLE);
    }
  }
  (void)kill(getpid(), SIGKILL);
}

static void close_and_die(int socket) {
  weft_one_end_t one;
  weft_one_open(&one, 1, socket);
  await_attached(&one);
  begin_steps();
  write_some(&one);
  weft_link_close(one.link, WEFT_OK);
  (void)kill(getpid(), SIGKILL);
}

// --- The sweep --------------------------------------------------------------

// Lets the child make `steps` steps, then kills it. True if it was dead by
// itself before.
static bool step_and_kill(pid_t child, uint64_t steps) {
  int how;
  assert_int_equal(child, waitpid(child, &how, 0));
  assert_true(WIFSTOPPED(how));
  // Should this test fail, the child is not to stay.
  (void)ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL);
  for (uint64_t i = 0; i < steps && WIFSTOPPED(how); i++) {
    assert_int_equal(0, ptrace(PTRACE_SINGLESTEP, child, NULL, NULL));
    assert_int_equal(child, waitpid(child, &how, 0));
  }
  bool is_over = !WIFSTOPPED(how);
  if (!is_over) {
    (void)kill(child, SIGKILL);
    assert_int_equal(child, waitpid(child, &how, 0));
  }
  return is_over;
}

static void check_survivor(weft_one_end_t* one, bool may_be_closed) {
  while (!weft_notes_is_closed(&one->notes)) {
    weft_side_poll(&one->side);
    (void)sched_yield();
  }
  weft_status_code_t code = weft_status_code(one->notes.reason);
  assert_true(code == WEFT_STATUS_PEER_DIED ||
              (may_be_closed && code == WEFT_STATUS_CLOSED));
  assert_true(one->notes.frame_count <= FRAMES);
  if (one->notes.frame_count > 1) {
    assert_int_equal(1, one->notes.descriptor_count);
    assert_true(one->notes.descriptor_after[0] <= 1);
  }
  for (uint64_t i = 0; i < one->notes.frame_count; i++) {
    unsigned char came[WEFT_LINK_FRAME_LIMIT];
    unsigned char wanted[FRAME_BYTES];
    uint32_t came_bytes;
    assert_true(weft_notes_next(&one->notes, came, &came_bytes));
    assert_int_equal(FRAME_BYTES, came_bytes);
    weft_pair_fill(wanted, FRAME_BYTES, i);
    assert_memory_equal(wanted, came, FRAME_BYTES);
  }
}

static void sweep(void (*body)(int socket), bool writes_to_it,
                  bool may_be_closed) {
  if (WEFT_SANITIZER) {
    // Their own threads and checks cannot be stepped.
    skip();
  }
  bool is_over = false;
  uint64_t points = 0;
  uint64_t first = 1 + weft_kit_seeds(1).first % PARTS;
  for (uint64_t steps = first; !is_over; steps += stride(steps)) {
    int socket;
    pid_t child = weft_side_fork(body, &socket);
    weft_one_end_t one;
    weft_one_open(&one, 0, socket);
    if (writes_to_it) {
      write_some(&one);
    }
    is_over = step_and_kill(child, steps);
    check_survivor(&one, may_be_closed);
    weft_one_close(&one);
    points++;
  }
  weft_kit_say_amount("instructions", points);
}

static void killed_while_it_opens(void** state) {
  (void)state;
  sweep(open_and_die, false, false);
}

static void killed_while_it_writes(void** state) {
  (void)state;
  sweep(write_and_die, false, false);
}

static void killed_while_it_reads(void** state) {
  (void)state;
  sweep(read_and_die, true, false);
}

static void killed_while_it_closes(void** state) {
  (void)state;
  sweep(close_and_die, false, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(killed_while_it_opens),
      cmocka_unit_test(killed_while_it_writes),
      cmocka_unit_test(killed_while_it_reads),
      cmocka_unit_test(killed_while_it_closes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
