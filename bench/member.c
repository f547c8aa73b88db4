// SPDX-License-Identifier: Apache-2.0
//
// Bench `job`: what it costs that there are several processes.
//
//   start_4      from nothing until three other processes have answered
//   idle_16      processor time of 16 processes that have nothing to do
//   pair_bytes   memory for each two processes that are connected

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/call.h"

#define STARTED 4
#define IDLE 16
// Until whoever looks for work gives it up.
#define SETTLE_MS 200

static int64_t now_ns(void) {
  struct timespec now = {0, 0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void rest_ms(int64_t time_ms) {
  struct timespec rest = {.tv_sec = time_ms / 1000,
                          .tv_nsec = time_ms % 1000 * 1000000};
  while (nanosleep(&rest, &rest) != 0) {
    // A signal came.
  }
}

// --- A job with a target at each rank ---------------------------------------

typedef struct members {
  weft_bench_job_t* job;
  weft_runtime_t* runtime;
  uint32_t size;
  weft_actor_t targets[IDLE];
} members_t;

static weft_status_t ask_all(const members_t* members) {
  for (uint32_t rank = 1; rank < members->size; rank++) {
    int64_t answer = 0;
    WEFT_RETURN_IF_ERROR(weft_bench_ask(members->runtime,
                                        members->targets[rank],
                                        WEFT_BENCH_TARGET_ECHO, rank, &answer));
    WEFT_RETURN_IF_ERROR(
        weft_bench_expect("the answer of a rank", rank, answer));
  }
  return WEFT_OK;
}

static weft_status_t start(members_t* members, uint32_t size) {
  const weft_bench_job_options_t options = {.size = size};
  *members = (members_t){.size = size};
  WEFT_RETURN_IF_ERROR(weft_bench_job_start(&options, &members->job));
  members->runtime = weft_bench_job_runtime(members->job);
  for (uint32_t rank = 1; rank < size; rank++) {
    const weft_spawn_options_t place = {.place = rank};
    WEFT_RETURN_IF_ERROR(weft_spawn(members->runtime, &weft_bench_target_class,
                                    weft_none(), &place,
                                    &members->targets[rank]));
  }
  return ask_all(members);
}

// --- start_4 ----------------------------------------------------------------

static weft_status_t measure_start(uint64_t count,
                                   weft_bench_measure_t* out_measure) {
  (void)count;
  members_t members;
  int64_t start_ns = now_ns();
  weft_status_t status = start(&members, STARTED);
  out_measure->figure = (double)(now_ns() - start_ns) / 1e6;
  weft_bench_job_end(members.job);
  return status;
}

// --- idle_16 ----------------------------------------------------------------

// Processor time of a thread so far; 0 when it is gone.
static int64_t thread_ns(const char* process, const char* thread) {
  char path[64];
  int64_t spent_ns = 0;
  (void)snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/schedstat",
                 process, thread);
  FILE* file = fopen(path, "re");
  if (file != NULL) {
    if (fscanf(file, "%" SCNd64, &spent_ns) != 1) {
      spent_ns = 0;
    }
    (void)fclose(file);
  }
  return spent_ns;
}

// Of all threads of a process but the one that asks.
static int64_t process_ns(int number) {
  char process[16];
  char path[64];
  char own[16];
  int64_t sum_ns = 0;
  (void)snprintf(process, sizeof(process), "%d", number);
  (void)snprintf(own, sizeof(own), "%d", getpid());
  (void)snprintf(path, sizeof(path), "/proc/%s/task", process);
  DIR* threads = opendir(path);
  const struct dirent* thread;
  while (threads != NULL && (thread = readdir(threads)) != NULL) {
    if (thread->d_name[0] != '.' && strcmp(thread->d_name, own) != 0) {
      sum_ns += thread_ns(process, thread->d_name);
    }
  }
  if (threads != NULL) {
    (void)closedir(threads);
  }
  return sum_ns;
}

static int64_t all_ns(const members_t* members) {
  int64_t sum_ns = 0;
  for (uint32_t rank = 0; rank < members->size; rank++) {
    sum_ns += process_ns(weft_bench_job_process(members->job, rank));
  }
  return sum_ns;
}

// `count` is how long to watch. Units: milliseconds.
static weft_status_t measure_idle(uint64_t count,
                                  weft_bench_measure_t* out_measure) {
  members_t members;
  weft_status_t status = start(&members, IDLE);
  if (status == WEFT_OK) {
    rest_ms(SETTLE_MS);
    int64_t before_ns = all_ns(&members);
    int64_t start_ns = now_ns();
    rest_ms((int64_t)count);
    int64_t spent_ns = all_ns(&members) - before_ns;
    out_measure->figure =
        100.0 * (double)spent_ns / (double)(now_ns() - start_ns);
  }
  weft_bench_job_end(members.job);
  return status;
}

// --- pair_bytes -------------------------------------------------------------

#define FILE_LIMIT 2048

// Memory of some processes: what is private, and what they share by file.
typedef struct tally {
  int64_t private_bytes;
  int64_t shared_bytes;
  uint64_t files[FILE_LIMIT];
  // Whose mappings of a file are counted.
  int processes[FILE_LIMIT];
  size_t file_count;
} tally_t;

// Counts a mapping, unless another process's mappings of the file are counted.
static void add_mapping(tally_t* tally, int process, uint64_t file,
                        int64_t size_bytes) {
  size_t i = 0;
  while (i < tally->file_count && tally->files[i] != file) {
    i++;
  }
  if (i == tally->file_count && i < FILE_LIMIT) {
    tally->files[i] = file;
    tally->processes[i] = process;
    tally->file_count++;
  }
  if (i < FILE_LIMIT && tally->processes[i] == process) {
    tally->shared_bytes += size_bytes;
  }
}

static void add_shared(tally_t* tally, int process) {
  char line[512];
  (void)snprintf(line, sizeof(line), "/proc/%d/maps", process);
  FILE* maps = fopen(line, "re");
  while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t file = 0;
    if (strstr(line, "memfd:weft") != NULL &&
        sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %" SCNu64, &begin,
               &end, &file) == 3) {
      add_mapping(tally, process, file, (int64_t)(end - begin));
    }
  }
  if (maps != NULL) {
    (void)fclose(maps);
  }
}

static void add_private(tally_t* tally, int process) {
  char line[256];
  int64_t size_kib = 0;
  (void)snprintf(line, sizeof(line), "/proc/%d/smaps_rollup", process);
  FILE* rollup = fopen(line, "re");
  while (rollup != NULL && fgets(line, sizeof(line), rollup) != NULL) {
    if (sscanf(line, "Pss_Anon: %" SCNd64, &size_kib) == 1) {
      tally->private_bytes += size_kib * 1024;
    }
  }
  if (rollup != NULL) {
    (void)fclose(rollup);
  }
}

static void count_memory(const members_t* members, tally_t* tally) {
  memset(tally, 0, sizeof(*tally));
  for (uint32_t rank = 0; rank < members->size; rank++) {
    int process = weft_bench_job_process(members->job, rank);
    add_shared(tally, process);
    // This process holds the tally itself, and the host of the job.
    if (rank > 0) {
      add_private(tally, process);
    }
  }
}

static weft_status_t reach(const members_t* members, uint32_t rank,
                           uint32_t from, uint32_t to) {
  weft_future_t* future = NULL;
  int64_t answer = 0;
  WEFT_RETURN_IF_ERROR(weft_call(
      members->runtime, members->targets[rank], WEFT_BENCH_TARGET_REACH,
      WEFT_ARGUMENTS(weft_int64(from), weft_int64(to)), NULL, &future));
  WEFT_RETURN_IF_ERROR(weft_bench_await(members->runtime, future, &answer));
  return weft_bench_expect("ranks", to - from, answer);
}

// All do once what they do again: what that takes is no pair's.
static weft_status_t reach_home(const members_t* members) {
  for (uint32_t rank = 1; rank < members->size; rank++) {
    WEFT_RETURN_IF_ERROR(reach(members, rank, 0, 1));
  }
  return WEFT_OK;
}

static weft_status_t reach_all(const members_t* members) {
  for (uint32_t rank = 1; rank < members->size; rank++) {
    WEFT_RETURN_IF_ERROR(reach(members, rank, rank + 1, members->size));
  }
  return WEFT_OK;
}

static weft_status_t compare_memory(const members_t* members, tally_t* before,
                                    tally_t* after,
                                    weft_bench_measure_t* out_measure) {
  // Rank 0 has its pairs already.
  double pairs = (double)(members->size - 1) * (members->size - 2) / 2;
  WEFT_RETURN_IF_ERROR(reach_home(members));
  count_memory(members, before);
  WEFT_RETURN_IF_ERROR(reach_all(members));
  count_memory(members, after);
  double shared = (double)(after->shared_bytes - before->shared_bytes) / pairs;
  double private =
      (double)(after->private_bytes - before->private_bytes) / pairs;
  out_measure->figure = shared + private;
  (void)snprintf(out_measure->note, sizeof(out_measure->note),
                 "%.0f B of it shared, %.0f pairs", shared, pairs);
  return WEFT_OK;
}

static weft_status_t measure_pairs(uint64_t count,
                                   weft_bench_measure_t* out_measure) {
  (void)count;
  members_t members;
  tally_t* tallies = calloc(2, sizeof(tally_t));
  if (tallies == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  weft_status_t status = start(&members, IDLE);
  if (status == WEFT_OK) {
    status = compare_memory(&members, &tallies[0], &tallies[1], out_measure);
  }
  weft_bench_job_end(members.job);
  free(tallies);
  return status;
}

// --- The table --------------------------------------------------------------

static const weft_bench_subject_t start_subject = {.measure = measure_start};
static const weft_bench_subject_t idle_subject = {.measure = measure_idle};
static const weft_bench_subject_t pair_subject = {.measure = measure_pairs};

static const weft_bench_case_t cases[] = {
    {.bench = "job",
     .name = "start_4",
     .what = "four processes start, and three have answered the first",
     .unit = WEFT_BENCH_UNIT_MS,
     .workers = 2,
     .fixed_count = 1,
     .goal = 50,
     .subject = &start_subject},
    {.bench = "job",
     .name = "idle_16",
     .what = "share of a core that 16 idle processes take, all together",
     .unit = WEFT_BENCH_UNIT_PERCENT,
     .workers = 2,
     .fixed_count = 2000,
     .run_limit = 3,
     .goal = 0.5,
     .subject = &idle_subject},
    {.bench = "job",
     .name = "pair_bytes",
     .what = "memory for each two processes that are connected",
     .unit = WEFT_BENCH_UNIT_BYTES,
     .workers = 2,
     .fixed_count = 1,
     .run_limit = 3,
     .goal = 1 << 20,
     .subject = &pair_subject},
};

const weft_bench_group_t weft_bench_jobs = {
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
};
