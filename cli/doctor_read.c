// SPDX-License-Identifier: Apache-2.0
//
// Findings, and reading what the kernel tells in files.

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor.h"

void weft_doctor_set(weft_doctor_finding_t* finding, weft_doctor_state_t state,
                     const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  finding->state = state;
  (void)vsnprintf(finding->value, sizeof(finding->value), format, arguments);
  va_end(arguments);
}

static FILE* open_file(const weft_doctor_host_t* host, const char* path) {
  char full[PATH_MAX];
  int length = snprintf(full, sizeof(full), "%s%s", host->root, path);
  return length > 0 && (size_t)length < sizeof(full) ? fopen(full, "re") : NULL;
}

bool weft_doctor_read_line(const weft_doctor_host_t* host, const char* path,
                           char* line, size_t capacity) {
  line[0] = '\0';
  FILE* file = open_file(host, path);
  if (file == NULL) {
    return false;
  }
  bool ok = fgets(line, (int)capacity, file) != NULL;
  (void)fclose(file);
  line[strcspn(line, "\n")] = '\0';
  return ok;
}

static bool parse_number(const char* text, uint64_t* out_number) {
  errno = 0;
  *out_number = strtoull(text, NULL, 10);
  return isdigit((unsigned char)text[0]) && errno == 0;
}

bool weft_doctor_read_number(const weft_doctor_host_t* host, const char* path,
                             uint64_t* out_number) {
  char line[64];
  *out_number = 0;
  return weft_doctor_read_line(host, path, line, sizeof(line)) &&
         parse_number(line, out_number);
}

// --- Control groups ---------------------------------------------------------

// True when the comma-separated `list` names `word`.
static bool names(const char* list, size_t length, const char* word) {
  size_t word_length = strlen(word);
  const char* end = list + length;
  while (list < end) {
    const char* comma = memchr(list, ',', (size_t)(end - list));
    size_t item = (size_t)((comma != NULL ? comma : end) - list);
    if (item == word_length && memcmp(list, word, item) == 0) {
      return true;
    }
    list += item + 1;
  }
  return false;
}

// Finds the path of this process in the hierarchy of a controller; version 2
// has one hierarchy, whose list of controllers is empty.
static bool find_group(const weft_doctor_host_t* host, const char* controller,
                       char* path, size_t capacity) {
  FILE* file = open_file(host, "/proc/self/cgroup");
  if (file == NULL) {
    return false;
  }
  char line[PATH_MAX];
  bool found = false;
  while (!found && fgets(line, sizeof(line), file) != NULL) {
    // "number:controllers:path"
    char* list = strchr(line, ':');
    char* group = list == NULL ? NULL : strchr(list + 1, ':');
    if (group == NULL) {
      continue;
    }
    list++;
    size_t length = (size_t)(group - list);
    found = controller == NULL ? length == 0 : names(list, length, controller);
    if (found) {
      group[strcspn(group, "\n")] = '\0';
      found = (size_t)snprintf(path, capacity, "%s", group + 1) < capacity;
    }
  }
  (void)fclose(file);
  return found;
}

// Reads `file` in the group and in every group around it; the least number
// counts. A container may see only the innermost one, at the root.
static bool least_on_the_way_up(const weft_doctor_host_t* host,
                                const char* hierarchy, char* group,
                                const char* file, uint64_t* out_number) {
  bool found = false;
  while (true) {
    char path[PATH_MAX + 128];
    uint64_t number = 0;
    (void)snprintf(path, sizeof(path), "%s%s/%s", hierarchy,
                   strcmp(group, "/") == 0 ? "" : group, file);
    if (weft_doctor_read_number(host, path, &number) &&
        (!found || number < *out_number)) {
      *out_number = number;
      found = true;
    }
    char* slash = strrchr(group, '/');
    if (slash == NULL || group[0] == '\0') {
      return found;
    }
    *slash = '\0';
  }
}

bool weft_doctor_read_group_limit(const weft_doctor_host_t* host,
                                  const weft_doctor_group_limit_t* limit,
                                  uint64_t* out_number) {
  char group[PATH_MAX];
  uint64_t number = UINT64_MAX;
  *out_number = UINT64_MAX;
  bool found = false;
  if (find_group(host, NULL, group, sizeof(group)) &&
      least_on_the_way_up(host, "/sys/fs/cgroup", group, limit->file,
                          &number)) {
    *out_number = number;
    found = true;
  }
  char hierarchy[64];
  (void)snprintf(hierarchy, sizeof(hierarchy), "/sys/fs/cgroup/%s",
                 limit->controller);
  if (find_group(host, limit->controller, group, sizeof(group)) &&
      least_on_the_way_up(host, hierarchy, group, limit->legacy_file,
                          &number) &&
      number < *out_number) {
    *out_number = number;
    found = true;
  }
  // Version 1 writes a number near the greatest for "no limit".
  return found && *out_number < (uint64_t)INT64_MAX / 2;
}
