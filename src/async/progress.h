// SPDX-License-Identifier: Apache-2.0
//
// How whoever has nothing to do looks for what has come from other processes.
// A layer above (the lanes of shared memory) gives its table to the runtime;
// workers between tasks, workers that would sleep, and threads that wait then
// call it. So a reply that comes while somebody waits costs no hop between
// threads.
//
//   worker:  task ... flush, task ... flush, poll | spin: poll | arm -> sleep
//   waiter:  flush | spin: poll | arm -> sleep on its own word and on the bell
//
// Whoever leaves a place does not call another thread to take it: while some
// wait without the place, and all workers run long tasks, nobody may be at the
// bell. Whoever sends must find another sleeper then, one of last resort.
// Threads that are not the pool's flush only before they wait. In a simulation
// frames come by timers: `flush` is called after each step and before waits,
// the other slots never.
//
// Thread: every slot is called from any thread of the process, with no lock
// held.

#ifndef WEFT_ASYNC_PROGRESS_H_
#define WEFT_ASYNC_PROGRESS_H_

#include <stdatomic.h>

#include "base/runtime.h"

typedef struct weft_progress weft_progress_t;

// Who wants to sleep. There is one place for each, and a waiter goes first:
// while one sleeps, it is the one that is woken.
typedef enum weft_sleeper {
  // A worker without a task, which may sleep for long.
  WEFT_SLEEPER_IDLE = 0,
  // A thread in the middle of a task, or none of the runtime's, that waits.
  WEFT_SLEEPER_WAITING = 1
} weft_sleeper_t;

// A word of shared memory to sleep on beside one's own, while it has this
// value.
typedef struct weft_bell {
  _Atomic uint32_t* word;
  uint32_t expected;
  // Without a word: not 0 when another thread keeps polling, so that whoever
  // sleeps here would be woken in vain; it asks again after this long.
  int64_t retry_ns;
} weft_bell_t;

typedef struct weft_progress_vtable {
  // Deals with what has come: futures are completed, tasks posted; and flushes
  // what that has written to others. Returns how many frames there were; 0 at
  // once when another thread is at it. Blocks: no.
  uint32_t (*poll)(weft_progress_t* progress);
  // Makes visible to others what this thread has written to them.
  void (*flush)(weft_progress_t* progress);
  // Takes the place of a sleeper, and looks once more. True: the caller now
  // sleeps on the bell, too, or not at all, and calls `disarm` afterwards.
  // False: somebody has the place, or does the work of whoever has it,
  // `out_bell->word` is NULL, and the caller sleeps on its own word only; or
  // something has come, `word` is not NULL, and the caller polls.
  bool (*arm)(weft_progress_t* progress, weft_sleeper_t sleeper,
              weft_bell_t* out_bell);
  // Gives the place up. It may poll; a worker that was woken has its task queue
  // again by now, and runs what that posts.
  void (*disarm)(weft_progress_t* progress, weft_sleeper_t sleeper);
} weft_progress_vtable_t;

struct weft_progress {
  const weft_progress_vtable_t* vtable;
};

// Sets what the threads of the runtime call; NULL: nothing any more. Calls
// with what was set before may still run, and a sleeper give up its place and
// poll, until `weft_async_stop` has returned; none runs after that. So it
// stays whole until then. Thread: any; not after the stop.
void weft_async_set_progress(weft_runtime_t* runtime,
                             weft_progress_t* progress);

#endif  // WEFT_ASYNC_PROGRESS_H_
