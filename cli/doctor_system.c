// SPDX-License-Identifier: Apache-2.0
//
// Checks of the host: kernel, cores, clock, memory.

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cli/doctor.h"

// Debian 12's headers may be older than the kernel; it is one number
// everywhere.
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

// A clock that is read without a system call takes a fraction of this.
#define SLOW_CLOCK_NS 100
#define CLOCK_READS 10000

static void look_at_kernel(const weft_doctor_host_t* host,
                           weft_doctor_finding_t* finding) {
  (void)host;
  struct utsname name;
  if (uname(&name) != 0) {
    weft_doctor_set(finding, WEFT_DOCTOR_WARN, "unknown: %s", strerror(errno));
    return;
  }
  weft_doctor_set(finding, WEFT_DOCTOR_OK, "%s %s", name.sysname, name.release);
}

static void look_at_cores(const weft_doctor_host_t* host,
                          weft_doctor_finding_t* finding) {
  (void)host;
  cpu_set_t allowed;
  int count = 0;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    count = CPU_COUNT(&allowed);
  }
  weft_doctor_set(finding, count > 1 ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN,
                  "%d of %ld may be used", count,
                  sysconf(_SC_NPROCESSORS_ONLN));
}

static void look_at_quota(const weft_doctor_host_t* host,
                          weft_doctor_finding_t* finding) {
  // Version 2 writes "max" or a quota, then the period, of 100 ms by default;
  // version 1 the quota alone, or -1.
  static const weft_doctor_group_limit_t limit = {"cpu.max", "cpu",
                                                  "cpu.cfs_quota_us"};
  uint64_t quota_us = 0;
  if (!weft_doctor_read_group_limit(host, &limit, &quota_us)) {
    weft_doctor_set(finding, WEFT_DOCTOR_OK, "none");
    return;
  }
  weft_doctor_set(finding, WEFT_DOCTOR_WARN,
                  "%.1f ms of each period, 100 ms unless set",
                  (double)quota_us / 1e3);
}

// --- Clock ------------------------------------------------------------------

static void look_at_clock_source(const weft_doctor_host_t* host,
                                 weft_doctor_finding_t* finding) {
  static const char* const quick[] = {"tsc", "kvm-clock", "arch_sys_counter",
                                      "hyperv_clocksource_tsc_page"};
  char source[64];
  if (!weft_doctor_read_line(
          host,
          "/sys/devices/system/clocksource/clocksource0/current_clocksource",
          source, sizeof(source))) {
    weft_doctor_set(finding, WEFT_DOCTOR_OK, "not told; see clock read");
    return;
  }
  weft_doctor_state_t state = WEFT_DOCTOR_WARN;
  for (size_t i = 0; i < sizeof(quick) / sizeof(quick[0]); i++) {
    if (strcmp(source, quick[i]) == 0) {
      state = WEFT_DOCTOR_OK;
    }
  }
  weft_doctor_set(finding, state, "%s", source);
}

static int64_t now_ns(void) {
  struct timespec now = {0, 0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void look_at_clock_read(const weft_doctor_host_t* host,
                               weft_doctor_finding_t* finding) {
  (void)host;
  int64_t start_ns = now_ns();
  int64_t end_ns = start_ns;
  for (int i = 0; i < CLOCK_READS; i++) {
    end_ns = now_ns();
  }
  double each_ns = (double)(end_ns - start_ns) / CLOCK_READS;
  bool is_slow = each_ns > SLOW_CLOCK_NS;
  weft_doctor_set(finding, is_slow ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK,
                  "%.0f ns%s", each_ns,
                  is_slow ? ": a system call" : ", without a system call");
}

// --- System calls -----------------------------------------------------------

static void look_at_futex(const weft_doctor_host_t* host,
                          weft_doctor_finding_t* finding) {
  (void)host;
  uint32_t word = 1;
  // The word is not 0, so a futex that works says so at once.
  long result = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  bool works = result == -1 && errno == EAGAIN;
  weft_doctor_set(finding, works ? WEFT_DOCTOR_OK : WEFT_DOCTOR_FAIL, "%s",
                  works ? "works" : strerror(errno));
}

static void look_at_futex_waitv(const weft_doctor_host_t* host,
                                weft_doctor_finding_t* finding) {
  (void)host;
  // No words at all: a call that is there says that it makes no sense.
  long result = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0);
  bool works = result == -1 && errno == EINVAL;
  weft_doctor_set(finding, works ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN, "%s",
                  works ? "works" : strerror(errno));
}

static void look_at_membarrier(const weft_doctor_host_t* host,
                               weft_doctor_finding_t* finding) {
  (void)host;
  long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  bool works =
      commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0;
  weft_doctor_set(finding, works ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN, "%s",
                  works ? "private expedited" : "not for one process");
}

static void look_at_memfd(const weft_doctor_host_t* host,
                          weft_doctor_finding_t* finding) {
  (void)host;
  int descriptor = memfd_create("weft-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) {
    weft_doctor_set(finding, WEFT_DOCTOR_WARN, "memfd_create: %s",
                    strerror(errno));
    return;
  }
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
  bool works = fcntl(descriptor, F_ADD_SEALS, seals) == 0 &&
               (fcntl(descriptor, F_GET_SEALS) & seals) == seals;
  weft_doctor_set(finding, works ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN, "%s",
                  works ? "with F_SEAL_FUTURE_WRITE"
                        : "without F_SEAL_FUTURE_WRITE (Linux 5.1)");
  (void)close(descriptor);
}

// Sends a byte over a pair of sockets that wants to know who sends.
static bool has_credentials(const int sockets[2]) {
  const int on = 1;
  char byte = 1;
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
  } control = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
  if (setsockopt(sockets[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
      send(sockets[1], &byte, 1, 0) != 1 ||
      recvmsg(sockets[0], &message, MSG_DONTWAIT) != 1) {
    return false;
  }
  const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  struct ucred sender = {.uid = UINT32_MAX};
  if (header == NULL || header->cmsg_type != SCM_CREDENTIALS) {
    return false;
  }
  memcpy(&sender, CMSG_DATA(header), sizeof(sender));
  return sender.uid == geteuid() && sender.pid == getpid();
}

static void look_at_sockets(const weft_doctor_host_t* host,
                            weft_doctor_finding_t* finding) {
  (void)host;
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    weft_doctor_set(finding, WEFT_DOCTOR_WARN, "no Unix sockets: %s",
                    strerror(errno));
    return;
  }
  bool works = has_credentials(sockets);
  weft_doctor_set(finding, works ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN, "%s",
                  works ? "say which process of which user sends"
                        : "do not say which process of which user sends");
  (void)close(sockets[0]);
  (void)close(sockets[1]);
}

static void look_at_job_list(const weft_doctor_host_t* host,
                             weft_doctor_finding_t* finding) {
  char line[64];
  bool works =
      weft_doctor_read_line(host, "/proc/net/unix", line, sizeof(line));
  weft_doctor_set(
      finding, works ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN, "%s",
      works ? "/proc/net/unix can be read" : "/proc/net/unix cannot be read");
}

// --- Settings ---------------------------------------------------------------

static void look_at_governor(const weft_doctor_host_t* host,
                             weft_doctor_finding_t* finding) {
  char governor[64];
  if (!weft_doctor_read_line(
          host, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
          governor, sizeof(governor))) {
    weft_doctor_set(finding, WEFT_DOCTOR_OK,
                    "not told (usual in a virtual machine)");
    return;
  }
  bool is_slow = strcmp(governor, "powersave") == 0;
  weft_doctor_set(finding, is_slow ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK, "%s",
                  governor);
}

static void look_at_huge_pages(const weft_doctor_host_t* host,
                               weft_doctor_finding_t* finding) {
  char setting[64];
  if (!weft_doctor_read_line(host,
                             "/sys/kernel/mm/transparent_hugepage/enabled",
                             setting, sizeof(setting))) {
    weft_doctor_set(finding, WEFT_DOCTOR_WARN, "not in this kernel");
    return;
  }
  // The choice stands in brackets: "always [madvise] never".
  bool is_never = strstr(setting, "[never]") != NULL;
  weft_doctor_set(finding, is_never ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK, "%s",
                  setting);
}

static const weft_doctor_check_t checks[] = {
    {"host", "kernel", "Linux is the one system that weft runs on.",
     "uname -a should tell; look at the sandbox (seccomp)", look_at_kernel},
    {"host", "cores",
     "With one core whoever waits must sleep: a hop costs microseconds.",
     "taskset -pc 0-N PID, or give the container more cores", look_at_cores},
    {"host", "cpu quota",
     "A group that has used up its share stands still until the next period.",
     "echo max >/sys/fs/cgroup/GROUP/cpu.max", look_at_quota},
    {"host", "clock source",
     "Other sources need a system call to read, some a bus.",
     "boot with clocksource=tsc, if the kernel trusts it",
     look_at_clock_source},
    {"host", "clock read",
     "Deadlines, timers and spans read the clock; 20 ns is usual.",
     "boot with clocksource=tsc, if the kernel trusts it", look_at_clock_read},
    {"host", "futex", "Threads sleep on futexes; nothing runs without.",
     "allow the system call futex in the sandbox (seccomp)", look_at_futex},
    {"host", "futex_waitv",
     "Without it a process that sleeps looks every millisecond for messages "
     "of others.",
     "Linux 5.16 or later; allow futex_waitv in the sandbox (seccomp)",
     look_at_futex_waitv},
    {"host", "membarrier",
     "Without it every small allocation pays for an atomic operation.",
     "allow the system call membarrier in the sandbox (seccomp)",
     look_at_membarrier},
    {"host", "memfd",
     "Processes share tensors through sealed memory that has no name.",
     "Linux 5.1 or later; allow memfd_create in the sandbox (seccomp)",
     look_at_memfd},
    {"host", "unix sockets",
     "Processes of a job believe the kernel alone about who sends.",
     "allow socketpair and SO_PASSCRED in the sandbox (seccomp)",
     look_at_sockets},
    {"host", "list of jobs",
     "'weft list', and joining a job by name, look for its socket there.",
     "mount -t proc proc /proc", look_at_job_list},
    {"host", "governor", "A core that saves power is slow to wake up.",
     "cpupower frequency-set -g performance", look_at_governor},
    {"host", "huge pages", "Large tensors miss the TLB less on huge pages.",
     "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled",
     look_at_huge_pages},
};

const weft_doctor_checks_t weft_doctor_system = {
    .checks = checks,
    .count = sizeof(checks) / sizeof(checks[0]),
};
