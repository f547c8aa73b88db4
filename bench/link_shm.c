// SPDX-License-Identifier: Apache-2.0
//
// Bench `link_shm`: the link between two processes alone, looked at from
// inside the library. A frame of 8 bytes there and one back: while both spin,
// and when both sleep as threads of a runtime do; on two cores, and on one.
// And one way: frames that are flushed once a burst.

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/container.h"
#include "bench/bench.h"
#include "bench/floor/partner.h"
#include "link/shm/shm.h"
#include "sys/sys.h"
#include "sys/unix_socket.h"

#define BURST 64
#define FRAME_BYTES 8

typedef struct end {
  weft_link_sink_t sink;
  weft_partner_t partner;
  // Of the sockets before the fork; then of this side.
  int sockets[2];
  weft_runtime_t runtime;
  weft_shm_t* shm;
  weft_progress_t* progress;
  weft_link_t* link;
  // Frames that came; a word to sleep on beside the bell.
  _Atomic uint32_t came;
  // The side's thread sleeps on it, or is about to.
  _Atomic bool is_asleep;
  // What the other side answers; the frame after which it does.
  bool answers_each;
  bool sleeps;
  uint32_t expected;
  // A weft_status_code_t. Frames may be dealt with by the service thread.
  _Atomic uint32_t fault;
} end_t;

// --- Frames -----------------------------------------------------------------

static void set_fault(end_t* end, weft_status_code_t fault) {
  // Relaxed: a number by itself.
  atomic_store_explicit(&end->fault, fault, memory_order_relaxed);
}

static weft_status_code_t fault_of(const end_t* end) {
  // Relaxed: as above.
  return (weft_status_code_t)atomic_load_explicit(&end->fault,
                                                  memory_order_relaxed);
}

static void put(end_t* end, uint64_t value) {
  void* data;
  weft_status_t status = WEFT_OK;
  while ((status = weft_link_reserve(end->link, FRAME_BYTES, WEFT_LINK_ORDINARY,
                                     &data)) != WEFT_OK) {
    weft_status_code_t code = weft_status_ignore(status);
    if (code != WEFT_STATUS_WOULD_BLOCK) {
      set_fault(end, code);
      return;
    }
    end->progress->vtable->poll(end->progress);
  }
  memcpy(data, &value, sizeof(value));
  weft_link_commit(end->link, FRAME_BYTES);
}

static void take_frame(weft_link_sink_t* sink, const void* data,
                       size_t size_bytes) {
  end_t* end = WEFT_CONTAINER_OF(sink, end_t, sink);
  uint64_t value;
  memcpy(&value, data, sizeof(value));
  if (size_bytes != FRAME_BYTES) {
    set_fault(end, WEFT_STATUS_DATA_LOSS);
  }
  if (end->answers_each) {
    put(end, value);
    weft_link_flush(end->link);
  }
  // Relaxed: changed by who polls, which is one thread at a time.
  uint32_t before = atomic_load_explicit(&end->came, memory_order_relaxed);
  // Sequentially consistent, both: either this thread sees that the other
  // sleeps, or that one sees what came and does not.
  atomic_store_explicit(&end->came, before + 1, memory_order_seq_cst);
  if (atomic_load_explicit(&end->is_asleep, memory_order_seq_cst)) {
    weft_futex_wake(&end->came, 1);
  }
}

static void take_descriptor(weft_link_sink_t* sink, uint64_t tag,
                            int descriptor) {
  (void)sink;
  (void)tag;
  (void)close(descriptor);
}

static void take_room(weft_link_sink_t* sink) {
  (void)sink;
}

static void take_end(weft_link_sink_t* sink, weft_status_t reason) {
  end_t* end = WEFT_CONTAINER_OF(sink, end_t, sink);
  set_fault(end, weft_status_ignore(reason));
}

static const weft_link_sink_vtable_t sink_vtable = {
    .frame = take_frame,
    .descriptor = take_descriptor,
    .room = take_room,
    .closed = take_end,
};

// --- Waiting ----------------------------------------------------------------

static uint32_t frames_at(end_t* end) {
  return atomic_load_explicit(&end->came, memory_order_acquire);
}

static void sleep_once(end_t* end, uint32_t seen) {
  weft_bell_t bell;
  if (!end->progress->vtable->arm(end->progress, WEFT_SLEEPER_WAITING, &bell)) {
    return;
  }
  struct futex_waitv words[2] = {
      {.uaddr = (uintptr_t)&end->came,
       .val = seen,
       .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG},
      {.uaddr = (uintptr_t)bell.word, .val = bell.expected, .flags = FUTEX_32},
  };
  // Sequentially consistent: as in `take_frame`; the kernel looks at the words
  // after it.
  atomic_store_explicit(&end->is_asleep, true, memory_order_seq_cst);
  (void)syscall(SYS_futex_waitv, words, 2, 0, NULL, 0);
  // Relaxed: a wake-up too many does no harm.
  atomic_store_explicit(&end->is_asleep, false, memory_order_relaxed);
  end->progress->vtable->disarm(end->progress, WEFT_SLEEPER_WAITING);
}

static void wait_for(end_t* end, uint32_t frames) {
  uint32_t came;
  while ((int32_t)(frames - (came = frames_at(end))) > 0 &&
         fault_of(end) == 0) {
    end->progress->vtable->poll(end->progress);
    if (end->sleeps && frames_at(end) == came) {
      sleep_once(end, came);
    }
  }
}

// --- Both sides -------------------------------------------------------------

static weft_status_t open_end(end_t* end, uint16_t rank) {
  const weft_shm_options_t options = {.job = 1, .rank = rank, .incarnation = 1};
  (void)close(end->sockets[1 - rank]);
  end->sink.vtable = &sink_vtable;
  end->runtime.allocator = weft_allocator_system();
  WEFT_RETURN_IF_ERROR(weft_shm_create(&end->runtime, &options, &end->shm));
  end->progress = weft_shm_progress(end->shm);
  return weft_shm_open(end->shm, end->sockets[rank], (uint16_t)(1 - rank), 1,
                       &end->sink, &end->link);
}

static void close_end(end_t* end) {
  if (end->shm != NULL) {
    weft_shm_stop(end->shm);
    weft_link_destroy(end->link);
    weft_shm_destroy(end->shm);
  }
}

static void enter(void* user) {
  // The other side finds the link closed.
  (void)weft_status_ignore(open_end(user, 1));
}

static void serve(void* user, uint64_t count) {
  end_t* end = user;
  end->expected += (uint32_t)count;
  wait_for(end, end->expected);
  if (!end->answers_each) {
    put(end, count);
    weft_link_flush(end->link);
  }
}

static void leave(void* user) {
  close_end(user);
}

static void destroy(void* state) {
  end_t* end = state;
  close_end(end);
  weft_partner_stop(&end->partner);
  free(end);
}

static weft_status_t create_with(bool sleeps, bool answers_each,
                                 void** out_state) {
  static const weft_partner_part_t part = {
      .enter = enter, .serve = serve, .leave = leave};
  end_t* end = aligned_alloc(64, (sizeof(*end) + 63) / 64 * 64);
  if (end == NULL) {
    return weft_status_from_code(WEFT_STATUS_RESOURCE_EXHAUSTED);
  }
  memset(end, 0, sizeof(*end));
  end->sleeps = sleeps;
  end->answers_each = answers_each;
  weft_status_t status = weft_socket_pair(WEFT_SOCKET_PACKETS, end->sockets);
  if (status == WEFT_OK && !weft_partner_start(&end->partner, 64, &part, end)) {
    status = weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "no second process for a benchmark");
  }
  if (status == WEFT_OK) {
    end->answers_each = false;
    status = open_end(end, 0);
  }
  if (status != WEFT_OK) {
    destroy(end);
    return status;
  }
  *out_state = end;
  return WEFT_OK;
}

static weft_status_t create_spinning(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(false, true, out_state);
}

static weft_status_t create_sleeping(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(true, true, out_state);
}

static weft_status_t create_one_way(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(false, false, out_state);
}

static weft_status_t outcome(const end_t* end) {
  weft_status_code_t fault = fault_of(end);
  return fault == 0 ? WEFT_OK : weft_status_make(fault, "the link has ended");
}

static void prepare(void* state, uint64_t count) {
  end_t* end = state;
  weft_partner_begin(&end->partner, count);
}

static weft_status_t run_round_trips(void* state, uint64_t count) {
  end_t* end = state;
  for (uint64_t i = 0; i < count; i++) {
    put(end, i);
    weft_link_flush(end->link);
    wait_for(end, ++end->expected);
  }
  weft_partner_end(&end->partner);
  return outcome(end);
}

static weft_status_t run_one_way(void* state, uint64_t count) {
  end_t* end = state;
  for (uint64_t done = 0; done < count; done += BURST) {
    for (uint64_t i = 0; i < BURST; i++) {
      put(end, done + i);
    }
    weft_link_flush(end->link);
  }
  wait_for(end, ++end->expected);
  weft_partner_end(&end->partner);
  return outcome(end);
}

// --- The table --------------------------------------------------------------

static const weft_bench_subject_t spinning = {.create = create_spinning,
                                              .prepare = prepare,
                                              .run = run_round_trips,
                                              .destroy = destroy};
static const weft_bench_subject_t sleeping = {.create = create_sleeping,
                                              .prepare = prepare,
                                              .run = run_round_trips,
                                              .destroy = destroy};
static const weft_bench_subject_t one_way = {.create = create_one_way,
                                             .prepare = prepare,
                                             .run = run_one_way,
                                             .destroy = destroy};

static const weft_bench_case_t cases[] = {
    {.bench = "link_shm",
     .name = "rtt_8B_spin",
     .what = "8 bytes to another process and back; both spin",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.8,
     .subject = &spinning,
     .floor = &weft_floor_link_spin},
    {.bench = "link_shm",
     .name = "rtt_8B_block",
     .what = "8 bytes to another process and back; both sleep",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.3,
     .subject = &sleeping,
     .floor = &weft_floor_link_block},
    {.bench = "link_shm",
     .name = "rtt_8B_onecore",
     .what = "the same on one core",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 2,
     .subject = &sleeping,
     .floor = &weft_floor_link_block},
    {.bench = "link_shm",
     .name = "rate_8B",
     .what = "8 bytes one way, flushed by 64",
     .unit = WEFT_BENCH_UNIT_MEGA_PER_S,
     .workers = 2,
     .goal = 2.3,
     .subject = &one_way,
     .floor = &weft_floor_link_ring},
};

const weft_bench_group_t weft_bench_link_shm = {
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
};
