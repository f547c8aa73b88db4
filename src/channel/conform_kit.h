// SPDX-License-Identifier: Apache-2.0
//
// The kinds of channels that the suite runs on. Of a kind *apart* some ends are
// in another runtime of the same job, over links of the simulation or over
// shared memory; all runtimes are in this process, so that one test has all
// ends. Rank 0 makes the channel.
//
// What one end does is known to another at once, or, apart, after a while. So
// what has to be possible is tried with the deadline that `weft_due` gives, and
// what has to come about is awaited with WEFT_COMES; what must not be possible
// is tried at once.

#ifndef WEFT_CHANNEL_CONFORM_KIT_H_
#define WEFT_CHANNEL_CONFORM_KIT_H_

#include "channel/channel_kit.h"
#include "channel/travel_kit.h"
#include "job/job_kit.h"

#define READERS 3
#define SLOTS 4
#define RANKS 3

typedef struct weft_channel_case weft_channel_case_t;

// How runtimes are linked.
typedef struct weft_channel_web {
  const char* name;
  void (*open)(weft_channel_case_t* c);
  // The runtimes may be destroyed already.
  void (*close)(weft_channel_case_t* c);
  // Sends a value from rank 0. Owns: takes it over; gives what came.
  weft_value_t (*send)(weft_channel_case_t* c, uint32_t rank,
                       weft_value_t value);
  // Lets some of what is on its way arrive.
  void (*step)(weft_channel_case_t* c);
  // Time is real, and threads may wait for each other.
  bool has_threads;
} weft_channel_web_t;

typedef struct weft_channel_kind {
  const char* name;
  // NULL: all is in one runtime.
  const weft_channel_web_t* web;
  uint32_t writer_rank;
  uint32_t reader_ranks[READERS];
  // The writer is sent away ahead of the readers.
  bool is_writer_first;
  // One reader is shared by as many consumers, at the rank of the first.
  bool is_shared;
} weft_channel_kind_t;

struct weft_channel_case {
  const weft_channel_kind_t* kind;
  weft_runtime_t* runtimes[RANKS];
  weft_writer_t* writer;
  weft_reader_t* readers[READERS];
  // Of one runtime, or of shared memory.
  weft_kit_allocator_t memory;
  job_kit_host_t job;
  // Of a simulation.
  weft_peer_kit_t sim;
};

// --- In one runtime ---------------------------------------------------------

static inline void weft_alone_open(weft_channel_case_t* c) {
  const weft_runtime_options_t options = {.allocator = &c->memory.allocator,
                                          .worker_count = 2};
  weft_kit_allocator_init(&c->memory);
  weft_kit_assert_ok(weft_runtime_create(&options, &c->runtimes[0]));
}

static inline void weft_alone_close(weft_channel_case_t* c) {
  weft_runtime_destroy(c->runtimes[0]);
  weft_kit_allocator_deinit(&c->memory);
}

static inline void weft_alone_step(weft_channel_case_t* c) {
  (void)c;
}

static const weft_channel_web_t weft_alone = {
    .name = "alone",
    .open = weft_alone_open,
    .close = weft_alone_close,
    .step = weft_alone_step,
    .has_threads = true,
};

// --- In a simulation --------------------------------------------------------

static inline void weft_sim_web_open(weft_channel_case_t* c) {
  weft_travel_open_ranks(&c->sim, RANKS);
  for (uint32_t rank = 0; rank < RANKS; rank++) {
    c->runtimes[rank] = c->sim.members[rank].runtime;
  }
}

static inline void weft_sim_web_close(weft_channel_case_t* c) {
  for (uint32_t rank = 0; rank < RANKS; rank++) {
    c->sim.members[rank].runtime = c->runtimes[rank];
    if (c->runtimes[rank] != NULL) {
      weft_peer_kit_check_arena(&c->sim, rank);
    }
  }
  weft_travel_forget_value();
  weft_peer_kit_close(&c->sim);
}

static inline weft_value_t weft_sim_web_send(weft_channel_case_t* c,
                                             uint32_t rank,
                                             weft_value_t value) {
  weft_kit_assert_ok(
      weft_peer_kit_send(&c->sim, 0, rank, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  return weft_travel_take();
}

static inline void weft_sim_web_step(weft_channel_case_t* c) {
  weft_peer_kit_run(&c->sim);
}

static const weft_channel_web_t weft_sim_web = {
    .name = "sim",
    .open = weft_sim_web_open,
    .close = weft_sim_web_close,
    .send = weft_sim_web_send,
    .step = weft_sim_web_step,
};

// --- Over shared memory -----------------------------------------------------

// What was sent last, until the test takes it; and how much was sent so far: a
// sanitizer does not see that a reply comes after what it answers, as each side
// has the memory between them at an address of its own.
static weft_value_t weft_shm_web_came;
static _Atomic uint32_t weft_shm_web_count;

static inline weft_status_t weft_shm_web_keep(weft_context_t* context,
                                              void* state,
                                              const weft_value_t* arguments,
                                              weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)out_result;
  weft_shm_web_came = weft_value_retain(arguments[0]);
  weft_raise_word(&weft_shm_web_count);
  return WEFT_OK;
}

static const weft_parameter_t weft_shm_web_any = {"value", WEFT_KIND_ANY};
static const weft_endpoint_t weft_shm_web_endpoint = {"keep", weft_shm_web_keep,
                                                      &weft_shm_web_any, 1};
static const weft_class_t weft_shm_web_class = {
    "keeper", 1, NULL, NULL, &weft_shm_web_endpoint, 1};
static const weft_class_t* const weft_shm_web_classes[] = {&weft_shm_web_class};

static inline void weft_shm_web_start(weft_channel_case_t* c, uint32_t rank) {
  const weft_runtime_options_t options = {
      .allocator = &c->memory.allocator,
      .classes = weft_shm_web_classes,
      .class_count = 1,
      .worker_count = 1,
  };
  char place[64];
  int descriptor = job_kit_child(&c->job, rank);
  (void)snprintf(place, sizeof(place), "%d:%llu", descriptor,
                 (unsigned long long)weft_local_inode(descriptor));
  assert_int_equal(0, setenv(WEFT_JOB_VARIABLE_DESCRIPTOR, place, 1));
  weft_kit_assert_ok(weft_runtime_create(&options, &c->runtimes[rank]));
  assert_int_equal(0, unsetenv(WEFT_JOB_VARIABLE_DESCRIPTOR));
}

static inline void weft_shm_web_open(weft_channel_case_t* c) {
  // Nobody is silent for so long that he is asked for it.
  assert_int_equal(0, setenv("WEFT_PEER_TIMEOUT", "0", 1));
  weft_kit_allocator_init(&c->memory);
  job_kit_open(&c->job, RANKS, NULL);
  for (uint32_t rank = 0; rank < RANKS; rank++) {
    weft_shm_web_start(c, rank);
  }
}

static inline void weft_shm_web_close(weft_channel_case_t* c) {
  for (uint32_t rank = 0; rank < RANKS; rank++) {
    weft_runtime_destroy(c->runtimes[rank]);
  }
  job_kit_close(&c->job);
  weft_kit_allocator_deinit(&c->memory);
}

static inline weft_value_t weft_shm_web_send(weft_channel_case_t* c,
                                             uint32_t rank,
                                             weft_value_t value) {
  const weft_spawn_options_t options = {.place = rank};
  weft_actor_t keeper;
  weft_future_t* done;
  uint32_t before =
      atomic_load_explicit(&weft_shm_web_count, memory_order_relaxed);
  weft_kit_assert_ok(weft_spawn(c->runtimes[0], &weft_shm_web_class,
                                weft_none(), &options, &keeper));
  weft_kit_assert_ok(
      weft_call(c->runtimes[0], keeper, 0, WEFT_ARGUMENTS(value), NULL, &done));
  weft_expect_outcome(done, WEFT_STATUS_OK);
  weft_value_release(value);
  weft_await_word(&weft_shm_web_count, before + 1);
  return weft_shm_web_came;
}

static inline void weft_shm_web_step(weft_channel_case_t* c) {
  (void)c;
  weft_sys_yield();
}

static const weft_channel_web_t weft_shm_web = {
    .name = "shm",
    .open = weft_shm_web_open,
    .close = weft_shm_web_close,
    .send = weft_shm_web_send,
    .step = weft_shm_web_step,
    .has_threads = true,
};

// --- Kinds ------------------------------------------------------------------

#define WEFT_KINDS_APART(web)                                           \
  {"far", (web), 0, {1, 1, 1}, false, false},                           \
      {"far, at two places", (web), 0, {1, 2, 1}, false, false},        \
      {"composite", (web), 0, {0, 1, 2}, false, false},                 \
      {"shared far away", (web), 0, {1, 1, 1}, false, true},            \
      {"sent writer", (web), 1, {0, 0, 0}, true, false},                \
      {"sent writer, composite", (web), 1, {0, 1, 2}, true, false}, {   \
    "writer sent behind its readers", (web), 1, {1, 2, 0}, false, false \
  }

static const weft_channel_kind_t weft_channel_kinds[] = {
    {"local", &weft_alone, 0, {0, 0, 0}, false, false},
    {"shared", &weft_alone, 0, {0, 0, 0}, false, true},
    WEFT_KINDS_APART(&weft_sim_web),
    WEFT_KINDS_APART(&weft_shm_web),
};
#define KINDS (sizeof(weft_channel_kinds) / sizeof(weft_channel_kinds[0]))

// Whether all of it is in one runtime.
static inline bool weft_is_near(const weft_channel_kind_t* kind) {
  return kind->web == &weft_alone;
}

// Whether values go to another runtime.
static inline bool weft_has_far_readers(const weft_channel_kind_t* kind) {
  for (int i = 0; i < READERS; i++) {
    if (kind->reader_ranks[i] != kind->writer_rank) {
      return true;
    }
  }
  return false;
}

// --- A case -----------------------------------------------------------------

// The ends, as they are made: one reader if it is to be shared.
static inline weft_status_t weft_case_make(const weft_channel_kind_t* kind,
                                           weft_runtime_t* runtime,
                                           weft_writer_t** out_writer,
                                           weft_reader_t** out_readers) {
  const weft_channel_options_t options = {
      .name = "tested",
      .reader_count = kind->is_shared ? 1 : READERS,
      .slot_count = SLOTS,
  };
  return weft_channel_create(runtime, &options, out_writer, out_readers);
}

// Puts the consumers in the place of the first reader.
static inline weft_status_t weft_case_share(weft_reader_t** readers) {
  weft_reader_t* inner = readers[0];
  readers[0] = NULL;
  weft_status_t status = weft_reader_share(inner, READERS, readers);
  weft_reader_release(inner);
  return status;
}

static inline void weft_case_send_writer(weft_channel_case_t* c) {
  uint32_t rank = c->kind->writer_rank;
  if (rank == 0) {
    return;
  }
  weft_value_t value = weft_writer_value(c->writer);
  weft_writer_release(c->writer);
  value = c->kind->web->send(c, rank, value);
  weft_kit_assert_ok(weft_writer_open(value, &c->writer));
  weft_value_release(value);
}

static inline void weft_case_send_reader(weft_channel_case_t* c, int reader) {
  uint32_t rank = c->kind->reader_ranks[reader];
  if (rank == 0 || c->readers[reader] == NULL) {
    return;
  }
  weft_value_t value = weft_reader_value(c->readers[reader]);
  weft_reader_release(c->readers[reader]);
  value = c->kind->web->send(c, rank, value);
  weft_kit_assert_ok(weft_reader_open(value, &c->readers[reader]));
  weft_value_release(value);
}

static inline void weft_case_init(weft_channel_case_t* c,
                                  const weft_channel_kind_t* kind) {
  memset(c, 0, sizeof(*c));
  c->kind = kind;
  kind->web->open(c);
  weft_kit_assert_ok(
      weft_case_make(kind, c->runtimes[0], &c->writer, c->readers));
  if (kind->is_writer_first) {
    weft_case_send_writer(c);
  }
  for (int i = 0; i < READERS; i++) {
    weft_case_send_reader(c, i);
  }
  if (!kind->is_writer_first) {
    weft_case_send_writer(c);
  }
  if (kind->is_shared) {
    weft_kit_assert_ok(weft_case_share(c->readers));
  }
}

static inline void weft_case_deinit(weft_channel_case_t* c) {
  weft_writer_release(c->writer);
  for (int i = 0; i < READERS; i++) {
    weft_reader_release(c->readers[i]);
  }
  c->kind->web->close(c);
}

// --- Deadlines --------------------------------------------------------------

static inline int64_t weft_soon(const weft_channel_case_t* c, int64_t ms) {
  for (uint32_t rank = 0; rank < RANKS; rank++) {
    if (c->runtimes[rank] != NULL) {
      return weft_deadline_after(c->runtimes[rank], ms * WEFT_MS);
    }
  }
  return WEFT_TIME_NOW;
}

// When something is possible by now.
static inline int64_t weft_due(const weft_channel_case_t* c) {
  return weft_is_near(c->kind) ? WEFT_TIME_NOW : weft_soon(c, 60000);
}

// True while there is sense in looking again.
static inline bool weft_may_come(weft_channel_case_t* c, int64_t* deadline_ns) {
  if (weft_is_near(c->kind)) {
    return false;
  }
  *deadline_ns =
      *deadline_ns == 0 ? weft_sys_now_ns() + WEFT_PATIENCE : *deadline_ns;
  c->kind->web->step(c);
  return weft_sys_now_ns() < *deadline_ns;
}

// Fails the test unless a condition holds; apart, unless it comes to hold.
#define WEFT_COMES(c, condition)                               \
  do {                                                         \
    int64_t comes_until_ns = 0;                                \
    bool has_come = (condition);                               \
    while (!has_come && weft_may_come((c), &comes_until_ns)) { \
      has_come = (condition);                                  \
    }                                                          \
    assert_true(has_come);                                     \
  } while (0)

// --- In one line ------------------------------------------------------------

static inline void weft_write_due(const weft_channel_case_t* c,
                                  int64_t number) {
  weft_kit_assert_ok(
      weft_writer_write(c->writer, weft_int64(number), weft_due(c)));
}

static inline weft_lease_t weft_take_due(const weft_channel_case_t* c,
                                         int reader) {
  weft_lease_t lease;
  weft_kit_assert_ok(weft_reader_read(c->readers[reader], weft_due(c), &lease));
  return lease;
}

static inline void weft_get_due(const weft_channel_case_t* c, int reader,
                                int64_t number) {
  weft_lease_t lease = weft_take_due(c, reader);
  weft_check_number(&lease, number);
  weft_lease_release(&lease);
  assert_null(lease.reader);
}

// The channel has ended for a reader that has read all.
static inline void weft_expect_end(const weft_channel_case_t* c, int reader,
                                   weft_status_code_t code, const char* part) {
  weft_lease_t lease;
  weft_kit_assert_status_says(
      code, part, weft_reader_read(c->readers[reader], weft_due(c), &lease));
  assert_null(lease.reader);
}

#endif  // WEFT_CHANNEL_CONFORM_KIT_H_
