// SPDX-License-Identifier: Apache-2.0
//
// Letters between the members of a job, and the model that knows for each
// whether its handler may or must have run, and how its call may have ended.
// A letter has a *cargo*: a scalar, text of any length, a tensor, or a value
// that is to come, from this or a third member, which may fail or never come.

#ifndef WEFT_TESTS_SIM_POST_H_
#define WEFT_TESTS_SIM_POST_H_

#include "sim/job.h"

enum {
  POST_RECEIVERS = 4,
  // The first of them are threads, one a member; then come actors.
  POST_CLERKS = 4,
  POST_SENDERS = JOB_MEMBERS + POST_CLERKS,
  POST_LETTERS = 600,
  POST_PROMISES = 64,
  POST_KEPT = 32,
};

enum {
  POST_ENDPOINT_TAKE,
  POST_ENDPOINT_DOUBLE,
  POST_ENDPOINT_SEND,
};

typedef enum cargo {
  CARGO_SCALAR,
  CARGO_TEXT,
  CARGO_TENSOR,
  // A promise of the sender's.
  CARGO_PROMISE,
  // The reply of a call to a receiver.
  CARGO_REPLY,
  // A promise in a list, so that it arrives as a future.
  CARGO_LIST,
  // A future that somebody received in a list.
  CARGO_RELAY,
  CARGO_COUNT,
} cargo_t;

typedef enum answer {
  ANSWER_NUMBER,
  ANSWER_TEXT,
  ANSWER_ERROR,
  ANSWER_LATER,
  ANSWER_COUNT,
} answer_t;

// How a promise ends.
typedef enum ending { END_VALUE, END_ERROR, END_DROP } ending_t;

typedef struct post post_t;

typedef struct letter {
  post_t* post;
  uint32_t id;
  uint32_t sender;
  uint32_t receiver;
  // The letter that made the future in the cargo; itself if none did.
  uint32_t origin;
  cargo_t cargo;
  answer_t answer;
  // Of the promise in the cargo, and of the reply that is given later.
  ending_t cargo_end;
  ending_t answer_end;
  // Members whose death spoils the cargo, a bit each.
  uint32_t needs;
  bool is_call;
  bool has_deadline;
  bool is_sent;
  uint32_t handled;
  uint32_t completed;
  weft_future_t* future;
  weft_waiter_t waiter;
} letter_t;

// A promise that is to be settled.
typedef struct pledge {
  weft_promise_t* promise;
  uint32_t letter;
  uint32_t rank;
  bool is_answer;
} pledge_t;

// A future that came in a list.
typedef struct kept {
  weft_future_t* future;
  uint32_t letter;
  uint32_t rank;
} kept_t;

struct post {
  job_t job;
  weft_kit_random_t* random;
  weft_actor_t receivers[POST_RECEIVERS];
  uint32_t receiver_ranks[POST_RECEIVERS];
  weft_actor_t clerks[POST_CLERKS];
  uint32_t sender_ranks[POST_SENDERS];
  letter_t letters[POST_LETTERS];
  uint32_t letter_count;
  pledge_t pledges[POST_PROMISES];
  uint32_t pledge_count;
  kept_t kept[POST_KEPT];
  uint32_t kept_count;
  uint32_t last_handled[POST_SENDERS][POST_RECEIVERS];
  bool is_over;
};

void post_open(post_t* post, weft_kit_random_t* random, uint32_t size);
// One thing, by chance.
void post_act(post_t* post);
// All promises end.
void post_settle_all(post_t* post);
// Nothing is left to run: all has ended as it should.
void post_check_over(post_t* post);
void post_close(post_t* post);

// --- For the files that make it up ------------------------------------------

void post_must(const letter_t* letter, bool holds, const char* what);
uint64_t post_below(post_t* post, uint64_t limit);
bool post_chance(post_t* post, uint64_t one_in);
weft_runtime_t* post_runtime_of(post_t* post, uint32_t rank);
// A promise of a letter that somebody has to settle.
void post_pledge(post_t* post, weft_promise_t* promise, uint32_t letter,
                 uint32_t rank, bool is_answer);

int64_t post_cargo_number(uint32_t id);
weft_status_t post_make_text(weft_runtime_t* runtime, uint32_t id,
                             weft_value_t* out_value);
bool post_is_text(weft_value_t value, uint32_t id);
// What cannot be had becomes a scalar.
weft_status_t post_make_cargo(letter_t* letter, weft_value_t* out_value);
bool post_is_cargo(const letter_t* letter, weft_value_t value);
bool post_may_fail_cargo(const letter_t* letter);

#endif  // WEFT_TESTS_SIM_POST_H_
