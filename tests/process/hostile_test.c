// SPDX-License-Identifier: Apache-2.0
//
// Peers that say what no runtime says: they take their places in the job, and
// write frames of random bytes, or into the memory of their lanes. The others
// hear errors, and go on.
//
//   WEFT_TEST_SEED=N  this job alone

#include <stdlib.h>
#include <string.h>

#include "actor/remote.h"
#include "job/client.h"
#include "link/shm/shm_kit.h"
#include "process/job.h"
#include "process/puppet.h"
#include "sys/local.h"
#include "wire/frame.h"

#define RANKS 10
// The last one is a runtime.
#define HONEST (RANKS - 1)
#define JOBS 60
#define FRAMES 400

// --- One that is hostile ----------------------------------------------------

typedef struct impostor {
  weft_link_sink_t sink;
  weft_shm_side_t side;
  weft_kit_random_t random;
  weft_link_t* link;
  // Set by whichever thread polls.
  _Atomic bool is_closed;
  bool has_ended;
} impostor_t;

static uint64_t below(impostor_t* impostor, uint64_t limit) {
  return weft_kit_random_below(&impostor->random, limit);
}

static void frame_came(weft_link_sink_t* sink, const void* data,
                       size_t size_bytes) {
  (void)sink;
  (void)data;
  (void)size_bytes;
}

static void descriptor_came(weft_link_sink_t* sink, uint64_t tag,
                            int descriptor) {
  (void)sink;
  (void)tag;
  weft_sys_close(descriptor);
}

static void room_came(weft_link_sink_t* sink) {
  (void)sink;
}

static void link_closed(weft_link_sink_t* sink, weft_status_t reason) {
  // Relaxed: the attack ends a little later.
  atomic_store_explicit(&WEFT_CONTAINER_OF(sink, impostor_t, sink)->is_closed,
                        true, memory_order_relaxed);
  weft_status_release(reason);
}

static const weft_link_sink_vtable_t sink_vtable = {
    .frame = frame_came,
    .descriptor = descriptor_came,
    .room = room_came,
    .closed = link_closed,
};

// What a puppet does for anybody, however it is asked.
static uint16_t pick_endpoint(impostor_t* impostor, uint32_t target) {
  static const uint16_t harmless[] = {
      PUPPET_ECHO,    PUPPET_ADD,      PUPPET_SUM_TEN,    PUPPET_NOTE,
      PUPPET_LOG,     PUPPET_HOLD,     PUPPET_FORWARD,    PUPPET_MONITOR,
      PUPPET_LINK,    PUPPET_UNLINK,   PUPPET_STOP,       PUPPET_TIME_LEFT,
      PUPPET_WHO,     PUPPET_KEEP,     PUPPET_KEPT,       PUPPET_FORGET,
      PUPPET_FIGURES, PUPPET_REGISTER, PUPPET_UNREGISTER, PUPPET_INIT};
  // The system actor has few endpoints; some have none of that number.
  return target == 0
             ? (uint16_t)below(impostor, 12)
             : harmless[below(impostor, sizeof(harmless) / sizeof(uint16_t))];
}

// A head that may be right: fields that are near to what they could be.
static weft_frame_t make_head(impostor_t* impostor, size_t size_bytes) {
  weft_frame_t head = {
      .size_bytes = (uint32_t)size_bytes,
      .type = (uint8_t)(1 + below(impostor, 10)),
      .flags = (uint8_t)(below(impostor, 4) == 0 ? below(impostor, 256)
                                                 : below(impostor, 2)),
      .id = below(impostor, 20),
      .target_index = (uint32_t)below(impostor, 5),
      .target_generation = 1,
      .sender = below(impostor, 2) << 63 | below(impostor, 3) << 32 | 1,
      .timeout_ns =
          below(impostor, 3) == 0 ? (int64_t)below(impostor, 1000) : INT64_MAX,
  };
  head.endpoint = pick_endpoint(impostor, head.target_index);
  // Calls of scalars are right in themselves.
  if ((head.flags & WEFT_FRAME_SCALARS) != 0 && size_bytes % 8 == 0 &&
      size_bytes <= sizeof(head) + 64) {
    head.value_count = (uint8_t)((size_bytes - sizeof(head)) / 8);
    for (uint32_t i = 0; i < head.value_count; i++) {
      head.kinds |= (uint32_t)below(impostor, 6) << (4 * i);
    }
  } else {
    head.value_count = (uint8_t)below(impostor, 4);
    head.named_count = (uint8_t)(below(impostor, 5) == 0 ? 1 : 0);
    head.attachment_count = (uint16_t)(below(impostor, 4) == 0 ? 1 : 0);
    head.kinds = (uint32_t)below(impostor, size_bytes);
  }
  return head;
}

// MessagePack that is likely to be read for a while.
static void fill_payload(impostor_t* impostor, unsigned char* data,
                         size_t size_bytes) {
  static const unsigned char likely[] = {0xc0, 0xc3, 0x91, 0x81, 0xa1, 0xc7,
                                         0xd9, 0xdc, 0x05, 0xcf, 0xc4, 0x61};
  bool is_likely = below(impostor, 2) == 0;
  for (size_t i = 0; i < size_bytes; i++) {
    data[i] = is_likely ? likely[below(impostor, sizeof(likely))]
                        : (unsigned char)below(impostor, 256);
  }
}

// False when nothing can be written any more.
static bool write_frame(impostor_t* impostor) {
  size_t size_bytes = 1 + below(impostor, 3) * below(impostor, 700) +
                      sizeof(weft_frame_t) + 8 * below(impostor, 9);
  if (below(impostor, 3) != 0) {
    size_bytes = sizeof(weft_frame_t) + 8 * below(impostor, 9);
  }
  void* place;
  weft_status_t status =
      weft_link_reserve(impostor->link, size_bytes, WEFT_LINK_RESERVED, &place);
  if (status != WEFT_OK) {
    return weft_status_ignore(status) == WEFT_STATUS_WOULD_BLOCK;
  }
  fill_payload(impostor, place, size_bytes);
  if (below(impostor, 20) != 0) {
    weft_frame_t head = make_head(impostor, size_bytes);
    memcpy(place, &head, sizeof(head));
  }
  weft_link_commit(impostor->link, size_bytes);
  if (below(impostor, 4) == 0) {
    weft_link_flush(impostor->link);
  }
  return true;
}

// A descriptor of something, under some name.
static void send_descriptor(impostor_t* impostor) {
  weft_memfd_t memory = WEFT_MEMFD_NONE;
  weft_kit_assert_ok(weft_memfd_create(
      "hostile", 4096 * (1 + below(impostor, 3)),
      below(impostor, 2) == 0 ? WEFT_MEMFD_SHARED : WEFT_MEMFD_ONE_WRITER,
      &memory));
  uint64_t tag =
      below(impostor, RANKS) << 48 | UINT64_C(1) << 32 | below(impostor, 3);
  weft_status_release(
      weft_link_send_descriptor(impostor->link, tag, memory.descriptor));
  weft_memfd_release(&memory);
}

// Writes over the words of its own lane.
static void scribble(impostor_t* impostor) {
  weft_lane_shared_t* shared = weft_shm_link_of(impostor->link)->out.shared;
  uint64_t word = weft_kit_random_next(&impostor->random);
  if (below(impostor, 2) == 0) {
    // Relaxed, all: what the peer makes of it is the test.
    atomic_store_explicit(&shared->cursors, word, memory_order_relaxed);
  } else {
    atomic_store_explicit(&shared->descriptors, (uint32_t)word,
                          memory_order_relaxed);
  }
}

static void attack(impostor_t* impostor) {
  for (int i = 0;
       i < FRAMES &&
       // Relaxed: as above.
       !atomic_load_explicit(&impostor->is_closed, memory_order_relaxed);
       i++) {
    if (!write_frame(impostor)) {
      break;
    }
    if (below(impostor, 60) == 0) {
      send_descriptor(impostor);
    }
    if (below(impostor, 300) == 0) {
      scribble(impostor);
    }
    weft_side_poll(&impostor->side);
  }
  weft_link_close(impostor->link, WEFT_OK);
}

static void connected(void* user, uint16_t rank, uint16_t incarnation,
                      int socket) {
  impostor_t* impostor = user;
  (void)incarnation;
  if (impostor->link == NULL) {
    impostor->link =
        weft_side_open(&impostor->side, socket, rank, &impostor->sink);
    attack(impostor);
  } else {
    weft_sys_close(socket);
  }
}

static void drop(void* user, uint16_t rank, weft_status_t why) {
  (void)user;
  (void)rank;
  weft_status_release(why);
}

static void died(void* user, uint16_t rank, uint16_t incarnation,
                 weft_status_t how) {
  (void)incarnation;
  drop(user, rank, how);
}

static void joined(void* user, uint16_t rank, uint16_t incarnation) {
  (void)user;
  (void)rank;
  (void)incarnation;
}

static void ended(void* user, weft_status_t why) {
  impostor_t* impostor = user;
  impostor->has_ended = true;
  weft_status_release(why);
}

static const weft_job_events_t job_events = {
    .connected = connected,
    .unreachable = drop,
    .died = died,
    .joined = joined,
    .ended = ended,
};

static bool imitate(uint32_t rank) {
  if (rank == 0 || rank == HONEST) {
    return false;
  }
  impostor_t impostor = {.sink.vtable = &sink_vtable};
  weft_job_client_t* client;
  weft_kit_random_init(&impostor.random, process_argument() * RANKS + rank);
  weft_kit_assert_ok(weft_job_client_create(NULL, WEFT_TIME_INFINITE, &client));
  const weft_job_place_t* place = weft_job_client_place(client);
  impostor.side.runtime =
      (weft_runtime_t){.allocator = weft_allocator_system(), .rank = rank};
  const weft_shm_options_t options = {
      .job = place->job, .rank = place->rank, .incarnation = 1};
  weft_kit_assert_ok(
      weft_shm_create(&impostor.side.runtime, &options, &impostor.side.shm));
  weft_job_client_start(client, &job_events, &impostor);
  while (!impostor.has_ended) {
    (void)weft_local_wait_readable(weft_job_client_descriptor(client),
                                   WEFT_TIME_INFINITE);
    weft_job_client_ready(client);
  }
  weft_shm_stop(impostor.side.shm);
  weft_link_destroy(impostor.link);
  weft_side_deinit(&impostor.side);
  weft_job_client_destroy(client);
  return true;
}

// --- Those who are attacked -------------------------------------------------

// Whatever comes of it is well, but for the end of this process.
static void meet(weft_runtime_t* runtime, uint32_t rank) {
  weft_actor_t actor;
  weft_future_t* future = NULL;
  const weft_spawn_options_t options = {.place = rank};
  weft_value_t tensor = puppet_tensor(runtime, 5000, true);
  weft_status_t status =
      weft_spawn(runtime, &puppet_class, tensor, &options, &actor);
  if (status == WEFT_OK) {
    // It made an answer up.
    status = weft_call(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(tensor),
                       NULL, &future);
  }
  if (status == WEFT_OK) {
    status = puppet_end(future);
  }
  weft_value_release(tensor);
  weft_status_release(status);
}

static void hostile_peers_harm_nobody(weft_runtime_t* runtime) {
  // What they send their messages to.
  for (int i = 0; i < 3; i++) {
    (void)puppet_spawn(runtime, 0);
  }
  weft_actor_t honest = puppet_spawn(runtime, HONEST);
  for (uint32_t rank = 1; rank < HONEST; rank++) {
    meet(runtime, rank);
    assert_int_equal(
        puppet_ask_int(runtime, honest, PUPPET_ADD,
                       WEFT_ARGUMENTS(weft_int64(1), weft_int64(rank))),
        rank + 1);
  }
  weft_actor_t mine = puppet_spawn(runtime, 0);
  weft_value_t value;
  weft_kit_assert_ok(
      puppet_relay(runtime, honest, mine, PUPPET_ECHO, weft_int64(7), &value));
  assert_true(weft_value_equal(value, weft_int64(7)));
}

// --- Requests that nobody may make ------------------------------------------

static void expect_refused(weft_runtime_t* runtime, weft_actor_t system,
                           uint32_t endpoint,
                           const weft_arguments_t* arguments) {
  weft_future_t* future = NULL;
  weft_kit_assert_ok(
      weft_call(runtime, system, endpoint, arguments, NULL, &future));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "was asked",
                              puppet_end(future));
}

static void what_serves_a_rank_serves_on(weft_runtime_t* runtime) {
  weft_actor_t system = weft_system_actor(1, 1);
  weft_actor_t mine = puppet_spawn(runtime, 0);
  weft_actor_t third = puppet_spawn(runtime, 2);
  weft_actor_t its = puppet_spawn(runtime, 1);
  weft_value_t names[2] = {weft_none(), weft_actor_value(its)};
  weft_value_t none = weft_none();
  weft_value_t list;
  weft_kit_assert_ok(weft_list_create(NULL, &none, 1, &list));
  weft_kit_assert_ok(weft_string_from_c(NULL, "name", &names[0]));
  // About itself.
  for (int mode = WEFT_STOP_NOW; mode <= WEFT_STOP_AFTER_QUEUE; mode++) {
    expect_refused(runtime, system, WEFT_SYSTEM_STOP,
                   WEFT_ARGUMENTS(weft_actor_value(system), weft_int64(mode),
                                  weft_none()));
  }
  expect_refused(runtime, system, WEFT_SYSTEM_EXITED,
                 WEFT_ARGUMENTS(weft_actor_value(system)));
  expect_refused(
      runtime, system, WEFT_SYSTEM_LINK,
      WEFT_ARGUMENTS(weft_actor_value(system), weft_actor_value(mine), list));
  // What others would have to be asked for, and it might wait for them.
  expect_refused(
      runtime, system, WEFT_SYSTEM_STOP,
      WEFT_ARGUMENTS(weft_actor_value(third), weft_int64(0), weft_none()));
  expect_refused(runtime, system, WEFT_SYSTEM_EXITED,
                 WEFT_ARGUMENTS(weft_actor_value(third)));
  expect_refused(runtime, system, WEFT_SYSTEM_LOOKUP, WEFT_ARGUMENTS(names[0]));
  expect_refused(runtime, system, WEFT_SYSTEM_UNREGISTER,
                 WEFT_ARGUMENTS(names[0]));
  expect_refused(runtime, system, WEFT_SYSTEM_REGISTER,
                 WEFT_ARGUMENTS(names[0], names[1]));
  // What is between others.
  expect_refused(
      runtime, system, WEFT_SYSTEM_LINK,
      WEFT_ARGUMENTS(weft_actor_value(its), weft_actor_value(third), list));
  expect_refused(
      runtime, system, WEFT_SYSTEM_UNLINK,
      WEFT_ARGUMENTS(weft_actor_value(its), weft_actor_value(third)));
  weft_value_release(names[0]);
  weft_value_release(list);
  (void)puppet_spawn(runtime, 1);
}

static void ignore_warning(void* user, weft_status_t warning) {
  (void)user;
  (void)warning;
}

static void keep_quiet(weft_runtime_options_t* options) {
  options->on_warning = ignore_warning;
}

static void launch_all(const process_test_t* test) {
  process_run_seeds(test, JOBS, "hostile_jobs", 1);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "hostile_peers_harm_nobody",
       .size = RANKS,
       .run = hostile_peers_harm_nobody,
       .prepare = keep_quiet,
       .imitate = imitate,
       .launch = launch_all},
      PROCESS_TEST(what_serves_a_rank_serves_on, 3),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
