// SPDX-License-Identifier: Apache-2.0
//
// Channels under load, between many processes: what is in value n is known to
// writer and readers, so a reader sees at once whether one is torn, lost,
// repeated or out of order. Processes are stopped and killed meanwhile. Members
// check in the end that nothing of memory, descriptors and mappings is left.
//
//   WEFT_TEST_SEED=N  this job alone, of the tests with seeds

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "process/handler.h"
#include "process/job.h"
#include "process/puppet.h"
#include "process/tap.h"

// --- Values -----------------------------------------------------------------

// What value n is.
typedef enum flow_kind {
  FLOW_MIXED,
  // One byte more each time, from none on.
  FLOW_BYTES,
  FLOW_STRINGS,
  // Of bytes that grow, among others; of one item more each time.
  FLOW_NESTED,
  FLOW_LISTS,
  // Of any size.
  FLOW_STORM
} flow_kind_t;

// More than any way to pass a value takes at once.
#define STORM_BYTES 300000
#define LIST_LIMIT 2000

static uint64_t mix(uint64_t seed, uint64_t number) {
  weft_kit_random_t random;
  weft_kit_random_init(&random, seed * 1000003 + number);
  return weft_kit_random_next(&random);
}

static weft_value_t make_bytes(weft_runtime_t* runtime, uint64_t number,
                               size_t size, bool is_string) {
  static _Thread_local char buffer[STORM_BYTES];
  weft_value_t value;
  for (size_t i = 0; i < size; i++) {
    buffer[i] = (char)('a' + (number + i) % 23);
  }
  const weft_allocator_t* allocator = weft_runtime_allocator(runtime);
  weft_kit_assert_ok(is_string
                         ? weft_string_create(allocator, buffer, size, &value)
                         : weft_bytes_create(allocator, buffer, size, &value));
  return value;
}

// Owns: takes the values over.
static weft_value_t make_list(weft_runtime_t* runtime, weft_value_t* values,
                              size_t count) {
  weft_value_t list = puppet_list(runtime, values, count);
  for (size_t i = 0; i < count; i++) {
    weft_value_release(values[i]);
  }
  return list;
}

static weft_value_t make_numbers(weft_runtime_t* runtime, uint64_t number,
                                 size_t count) {
  weft_value_t values[LIST_LIMIT] = {weft_none()};
  for (size_t i = 0; i < count; i++) {
    values[i] = weft_int64((int64_t)(number + i));
  }
  return make_list(runtime, values, count);
}

static weft_value_t make_nested(weft_runtime_t* runtime, uint64_t number,
                                size_t size) {
  weft_value_t values[] = {weft_int64((int64_t)number),
                           make_bytes(runtime, number, size, false),
                           make_bytes(runtime, number, size % 50, true)};
  return make_list(runtime, values, 3);
}

static weft_value_t make_mixed(weft_runtime_t* runtime, uint64_t seed,
                               uint64_t number) {
  uint64_t chance = mix(seed, number);
  size_t size = (size_t)(chance >> 8) % 6000;
  switch (chance % 6) {
    case 0:
      return make_bytes(runtime, number, size, false);
    case 1:
      return make_bytes(runtime, number, size % 300, true);
    case 2:
      return make_nested(runtime, number, size);
    case 3:
      return make_numbers(runtime, number, size % 100);
    default:
      return weft_int64((int64_t)number);
  }
}

static weft_value_t make_value(weft_runtime_t* runtime, flow_kind_t kind,
                               uint64_t seed, uint64_t number) {
  size_t size = (size_t)number;
  switch (kind) {
    case FLOW_BYTES:
      return make_bytes(runtime, number, size, false);
    case FLOW_STRINGS:
      return make_bytes(runtime, number, size, true);
    case FLOW_NESTED:
      return make_nested(runtime, number, size);
    case FLOW_LISTS:
      return make_numbers(runtime, number, size % LIST_LIMIT);
    case FLOW_STORM:
      size = (size_t)(mix(seed, number) % STORM_BYTES);
      return make_bytes(runtime, number, size >> mix(seed, size) % 18, false);
    default:
      return make_mixed(runtime, seed, number);
  }
}

// Now and then an error is in a value's place.
static bool is_error(flow_kind_t kind, uint64_t seed, uint64_t number) {
  return kind == FLOW_MIXED && mix(seed + 1, number) % 50 == 0;
}

// --- Actors -----------------------------------------------------------------

#define FLOW_SLOTS 4
#define FOREVER INT64_MAX

static weft_runtime_t* runtime_of(void* state) {
  return state;
}

static weft_status_t flow_init(weft_context_t* context, weft_value_t value,
                               void** out_state) {
  (void)value;
  *out_state = weft_context_runtime(context);
  return WEFT_OK;
}

// How many there were, and the code that ended it.
static weft_status_t give_outcome(weft_runtime_t* runtime, int64_t count,
                                  weft_status_t status,
                                  weft_value_t* out_result) {
  const weft_value_t values[] = {weft_int64(count),
                                 weft_int64((int64_t)weft_status_code(status))};
  weft_status_release(status);
  *out_result = puppet_list(runtime, values, 2);
  return WEFT_OK;
}

static weft_status_t write_one(weft_runtime_t* runtime, weft_writer_t* writer,
                               flow_kind_t kind, uint64_t seed,
                               uint64_t number) {
  weft_status_t status;
  if (is_error(kind, seed, number)) {
    weft_status_t error =
        weft_status_make(WEFT_STATUS_DATA_LOSS, "number %d", (int)number);
    status = weft_writer_fail(writer, error, WEFT_TIME_INFINITE);
    weft_status_release(error);
    return status;
  }
  weft_value_t value = make_value(runtime, kind, seed, number);
  const void* data;
  size_t size;
  void* place;
  bool fills_in_place = kind == FLOW_BYTES && number % 2 == 1;
  if (!fills_in_place) {
    status = weft_writer_write(writer, value, WEFT_TIME_INFINITE);
  } else {
    weft_kit_assert_ok(weft_value_as_bytes(value, &data, &size));
    status = weft_writer_reserve(writer, size + 10, WEFT_TIME_INFINITE, &place);
    if (status == WEFT_OK) {
      memcpy(place, data, size);
      status = weft_writer_commit(writer, size);
    }
  }
  weft_value_release(value);
  return status;
}

HANDLER(flow_write) {
  weft_runtime_t* runtime = runtime_of(state);
  weft_writer_t* writer;
  flow_kind_t kind = (flow_kind_t)int_of(arguments[1]);
  uint64_t seed = (uint64_t)int_of(arguments[2]);
  int64_t count = int_of(arguments[3]);
  int64_t n = 0;
  weft_status_t status = weft_writer_open(arguments[0], &writer);
  while (status == WEFT_OK && n < count) {
    status = write_one(runtime, writer, kind, seed, (uint64_t)n);
    n += status == WEFT_OK ? 1 : 0;
  }
  if (status == WEFT_OK) {
    weft_writer_close(writer, WEFT_OK);
  }
  weft_writer_release(writer);
  return give_outcome(runtime, n, status, out_result);
}

static void check_lease(weft_runtime_t* runtime, const weft_lease_t* lease,
                        flow_kind_t kind, uint64_t seed, uint64_t number) {
  weft_assert(lease->sequence == number);
  if (is_error(kind, seed, number)) {
    char text[32];
    (void)snprintf(text, sizeof(text), "number %d", (int)number);
    weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, text,
                                weft_status_retain(lease->status));
    return;
  }
  weft_kit_assert_ok(weft_status_retain(lease->status));
  weft_value_t expected = make_value(runtime, kind, seed, number);
  weft_assert(weft_value_equal(expected, lease->value));
  weft_value_release(expected);
}

// The leases that a reader holds; it looks at each again before it gives it
// back.
typedef struct held {
  weft_lease_t leases[FLOW_SLOTS];
  size_t count;
} held_t;

static void give_one_back(held_t* held, weft_runtime_t* runtime,
                          flow_kind_t kind, uint64_t seed, size_t at) {
  weft_lease_t* lease = &held->leases[at];
  check_lease(runtime, lease, kind, seed, lease->sequence);
  weft_lease_release(lease);
  *lease = held->leases[--held->count];
}

// Reads one more. Nothing is held by whoever waits: the next value may need the
// slot.
static weft_status_t hold_one(held_t* held, weft_runtime_t* runtime,
                              weft_reader_t* reader, flow_kind_t kind,
                              uint64_t seed) {
  weft_status_t status =
      weft_reader_read(reader, WEFT_TIME_NOW, &held->leases[held->count]);
  while (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK) {
    int64_t deadline_ns = held->count == 0 ? WEFT_TIME_INFINITE : WEFT_TIME_NOW;
    weft_status_release(status);
    if (held->count > 0) {
      give_one_back(held, runtime, kind, seed, 0);
    }
    status = weft_reader_read(reader, deadline_ns, &held->leases[held->count]);
  }
  return status;
}

// (end, kind, seed, limit, leases that are held) reads to the end, or leaves
// when it has read so many, with what it holds.
HANDLER(flow_read) {
  weft_runtime_t* runtime = runtime_of(state);
  weft_reader_t* reader;
  flow_kind_t kind = (flow_kind_t)int_of(arguments[1]);
  uint64_t seed = (uint64_t)int_of(arguments[2]);
  int64_t limit = int_of(arguments[3]);
  size_t hold = (size_t)int_of(arguments[4]);
  held_t held = {.count = 0};
  int64_t n = 0;
  weft_status_t status = weft_reader_open(arguments[0], &reader);
  while (status == WEFT_OK && n < limit) {
    status = hold_one(&held, runtime, reader, kind, seed);
    if (status == WEFT_OK) {
      check_lease(runtime, &held.leases[held.count++], kind, seed,
                  (uint64_t)n++);
    }
    if (held.count > hold) {
      give_one_back(&held, runtime, kind, seed,
                    (size_t)mix(seed, (uint64_t)n) % held.count);
    }
  }
  weft_reader_release(reader);
  while (held.count > 0) {
    give_one_back(&held, runtime, kind, seed, 0);
  }
  return give_outcome(runtime, n, status, out_result);
}

enum { FLOW_WRITE, FLOW_READ, FLOW_ENDPOINTS };

static const weft_parameter_t write_parameters[] = {
    {"end", WEFT_KIND_CHANNEL_END},
    {"kind", WEFT_KIND_INT64},
    {"seed", WEFT_KIND_INT64},
    {"count", WEFT_KIND_INT64},
};
static const weft_parameter_t read_parameters[] = {
    {"end", WEFT_KIND_CHANNEL_END}, {"kind", WEFT_KIND_INT64},
    {"seed", WEFT_KIND_INT64},      {"limit", WEFT_KIND_INT64},
    {"hold", WEFT_KIND_INT64},
};
static const weft_endpoint_t flow_endpoints[FLOW_ENDPOINTS] = {
    [FLOW_WRITE] = {"write", flow_write, write_parameters, 4},
    [FLOW_READ] = {"read", flow_read, read_parameters, 5},
};
static const weft_class_t flow_class = {
    "flow", 1, flow_init, NULL, flow_endpoints, FLOW_ENDPOINTS};

static void prepare(weft_runtime_options_t* options) {
  static const weft_class_t* classes[PUPPET_CLASS_COUNT + 1];
  memcpy(classes, puppet_classes, sizeof(puppet_classes));
  classes[PUPPET_CLASS_COUNT] = &flow_class;
  options->classes = classes;
  options->class_count = PUPPET_CLASS_COUNT + 1;
}

// --- A channel and those who use it -----------------------------------------

#define READER_LIMIT 32

typedef struct flow {
  weft_runtime_t* runtime;
  flow_kind_t kind;
  uint64_t seed;
  int64_t count;
  uint32_t reader_count;
  uint32_t creator;
  uint32_t writer_rank;
  uint32_t reader_ranks[READER_LIMIT];
  int64_t limits[READER_LIMIT];
  // [end of the writer, ends of readers ...]
  weft_value_t ends;
  weft_future_t* written;
  weft_future_t* read[READER_LIMIT];
} flow_t;

static weft_actor_t spawn_at(weft_runtime_t* runtime,
                             const weft_class_t* actor_class, uint32_t rank) {
  weft_actor_t actor;
  const weft_spawn_options_t options = {.place = rank};
  weft_kit_assert_ok(
      weft_spawn(runtime, actor_class, weft_none(), &options, &actor));
  return actor;
}

// Nobody has died so far.
static void make_flow(flow_t* flow) {
  weft_actor_t maker = spawn_at(flow->runtime, &tap_class, flow->creator);
  flow->ends = puppet_ask(
      flow->runtime, maker, TAP_MAKE,
      WEFT_ARGUMENTS(weft_int64(flow->reader_count), weft_int64(FLOW_SLOTS)));
}

static weft_value_t end_of(const flow_t* flow, uint32_t index) {
  const weft_value_t* items;
  size_t count;
  weft_kit_assert_ok(weft_value_as_list(flow->ends, &items, &count));
  weft_assert(index < count);
  return items[index];
}

static void start_reader(flow_t* flow, uint32_t reader, uint32_t hold) {
  weft_actor_t actor =
      spawn_at(flow->runtime, &flow_class, flow->reader_ranks[reader]);
  flow->read[reader] = puppet_call(
      flow->runtime, actor, FLOW_READ,
      WEFT_ARGUMENTS(end_of(flow, reader + 1), weft_int64(flow->kind),
                     weft_int64((int64_t)flow->seed),
                     weft_int64(flow->limits[reader]), weft_int64(hold)));
}

static void start_writer(flow_t* flow) {
  weft_actor_t actor = spawn_at(flow->runtime, &flow_class, flow->writer_rank);
  flow->written = puppet_call(
      flow->runtime, actor, FLOW_WRITE,
      WEFT_ARGUMENTS(end_of(flow, 0), weft_int64(flow->kind),
                     weft_int64((int64_t)flow->seed), weft_int64(flow->count)));
}

// What a reader or the writer has come to. False: its process died, which was
// to be.
static bool await_outcome(weft_future_t* future, bool may_be_dead,
                          int64_t* out_count, weft_status_code_t* out_code) {
  weft_value_t list;
  weft_status_t status = puppet_await(future, &list);
  if (may_be_dead && status != WEFT_OK) {
    weft_kit_assert_status(WEFT_STATUS_PEER_DIED,
                           weft_status_retain(weft_status_root(status)));
    weft_status_release(status);
    return false;
  }
  weft_kit_assert_ok(status);
  weft_value_t count = weft_value_retain(list);
  *out_code = (weft_status_code_t)puppet_number_at(count, 1);
  *out_count = puppet_number_at(list, 0);
  return true;
}

static bool is_dead(uint64_t dead, uint32_t rank) {
  return (dead >> rank & 1) != 0;
}

// How somebody ended.
typedef struct ending {
  const char* who;
  uint32_t rank;
  int64_t count;
  weft_status_code_t code;
} ending_t;

static void check_end(const flow_t* flow, bool is_right, uint64_t dead,
                      const ending_t* ending) {
  if (!is_right) {
    fprintf(stderr,
            "a %s at rank %u came to %lld of %lld, and then %s; the channel "
            "was made at rank %u, written at %u; dead are %llx\n",
            ending->who, ending->rank, (long long)ending->count,
            (long long)flow->count, weft_status_code_name(ending->code),
            flow->creator, flow->writer_rank, (unsigned long long)dead);
    fail();
  }
}

// One that could not come to its end had to do with the dead.
static void end_reader(flow_t* flow, uint32_t reader, uint64_t dead) {
  int64_t count;
  weft_status_code_t code;
  uint32_t rank = flow->reader_ranks[reader];
  if (!await_outcome(flow->read[reader], is_dead(dead, rank), &count, &code)) {
    return;
  }
  int64_t limit = flow->limits[reader];
  bool is_broken = is_dead(dead, rank) || is_dead(dead, flow->creator) ||
                   is_dead(dead, flow->writer_rank);
  bool is_right = limit <= flow->count
                      ? code == WEFT_STATUS_OK && count == limit
                      : code == WEFT_STATUS_CLOSED && count == flow->count;
  is_right |= is_broken && code == WEFT_STATUS_PEER_DIED && count < limit;
  check_end(flow, is_right, dead, &(ending_t){"reader", rank, count, code});
}

static bool has_reader_to_the_end(const flow_t* flow, uint64_t dead) {
  for (uint32_t i = 0; i < flow->reader_count; i++) {
    if (!is_dead(dead, flow->reader_ranks[i]) &&
        flow->limits[i] >= flow->count) {
      return true;
    }
  }
  return false;
}

static void end_writer(flow_t* flow, uint64_t dead) {
  int64_t count;
  weft_status_code_t code;
  if (!await_outcome(flow->written, is_dead(dead, flow->writer_rank), &count,
                     &code)) {
    return;
  }
  bool is_broken = is_dead(dead, flow->writer_rank) ||
                   is_dead(dead, flow->creator) ||
                   !has_reader_to_the_end(flow, dead);
  bool is_right = code == WEFT_STATUS_OK && count == flow->count;
  is_right |= is_broken &&
              (code == WEFT_STATUS_PEER_DIED || code == WEFT_STATUS_CLOSED);
  check_end(flow, is_right, dead,
            &(ending_t){"writer", flow->writer_rank, count, code});
}

static void end_flow(flow_t* flow, uint64_t dead) {
  weft_value_release(flow->ends);
  for (uint32_t i = 0; i < flow->reader_count; i++) {
    end_reader(flow, i, dead);
  }
  end_writer(flow, dead);
}

// --- Stops and kills --------------------------------------------------------

#define RANKS 8
#define MORTALS_FROM 3
#define KILLS_A_JOB 4

typedef struct crew {
  pid_t processes[RANKS];
  uint64_t dead;
} crew_t;

static void init_crew(crew_t* crew, weft_runtime_t* runtime, uint32_t size) {
  crew->dead = 0;
  for (uint32_t rank = 0; rank < size; rank++) {
    weft_actor_t puppet = puppet_spawn(runtime, rank);
    crew->processes[rank] = (pid_t)puppet_process(runtime, puppet);
  }
}

static void signal_rank(const crew_t* crew, uint32_t rank, int number) {
  assert_int_equal(kill(crew->processes[rank], number), 0);
}

static void kill_rank(crew_t* crew, uint32_t rank) {
  crew->dead |= UINT64_C(1) << rank;
  signal_rank(crew, rank, SIGKILL);
}

// The others go on, or wait for it, meanwhile.
static void pause_rank(const crew_t* crew, uint32_t rank, uint32_t ms) {
  signal_rank(crew, rank, SIGSTOP);
  // lint-allow sleep: nobody waits for anything; this is how long it is away.
  (void)usleep(ms * 1000);
  signal_rank(crew, rank, SIGCONT);
}

// --- Bodies -----------------------------------------------------------------

// 32 readers in five processes; of each process some hold leases, and some
// leave early. One process is stopped for a while, and one dies.
static void many_readers_of_one_writer(weft_runtime_t* runtime) {
  enum { PROCESSES = 5, MORTAL = 4 };
  crew_t crew;
  flow_t flow = {.runtime = runtime,
                 .kind = FLOW_MIXED,
                 .seed = 1,
                 .count = (int64_t)weft_kit_amount(5000),
                 .reader_count = READER_LIMIT};
  init_crew(&crew, runtime, PROCESSES);
  make_flow(&flow);
  for (uint32_t i = 0; i < READER_LIMIT; i++) {
    flow.reader_ranks[i] = i % PROCESSES;
    flow.limits[i] = i % 7 == 3 ? INT64_C(10) * i : FOREVER;
    start_reader(&flow, i, i % FLOW_SLOTS);
  }
  start_writer(&flow);
  pause_rank(&crew, 1, 20);
  kill_rank(&crew, MORTAL);
  pause_rank(&crew, 2, 20);
  end_flow(&flow, crew.dead);
}

// Across every size at which values go another way.
static void sizes_grow_by_one(weft_runtime_t* runtime) {
  const flow_kind_t kinds[] = {FLOW_BYTES, FLOW_STRINGS, FLOW_NESTED,
                               FLOW_LISTS};
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    flow_t flow = {.runtime = runtime,
                   .kind = kinds[i],
                   .count = process_is_slow() ? 5000 : 12000,
                   .reader_count = 3,
                   .reader_ranks = {1, 1, 0},
                   .limits = {FOREVER, FOREVER, FOREVER}};
    make_flow(&flow);
    for (uint32_t reader = 0; reader < 3; reader++) {
      start_reader(&flow, reader, reader);
    }
    start_writer(&flow);
    end_flow(&flow, 0);
  }
}

static void sizes_are_any(weft_runtime_t* runtime) {
  for (uint64_t seed = 0; seed < 3; seed++) {
    flow_t flow = {.runtime = runtime,
                   .kind = FLOW_STORM,
                   .seed = seed,
                   .count = (int64_t)weft_kit_amount(2000),
                   .reader_count = 3,
                   // The writer is here, there, and where one reader is.
                   .writer_rank = (uint32_t)seed,
                   .reader_ranks = {1, 2, 0},
                   .limits = {FOREVER, FOREVER, FOREVER}};
    make_flow(&flow);
    for (uint32_t reader = 0; reader < 3; reader++) {
      start_reader(&flow, reader, reader);
    }
    start_writer(&flow);
    end_flow(&flow, 0);
  }
  puppet_expect_nothing_lent(runtime);
}

#define FLOWS 6

static uint32_t below(weft_kit_random_t* random, uint32_t limit) {
  return (uint32_t)weft_kit_random_below(random, limit);
}

static void choose_flow(flow_t* flow, weft_kit_random_t* random) {
  flow->kind = below(random, 4) == 0 ? FLOW_STORM : FLOW_MIXED;
  flow->seed = below(random, 1000000);
  flow->count = 1 + below(random, flow->kind == FLOW_STORM ? 100 : 1500);
  flow->reader_count = 1 + below(random, 6);
  flow->creator = below(random, RANKS);
  flow->writer_rank = below(random, RANKS);
  for (uint32_t i = 0; i < flow->reader_count; i++) {
    flow->reader_ranks[i] = below(random, RANKS);
    flow->limits[i] = below(random, 5) == 0 ? below(random, 200) : FOREVER;
  }
}

static void start_flow(flow_t* flow, weft_kit_random_t* random) {
  uint32_t writer_at = below(random, flow->reader_count + 1);
  for (uint32_t i = 0; i <= flow->reader_count; i++) {
    if (i == writer_at) {
      start_writer(flow);
    }
    if (i < flow->reader_count) {
      start_reader(flow, i, below(random, FLOW_SLOTS));
    }
  }
}

static void stop_and_kill(crew_t* crew, weft_kit_random_t* random) {
  for (uint32_t kills = 0; kills < KILLS_A_JOB;) {
    uint32_t rank = 1 + below(random, RANKS - 1);
    // lint-allow sleep: the moment is left to chance.
    (void)usleep(below(random, 4000));
    if (is_dead(crew->dead, rank)) {
      continue;
    }
    if (rank >= MORTALS_FROM && below(random, 2) == 0) {
      kill_rank(crew, rank);
      kills++;
    } else {
      pause_rank(crew, rank, below(random, 5));
    }
  }
}

// What has nothing to do with the dead comes to its end, and all that does ends
// with what had come, in order.
static void some_die_beside_their_channels(weft_runtime_t* runtime) {
  static flow_t flows[FLOWS];
  weft_kit_random_t random;
  crew_t crew;
  weft_kit_random_init(&random, process_argument());
  init_crew(&crew, runtime, RANKS);
  for (int i = 0; i < FLOWS; i++) {
    flows[i] = (flow_t){.runtime = runtime};
    choose_flow(&flows[i], &random);
    make_flow(&flows[i]);
    start_flow(&flows[i], &random);
  }
  stop_and_kill(&crew, &random);
  for (int i = 0; i < FLOWS; i++) {
    end_flow(&flows[i], crew.dead);
  }
}

static void launch_all(const process_test_t* test) {
  process_run_seeds(test, 10, "channel_kills", KILLS_A_JOB);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "many_readers_of_one_writer",
       .size = 5,
       .run = many_readers_of_one_writer,
       .prepare = prepare,
       .may_die = 1 << 4},
      {.name = "sizes_grow_by_one",
       .size = 2,
       .run = sizes_grow_by_one,
       .prepare = prepare},
      {.name = "sizes_are_any",
       .size = 3,
       .run = sizes_are_any,
       .prepare = prepare},
      {.name = "some_die_beside_their_channels",
       .size = RANKS,
       .run = some_die_beside_their_channels,
       .prepare = prepare,
       .launch = launch_all,
       .may_die = ~UINT64_C(7)},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
