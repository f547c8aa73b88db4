// SPDX-License-Identifier: Apache-2.0
//
// Floors: for each benchmark the smallest hand-written C that does the same.
// What weft costs is given as a multiple of its floor, measured in the same
// run, because absolute times drift from machine to machine.
//
// A floor uses nothing of weft. Each stands in a translation unit of its own
// and keeps its state on the heap, so that the compiler can neither see
// through the calls nor drop work whose result nobody reads.

#ifndef WEFT_BENCH_FLOOR_FLOOR_H_
#define WEFT_BENCH_FLOOR_FLOOR_H_

#include <stdint.h>

typedef struct weft_floor {
  // Makes the state; NULL when there is no memory.
  void* (*create)(void);
  // Does the work `count` times.
  void (*run)(void* state, uint64_t count);
  // Frees the state; NULL is fine.
  void (*destroy)(void* state);
  // Called before each `run`, outside of the time; NULL: nothing to prepare.
  void (*prepare)(void* state, uint64_t count);
  // In place of `run`, where each time of the work counts: says in
  // `out_figures` how long each took.
  void (*gather)(void* state, uint64_t count, double* out_figures);
} weft_floor_t;

// Two atomic exchanges and a call: what it takes at the least to hand one
// value from whoever sets it to whoever waits for it.
extern const weft_floor_t weft_floor_set_wait;
// A call through a pointer and two atomic operations: the least that a link
// from one outcome to the next costs when either end may be on any thread.
extern const weft_floor_t weft_floor_then_link;

// A queue of many producers and one consumer (Vyukov's, intrusive), used by
// one thread: one message in and out; 64 in, then 64 out.
extern const weft_floor_t weft_floor_push_pop;
extern const weft_floor_t weft_floor_push_pop_64;

// Objects with such a queue as mailbox and a list of those that have
// something to do, in one loop on one thread; see loop.c.
extern const weft_floor_t weft_floor_pingpong;
extern const weft_floor_t weft_floor_counting;
extern const weft_floor_t weft_floor_fanin_2;

// Allocate, fill in and free one of those objects.
extern const weft_floor_t weft_floor_spawn_exit;

// Between two processes: two cache lines, for which both spin; two futex
// words, on which both sleep; a ring of slots of 64 bytes, published by 64.
extern const weft_floor_t weft_floor_link_spin;
extern const weft_floor_t weft_floor_link_block;
extern const weft_floor_t weft_floor_link_ring;

// Such a ring, each slot published by itself.
extern const weft_floor_t weft_floor_call_ring;

// A ring whose values are written and read where they lie: 8 bytes; 4 KiB and
// 1 MiB, of which both sides touch every word.
#define WEFT_FLOOR_WORD_SLOTS 1024
#define WEFT_FLOOR_4KB 4096
#define WEFT_FLOOR_4KB_SLOTS 64
#define WEFT_FLOOR_1MB (1 << 20)
#define WEFT_FLOOR_1MB_SLOTS 2
extern const weft_floor_t weft_floor_ring_8b;
extern const weft_floor_t weft_floor_ring_4kb;
extern const weft_floor_t weft_floor_ring_1mb;

// The ring of 8 bytes at a fixed pace, so many values a second: how long from
// the time at which one is due to be written until it is read. At most
// WEFT_FLOOR_PACED at a time.
#define WEFT_FLOOR_PACED 20000
#define WEFT_FLOOR_100K_NS 10000
#define WEFT_FLOOR_1M_NS 1000
#define WEFT_FLOOR_4M_NS 250
extern const weft_floor_t weft_floor_paced_100k;
extern const weft_floor_t weft_floor_paced_1m;
extern const weft_floor_t weft_floor_paced_4m;

// Many processes that one word wakes, until all of them have seen it. Under
// sanitizers processes are costly, and figures mean nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_FLOOR_READERS 4
#else
#define WEFT_FLOOR_READERS 32
#endif
extern const weft_floor_t weft_floor_readers;

// Between two processes: a description of memory, and an answer; a copy from
// private memory to private memory, and an answer. See tensor.c.
extern const weft_floor_t weft_floor_handover;
extern const weft_floor_t weft_floor_copy_1mb;
extern const weft_floor_t weft_floor_copy_64mb;

#endif  // WEFT_BENCH_FLOOR_FLOOR_H_
