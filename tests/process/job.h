// SPDX-License-Identifier: Apache-2.0
//
// Tests of whole jobs: real processes, each with a runtime. A test program is
// its own member. The test that cmocka runs is the launcher: it has the host of
// a job in it and starts this program once for each rank, with the name of the
// test. Rank 0 then runs the body of the test; the others serve, unless the
// test says else.
//
// A rank that fails an assertion aborts, on whatever thread that is, and the
// launcher fails the test. When a rank ends in order it has to leave nothing
// behind: memory, descriptors, shared mappings.
//
//   WEFT_PROCESS_TEST=NAME  run this test alone

#ifndef WEFT_TESTS_PROCESS_JOB_H_
#define WEFT_TESTS_PROCESS_JOB_H_

#include "kit/kit.h"
#include "weft/weft.h"

#define PROCESS_RANK_LIMIT 130

typedef struct process_test process_test_t;
struct process_test {
  const char* name;
  // Processes.
  uint32_t size;
  // The body, at rank 0.
  void (*run)(weft_runtime_t* runtime);
  // At other ranks; NULL: `weft_runtime_serve`.
  void (*serve)(weft_runtime_t* runtime);
  // Changes the options of every rank; before there is a runtime.
  void (*prepare)(weft_runtime_options_t* options);
  // Acts as a runtime at this rank, without being one; false: it does not.
  bool (*imitate)(uint32_t rank);
  // What the launcher does; NULL: runs one job.
  void (*launch)(const process_test_t* test);
  // Ranks that may be killed, of the first 64, as bits.
  uint64_t may_die;
};

// One job with this body, named after it.
#define PROCESS_TEST(body, ranks) \
  { .name = #body, .size = (ranks), .run = (body) }
// The same, in which these ranks may die.
#define PROCESS_TEST_OF_DEATH(body, ranks, mortals) \
  { .name = #body, .size = (ranks), .run = (body), .may_die = (mortals) }

// The whole `main` of a test program.
int process_main(int argument_count, char** arguments,
                 const process_test_t* tests, size_t test_count);

// --- In the launcher --------------------------------------------------------

// How the processes of a job ended.
typedef struct process_endings {
  weft_kit_ending_t of_rank[PROCESS_RANK_LIMIT];
} process_endings_t;

// Runs one job to its end. Fails the test when a rank that must not has ended
// badly. Members see the argument.
void process_run(const process_test_t* test, uint64_t argument,
                 process_endings_t* out_endings);

// Runs a job for each seed, which is its argument: `plain` of them in a plain
// build (see kit.h). Each that passes is so many of `what`.
void process_run_seeds(const process_test_t* test, uint64_t plain,
                       const char* what, uint64_t amount);

// --- In a member ------------------------------------------------------------

uint64_t process_argument(void);
// Its rank, before there is a runtime.
uint32_t process_rank(void);

// What this process has.
typedef struct process_figures {
  int64_t descriptors;
  // Mappings of shared memory.
  int64_t mappings;
  int64_t threads;
} process_figures_t;
process_figures_t process_figures(void);

// True in a build with a sanitizer.
bool process_is_slow(void);

#endif  // WEFT_TESTS_PROCESS_JOB_H_
