// SPDX-License-Identifier: Apache-2.0

#include "bench/floor/partner.h"

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// On a page before the memory that is shared.
typedef struct weft_partner_order {
  // Changes with each order.
  _Atomic uint32_t number;
  // The one that is being carried out.
  _Atomic uint32_t begun;
  bool is_last;
  uint64_t count;
} weft_partner_order_t;

#define ORDER_BYTES 4096

void weft_partner_wait(_Atomic uint32_t* word, uint32_t expected) {
  (void)syscall(SYS_futex, word, FUTEX_WAIT, expected, NULL, NULL, 0);
}

void weft_partner_wake(_Atomic uint32_t* word) {
  (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void weft_partner_wake_all(_Atomic uint32_t* word) {
  (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void weft_partner_bind(const cpu_set_t* allowed, bool to_first) {
  int chosen = -1;
  for (int core = 0; core < CPU_SETSIZE; core++) {
    if (CPU_ISSET((size_t)core, allowed) && (chosen < 0 || !to_first)) {
      chosen = core;
    }
  }
  if (chosen >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)chosen, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
  }
}

static void child_main(weft_partner_t* partner, const weft_partner_part_t* part,
                       void* user) {
  weft_partner_order_t* order = partner->order;
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  weft_partner_bind(&partner->before, true);
  if (part->enter != NULL) {
    part->enter(user);
  }
  uint32_t seen = 0;
  for (bool is_last = false; !is_last;) {
    while (atomic_load_explicit(&order->number, memory_order_acquire) == seen) {
      weft_partner_wait(&order->number, seen);
    }
    seen++;
    is_last = order->is_last;
    atomic_store_explicit(&order->begun, seen, memory_order_release);
    weft_partner_wake(&order->begun);
    if (!is_last) {
      part->serve(user, order->count);
    }
  }
  if (part->leave != NULL) {
    part->leave(user);
  }
  _exit(0);
}

static void give_order(weft_partner_t* partner, uint64_t count, bool is_last) {
  partner->order->count = count;
  partner->order->is_last = is_last;
  atomic_fetch_add_explicit(&partner->order->number, 1, memory_order_release);
  weft_partner_wake(&partner->order->number);
}

int weft_partner_start(weft_partner_t* partner, size_t shared_bytes,
                       const weft_partner_part_t* part, void* user) {
  memset(partner, 0, sizeof(*partner));
  if (sched_getaffinity(0, sizeof(partner->before), &partner->before) != 0) {
    return 0;
  }
  unsigned char* memory =
      mmap(NULL, ORDER_BYTES + shared_bytes, PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return 0;
  }
  partner->order = (weft_partner_order_t*)(void*)memory;
  partner->shared = memory + ORDER_BYTES;
  partner->shared_bytes = shared_bytes;
  (void)fflush(NULL);
  partner->child = fork();
  if (partner->child == 0) {
    child_main(partner, part, user);
  }
  return partner->child > 0;
}

void weft_partner_stop(weft_partner_t* partner) {
  if (partner->child > 0) {
    give_order(partner, 0, true);
    (void)waitpid(partner->child, NULL, 0);
  }
  if (partner->order != NULL) {
    (void)munmap(partner->order, ORDER_BYTES + partner->shared_bytes);
  }
  memset(partner, 0, sizeof(*partner));
}

void weft_partner_begin(weft_partner_t* partner, uint64_t count) {
  weft_partner_bind(&partner->before, false);
  give_order(partner, count, false);
  _Atomic uint32_t* begun = &partner->order->begun;
  uint32_t number =
      atomic_load_explicit(&partner->order->number, memory_order_relaxed);
  uint32_t seen;
  while ((seen = atomic_load_explicit(begun, memory_order_acquire)) != number) {
    weft_partner_wait(begun, seen);
  }
}

void weft_partner_end(weft_partner_t* partner) {
  (void)sched_setaffinity(0, sizeof(partner->before), &partner->before);
}
