// SPDX-License-Identifier: Apache-2.0

#include "job/host.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "job/job_kit.h"

static void assert_connected(int a, int b) {
  char text[8] = "";
  assert_int_equal(4, write(a, "weft", 4));
  assert_true(weft_local_wait_readable(b, job_kit_deadline_ns()));
  assert_int_equal(4, read(b, text, sizeof(text)));
  assert_string_equal("weft", text);
}

// --- Places -----------------------------------------------------------------

// Takes the place that the environment gives, if any.
static weft_job_client_t* take_place(const weft_job_child_t* child) {
  weft_job_client_t* client = NULL;
  assert_int_equal(0, setenv(WEFT_JOB_VARIABLE_DESCRIPTOR,
                             strchr(child->variable, '=') + 1, 1));
  weft_kit_assert_ok(
      weft_job_client_create(NULL, job_kit_deadline_ns(), &client));
  assert_int_equal(0, unsetenv(WEFT_JOB_VARIABLE_DESCRIPTOR));
  return client;
}

static void a_process_takes_each_place_once(void** state) {
  (void)state;
  for (uint32_t rank = 0; rank < 2; rank++) {
    job_kit_host_t kit;
    job_kit_open(&kit, 2, NULL);
    weft_job_child_t child;
    pthread_mutex_lock(&kit.lock);
    weft_status_t status = weft_job_host_child(kit.host, rank, -1, &child);
    pthread_mutex_unlock(&kit.lock);
    weft_kit_assert_ok(status);
    weft_job_client_t* client = take_place(&child);
    assert_non_null(client);
    assert_int_equal(rank, weft_job_client_place(client)->rank);
    assert_null(take_place(&child));
    weft_job_client_destroy(client);
    job_kit_close(&kit);
  }
}

static void a_member_learns_its_place(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 3, "place");
  job_kit_member_t member;
  job_kit_start(&member, &kit, 2);
  const weft_job_place_t* place = weft_job_client_place(member.client);
  assert_int_equal(2, place->rank);
  assert_int_equal(1, place->incarnation);
  assert_int_equal(3, place->size);
  assert_string_equal("place", place->name);
  assert_true(place->job == weft_job_host_id(kit.host));
  weft_job_figures_t figures = job_kit_figures(&kit, 2);
  assert_int_equal(WEFT_JOB_ACTIVE, figures.state);
  assert_int_equal(1002, figures.process_id);
  job_kit_forget(&member);
  job_kit_close(&kit);
}

static void members_hear_of_each_other_whoever_comes_first(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  job_kit_expect(&a, "joined 1.1");
  job_kit_expect(&b, "joined 0.1");
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void options_that_make_no_sense_are_refused(void** state) {
  (void)state;
  weft_job_host_t* host;
  weft_job_host_options_t none = {.size = 0};
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         weft_job_host_create(NULL, &none, &host));
  weft_job_host_options_t many = {.size = WEFT_JOB_SIZE_LIMIT + 1};
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         weft_job_host_create(NULL, &many, &host));
  weft_job_host_options_t blank = {.size = 1, .name = "a b"};
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_job_host_create(NULL, &blank, &host));
  assert_null(host);
}

// --- Connecting -------------------------------------------------------------

static void one_that_asks_is_connected(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a, "connected 1.1");
  job_kit_expect(&b, "connected 0.1");
  assert_connected(a.socket, b.socket);
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void two_that_ask_at_once_get_one_pair(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  pthread_mutex_lock(&kit.lock);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  weft_kit_assert_ok(weft_job_client_connect(b.client, 0));
  pthread_mutex_unlock(&kit.lock);
  job_kit_hear_all(&a, 5);
  job_kit_hear_all(&b, 5);
  assert_int_equal(1, job_kit_count(&a, "connected 1.1"));
  assert_int_equal(1, job_kit_count(&b, "connected 0.1"));
  assert_connected(a.socket, b.socket);
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void one_that_asks_early_is_answered_when_the_other_comes(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_start(&a, &kit, 0);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_hear_all(&a, 5);
  assert_int_equal(0, job_kit_count(&a, "connected"));
  job_kit_start(&b, &kit, 1);
  job_kit_expect(&a, "connected 1.1");
  job_kit_expect(&b, "connected 0.1");
  // It has to know who that is.
  assert_true(strstr(b.log, "joined 0.1") < strstr(b.log, "connected 0.1"));
  assert_connected(a.socket, b.socket);
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void one_that_ends_before_it_comes_cannot_be_reached(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 0);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  close(job_kit_child(&kit, 1));
  job_kit_ended(&kit, 1, 127, 0);
  job_kit_expect(&a,
                 "unreachable 1.0 peer died: rank 1 (process 1001) exited with "
                 "status 127 before it made a runtime");
  assert_int_equal(0, job_kit_count(&a, "died 1"));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void asking_again_changes_nothing(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a, "connected 1.1");
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_hear_all(&a, 5);
  assert_int_equal(1, job_kit_count(&a, "connected"));
  assert_int_equal(1, job_kit_count(&a, "unreachable"));
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void nobody_can_ask_for_itself(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 1);
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         weft_job_client_connect(a.client, 1));
  weft_kit_assert_status(
      WEFT_STATUS_OUT_OF_RANGE,
      weft_job_client_connect(a.client, WEFT_JOB_RANK_LIMIT));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

#define MANY 24

// All listen, in turn: one that does not cannot be connected after a while.
static void listen_in_turn(job_kit_member_t* members, const char* what,
                           size_t count) {
  int64_t deadline_ns = job_kit_deadline_ns();
  for (size_t i = 0; i < MANY;) {
    i = job_kit_count(&members[i], what) < count ? 0 : i + 1;
    for (size_t j = 0; i == 0 && j < MANY; j++) {
      weft_job_client_ready(members[j].client);
    }
    assert_true(weft_sys_now_ns() < deadline_ns);
  }
}

static void many_are_connected_all_to_all(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, MANY, NULL);
  job_kit_member_t members[MANY];
  for (uint16_t i = 0; i < MANY; i++) {
    job_kit_start(&members[i], &kit, i);
    for (uint16_t j = 0; j < MANY; j++) {
      if (i != j) {
        weft_kit_assert_ok(weft_job_client_connect(members[i].client, j));
      }
    }
  }
  listen_in_turn(members, "connected", MANY - 1);
  for (uint16_t i = 0; i < MANY; i++) {
    job_kit_hear_all(&members[i], MANY + 1);
    assert_int_equal(MANY - 1, job_kit_count(&members[i], "joined "));
    assert_int_equal(MANY - 1, job_kit_count(&members[i], "connected"));
  }
  for (uint16_t i = 0; i < MANY; i++) {
    job_kit_forget(&members[i]);
  }
  job_kit_close(&kit);
}

// --- Ends -------------------------------------------------------------------

static void one_that_is_killed_is_told_of_with_its_signal(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  job_kit_expect(&a, "joined 1.1");
  job_kit_forget(&b);
  job_kit_ended(&kit, 1, 0, 9);
  job_kit_expect(&a,
                 "died 1.1 peer died: rank 1 (process 1001) was killed by "
                 "signal 9 (Killed)");
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a,
                 "unreachable 1.0 peer died: rank 1 (process 1001) was killed "
                 "by signal 9 (Killed)");
  assert_int_equal(1, job_kit_count(&a, "died 1"));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void one_that_leaves_is_told_of_once(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  weft_job_client_leave(
      b.client, weft_status_make(WEFT_STATUS_FAILED, "no more to learn"));
  job_kit_expect(&a,
                 "died 1.1 closed: rank 1 (process 1001) has left the job: no "
                 "more to learn");
  job_kit_forget(&b);
  job_kit_ended(&kit, 1, 0, 0);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a, "unreachable 1.0 closed");
  assert_int_equal(1, job_kit_count(&a, "died 1"));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void one_that_comes_late_hears_who_is_gone(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_start(&b, &kit, 1);
  job_kit_forget(&b);
  job_kit_ended(&kit, 1, 7, 0);
  job_kit_start(&a, &kit, 0);
  job_kit_expect(&a,
                 "died 1.1 peer died: rank 1 (process 1001) exited with "
                 "status 7");
  assert_int_equal(0, job_kit_count(&a, "joined"));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void last_words_are_read_before_the_end_is_told(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  // The host hears of the end before it has read what came before.
  pthread_mutex_lock(&kit.lock);
  weft_job_client_leave(b.client, WEFT_OK);
  job_kit_forget(&b);
  weft_job_ending_t ending = {0, 0};
  weft_job_host_ended(kit.host, 1, &ending);
  pthread_mutex_unlock(&kit.lock);
  job_kit_expect(&a, "died 1.1 closed");
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void ranks_that_cannot_be_are_answered(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 0);
  job_kit_hear_all(&a, 2);
  job_kit_hear_all(&a, 500);
  job_kit_hear_all(&a, WEFT_JOB_RANK_LIMIT - 1);
  assert_int_equal(WEFT_JOB_ACTIVE, job_kit_figures(&kit, 0).state);
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void one_that_hangs_up_and_runs_on_is_given_up(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  job_kit_forget(&b);
  job_kit_expect(&a, "died 1.1 peer died: rank 1 (process 1001) has closed");
  // Its process ends later, which is no news.
  job_kit_ended(&kit, 1, 0, 9);
  job_kit_hear_all(&a, 5);
  assert_int_equal(1, job_kit_count(&a, "died 1"));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

// A process that joins, and dies while a child of its own has its socket open.
static pid_t join_fork_and_die(const char* job, const int lifeline[2]) {
  (void)fflush(NULL);
  pid_t process = fork();
  assert_true(process >= 0);
  if (process == 0) {
    job_kit_member_t member;
    (void)close(lifeline[1]);
    job_kit_join(&member, job);
    if (fork() == 0) {
      char nothing;
      (void)!read(lifeline[0], &nothing, 1);
      _exit(0);
    }
    (void)kill(getpid(), SIGKILL);
  }
  return process;
}

static void one_whose_child_lives_on_is_told_of(void** state) {
  (void)state;
  job_kit_host_t kit;
  int lifeline[2];
  char text[80];
  const char* job = job_kit_name("forked");
  assert_int_equal(0, pipe(lifeline));
  job_kit_open(&kit, 1, job);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 0);
  pid_t process = join_fork_and_die(job, lifeline);
  (void)snprintf(text, sizeof(text),
                 "died 1.1 peer died: rank 1 (process %d) is gone", process);
  job_kit_expect(&a, text);
  assert_int_equal(WEFT_JOB_FREE, job_kit_figures(&kit, 1).state);
  assert_int_equal(process, waitpid(process, NULL, 0));
  job_kit_forget(&a);
  job_kit_close(&kit);
  (void)close(lifeline[0]);
  (void)close(lifeline[1]);
}

// The script has the socket open, and runs on.
static void a_script_whose_program_dies_is_told_of_and_may_go_on(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 0);
  int socket = job_kit_child(&kit, 1);
  for (int life = 1; life <= 2; life++) {
    weft_job_client_t* client = NULL;
    char text[128];
    (void)fflush(NULL);
    pid_t program = fork();
    assert_true(program >= 0);
    if (program == 0) {
      weft_kit_assert_ok(
          weft_job_client_open(NULL, socket, job_kit_deadline_ns(), &client));
      (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(program, waitpid(program, NULL, 0));
    (void)snprintf(text, sizeof(text),
                   "died 1.%d peer died: the program (process %d) of rank 1 "
                   "(process 1001) has ended without having left",
                   life, program);
    job_kit_expect(&a, text);
    assert_int_equal(WEFT_JOB_GONE, job_kit_figures(&kit, 1).state);
  }
  (void)close(socket);
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void a_rank_that_starts_anew_has_another_incarnation(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a, "connected 1.1");
  job_kit_forget(&b);
  job_kit_ended(&kit, 1, 1, 0);
  job_kit_expect(&a, "died 1.1");
  job_kit_start(&b, &kit, 1);
  job_kit_expect(&a, "joined 1.2");
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a, "connected 1.2");
  job_kit_expect(&b, "connected 0.1");
  assert_connected(a.socket, b.socket);
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

// What the host has of a rank, by its number in the kernel; 0: nothing.
static uint64_t take_flight(job_kit_host_t* kit, uint32_t rank) {
  pthread_mutex_lock(&kit->lock);
  int descriptor = weft_job_host_take_flight(kit->host, rank);
  pthread_mutex_unlock(&kit->lock);
  uint64_t inode = descriptor >= 0 ? weft_local_inode(descriptor) : 0;
  weft_sys_close(descriptor);
  return inode;
}

static void what_a_rank_shows_is_kept_for_after_its_end(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  // They stand in for memory.
  int shown[2];
  assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, shown));
  job_kit_start(&a, &kit, 0);
  weft_job_client_show(a.client, shown[0]);
  weft_job_client_show(a.client, shown[1]);
  job_kit_hear_all(&a, 5);
  job_kit_forget(&a);
  job_kit_ended(&kit, 0, 0, 9);
  // The last one counts, and it is taken once.
  assert_int_equal(weft_local_inode(shown[1]), take_flight(&kit, 0));
  assert_int_equal(0, take_flight(&kit, 0));
  // Another life has not shown it.
  job_kit_start(&a, &kit, 0);
  weft_job_client_show(a.client, shown[0]);
  job_kit_hear_all(&a, 5);
  job_kit_forget(&a);
  job_kit_ended(&kit, 0, 1, 0);
  job_kit_start(&a, &kit, 0);
  assert_int_equal(0, take_flight(&kit, 0));
  // Nor is it kept of those whom the owner has not started.
  job_kit_member_t b;
  char id[32];
  (void)snprintf(id, sizeof(id), "%016" PRIx64, weft_job_host_id(kit.host));
  job_kit_join(&b, id);
  weft_job_client_show(b.client, shown[0]);
  job_kit_hear_all(&b, 5);
  assert_int_equal(0, take_flight(&kit, 2));
  job_kit_forget(&b);
  job_kit_forget(&a);
  close(shown[0]);
  close(shown[1]);
  job_kit_close(&kit);
}

static void all_are_told_that_the_job_ends(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 0);
  int late = job_kit_child(&kit, 1);
  job_kit_stop(&kit, weft_status_make(WEFT_STATUS_CANCELLED, "Ctrl-C"));
  job_kit_stop(&kit, WEFT_OK);
  job_kit_expect(&a, "ended 0.0 cancelled: Ctrl-C");
  // Nothing comes after it.
  weft_job_client_ready(a.client);
  assert_int_equal(1, job_kit_count(&a, "ended"));
  weft_job_client_t* client = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_CANCELLED, "Ctrl-C",
      weft_job_client_open(NULL, late, job_kit_deadline_ns(), &client));
  assert_null(client);
  close(late);
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void the_end_of_the_host_ends_the_job(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, NULL);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 0);
  job_kit_close(&kit);
  job_kit_expect(&a, "ended 0.0 peer died: the launcher of the job is gone");
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  weft_job_client_leave(a.client, WEFT_OK);
  job_kit_forget(&a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_member_learns_its_place),
      cmocka_unit_test(a_process_takes_each_place_once),
      cmocka_unit_test(members_hear_of_each_other_whoever_comes_first),
      cmocka_unit_test(options_that_make_no_sense_are_refused),
      cmocka_unit_test(one_that_asks_is_connected),
      cmocka_unit_test(two_that_ask_at_once_get_one_pair),
      cmocka_unit_test(one_that_asks_early_is_answered_when_the_other_comes),
      cmocka_unit_test(one_that_ends_before_it_comes_cannot_be_reached),
      cmocka_unit_test(asking_again_changes_nothing),
      cmocka_unit_test(nobody_can_ask_for_itself),
      cmocka_unit_test(many_are_connected_all_to_all),
      cmocka_unit_test(one_that_is_killed_is_told_of_with_its_signal),
      cmocka_unit_test(one_that_leaves_is_told_of_once),
      cmocka_unit_test(one_that_comes_late_hears_who_is_gone),
      cmocka_unit_test(last_words_are_read_before_the_end_is_told),
      cmocka_unit_test(ranks_that_cannot_be_are_answered),
      cmocka_unit_test(one_that_hangs_up_and_runs_on_is_given_up),
      cmocka_unit_test(one_whose_child_lives_on_is_told_of),
      cmocka_unit_test(a_script_whose_program_dies_is_told_of_and_may_go_on),
      cmocka_unit_test(a_rank_that_starts_anew_has_another_incarnation),
      cmocka_unit_test(what_a_rank_shows_is_kept_for_after_its_end),
      cmocka_unit_test(all_are_told_that_the_job_ends),
      cmocka_unit_test(the_end_of_the_host_ends_the_job),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
