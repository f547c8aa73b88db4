// SPDX-License-Identifier: Apache-2.0
//
// Many processes that are stopped at once: each is given up by itself, and
// those that are not stopped go on.

#include <signal.h>
#include <stdlib.h>

#include "process/job.h"
#include "process/puppet.h"
#include "sys/sys.h"

// Ranks; those after the first and before the last are stopped.
#define RANKS 12
#define LAST (RANKS - 1)

static void give_up_soon(weft_runtime_options_t* options) {
  (void)options;
  if (weft_kit_is_whole()) {
    // After the time that users have.
    assert_int_equal(unsetenv("WEFT_PEER_TIMEOUT"), 0);
  } else {
    assert_int_equal(setenv("WEFT_PEER_TIMEOUT", "0.5", 1), 0);
  }
}

// One that was given up may hear of it.
static void serve(weft_runtime_t* runtime) {
  weft_status_code_t code = weft_status_ignore(weft_runtime_serve(runtime));
  assert_true(code == WEFT_STATUS_OK || (code == WEFT_STATUS_PEER_DIED &&
                                         weft_runtime_rank(runtime) != LAST));
}

typedef struct victim {
  weft_actor_t actor;
  pid_t process;
  weft_future_t* held;
  int64_t stopped_ns;
} victim_t;

static void all_that_are_stopped_are_given_up(weft_runtime_t* runtime) {
  victim_t victims[RANKS];
  weft_actor_t other = puppet_spawn(runtime, LAST);
  for (uint32_t rank = 1; rank < LAST; rank++) {
    victim_t* victim = &victims[rank];
    victim->actor = puppet_spawn(runtime, rank);
    victim->process = (pid_t)puppet_process(runtime, victim->actor);
    victim->held = puppet_call(runtime, victim->actor, PUPPET_HOLD, NULL);
  }
  for (uint32_t rank = 1; rank < LAST; rank++) {
    assert_int_equal(kill(victims[rank].process, SIGSTOP), 0);
    victims[rank].stopped_ns = weft_sys_now_ns();
  }
  for (uint32_t rank = 1; rank < LAST; rank++) {
    weft_kit_assert_status(WEFT_STATUS_PEER_DIED,
                           puppet_end(victims[rank].held));
    weft_kit_say_time("given_up", weft_sys_now_ns() - victims[rank].stopped_ns);
  }
  assert_int_equal(puppet_ask_int(runtime, other, PUPPET_NOTICES, NULL), 0);
  // They have no way back.
  for (uint32_t rank = 1; rank < LAST; rank++) {
    assert_int_equal(kill(victims[rank].process, SIGCONT), 0);
    weft_kit_assert_status(
        WEFT_STATUS_PEER_DIED,
        puppet_try(runtime, victims[rank].actor, PUPPET_NOTICES, NULL));
  }
  weft_kit_say_amount("stopped_peers", LAST - 1);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "all_that_are_stopped_are_given_up",
       .size = RANKS,
       .run = all_that_are_stopped_are_given_up,
       .serve = serve,
       .prepare = give_up_soon},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
