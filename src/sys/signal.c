// SPDX-License-Identifier: Apache-2.0
//
// Handlers of signals belong to the process, so their state is global; it is
// reached by one callback at a time.

#include "sys/signal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "sys/sys.h"

// Room for a callback that formats text, and for the registers of wide
// vectors, which the kernel saves there.
#define STACK_BYTES ((size_t)64 * 1024)

static const struct {
  int number;
  const char* name;
} signals[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
    {SIGFPE, "SIGFPE"},   {SIGABRT, "SIGABRT"},
};
#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

// The thread that holds the state below, by `weft_sys_thread_id`; 0 when
// nobody does. A lock that a signal handler can take.
static _Atomic uint32_t holder;
static weft_signal_fn_t current_callback;
static void* current_user;
// What to do once the callback was called. `ours` is true while our handler
// can be reached, which may be through somebody else's that came later.
static struct sigaction previous[SIGNAL_COUNT];
static bool ours[SIGNAL_COUNT];

// False when this thread holds the state already.
static bool take_state(void) {
  uint32_t self = weft_sys_thread_id();
  uint32_t seen = 0;
  // Acquire: pairs with the release in `give_state`.
  while (!atomic_compare_exchange_weak_explicit(
      &holder, &seen, self, memory_order_acquire, memory_order_relaxed)) {
    if (seen == self) {
      return false;
    }
    seen = 0;
    weft_sys_yield();
  }
  return true;
}

static void give_state(void) {
  // Release: pairs with the acquire in `take_state`.
  atomic_store_explicit(&holder, 0, memory_order_release);
}

static size_t index_of(int signal_number) {
  size_t i = 0;
  while (i < SIGNAL_COUNT && signals[i].number != signal_number) {
    ++i;
  }
  return i;
}

const char* weft_signal_name(int signal_number) {
  size_t i = index_of(signal_number);
  return i < SIGNAL_COUNT ? signals[i].name : "a signal";
}

// Gives way to what handled the signal before. A fault happens again when the
// handler returns to the instruction that caused it; a signal that was sent
// must be sent again.
static void hand_on(size_t i, const siginfo_t* info) {
  (void)sigaction(signals[i].number, &previous[i], NULL);
  ours[i] = false;
  if (info->si_code <= 0) {
    // lint-allow end: it has the effect that it had without us, no more.
    (void)raise(signals[i].number);
  }
}

static void handle(int signal_number, siginfo_t* info, void* machine_state) {
  (void)machine_state;
  int saved = errno;
  size_t i = index_of(signal_number);
  if (take_state()) {
    if (current_callback != NULL) {
      current_callback(current_user, signal_number);
    }
    hand_on(i, info);
    give_state();
  } else {
    // A fault inside the callback.
    hand_on(i, info);
  }
  errno = saved;
}

static bool handles(const struct sigaction* action) {
  return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == handle;
}

weft_status_t weft_signal_install(weft_signal_fn_t callback, void* user) {
  // It is kept for good: the thread may need it after `remove`, which another
  // thread may call.
  static _Thread_local void* own_stack;
  if (own_stack == NULL) {
    own_stack = weft_signal_stack_open();
  }
  bool taken = take_state();
  weft_assert(taken);
  bool is_free = current_callback == NULL;
  if (is_free) {
    current_callback = callback;
    current_user = user;
  }
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  action.sa_sigaction = handle;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; is_free && i < SIGNAL_COUNT; ++i) {
    // One that is still reached through somebody else's handler stays there:
    // on top as well, the two would call each other for ever.
    if (!ours[i]) {
      int error = sigaction(signals[i].number, &action, &previous[i]);
      weft_assert(error == 0);
      ours[i] = true;
    }
  }
  give_state();
  return is_free ? WEFT_OK
                 : weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                                    "a crash handler is installed already; "
                                    "remove that one first");
}

void weft_signal_remove(const void* user) {
  bool taken = take_state();
  weft_assert(taken);
  bool found = current_callback != NULL && current_user == user;
  if (found) {
    current_callback = NULL;
    current_user = NULL;
  }
  for (size_t i = 0; found && i < SIGNAL_COUNT; ++i) {
    struct sigaction action;
    int error = sigaction(signals[i].number, NULL, &action);
    weft_assert(error == 0);
    if (ours[i] && handles(&action)) {
      error = sigaction(signals[i].number, &previous[i], NULL);
      weft_assert(error == 0);
      ours[i] = false;
    }
  }
  give_state();
}

// --- Signal stacks ----------------------------------------------------------

void* weft_signal_stack_open(void) {
  stack_t before;
  if (sigaltstack(NULL, &before) != 0 || (before.ss_flags & SS_DISABLE) == 0) {
    return NULL;
  }
  // Pages that nobody touches take no memory.
  void* memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) {
    return NULL;
  }
  stack_t stack = {.ss_sp = memory, .ss_size = STACK_BYTES};
  int error = sigaltstack(&stack, NULL);
  weft_assert(error == 0);
  return memory;
}

void weft_signal_stack_close(void* stack) {
  if (stack == NULL) {
    return;
  }
  stack_t now;
  // Somebody may have put another in its place; that one is not ours.
  if (sigaltstack(NULL, &now) == 0 && now.ss_sp == stack) {
    stack_t none = {.ss_flags = SS_DISABLE};
    (void)sigaltstack(&none, NULL);
  }
  (void)munmap(stack, STACK_BYTES);
}
