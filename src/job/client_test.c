// SPDX-License-Identifier: Apache-2.0

#include "job/client.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "job/job_kit.h"

// --- The place of the environment -------------------------------------------

// Runs a body in a process of its own, which starts out in no job.
static void run_alone(void (*body)(void* user), void* user) {
  char output[4096];
  weft_kit_ending_t ending =
      weft_kit_run_child(body, user, output, sizeof(output));
  if (ending.exit_status != 0 || ending.signal_number != 0) {
    fail_msg("%s", output);
  }
}

static weft_job_client_t* create(void) {
  weft_job_client_t* client = NULL;
  weft_kit_assert_ok(
      weft_job_client_create(NULL, job_kit_deadline_ns(), &client));
  return client;
}

// Sets what the launcher would, but with a socket that execs close.
static int take_place(job_kit_host_t* kit, uint32_t rank) {
  char value[64];
  int socket = job_kit_child(kit, rank);
  (void)snprintf(value, sizeof(value), "%d:%llu", socket,
                 (unsigned long long)weft_local_inode(socket));
  assert_int_equal(0, setenv(WEFT_JOB_VARIABLE_DESCRIPTOR, value, 1));
  assert_int_equal(0, fcntl(socket, F_SETFD, 0));
  return socket;
}

static void without_a_job(void* user) {
  (void)user;
  assert_null(create());
  // A socket that a process further up had means nothing here.
  static const char* const values[] = {"", "0:1", "2147483647:1"};
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    assert_int_equal(0, setenv(WEFT_JOB_VARIABLE_DESCRIPTOR, values[i], 1));
    assert_null(create());
  }
}

static void with_junk_for_a_place(void* user) {
  (void)user;
  static const char* const values[] = {
      "3", "x", "3:", "-1:5", "99999999999:1", "0:1x", ":1", "0:0", " 0:1"};
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    weft_job_client_t* client = NULL;
    char text[64];
    (void)snprintf(text, sizeof(text), "WEFT_JOB_FD is '%s'", values[i]);
    assert_int_equal(0, setenv(WEFT_JOB_VARIABLE_DESCRIPTOR, values[i], 1));
    weft_kit_assert_status_says(
        WEFT_STATUS_INVALID_ARGUMENT, text,
        weft_job_client_create(NULL, job_kit_deadline_ns(), &client));
    assert_null(client);
  }
}

static void a_place_that_makes_no_sense_is_told(void** state) {
  (void)state;
  run_alone(with_junk_for_a_place, NULL);
}

static void a_process_that_is_in_no_job_gets_no_place(void** state) {
  (void)state;
  run_alone(without_a_job, NULL);
}

static void once_only(void* user) {
  (void)user;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  int socket = take_place(&kit, 1);
  weft_job_client_t* first = create();
  assert_non_null(first);
  assert_int_equal(1, weft_job_client_place(first)->rank);
  assert_null(create());
  // No program that this one starts has the socket.
  assert_int_equal(FD_CLOEXEC, fcntl(socket, F_GETFD));
  weft_job_client_destroy(first);
  assert_null(create());
  job_kit_close(&kit);
}

static void the_first_runtime_of_a_process_takes_the_place(void** state) {
  (void)state;
  run_alone(once_only, NULL);
}

static void in_a_forked_child(void* user) {
  (void)user;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, NULL);
  (void)take_place(&kit, 0);
  weft_job_client_t* client = create();
  assert_non_null(client);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    weft_job_client_t* second = NULL;
    bool ok =
        weft_job_client_create(NULL, 0, &second) == WEFT_OK && second == NULL;
    // The child gives back what it has inherited; the parent goes on.
    weft_job_client_destroy(client);
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  job_kit_member_t member;
  job_kit_listen(&member, client);
  job_kit_hear_all(&member, 5);
  job_kit_forget(&member);
  job_kit_close(&kit);
}

static void a_forked_child_is_in_no_job(void** state) {
  (void)state;
  run_alone(in_a_forked_child, NULL);
}

static void with_a_stale_variable(void* user) {
  (void)user;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, NULL);
  int socket = take_place(&kit, 0);
  // Another socket has the number, as in a program further down.
  int ends[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
  int control = dup(socket);
  assert_int_equal(socket, dup2(ends[0], socket));
  assert_null(create());
  assert_int_equal(socket, dup2(control, socket));
  weft_job_client_t* client = create();
  assert_non_null(client);
  weft_job_client_destroy(client);
  close(control);
  close(ends[0]);
  close(ends[1]);
  job_kit_close(&kit);
}

static void the_number_of_another_socket_is_not_taken_for_it(void** state) {
  (void)state;
  run_alone(with_a_stale_variable, NULL);
}

static void by_name(void* user) {
  (void)user;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, job_kit_name("by.name"));
  assert_int_equal(0, setenv(WEFT_JOB_VARIABLE_JOIN, "no.such", 1));
  weft_job_client_t* client = NULL;
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_job_client_create(NULL, job_kit_deadline_ns(), &client));
  // A place that was not taken can be.
  assert_int_equal(0,
                   setenv(WEFT_JOB_VARIABLE_JOIN, job_kit_name("by.name"), 1));
  client = create();
  assert_non_null(client);
  assert_int_equal(1, weft_job_client_place(client)->rank);
  weft_job_client_destroy(client);
  job_kit_close(&kit);
}

static void a_job_that_the_environment_names_is_joined(void** state) {
  (void)state;
  run_alone(by_name, NULL);
}

static void silence_ends_with_the_deadline(void** state) {
  (void)state;
  int ends[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
  weft_job_client_t* client = NULL;
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_job_client_open(NULL, ends[0], 0, &client));
  assert_null(client);
  close(ends[1]);
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "launcher of the job is gone",
      weft_job_client_open(NULL, ends[0], job_kit_deadline_ns(), &client));
  close(ends[0]);
}

// --- Joining and leaving ----------------------------------------------------

static void those_that_join_get_the_next_free_rank(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, job_kit_name("open"));
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_member_t c;
  char id[32];
  (void)snprintf(id, sizeof(id), "%016llx",
                 (unsigned long long)weft_job_host_id(kit.host));
  job_kit_start(&a, &kit, 0);
  job_kit_join(&b, job_kit_name("open"));
  job_kit_join(&c, id);
  assert_int_equal(2, weft_job_client_place(b.client)->rank);
  assert_int_equal(3, weft_job_client_place(c.client)->rank);
  assert_int_equal(2, weft_job_client_place(c.client)->size);
  job_kit_expect(&a, "joined 3.1");
  job_kit_expect(&c, "joined 2.1");
  assert_int_equal(getpid(), job_kit_figures(&kit, 2).process_id);
  weft_kit_assert_ok(weft_job_client_connect(c.client, 2));
  job_kit_expect(&c, "connected 2.1");
  job_kit_expect(&b, "connected 3.1");
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_forget(&c);
  job_kit_close(&kit);
}

static void a_place_that_was_left_is_taken_by_another_incarnation(
    void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, job_kit_name("open"));
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_start(&a, &kit, 0);
  job_kit_join(&b, job_kit_name("open"));
  weft_job_client_leave(b.client, WEFT_OK);
  job_kit_forget(&b);
  job_kit_expect(&a, "died 1.1 closed");
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a, "unreachable 1.0 closed");
  job_kit_join(&b, job_kit_name("open"));
  assert_int_equal(1, weft_job_client_place(b.client)->rank);
  assert_int_equal(2, weft_job_client_place(b.client)->incarnation);
  job_kit_expect(&a, "joined 1.2");
  // One that goes without a word has died.
  job_kit_forget(&b);
  job_kit_expect(&a, "died 1.2 peer died: rank 1 (process ");
  assert_non_null(strstr(a.log, "is gone without having left the job"));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

static void a_job_has_room_for_some_that_join(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, job_kit_name("full"));
  enum { JOINERS = WEFT_JOB_RANK_LIMIT - WEFT_JOB_SIZE_LIMIT };
  weft_job_client_t* clients[JOINERS];
  for (int i = 0; i < JOINERS; i++) {
    weft_kit_assert_ok(weft_job_client_join(
        NULL, job_kit_name("full"), job_kit_deadline_ns(), &clients[i]));
  }
  weft_job_client_t* one_more = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "no more can",
      weft_job_client_join(NULL, job_kit_name("full"), job_kit_deadline_ns(),
                           &one_more));
  for (int i = 0; i < JOINERS; i++) {
    weft_job_client_destroy(clients[i]);
  }
  job_kit_close(&kit);
}

static void nobody_joins_a_job_that_ends(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, job_kit_name("over"));
  job_kit_stop(&kit, WEFT_OK);
  weft_job_client_t* client = NULL;
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         weft_job_client_join(NULL, job_kit_name("over"),
                                              job_kit_deadline_ns(), &client));
  job_kit_close(&kit);
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_job_client_join(NULL, job_kit_name("over"),
                                              job_kit_deadline_ns(), &client));
}

static void nothing_is_asked_after_leaving(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  weft_job_client_leave(a.client, WEFT_OK);
  weft_job_client_leave(a.client, weft_status_make(WEFT_STATUS_FAILED, "no"));
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&b, "died 0.1 closed: rank 0 (process 1000) has left the job");
  job_kit_hear_all(&b, 5);
  assert_int_equal(0, job_kit_count(&b, "connected"));
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

// --- Memory -----------------------------------------------------------------

static weft_status_t create_host(const weft_allocator_t* allocator, void* user,
                                 void** out_object) {
  (void)user;
  weft_job_host_options_t options = {.size = 2};
  weft_job_host_t* host = NULL;
  weft_status_t status = weft_job_host_create(allocator, &options, &host);
  for (uint32_t i = 0; status == WEFT_OK && i < 2; i++) {
    weft_job_child_t child;
    status = weft_job_host_child(host, i, -1, &child);
    weft_sys_close(child.descriptor);
  }
  if (status != WEFT_OK) {
    weft_job_host_destroy(host);
    return status;
  }
  *out_object = host;
  return WEFT_OK;
}

static void destroy_host(void* object, void* user) {
  (void)user;
  weft_job_host_destroy(object);
}

static weft_status_t create_client(const weft_allocator_t* allocator,
                                   void* user, void** out_object) {
  weft_job_client_t* client = NULL;
  weft_status_t status =
      weft_job_client_join(allocator, user, job_kit_deadline_ns(), &client);
  *out_object = client;
  return status;
}

static void destroy_client(void* object, void* user) {
  (void)user;
  weft_job_client_destroy(object);
}

static void memory_may_be_missing_anywhere(void** state) {
  (void)state;
  weft_kit_sweep(
      &(weft_kit_creation_t){.create = create_host, .destroy = destroy_host});
  job_kit_host_t kit;
  job_kit_open(&kit, 1, job_kit_name("sweep"));
  char name[WEFT_JOB_NAME_BYTES];
  (void)snprintf(name, sizeof(name), "%s", job_kit_name("sweep"));
  weft_kit_sweep(&(weft_kit_creation_t){
      .create = create_client, .destroy = destroy_client, .user = name});
  job_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_process_that_is_in_no_job_gets_no_place),
      cmocka_unit_test(a_place_that_makes_no_sense_is_told),
      cmocka_unit_test(the_first_runtime_of_a_process_takes_the_place),
      cmocka_unit_test(a_forked_child_is_in_no_job),
      cmocka_unit_test(the_number_of_another_socket_is_not_taken_for_it),
      cmocka_unit_test(a_job_that_the_environment_names_is_joined),
      cmocka_unit_test(silence_ends_with_the_deadline),
      cmocka_unit_test(those_that_join_get_the_next_free_rank),
      cmocka_unit_test(a_place_that_was_left_is_taken_by_another_incarnation),
      cmocka_unit_test(a_job_has_room_for_some_that_join),
      cmocka_unit_test(nobody_joins_a_job_that_ends),
      cmocka_unit_test(nothing_is_asked_after_leaving),
      cmocka_unit_test(memory_may_be_missing_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
