// SPDX-License-Identifier: Apache-2.0

#include "bench/cores.h"

void weft_bench_cores_bind(weft_bench_cores_t* cores, uint32_t count) {
  cores->is_bound = false;
  if (sched_getaffinity(0, sizeof(cores->before), &cores->before) != 0) {
    return;
  }
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  uint32_t left = count;
  for (size_t core = CPU_SETSIZE; core > 0 && left > 0; core--) {
    if (CPU_ISSET(core - 1, &cores->before)) {
      CPU_SET(core - 1, &chosen);
      left--;
    }
  }
  cores->is_bound = sched_setaffinity(0, sizeof(chosen), &chosen) == 0;
}

void weft_bench_cores_restore(weft_bench_cores_t* cores) {
  if (cores->is_bound) {
    // The mask was this thread's own a moment ago; if the cores are gone
    // meanwhile, the kernel has chosen others already.
    (void)sched_setaffinity(0, sizeof(cores->before), &cores->before);
    cores->is_bound = false;
  }
}

void weft_bench_cores_bind_thread(pid_t thread, bool to_last) {
  cpu_set_t allowed;
  if (sched_getaffinity(thread, sizeof(allowed), &allowed) != 0) {
    return;
  }
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  for (size_t core = 0; core < CPU_SETSIZE; core++) {
    if (CPU_ISSET(core, &allowed) && (to_last || CPU_COUNT(&chosen) == 0)) {
      CPU_ZERO(&chosen);
      CPU_SET(core, &chosen);
    }
  }
  // It may have ended meanwhile.
  (void)sched_setaffinity(thread, sizeof(chosen), &chosen);
}

uint32_t weft_bench_cores_allowed(void) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return 1;
  }
  int count = CPU_COUNT(&allowed);
  return count > 0 ? (uint32_t)count : 1;
}
