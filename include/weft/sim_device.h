// SPDX-License-Identifier: Apache-2.0
//
// A simulated device, so that code for devices can be tested where there is
// none. It has what makes such code hard: memory of its own, copies that
// happen later, several queues, failures.
//
//   append ----> queue 0 [ copy | copy ] --\   which queue is next, a seed
//   append ----> queue 1 [ copy ]        ---> decides: one copy at a time,
//   append ----> queue 2 [ held: copy ]  --/   then its `done`
//
// Memory: an address of the device that the program reads or writes ends it by
// SIGSEGV; only copies reach what is there. Fresh memory is full of
// WEFT_SIM_DEVICE_POISON. The addresses of freed memory are not given out
// again soon, nor does anything else get them, so a late use is found, too.
//
// Copies: from and to the cpu, and from any simulated device to another; the
// bytes are read and written when the copy's turn comes, not when it is
// appended. A copy from or to addresses where the device has no memory ends
// with OUT_OF_RANGE.
//
// Waiting: a device has a thread, which runs the copies, unless it is
// *stepped*: then `weft_sim_device_step` runs one on the calling thread, and
// who waits (`synchronize`, `free`) takes steps until what it waits for is
// over. With one thread, a stepped device takes the same course for the same
// seed and calls. So it fits a simulated runtime, where a wait that needs
// another thread would never end. A `done` that waits for its own device, be it
// by freeing memory of it, ends the program.
//
// It is WEFT_DEVICE_EXTENSION with a number, for a device table and for DLPack.
//
// Thread: any, but for create and destroy. Blocks: no, but for what the table
// of a driver lets block.

#ifndef WEFT_SIM_DEVICE_H_
#define WEFT_SIM_DEVICE_H_

#include "weft/tensor.h"

WEFT_BEGIN_DECLS

// Each byte of memory that nothing was copied to yet.
#define WEFT_SIM_DEVICE_POISON 0xDB

#define WEFT_SIM_DEVICE_QUEUE_LIMIT 64

typedef struct weft_sim_device weft_sim_device_t;

typedef struct weft_sim_device_options {
  // Which of several.
  int32_t id;
  // 1 to WEFT_SIM_DEVICE_QUEUE_LIMIT; 0: one.
  uint32_t queue_count;
  uint64_t seed;
  // For all its memory together; 0: no limit.
  size_t memory_limit_bytes;
  // Copies of one queue that are not over yet; more are refused with
  // RESOURCE_EXHAUSTED. 0: no limit.
  uint32_t copy_limit;
  // No thread: see above.
  bool is_stepped;
} weft_sim_device_options_t;

// Makes a device. `options` may be NULL. What stands for its memory comes from
// `allocator`, too, not from those of its tensors.
// Errors: INVALID_ARGUMENT for too many queues; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_sim_device_create(
    const weft_allocator_t* allocator, const weft_sim_device_options_t* options,
    weft_sim_device_t** out_device);

// Runs what is in the queues, held ones too, then frees the device and the
// memory that was not given back. Its storages are gone. NULL is fine.
// Blocks: until the queues are empty.
WEFT_API void weft_sim_device_destroy(weft_sim_device_t* device);

// The driver, for tensors and tables; lent.
WEFT_API const weft_device_driver_t* weft_sim_device_driver(
    const weft_sim_device_t* device);

// Runs one copy of a stepped device, and its `done`. False when none can run:
// the queues are empty or held, a copy runs on another thread, or the device
// is not stepped. Not from within `done`.
WEFT_API bool weft_sim_device_step(weft_sim_device_t* device);

// --- Trouble on demand ------------------------------------------------------

// While a queue is held no copy of it begins; `is_held` false lets it go on.
// Whoever waits for it waits until then; for a stepped device, where nobody
// else may be there to let go, that queue runs all the same.
// Errors: INVALID_ARGUMENT for a queue that it does not have.
WEFT_API WEFT_MUST_USE weft_status_t
weft_sim_device_hold(weft_sim_device_t* device, uint32_t queue, bool is_held);

// Of the allocations to come, those after the next `after` fail, `count` of
// them, with RESOURCE_EXHAUSTED. Replaces what was asked for before.
WEFT_API void weft_sim_device_fail_allocations(weft_sim_device_t* device,
                                               uint64_t after, uint64_t count);

// Of the copies that are appended from now on, to any queue, those after the
// next `after` copy nothing and end with `status`, `count` of them. `status` is
// not OK. Replaces what was asked for before.
// Owns: takes `status` over.
WEFT_API void weft_sim_device_fail_copies(weft_sim_device_t* device,
                                          uint64_t after, uint64_t count,
                                          weft_status_t status);

// Loses the device: its copies, those in the queues and those to come, end
// with `status`, which is not OK, and so do copies of other devices from it.
// Held queues go on. Allocations fail with it; memory can be freed. The first
// loss counts.
// Owns: takes `status` over.
WEFT_API void weft_sim_device_lose(weft_sim_device_t* device,
                                   weft_status_t status);

// --- Counting ---------------------------------------------------------------

typedef struct weft_sim_device_counters {
  // Copies that are over, and how many of them failed. A copy counts before
  // its `done` is called.
  uint64_t copies;
  uint64_t failed_copies;
  // By copies that did not fail.
  uint64_t copied_bytes;
  // Copies that are in queues.
  uint64_t waiting_copies;
  // Calls of `synchronize`.
  uint64_t synchronizations;
  // Memory that was not given back, and in how many pieces.
  uint64_t live_bytes;
  uint64_t live_blocks;
} weft_sim_device_counters_t;

// What was counted so far.
WEFT_API void weft_sim_device_counters(
    weft_sim_device_t* device, weft_sim_device_counters_t* out_counters);

WEFT_END_DECLS

#endif  // WEFT_SIM_DEVICE_H_
