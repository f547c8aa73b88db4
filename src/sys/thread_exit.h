// SPDX-License-Identifier: Apache-2.0
//
// More about threads: what one is called, how eager it is, and what to do when
// it ends.

#ifndef WEFT_SYS_THREAD_EXIT_H_
#define WEFT_SYS_THREAD_EXIT_H_

#include "weft/common.h"

// A thread's name with its NUL.
#define WEFT_SYS_THREAD_NAME_CAPACITY 16

// The name of the calling thread.
void weft_sys_thread_name(char out_name[WEFT_SYS_THREAD_NAME_CAPACITY]);

// The calling thread works in the background: when it has something to do it
// does not interrupt what runs, but waits for a free core or its turn.
void weft_sys_thread_defer(void);

// Something to do when a thread ends. Lies in thread-local storage of its
// owner, all zero at first.
typedef struct weft_sys_thread_exit {
  struct weft_sys_thread_exit* next;
  // Called on the thread that ends. It may ask to be called again, by
  // something that uses the thread even later, but not without limit.
  void (*ended)(void);
} weft_sys_thread_exit_t;

// Has `ended` called when the calling thread ends; it is not called for the
// main thread when `main` returns. Does nothing if `hook` waits already.
// False when the system cannot remember it.
bool weft_sys_thread_at_exit(weft_sys_thread_exit_t* hook, void (*ended)(void));

#endif  // WEFT_SYS_THREAD_EXIT_H_
