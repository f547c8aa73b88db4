// SPDX-License-Identifier: Apache-2.0
//
// Members of which others hear nothing. One that is stopped is one that does
// not listen here.

#include "job/job_kit.h"

enum { FINDER, SILENT, WITNESS, MEMBERS };

// What everybody is told of a rank that FINDER found.
#define WORDS(rank)                                       \
#rank ".1 peer died: rank " #rank " (process 100" #rank \
        ") was given "                                    \
        "up: it has not answered rank 0 for 7.0 s, nor the launcher"

static void start_members(job_kit_member_t* members, job_kit_host_t* kit,
                          uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    job_kit_start(&members[i], kit, i);
  }
}

static void forget_members(job_kit_member_t* members, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    job_kit_forget(&members[i]);
  }
}

static void connect_to(job_kit_member_t* member, uint16_t rank) {
  char text[32];
  weft_kit_assert_ok(weft_job_client_connect(member->client, rank));
  (void)snprintf(text, sizeof(text), "connected %u.1", rank);
  job_kit_expect(member, text);
}

static void report(job_kit_member_t* member, uint16_t rank,
                   uint16_t incarnation) {
  weft_job_client_report_silent(member->client, rank, incarnation,
                                INT64_C(5000000000));
}

static void one_that_does_not_answer_is_given_up_by_all(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t members[MEMBERS];
  job_kit_member_t late;
  job_kit_open(&kit, MEMBERS, "silence");
  start_members(members, &kit, MEMBERS);
  connect_to(&members[FINDER], SILENT);
  report(&members[FINDER], SILENT, 1);
  job_kit_expect(&members[FINDER], "given up " WORDS(1));
  job_kit_expect(&members[WITNESS], "given up " WORDS(1));
  weft_job_figures_t figures = job_kit_figures(&kit, SILENT);
  assert_int_equal(WEFT_JOB_GIVEN_UP, figures.state);
  assert_string_equal(strstr(WORDS(1), "rank 1"), figures.how);
  // It wakes, and learns why it ends.
  job_kit_expect(&members[SILENT],
                 "ended 0.0 peer died: rank 1 (process 1001) "
                 "was given up");
  // One that comes later hears of it, too.
  job_kit_join(&late, "silence");
  job_kit_expect(&late, "given up " WORDS(1));
  assert_int_equal(0, job_kit_count(&late, "died 1.1"));
  // Its process ends.
  job_kit_ended(&kit, SILENT, 0, 9);
  job_kit_expect(&members[FINDER], "died " WORDS(1));
  job_kit_expect(&members[WITNESS], "died " WORDS(1));
  job_kit_expect(&late, "died " WORDS(1));
  assert_int_equal(WEFT_JOB_GONE, job_kit_figures(&kit, SILENT).state);
  job_kit_forget(&late);
  forget_members(members, MEMBERS);
  job_kit_close(&kit);
}

// Listens at one member until another has heard a text.
static void listen_until(job_kit_member_t* listener, job_kit_member_t* member,
                         const char* text) {
  int64_t deadline_ns = job_kit_deadline_ns();
  while (job_kit_count(member, text) == 0) {
    assert_true(weft_sys_now_ns() < deadline_ns);
    weft_job_client_ready(listener->client);
    weft_job_client_ready(member->client);
    weft_sys_yield();
  }
}

static void one_that_answers_is_not_given_up_whatever_others_say(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t members[MEMBERS];
  job_kit_open(&kit, MEMBERS, NULL);
  start_members(members, &kit, MEMBERS);
  connect_to(&members[FINDER], SILENT);
  connect_to(&members[FINDER], WITNESS);
  // The one that listens was reported before the other.
  report(&members[FINDER], WITNESS, 1);
  report(&members[FINDER], SILENT, 1);
  listen_until(&members[WITNESS], &members[FINDER], "given up " WORDS(1));
  assert_int_equal(WEFT_JOB_ACTIVE, job_kit_figures(&kit, WITNESS).state);
  assert_int_equal(0, job_kit_count(&members[FINDER], "given up 2"));
  // Another time it does not.
  report(&members[FINDER], WITNESS, 1);
  job_kit_expect(&members[FINDER], "given up " WORDS(2));
  forget_members(members, MEMBERS);
  job_kit_close(&kit);
}

static void reports_of_those_that_are_not_connected_count_for_nothing(
    void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t members[MEMBERS];
  job_kit_open(&kit, MEMBERS + 1, NULL);
  start_members(members, &kit, MEMBERS);
  connect_to(&members[FINDER], SILENT);
  // Nobody of these says anything.
  report(&members[FINDER], WITNESS, 1);
  report(&members[FINDER], FINDER, 1);
  report(&members[FINDER], MEMBERS, 1);
  report(&members[FINDER], MEMBERS + 1, 1);
  report(&members[FINDER], WEFT_JOB_RANK_LIMIT - 1, 1);
  report(&members[FINDER], SILENT, 2);
  report(&members[FINDER], SILENT, 1);
  job_kit_expect(&members[FINDER], "given up " WORDS(1));
  assert_int_equal(1, job_kit_count(&members[FINDER], "given up "));
  for (uint32_t rank = 0; rank < MEMBERS; rank++) {
    assert_int_equal(rank == SILENT ? WEFT_JOB_GIVEN_UP : WEFT_JOB_ACTIVE,
                     job_kit_figures(&kit, rank).state);
  }
  // What it says afterwards is not heard.
  report(&members[SILENT], FINDER, 1);
  weft_kit_assert_ok(weft_job_client_connect(members[SILENT].client, WITNESS));
  weft_job_client_leave(members[SILENT].client, WEFT_OK);
  job_kit_hear_all(&members[FINDER], 99);
  assert_int_equal(WEFT_JOB_GIVEN_UP, job_kit_figures(&kit, SILENT).state);
  forget_members(members, MEMBERS);
  job_kit_close(&kit);
}

// One that wakes in time reads what filled its socket: that is an answer.
static void one_whose_socket_is_full_is_given_up_and_hears_of_it(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t members[2];
  job_kit_member_t visitor;
  job_kit_open(&kit, 2, "full");
  start_members(members, &kit, 2);
  connect_to(&members[FINDER], SILENT);
  // More news than a socket holds: each comes and goes.
  for (uint32_t i = 0; i < 600; i++) {
    job_kit_join(&visitor, "full");
    job_kit_forget(&visitor);
    weft_job_client_ready(members[FINDER].client);
  }
  report(&members[FINDER], SILENT, 1);
  job_kit_expect(&members[FINDER], "given up " WORDS(1));
  job_kit_expect(&members[SILENT], "ended 0.0 peer died: rank 1");
  forget_members(members, 2);
  job_kit_close(&kit);
}

static void one_that_joined_is_given_up_and_may_come_again(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t finder;
  job_kit_member_t joined;
  job_kit_open(&kit, 1, "again");
  job_kit_start(&finder, &kit, FINDER);
  job_kit_join(&joined, "again");
  connect_to(&finder, SILENT);
  report(&finder, SILENT, 1);
  job_kit_expect(&finder, "given up 1.1");
  job_kit_expect(&joined, "ended 0.0 peer died: rank 1");
  assert_int_equal(WEFT_JOB_GIVEN_UP, job_kit_figures(&kit, SILENT).state);
  job_kit_forget(&joined);
  job_kit_expect(&finder, "died 1.1");
  job_kit_join(&joined, "again");
  job_kit_expect(&finder, "joined 1.2");
  job_kit_forget(&joined);
  job_kit_forget(&finder);
  job_kit_close(&kit);
}

static void the_program_that_follows_one_that_was_given_up_is_refused(
    void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t members[2];
  job_kit_open(&kit, 2, NULL);
  job_kit_start(&members[FINDER], &kit, FINDER);
  int control = job_kit_child(&kit, SILENT);
  int kept = dup(control);
  weft_job_client_t* client = NULL;
  weft_kit_assert_ok(
      weft_job_client_open(NULL, control, job_kit_deadline_ns(), &client));
  job_kit_listen(&members[SILENT], client);
  connect_to(&members[FINDER], SILENT);
  report(&members[FINDER], SILENT, 1);
  job_kit_expect(&members[FINDER], "given up 1.1");
  job_kit_expect(&members[SILENT], "ended");
  job_kit_forget(&members[SILENT]);
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "was given up",
      weft_job_client_open(NULL, kept, job_kit_deadline_ns(), &client));
  close(kept);
  job_kit_forget(&members[FINDER]);
  job_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_that_does_not_answer_is_given_up_by_all),
      cmocka_unit_test(one_that_answers_is_not_given_up_whatever_others_say),
      cmocka_unit_test(
          reports_of_those_that_are_not_connected_count_for_nothing),
      cmocka_unit_test(one_whose_socket_is_full_is_given_up_and_hears_of_it),
      cmocka_unit_test(one_that_joined_is_given_up_and_may_come_again),
      cmocka_unit_test(
          the_program_that_follows_one_that_was_given_up_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
