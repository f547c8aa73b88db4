// SPDX-License-Identifier: Apache-2.0
//
// Checks of what a process may use up.

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/doctor.h"

#define FILES_WANTED 1024
// Descriptors of a process that are no peer's: streams, what it sleeps on, its
// own segments, files of the program.
#define FILES_OF_ITS_OWN 64
#define PEERS_WANTED 64
#define THREADS_WANTED 512
#define MAPS_WANTED 65530
#define MEMORY_WANTED ((uint64_t)1 << 30)

// The soft limit of a resource as text; state WARN when it is below `wanted`.
static void look_at_resource(__rlimit_resource_t resource, uint64_t wanted,
                             weft_doctor_finding_t* finding) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0) {
    weft_doctor_set(finding, WEFT_DOCTOR_WARN, "unknown: %s", strerror(errno));
    return;
  }
  if (limit.rlim_cur == RLIM_INFINITY) {
    weft_doctor_set(finding, WEFT_DOCTOR_OK, "unlimited");
    return;
  }
  uint64_t soft = limit.rlim_cur;
  weft_doctor_state_t state = soft < wanted ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK;
  if (limit.rlim_max == RLIM_INFINITY) {
    weft_doctor_set(finding, state, "%" PRIu64 " (may be raised)", soft);
  } else {
    weft_doctor_set(finding, state, "%" PRIu64 " (at most %" PRIu64 ")", soft,
                    (uint64_t)limit.rlim_max);
  }
}

static void look_at_files(const weft_doctor_host_t* host,
                          weft_doctor_finding_t* finding) {
  (void)host;
  look_at_resource(RLIMIT_NOFILE, FILES_WANTED, finding);
}

static void look_at_peers(const weft_doctor_host_t* host,
                          weft_doctor_finding_t* finding) {
  (void)host;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    weft_doctor_set(finding, WEFT_DOCTOR_WARN, "unknown: %s", strerror(errno));
    return;
  }
  uint64_t files = limit.rlim_cur;
  uint64_t peers = files > FILES_OF_ITS_OWN
                       ? (files - FILES_OF_ITS_OWN) / WEFT_DOCTOR_FILES_A_PEER
                       : 0;
  weft_doctor_set(finding,
                  peers < PEERS_WANTED ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK,
                  "each takes %d descriptors, and %d KiB with it: the limit of "
                  "open files suffices for %" PRIu64,
                  WEFT_DOCTOR_FILES_A_PEER, WEFT_DOCTOR_KIB_A_PEER, peers);
}

static void look_at_core_dumps(const weft_doctor_host_t* host,
                               weft_doctor_finding_t* finding) {
  (void)host;
  look_at_resource(RLIMIT_CORE, 1, finding);
}

static void look_at_threads(const weft_doctor_host_t* host,
                            weft_doctor_finding_t* finding) {
  static const weft_doctor_group_limit_t group_limit = {"pids.max", "pids",
                                                        "pids.max"};
  uint64_t least = UINT64_MAX;
  const char* whose = "no limit";
  struct rlimit limit;
  // The limit of the user does not bind root.
  if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &limit) == 0 &&
      limit.rlim_cur != RLIM_INFINITY) {
    least = limit.rlim_cur;
    whose = "of the user";
  }
  uint64_t number = 0;
  if (weft_doctor_read_number(host, "/proc/sys/kernel/threads-max", &number) &&
      number < least) {
    least = number;
    whose = "of the host";
  }
  if (weft_doctor_read_group_limit(host, &group_limit, &number) &&
      number < least) {
    least = number;
    whose = "of the control group";
  }
  if (least == UINT64_MAX) {
    weft_doctor_set(finding, WEFT_DOCTOR_OK, "%s", whose);
    return;
  }
  weft_doctor_set(finding,
                  least < THREADS_WANTED ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK,
                  "%" PRIu64 " (%s)", least, whose);
}

static void look_at_maps(const weft_doctor_host_t* host,
                         weft_doctor_finding_t* finding) {
  uint64_t number = 0;
  if (!weft_doctor_read_number(host, "/proc/sys/vm/max_map_count", &number)) {
    weft_doctor_set(finding, WEFT_DOCTOR_OK, "not told");
    return;
  }
  weft_doctor_set(finding,
                  number < MAPS_WANTED ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK,
                  "%" PRIu64, number);
}

static void look_at_memory(const weft_doctor_host_t* host,
                           weft_doctor_finding_t* finding) {
  static const weft_doctor_group_limit_t group_limit = {
      "memory.max", "memory", "memory.limit_in_bytes"};
  uint64_t least =
      (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  const char* whose = "of the host";
  uint64_t number = 0;
  if (weft_doctor_read_group_limit(host, &group_limit, &number) &&
      number < least) {
    least = number;
    whose = "of the control group";
  }
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      limit.rlim_cur < least) {
    least = limit.rlim_cur;
    whose = "of the process: ulimit -v";
  }
  weft_doctor_set(finding,
                  least < MEMORY_WANTED ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK,
                  "%.1f GiB (%s)", (double)least / (double)(1 << 30), whose);
}

static void look_at_overcommit(const weft_doctor_host_t* host,
                               weft_doctor_finding_t* finding) {
  static const char* const meanings[] = {"heuristic", "always", "never"};
  uint64_t mode = 0;
  if (!weft_doctor_read_number(host, "/proc/sys/vm/overcommit_memory", &mode)) {
    weft_doctor_set(finding, WEFT_DOCTOR_OK, "not told");
    return;
  }
  weft_doctor_set(finding, mode == 2 ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK,
                  "%" PRIu64 " (%s)", mode,
                  mode < 3 ? meanings[mode] : "unknown");
}

static const weft_doctor_check_t checks[] = {
    {"limits", "open files", "Each process that is met takes some descriptors.",
     "ulimit -n 65536", look_at_files},
    {"limits", "peers",
     "A process that may open no more cannot meet another of its job.",
     "ulimit -n 65536", look_at_peers},
    {"limits", "core dumps", "After a crash there is nothing to look at.",
     "ulimit -c unlimited", look_at_core_dumps},
    {"limits", "threads",
     "Workers, spares for handlers that wait, and actors with a thread each.",
     "ulimit -u 4096, or raise pids.max of the control group", look_at_threads},
    {"limits", "memory maps",
     "Each thread and each block that is shared takes some.",
     "sysctl -w vm.max_map_count=262144", look_at_maps},
    {"limits", "memory", "The kernel ends a process that needs more.",
     "raise memory.max of the control group, or ulimit -v unlimited",
     look_at_memory},
    {"limits", "overcommit",
     "Memory that is set aside and not used yet counts in full.",
     "sysctl -w vm.overcommit_memory=0", look_at_overcommit},
};

const weft_doctor_checks_t weft_doctor_limits = {
    .checks = checks,
    .count = sizeof(checks) / sizeof(checks[0]),
};
