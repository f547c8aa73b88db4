// SPDX-License-Identifier: Apache-2.0

#include "sim/world.h"

#include <stdio.h>
#include <string.h>

static const weft_opaque_type_t world_type = {"world", NULL};

// --- What handlers report ---------------------------------------------------

void world_must(world_t* world, bool holds, const char* what) {
  if (!holds && world->wrong == NULL) {
    world->wrong = what;
  }
}

void world_must_ok(world_t* world, weft_status_t status) {
  if (!weft_status_is_ok(status)) {
    char text[512];
    weft_status_format(status, text, sizeof(text));
    fprintf(stderr, "unexpected: %s\n", text);
    world_must(world, false, "something failed that cannot");
  }
  weft_status_release(status);
}

// Source: the FNV-1a hash, by Fowler, Noll and Vo.
static void note(world_t* world, char what, uint64_t which) {
  const uint64_t prime = UINT64_C(0x100000001b3);
  int64_t now_ns = weft_runtime_now_ns(world->runtime);
  world->course = (world->course ^ (unsigned char)what) * prime;
  world->course = (world->course ^ which) * prime;
  world->course = (world->course ^ (uint64_t)now_ns) * prime;
}

static uint32_t below(world_t* world, uint32_t limit) {
  return (uint32_t)weft_kit_random_below(world->random, limit);
}

static weft_status_t world_init(weft_context_t* context, weft_value_t init,
                                void** out_state) {
  (void)context;
  return weft_value_as_opaque(init, &world_type, out_state);
}

// --- Receivers --------------------------------------------------------------

static weft_status_t receive(weft_context_t* context, void* state,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  world_t* world = state;
  int64_t index = 0;
  int64_t payload = 0;
  world_must_ok(world, weft_value_as_int64(arguments[0], &index));
  world_must_ok(world, weft_value_as_int64(arguments[1], &payload));
  world_must(world, payload == index * 10, "an argument became another");
  world_message_t* message = &world->messages[index];
  ++message->runs;
  message->turn = ++world->turns;
  note(world, 'r', (uint64_t)index);
  world_must(world,
             weft_actor_equal(weft_context_self(context),
                              world->receivers[message->receiver]),
             "a message reached another actor");
  if (message->deed == WORLD_FAILS) {
    return weft_status_make(WEFT_STATUS_FAILED, "handler %lld",
                            (long long)index);
  }
  if (message->deed == WORLD_DEFERS) {
    world_must_ok(world, weft_context_take_reply(context, &message->answer));
    return WEFT_OK;
  }
  *out_result = weft_int64(payload + 1);
  return WEFT_OK;
}

static const weft_parameter_t receive_parameters[] = {
    {"index", WEFT_KIND_INT64},
    {"payload", WEFT_KIND_INT64},
};
static const weft_endpoint_t receiver_endpoints[] = {
    {"receive", receive, receive_parameters, 2},
};
static const weft_class_t receiver_class = {
    "receiver", 1, world_init, NULL, receiver_endpoints, 1,
};

// --- Sending ----------------------------------------------------------------

static void on_end(weft_hook_t* hook, weft_status_t status,
                   weft_value_t value) {
  (void)value;
  world_message_t* message = hook->user;
  world_t* world = message->world;
  ++message->ends;
  message->ended_at_ns = weft_runtime_now_ns(world->runtime);
  note(world, 'e', message->index);
  note(world, 'c', weft_status_code(status));
}

static void watch(world_message_t* message) {
  message->hook.callback = on_end;
  message->hook.user = message;
  if (!weft_future_add_hook(message->reply, &message->hook)) {
    message->ends = 1;
    message->ended_at_ns = weft_runtime_now_ns(message->world->runtime);
  }
}

// The argument of a message: a number, or a future of it.
static weft_value_t make_payload(world_message_t* message) {
  world_t* world = message->world;
  if (message->source == WORLD_PLAIN) {
    return weft_int64((int64_t)message->index * 10);
  }
  weft_future_t* future = NULL;
  world_must_ok(
      world, weft_promise_create(world->runtime, &message->promise, &future));
  weft_value_t value = weft_future_value(future);
  weft_future_release(future);
  return value;
}

// What sending may say, other than OK.
static void check_refusal(world_message_t* message) {
  world_t* world = message->world;
  bool may_wait = message->timeout_ns != 0 && !message->is_try;
  switch (message->sent_code) {
    case WEFT_STATUS_NOT_FOUND:
      world_must(world, world->is_stopped[message->receiver],
                 "a living receiver was not found");
      return;
    case WEFT_STATUS_WOULD_BLOCK:
      world_must(world, !may_wait, "a call that may wait did not");
      return;
    case WEFT_STATUS_DEADLINE_EXCEEDED:
      world_must(world, may_wait, "a call waited that must not");
      return;
    case WEFT_STATUS_CLOSED:
      world_must(world, world->is_closing, "a living runtime was closed");
      return;
    default:
      world_must(world, false, "a call was refused for an unknown reason");
  }
}

static void submit(world_message_t* message) {
  world_t* world = message->world;
  weft_value_t payload = make_payload(message);
  const weft_value_t values[] = {weft_int64(message->index), payload};
  const weft_arguments_t arguments = {.positional = values,
                                      .positional_count = 2};
  const weft_call_options_t options = {
      .timeout_ns = message->timeout_ns,
      .try_only = message->is_try,
  };
  message->sent_at_ns = weft_runtime_now_ns(world->runtime);
  weft_actor_t target = world->receivers[message->receiver];
  weft_status_t status =
      message->is_call
          ? weft_call(world->runtime, target, 0, &arguments, &options,
                      &message->reply)
          : weft_send(world->runtime, target, 0, &arguments, &options);
  weft_value_release(payload);
  message->sent_code = weft_status_ignore(status);
  message->is_sent = message->sent_code == WEFT_STATUS_OK;
  note(world, 's', message->sent_code);
  if (!message->is_sent) {
    check_refusal(message);
  } else if (message->is_call) {
    watch(message);
  }
}

static void send_next(world_t* world, uint32_t sender) {
  if (world->count == WORLD_MESSAGES) {
    return;
  }
  world_message_t* message = &world->messages[world->count];
  *message = (world_message_t){
      .world = world,
      .index = world->count++,
      .sender = sender,
      .receiver = below(world, WORLD_RECEIVERS),
      .source = (world_source_t)below(world, WORLD_SOURCE_COUNT),
      .deed = (world_deed_t)below(world, WORLD_DEED_COUNT),
      .is_call = below(world, 4) != 0,
      // The thread outside would wait for what only it can do.
      .is_try = sender == WORLD_OUTSIDE || below(world, 4) == 0,
      .timeout_ns = below(world, 3) == 0 ? 1 + (int64_t)below(world, 60) : 0,
  };
  submit(message);
}

// --- Senders ----------------------------------------------------------------

static weft_status_t send_one(weft_context_t* context, void* state,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  int64_t sender = 0;
  world_must_ok(state, weft_value_as_int64(arguments[0], &sender));
  send_next(state, (uint32_t)sender);
  return WEFT_OK;
}

static const weft_parameter_t sender_parameters[] = {
    {"sender", WEFT_KIND_INT64},
};
static const weft_endpoint_t sender_endpoints[] = {
    {"send_one", send_one, sender_parameters, 1},
};
static const weft_class_t sender_class = {
    "sender", 1, world_init, NULL, sender_endpoints, 1,
};

// --- What chance does -------------------------------------------------------

static void settle(world_message_t* message) {
  if (message->promise == NULL) {
    return;
  }
  world_t* world = message->world;
  weft_promise_t* promise = message->promise;
  message->promise = NULL;
  if (message->source == WORLD_LATE) {
    world_must_ok(
        world,
        weft_promise_set(promise, weft_int64((int64_t)message->index * 10)));
  } else if (message->source == WORLD_FAILING) {
    world_must_ok(
        world, weft_promise_fail(
                   promise, weft_status_make(WEFT_STATUS_DATA_LOSS,
                                             "argument %u", message->index)));
  }
  weft_promise_release(promise);
}

// Answers a deferred reply, which somebody may have cancelled by now.
static void answer(world_message_t* message) {
  weft_promise_t* promise = message->answer;
  if (promise == NULL) {
    return;
  }
  message->answer = NULL;
  bool is_over = message->ends > 0;
  weft_status_t status =
      weft_promise_set(promise, weft_int64((int64_t)message->index * 10 + 1));
  world_must(message->world,
             weft_status_code(status) ==
                 (is_over ? WEFT_STATUS_ALREADY_EXISTS : WEFT_STATUS_OK),
             "a late answer was taken, or an answer was not");
  weft_status_release(status);
  weft_promise_release(promise);
}

static void cancel(world_message_t* message) {
  if (message->reply != NULL) {
    bool was_over = message->ends > 0;
    bool is_mine = weft_future_cancel(message->reply);
    world_must(message->world, is_mine == !was_over,
               "cancelling did not tell who completed the reply");
    message->is_cancelled |= is_mine;
  }
}

static void stop(world_t* world, uint32_t receiver) {
  if (!world->is_stopped[receiver]) {
    weft_stop_mode_t mode =
        below(world, 2) == 0 ? WEFT_STOP_NOW : WEFT_STOP_AFTER_QUEUE;
    world->is_stopped[receiver] = true;
    world_must_ok(
        world, weft_actor_stop(world->runtime, world->receivers[receiver], mode,
                               WEFT_OK));
  }
}

void world_act(world_t* world) {
  uint32_t chance = below(world, 100);
  uint32_t limit = world->count > 0 ? world->count : 1;
  world_message_t* message = &world->messages[below(world, limit)];
  if (chance < 40) {
    int64_t sender = below(world, WORLD_ACTORS);
    world_must_ok(world, weft_send(world->runtime, world->senders[sender], 0,
                                   WEFT_ARGUMENTS(weft_int64(sender)), NULL));
  } else if (chance < 50) {
    send_next(world, WORLD_OUTSIDE);
  } else if (chance < 75) {
    settle(message);
  } else if (chance < 88) {
    answer(message);
  } else if (chance < 96) {
    cancel(message);
  } else if (chance < 98) {
    stop(world, below(world, WORLD_RECEIVERS));
  }
}

void world_settle_all(world_t* world) {
  for (uint32_t i = 0; i < world->count; ++i) {
    settle(&world->messages[i]);
    answer(&world->messages[i]);
  }
}

// --- Opening and closing ----------------------------------------------------

static void spawn_all(world_t* world) {
  weft_value_t init = weft_none();
  const weft_spawn_options_t options = {
      .mailbox_bound = below(world, 2) == 0 ? 3 : 0,
  };
  weft_kit_assert_ok(
      weft_opaque_create(&world->memory.allocator, &world_type, world, &init));
  for (uint32_t i = 0; i < WORLD_ACTORS; ++i) {
    weft_kit_assert_ok(weft_spawn(world->runtime, &sender_class, init, NULL,
                                  &world->senders[i]));
  }
  for (uint32_t i = 0; i < WORLD_RECEIVERS; ++i) {
    weft_kit_assert_ok(weft_spawn(world->runtime, &receiver_class, init,
                                  &options, &world->receivers[i]));
  }
  weft_value_release(init);
}

// Warnings are errors of messages that nobody waits for.
static void on_warning(void* user, weft_status_t warning) {
  world_t* world = user;
  const char* text = weft_status_message(weft_status_root(warning));
  unsigned index = 0;
  if (sscanf(text, "argument %u", &index) == 1 ||
      sscanf(text, "handler %u", &index) == 1) {
    ++world->messages[index].warnings;
  }
}

void world_open(world_t* world, weft_kit_random_t* random, uint64_t shift) {
  static const weft_class_t* const classes[] = {&sender_class, &receiver_class};
  *world = (world_t){.random = random};
  weft_kit_allocator_init(&world->memory);
  const weft_runtime_options_t options = {
      .allocator = &world->memory.allocator,
      .classes = classes,
      .class_count = 2,
      .on_warning = on_warning,
      .warning_user = world,
      .simulate = true,
      .seed = weft_kit_random_next(random) + shift,
  };
  weft_kit_assert_ok(weft_runtime_create(&options, &world->runtime));
  spawn_all(world);
}

void world_close(world_t* world) {
  for (uint32_t i = 0; i < world->count; ++i) {
    weft_future_release(world->messages[i].reply);
  }
  weft_runtime_destroy(world->runtime);
  weft_kit_allocator_deinit(&world->memory);
}
