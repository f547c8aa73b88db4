// SPDX-License-Identifier: Apache-2.0
//
// Signals that report a fault (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT):
// one callback of the process sees them, then they have the effect that they
// would have had without it.

#ifndef WEFT_SYS_SIGNAL_H_
#define WEFT_SYS_SIGNAL_H_

#include "weft/status.h"

// Runs in the signal handler, on a stack of its own where the thread has one
// (see below): async-signal-safe calls only.
typedef void (*weft_signal_fn_t)(void* user, int signal_number);

// Installs handlers that call `callback`. After it returns, whatever handled
// the signal before takes over, or the process ends as it would have.
// Thread: any; the calling thread gets a signal stack if it has none.
// Errors: ALREADY_EXISTS when a callback is installed.
weft_status_t weft_signal_install(weft_signal_fn_t callback, void* user);

// Takes the callback of `user` out; nothing when another's is installed. When
// this returns it neither runs nor will run.
// Blocks: while the callback runs on another thread.
void weft_signal_remove(const void* user);

// The name of one of these signals, such as "SIGSEGV". Safe in a handler.
const char* weft_signal_name(int signal_number);

// Gives the calling thread a stack for signal handlers, so that a fault can
// be reported when its own stack is used up. Gives what `close` takes: NULL
// when there is no memory, or the thread has such a stack already.
void* weft_signal_stack_open(void);
void weft_signal_stack_close(void* stack);

#endif  // WEFT_SYS_SIGNAL_H_
