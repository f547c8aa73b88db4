// SPDX-License-Identifier: Apache-2.0
//
// What bench `channel` measures in files of their own.

#ifndef WEFT_BENCH_CHANNEL_H_
#define WEFT_BENCH_CHANNEL_H_

#include "bench/bench.h"

// One value, and all readers of many processes have released it.
extern const weft_bench_subject_t weft_bench_channel_readers;

#endif  // WEFT_BENCH_CHANNEL_H_
