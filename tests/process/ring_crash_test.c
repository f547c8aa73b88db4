// SPDX-License-Identifier: Apache-2.0
//
// Processes that are killed while a channel goes through a ring: at each step,
// from the opening of their end on. The survivors get what was written, in
// order and whole, and go on; nothing hangs, and what was the dead one's is
// given back.

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "process/job.h"
#include "process/puppet.h"
#include "process/tap.h"
#include "sys/sys.h"

#define SLOTS 2
#define SLOT_BYTES 1024
// Of each kind a few: while there is no ring, and in each slot.
#define VALUES 12

// --- What is written --------------------------------------------------------

typedef enum kind {
  NUMBER,
  // Filled in place; read where it lies.
  BYTES,
  TEXT,
  // Does not fit into a slot.
  LONG_TEXT,
  KIND_COUNT
} kind_t;

static size_t bytes_of(int64_t n) {
  return (size_t)(600 + n);
}

static weft_value_t make_value(weft_runtime_t* runtime, int64_t n) {
  switch ((kind_t)(n % KIND_COUNT)) {
    case TEXT:
      return puppet_long_string(runtime, (size_t)n);
    case LONG_TEXT:
      return puppet_long_string(runtime, (size_t)(SLOT_BYTES + n));
    default:
      return weft_int64(n);
  }
}

static void check_value(weft_runtime_t* runtime, weft_value_t found,
                        int64_t n) {
  const void* data;
  size_t size_bytes;
  if (n % KIND_COUNT != BYTES) {
    weft_value_t expected = make_value(runtime, n);
    assert_true(weft_value_equal(found, expected));
    weft_value_release(expected);
    return;
  }
  weft_kit_assert_ok(weft_value_as_bytes(found, &data, &size_bytes));
  assert_int_equal(size_bytes, bytes_of(n));
  for (size_t i = 0; i < size_bytes; i++) {
    assert_int_equal(((const unsigned char*)data)[i], size_bytes & 0xff);
  }
}

// --- Who is there -----------------------------------------------------------

// The body at rank 0, the mortal one at rank 1, a survivor at rank 2.
typedef struct scene {
  weft_runtime_t* runtime;
  weft_actor_t survivor;
  weft_actor_t survivors_puppet;
  weft_actor_t mortal;
  weft_writer_t* writer;
  weft_reader_t* reader;
  weft_value_t writer_end;
  weft_value_t reader_ends[2];
  puppet_figures_t before[2];
} scene_t;

static weft_actor_t tap_at(weft_runtime_t* runtime, uint32_t rank) {
  weft_actor_t actor;
  const weft_spawn_options_t options = {.place = rank};
  weft_kit_assert_ok(
      weft_spawn(runtime, &tap_class, weft_none(), &options, &actor));
  return actor;
}

static puppet_figures_t figures_of(const scene_t* scene, int index) {
  return index == 0 ? puppet_own_figures(scene->runtime)
                    : puppet_figures(scene->runtime, scene->survivors_puppet);
}

// --- Writing and reading ----------------------------------------------------

static void write_here(scene_t* scene, int64_t n) {
  void* data;
  size_t size_bytes = bytes_of(n);
  if (n % KIND_COUNT == BYTES) {
    weft_kit_assert_ok(weft_writer_reserve(scene->writer, size_bytes,
                                           WEFT_TIME_INFINITE, &data));
    memset(data, (int)(size_bytes & 0xff), size_bytes);
    weft_kit_assert_ok(weft_writer_commit(scene->writer, size_bytes));
    return;
  }
  weft_value_t value = make_value(scene->runtime, n);
  weft_kit_assert_ok(
      weft_writer_write(scene->writer, value, WEFT_TIME_INFINITE));
  weft_value_release(value);
}

static weft_status_t read_here(scene_t* scene, int64_t n) {
  weft_lease_t lease;
  WEFT_RETURN_IF_ERROR(
      weft_reader_read(scene->reader, WEFT_TIME_INFINITE, &lease));
  check_value(scene->runtime, lease.value, n);
  weft_lease_release(&lease);
  return WEFT_OK;
}

static weft_status_t read_there(scene_t* scene, int64_t n) {
  weft_future_t* future = puppet_call(scene->runtime, scene->survivor, TAP_READ,
                                      WEFT_ARGUMENTS(weft_int64(1)));
  weft_value_t list;
  const weft_value_t* items;
  size_t count;
  WEFT_RETURN_IF_ERROR(puppet_await(future, &list));
  weft_kit_assert_ok(weft_value_as_list(list, &items, &count));
  check_value(scene->runtime, items[0], n);
  weft_value_release(list);
  return WEFT_OK;
}

// --- Opening and closing -----------------------------------------------------

// Whether what the mortal one was asked for was done; else it is dead.
static bool is_done(weft_status_t status) {
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  if (code != WEFT_STATUS_PEER_DIED && code != WEFT_STATUS_ABANDONED) {
    weft_kit_assert_ok(status);
    return true;
  }
  weft_status_release(status);
  return false;
}

static bool is_as_before(const scene_t* scene, int index, int first, int last) {
  puppet_figures_t now = figures_of(scene, index);
  bool is_same = true;
  for (int i = first; i <= last; i++) {
    is_same &= now.of[i] == scene->before[index].of[i];
  }
  return is_same;
}

static void make_channel(scene_t* scene) {
  const weft_channel_options_t options = {.name = "tested",
                                          .reader_count = 2,
                                          .slot_count = SLOTS,
                                          .slot_bytes = SLOT_BYTES};
  weft_writer_t* writer;
  weft_reader_t* readers[2];
  weft_kit_assert_ok(
      weft_channel_create(scene->runtime, &options, &writer, readers));
  scene->writer_end = weft_writer_value(writer);
  weft_writer_release(writer);
  for (int i = 0; i < 2; i++) {
    scene->reader_ends[i] = weft_reader_value(readers[i]);
    weft_reader_release(readers[i]);
  }
}

static void open_here(scene_t* scene) {
  weft_kit_assert_ok(weft_writer_open(scene->writer_end, &scene->writer));
  weft_value_release(scene->writer_end);
}

static void open_at_survivor(scene_t* scene) {
  puppet_tell(scene->runtime, scene->survivor, TAP_OPEN_READER,
              WEFT_ARGUMENTS(scene->reader_ends[1]));
  weft_value_release(scene->reader_ends[1]);
}

static void leave(scene_t* scene) {
  weft_reader_release(scene->reader);
  weft_writer_release(scene->writer);
  scene->reader = NULL;
  scene->writer = NULL;
  puppet_tell(scene->runtime, scene->survivor, TAP_LEAVE, NULL);
}

// What both sides keep of a ring once they have had one is there before.
static void use_a_ring(scene_t* scene) {
  make_channel(scene);
  weft_value_release(scene->reader_ends[0]);
  open_here(scene);
  open_at_survivor(scene);
  for (int64_t n = 0; n < VALUES; n++) {
    write_here(scene, n);
    weft_kit_assert_ok(read_there(scene, n));
  }
  leave(scene);
}

static void open_scene(scene_t* scene, weft_runtime_t* runtime) {
  *scene = (scene_t){.runtime = runtime};
  scene->survivor = tap_at(runtime, 2);
  scene->survivors_puppet = puppet_spawn(runtime, 2);
  for (int i = 0; i < 2; i++) {
    scene->before[i] = figures_of(scene, i);
  }
  use_a_ring(scene);
  for (int i = 0; i < 2; i++) {
    while (!is_as_before(scene, i, FIGURE_LENT_BYTES, FIGURE_USED_BYTES)) {
      weft_sys_yield();
    }
    scene->before[i] = figures_of(scene, i);
  }
  make_channel(scene);
  scene->mortal = tap_at(runtime, 1);
  // It may die before it answers.
  (void)is_done(
      puppet_try(runtime, puppet_spawn(runtime, 1), PUPPET_ARM,
                 WEFT_ARGUMENTS(weft_int64((int64_t)process_argument()))));
}

static bool open_at_mortal(scene_t* scene, uint32_t endpoint,
                           weft_value_t* end) {
  bool opened = is_done(puppet_try(scene->runtime, scene->mortal, endpoint,
                                   WEFT_ARGUMENTS(*end)));
  weft_value_release(*end);
  *end = weft_none();
  return opened;
}

static void close_scene(scene_t* scene) {
  leave(scene);
  // It may live, or die only now.
  bool lives =
      is_done(puppet_try(scene->runtime, scene->mortal, TAP_LEAVE, NULL));
  for (int i = 0; i < 2 && !lives; i++) {
    while (!is_as_before(scene, i, FIGURE_DESCRIPTORS, FIGURE_USED_BYTES)) {
      weft_sys_yield();
    }
  }
}

// --- A writer that dies -----------------------------------------------------

// All is called for at once, so that the writer goes on while others read.
static void call_for_values(const scene_t* scene, weft_future_t* written[]) {
  for (int64_t n = 0; n <= VALUES; n++) {
    bool is_bytes = n % KIND_COUNT == BYTES;
    weft_value_t value = n == VALUES ? weft_none()
                         : is_bytes  ? weft_int64((int64_t)bytes_of(n))
                                     : make_value(scene->runtime, n);
    uint32_t endpoint = n == VALUES ? TAP_CLOSE
                        : is_bytes  ? TAP_WRITE_BYTES
                                    : TAP_WRITE;
    written[n] = NULL;
    (void)is_done(weft_call(scene->runtime, scene->mortal, endpoint,
                            WEFT_ARGUMENTS(value), NULL, &written[n]));
    weft_value_release(value);
  }
}

// Reads on until the channel ends for both.
static void read_to_the_end(scene_t* scene, bool* out_all) {
  weft_status_t (*const read[])(scene_t * scene, int64_t n) = {read_here,
                                                               read_there};
  bool has_ended[] = {false, false};
  int64_t n = 0;
  *out_all = true;
  for (; !has_ended[0] || !has_ended[1]; n++) {
    for (int i = 0; i < 2; i++) {
      weft_status_t status = has_ended[i] ? WEFT_OK : read[i](scene, n);
      if (status != WEFT_OK) {
        has_ended[i] = true;
        *out_all &= n == VALUES;
        if (weft_status_code(status) == WEFT_STATUS_CLOSED) {
          assert_int_equal(n, VALUES);
          weft_status_release(status);
        } else {
          assert_false(is_done(status));
        }
      }
    }
  }
}

static void read_from_one_that_dies(weft_runtime_t* runtime) {
  scene_t scene;
  weft_future_t* written[VALUES + 1] = {NULL};
  bool got_all;
  open_scene(&scene, runtime);
  weft_kit_assert_ok(weft_reader_open(scene.reader_ends[0], &scene.reader));
  weft_value_release(scene.reader_ends[0]);
  open_at_survivor(&scene);
  if (open_at_mortal(&scene, TAP_OPEN_WRITER, &scene.writer_end)) {
    call_for_values(&scene, written);
  }
  read_to_the_end(&scene, &got_all);
  bool all_done = written[0] != NULL;
  for (int64_t n = 0; n <= VALUES; n++) {
    all_done =
        written[n] != NULL && is_done(puppet_end(written[n])) && all_done;
  }
  // What was written and said to be is there.
  assert_true(got_all || !all_done);
  close_scene(&scene);
}

// --- A reader that dies -----------------------------------------------------

static void write_to_one_that_dies(weft_runtime_t* runtime) {
  scene_t scene;
  weft_future_t* read[VALUES] = {NULL};
  open_scene(&scene, runtime);
  open_here(&scene);
  open_at_survivor(&scene);
  if (open_at_mortal(&scene, TAP_OPEN_READER, &scene.reader_ends[0])) {
    // One by one: it has bytes that it keeps in the slot.
    for (int n = 0; n < VALUES; n++) {
      (void)is_done(weft_call(runtime, scene.mortal, TAP_READ,
                              WEFT_ARGUMENTS(weft_int64(1)), NULL, &read[n]));
    }
  }
  // The survivor gets all that is written, whatever the other does.
  for (int64_t n = 0; n < VALUES; n++) {
    write_here(&scene, n);
    weft_kit_assert_ok(read_there(&scene, n));
  }
  weft_writer_close(scene.writer, WEFT_OK);
  weft_kit_assert_status(WEFT_STATUS_CLOSED, read_there(&scene, VALUES));
  for (int n = 0; n < VALUES; n++) {
    if (read[n] != NULL) {
      (void)is_done(puppet_end(read[n]));
    }
  }
  close_scene(&scene);
}

// --- At every step ----------------------------------------------------------

static void sweep(const process_test_t* test) {
  process_endings_t endings;
  const char* only = getenv("WEFT_TEST_SEED");
  if (only != NULL) {
    process_run(test, strtoull(only, NULL, 10), NULL);
    return;
  }
  uint64_t step = process_is_slow() ? 17 : 1;
  uint64_t runs = 0;
  do {
    process_run(test, 1 + runs * step, &endings);
    runs++;
  } while (endings.of_rank[1].signal_number == SIGKILL);
  // So many steps there are, at least; else something is not reached any more.
  assert_true(runs * step >= 60);
  weft_kit_say_amount("crash_points", runs);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "a_writer_dies_at_each_step",
       .size = 3,
       .run = read_from_one_that_dies,
       .launch = sweep,
       .may_die = 1 << 1},
      {.name = "a_reader_dies_at_each_step",
       .size = 3,
       .run = write_to_one_that_dies,
       .launch = sweep,
       .may_die = 1 << 1},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
