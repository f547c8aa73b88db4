// SPDX-License-Identifier: Apache-2.0
//
// Jobs of this host have names among the abstract sockets, and nowhere else:
//
//   weft-USER-ID-NAME      user in decimal, id as 16 hexadecimal digits
//
// The kernel lists them, so a job can be found by its id or its name, and is
// gone from the list with its launcher.

#ifndef WEFT_JOB_FIND_H_
#define WEFT_JOB_FIND_H_

#include "job/client.h"
#include "sys/local.h"

// A job of this user. Anybody may have made such a socket: whose it is shows
// when it is connected to.
typedef struct weft_job_found {
  uint64_t id;
  char name[WEFT_JOB_NAME_BYTES];
  // For `weft_local_connect`.
  char address[WEFT_LOCAL_NAME_LIMIT + 1];
} weft_job_found_t;

// True for what can be the name of a job.
bool weft_job_is_name(const char* text);

// Writes the address of a job of this user. Both together fit.
void weft_job_address(uint64_t id, const char* name, char* address,
                      size_t capacity);

// Calls `visit` for each job of this user that runs, until it returns false.
// Errors: UNAVAILABLE when the system does not list its sockets.
weft_status_t weft_job_find_all(bool (*visit)(void* user,
                                              const weft_job_found_t* found),
                                void* user);

// The job whose id (16 hexadecimal digits) or name is `job`.
// Errors: NOT_FOUND; FAILED_PRECONDITION when several have the name;
// UNAVAILABLE.
weft_status_t weft_job_find(const char* job, weft_job_found_t* out_found);

#endif  // WEFT_JOB_FIND_H_
