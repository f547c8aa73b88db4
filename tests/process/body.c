// SPDX-License-Identifier: Apache-2.0
//
// What bodies of tests do with puppets.

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "memory/memory.h"
#include "process/job.h"
#include "process/puppet.h"
#include "sys/sys.h"

// --- Calls ------------------------------------------------------------------

weft_actor_t puppet_spawn_with(weft_runtime_t* runtime, uint32_t place,
                               weft_value_t init) {
  weft_actor_t actor;
  const weft_spawn_options_t options = {.place = place};
  weft_kit_assert_ok(
      weft_spawn(runtime, &puppet_class, init, &options, &actor));
  return actor;
}

weft_actor_t puppet_spawn(weft_runtime_t* runtime, uint32_t place) {
  return puppet_spawn_with(runtime, place, weft_none());
}

weft_future_t* puppet_call(weft_runtime_t* runtime, weft_actor_t actor,
                           uint32_t endpoint,
                           const weft_arguments_t* arguments) {
  weft_future_t* future = NULL;
  weft_kit_assert_ok(
      weft_call(runtime, actor, endpoint, arguments, NULL, &future));
  return future;
}

void puppet_send(weft_runtime_t* runtime, weft_actor_t actor, uint32_t endpoint,
                 const weft_arguments_t* arguments) {
  weft_kit_assert_ok(weft_send(runtime, actor, endpoint, arguments, NULL));
}

weft_status_t puppet_await(weft_future_t* future, weft_value_t* out_value) {
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, out_value);
  weft_future_release(future);
  return status;
}

weft_status_t puppet_end(weft_future_t* future) {
  weft_value_t value;
  weft_status_t status = puppet_await(future, &value);
  weft_value_release(value);
  return status;
}

weft_value_t puppet_ask(weft_runtime_t* runtime, weft_actor_t actor,
                        uint32_t endpoint, const weft_arguments_t* arguments) {
  weft_value_t value;
  weft_kit_assert_ok(
      puppet_await(puppet_call(runtime, actor, endpoint, arguments), &value));
  return value;
}

int64_t puppet_ask_int(weft_runtime_t* runtime, weft_actor_t actor,
                       uint32_t endpoint, const weft_arguments_t* arguments) {
  int64_t number;
  weft_value_t value = puppet_ask(runtime, actor, endpoint, arguments);
  weft_kit_assert_ok(weft_value_as_int64(value, &number));
  return number;
}

void puppet_tell(weft_runtime_t* runtime, weft_actor_t actor, uint32_t endpoint,
                 const weft_arguments_t* arguments) {
  weft_value_release(puppet_ask(runtime, actor, endpoint, arguments));
}

weft_status_t puppet_relay(weft_runtime_t* runtime, weft_actor_t by,
                           weft_actor_t actor, uint32_t endpoint,
                           weft_value_t value, weft_value_t* out_value) {
  return puppet_await(puppet_call(runtime, by, PUPPET_RELAY,
                                  WEFT_ARGUMENTS(weft_actor_value(actor),
                                                 weft_int64(endpoint), value)),
                      out_value);
}

weft_status_t puppet_try(weft_runtime_t* runtime, weft_actor_t actor,
                         uint32_t endpoint, const weft_arguments_t* arguments) {
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_call(runtime, actor, endpoint, arguments, NULL, &future));
  return puppet_end(future);
}

// --- Processes --------------------------------------------------------------

int64_t puppet_process(weft_runtime_t* runtime, weft_actor_t actor) {
  const weft_value_t* values;
  size_t count;
  int64_t process;
  weft_value_t list = puppet_ask(runtime, actor, PUPPET_WHO, NULL);
  weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
  weft_kit_assert_ok(weft_value_as_int64(values[2], &process));
  weft_value_release(list);
  return process;
}

puppet_figures_t puppet_figures(weft_runtime_t* runtime, weft_actor_t actor) {
  const weft_value_t* values;
  size_t count;
  puppet_figures_t figures = {{0}};
  weft_value_t list = puppet_ask(runtime, actor, PUPPET_FIGURES, NULL);
  weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
  assert_int_equal(count, FIGURE_COUNT);
  for (size_t i = 0; i < count; i++) {
    weft_kit_assert_ok(weft_value_as_int64(values[i], &figures.of[i]));
  }
  weft_value_release(list);
  return figures;
}

int64_t puppet_number_at(weft_value_t list, size_t index) {
  const weft_value_t* values;
  size_t count;
  int64_t number;
  weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
  assert_true(index < count);
  weft_kit_assert_ok(weft_value_as_int64(values[index], &number));
  weft_value_release(list);
  return number;
}

void puppet_kill(weft_runtime_t* runtime, weft_actor_t actor) {
  int64_t process = puppet_process(runtime, actor);
  weft_future_t* held = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  assert_int_equal(kill((pid_t)process, SIGKILL), 0);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, puppet_end(held));
}

void puppet_expect(weft_runtime_t* runtime, weft_actor_t actor,
                   uint32_t endpoint, int64_t number) {
  while (puppet_ask_int(runtime, actor, endpoint, NULL) != number) {
    weft_sys_yield();
  }
}

void puppet_expect_gone(weft_runtime_t* runtime, weft_actor_t actor) {
  weft_status_code_t code = WEFT_STATUS_OK;
  while (code != WEFT_STATUS_NOT_FOUND) {
    code = weft_status_ignore(puppet_try(runtime, actor, PUPPET_NOTICES, NULL));
    assert_true(code == WEFT_STATUS_OK || code == WEFT_STATUS_ACTOR_EXITED ||
                code == WEFT_STATUS_NOT_FOUND);
  }
}

void puppet_expect_nothing_lent(weft_runtime_t* runtime) {
  weft_arena_figures_t figures;
  weft_arena_figures(weft_memory_arena(runtime), &figures);
  while (figures.lent_bytes != 0 || figures.loan_count != 0) {
    weft_sys_yield();
    weft_arena_figures(weft_memory_arena(runtime), &figures);
  }
}

// --- Values -----------------------------------------------------------------

weft_value_t puppet_string(weft_runtime_t* runtime, const char* text) {
  weft_value_t value;
  weft_kit_assert_ok(
      weft_string_from_c(weft_runtime_allocator(runtime), text, &value));
  return value;
}

weft_value_t puppet_long_string(weft_runtime_t* runtime, size_t length) {
  weft_value_t value;
  char* text = malloc(length);
  assert_non_null(text);
  memset(text, 'w', length);
  weft_kit_assert_ok(weft_string_create(weft_runtime_allocator(runtime), text,
                                        length, &value));
  free(text);
  return value;
}

weft_value_t puppet_list(weft_runtime_t* runtime, const weft_value_t* values,
                         size_t count) {
  weft_value_t list;
  weft_kit_assert_ok(
      weft_list_create(weft_runtime_allocator(runtime), values, count, &list));
  return list;
}

weft_value_t puppet_status(weft_runtime_t* runtime, weft_status_code_t code,
                           const char* text) {
  weft_value_t value;
  weft_kit_assert_ok(
      weft_status_value_create(weft_runtime_allocator(runtime),
                               weft_status_make(code, "%s", text), &value));
  return value;
}

weft_value_t puppet_tensor(weft_runtime_t* runtime, int64_t count,
                           bool is_shared) {
  weft_tensor_t* tensor;
  void* data = NULL;
  weft_kit_assert_ok(
      is_shared
          ? weft_tensor_create_shared(runtime, WEFT_INT32, 1, &count, &tensor)
          : weft_tensor_create(weft_runtime_allocator(runtime), NULL,
                               WEFT_INT32, 1, &count, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  for (int64_t i = 0; i < count; i++) {
    ((int32_t*)data)[i] = (int32_t)i;
  }
  return weft_tensor_into_value(tensor);
}

int64_t puppet_sum_of(int64_t count) {
  return count * (count - 1) / 2;
}
