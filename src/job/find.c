// SPDX-License-Identifier: Apache-2.0

#include "job/find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/unix_socket.h"

// Each line of the list is shorter; what is not is no job.
#define LINE_BYTES 512
// Digits of an id.
#define ID_DIGITS 16

// --- Names ------------------------------------------------------------------

static bool is_name_character(char character) {
  return (character >= 'a' && character <= 'z') ||
         (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '.' ||
         character == '_' || character == '-';
}

bool weft_job_is_name(const char* text) {
  size_t length = 0;
  while (is_name_character(text[length])) {
    length++;
  }
  return text[length] == '\0' && length > 0 && length < WEFT_JOB_NAME_BYTES;
}

// What all addresses of this user's jobs begin with; returns its length.
static size_t prefix_of(char* prefix, size_t capacity) {
  int length =
      snprintf(prefix, capacity, "weft-%" PRIu32 "-", weft_sys_user_id());
  return length > 0 ? (size_t)length : 0;
}

void weft_job_address(uint64_t id, const char* name, char* address,
                      size_t capacity) {
  (void)snprintf(address, capacity, "weft-%" PRIu32 "-%016" PRIx64 "-%s",
                 weft_sys_user_id(), id, name);
}

// An id as it is written; false for anything else.
static bool read_id(const char* text, uint64_t* out_id) {
  size_t digits = strspn(text, "0123456789abcdef");
  *out_id = strtoull(text, NULL, 16);
  return digits == ID_DIGITS;
}

// --- The list ---------------------------------------------------------------

// Takes an address apart; false when it is not that of a job of this user.
static bool read_address(const char* address, weft_job_found_t* out_found) {
  char prefix[32];
  size_t length = prefix_of(prefix, sizeof(prefix));
  const char* id = address + length;
  if (strncmp(address, prefix, length) != 0 || !read_id(id, &out_found->id) ||
      id[ID_DIGITS] != '-' || !weft_job_is_name(id + ID_DIGITS + 1)) {
    return false;
  }
  (void)snprintf(out_found->name, sizeof(out_found->name), "%s",
                 id + ID_DIGITS + 1);
  (void)snprintf(out_found->address, sizeof(out_found->address), "%s", address);
  return true;
}

// A line of the list: "NUMBER: COUNT PROTOCOL FLAGS TYPE STATE INODE @NAME".
// Accepted sockets have the name of their listener; only that one has the
// flag.
static bool read_line(const char* line, weft_job_found_t* out_found) {
  unsigned flags = 0;
  char path[WEFT_LOCAL_NAME_LIMIT + 1];
  int fields =
      sscanf(line, "%*[^:]: %*x %*x %x %*x %*x %*u @%107[^\n]", &flags, path);
  return fields == 2 && (flags & 0x10000u) != 0 &&
         read_address(path, out_found);
}

weft_status_t weft_job_find_all(bool (*visit)(void* user,
                                              const weft_job_found_t* found),
                                void* user) {
  FILE* list = fopen("/proc/net/unix", "re");
  if (list == NULL) {
    return weft_status_make(WEFT_STATUS_UNAVAILABLE,
                            "the sockets of this host cannot be listed: "
                            "/proc/net/unix cannot be read");
  }
  char line[LINE_BYTES];
  bool goes_on = true;
  while (goes_on && fgets(line, sizeof(line), list) != NULL) {
    weft_job_found_t found = {0};
    if (read_line(line, &found)) {
      goes_on = visit(user, &found);
    }
  }
  (void)fclose(list);
  return WEFT_OK;
}

// --- One of them ------------------------------------------------------------

typedef struct search {
  const char* job;
  bool has_id;
  uint64_t id;
  uint32_t count;
  weft_job_found_t found;
} search_t;

static bool compare(void* user, const weft_job_found_t* found) {
  search_t* search = user;
  if ((search->has_id && found->id == search->id) ||
      strcmp(found->name, search->job) == 0) {
    search->count++;
    search->found = *found;
  }
  return true;
}

weft_status_t weft_job_find(const char* job, weft_job_found_t* out_found) {
  *out_found = (weft_job_found_t){0};
  search_t search = {.job = job};
  search.has_id = read_id(job, &search.id) && job[ID_DIGITS] == '\0';
  WEFT_RETURN_IF_ERROR(weft_job_find_all(compare, &search));
  if (search.count == 0) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "no job of this user on this host has the id or "
                            "the name '%.*s'",
                            WEFT_JOB_NAME_BYTES, job);
  }
  if (search.count > 1) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "%" PRIu32
                            " jobs are called '%s': name one by its "
                            "id",
                            search.count, job);
  }
  *out_found = search.found;
  return WEFT_OK;
}
