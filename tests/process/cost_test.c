// SPDX-License-Identifier: Apache-2.0
//
// What a peer costs a process, which `weft doctor` reckons with.

#include "cli/doctor.h"
#include "process/job.h"
#include "process/puppet.h"

enum { RANKS = 9, ELEMENTS = 50000 };

// Rank 0 meets all others one after the other, and each lends it a tensor.
static void a_peer_costs_what_doctor_reckons_with(weft_runtime_t* runtime) {
  weft_value_t lent[RANKS];
  int64_t descriptors[RANKS];
  for (uint32_t rank = 1; rank < RANKS; rank++) {
    weft_actor_t actor = puppet_spawn(runtime, rank);
    lent[rank] =
        puppet_ask(runtime, actor, PUPPET_TENSOR,
                   WEFT_ARGUMENTS(weft_int64(ELEMENTS), weft_bool(true)));
    descriptors[rank] = process_figures().descriptors;
  }
  int64_t more = descriptors[RANKS - 1] - descriptors[1];
  assert_int_equal(more, (RANKS - 2) * WEFT_DOCTOR_FILES_A_PEER);
  for (uint32_t rank = 1; rank < RANKS; rank++) {
    weft_value_release(lent[rank]);
  }
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "a_peer_costs_what_doctor_reckons_with",
       .size = RANKS,
       .run = a_peer_costs_what_doctor_reckons_with},
  };
  return process_main(argument_count, arguments, tests, 1);
}
