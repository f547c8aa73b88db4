// SPDX-License-Identifier: Apache-2.0
//
// An actor that does what it is told, at whichever rank it lives, and what
// bodies of tests do with it. All of it fails the test on errors that are not
// asked for.

#ifndef WEFT_TESTS_PROCESS_PUPPET_H_
#define WEFT_TESTS_PROCESS_PUPPET_H_

#include "weft/weft.h"

enum {
  // (value) -> the same
  PUPPET_ECHO,
  // (a, b int64) -> a + b
  PUPPET_ADD,
  // (ten of int64) -> sum
  PUPPET_SUM_TEN,
  // (number) writes it down; LOG () -> list of all, in order
  PUPPET_NOTE,
  PUPPET_LOG,
  // (code, text) fails, because of a cause
  PUPPET_FAIL,
  // () keeps the reply; ANSWER (value) gives the oldest kept one, an error for
  // a status; DROP () drops it
  PUPPET_HOLD,
  PUPPET_ANSWER,
  PUPPET_DROP,
  // (actor, endpoint, value) calls, waits, and returns what came
  PUPPET_RELAY,
  // The same without waiting: the reply is the future of the call.
  PUPPET_FORWARD,
  PUPPET_MONITOR,
  PUPPET_UNMONITOR,
  PUPPET_LINK,
  PUPPET_UNLINK,
  // (actor, reason) what monitors get; NOTICE () -> the next [actor, reason],
  // when it comes; NOTICES () -> how many have come
  PUPPET_ENDED,
  PUPPET_NOTICE,
  PUPPET_NOTICES,
  // (none or status) ends this actor
  PUPPET_STOP,
  // () -> ns until the deadline; -1: none
  PUPPET_TIME_LEFT,
  // () -> [self, sender, process, thread]
  PUPPET_WHO,
  // () waits, without a future, until OPEN () runs in the same process
  PUPPET_GATE,
  PUPPET_OPEN,
  // () runs until it is cancelled; CANCELLED () -> how many were, in this
  // process; STARTED () -> how many began
  PUPPET_UNTIL_CANCELLED,
  PUPPET_CANCELLED,
  PUPPET_STARTED,
  // (tensor of int32) -> sum of elements
  PUPPET_SUM,
  // (count, is_shared) -> tensor int32[count] of 0, 1, 2 ...
  PUPPET_TENSOR,
  // (value) keeps it; KEPT () -> it; FORGET ()
  PUPPET_KEEP,
  PUPPET_KEPT,
  PUPPET_FORGET,
  // () -> [descriptors, mappings, lent bytes, used bytes, copied, lent total]
  PUPPET_FIGURES,
  // (actor, count) sends NOTE i; -> how many before an error, and its code
  PUPPET_FLOOD,
  // (place) -> a puppet there; INIT () -> what spawn was given
  PUPPET_SPAWN,
  PUPPET_INIT,
  // (name, actor), (name) -> actor, when there is one; (name)
  PUPPET_REGISTER,
  PUPPET_LOOKUP,
  PUPPET_UNREGISTER,
  // As LOOKUP, and too late at once.
  PUPPET_LOOKUP_SOON,
  // () ends the process as kill -9 does
  PUPPET_DIE,
  // () -> the process of a child, see `puppet_fork`
  PUPPET_FORK,
  // (count) the process dies at that crash point from now on
  PUPPET_ARM,
  // (actor, mode, reason) stops another actor; (actor) waits for its end
  PUPPET_STOP_OTHER,
  PUPPET_AWAIT_EXIT,
  PUPPET_ENDPOINTS
};

#define PUPPET_CLASS_COUNT 3
extern const weft_class_t* const puppet_classes[PUPPET_CLASS_COUNT];
extern const weft_class_t puppet_class;
// Has no init.
extern const weft_class_t plain_class;

// Places of PUPPET_FIGURES.
enum {
  FIGURE_DESCRIPTORS,
  FIGURE_MAPPINGS,
  FIGURE_LENT_BYTES,
  FIGURE_USED_BYTES,
  FIGURE_BYTES_COPIED,
  FIGURE_BYTES_LENT,
  FIGURE_COUNT
};
typedef struct puppet_figures {
  int64_t of[FIGURE_COUNT];
} puppet_figures_t;
puppet_figures_t puppet_own_figures(weft_runtime_t* runtime);

// --- For bodies -------------------------------------------------------------

weft_actor_t puppet_spawn(weft_runtime_t* runtime, uint32_t place);
weft_actor_t puppet_spawn_with(weft_runtime_t* runtime, uint32_t place,
                               weft_value_t init);

weft_future_t* puppet_call(weft_runtime_t* runtime, weft_actor_t actor,
                           uint32_t endpoint,
                           const weft_arguments_t* arguments);
void puppet_send(weft_runtime_t* runtime, weft_actor_t actor, uint32_t endpoint,
                 const weft_arguments_t* arguments);

// Calls, waits and gives the value, or asserts it.
weft_value_t puppet_ask(weft_runtime_t* runtime, weft_actor_t actor,
                        uint32_t endpoint, const weft_arguments_t* arguments);
int64_t puppet_ask_int(weft_runtime_t* runtime, weft_actor_t actor,
                       uint32_t endpoint, const weft_arguments_t* arguments);
void puppet_tell(weft_runtime_t* runtime, weft_actor_t actor, uint32_t endpoint,
                 const weft_arguments_t* arguments);
// Calls, waits and gives the error, of the call or of its future.
weft_status_t puppet_try(weft_runtime_t* runtime, weft_actor_t actor,
                         uint32_t endpoint, const weft_arguments_t* arguments);
// Waits for a future, releases it, gives its outcome.
weft_status_t puppet_await(weft_future_t* future, weft_value_t* out_value);
weft_status_t puppet_end(weft_future_t* future);

// A child of this process, which has all that it has open and does nothing. To
// be killed by who knows of it; it ends by itself long after the test.
int64_t puppet_fork(void);

int64_t puppet_process(weft_runtime_t* runtime, weft_actor_t actor);
puppet_figures_t puppet_figures(weft_runtime_t* runtime, weft_actor_t actor);
// The number behind another in a list that an endpoint answers; the list is
// released.
int64_t puppet_number_at(weft_value_t list, size_t index);
// Kills the process of an actor, and waits until this process knows.
void puppet_kill(weft_runtime_t* runtime, weft_actor_t actor);
// Waits until an endpoint answers a number.
void puppet_expect(weft_runtime_t* runtime, weft_actor_t actor,
                   uint32_t endpoint, int64_t number);
// Waits until an actor is not found any more.
void puppet_expect_gone(weft_runtime_t* runtime, weft_actor_t actor);
// Waits until nothing of this runtime's is lent.
void puppet_expect_nothing_lent(weft_runtime_t* runtime);

weft_value_t puppet_string(weft_runtime_t* runtime, const char* text);
// Calls an endpoint of an actor by way of another, and waits.
weft_status_t puppet_relay(weft_runtime_t* runtime, weft_actor_t by,
                           weft_actor_t actor, uint32_t endpoint,
                           weft_value_t value, weft_value_t* out_value);
// A string of one letter again and again.
weft_value_t puppet_long_string(weft_runtime_t* runtime, size_t length);
weft_value_t puppet_list(weft_runtime_t* runtime, const weft_value_t* values,
                         size_t count);
weft_value_t puppet_status(weft_runtime_t* runtime, weft_status_code_t code,
                           const char* text);
// int32[count] of 0, 1, 2 ...
weft_value_t puppet_tensor(weft_runtime_t* runtime, int64_t count,
                           bool is_shared);
// 0 + 1 + ... + (count - 1)
int64_t puppet_sum_of(int64_t count);

#endif  // WEFT_TESTS_PROCESS_PUPPET_H_
