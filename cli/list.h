// SPDX-License-Identifier: Apache-2.0
//
// What `weft list` has found out, and how it is shown.

#ifndef WEFT_CLI_LIST_H_
#define WEFT_CLI_LIST_H_

#include <jansson.h>

#include "cli/cli.h"
#include "job/find.h"
#include "sys/local.h"

#define WEFT_LIST_JOB_LIMIT 256
// More than there can be.
#define WEFT_LIST_RANK_LIMIT 4096

// A job that runs.
typedef struct weft_list_job {
  weft_job_found_t found;
  // Its launcher.
  uint32_t process;
  char command[256];
} weft_list_job_t;

typedef struct weft_list_jobs {
  size_t count;
  weft_list_job_t jobs[WEFT_LIST_JOB_LIMIT];
} weft_list_jobs_t;

// A rank, and what it answered.
typedef struct weft_list_rank {
  uint32_t rank;
  weft_future_t* future;
  // WEFT_OK, and a map; or why there is none.
  weft_status_t status;
  weft_value_t report;
} weft_list_rank_t;

typedef struct weft_list {
  weft_job_found_t found;
  int64_t timeout_ns;
  // Ranks that the launcher started; those behind have joined.
  uint32_t size;
  weft_list_rank_t* ranks;
  size_t rank_count;
} weft_list_t;

// --- list.c, list_show.c ----------------------------------------------------

void weft_list_rank_deinit(weft_list_rank_t* rank);

// Makes text of others fit for a terminal and for JSON.
void weft_list_clean(char* text);

// As text, on standard output.
void weft_list_print(const weft_list_t* list, bool color);

// NULL when there is no memory.
json_t* weft_list_json(const weft_list_t* list);
json_t* weft_list_jobs_json(const weft_list_jobs_t* jobs);

// Writes it on standard output. Owns: takes `object` over; NULL is told.
weft_cli_exit_t weft_list_write(json_t* object);

#endif  // WEFT_CLI_LIST_H_
