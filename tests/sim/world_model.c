// SPDX-License-Identifier: Apache-2.0
//
// The reference model of messages.

#include <stdio.h>
#include <string.h>

#include "sim/world.h"

static bool has_argument(const world_message_t* message) {
  return message->source == WORLD_PLAIN || message->source == WORLD_LATE;
}

static bool has_timeout(const world_message_t* message) {
  return message->timeout_ns != 0;
}

static int64_t deadline_of(const world_message_t* message) {
  return message->sent_at_ns + message->timeout_ns;
}

// --- How it may have ended --------------------------------------------------

static bool says(weft_status_t status, const char* what, uint32_t index) {
  char text[64];
  snprintf(text, sizeof(text), "%s %u", what, index);
  return strcmp(weft_status_message(weft_status_root(status)), text) == 0;
}

// Where an error of a handler was made stays with it.
static bool is_from_handler(weft_status_t status) {
  weft_status_origin_t origin = weft_status_origin(weft_status_root(status));
  return origin.actor != NULL && strncmp(origin.actor, "receiver#", 9) == 0 &&
         origin.endpoint != NULL && strcmp(origin.endpoint, "receive") == 0 &&
         origin.rank == 0;
}

static bool error_fits(const world_message_t* message, weft_status_t status) {
  switch (weft_status_code(status)) {
    case WEFT_STATUS_DEADLINE_EXCEEDED:
      // At the very moment, whatever became of the message.
      return has_timeout(message) &&
             message->ended_at_ns == deadline_of(message);
    case WEFT_STATUS_ACTOR_EXITED:
      return message->world->is_stopped[message->receiver] &&
             message->runs == 0;
    case WEFT_STATUS_DATA_LOSS:
      return message->source == WORLD_FAILING && message->runs == 0 &&
             says(status, "argument", message->index);
    case WEFT_STATUS_ABANDONED:
      return message->source == WORLD_DROPPED && message->runs == 0;
    case WEFT_STATUS_FAILED:
      return message->deed == WORLD_FAILS && message->runs == 1 &&
             says(status, "handler", message->index) && is_from_handler(status);
    default:
      return false;
  }
}

static bool reply_fits(const world_message_t* message) {
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_result(message->reply, &value);
  bool fits = false;
  if (message->is_cancelled) {
    fits = weft_status_code(status) == WEFT_STATUS_CANCELLED;
  } else if (weft_status_is_ok(status)) {
    fits =
        has_argument(message) && message->runs == 1 &&
        message->deed != WORLD_FAILS &&
        weft_value_equal(value, weft_int64((int64_t)message->index * 10 + 1));
  } else {
    fits = error_fits(message, status);
  }
  bool in_time =
      !has_timeout(message) || message->ended_at_ns <= deadline_of(message);
  weft_status_release(status);
  return fits && in_time;
}

// --- What must have happened ------------------------------------------------

// True when nothing will become of the message any more.
static bool is_over(const world_message_t* message) {
  bool is_late =
      has_timeout(message) &&
      weft_runtime_now_ns(message->world->runtime) >= deadline_of(message);
  if (!message->is_sent || message->runs > 0 || is_late ||
      message->world->is_stopped[message->receiver]) {
    return true;
  }
  if (message->is_call && message->ends > 0) {
    return true;
  }
  // A send whose argument failed has no end that can be seen.
  return message->promise == NULL && !has_argument(message);
}

// Whether a message that was sent waits for its argument.
static bool is_held(const world_message_t* message) {
  return message->promise != NULL && !is_over(message);
}

// Only what waits for its argument, and what the same sender sent to the same
// receiver after it, has not been handled.
static void check_nobody_is_held_back(const world_t* world) {
  bool waits[WORLD_SENDERS][WORLD_RECEIVERS] = {{false}};
  for (uint32_t i = 0; i < world->count; ++i) {
    const world_message_t* message = &world->messages[i];
    bool* is_line_held = &waits[message->sender][message->receiver];
    *is_line_held |= is_held(message);
    if (!*is_line_held && !is_over(message)) {
      fail_msg("message %u was held back by nothing", i);
    }
  }
}

// From one sender to one receiver, handlers ran in the order of sending.
static void check_order(const world_t* world) {
  uint32_t last[WORLD_SENDERS][WORLD_RECEIVERS] = {{0}};
  for (uint32_t i = 0; i < world->count; ++i) {
    const world_message_t* message = &world->messages[i];
    uint32_t* turn = &last[message->sender][message->receiver];
    if (message->runs > 0) {
      assert_true(message->turn > *turn);
      *turn = message->turn;
    }
  }
}

static void fail_message(const world_message_t* message, const char* what) {
  char text[512] = "no reply";
  if (message->reply != NULL) {
    weft_value_t value = weft_none();
    weft_status_t status = weft_future_result(message->reply, &value);
    weft_status_format(status, text, sizeof(text));
    weft_status_release(status);
  }
  fail_msg("message %u (source %d, deed %d, runs %u) %s: %s", message->index,
           (int)message->source, (int)message->deed, message->runs, what, text);
}

static void check_message(const world_message_t* message) {
  bool may_run = message->is_sent && has_argument(message);
  assert_true(message->runs <= (may_run ? 1 : 0));
  if (message->ends > 0 && !reply_fits(message)) {
    fail_message(message, "ended as it may not");
  }
}

void world_check(const world_t* world) {
  if (world->wrong != NULL) {
    fail_msg("%s", world->wrong);
  }
  for (uint32_t i = 0; i < world->count; ++i) {
    check_message(&world->messages[i]);
  }
  check_order(world);
  check_nobody_is_held_back(world);
}

// An error that no caller sees is told to the runtime, once.
static void check_warnings(const world_message_t* message) {
  bool is_error = message->source == WORLD_FAILING ||
                  (message->deed == WORLD_FAILS && message->runs > 0);
  bool may_be_told =
      is_error && message->is_sent &&
      (!message->is_call || message->is_cancelled || has_timeout(message));
  assert_true(message->warnings <= (may_be_told ? 1 : 0));
  if (is_error && message->is_sent && !message->is_call &&
      !has_timeout(message) && !message->world->is_stopped[message->receiver]) {
    assert_int_equal(message->warnings, 1);
  }
}

void world_check_over(const world_t* world) {
  world_check(world);
  for (uint32_t i = 0; i < world->count; ++i) {
    const world_message_t* message = &world->messages[i];
    if (!is_over(message)) {
      fail_message(message, "has never ended");
    }
    assert_int_equal(message->ends,
                     message->is_call && message->is_sent ? 1 : 0);
    check_warnings(message);
  }
}
