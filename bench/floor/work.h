// SPDX-License-Identifier: Apache-2.0
//
// What weft and its floors do alike, so that nothing but the way between two
// processes differs: bytes that are filled and read, and a pace that is kept.

#ifndef WEFT_BENCH_FLOOR_WORK_H_
#define WEFT_BENCH_FLOOR_WORK_H_

#include <stddef.h>
#include <stdint.h>

// Every word of so many bytes, a multiple of 64, is this number from now on.
void weft_floor_fill(void* data, size_t size_bytes, uint64_t number);
// Reads every word: the number that all of them are, or one that is none of
// theirs.
uint64_t weft_floor_read(const void* data, size_t size_bytes);

// Of a clock that is the same for all processes.
int64_t weft_floor_now_ns(void);
// Looks at that clock until it is so late; gives the core away now and then,
// which somebody else may need.
void weft_floor_wait_until(int64_t time_ns);

#endif  // WEFT_BENCH_FLOOR_WORK_H_
