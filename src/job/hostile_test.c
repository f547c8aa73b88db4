// SPDX-License-Identifier: Apache-2.0
//
// What the host and its members make of those that do not keep to the rules:
// damaged messages, other users, too few descriptors, members that do not
// listen.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "job/find.h"
#include "job/job_kit.h"

#define NOBODY 65534

// --- Damaged messages -------------------------------------------------------

// A raw end of a control socket, which has said hello.
static int say_hello(job_kit_host_t* kit, uint32_t rank) {
  int socket = job_kit_child(kit, rank);
  weft_job_message_t message = weft_job_message(WEFT_JOB_HELLO);
  weft_kit_assert_ok(weft_job_message_send(socket, &message, -1));
  int descriptor = -1;
  assert_true(weft_local_wait_readable(socket, job_kit_deadline_ns()));
  weft_kit_assert_ok(weft_job_message_receive(socket, &message, &descriptor));
  assert_int_equal(WEFT_JOB_WELCOME, message.type);
  return socket;
}

// Reads until the other side has hung up.
static void assert_hung_up(int socket) {
  weft_status_code_t code = WEFT_STATUS_OK;
  while (code != WEFT_STATUS_CLOSED) {
    weft_job_message_t message;
    int descriptor = -1;
    assert_true(weft_local_wait_readable(socket, job_kit_deadline_ns()));
    code = weft_status_ignore(
        weft_job_message_receive(socket, &message, &descriptor));
    weft_sys_close(descriptor);
    assert_true(code == WEFT_STATUS_OK || code == WEFT_STATUS_CLOSED);
  }
}

typedef struct fault {
  const char* what;
  size_t size_bytes;
  uint16_t type;
  uint32_t magic;
  uint32_t code;
  uint16_t rank;
  uint32_t descriptor_count;
  char text;
} fault_t;

static const fault_t faults[] = {
    {"one byte", 1, WEFT_JOB_CONNECT, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"half a message", 128, WEFT_JOB_CONNECT, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"too long", 257, WEFT_JOB_CONNECT, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"other bytes", 256, WEFT_JOB_CONNECT, 7, 0, 0, 0, 0},
    {"no type", 256, 0, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"unknown type", 256, WEFT_JOB_TYPE_LIMIT, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"huge type", 256, UINT16_MAX, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"no code", 256, WEFT_JOB_LEAVE, WEFT_JOB_MAGIC, 77, 0, 0, 0},
    {"a descriptor", 256, WEFT_JOB_CONNECT, WEFT_JOB_MAGIC, 0, 0, 1, 0},
    {"a text of escapes", 256, WEFT_JOB_LEAVE, WEFT_JOB_MAGIC, 1, 0, 0, 27},
    {"a text that is not UTF-8", 256, WEFT_JOB_LEAVE, WEFT_JOB_MAGIC, 1, 0, 0,
     '\xff'},
    {"a second hello", 256, WEFT_JOB_HELLO, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"what the host says", 256, WEFT_JOB_DIED, WEFT_JOB_MAGIC, 1, 0, 0, 0},
    {"a welcome", 256, WEFT_JOB_WELCOME, WEFT_JOB_MAGIC, 0, 0, 0, 0},
    {"a peer", 256, WEFT_JOB_PEER, WEFT_JOB_MAGIC, 0, 0, 1, 0},
};
#define FAULT_COUNT (sizeof(faults) / sizeof(faults[0]))

static void send_fault(int socket, const fault_t* fault) {
  char bytes[512] = {0};
  weft_job_message_t message = weft_job_message(WEFT_JOB_HELLO);
  message.type = fault->type;
  message.magic = fault->magic;
  message.code = fault->code;
  message.rank = fault->rank;
  message.text[0] = fault->text;
  memcpy(bytes, &message, sizeof(message));
  weft_socket_message_t carrier = {
      .data = bytes,
      .size_bytes = fault->size_bytes,
      .descriptors = {STDIN_FILENO},
      .descriptor_count = fault->descriptor_count,
      .is_stamped = true,
  };
  weft_kit_assert_ok(weft_socket_send(socket, &carrier));
}

static void a_damaged_message_costs_its_sender_its_place(void** state) {
  (void)state;
  for (size_t i = 0; i < FAULT_COUNT; i++) {
    job_kit_host_t kit;
    job_kit_open(&kit, 2, NULL);
    job_kit_member_t witness;
    job_kit_start(&witness, &kit, 0);
    int socket = say_hello(&kit, 1);
    send_fault(socket, &faults[i]);
    assert_hung_up(socket);
    job_kit_expect(&witness, "died 1.1 peer died: rank 1 (process 1001) ");
    assert_int_equal(WEFT_JOB_GONE, job_kit_figures(&kit, 1).state);
    // The others go on.
    job_kit_hear_all(&witness, 5);
    close(socket);
    job_kit_forget(&witness);
    job_kit_close(&kit);
  }
}

static void a_recorder_that_is_lost_costs_nothing(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 2, NULL);
  job_kit_member_t witness;
  job_kit_start(&witness, &kit, 0);
  int socket = say_hello(&kit, 1);
  weft_job_message_t message = weft_job_message(WEFT_JOB_FLIGHT);
  weft_kit_assert_ok(weft_job_message_send(socket, &message, -1));
  weft_kit_assert_ok(weft_job_client_connect(witness.client, 1));
  job_kit_expect(&witness, "connected 1.1");
  assert_int_equal(WEFT_JOB_ACTIVE, job_kit_figures(&kit, 1).state);
  close(socket);
  job_kit_forget(&witness);
  job_kit_close(&kit);
}

static void what_does_not_begin_with_hello_is_cut_off(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, NULL);
  int socket = job_kit_child(&kit, 0);
  weft_job_message_t message = weft_job_message(WEFT_JOB_CONNECT);
  weft_kit_assert_ok(weft_job_message_send(socket, &message, -1));
  assert_hung_up(socket);
  close(socket);
  job_kit_close(&kit);
}

static void another_version_is_told_so(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, NULL);
  int socket = job_kit_child(&kit, 0);
  weft_job_message_t message = weft_job_message(WEFT_JOB_HELLO);
  message.version++;
  weft_kit_assert_ok(weft_job_message_send(socket, &message, -1));
  int descriptor = -1;
  assert_true(weft_local_wait_readable(socket, job_kit_deadline_ns()));
  weft_kit_assert_ok(weft_job_message_receive(socket, &message, &descriptor));
  assert_int_equal(WEFT_JOB_REFUSED, message.type);
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "version",
                              weft_job_message_status(&message));
  assert_hung_up(socket);
  close(socket);
  job_kit_close(&kit);
}

static void a_host_that_talks_nonsense_ends_the_job(void** state) {
  (void)state;
  static const weft_job_type_t types[] = {WEFT_JOB_HELLO, WEFT_JOB_WELCOME,
                                          WEFT_JOB_DIED, WEFT_JOB_UNREACHABLE,
                                          WEFT_JOB_JOINED};
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    int ends[2];
    weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
    weft_job_message_t message = weft_job_message(WEFT_JOB_WELCOME);
    message.size = 2;
    message.incarnation = 1;
    weft_kit_assert_ok(weft_job_message_send(ends[0], &message, -1));
    weft_job_client_t* client = NULL;
    weft_kit_assert_ok(
        weft_job_client_open(NULL, ends[1], job_kit_deadline_ns(), &client));
    job_kit_member_t member;
    job_kit_listen(&member, client);
    // Without what messages of these types need.
    message = weft_job_message(types[i]);
    weft_kit_assert_ok(weft_job_message_send(ends[0], &message, -1));
    job_kit_expect(&member, "ended 0.0 data loss");
    job_kit_forget(&member);
    close(ends[0]);
  }
}

static void a_welcome_that_makes_no_sense_is_refused(void** state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    int ends[2];
    weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
    weft_job_message_t message =
        weft_job_message(i == 0 ? WEFT_JOB_REFUSED : WEFT_JOB_WELCOME);
    message.size = i == 1 ? WEFT_JOB_SIZE_LIMIT + 1 : 1;
    message.incarnation = i == 2 ? 0 : 1;
    weft_kit_assert_ok(weft_job_message_send(ends[0], &message, -1));
    weft_job_client_t* client = NULL;
    weft_kit_assert_status(
        WEFT_STATUS_DATA_LOSS,
        weft_job_client_open(NULL, ends[1], job_kit_deadline_ns(), &client));
    assert_null(client);
    close(ends[0]);
    close(ends[1]);
  }
}

static void send_noise(weft_kit_random_t* random, int socket) {
  weft_job_message_t message =
      weft_job_message((weft_job_type_t)weft_kit_random_below(random, 12));
  unsigned char* bytes = (unsigned char*)&message;
  for (uint64_t i = weft_kit_random_below(random, 3); i > 0; i--) {
    bytes[weft_kit_random_below(random, sizeof(message))] =
        (unsigned char)weft_kit_random_next(random);
  }
  bool is_whole = weft_kit_random_below(random, 8) != 0;
  weft_socket_message_t carrier = {
      .data = &message,
      .size_bytes =
          is_whole ? sizeof(message) : 1 + weft_kit_random_below(random, 255),
      .descriptors = {STDIN_FILENO},
      .descriptor_count = weft_kit_random_below(random, 8) == 0 ? 1 : 0,
      .is_stamped = true,
  };
  weft_status_release(weft_socket_send(socket, &carrier));
}

// Any bytes, from members and from the host: nobody falls over.
static void make_noise(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_job_host_options_t options = {.size = 2};
  weft_job_host_t* host = NULL;
  weft_kit_assert_ok(weft_job_host_create(NULL, &options, &host));
  weft_job_child_t children[2];
  for (uint32_t rank = 0; rank < 2; rank++) {
    weft_kit_assert_ok(weft_job_host_child(host, rank, -1, &children[rank]));
  }
  for (uint64_t i = weft_kit_random_below(random, 40); i > 0; i--) {
    send_noise(random, children[weft_kit_random_below(random, 2)].descriptor);
    weft_job_host_process(host);
  }
  int ends[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
  weft_job_message_t message = weft_job_message(WEFT_JOB_WELCOME);
  message.size = 2;
  message.incarnation = 1;
  weft_kit_assert_ok(weft_job_message_send(ends[0], &message, -1));
  weft_job_client_t* client = NULL;
  weft_kit_assert_ok(weft_job_client_open(NULL, ends[1], 0, &client));
  job_kit_member_t member;
  job_kit_listen(&member, client);
  for (uint64_t i = weft_kit_random_below(random, 40); i > 0; i--) {
    send_noise(random, ends[0]);
    weft_job_client_ready(client);
  }
  job_kit_forget(&member);
  close(ends[0]);
  close(children[0].descriptor);
  close(children[1].descriptor);
  weft_job_host_destroy(host);
}

static void nobody_falls_over_any_bytes(void** state) {
  (void)state;
  weft_kit_for_some_seeds(300, make_noise, NULL);
}

// --- Other users ------------------------------------------------------------

typedef struct intruder {
  char address[WEFT_LOCAL_NAME_LIMIT + 1];
} intruder_t;

static void become_nobody(void) {
  assert_int_equal(0, setgid(NOBODY));
  assert_int_equal(0, setuid(NOBODY));
}

static void try_to_join(void* user) {
  const intruder_t* intruder = user;
  become_nobody();
  int socket = -1;
  weft_kit_assert_ok(weft_local_connect(intruder->address, &socket));
  // This side refuses a host of another user.
  weft_job_client_t* client = NULL;
  weft_kit_assert_status(
      WEFT_STATUS_PERMISSION_DENIED,
      weft_job_client_open(NULL, socket, job_kit_deadline_ns(), &client));
  // And so does the host: it has hung up, after a refusal.
  assert_true(weft_local_wait_readable(socket, job_kit_deadline_ns()));
  weft_socket_message_t carrier = {.data = &(weft_job_message_t){0},
                                   .size_bytes = sizeof(weft_job_message_t)};
  weft_kit_assert_ok(weft_socket_receive(socket, &carrier));
  const weft_job_message_t* message = carrier.data;
  assert_int_equal(WEFT_JOB_REFUSED, message->type);
  assert_int_equal(WEFT_STATUS_PERMISSION_DENIED, message->code);
}

static void another_user_cannot_join(void** state) {
  (void)state;
  if (geteuid() != 0) {
    skip();
  }
  job_kit_host_t kit;
  job_kit_open(&kit, 1, "mine");
  intruder_t intruder;
  weft_job_address(weft_job_host_id(kit.host), "mine", intruder.address,
                   sizeof(intruder.address));
  char output[4096];
  weft_kit_ending_t ending =
      weft_kit_run_child(try_to_join, &intruder, output, sizeof(output));
  if (ending.exit_status != 0 || ending.signal_number != 0) {
    fail_msg("%s", output);
  }
  assert_int_equal(WEFT_JOB_FREE, job_kit_figures(&kit, 1).state);
  job_kit_close(&kit);
}

static void speak_for_another(void* user) {
  const int* socket = user;
  become_nobody();
  weft_job_message_t message = weft_job_message(WEFT_JOB_HELLO);
  weft_kit_assert_ok(weft_job_message_send(*socket, &message, -1));
}

static void a_rank_that_became_another_user_is_refused(void** state) {
  (void)state;
  if (geteuid() != 0) {
    skip();
  }
  job_kit_host_t kit;
  job_kit_open(&kit, 1, NULL);
  int socket = job_kit_child(&kit, 0);
  char output[4096];
  weft_kit_ending_t ending =
      weft_kit_run_child(speak_for_another, &socket, output, sizeof(output));
  assert_int_equal(0, ending.exit_status + ending.signal_number);
  assert_hung_up(socket);
  close(socket);
  job_kit_close(&kit);
}

static void a_host_of_another_user_is_refused(void** state) {
  (void)state;
  if (geteuid() != 0) {
    skip();
  }
  int ready[2];
  int done[2];
  assert_int_equal(0, pipe(ready));
  assert_int_equal(0, pipe(done));
  char name[WEFT_JOB_NAME_BYTES];
  (void)snprintf(name, sizeof(name), "%s", job_kit_name("bait"));
  char address[WEFT_LOCAL_NAME_LIMIT + 1];
  weft_job_address(170, name, address, sizeof(address));
  pid_t impostor = fork();
  assert_true(impostor >= 0);
  if (impostor == 0) {
    char byte;
    int listener = -1;
    bool ok = setuid(NOBODY) == 0 &&
              weft_local_listen(address, &listener) == WEFT_OK &&
              write(ready[1], "", 1) == 1 && read(done[0], &byte, 1) == 1;
    _exit(ok ? 0 : 1);
  }
  char byte;
  assert_int_equal(1, read(ready[0], &byte, 1));
  weft_job_client_t* client = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_PERMISSION_DENIED, "65534",
      weft_job_client_join(NULL, name, job_kit_deadline_ns(), &client));
  assert_int_equal(1, write(done[1], "", 1));
  int status = 0;
  assert_int_equal(impostor, waitpid(impostor, &status, 0));
  assert_int_equal(0, status);
  for (int i = 0; i < 2; i++) {
    close(ready[i]);
    close(done[i]);
  }
}

// --- Descriptors ------------------------------------------------------------

// Nothing more can be opened, as all below the limit is taken.
static void take_all_descriptors(rlim_t* out_limit) {
  int next = dup(STDIN_FILENO);
  assert_true(next >= 0);
  close(next);
  struct rlimit limit;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
  *out_limit = limit.rlim_cur;
  limit.rlim_cur = (rlim_t)next;
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
}

static void give_descriptors_back(rlim_t soft_limit) {
  struct rlimit limit;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = soft_limit;
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
}

static void a_host_without_descriptors_says_so(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  rlim_t limit;
  take_all_descriptors(&limit);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a,
                 "unreachable 1.0 resource exhausted: the launcher cannot "
                 "connect ranks 0 and 1");
  assert_non_null(strstr(a.log, "ulimit -n"));
  give_descriptors_back(limit);
  // Nothing is lost: it can be asked again.
  weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
  job_kit_expect(&a, "connected 1.1");
  job_kit_expect(&b, "connected 0.1");
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void a_socket_that_is_declined_may_be_asked_for_again(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_open_two(&kit, &a, &b);
  for (int i = 0; i < 3; i++) {
    a.log[0] = '\0';
    b.log[0] = '\0';
    weft_kit_assert_ok(weft_job_client_connect(a.client, 1));
    job_kit_expect(&a, "connected 1.1");
    job_kit_expect(&b, "connected 0.1");
    // Of another life: nothing comes of it.
    weft_job_client_decline(b.client, 0, 7);
    weft_job_client_decline(b.client, 0, 1);
    job_kit_expect(&a, "unreachable 1.0 resource exhausted: rank 1 has no");
    assert_non_null(strstr(a.log, "ulimit -n"));
  }
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void one_that_joins_a_host_without_descriptors_is_told(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 1, NULL);
  char address[WEFT_LOCAL_NAME_LIMIT + 1];
  weft_job_address(weft_job_host_id(kit.host), weft_job_host_name(kit.host),
                   address, sizeof(address));
  pthread_mutex_lock(&kit.lock);
  int socket = -1;
  weft_kit_assert_ok(weft_local_connect(address, &socket));
  rlim_t limit;
  take_all_descriptors(&limit);
  pthread_mutex_unlock(&kit.lock);
  weft_job_client_t* client = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "ulimit -n",
      weft_job_client_open(NULL, socket, job_kit_deadline_ns(), &client));
  give_descriptors_back(limit);
  close(socket);
  job_kit_close(&kit);
}

static void a_socket_that_finds_no_room_is_told_as_lost(void** state) {
  (void)state;
  int ends[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
  weft_job_message_t message = weft_job_message(WEFT_JOB_WELCOME);
  message.size = 2;
  message.incarnation = 1;
  weft_kit_assert_ok(weft_job_message_send(ends[0], &message, -1));
  weft_job_client_t* client = NULL;
  weft_kit_assert_ok(weft_job_client_open(NULL, ends[1], 0, &client));
  job_kit_member_t member;
  job_kit_listen(&member, client);
  message = weft_job_message(WEFT_JOB_PEER);
  message.rank = 1;
  message.incarnation = 1;
  weft_kit_assert_ok(weft_job_message_send(ends[0], &message, STDIN_FILENO));
  rlim_t limit;
  take_all_descriptors(&limit);
  job_kit_expect(&member, "unreachable 1.0 resource exhausted");
  give_descriptors_back(limit);
  job_kit_forget(&member);
  close(ends[0]);
}

// --- Members that do not listen ---------------------------------------------

static void one_that_does_not_listen_holds_up_nobody(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, 3, "busy");
  job_kit_member_t deaf;
  job_kit_member_t a;
  job_kit_member_t b;
  job_kit_start(&deaf, &kit, 0);
  job_kit_start(&a, &kit, 1);
  // More comes and goes than its socket has room for.
  char text[32];
  for (unsigned i = 1; i <= 400; i++) {
    job_kit_start(&b, &kit, 2);
    (void)snprintf(text, sizeof(text), "joined 2.%u", i);
    job_kit_expect(&a, text);
    weft_job_client_leave(b.client, WEFT_OK);
    job_kit_forget(&b);
    job_kit_ended(&kit, 2, 0, 0);
    a.log[0] = '\0';
  }
  weft_kit_assert_ok(weft_job_client_connect(a.client, 0));
  job_kit_start(&b, &kit, 2);
  weft_kit_assert_ok(weft_job_client_connect(a.client, 2));
  job_kit_expect(&a, "connected 2.401");
  assert_int_equal(0, job_kit_count(&a, "connected 0"));
  // When it listens again it hears how things are.
  job_kit_expect(&deaf, "joined 2.401");
  job_kit_expect(&deaf, "connected 1.1");
  job_kit_expect(&a, "connected 0.1");
  job_kit_forget(&deaf);
  job_kit_forget(&a);
  job_kit_forget(&b);
  job_kit_close(&kit);
}

static void a_member_may_ask_more_than_its_socket_takes(void** state) {
  (void)state;
  job_kit_host_t kit;
  job_kit_open(&kit, WEFT_JOB_SIZE_LIMIT, NULL);
  job_kit_member_t a;
  job_kit_start(&a, &kit, 0);
  pthread_mutex_lock(&kit.lock);
  for (uint16_t i = 1; i < WEFT_JOB_RANK_LIMIT; i++) {
    weft_kit_assert_ok(weft_job_client_connect(a.client, i));
  }
  pthread_mutex_unlock(&kit.lock);
  job_kit_expect(&a, "unreachable 1087.0 not found");
  assert_int_equal(WEFT_JOB_RANK_LIMIT - WEFT_JOB_SIZE_LIMIT,
                   job_kit_count(&a, "unreachable"));
  job_kit_forget(&a);
  job_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_damaged_message_costs_its_sender_its_place),
      cmocka_unit_test(a_recorder_that_is_lost_costs_nothing),
      cmocka_unit_test(what_does_not_begin_with_hello_is_cut_off),
      cmocka_unit_test(another_version_is_told_so),
      cmocka_unit_test(a_host_that_talks_nonsense_ends_the_job),
      cmocka_unit_test(a_welcome_that_makes_no_sense_is_refused),
      cmocka_unit_test(nobody_falls_over_any_bytes),
      cmocka_unit_test(another_user_cannot_join),
      cmocka_unit_test(a_rank_that_became_another_user_is_refused),
      cmocka_unit_test(a_host_of_another_user_is_refused),
      cmocka_unit_test(a_host_without_descriptors_says_so),
      cmocka_unit_test(a_socket_that_is_declined_may_be_asked_for_again),
      cmocka_unit_test(one_that_joins_a_host_without_descriptors_is_told),
      cmocka_unit_test(a_socket_that_finds_no_room_is_told_as_lost),
      cmocka_unit_test(one_that_does_not_listen_holds_up_nobody),
      cmocka_unit_test(a_member_may_ask_more_than_its_socket_takes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
