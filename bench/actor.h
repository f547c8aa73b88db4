// SPDX-License-Identifier: Apache-2.0
//
// The subjects of bench `actor`; see actor.c for the table.

#ifndef WEFT_BENCH_ACTOR_H_
#define WEFT_BENCH_ACTOR_H_

#include "bench/bench.h"

// pingpong.c: one message between two actors, back and forth.
extern const weft_bench_subject_t weft_bench_pingpong;

// counting.c: one or two actors send as fast as they can to a third.
extern const weft_bench_subject_t weft_bench_counting;
extern const weft_bench_subject_t weft_bench_fanin_2;

// spawn.c: actors that end as soon as they have begun.
extern const weft_bench_subject_t weft_bench_spawn_exit;

// bytes.c: what an actor that does nothing takes of the heap.
extern const weft_bench_subject_t weft_bench_bytes;

// skynet.c: a tree of actors, ten children each, that adds up its leaves.
extern const weft_bench_subject_t weft_bench_skynet;

#endif  // WEFT_BENCH_ACTOR_H_
