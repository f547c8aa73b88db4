// SPDX-License-Identifier: Apache-2.0

#include "sim/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The one that is played: what crosses between members is numbers.
static post_t* current;

void post_must(const letter_t* letter, bool holds, const char* what) {
  if (!holds) {
    (void)fprintf(
        stderr,
        "letter %u from sender %u (rank %u) to receiver %u (rank %u)"
        ", cargo %d of letter %u, answer %d: %s\n",
        letter->id, letter->sender, letter->post->sender_ranks[letter->sender],
        letter->receiver, letter->post->receiver_ranks[letter->receiver],
        (int)letter->cargo, letter->origin, (int)letter->answer, what);
    abort();
  }
}

uint64_t post_below(post_t* post, uint64_t limit) {
  return weft_kit_random_below(post->random, limit);
}

bool post_chance(post_t* post, uint64_t one_in) {
  return post_below(post, one_in) == 0;
}

static int64_t answer_number(uint32_t id) {
  return (int64_t)id * 11 + 3;
}

// --- What is known of deaths ------------------------------------------------

static bool is_gone(const post_t* post, uint32_t rank) {
  return post->job.members[rank].is_dead || post->job.members[rank].is_suspect;
}

static bool is_any_gone(const post_t* post, uint32_t ranks) {
  for (uint32_t rank = 0; rank < post->job.size; ++rank) {
    if ((ranks >> rank & 1) != 0 && is_gone(post, rank)) {
      return true;
    }
  }
  return false;
}

// Members whose death may spoil a letter.
static uint32_t parties_of(const letter_t* letter) {
  const post_t* post = letter->post;
  return letter->needs | 1u << post->sender_ranks[letter->sender] |
         1u << post->receiver_ranks[letter->receiver];
}

// --- The end of a call ------------------------------------------------------

static bool says(weft_status_t status, const char* what, uint32_t id) {
  char text[64];
  (void)snprintf(text, sizeof(text), "%s %u", what, id);
  weft_status_t root = weft_status_root(status);
  return weft_status_code(root) == WEFT_STATUS_FAILED &&
         strcmp(weft_status_message(root), text) == 0;
}

static bool is_promised_error(weft_status_t status, ending_t end,
                              const char* what, uint32_t id) {
  weft_status_t root = weft_status_root(status);
  return end == END_DROP ? weft_status_code(root) == WEFT_STATUS_ABANDONED
                         : end == END_ERROR && says(status, what, id);
}

static bool is_right_error(const letter_t* letter, weft_status_t status) {
  const post_t* post = letter->post;
  if (post_may_fail_cargo(letter) &&
      is_promised_error(status, letter->cargo_end, "cargo", letter->origin)) {
    return true;
  }
  if (letter->answer == ANSWER_ERROR && says(status, "refused", letter->id)) {
    return true;
  }
  if (letter->answer == ANSWER_LATER &&
      is_promised_error(status, letter->answer_end, "late", letter->id)) {
    return true;
  }
  if (letter->has_deadline &&
      weft_status_code(status) == WEFT_STATUS_DEADLINE_EXCEEDED) {
    return true;
  }
  return job_is_death(&post->job, status) &&
         is_any_gone(post, parties_of(letter));
}

static bool is_right_value(const letter_t* letter, weft_value_t value) {
  switch (letter->answer) {
    case ANSWER_TEXT:
      return post_is_text(value, letter->id);
    case ANSWER_ERROR:
      return false;
    default:
      return (letter->answer != ANSWER_LATER ||
              letter->answer_end == END_VALUE) &&
             weft_value_kind(value) == WEFT_KIND_INT64 &&
             value.as.int64 == answer_number(letter->id);
  }
}

static void letter_ended(weft_waiter_t* waiter, weft_future_t* future) {
  letter_t* letter = waiter->user;
  weft_value_t value;
  ++letter->completed;
  if (letter->post->is_over) {
    return;
  }
  weft_status_t status = weft_future_result(future, &value);
  job_note(&letter->post->job, letter->id << 8 | weft_status_code(status));
  if (status == WEFT_OK) {
    post_must(letter, is_right_value(letter, value),
              "a call has another value");
    post_must(letter, letter->handled == 1,
              "a value of a letter that was not read");
  } else if (!is_right_error(letter, status)) {
    char text[2048];
    (void)weft_status_format(status, text, sizeof(text));
    post_must(letter, false, text);
  }
  weft_status_release(status);
}

// --- Sending ----------------------------------------------------------------

static letter_t* new_letter(post_t* post, uint32_t sender) {
  uint32_t id = post->letter_count++;
  letter_t* letter = &post->letters[id];
  *letter = (letter_t){
      .post = post,
      .id = id,
      .origin = id,
      .sender = sender,
      .receiver = (uint32_t)post_below(post, POST_RECEIVERS),
      .cargo = post_chance(post, 2) ? CARGO_SCALAR
                                    : (cargo_t)post_below(post, CARGO_COUNT),
      .answer = post_chance(post, 2) ? ANSWER_NUMBER
                                     : (answer_t)post_below(post, ANSWER_COUNT),
      .cargo_end =
          post_chance(post, 4) ? (ending_t)post_below(post, 3) : END_VALUE,
      .answer_end =
          post_chance(post, 4) ? (ending_t)post_below(post, 3) : END_VALUE,
      .is_call = !post_chance(post, 4),
      .has_deadline = post_chance(post, 6),
      .waiter = {.callback = letter_ended, .user = letter},
  };
  return letter;
}

static weft_status_t submit(letter_t* letter, weft_value_t cargo) {
  post_t* post = letter->post;
  weft_runtime_t* runtime =
      post_runtime_of(post, post->sender_ranks[letter->sender]);
  weft_actor_t receiver = post->receivers[letter->receiver];
  const weft_call_options_t options = {
      .timeout_ns = letter->has_deadline
                        ? (int64_t)post_below(post, 20) * 1000000 + 1
                        : WEFT_TIME_INFINITE,
      // Promises are settled by the thread outside: it must not wait for one.
      .try_only = post_chance(post, 3) ||
                  (letter->sender < JOB_MEMBERS && !letter->has_deadline),
  };
  if (letter->is_call) {
    return weft_call(runtime, receiver, POST_ENDPOINT_TAKE,
                     WEFT_ARGUMENTS(weft_int64(letter->id), cargo), &options,
                     &letter->future);
  }
  return weft_send(runtime, receiver, POST_ENDPOINT_TAKE,
                   WEFT_ARGUMENTS(weft_int64(letter->id), cargo), &options);
}

static void check_refusal(const letter_t* letter, weft_status_t status) {
  const post_t* post = letter->post;
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  bool is_right =
      code == WEFT_STATUS_WOULD_BLOCK ||
      (letter->has_deadline && code == WEFT_STATUS_DEADLINE_EXCEEDED) ||
      (job_is_death(&post->job, status) &&
       is_any_gone(post, parties_of(letter)));
  if (!is_right) {
    char text[2048];
    (void)weft_status_format(status, text, sizeof(text));
    post_must(letter, false, text);
  }
}

static void send_one(post_t* post, uint32_t sender) {
  if (post->letter_count == POST_LETTERS) {
    return;
  }
  letter_t* letter = new_letter(post, sender);
  weft_value_t cargo = weft_none();
  weft_kit_assert_ok(post_make_cargo(letter, &cargo));
  // It may be there before this is told that it was sent.
  letter->is_sent = true;
  weft_status_t status = submit(letter, cargo);
  weft_value_release(cargo);
  job_note(&post->job, weft_status_code(status));
  if (status != WEFT_OK) {
    post_must(letter, letter->handled == 0,
              "a letter that was refused was read");
    letter->is_sent = false;
    check_refusal(letter, status);
    weft_status_release(status);
  } else if (letter->is_call) {
    weft_future_add_waiter(letter->future, &letter->waiter);
  }
}

// --- The actors -------------------------------------------------------------

static bool is_on(const post_t* post, uint32_t rank) {
  return !post->is_over && !post->job.members[rank].is_dead;
}

static void keep(post_t* post, const letter_t* letter, weft_value_t list) {
  const weft_value_t* values = NULL;
  size_t count = 0;
  weft_future_t* future = NULL;
  if (post->kept_count == POST_KEPT) {
    return;
  }
  weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
  post_must(letter, count == 1, "a list has lost its future");
  weft_value_t value = values[0];
  // What was there when it was sent comes as what it holds.
  if (weft_value_kind(value) == WEFT_KIND_FUTURE) {
    weft_kit_assert_ok(weft_value_as_future(value, &future));
    post->kept[post->kept_count++] =
        (kept_t){weft_future_retain(future), letter->id,
                 post->receiver_ranks[letter->receiver]};
  }
}

static weft_status_t answer_later(weft_context_t* context, letter_t* letter,
                                  weft_value_t* out_result) {
  post_t* post = letter->post;
  weft_promise_t* promise = NULL;
  if (post->pledge_count == POST_PROMISES) {
    letter->answer = ANSWER_NUMBER;
    *out_result = weft_int64(answer_number(letter->id));
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &promise));
  post_pledge(post, promise, letter->id, post->receiver_ranks[letter->receiver],
              true);
  return WEFT_OK;
}

static weft_status_t take(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  post_t* post = current;
  uint32_t self = (uint32_t)(uintptr_t)state - 1;
  letter_t* letter = &post->letters[arguments[0].as.int64];
  if (!is_on(post, post->receiver_ranks[self])) {
    return WEFT_OK;
  }
  post_must(letter, letter->is_sent, "a letter came that was not sent");
  post_must(letter, letter->receiver == self, "a letter came to somebody else");
  post_must(letter, ++letter->handled == 1, "a letter came twice");
  uint32_t* last = &post->last_handled[letter->sender][self];
  post_must(letter, *last <= letter->id, "a letter came out of order");
  *last = letter->id;
  post_must(letter, post_is_cargo(letter, arguments[1]),
            "the cargo is another");
  post_must(letter,
            !post_may_fail_cargo(letter) || letter->cargo_end == END_VALUE,
            "a letter came whose cargo has failed");
  job_note(&post->job, letter->id);
  if (letter->cargo == CARGO_LIST) {
    keep(post, letter, arguments[1]);
  }
  switch (letter->answer) {
    case ANSWER_TEXT:
      return post_make_text(weft_context_runtime(context), letter->id,
                            out_result);
    case ANSWER_ERROR:
      return weft_status_make(WEFT_STATUS_FAILED, "refused %u", letter->id);
    case ANSWER_LATER:
      return answer_later(context, letter, out_result);
    default:
      *out_result = weft_int64(answer_number(letter->id));
      return WEFT_OK;
  }
}

static weft_status_t make_double(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  (void)state;
  *out_result = weft_int64(post_cargo_number((uint32_t)arguments[0].as.int64));
  return WEFT_OK;
}

static weft_status_t send_some(weft_context_t* context, void* state,
                               const weft_value_t* arguments,
                               weft_value_t* out_result) {
  post_t* post = current;
  uint32_t self = (uint32_t)(uintptr_t)state - 1;
  (void)context;
  (void)out_result;
  for (int64_t i = 0;
       i < arguments[0].as.int64 && is_on(post, post->sender_ranks[self]);
       ++i) {
    send_one(post, self);
  }
  return WEFT_OK;
}

static weft_status_t init(weft_context_t* context, weft_value_t init,
                          void** out_state) {
  (void)context;
  *out_state = (void*)(uintptr_t)(init.as.int64 + 1);
  return WEFT_OK;
}

static const weft_parameter_t take_parameters[] = {
    {"letter", WEFT_KIND_INT64},
    {"cargo", WEFT_KIND_ANY},
};
static const weft_endpoint_t endpoints[] = {
    [POST_ENDPOINT_TAKE] = {"take", take, take_parameters, 2},
    [POST_ENDPOINT_DOUBLE] = {"double", make_double, take_parameters, 1},
    [POST_ENDPOINT_SEND] = {"send", send_some, take_parameters, 1},
};
static const weft_class_t post_class = {"post", 1, init, NULL, endpoints, 3};

// --- Acts -------------------------------------------------------------------

static weft_status_t complete(pledge_t* pledge, const letter_t* letter,
                              ending_t end) {
  if (end == END_VALUE) {
    return weft_promise_set(
        pledge->promise,
        weft_int64(pledge->is_answer ? answer_number(letter->id)
                                     : post_cargo_number(letter->id)));
  }
  return end == END_ERROR
             ? weft_promise_fail(
                   pledge->promise,
                   weft_status_make(WEFT_STATUS_FAILED, "%s %u",
                                    pledge->is_answer ? "late" : "cargo",
                                    letter->id))
             : WEFT_OK;
}

static void settle(post_t* post, uint32_t index) {
  pledge_t pledge = post->pledges[index];
  const letter_t* letter = &post->letters[pledge.letter];
  post->pledges[index] = post->pledges[--post->pledge_count];
  weft_status_release(
      complete(&pledge, letter,
               pledge.is_answer ? letter->answer_end : letter->cargo_end));
  weft_promise_release(pledge.promise);
}

static void settle_some(post_t* post) {
  if (post->pledge_count == 0) {
    return;
  }
  uint32_t index = (uint32_t)post_below(post, post->pledge_count);
  // Nobody completes anything in a process that has died.
  if (!post->job.members[post->pledges[index].rank].is_dead) {
    settle(post, index);
  }
}

void post_settle_all(post_t* post) {
  for (uint32_t i = post->pledge_count; i-- > 0;) {
    if (!post->job.members[post->pledges[i].rank].is_dead) {
      settle(post, i);
    }
  }
}

static void drop_kept(post_t* post) {
  if (post->kept_count > 0) {
    uint32_t index = (uint32_t)post_below(post, post->kept_count);
    weft_future_release(post->kept[index].future);
    post->kept[index] = post->kept[--post->kept_count];
  }
}

static void send_from_outside(post_t* post) {
  uint32_t rank = job_any(&post->job)->rank;
  for (uint64_t i = post_below(post, 30); i > 0; --i) {
    send_one(post, rank);
  }
}

static void tell_clerk(post_t* post) {
  uint32_t clerk = (uint32_t)post_below(post, POST_CLERKS);
  weft_runtime_t* runtime = job_any(&post->job)->runtime;
  const weft_call_options_t options = {.try_only = true};
  weft_status_release(weft_send(
      runtime, post->clerks[clerk], POST_ENDPOINT_SEND,
      WEFT_ARGUMENTS(weft_int64((int64_t)post_below(post, 100))), &options));
}

static void harm(post_t* post) {
  job_t* job = &post->job;
  uint32_t rank = job_any(job)->rank;
  switch (post_below(post, 4)) {
    case 0:
      if (post_chance(post, 2) && job->dead_count + 1 < job->size) {
        job_kill(job, rank);
      }
      break;
    case 1:
      job_delay(job, rank, (int64_t)post_below(post, 30000000));
      break;
    case 2:
      job_stop(job, rank, (int64_t)post_below(post, 30000000));
      break;
    default:
      if (post_chance(post, 4)) {
        job_stop(job, rank, INT64_C(15000000000));
      }
  }
}

void post_act(post_t* post) {
  switch (post_below(post, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
      send_from_outside(post);
      break;
    case 4:
    case 5:
    case 6:
    case 7:
      tell_clerk(post);
      break;
    case 8:
      drop_kept(post);
      break;
    case 9:
      if (post_chance(post, 2)) {
        harm(post);
      }
      break;
    default:
      settle_some(post);
  }
}

// --- Life -------------------------------------------------------------------

static void spawn(post_t* post, int64_t number, uint32_t rank,
                  weft_actor_t* out_actor) {
  const weft_spawn_options_t options = {.place = rank};
  weft_kit_assert_ok(weft_spawn(job_any(&post->job)->runtime, &post_class,
                                weft_int64(number), &options, out_actor));
}

void post_open(post_t* post, weft_kit_random_t* random, uint32_t size) {
  static const weft_class_t* const classes[] = {&post_class};
  memset(post, 0, sizeof(*post));
  post->random = random;
  current = post;
  const job_options_t options = {
      .size = size,
      .classes = classes,
      .class_count = 1,
      .capacity_bytes = post_chance(post, 2) ? 65536 : 0,
  };
  job_open(&post->job, random, &options);
  for (uint32_t i = 0; i < JOB_MEMBERS; ++i) {
    post->sender_ranks[i] = i;
  }
  for (uint32_t i = 0; i < POST_RECEIVERS; ++i) {
    post->receiver_ranks[i] = (uint32_t)post_below(post, size);
    spawn(post, i, post->receiver_ranks[i], &post->receivers[i]);
  }
  for (uint32_t i = 0; i < POST_CLERKS; ++i) {
    uint32_t rank = (uint32_t)post_below(post, size);
    post->sender_ranks[JOB_MEMBERS + i] = rank;
    spawn(post, JOB_MEMBERS + i, rank, &post->clerks[i]);
  }
}

// Whether the handler of a letter must have run, if nobody has died.
static bool must_come(const letter_t* letter) {
  // Nobody waits for the answer to a call of the dead: it need not be read.
  const post_t* post = letter->post;
  uint32_t receiver_rank = post->receiver_ranks[letter->receiver];
  bool is_orphan =
      letter->is_call && (is_gone(post, post->sender_ranks[letter->sender]) ||
                          post->job.members[receiver_rank].is_suspect);
  return !letter->has_deadline && !is_orphan &&
         (!post_may_fail_cargo(letter) || letter->cargo_end == END_VALUE);
}

// What one sender sent to one receiver: all has come, or, if one of them is
// gone, the first so many.
static void check_pair(const post_t* post, uint32_t sender, uint32_t receiver) {
  bool is_over = false;
  bool may_end = is_gone(post, post->sender_ranks[sender]) ||
                 is_gone(post, post->receiver_ranks[receiver]);
  for (uint32_t i = 0; i < post->letter_count; ++i) {
    const letter_t* letter = &post->letters[i];
    if (letter->sender != sender || letter->receiver != receiver ||
        !letter->is_sent) {
      continue;
    }
    post_must(letter, letter->handled == 0 || !is_over,
              "a letter came after one that did not");
    // What may be left out says nothing of those that follow.
    if (letter->handled == 0 && must_come(letter) &&
        !(post_may_fail_cargo(letter) &&
          is_any_gone(post, parties_of(letter)))) {
      post_must(letter, may_end, "a letter did not come");
      is_over = true;
    }
  }
}

void post_check_over(post_t* post) {
  for (uint32_t sender = 0; sender < POST_SENDERS; ++sender) {
    for (uint32_t receiver = 0; receiver < POST_RECEIVERS; ++receiver) {
      check_pair(post, sender, receiver);
    }
  }
  for (uint32_t i = 0; i < post->letter_count; ++i) {
    const letter_t* letter = &post->letters[i];
    bool is_waited_for =
        letter->future != NULL &&
        !post->job.members[post->sender_ranks[letter->sender]].is_dead;
    post_must(letter, !is_waited_for || letter->completed == 1,
              "a call has not ended");
  }
}

void post_close(post_t* post) {
  job_check_warnings(&post->job);
  post->is_over = true;
  job_close(&post->job);
  // These outlive the runtimes.
  while (post->pledge_count > 0) {
    weft_promise_release(post->pledges[--post->pledge_count].promise);
  }
  while (post->kept_count > 0) {
    weft_future_release(post->kept[--post->kept_count].future);
  }
  for (uint32_t i = 0; i < post->letter_count; ++i) {
    const letter_t* letter = &post->letters[i];
    post_must(letter, letter->future == NULL || letter->completed == 1,
              "a call has not ended with its runtime");
    weft_future_release(letter->future);
  }
}
