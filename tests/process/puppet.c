// SPDX-License-Identifier: Apache-2.0
//
// What the puppet does.

#include "process/puppet.h"

#include "process/handler.h"
#include "process/tap.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "memory/memory.h"
#include "process/job.h"
#include "sys/crash_point.h"
#include "sys/sys.h"

#define HELD_LIMIT 20000

typedef struct puppet {
  weft_runtime_t* runtime;
  weft_value_t init;
  weft_value_t kept;
  int64_t* log;
  size_t log_count;
  size_t log_capacity;
  weft_promise_t** held;
  size_t held_first;
  size_t held_count;
  // Notices that nobody has asked for; promises of those who ask.
  weft_value_t notices[64];
  size_t notice_count;
  size_t notices_given;
  size_t notices_in_all;
  weft_promise_t* waiting;
} puppet_t;

// What all puppets of a process share.
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opened = PTHREAD_COND_INITIALIZER;
static bool gate_is_open;
static _Atomic int64_t started_count;
static _Atomic int64_t cancelled_count;

// Few handlers use all of what they are given.
static const weft_allocator_t* allocator_of(const puppet_t* puppet) {
  return weft_runtime_allocator(puppet->runtime);
}

static weft_actor_t actor_of(weft_value_t value) {
  weft_actor_t actor;
  weft_kit_assert_ok(weft_value_as_actor(value, &actor));
  return actor;
}

// --- Life -------------------------------------------------------------------

static weft_status_t init(weft_context_t* context, weft_value_t value,
                          void** out_state) {
  weft_status_t reason;
  if (weft_value_kind(value) == WEFT_KIND_STATUS) {
    weft_kit_assert_ok(weft_value_as_status(value, &reason));
    return weft_status_retain(reason);
  }
  puppet_t* puppet = calloc(1, sizeof(*puppet));
  puppet->runtime = weft_context_runtime(context);
  puppet->init = weft_value_retain(value);
  puppet->held = calloc(HELD_LIMIT, sizeof(weft_promise_t*));
  *out_state = puppet;
  return WEFT_OK;
}

static void deinit(void* state) {
  puppet_t* puppet = state;
  for (size_t i = puppet->held_first; i < puppet->held_count; i++) {
    weft_promise_release(puppet->held[i]);
  }
  for (size_t i = puppet->notices_given; i < puppet->notice_count; i++) {
    weft_value_release(puppet->notices[i]);
  }
  weft_promise_release(puppet->waiting);
  weft_value_release(puppet->init);
  weft_value_release(puppet->kept);
  free(puppet->held);
  free(puppet->log);
  free(puppet);
}

// --- Values -----------------------------------------------------------------

HANDLER(echo) {
  *out_result = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

HANDLER(add) {
  *out_result = weft_int64(int_of(arguments[0]) + int_of(arguments[1]));
  return WEFT_OK;
}

HANDLER(sum_ten) {
  int64_t sum = 0;
  for (int i = 0; i < 10; i++) {
    sum += int_of(arguments[i]);
  }
  *out_result = weft_int64(sum);
  return WEFT_OK;
}

HANDLER(note) {
  puppet_t* puppet = state;
  if (puppet->log_count == puppet->log_capacity) {
    puppet->log_capacity = puppet->log_capacity * 2 + 64;
    puppet->log =
        realloc(puppet->log, puppet->log_capacity * sizeof(*puppet->log));
    weft_assert(puppet->log != NULL);
  }
  puppet->log[puppet->log_count++] = int_of(arguments[0]);
  return WEFT_OK;
}

HANDLER(give_log) {
  const puppet_t* puppet = state;
  weft_value_t* values = calloc(puppet->log_count + 1, sizeof(*values));
  for (size_t i = 0; i < puppet->log_count; i++) {
    values[i] = weft_int64(puppet->log[i]);
  }
  weft_status_t status = weft_list_create(allocator_of(puppet), values,
                                          puppet->log_count, out_result);
  free(values);
  return status;
}

HANDLER(fail_so) {
  const char* text;
  WEFT_RETURN_IF_ERROR(weft_value_as_string(arguments[1], &text, NULL));
  weft_status_t root =
      weft_status_make(WEFT_STATUS_DATA_LOSS, "the root of %s", text);
  return weft_status_make_caused((weft_status_code_t)int_of(arguments[0]), root,
                                 "%s", text);
}

HANDLER(sum) {
  const weft_tensor_t* tensor;
  int64_t total = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(arguments[0], &tensor));
  const weft_tensor_layout_t* layout = weft_tensor_layout(tensor);
  const int32_t* data = weft_tensor_data(tensor);
  int64_t count = weft_tensor_element_count(tensor);
  int64_t stride = layout->ndim == 1 ? layout->strides[0] : 1;
  for (int64_t i = 0; i < count; i++) {
    total += data[i * stride];
  }
  *out_result = weft_int64(total);
  return WEFT_OK;
}

HANDLER(make_tensor) {
  const puppet_t* puppet = state;
  *out_result = puppet_tensor(puppet->runtime, int_of(arguments[0]),
                              arguments[1].as.boolean);
  return WEFT_OK;
}

HANDLER(keep) {
  puppet_t* puppet = state;
  weft_value_release(puppet->kept);
  puppet->kept = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

HANDLER(give_kept) {
  const puppet_t* puppet = state;
  *out_result = weft_value_retain(puppet->kept);
  return WEFT_OK;
}

HANDLER(forget) {
  puppet_t* puppet = state;
  weft_value_release(puppet->kept);
  puppet->kept = weft_none();
  return WEFT_OK;
}

HANDLER(give_init) {
  const puppet_t* puppet = state;
  *out_result = weft_value_retain(puppet->init);
  return WEFT_OK;
}

// --- Replies ----------------------------------------------------------------

HANDLER(hold) {
  puppet_t* puppet = state;
  weft_assert(puppet->held_count < HELD_LIMIT);
  return weft_context_take_reply(context, &puppet->held[puppet->held_count++]);
}

HANDLER(answer) {
  puppet_t* puppet = state;
  weft_status_t error;
  weft_assert(puppet->held_first < puppet->held_count);
  weft_promise_t* promise = puppet->held[puppet->held_first++];
  if (weft_value_kind(arguments[0]) == WEFT_KIND_STATUS) {
    weft_kit_assert_ok(weft_value_as_status(arguments[0], &error));
    weft_status_release(weft_promise_fail(promise, weft_status_retain(error)));
  } else {
    weft_status_release(
        weft_promise_set(promise, weft_value_retain(arguments[0])));
  }
  weft_promise_release(promise);
  return WEFT_OK;
}

HANDLER(drop) {
  puppet_t* puppet = state;
  weft_assert(puppet->held_first < puppet->held_count);
  weft_promise_release(puppet->held[puppet->held_first++]);
  return WEFT_OK;
}

// Calls the endpoint of an actor, as the first three arguments say.
static weft_status_t call_other(const puppet_t* puppet,
                                const weft_value_t* arguments,
                                weft_future_t** out_future) {
  bool has_value = weft_value_kind(arguments[2]) != WEFT_KIND_NONE;
  return weft_call(
      puppet->runtime, actor_of(arguments[0]), (uint32_t)int_of(arguments[1]),
      has_value ? WEFT_ARGUMENTS(arguments[2]) : NULL, NULL, out_future);
}

HANDLER(relay) {
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(call_other(state, arguments, &future));
  weft_status_t status =
      weft_future_get(future, WEFT_TIME_INFINITE, out_result);
  weft_future_release(future);
  return status;
}

HANDLER(forward) {
  weft_future_t* future;
  weft_promise_t* promise;
  WEFT_RETURN_IF_ERROR(call_other(state, arguments, &future));
  weft_status_t status = weft_context_take_reply(context, &promise);
  if (status == WEFT_OK) {
    status = weft_promise_forward(promise, future);
    weft_promise_release(promise);
  }
  weft_future_release(future);
  return status;
}

// --- Lives ------------------------------------------------------------------

HANDLER(monitor) {
  return weft_context_monitor(context, actor_of(arguments[0]), PUPPET_ENDED);
}

HANDLER(unmonitor) {
  weft_context_unmonitor(context, actor_of(arguments[0]));
  return WEFT_OK;
}

HANDLER(link_to) {
  return weft_context_link(context, actor_of(arguments[0]));
}

HANDLER(unlink_from) {
  weft_context_unlink(context, actor_of(arguments[0]));
  return WEFT_OK;
}

static void match_notice(puppet_t* puppet) {
  if (puppet->waiting != NULL && puppet->notices_given < puppet->notice_count) {
    weft_status_release(weft_promise_set(
        puppet->waiting, puppet->notices[puppet->notices_given++]));
    weft_promise_release(puppet->waiting);
    puppet->waiting = NULL;
  }
}

HANDLER(ended) {
  puppet_t* puppet = state;
  weft_assert(puppet->notice_count < 64);
  WEFT_RETURN_IF_ERROR(
      weft_list_create(allocator_of(puppet), arguments, 2,
                       &puppet->notices[puppet->notice_count]));
  puppet->notice_count++;
  match_notice(puppet);
  return WEFT_OK;
}

HANDLER(notice) {
  puppet_t* puppet = state;
  weft_assert(puppet->waiting == NULL);
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &puppet->waiting));
  match_notice(puppet);
  return WEFT_OK;
}

HANDLER(notices) {
  const puppet_t* puppet = state;
  *out_result = weft_int64((int64_t)puppet->notice_count);
  return WEFT_OK;
}

HANDLER(stop_self) {
  weft_status_t reason = WEFT_OK;
  if (weft_value_kind(arguments[0]) == WEFT_KIND_STATUS) {
    WEFT_RETURN_IF_ERROR(weft_value_as_status(arguments[0], &reason));
  }
  weft_context_stop(context, weft_status_retain(reason));
  return WEFT_OK;
}

HANDLER(stop_other) {
  const puppet_t* puppet = state;
  weft_status_t reason = WEFT_OK;
  if (weft_value_kind(arguments[2]) == WEFT_KIND_STATUS) {
    WEFT_RETURN_IF_ERROR(weft_value_as_status(arguments[2], &reason));
  }
  return weft_actor_stop(puppet->runtime, actor_of(arguments[0]),
                         (weft_stop_mode_t)int_of(arguments[1]),
                         weft_status_retain(reason));
}

HANDLER(await_exit) {
  const puppet_t* puppet = state;
  weft_future_t* exited;
  WEFT_RETURN_IF_ERROR(
      weft_actor_exited(puppet->runtime, actor_of(arguments[0]), &exited));
  return puppet_end(exited);
}

HANDLER(spawn_other) {
  const puppet_t* puppet = state;
  weft_actor_t actor;
  const weft_spawn_options_t options = {.place =
                                            (uint32_t)int_of(arguments[0])};
  WEFT_RETURN_IF_ERROR(weft_spawn(puppet->runtime, &puppet_class, weft_none(),
                                  &options, &actor));
  *out_result = weft_actor_value(actor);
  return WEFT_OK;
}

// --- Names ------------------------------------------------------------------

HANDLER(register_name) {
  const puppet_t* puppet = state;
  const char* name;
  WEFT_RETURN_IF_ERROR(weft_value_as_string(arguments[0], &name, NULL));
  return weft_actor_register(puppet->runtime, name, actor_of(arguments[1]));
}

HANDLER(unregister_name) {
  const puppet_t* puppet = state;
  const char* name;
  WEFT_RETURN_IF_ERROR(weft_value_as_string(arguments[0], &name, NULL));
  return weft_actor_unregister(puppet->runtime, name);
}

static weft_status_t look_up(const puppet_t* puppet, weft_value_t text,
                             int64_t deadline_ns, weft_value_t* out_result) {
  const char* name;
  weft_future_t* found;
  WEFT_RETURN_IF_ERROR(weft_value_as_string(text, &name, NULL));
  WEFT_RETURN_IF_ERROR(
      weft_actor_lookup(puppet->runtime, name, deadline_ns, &found));
  weft_status_t status = weft_future_get(found, WEFT_TIME_INFINITE, out_result);
  weft_future_release(found);
  return status;
}

HANDLER(lookup) {
  return look_up(state, arguments[0], weft_context_deadline_ns(context),
                 out_result);
}

HANDLER(lookup_soon) {
  const puppet_t* puppet = state;
  return look_up(state, arguments[0], weft_runtime_now_ns(puppet->runtime) + 1,
                 out_result);
}

// --- The process ------------------------------------------------------------

HANDLER(time_left) {
  const puppet_t* puppet = state;
  int64_t deadline_ns = weft_context_deadline_ns(context);
  *out_result =
      weft_int64(deadline_ns == WEFT_TIME_INFINITE
                     ? -1
                     : deadline_ns - weft_runtime_now_ns(puppet->runtime));
  return WEFT_OK;
}

HANDLER(who) {
  const puppet_t* puppet = state;
  const weft_value_t values[] = {
      weft_actor_value(weft_context_self(context)),
      weft_actor_value(weft_context_sender(context)),
      weft_int64(getpid()),
      weft_int64(gettid()),
  };
  return weft_list_create(allocator_of(puppet), values, 4, out_result);
}

HANDLER(gate) {
  pthread_mutex_lock(&gate_lock);
  while (!gate_is_open) {
    pthread_cond_wait(&gate_opened, &gate_lock);
  }
  pthread_mutex_unlock(&gate_lock);
  return WEFT_OK;
}

HANDLER(open_gate) {
  pthread_mutex_lock(&gate_lock);
  gate_is_open = true;
  pthread_cond_broadcast(&gate_opened);
  pthread_mutex_unlock(&gate_lock);
  return WEFT_OK;
}

HANDLER(until_cancelled) {
  // Relaxed: read by whoever asks again and again.
  atomic_fetch_add_explicit(&started_count, 1, memory_order_relaxed);
  while (!weft_context_is_cancelled(context)) {
    weft_sys_yield();
  }
  // Relaxed: as above.
  atomic_fetch_add_explicit(&cancelled_count, 1, memory_order_relaxed);
  return WEFT_OK;
}

HANDLER(cancelled) {
  // Relaxed: as above.
  *out_result =
      weft_int64(atomic_load_explicit(&cancelled_count, memory_order_relaxed));
  return WEFT_OK;
}

HANDLER(started) {
  // Relaxed: as above.
  *out_result =
      weft_int64(atomic_load_explicit(&started_count, memory_order_relaxed));
  return WEFT_OK;
}

puppet_figures_t puppet_own_figures(weft_runtime_t* runtime) {
  process_figures_t own = process_figures();
  weft_arena_figures_t arena;
  weft_counters_t counters;
  weft_arena_figures(weft_memory_arena(runtime), &arena);
  weft_runtime_counters(runtime, &counters);
  return (puppet_figures_t){{
      [FIGURE_DESCRIPTORS] = own.descriptors,
      [FIGURE_MAPPINGS] = own.mappings,
      [FIGURE_LENT_BYTES] = (int64_t)arena.lent_bytes,
      [FIGURE_USED_BYTES] = (int64_t)arena.used_bytes,
      [FIGURE_BYTES_COPIED] = (int64_t)counters.bytes_copied,
      [FIGURE_BYTES_LENT] = (int64_t)counters.bytes_lent,
  }};
}

HANDLER(figures) {
  const puppet_t* puppet = state;
  puppet_figures_t own = puppet_own_figures(puppet->runtime);
  weft_value_t values[FIGURE_COUNT];
  for (int i = 0; i < FIGURE_COUNT; i++) {
    values[i] = weft_int64(own.of[i]);
  }
  return weft_list_create(allocator_of(puppet), values, FIGURE_COUNT,
                          out_result);
}

HANDLER(flood) {
  const puppet_t* puppet = state;
  int64_t count = int_of(arguments[1]);
  int64_t sent = 0;
  weft_status_t status = WEFT_OK;
  while (sent < count && status == WEFT_OK) {
    status = weft_send(puppet->runtime, actor_of(arguments[0]), PUPPET_NOTE,
                       WEFT_ARGUMENTS(weft_int64(sent)), NULL);
    sent += status == WEFT_OK ? 1 : 0;
  }
  const weft_value_t values[] = {weft_int64(sent),
                                 weft_int64(weft_status_ignore(status))};
  return weft_list_create(allocator_of(puppet), values, 2, out_result);
}

HANDLER(die) {
  (void)raise(SIGKILL);
  return WEFT_OK;
}

int64_t puppet_fork(void) {
  pid_t process = fork();
  weft_assert(process >= 0);
  if (process == 0) {
    // Whoever waits for the end of what the test writes is not kept.
    for (int i = 0; i <= STDERR_FILENO; i++) {
      (void)close(i);
    }
    (void)alarm(600);
    (void)pause();
    _exit(0);
  }
  return process;
}

HANDLER(fork_one) {
  *out_result = weft_int64(puppet_fork());
  return WEFT_OK;
}

HANDLER(arm) {
  weft_crash_point_arm((uint64_t)int_of(arguments[0]));
  return WEFT_OK;
}

// --- The classes ------------------------------------------------------------

static const weft_parameter_t any_value[] = {{"value", WEFT_KIND_ANY}};
static const weft_parameter_t one_actor[] = {{"actor", WEFT_KIND_ACTOR}};
static const weft_parameter_t one_number[] = {{"number", WEFT_KIND_INT64}};
static const weft_parameter_t one_name[] = {{"name", WEFT_KIND_STRING}};
static const weft_parameter_t one_tensor[] = {{"tensor", WEFT_KIND_TENSOR}};
static const weft_parameter_t two_numbers[] = {{"a", WEFT_KIND_INT64},
                                               {"b", WEFT_KIND_INT64}};
static const weft_parameter_t ten_numbers[] = {
    {"n0", WEFT_KIND_INT64}, {"n1", WEFT_KIND_INT64}, {"n2", WEFT_KIND_INT64},
    {"n3", WEFT_KIND_INT64}, {"n4", WEFT_KIND_INT64}, {"n5", WEFT_KIND_INT64},
    {"n6", WEFT_KIND_INT64}, {"n7", WEFT_KIND_INT64}, {"n8", WEFT_KIND_INT64},
    {"n9", WEFT_KIND_INT64}};
static const weft_parameter_t failure[] = {{"code", WEFT_KIND_INT64},
                                           {"text", WEFT_KIND_STRING}};
static const weft_parameter_t errand[] = {{"actor", WEFT_KIND_ACTOR},
                                          {"number", WEFT_KIND_INT64},
                                          {"value", WEFT_KIND_ANY}};
static const weft_parameter_t end_notice[] = {{"actor", WEFT_KIND_ACTOR},
                                              {"reason", WEFT_KIND_ANY}};
static const weft_parameter_t size_and_kind[] = {{"count", WEFT_KIND_INT64},
                                                 {"is_shared", WEFT_KIND_BOOL}};
static const weft_parameter_t name_and_actor[] = {{"name", WEFT_KIND_STRING},
                                                  {"actor", WEFT_KIND_ACTOR}};

static const weft_endpoint_t endpoints[PUPPET_ENDPOINTS] = {
    [PUPPET_ECHO] = {"echo", echo, any_value, 1},
    [PUPPET_ADD] = {"add", add, two_numbers, 2},
    [PUPPET_SUM_TEN] = {"sum_ten", sum_ten, ten_numbers, 10},
    [PUPPET_NOTE] = {"note", note, one_number, 1},
    [PUPPET_LOG] = {"log", give_log, NULL, 0},
    [PUPPET_FAIL] = {"fail", fail_so, failure, 2},
    [PUPPET_HOLD] = {"hold", hold, NULL, 0},
    [PUPPET_ANSWER] = {"answer", answer, any_value, 1},
    [PUPPET_DROP] = {"drop", drop, NULL, 0},
    [PUPPET_RELAY] = {"relay", relay, errand, 3},
    [PUPPET_FORWARD] = {"forward", forward, errand, 3},
    [PUPPET_MONITOR] = {"monitor", monitor, one_actor, 1},
    [PUPPET_UNMONITOR] = {"unmonitor", unmonitor, one_actor, 1},
    [PUPPET_LINK] = {"link", link_to, one_actor, 1},
    [PUPPET_UNLINK] = {"unlink", unlink_from, one_actor, 1},
    [PUPPET_ENDED] = {"ended", ended, end_notice, 2},
    [PUPPET_NOTICE] = {"notice", notice, NULL, 0},
    [PUPPET_NOTICES] = {"notices", notices, NULL, 0},
    [PUPPET_STOP] = {"stop", stop_self, any_value, 1},
    [PUPPET_TIME_LEFT] = {"time_left", time_left, NULL, 0},
    [PUPPET_WHO] = {"who", who, NULL, 0},
    [PUPPET_GATE] = {"gate", gate, NULL, 0},
    [PUPPET_OPEN] = {"open", open_gate, NULL, 0},
    [PUPPET_UNTIL_CANCELLED] = {"until_cancelled", until_cancelled, NULL, 0},
    [PUPPET_CANCELLED] = {"cancelled", cancelled, NULL, 0},
    [PUPPET_STARTED] = {"started", started, NULL, 0},
    [PUPPET_SUM] = {"sum", sum, one_tensor, 1},
    [PUPPET_TENSOR] = {"tensor", make_tensor, size_and_kind, 2},
    [PUPPET_KEEP] = {"keep", keep, any_value, 1},
    [PUPPET_KEPT] = {"kept", give_kept, NULL, 0},
    [PUPPET_FORGET] = {"forget", forget, NULL, 0},
    [PUPPET_FIGURES] = {"figures", figures, NULL, 0},
    [PUPPET_FLOOD] = {"flood", flood, errand, 2},
    [PUPPET_SPAWN] = {"spawn", spawn_other, one_number, 1},
    [PUPPET_INIT] = {"init", give_init, NULL, 0},
    [PUPPET_REGISTER] = {"register", register_name, name_and_actor, 2},
    [PUPPET_LOOKUP] = {"lookup", lookup, one_name, 1},
    [PUPPET_LOOKUP_SOON] = {"lookup_soon", lookup_soon, one_name, 1},
    [PUPPET_UNREGISTER] = {"unregister", unregister_name, one_name, 1},
    [PUPPET_DIE] = {"die", die, NULL, 0},
    [PUPPET_FORK] = {"fork", fork_one, NULL, 0},
    [PUPPET_ARM] = {"arm", arm, one_number, 1},
    [PUPPET_STOP_OTHER] = {"stop_other", stop_other, errand, 3},
    [PUPPET_AWAIT_EXIT] = {"await_exit", await_exit, one_actor, 1},
};

const weft_class_t puppet_class = {"puppet", 1,         init,
                                   deinit,   endpoints, PUPPET_ENDPOINTS};
// Its endpoint needs no state.
const weft_class_t plain_class = {"plain", 3,         NULL,
                                  NULL,    endpoints, PUPPET_SUM_TEN + 1};

const weft_class_t* const puppet_classes[PUPPET_CLASS_COUNT] = {
    &puppet_class, &plain_class, &tap_class};
