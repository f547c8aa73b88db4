// SPDX-License-Identifier: Apache-2.0
//
// Spawning, calling and sending between processes; errors.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/job.h"
#include "process/puppet.h"

// --- Spawning ---------------------------------------------------------------

static void actors_are_spawned_where_they_are_asked_for(
    weft_runtime_t* runtime) {
  int64_t here = puppet_process(runtime, puppet_spawn(runtime, 0));
  weft_actor_t there = puppet_spawn(runtime, 1);
  assert_int_equal(there.rank, 1);
  assert_int_not_equal(puppet_process(runtime, there), here);
  weft_value_t init = puppet_ask(runtime, there, PUPPET_INIT, NULL);
  assert_int_equal(weft_value_kind(init), WEFT_KIND_NONE);
  // A class without an init.
  weft_actor_t plain;
  const weft_spawn_options_t options = {.place = 1};
  weft_kit_assert_ok(
      weft_spawn(runtime, &plain_class, weft_none(), &options, &plain));
  assert_int_equal(
      puppet_ask_int(runtime, plain, PUPPET_ADD,
                     WEFT_ARGUMENTS(weft_int64(40), weft_int64(2))),
      42);
}

static void init_values_arrive(weft_runtime_t* runtime) {
  for (int is_shared = 0; is_shared < 2; is_shared++) {
    const weft_value_t values[] = {weft_int64(7), weft_none(),
                                   puppet_tensor(runtime, 5000, is_shared)};
    weft_value_t list = puppet_list(runtime, values, 3);
    weft_actor_t actor = puppet_spawn_with(runtime, 1, list);
    weft_value_t back = puppet_ask(runtime, actor, PUPPET_INIT, NULL);
    const weft_value_t* came;
    size_t count;
    weft_kit_assert_ok(weft_value_as_list(back, &came, &count));
    assert_int_equal(count, 3);
    assert_true(weft_value_equal(came[0], weft_int64(7)));
    assert_int_equal(
        puppet_ask_int(runtime, actor, PUPPET_SUM, WEFT_ARGUMENTS(came[2])),
        puppet_sum_of(5000));
    weft_value_release(back);
    weft_value_release(list);
    weft_value_release(values[2]);
  }
}

static void an_init_may_be_a_future(weft_runtime_t* runtime) {
  weft_promise_t* promise;
  weft_future_t* future;
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &future));
  weft_actor_t actor = puppet_spawn_with(runtime, 1, weft_future_lend(future));
  weft_future_t* reply = puppet_call(runtime, actor, PUPPET_INIT, NULL);
  assert_false(weft_future_is_done(reply));
  weft_kit_assert_ok(weft_promise_set(promise, weft_int64(77)));
  weft_value_t value;
  weft_kit_assert_ok(puppet_await(reply, &value));
  assert_true(weft_value_equal(value, weft_int64(77)));
  weft_promise_release(promise);
  weft_future_release(future);
}

static void an_init_that_fails_is_the_cause_of_what_callers_see(
    weft_runtime_t* runtime) {
  weft_value_t error =
      puppet_status(runtime, WEFT_STATUS_PERMISSION_DENIED, "not today");
  weft_actor_t actor = puppet_spawn_with(runtime, 1, error);
  weft_status_t status =
      puppet_try(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(weft_int64(1)));
  weft_status_code_t code = weft_status_code(status);
  assert_true(code == WEFT_STATUS_ACTOR_EXITED ||
              code == WEFT_STATUS_NOT_FOUND);
  if (code == WEFT_STATUS_ACTOR_EXITED) {
    assert_int_equal(weft_status_code(weft_status_root(status)),
                     WEFT_STATUS_PERMISSION_DENIED);
  }
  weft_status_release(status);
  weft_value_release(error);
}

static const weft_class_t stranger_class = {"stranger", 1, NULL, NULL, NULL, 0};
static weft_class_t changed_class;

// Rank 1 has another version of a class.
static void change_version(weft_runtime_options_t* options) {
  static const weft_class_t* changed[2];
  if (process_rank() == 1) {
    changed_class = plain_class;
    changed_class.version++;
    changed[0] = &puppet_class;
    changed[1] = &changed_class;
    options->classes = changed;
    options->class_count = 2;
  }
}

static void spawning_says_what_is_wrong(weft_runtime_t* runtime) {
  weft_actor_t actor;
  weft_spawn_options_t options = {.place = 1};
  weft_kit_assert_status_says(
      WEFT_STATUS_NOT_FOUND, "stranger",
      weft_spawn(runtime, &stranger_class, weft_none(), &options, &actor));
  weft_kit_assert_status_says(
      WEFT_STATUS_NOT_FOUND, "no class plain of version 3",
      weft_spawn(runtime, &plain_class, weft_none(), &options, &actor));
  assert_true(weft_actor_is_none(actor));
  options.mailbox_bound = 1 << 20;
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_spawn(runtime, &puppet_class, weft_none(), &options, &actor));
  options.mailbox_bound = 0;
  const uint32_t places[] = {2, 500, 1024, 65536, UINT32_MAX - 1};
  for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
    options.place = places[i];
    weft_kit_assert_status(
        WEFT_STATUS_NOT_FOUND,
        weft_spawn(runtime, &puppet_class, weft_none(), &options, &actor));
    assert_true(weft_actor_is_none(actor));
  }
}

static void an_actor_may_have_a_thread_of_its_own(weft_runtime_t* runtime) {
  weft_actor_t actor;
  const weft_spawn_options_t options = {.place = 1, .own_thread = true};
  weft_kit_assert_ok(
      weft_spawn(runtime, &puppet_class, weft_none(), &options, &actor));
  int64_t thread = 0;
  for (int i = 0; i < 20; i++) {
    const weft_value_t* values;
    size_t count;
    weft_value_t list = puppet_ask(runtime, actor, PUPPET_WHO, NULL);
    weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
    assert_true(i == 0 || thread == values[3].as.int64);
    thread = values[3].as.int64;
    weft_value_release(list);
  }
}

// --- Values -----------------------------------------------------------------

static void scalars_and_names_arrive(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t ten[10];
  for (int i = 0; i < 10; i++) {
    ten[i] = weft_int64(INT64_C(1) << (6 * i));
  }
  const weft_arguments_t positional = {.positional = ten,
                                       .positional_count = 10};
  int64_t sum = puppet_ask_int(runtime, actor, PUPPET_SUM_TEN, &positional);
  const weft_named_value_t named[] = {
      {"n9", ten[9]}, {"n7", ten[7]}, {"n8", ten[8]}};
  const weft_arguments_t mixed = {.positional = ten,
                                  .positional_count = 7,
                                  .named = named,
                                  .named_count = 3};
  assert_int_equal(puppet_ask_int(runtime, actor, PUPPET_SUM_TEN, &mixed), sum);
  const weft_named_value_t both[] = {{"b", weft_int64(2)},
                                     {"a", weft_int64(40)}};
  const weft_arguments_t only_named = {.named = both, .named_count = 2};
  assert_int_equal(puppet_ask_int(runtime, actor, PUPPET_ADD, &only_named), 42);
  puppet_send(runtime, actor, PUPPET_NOTE, WEFT_ARGUMENTS(weft_int64(5)));
  weft_value_t log = puppet_ask(runtime, actor, PUPPET_LOG, NULL);
  const weft_value_t* values;
  size_t count;
  weft_kit_assert_ok(weft_value_as_list(log, &values, &count));
  assert_int_equal(count, 1);
  assert_true(weft_value_equal(values[0], weft_int64(5)));
  weft_value_release(log);
}

// Echoes a value; releases it.
static void check_echo(weft_runtime_t* runtime, weft_actor_t actor,
                       weft_value_t value) {
  weft_value_t back =
      puppet_ask(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(value));
  assert_true(weft_value_equal(back, value));
  weft_value_release(back);
  weft_value_release(value);
}

static weft_value_t make_map(weft_runtime_t* runtime) {
  weft_value_t inner[3] = {puppet_string(runtime, "eins"), weft_bool(true),
                           weft_float64(0.5)};
  weft_map_entry_t entries[2] = {
      {puppet_string(runtime, "liste"), puppet_list(runtime, inner, 3)},
      {puppet_string(runtime, ""), weft_int64(INT64_MIN)}};
  weft_value_t map;
  weft_kit_assert_ok(
      weft_map_create(weft_runtime_allocator(runtime), entries, 2, &map));
  weft_value_release(inner[0]);
  weft_value_release(entries[0].key);
  weft_value_release(entries[0].value);
  weft_value_release(entries[1].key);
  return map;
}

// A list in a list in a list ...
static weft_value_t make_deep(weft_runtime_t* runtime, int depth) {
  weft_value_t value = weft_int64(depth);
  for (int i = 0; i < depth; i++) {
    weft_value_t outer = puppet_list(runtime, &value, 1);
    weft_value_release(value);
    value = outer;
  }
  return value;
}

static void values_of_each_kind_arrive_and_come_back(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t bytes;
  weft_kit_assert_ok(weft_bytes_create(weft_runtime_allocator(runtime),
                                       "\0\1\377", 3, &bytes));
  check_echo(runtime, actor, weft_none());
  check_echo(runtime, actor, weft_bool(false));
  check_echo(runtime, actor, weft_int64(INT64_MIN));
  check_echo(runtime, actor, weft_float64(-0.1));
  check_echo(runtime, actor, weft_actor_value(actor));
  check_echo(runtime, actor, puppet_string(runtime, ""));
  check_echo(runtime, actor, puppet_string(runtime, "Gruß aus \xe4\xba\xac"));
  check_echo(runtime, actor, bytes);
  check_echo(runtime, actor, puppet_list(runtime, NULL, 0));
  check_echo(runtime, actor, make_map(runtime));
  check_echo(runtime, actor, make_deep(runtime, 60));
  const size_t lengths[] = {1023,  1024,  1025,  16000,  16300,
                            16384, 16385, 20000, 100000, 3000000};
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    check_echo(runtime, actor, puppet_long_string(runtime, lengths[i]));
  }
  puppet_expect_nothing_lent(runtime);
}

static void a_list_of_many_values_arrives(weft_runtime_t* runtime) {
  enum { COUNT = 5000 };
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t* values = calloc(COUNT, sizeof(*values));
  for (int i = 0; i < COUNT; i++) {
    values[i] = i % 2 == 0 ? weft_int64(i) : puppet_string(runtime, "odd");
  }
  check_echo(runtime, actor, puppet_list(runtime, values, COUNT));
  for (int i = 1; i < COUNT; i += 2) {
    weft_value_release(values[i]);
  }
  free(values);
}

static void statuses_are_values_too(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t sent =
      puppet_status(runtime, WEFT_STATUS_UNAVAILABLE, "closed on mondays");
  weft_value_t back =
      puppet_ask(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(sent));
  weft_status_t status;
  weft_kit_assert_ok(weft_value_as_status(back, &status));
  assert_int_equal(weft_status_code(status), WEFT_STATUS_UNAVAILABLE);
  assert_string_equal(weft_status_message(status), "closed on mondays");
  weft_value_release(back);
  weft_value_release(sent);
}

// --- Errors -----------------------------------------------------------------

static void check_failure(weft_runtime_t* runtime, weft_status_t status,
                          weft_actor_t actor) {
  char name[32];
  (void)snprintf(name, sizeof(name), "puppet#%u", actor.index);
  (void)runtime;
  assert_int_equal(weft_status_code(status), WEFT_STATUS_OUT_OF_RANGE);
  assert_string_equal(weft_status_message(status), "this \"is\" it");
  weft_status_origin_t origin = weft_status_origin(status);
  assert_int_equal(origin.rank, actor.rank);
  assert_string_equal(origin.actor, name);
  assert_string_equal(origin.endpoint, "fail");
  assert_non_null(strstr(origin.file, "puppet.c"));
  assert_true(origin.line > 0);
  weft_status_t cause = weft_status_cause(status);
  assert_int_equal(weft_status_code(cause), WEFT_STATUS_DATA_LOSS);
  assert_string_equal(weft_status_message(cause), "the root of this \"is\" it");
  assert_int_equal(weft_status_origin(cause).rank, actor.rank);
  assert_true(weft_status_cause(cause) == WEFT_OK);
  weft_status_release(status);
}

static void errors_keep_their_identity(weft_runtime_t* runtime) {
  weft_actor_t there = puppet_spawn(runtime, 1);
  weft_actor_t third = puppet_spawn(runtime, 2);
  weft_value_t text = puppet_string(runtime, "this \"is\" it");
  const weft_value_t values[] = {weft_int64(WEFT_STATUS_OUT_OF_RANGE), text};
  const weft_arguments_t arguments = {.positional = values,
                                      .positional_count = 2};
  check_failure(runtime, puppet_try(runtime, there, PUPPET_FAIL, &arguments),
                there);
  // As an argument that has failed, through a third process, and back.
  weft_future_t* failed = puppet_call(runtime, there, PUPPET_FAIL, &arguments);
  check_failure(runtime,
                puppet_try(runtime, third, PUPPET_ECHO,
                           WEFT_ARGUMENTS(weft_future_lend(failed))),
                there);
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE, puppet_end(failed));
  weft_value_release(text);
}

static void arguments_that_do_not_fit_are_refused(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t text = puppet_string(runtime, "text");
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "add",
      puppet_try(runtime, actor, PUPPET_ADD, WEFT_ARGUMENTS(weft_int64(1))));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "string",
                              puppet_try(runtime, actor, PUPPET_ADD,
                                         WEFT_ARGUMENTS(weft_int64(1), text)));
  const weft_named_value_t unknown[] = {{"a", weft_int64(1)},
                                        {"c", weft_int64(1)}};
  const weft_arguments_t named = {.named = unknown, .named_count = 2};
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         puppet_try(runtime, actor, PUPPET_ADD, &named));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         puppet_try(runtime, actor, PUPPET_ENDPOINTS, NULL));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         puppet_try(runtime, actor, 65536, NULL));
  assert_int_equal(puppet_ask_int(runtime, actor, PUPPET_ADD,
                                  WEFT_ARGUMENTS(weft_int64(1), weft_int64(1))),
                   2);
  weft_value_release(text);
}

static const weft_opaque_type_t thing_type = {"thing", NULL};

static void what_cannot_cross_is_refused(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t opaque;
  int thing = 0;
  weft_kit_assert_ok(weft_opaque_create(weft_runtime_allocator(runtime),
                                        &thing_type, &thing, &opaque));
  weft_kit_assert_status_says(
      WEFT_STATUS_UNIMPLEMENTED, "argument 0",
      puppet_try(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(opaque)));
  // Inside a list, behind a tensor that would be lent.
  const weft_value_t values[] = {puppet_tensor(runtime, 5000, true), opaque};
  weft_value_t list = puppet_list(runtime, values, 2);
  weft_kit_assert_status(
      WEFT_STATUS_UNIMPLEMENTED,
      puppet_try(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(list)));
  weft_value_release(list);
  weft_value_release(values[0]);
  weft_value_release(opaque);
  puppet_expect_nothing_lent(runtime);
  assert_int_equal(puppet_ask_int(runtime, actor, PUPPET_NOTICES, NULL), 0);
}

static void stale_handles_are_not_found(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  puppet_tell(runtime, actor, PUPPET_STOP, WEFT_ARGUMENTS(weft_none()));
  // It ends behind its handler: the reply may be faster.
  weft_status_code_t code = WEFT_STATUS_OK;
  while (code != WEFT_STATUS_NOT_FOUND) {
    code = weft_status_ignore(puppet_try(runtime, actor, PUPPET_NOTICES, NULL));
    assert_true(code == WEFT_STATUS_OK || code == WEFT_STATUS_ACTOR_EXITED ||
                code == WEFT_STATUS_NOT_FOUND);
  }
  weft_actor_t next = puppet_spawn(runtime, 1);
  assert_false(weft_actor_equal(next, actor));
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         puppet_try(runtime, actor, PUPPET_NOTICES, NULL));
  weft_actor_t wrong = next;
  wrong.generation++;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         puppet_try(runtime, wrong, PUPPET_NOTICES, NULL));
  wrong = next;
  wrong.incarnation++;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         puppet_try(runtime, wrong, PUPPET_NOTICES, NULL));
  wrong = next;
  wrong.index = 100000;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         puppet_try(runtime, wrong, PUPPET_NOTICES, NULL));
  wrong = next;
  wrong.rank = 9;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         puppet_try(runtime, wrong, PUPPET_NOTICES, NULL));
}

// --- Replies ----------------------------------------------------------------

static void replies_may_come_later_and_in_any_order(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  weft_future_t* first = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  weft_future_t* second = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  weft_future_t* third = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  weft_value_t error = puppet_status(runtime, WEFT_STATUS_FAILED, "no");
  assert_false(weft_future_is_done(first));
  puppet_tell(runtime, actor, PUPPET_DROP, NULL);
  weft_kit_assert_status(WEFT_STATUS_ABANDONED, puppet_end(first));
  // From another process than the one that asked.
  puppet_tell(runtime, other, PUPPET_RELAY,
              WEFT_ARGUMENTS(weft_actor_value(actor), weft_int64(PUPPET_ANSWER),
                             error));
  weft_kit_assert_status_says(WEFT_STATUS_FAILED, "no", puppet_end(second));
  puppet_tell(runtime, actor, PUPPET_ANSWER, WEFT_ARGUMENTS(weft_int64(3)));
  weft_value_t value;
  weft_kit_assert_ok(puppet_await(third, &value));
  assert_true(weft_value_equal(value, weft_int64(3)));
  weft_value_release(error);
}

static void calls_go_through_several_processes(weft_runtime_t* runtime) {
  weft_actor_t one = puppet_spawn(runtime, 1);
  weft_actor_t two = puppet_spawn(runtime, 2);
  weft_value_t text = puppet_long_string(runtime, 50000);
  const uint32_t ways[] = {PUPPET_RELAY, PUPPET_FORWARD};
  for (int i = 0; i < 2; i++) {
    weft_value_t back = puppet_ask(
        runtime, one, ways[i],
        WEFT_ARGUMENTS(weft_actor_value(two), weft_int64(PUPPET_ECHO), text));
    assert_true(weft_value_equal(back, text));
    weft_value_release(back);
    // To itself, by way of the other.
    back = puppet_ask(runtime, one, ways[i],
                      WEFT_ARGUMENTS(weft_actor_value(two),
                                     weft_int64(PUPPET_INIT), weft_none()));
    assert_int_equal(weft_value_kind(back), WEFT_KIND_NONE);
  }
  weft_value_release(text);
}

static void a_handler_knows_who_sent(weft_runtime_t* runtime) {
  weft_actor_t one = puppet_spawn(runtime, 1);
  weft_actor_t two = puppet_spawn(runtime, 2);
  weft_value_t list =
      puppet_ask(runtime, one, PUPPET_RELAY,
                 WEFT_ARGUMENTS(weft_actor_value(two), weft_int64(PUPPET_WHO),
                                weft_none()));
  const weft_value_t* values;
  size_t count;
  weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
  assert_true(weft_value_equal(values[0], weft_actor_value(two)));
  assert_true(weft_value_equal(values[1], weft_actor_value(one)));
  weft_value_release(list);
  list = puppet_ask(runtime, one, PUPPET_WHO, NULL);
  weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
  weft_actor_t sender;
  weft_kit_assert_ok(weft_value_as_actor(values[1], &sender));
  assert_true(weft_actor_is_none(sender));
  weft_value_release(list);
}

// --- Deadlines and cancelling -----------------------------------------------

#define MS INT64_C(1000000)

static void a_deadline_ends_a_call_and_tells_the_callee(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 1);
  const weft_call_options_t options = {.timeout_ns = 30 * MS};
  weft_future_t* future;
  weft_kit_assert_ok(weft_call(runtime, actor, PUPPET_UNTIL_CANCELLED, NULL,
                               &options, &future));
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED, puppet_end(future));
  puppet_expect(runtime, other, PUPPET_CANCELLED, 1);
}

static void deadlines_travel(weft_runtime_t* runtime) {
  weft_actor_t one = puppet_spawn(runtime, 1);
  weft_actor_t two = puppet_spawn(runtime, 2);
  assert_int_equal(puppet_ask_int(runtime, one, PUPPET_TIME_LEFT, NULL), -1);
  const weft_call_options_t options = {.timeout_ns = 100000 * MS};
  const weft_value_t errand[] = {weft_actor_value(two),
                                 weft_int64(PUPPET_TIME_LEFT), weft_none()};
  const weft_arguments_t arguments = {.positional = errand,
                                      .positional_count = 3};
  const uint32_t ways[] = {PUPPET_RELAY, PUPPET_FORWARD};
  for (int i = 0; i < 2; i++) {
    weft_future_t* future;
    weft_value_t left;
    weft_kit_assert_ok(
        weft_call(runtime, one, ways[i], &arguments, &options, &future));
    weft_kit_assert_ok(puppet_await(future, &left));
    assert_true(left.as.int64 > 0 && left.as.int64 <= options.timeout_ns);
  }
}

static void cancelling_reaches_the_callee_and_whom_it_called(
    weft_runtime_t* runtime) {
  weft_actor_t one = puppet_spawn(runtime, 1);
  weft_actor_t two = puppet_spawn(runtime, 2);
  weft_actor_t asked = puppet_spawn(runtime, 2);
  const weft_value_t errand[] = {
      weft_actor_value(two), weft_int64(PUPPET_UNTIL_CANCELLED), weft_none()};
  const weft_arguments_t arguments = {.positional = errand,
                                      .positional_count = 3};
  const uint32_t ways[] = {PUPPET_RELAY, PUPPET_FORWARD};
  for (int i = 0; i < 2; i++) {
    weft_future_t* future = puppet_call(runtime, one, ways[i], &arguments);
    puppet_expect(runtime, asked, PUPPET_STARTED, i + 1);
    weft_future_cancel(future);
    weft_kit_assert_status_says(
        WEFT_STATUS_CANCELLED, i == 0 ? "relay of rank 1" : "forward of rank 1",
        puppet_end(future));
    puppet_expect(runtime, asked, PUPPET_CANCELLED, i + 1);
  }
}

static void dropping_a_future_cancels_nothing(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_future_release(
      puppet_call(runtime, actor, PUPPET_NOTE, WEFT_ARGUMENTS(weft_int64(1))));
  weft_future_release(puppet_call(runtime, actor, PUPPET_HOLD, NULL));
  puppet_tell(runtime, actor, PUPPET_ANSWER, WEFT_ARGUMENTS(weft_int64(1)));
  weft_value_t log = puppet_ask(runtime, actor, PUPPET_LOG, NULL);
  const weft_value_t* values;
  size_t count;
  weft_kit_assert_ok(weft_value_as_list(log, &values, &count));
  assert_int_equal(count, 1);
  weft_value_release(log);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(actors_are_spawned_where_they_are_asked_for, 2),
      PROCESS_TEST(init_values_arrive, 2),
      PROCESS_TEST(an_init_may_be_a_future, 2),
      PROCESS_TEST(an_init_that_fails_is_the_cause_of_what_callers_see, 2),
      {.name = "spawning_says_what_is_wrong",
       .size = 2,
       .run = spawning_says_what_is_wrong,
       .prepare = change_version},
      PROCESS_TEST(an_actor_may_have_a_thread_of_its_own, 2),
      PROCESS_TEST(scalars_and_names_arrive, 2),
      PROCESS_TEST(values_of_each_kind_arrive_and_come_back, 2),
      PROCESS_TEST(a_list_of_many_values_arrives, 2),
      PROCESS_TEST(statuses_are_values_too, 2),
      PROCESS_TEST(errors_keep_their_identity, 3),
      PROCESS_TEST(arguments_that_do_not_fit_are_refused, 2),
      PROCESS_TEST(what_cannot_cross_is_refused, 2),
      PROCESS_TEST(stale_handles_are_not_found, 2),
      PROCESS_TEST(replies_may_come_later_and_in_any_order, 3),
      PROCESS_TEST(calls_go_through_several_processes, 3),
      PROCESS_TEST(a_handler_knows_who_sent, 3),
      PROCESS_TEST(a_deadline_ends_a_call_and_tells_the_callee, 2),
      PROCESS_TEST(deadlines_travel, 3),
      PROCESS_TEST(cancelling_reaches_the_callee_and_whom_it_called, 3),
      PROCESS_TEST(dropping_a_future_cancels_nothing, 2),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
