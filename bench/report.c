// SPDX-License-Identifier: Apache-2.0

#include "bench/report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

// Figures are good to a few digits; more would only look exact.
#define DIGITS 5

// JSON has no NAN: null says that there is none.
static json_t* number(double figure) {
  return isfinite(figure) ? json_real(figure) : json_null();
}

static bool write_line(FILE* file, json_t* object) {
  bool ok = object != NULL &&
            json_dumpf(object, file,
                       JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) == 0 &&
            fputc('\n', file) != EOF && fflush(file) == 0;
  json_decref(object);
  return ok;
}

static json_t* goal_of(const weft_bench_case_t* bench_case) {
  return bench_case->goal > 0 ? json_real(bench_case->goal) : json_null();
}

bool weft_bench_write_json(FILE* file, const weft_bench_result_t* result) {
  const weft_bench_case_t* bench_case = result->bench_case;
  json_t* object =
      json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o}",  //
                "bench", bench_case->bench, "case", bench_case->name, "unit",
                weft_bench_unit_name(bench_case->unit), "median",
                number(result->median), "p99", number(result->p99), "min",
                number(result->min), "max", number(result->max), "runs",
                (int)result->runs, "floor", number(result->floor), "ratio",
                number(result->ratio), "goal", goal_of(bench_case));
  if (object != NULL && result->quick &&
      json_object_set_new(object, "quick", json_true()) != 0) {
    json_decref(object);
    object = NULL;
  }
  if (object != NULL && result->has_tail &&
      (json_object_set_new(object, "p999", number(result->p999)) != 0 ||
       json_object_set_new(object, "floor_p99", number(result->floor_p99)) !=
           0 ||
       json_object_set_new(object, "floor_p999", number(result->floor_p999)) !=
           0)) {
    json_decref(object);
    object = NULL;
  }
  return write_line(file, object);
}

bool weft_bench_write_case_json(FILE* file,
                                const weft_bench_case_t* bench_case) {
  return write_line(
      file,
      json_pack("{s:s,s:s,s:s,s:s,s:b,s:o}", "bench", bench_case->bench, "case",
                bench_case->name, "what", bench_case->what, "unit",
                weft_bench_unit_name(bench_case->unit), "has_floor",
                bench_case->floor != NULL, "goal", goal_of(bench_case)));
}

// --- Table ------------------------------------------------------------------

#define COLUMN 9

void weft_bench_write_head(FILE* file, bool color) {
  (void)fprintf(file, "%s%-22s %4s %*s %*s %*s %*s %*s %*s %*s  %s%s\n",
                color ? "\033[1m" : "", "case", "unit", COLUMN, "median",
                COLUMN, "p99", COLUMN, "min", COLUMN, "max", COLUMN, "floor",
                COLUMN, "ratio", COLUMN, "goal", "met", color ? "\033[0m" : "");
}

// Four digits that count, or a dash.
static void write_figure(FILE* file, double figure) {
  if (!isfinite(figure)) {
    (void)fprintf(file, " %*s", COLUMN, "-");
    return;
  }
  int decimals = figure < 10 ? 3 : figure < 100 ? 2 : figure < 1000 ? 1 : 0;
  (void)fprintf(file, " %*.*f", COLUMN, decimals, figure);
}

void weft_bench_write_row(FILE* file, bool color,
                          const weft_bench_result_t* result) {
  const weft_bench_case_t* bench_case = result->bench_case;
  char path[64];
  (void)snprintf(path, sizeof(path), "%s/%s", bench_case->bench,
                 bench_case->name);
  (void)fprintf(file, "%-22s %4s", path,
                weft_bench_unit_name(bench_case->unit));
  write_figure(file, result->median);
  write_figure(file, result->p99);
  write_figure(file, result->min);
  write_figure(file, result->max);
  write_figure(file, result->floor);
  write_figure(file, result->ratio);
  write_figure(file, bench_case->goal > 0 ? bench_case->goal : (double)NAN);
  bool is_met = weft_bench_goal_is_met(result);
  const char* mark = bench_case->goal > 0 ? (is_met ? "yes" : "no") : "-";
  (void)fprintf(file, "  %s%s%s\n",
                color ? (is_met ? "\033[32m" : "\033[31m") : "", mark,
                color ? "\033[0m" : "");
  (void)fflush(file);
}
