// SPDX-License-Identifier: Apache-2.0
//
// Results as text: one JSON object a line, a table, a plot.

#ifndef WEFT_BENCH_REPORT_H_
#define WEFT_BENCH_REPORT_H_

#include <stdio.h>

#include "bench/bench.h"

// One object on a line of its own:
// {"bench":"future","case":"set_wait","unit":"ns","median":..,"p99":..,
//  "min":..,"max":..,"runs":..,"floor":..,"ratio":..,"goal":..}
// Floor and ratio are null where there is no floor; goal, to be reached by the
// ratio or else by the median, is null where there is none. "quick":true is
// added to results of tiny amounts, "p999", "floor_p99" and
// "floor_p999" to those of cases that tell rounds apart. False when memory or
// the file ran out.
bool weft_bench_write_json(FILE* file, const weft_bench_result_t* result);

// One object on a line for a case that is not run.
bool weft_bench_write_case_json(FILE* file,
                                const weft_bench_case_t* bench_case);

// The head of the table, and one row a result.
void weft_bench_write_head(FILE* file, bool color);
void weft_bench_write_row(FILE* file, bool color,
                          const weft_bench_result_t* result);

// A plot as SVG: a bar a result, as long as its share of the goal, which is a
// line; results without a goal are left out. False when the file ran out.
bool weft_bench_write_plot(FILE* file, const weft_bench_result_t* results,
                           size_t count);

#endif  // WEFT_BENCH_REPORT_H_
