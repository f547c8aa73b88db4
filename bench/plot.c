// SPDX-License-Identifier: Apache-2.0
//
// The plot, by hand: one bar a case, as long as its share of the goal, with a
// line where the goal is. So ratios and plain figures stand on one axis, and
// everything left of the line is as fast as it should be.
//
//   set_wait      #############            |        2.1 of 3 x floor
//   pingpong      #####################    |
//                 0                        goal         2 x goal

#include <math.h>

#include "bench/report.h"

// In user units of the SVG.
#define WIDTH 860
#define LEFT 190
#define RIGHT 240
#define BAR_AREA (WIDTH - LEFT - RIGHT)
#define TOP 58
#define ROW 26
#define BAR 16
#define BOTTOM 34
// The right end of the axis, in goals; longer bars are cut off there.
#define AXIS_END 2.0

#define GOOD "#2a7f62"
#define BAD "#c0504d"
#define INK "#222222"
#define FAINT "#999999"

static double x_of(double share) {
  double shown = share > AXIS_END ? AXIS_END : share;
  return LEFT + shown / AXIS_END * BAR_AREA;
}

static void write_axis(FILE* file, double bottom) {
  static const struct {
    double share;
    const char* label;
  } ticks[] = {{0, "0"}, {0.5, "half"}, {1, "goal"}, {2, "2 x goal"}};
  for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
    bool is_goal = ticks[i].share == 1;
    (void)fprintf(file,
                  "<line x1='%.1f' y1='%d' x2='%.1f' y2='%.1f' stroke='%s' "
                  "stroke-width='%s'/>\n",
                  x_of(ticks[i].share), TOP - 8, x_of(ticks[i].share), bottom,
                  is_goal ? INK : FAINT, is_goal ? "2" : "0.5");
    (void)fprintf(file,
                  "<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n",
                  x_of(ticks[i].share), bottom + 18, ticks[i].label);
  }
}

static void write_bar(FILE* file, const weft_bench_result_t* result, int row) {
  const weft_bench_case_t* bench_case = result->bench_case;
  double share = weft_bench_share_of_goal(result);
  double y = TOP + (double)row * ROW;
  const char* color = weft_bench_goal_is_met(result) ? GOOD : BAD;
  (void)fprintf(file,
                "<text x='%d' y='%.1f' text-anchor='end'>%s / %s</text>\n",
                LEFT - 10, y + 13, bench_case->bench, bench_case->name);
  (void)fprintf(file,
                "<rect x='%d' y='%.1f' width='%.1f' height='%d' "
                "fill='%s'/>\n",
                LEFT, y, x_of(share) - LEFT, BAR, color);
  const char* unit = weft_bench_unit_name(bench_case->unit);
  (void)fprintf(file, "<text x='%d' y='%.1f' fill='%s'>", WIDTH - RIGHT + 12,
                y + 13, color);
  if (isfinite(result->ratio)) {
    (void)fprintf(file, "%.2f x floor (goal %g): %.4g %s", result->ratio,
                  bench_case->goal, result->median, unit);
  } else {
    (void)fprintf(file, "%.4g %s (goal %g)", result->median, unit,
                  bench_case->goal);
  }
  (void)fprintf(file, "</text>\n");
}

bool weft_bench_write_plot(FILE* file, const weft_bench_result_t* results,
                           size_t count) {
  int rows = 0;
  for (size_t i = 0; i < count; i++) {
    rows += isfinite(weft_bench_share_of_goal(&results[i])) ? 1 : 0;
  }
  double bottom = TOP + (double)rows * ROW;
  (void)fprintf(file,
                "<svg xmlns='http://www.w3.org/2000/svg' width='%d' "
                "height='%.0f' viewBox='0 0 %d %.0f' "
                "font-family='sans-serif' font-size='13' fill='%s'>\n"
                "<rect width='100%%' height='100%%' fill='#ffffff'/>\n"
                "<text x='16' y='28' font-size='17'>weft %s: share of the "
                "goal; left of the line is good</text>\n",
                WIDTH, bottom + BOTTOM, WIDTH, bottom + BOTTOM, INK,
                weft_version());
  int row = 0;
  for (size_t i = 0; i < count; i++) {
    if (isfinite(weft_bench_share_of_goal(&results[i]))) {
      write_bar(file, &results[i], row++);
    }
  }
  // After the bars, so that the goal shows across them.
  write_axis(file, bottom);
  return fprintf(file, "</svg>\n") > 0 && fflush(file) == 0 && !ferror(file);
}
