// SPDX-License-Identifier: Apache-2.0

#include "sys/thread_exit.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

// What the calling thread has to do when it ends.
static _Thread_local weft_sys_thread_exit_t* exit_hooks;

// One key for all hooks of all threads: a key has a destructor, which is the
// only way to learn that a thread ends.
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool exit_key_exists;

void weft_sys_thread_name(char out_name[WEFT_SYS_THREAD_NAME_CAPACITY]) {
  memset(out_name, 0, WEFT_SYS_THREAD_NAME_CAPACITY);
  prctl(PR_GET_NAME, out_name);
}

void weft_sys_thread_defer(void) {
  struct sched_param none = {0};
  // A system that refuses it runs the thread like any other.
  (void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static void run_exit_hooks(void* unused) {
  (void)unused;
  // A hook that asks again while they run is called in the system's next
  // round of destructors.
  weft_sys_thread_exit_t* hook = exit_hooks;
  exit_hooks = NULL;
  while (hook != NULL) {
    weft_sys_thread_exit_t* next = hook->next;
    void (*ended)(void) = hook->ended;
    *hook = (weft_sys_thread_exit_t){0};
    ended();
    hook = next;
  }
}

static void create_exit_key(void) {
  exit_key_exists = pthread_key_create(&exit_key, run_exit_hooks) == 0;
}

bool weft_sys_thread_at_exit(weft_sys_thread_exit_t* hook,
                             void (*ended)(void)) {
  if (hook->ended != NULL) {
    return true;
  }
  pthread_once(&exit_key_once, create_exit_key);
  // Any value but NULL has the destructor called.
  if (!exit_key_exists || pthread_setspecific(exit_key, &exit_key) != 0) {
    return false;
  }
  hook->ended = ended;
  hook->next = exit_hooks;
  exit_hooks = hook;
  return true;
}
