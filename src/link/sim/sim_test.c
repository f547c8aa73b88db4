// SPDX-License-Identifier: Apache-2.0

#include "link/sim/sim.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/container.h"
#include "kit/kit.h"
#include "link/link_kit.h"
#include "weft/executor.h"
#include "weft/runtime.h"

#define MS_NS ((int64_t)1000000)
#define RUNTIMES 3
#define LOG_LIMIT 4096

typedef struct world world_t;

// What one end has heard. Sinks are called on threads of the simulation, where
// cmocka's assertions do not belong.
typedef struct ear {
  weft_link_sink_t sink;
  world_t* world;
  weft_link_t* link;
  uint32_t index;
  bool is_in_call;
  uint32_t frames;
  uint32_t rooms;
  // Numbers of frames, as they came; tags of descriptors, plus 1000000.
  uint64_t heard[LOG_LIMIT];
  uint32_t heard_count;
  bool is_closed;
  weft_status_code_t reason;
} ear_t;

// Runtimes in one simulation; links 0-1 and 0-2, so ears 0, 1 and 2, 3.
struct world {
  weft_kit_allocator_t memory;
  weft_runtime_t* runtimes[RUNTIMES];
  weft_sim_net_t* net;
  ear_t ears[4];
  // Who heard something, and when.
  int64_t log[LOG_LIMIT];
  uint32_t log_length;
};

static ear_t* enter(weft_link_sink_t* sink) {
  ear_t* ear = WEFT_CONTAINER_OF(sink, ear_t, sink);
  world_t* world = ear->world;
  weft_assert(!ear->is_in_call && !ear->is_closed);
  ear->is_in_call = true;
  if (world->log_length + 2 < LOG_LIMIT) {
    world->log[world->log_length++] = ear->index;
    world->log[world->log_length++] = weft_runtime_now_ns(world->runtimes[0]);
  }
  return ear;
}

static void note(ear_t* ear, uint64_t number) {
  if (ear->heard_count < LOG_LIMIT) {
    ear->heard[ear->heard_count++] = number;
  }
}

static void hear_frame(weft_link_sink_t* sink, const void* data,
                       size_t size_bytes) {
  ear_t* ear = enter(sink);
  uint64_t number;
  weft_assert((uintptr_t)data % 8 == 0 && size_bytes >= sizeof(number));
  memcpy(&number, data, sizeof(number));
  weft_assert(size_bytes == sizeof(number) + number % 97);
  note(ear, number);
  ear->frames++;
  ear->is_in_call = false;
}

static void hear_descriptor(weft_link_sink_t* sink, uint64_t tag,
                            int descriptor) {
  ear_t* ear = enter(sink);
  note(ear, tag + 1000000);
  int result = close(descriptor);
  weft_assert(result == 0);
  ear->is_in_call = false;
}

static void hear_room(weft_link_sink_t* sink) {
  ear_t* ear = enter(sink);
  ear->rooms++;
  ear->is_in_call = false;
}

static void hear_closed(weft_link_sink_t* sink, weft_status_t reason) {
  ear_t* ear = enter(sink);
  ear->is_closed = true;
  ear->reason = weft_status_ignore(reason);
  ear->is_in_call = false;
}

static const weft_link_sink_vtable_t ear_vtable = {
    .frame = hear_frame,
    .descriptor = hear_descriptor,
    .room = hear_room,
    .closed = hear_closed,
};

// --- The world --------------------------------------------------------------

static void open_pair(world_t* world, uint32_t index) {
  ear_t* a = &world->ears[index];
  ear_t* b = &world->ears[index + 1];
  weft_runtime_t* runtime = world->runtimes[1 + index / 2];
  const weft_sim_end_t end_a = {world->runtimes[0], &a->sink};
  const weft_sim_end_t end_b = {runtime, &b->sink};
  weft_kit_assert_ok(
      weft_sim_link_pair(world->net, &end_a, &end_b, &a->link, &b->link));
}

static void set_up(world_t* world, uint64_t seed) {
  memset(world, 0, sizeof(*world));
  weft_kit_allocator_init(&world->memory);
  for (uint32_t i = 0; i < RUNTIMES; i++) {
    const weft_runtime_options_t options = {
        .allocator = &world->memory.allocator,
        .simulate = true,
        .seed = seed,
        .simulate_with = world->runtimes[0],
    };
    weft_kit_assert_ok(weft_runtime_create(&options, &world->runtimes[i]));
  }
  const weft_sim_options_t options = {
      .seed = seed,
      .delay_min_ns = MS_NS,
      .delay_max_ns = 5 * MS_NS,
      .capacity_bytes = 65536,
  };
  weft_kit_assert_ok(
      weft_sim_net_create(world->runtimes[0], &options, &world->net));
  for (uint32_t i = 0; i < 4; i++) {
    world->ears[i].sink.vtable = &ear_vtable;
    world->ears[i].world = world;
    world->ears[i].index = i;
  }
  open_pair(world, 0);
  open_pair(world, 2);
}

static void tear_down(world_t* world) {
  for (uint32_t i = 0; i < 4; i++) {
    weft_link_destroy(world->ears[i].link);
  }
  weft_sim_net_destroy(world->net);
  for (uint32_t i = RUNTIMES; i-- > 0;) {
    weft_runtime_destroy(world->runtimes[i]);
  }
  weft_kit_allocator_deinit(&world->memory);
}

static void run(world_t* world) {
  weft_runtime_run(world->runtimes[0], UINT64_MAX);
}

// Commits a frame of this number; false when there is no room.
static bool put(ear_t* ear, uint64_t number, weft_link_room_t room) {
  size_t size_bytes = sizeof(number) + number % 97;
  void* data;
  weft_status_t status = weft_link_reserve(ear->link, size_bytes, room, &data);
  if (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK) {
    weft_assert(data == NULL);
    return false;
  }
  weft_assert(status == WEFT_OK);
  memset(data, 0, size_bytes);
  memcpy(data, &number, sizeof(number));
  weft_link_commit(ear->link, size_bytes);
  return true;
}

static void send(ear_t* ear, uint64_t number) {
  bool has_room = put(ear, number, WEFT_LINK_ORDINARY);
  weft_assert(has_room);
  weft_link_flush(ear->link);
}

static void assert_gone(ear_t* ear, weft_status_code_t code) {
  void* data;
  weft_kit_assert_status(
      code, weft_link_reserve(ear->link, 8, WEFT_LINK_ORDINARY, &data));
  assert_null(data);
  weft_kit_assert_status(code, weft_link_send_descriptor(ear->link, 1, 0));
}

// --- Frames -----------------------------------------------------------------

static void frames_arrive_in_order_after_a_delay(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 1);
  ear_t* b = &world.ears[1];
  int64_t start_ns = weft_runtime_now_ns(world.runtimes[0]);
  for (uint64_t i = 0; i < 100; i++) {
    send(&world.ears[0], i);
  }
  send(b, 7);
  assert_int_equal(0, b->frames);
  run(&world);
  assert_int_equal(100, b->frames);
  for (uint64_t i = 0; i < 100; i++) {
    assert_int_equal(i, b->heard[i]);
  }
  assert_int_equal(1, world.ears[0].frames);
  assert_int_equal(0, world.ears[2].frames + world.ears[3].frames);
  assert_true(world.log[1] >= start_ns + MS_NS);
  assert_true(weft_runtime_now_ns(world.runtimes[0]) <= start_ns + 5 * MS_NS);
  tear_down(&world);
}

static void nothing_arrives_before_the_flush(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 1);
  assert_true(put(&world.ears[0], 1, WEFT_LINK_ORDINARY));
  run(&world);
  assert_int_equal(0, world.ears[1].frames);
  weft_link_flush(world.ears[0].link);
  weft_link_flush(world.ears[0].link);
  run(&world);
  assert_int_equal(1, world.ears[1].frames);
  tear_down(&world);
}

static void a_full_lane_refuses_and_tells_of_room(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 3);
  ear_t* a = &world.ears[0];
  uint64_t sent = 0;
  while (put(a, sent, WEFT_LINK_ORDINARY)) {
    sent++;
  }
  // What must not wait finds room all the same.
  assert_true(put(a, sent++, WEFT_LINK_RESERVED));
  run(&world);
  assert_int_equal(0, a->rooms);
  weft_link_flush(a->link);
  run(&world);
  assert_int_equal(1, a->rooms);
  assert_int_equal(sent, world.ears[1].frames);
  assert_true(put(a, sent, WEFT_LINK_ORDINARY));
  tear_down(&world);
}

static void the_largest_frame_fits(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 3);
  for (uint64_t i = 0; i < 50; i++) {
    void* data;
    weft_kit_assert_ok(weft_link_reserve(
        world.ears[0].link, WEFT_LINK_FRAME_LIMIT, WEFT_LINK_ORDINARY, &data));
    memset(data, 0xff, WEFT_LINK_FRAME_LIMIT);
    uint64_t number = 0;
    memcpy(data, &number, sizeof(number));
    weft_link_commit(world.ears[0].link, sizeof(number));
    weft_link_flush(world.ears[0].link);
    run(&world);
  }
  assert_int_equal(50, world.ears[1].frames);
  tear_down(&world);
}

static void descriptors_arrive_before_later_frames(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 5);
  ear_t* a = &world.ears[0];
  int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  send(a, 1);
  assert_true(put(a, 2, WEFT_LINK_ORDINARY));
  weft_kit_assert_ok(weft_link_send_descriptor(a->link, 5, file));
  weft_kit_assert_ok(weft_link_send_descriptor(a->link, 6, file));
  // It stays the caller's.
  assert_int_equal(0, close(file));
  weft_link_flush(a->link);
  run(&world);
  static const uint64_t expected[] = {1, 1000005, 1000006, 2};
  assert_int_equal(4, world.ears[1].heard_count);
  assert_memory_equal(expected, world.ears[1].heard, sizeof(expected));
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         weft_link_send_descriptor(a->link, 7, -1));
  tear_down(&world);
}

// Answers each frame with the next number, up to a limit.
static void bounce(weft_link_sink_t* sink, const void* data,
                   size_t size_bytes) {
  ear_t* ear = WEFT_CONTAINER_OF(sink, ear_t, sink);
  uint64_t number;
  memcpy(&number, data, sizeof(number));
  hear_frame(sink, data, size_bytes);
  if (number < 200) {
    send(ear, number + 1);
  }
}

static const weft_link_sink_vtable_t bounce_vtable = {
    .frame = bounce,
    .descriptor = hear_descriptor,
    .room = hear_room,
    .closed = hear_closed,
};

static void play(uint64_t seed, world_t* world) {
  set_up(world, seed);
  for (uint32_t i = 0; i < 4; i++) {
    world->ears[i].sink.vtable = &bounce_vtable;
    send(&world->ears[i], (uint64_t)i * 20);
  }
  run(world);
  assert_int_equal(201 + 181 + 161 + 141,
                   world->ears[0].frames + world->ears[1].frames +
                       world->ears[2].frames + world->ears[3].frames);
  tear_down(world);
}

static void the_same_seed_takes_the_same_course(weft_kit_random_t* random,
                                                void* user) {
  (void)user;
  static world_t first;
  static world_t second;
  uint64_t seed = weft_kit_random_next(random);
  play(seed, &first);
  play(seed, &second);
  assert_int_equal(first.log_length, second.log_length);
  assert_memory_equal(first.log, second.log, sizeof(first.log));
  play(seed + 1, &second);
  assert_memory_not_equal(first.log, second.log, sizeof(first.log));
}

static void a_run_can_be_repeated(void** state) {
  (void)state;
  weft_kit_for_some_seeds(20, the_same_seed_takes_the_same_course, NULL);
}

typedef struct sender {
  weft_task_t task;
  ear_t* ear;
} sender_t;

static void run_sender(weft_task_t* task) {
  assert_true(
      put(WEFT_CONTAINER_OF(task, sender_t, task)->ear, 3, WEFT_LINK_ORDINARY));
}

static void the_progress_flushes_after_tasks(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 1);
  weft_progress_t* progress;
  weft_kit_assert_ok(
      weft_sim_progress(world.net, world.runtimes[1], &progress));
  weft_async_set_progress(world.runtimes[1], progress);
  sender_t sender = {.task.run = run_sender, .ear = &world.ears[1]};
  weft_executor_post(weft_runtime_executor(world.runtimes[1]), &sender.task);
  run(&world);
  assert_int_equal(1, world.ears[0].frames);
  tear_down(&world);
}

// --- Endings ----------------------------------------------------------------

static void both_sides_hear_of_a_close_after_the_last_frame(void** state) {
  (void)state;
  static world_t world;
  for (uint64_t seed = 0; seed < 20; seed++) {
    set_up(&world, seed);
    ear_t* a = &world.ears[0];
    ear_t* b = &world.ears[1];
    send(b, 5);
    send(a, 1);
    assert_true(put(a, 2, WEFT_LINK_ORDINARY));
    weft_link_close(a->link, WEFT_OK);
    weft_link_close(a->link, weft_status_from_code(WEFT_STATUS_DATA_LOSS));
    assert_gone(a, WEFT_STATUS_CLOSED);
    assert_false(a->is_closed || b->is_closed);
    run(&world);
    assert_true(a->is_closed && b->is_closed);
    assert_int_equal(WEFT_STATUS_CLOSED, a->reason);
    assert_int_equal(WEFT_STATUS_CLOSED, b->reason);
    assert_int_equal(2, b->frames);
    assert_int_equal(1, a->frames);
    assert_gone(b, WEFT_STATUS_CLOSED);
    assert_false(world.ears[2].is_closed || world.ears[3].is_closed);
    tear_down(&world);
  }
}

static void the_own_sink_hears_the_reason_of_a_close(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 9);
  weft_link_close(world.ears[0].link,
                  weft_status_from_code(WEFT_STATUS_DATA_LOSS));
  // Both at a time.
  weft_link_close(world.ears[1].link, WEFT_OK);
  run(&world);
  assert_int_equal(WEFT_STATUS_DATA_LOSS, world.ears[0].reason);
  assert_int_equal(WEFT_STATUS_CLOSED, world.ears[1].reason);
  assert_gone(&world.ears[0], WEFT_STATUS_CLOSED);
  tear_down(&world);
}

static void of_a_killed_runtime_only_what_it_flushed_arrives(void** state) {
  (void)state;
  static world_t world;
  for (uint64_t seed = 0; seed < 20; seed++) {
    set_up(&world, seed);
    ear_t* killed = &world.ears[1];
    ear_t* other = &world.ears[0];
    send(killed, 1);
    send(killed, 2);
    assert_true(put(killed, 3, WEFT_LINK_ORDINARY));
    send(other, 4);
    weft_sim_kill(world.net, world.runtimes[1]);
    assert_gone(killed, WEFT_STATUS_PEER_DIED);
    // It does not know yet, and goes on.
    send(other, 5);
    assert_false(other->is_closed);
    run(&world);
    assert_int_equal(2, other->frames);
    assert_true(other->is_closed);
    assert_int_equal(WEFT_STATUS_PEER_DIED, other->reason);
    assert_gone(other, WEFT_STATUS_PEER_DIED);
    assert_int_equal(0, killed->frames);
    assert_int_equal(WEFT_STATUS_PEER_DIED, killed->reason);
    // Others live on.
    send(&world.ears[2], 6);
    run(&world);
    assert_int_equal(1, world.ears[3].frames);
    tear_down(&world);
  }
}

static void all_peers_of_a_killed_runtime_hear_of_it(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 2);
  weft_sim_kill(world.net, world.runtimes[0]);
  weft_sim_kill(world.net, world.runtimes[0]);
  run(&world);
  for (uint32_t i = 0; i < 4; i++) {
    assert_true(world.ears[i].is_closed);
    assert_int_equal(WEFT_STATUS_PEER_DIED, world.ears[i].reason);
  }
  // It starts anew, under the same name.
  for (uint32_t i = 0; i < 2; i++) {
    weft_link_destroy(world.ears[i].link);
    world.ears[i].is_closed = false;
  }
  open_pair(&world, 0);
  send(&world.ears[1], 1);
  run(&world);
  assert_int_equal(1, world.ears[0].frames);
  tear_down(&world);
}

static void a_pause_holds_up_what_goes_in_and_out(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 4);
  int64_t end_ns = weft_deadline_after(world.runtimes[0], 1000 * MS_NS);
  send(&world.ears[0], 1);
  weft_kit_assert_ok(
      weft_sim_pause(world.net, world.runtimes[1], 1000 * MS_NS));
  send(&world.ears[1], 2);
  send(&world.ears[2], 3);
  run(&world);
  // Three frames: the one between others first.
  assert_int_equal(6, world.log_length);
  assert_int_equal(3, world.log[0]);
  assert_true(world.log[1] < end_ns);
  assert_true(world.log[3] == end_ns && world.log[5] == end_ns);
  tear_down(&world);
}

static void links_can_go_with_all_that_is_on_its_way(void** state) {
  (void)state;
  static world_t world;
  set_up(&world, 4);
  int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  send(&world.ears[0], 1);
  weft_kit_assert_ok(weft_link_send_descriptor(world.ears[1].link, 1, file));
  close(file);
  weft_link_destroy(world.ears[0].link);
  world.ears[0].link = NULL;
  run(&world);
  assert_int_equal(1, world.ears[1].frames);
  assert_int_equal(WEFT_STATUS_CLOSED, world.ears[1].reason);
  // A runtime that has stopped hears nothing more.
  weft_kit_assert_ok(weft_runtime_stop(world.runtimes[2], WEFT_TIME_INFINITE));
  send(&world.ears[2], 1);
  weft_link_close(world.ears[2].link, WEFT_OK);
  run(&world);
  assert_true(world.ears[2].is_closed);
  assert_false(world.ears[3].is_closed);
  tear_down(&world);
}

// --- Making -----------------------------------------------------------------

static void options_are_checked(void** state) {
  (void)state;
  weft_sim_net_t* net;
  weft_sim_options_t options = {.delay_max_ns = 1};
  const weft_runtime_options_t real_options = {.worker_count = 1};
  weft_runtime_t* real;
  weft_kit_assert_ok(weft_runtime_create(&real_options, &real));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_sim_net_create(real, &options, &net));
  assert_null(net);
  weft_runtime_destroy(real);
  const weft_runtime_options_t simulated = {.simulate = true};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&simulated, &runtime));
  options.delay_min_ns = 2;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "the shorter first",
                              weft_sim_net_create(runtime, &options, &net));
  options.delay_min_ns = 0;
  options.capacity_bytes = 1000;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "too little",
                              weft_sim_net_create(runtime, &options, &net));
  options.capacity_bytes = 0;
  weft_kit_assert_ok(weft_sim_net_create(runtime, &options, &net));
  weft_sim_net_destroy(net);
  weft_sim_net_destroy(NULL);
  weft_runtime_destroy(runtime);
}

// A net with one link, in a simulation of its own.
typedef struct made {
  weft_runtime_t* runtime;
  weft_sim_net_t* net;
  weft_link_t* links[2];
} made_t;

static void destroy_made(void* object, void* user) {
  made_t* made = object;
  (void)user;
  weft_link_destroy(made->links[0]);
  weft_link_destroy(made->links[1]);
  weft_sim_net_destroy(made->net);
  weft_runtime_destroy(made->runtime);
}

static weft_status_t create_made(const weft_allocator_t* allocator, void* user,
                                 void** out_object) {
  made_t* made = user;
  *made = (made_t){0};
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &made->runtime));
  const weft_sim_options_t net_options = {.delay_max_ns = 1};
  static ear_t ear = {.sink.vtable = &ear_vtable};
  const weft_sim_end_t end = {made->runtime, &ear.sink};
  weft_status_t status =
      weft_sim_net_create(made->runtime, &net_options, &made->net);
  if (status == WEFT_OK) {
    status = weft_sim_link_pair(made->net, &end, &end, &made->links[0],
                                &made->links[1]);
  }
  if (status == WEFT_OK) {
    *out_object = made;
  } else {
    destroy_made(made, NULL);
  }
  return status;
}

static void a_net_is_made_whole_or_not_at_all(void** state) {
  (void)state;
  made_t made;
  const weft_kit_creation_t creation = {create_made, destroy_made, &made};
  weft_kit_sweep(&creation);
}

// --- What every backend does ------------------------------------------------

typedef struct two {
  weft_runtime_t* runtimes[2];
  weft_sim_net_t* net;
} two_t;

static void* open_two(weft_link_sink_t* const sinks[2],
                      weft_link_t* out_links[2]) {
  two_t* two = calloc(1, sizeof(*two));
  for (int i = 0; i < 2; i++) {
    const weft_runtime_options_t options = {.simulate = true,
                                            .simulate_with = two->runtimes[0]};
    weft_kit_assert_ok(weft_runtime_create(&options, &two->runtimes[i]));
  }
  const weft_sim_options_t options = {.delay_max_ns = MS_NS};
  weft_kit_assert_ok(
      weft_sim_net_create(two->runtimes[0], &options, &two->net));
  const weft_sim_end_t a = {two->runtimes[0], sinks[0]};
  const weft_sim_end_t b = {two->runtimes[1], sinks[1]};
  weft_kit_assert_ok(
      weft_sim_link_pair(two->net, &a, &b, &out_links[0], &out_links[1]));
  return two;
}

static void pump_two(void* state) {
  two_t* two = state;
  weft_runtime_run(two->runtimes[0], 100);
}

static void close_two(void* state) {
  two_t* two = state;
  weft_sim_net_destroy(two->net);
  weft_runtime_destroy(two->runtimes[1]);
  weft_runtime_destroy(two->runtimes[0]);
  free(two);
}

static weft_link_backend_t backend = {
    .open = open_two,
    .pump = pump_two,
    .close = close_two,
    .has_descriptors = true,
};

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_LINK_SUITE(&backend),
      cmocka_unit_test(frames_arrive_in_order_after_a_delay),
      cmocka_unit_test(nothing_arrives_before_the_flush),
      cmocka_unit_test(a_full_lane_refuses_and_tells_of_room),
      cmocka_unit_test(the_largest_frame_fits),
      cmocka_unit_test(descriptors_arrive_before_later_frames),
      cmocka_unit_test(a_run_can_be_repeated),
      cmocka_unit_test(the_progress_flushes_after_tasks),
      cmocka_unit_test(both_sides_hear_of_a_close_after_the_last_frame),
      cmocka_unit_test(the_own_sink_hears_the_reason_of_a_close),
      cmocka_unit_test(of_a_killed_runtime_only_what_it_flushed_arrives),
      cmocka_unit_test(all_peers_of_a_killed_runtime_hear_of_it),
      cmocka_unit_test(a_pause_holds_up_what_goes_in_and_out),
      cmocka_unit_test(links_can_go_with_all_that_is_on_its_way),
      cmocka_unit_test(options_are_checked),
      cmocka_unit_test(a_net_is_made_whole_or_not_at_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
