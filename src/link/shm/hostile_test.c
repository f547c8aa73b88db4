// SPDX-License-Identifier: Apache-2.0
//
// A peer that writes what it likes: into its lane, its face, the bell, and the
// socket. Whatever comes ends the link, or does nothing; no descriptor stays.

#include <dirent.h>
#include <sys/resource.h>

#include "link/shm/shm_kit.h"

// The side under test, and a peer made by hand.
typedef struct hostile {
  weft_shm_side_t side;
  weft_notes_t notes;
  weft_link_t* link;
  int socket;
  weft_shm_hello_t hello;
  weft_memfd_t lane;
  weft_memfd_t face;
  weft_memfd_t bell;
} hostile_t;

#define RING_BYTES WEFT_LANE_BYTES_MIN

static void hostile_open(hostile_t* h) {
  int sockets[2];
  memset(h, 0, sizeof(*h));
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  weft_notes_init(&h->notes);
  weft_side_init(&h->side, 0, RING_BYTES);
  h->link = weft_side_open(&h->side, sockets[0], 1, &h->notes.sink);
  h->socket = sockets[1];
  h->hello = (weft_shm_hello_t){.kind = WEFT_SHM_HELLO,
                                .version = WEFT_SHM_VERSION,
                                .job = WEFT_SHM_KIT_JOB,
                                .rank = 1,
                                .incarnation = 1,
                                .peer_rank = 0,
                                .peer_incarnation = 1,
                                .ring_bytes = RING_BYTES};
  weft_kit_assert_ok(weft_memfd_create("lane",
                                       weft_lane_memory_bytes(RING_BYTES),
                                       WEFT_MEMFD_ONE_WRITER, &h->lane));
  weft_kit_assert_ok(
      weft_memfd_create("face", 64, WEFT_MEMFD_ONE_WRITER, &h->face));
  weft_kit_assert_ok(
      weft_memfd_create("bell", 128, WEFT_MEMFD_SHARED, &h->bell));
}

static void hostile_hello(hostile_t* h) {
  const int descriptors[] = {h->lane.descriptor, h->face.descriptor,
                             h->bell.descriptor};
  weft_kit_assert_ok(weft_shm_send_hello(h->socket, &h->hello, descriptors));
}

static void hostile_close(hostile_t* h) {
  (void)close(h->socket);
  weft_shm_stop(h->side.shm);
  weft_link_destroy(h->link);
  weft_side_deinit(&h->side);
  weft_notes_deinit(&h->notes);
  weft_memfd_release(&h->lane);
  weft_memfd_release(&h->face);
  weft_memfd_release(&h->bell);
}

static void await_attached(hostile_t* h) {
  while (weft_shm_peer_process(h->link) == 0) {
    weft_side_poll(&h->side);
  }
}

static void expect_end(hostile_t* h, weft_status_code_t code,
                       const char* part) {
  while (!weft_notes_is_closed(&h->notes)) {
    weft_side_poll(&h->side);
  }
  weft_kit_assert_status_says(code, part, weft_status_retain(h->notes.reason));
}

static uint32_t count_descriptors(void) {
  DIR* folder = opendir("/proc/self/fd");
  uint32_t count = 0;
  while (readdir(folder) != NULL) {
    count++;
  }
  (void)closedir(folder);
  return count;
}

// --- The hello --------------------------------------------------------------

typedef struct wrong_hello {
  const char* says;
  weft_status_code_t code;
  weft_shm_hello_t change;
} wrong_hello_t;

static void a_hello_that_does_not_fit_is_refused(void** state) {
  (void)state;
  const wrong_hello_t wrong[] = {
      {"version 7", WEFT_STATUS_FAILED_PRECONDITION, {.version = 7}},
      {"job 0000000000000007", WEFT_STATUS_FAILED_PRECONDITION, {.job = 7}},
      {"rank 7", WEFT_STATUS_FAILED_PRECONDITION, {.rank = 7}},
      {"(life 7)", WEFT_STATUS_FAILED_PRECONDITION, {.incarnation = 7}},
      {"rank 7", WEFT_STATUS_FAILED_PRECONDITION, {.peer_rank = 7}},
      {"(life 7)", WEFT_STATUS_FAILED_PRECONDITION, {.peer_incarnation = 7}},
      {"lane of 7 bytes", WEFT_STATUS_DATA_LOSS, {.ring_bytes = 7}},
      {"were announced", WEFT_STATUS_DATA_LOSS, {.ring_bytes = 1 << 20}},
      {"means nothing", WEFT_STATUS_DATA_LOSS, {.kind = 7}},
  };
  uint32_t before = count_descriptors();
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    hostile_t h;
    hostile_open(&h);
    const weft_shm_hello_t* change = &wrong[i].change;
    h.hello.kind = change->kind ? change->kind : h.hello.kind;
    h.hello.version = change->version ? change->version : h.hello.version;
    h.hello.job = change->job ? change->job : h.hello.job;
    h.hello.rank = change->rank ? change->rank : h.hello.rank;
    h.hello.incarnation =
        change->incarnation ? change->incarnation : h.hello.incarnation;
    h.hello.peer_rank =
        change->peer_rank ? change->peer_rank : h.hello.peer_rank;
    h.hello.peer_incarnation = change->peer_incarnation
                                   ? change->peer_incarnation
                                   : h.hello.peer_incarnation;
    h.hello.ring_bytes =
        change->ring_bytes ? change->ring_bytes : h.hello.ring_bytes;
    hostile_hello(&h);
    expect_end(&h, wrong[i].code, wrong[i].says);
    hostile_close(&h);
    assert_int_equal(before, count_descriptors());
  }
}

// What the link has told the other side in its lane.
static void expect_farewell(const hostile_t* h, weft_status_code_t code,
                            const char* part) {
  weft_shm_received_t received;
  weft_memfd_t lane;
  weft_kit_assert_ok(weft_shm_receive(h->socket, &received));
  weft_kit_assert_ok(weft_memfd_map(received.message.descriptors[WEFT_SHM_LANE],
                                    weft_lane_memory_bytes(RING_BYTES),
                                    WEFT_MEMFD_ONE_WRITER, &lane));
  const weft_lane_shared_t* shared = lane.data;
  assert_int_equal(
      atomic_load_explicit(&shared->farewell, memory_order_acquire), code);
  assert_non_null(strstr(shared->farewell_text, part));
  received.message.descriptors[WEFT_SHM_LANE] = -1;
  weft_shm_close_received(&received);
  weft_memfd_release(&lane);
}

static void who_breaks_with_a_peer_says_why(void** state) {
  (void)state;
  hostile_t h;
  hostile_open(&h);
  h.hello.version = 7;
  hostile_hello(&h);
  expect_end(&h, WEFT_STATUS_FAILED_PRECONDITION, "version 7");
  expect_farewell(&h, WEFT_STATUS_FAILED_PRECONDITION, "version 7");
  hostile_close(&h);
}

static void memory_that_its_maker_may_shrink_is_refused(void** state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    hostile_t h;
    hostile_open(&h);
    int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(
        0, ftruncate(loose, (off_t)(i == 0 ? h.lane.size_bytes : 4096)));
    int descriptors[] = {h.lane.descriptor, h.face.descriptor,
                         h.bell.descriptor};
    descriptors[i] = loose;
    weft_kit_assert_ok(weft_shm_send_hello(h.socket, &h.hello, descriptors));
    expect_end(&h, WEFT_STATUS_DATA_LOSS, "seals");
    (void)close(loose);
    hostile_close(&h);
  }
}

// --- The socket -------------------------------------------------------------

static void random_message(weft_kit_random_t* random, hostile_t* h) {
  unsigned char bytes[200];
  for (size_t i = 0; i < sizeof(bytes); i++) {
    bytes[i] = (unsigned char)weft_kit_random_next(random);
  }
  static const uint32_t kinds[] = {WEFT_SHM_HELLO, WEFT_SHM_DESCRIPTOR,
                                   WEFT_SHM_RING};
  uint64_t choice = weft_kit_random_below(random, 4);
  if (choice < 3) {
    memcpy(bytes, &kinds[choice], sizeof(uint32_t));
  }
  weft_socket_message_t message = {
      .data = bytes,
      .size_bytes = 1 + weft_kit_random_below(random, sizeof(bytes)),
      .descriptor_count = (uint32_t)weft_kit_random_below(random, 5),
      .is_stamped = weft_kit_random_below(random, 2),
  };
  static const size_t sizes[] = {sizeof(weft_shm_hello_t),
                                 sizeof(weft_shm_note_t)};
  if (weft_kit_random_below(random, 2)) {
    message.size_bytes = sizes[weft_kit_random_below(random, 2)];
  }
  for (uint32_t i = 0; i < message.descriptor_count; i++) {
    message.descriptors[i] = h->bell.descriptor;
  }
  // It may be full, or closed already.
  weft_status_release(weft_socket_send(h->socket, &message));
}

static void random_messages(weft_kit_random_t* random, void* user) {
  (void)user;
  uint32_t before = count_descriptors();
  hostile_t h;
  hostile_open(&h);
  if (weft_kit_random_below(random, 4)) {
    hostile_hello(&h);
  }
  uint64_t count = 1 + weft_kit_random_below(random, 9);
  for (uint64_t i = 0; i < count; i++) {
    random_message(random, &h);
    weft_side_poll(&h.side);
  }
  hostile_close(&h);
  assert_int_equal(before, count_descriptors());
}

static void messages_without_sense_do_no_harm(void** state) {
  (void)state;
  weft_kit_for_some_seeds(300, random_messages, NULL);
}

// --- The lane ---------------------------------------------------------------

static void random_lane(weft_kit_random_t* random, void* user) {
  (void)user;
  hostile_t h;
  hostile_open(&h);
  hostile_hello(&h);
  await_attached(&h);
  weft_lane_shared_t* shared = h.lane.data;
  weft_lane_out_t out;
  weft_lane_out_init(&out, h.lane.data, RING_BYTES);
  uint32_t tail = 0;
  for (int i = 0; i < 200; i++) {
    uint64_t word = weft_kit_random_next(random);
    uint64_t lines = weft_kit_random_below(random, 20);
    switch (weft_kit_random_below(random, 6)) {
      case 0:
        atomic_store_explicit(&shared->cursors, word, memory_order_seq_cst);
        break;
      case 1:
        atomic_store_explicit(&shared->wants_room, (uint32_t)word,
                              memory_order_seq_cst);
        break;
      case 2:
        if (weft_kit_random_below(random, 8) == 0) {
          atomic_store_explicit(&shared->descriptors, (uint32_t)word,
                                memory_order_seq_cst);
        }
        break;
      case 3:
        atomic_store_explicit(&shared->farewell, (uint32_t)word,
                              memory_order_seq_cst);
        break;
      default:
        // Sizes that are mostly sound, so that it goes on for a while.
        for (uint64_t line = 0; line < lines; line++) {
          bool is_sound = weft_kit_random_below(random, 16) > 0;
          atomic_store_explicit(
              &out.sizes[(tail / 64 + line) % (RING_BYTES / 64)],
              (uint16_t)(is_sound ? 1 + word % 64 : word >> 20),
              memory_order_relaxed);
        }
        tail += (uint32_t)lines * 64;
        atomic_store_explicit(&shared->cursors,
                              weft_lane_cursors(tail, 0, (uint32_t)word & ~63u),
                              memory_order_seq_cst);
    }
    void* data;
    weft_status_t status =
        weft_link_reserve(h.link, 1 + word % 5000, WEFT_LINK_ORDINARY, &data);
    if (status == WEFT_OK) {
      weft_link_commit(h.link, 1);
      weft_link_flush(h.link);
    }
    weft_status_release(status);
    weft_side_poll(&h.side);
  }
  hostile_close(&h);
}

static void a_lane_without_sense_does_no_harm(void** state) {
  (void)state;
  weft_kit_for_some_seeds(300, random_lane, NULL);
}

static void scribble(size_t index, void* user) {
  hostile_t* h = user;
  weft_kit_random_t random;
  weft_kit_random_init(&random, 5);
  if (index == 0) {
    for (uint64_t i = 0; i < weft_kit_amount(200000); i++) {
      uint64_t value = weft_kit_random_next(&random);
      // Any word of the first page, of the sizes, or of the ring.
      uint64_t word = weft_kit_random_below(
          &random, value % 4 ? 24 : h->lane.size_bytes / 8);
      atomic_store_explicit((_Atomic uint64_t*)h->lane.data + word, value,
                            memory_order_relaxed);
      atomic_store_explicit((_Atomic uint64_t*)h->face.data, value,
                            memory_order_relaxed);
    }
  } else {
    while (!weft_notes_is_closed(&h->notes)) {
      weft_side_poll(&h->side);
    }
  }
}

static void a_peer_that_scribbles_meanwhile_does_no_harm(void** state) {
  (void)state;
  for (int i = 0; i < 5; i++) {
    hostile_t h;
    hostile_open(&h);
    hostile_hello(&h);
    await_attached(&h);
    weft_kit_run_threads(2, scribble, &h);
    hostile_close(&h);
  }
}

static void a_head_without_sense_ends_the_link(void** state) {
  (void)state;
  hostile_t h;
  hostile_open(&h);
  hostile_hello(&h);
  await_attached(&h);
  weft_lane_shared_t* shared = h.lane.data;
  atomic_store_explicit(&shared->cursors, weft_lane_cursors(0, 0, 1u << 20),
                        memory_order_seq_cst);
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK) {
    void* data;
    status = weft_link_reserve(h.link, 1000, WEFT_LINK_ORDINARY, &data);
    if (status == WEFT_OK) {
      weft_link_commit(h.link, 1000);
    }
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, status);
  expect_end(&h, WEFT_STATUS_DATA_LOSS, "the head");
  hostile_close(&h);
}

static void a_descriptor_that_was_only_announced_ends_the_link(void** state) {
  (void)state;
  hostile_t h;
  hostile_open(&h);
  hostile_hello(&h);
  await_attached(&h);
  weft_lane_shared_t* shared = h.lane.data;
  atomic_store_explicit(&shared->descriptors, 1, memory_order_seq_cst);
  atomic_store_explicit(&shared->cursors, weft_lane_cursors(64, 0, 0),
                        memory_order_seq_cst);
  expect_end(&h, WEFT_STATUS_DATA_LOSS, "count of descriptors");
  assert_int_equal(0, h.notes.frame_count);
  hostile_close(&h);
}

// A poll is over, and sees to others, whatever is in the socket.
static void a_full_socket_is_read_a_part_at_a_time(void** state) {
  (void)state;
  hostile_t h;
  hostile_open(&h);
  hostile_hello(&h);
  await_attached(&h);
  enum { SENT = 60 };
  weft_shm_link_t* link = weft_shm_link_of(h.link);
  // Nobody else polls now.
  assert_true(weft_shm_poll_enter(h.side.shm));
  for (uint32_t i = 0; i < SENT; i++) {
    weft_kit_assert_ok(
        weft_shm_send_descriptor(h.socket, i, h.bell.descriptor));
  }
  // Relaxed: seen by this thread.
  atomic_fetch_or_explicit(&link->attention, WEFT_SHM_SOCKET,
                           memory_order_relaxed);
  (void)weft_shm_visit(link);
  assert_int_equal(weft_notes_descriptors(&h.notes), 32);
  weft_shm_poll_leave(h.side.shm);
  while (weft_notes_descriptors(&h.notes) < SENT) {
    weft_side_poll(&h.side);
  }
  assert_false(weft_notes_is_closed(&h.notes));
  hostile_close(&h);
}

// As a writer that was interrupted between the two.
static void a_descriptor_may_be_taken_before_it_is_counted(void** state) {
  (void)state;
  hostile_t h;
  hostile_open(&h);
  hostile_hello(&h);
  await_attached(&h);
  weft_kit_assert_ok(weft_shm_send_descriptor(h.socket, 7, h.bell.descriptor));
  while (weft_notes_descriptors(&h.notes) == 0) {
    weft_side_poll(&h.side);
  }
  weft_lane_shared_t* shared = h.lane.data;
  weft_lane_out_t out;
  weft_lane_out_init(&out, h.lane.data, RING_BYTES);
  memset(weft_lane_reserve(&out, 64), 1, 64);
  weft_lane_commit(&out, 64);
  atomic_store_explicit(&shared->cursors, weft_lane_cursors(64, 0, 0),
                        memory_order_seq_cst);
  while (weft_notes_frames(&h.notes) == 0 && !weft_notes_is_closed(&h.notes)) {
    weft_side_poll(&h.side);
  }
  assert_int_equal(1, weft_notes_frames(&h.notes));
  hostile_close(&h);
}

// --- The bell ---------------------------------------------------------------

static void a_bell_that_is_scribbled_on_only_wakes(void** state) {
  (void)state;
  hostile_t h;
  hostile_open(&h);
  hostile_hello(&h);
  await_attached(&h);
  weft_progress_t* progress = weft_shm_progress(h.side.shm);
  for (uint32_t i = 0; i < 1000; i++) {
    weft_bell_t bell;
    bool is_armed =
        progress->vtable->arm(progress, WEFT_SLEEPER_WAITING, &bell);
    memset(h.side.shm->bell, (int)i, sizeof(*h.side.shm->bell));
    if (is_armed) {
      progress->vtable->disarm(progress, WEFT_SLEEPER_WAITING);
    }
  }
  assert_false(weft_notes_is_closed(&h.notes));
  hostile_close(&h);
}

// --- Limits -----------------------------------------------------------------

static void without_descriptors_a_status_says_so(void** state) {
  (void)state;
  struct rlimit limit;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
  bool succeeded = false;
  uint32_t before = count_descriptors();
  for (rlim_t extra = 0; !succeeded; extra++) {
    int sockets[2];
    weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
    // All numbers below this are taken.
    int top = dup(0);
    (void)close(top);
    struct rlimit low = {.rlim_cur = (rlim_t)top + extra,
                         .rlim_max = limit.rlim_max};
    weft_notes_t notes;
    weft_notes_init(&notes);
    weft_runtime_t runtime = {.allocator = weft_allocator_system()};
    const weft_shm_options_t options = {.job = 1, .incarnation = 1};
    weft_shm_t* shm = NULL;
    weft_link_t* link = NULL;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &low));
    weft_status_t status = weft_shm_create(&runtime, &options, &shm);
    if (status == WEFT_OK) {
      status = weft_shm_open(shm, sockets[0], 1, 1, &notes.sink, &link);
    } else {
      (void)close(sockets[0]);
    }
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
    succeeded = status == WEFT_OK;
    if (succeeded) {
      weft_shm_stop(shm);
      weft_link_destroy(link);
    } else {
      assert_null(link);
      weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "ulimit -n",
                                  status);
    }
    weft_shm_destroy(shm);
    weft_notes_deinit(&notes);
    (void)close(sockets[1]);
    assert_int_equal(before, count_descriptors());
  }
}

static void descriptors_that_find_no_number_end_the_link(void** state) {
  (void)state;
  struct rlimit limit;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
  uint32_t before = count_descriptors();
  hostile_t h;
  hostile_open(&h);
  int top = dup(0);
  (void)close(top);
  struct rlimit low = {.rlim_cur = (rlim_t)top + 1, .rlim_max = limit.rlim_max};
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &low));
  hostile_hello(&h);
  while (!weft_notes_is_closed(&h.notes)) {
    weft_side_poll(&h.side);
  }
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
  // Whether one more could be opened was looked at a moment later.
  weft_status_code_t code = weft_status_code(h.notes.reason);
  assert_true(code == WEFT_STATUS_RESOURCE_EXHAUSTED ||
              code == WEFT_STATUS_DATA_LOSS);
  hostile_close(&h);
  assert_int_equal(before, count_descriptors());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_hello_that_does_not_fit_is_refused),
      cmocka_unit_test(who_breaks_with_a_peer_says_why),
      cmocka_unit_test(memory_that_its_maker_may_shrink_is_refused),
      cmocka_unit_test(messages_without_sense_do_no_harm),
      cmocka_unit_test(a_lane_without_sense_does_no_harm),
      cmocka_unit_test(a_peer_that_scribbles_meanwhile_does_no_harm),
      cmocka_unit_test(a_head_without_sense_ends_the_link),
      cmocka_unit_test(a_descriptor_that_was_only_announced_ends_the_link),
      cmocka_unit_test(a_full_socket_is_read_a_part_at_a_time),
      cmocka_unit_test(a_descriptor_may_be_taken_before_it_is_counted),
      cmocka_unit_test(a_bell_that_is_scribbled_on_only_wakes),
      cmocka_unit_test(without_descriptors_a_status_says_so),
      cmocka_unit_test(descriptors_that_find_no_number_end_the_link),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
