// SPDX-License-Identifier: Apache-2.0
//
// What a person sees: a bar while an epoch runs, a line when it is over, and
// the outcome. On a terminal the bar moves; on a pipe there are plain lines;
// with `json` there is nothing but one object at the end.

#ifndef DIGITS_REPORT_H_
#define DIGITS_REPORT_H_

#include <weft/weft.h>

#include "network.h"
#include "totals.h"

typedef enum report_style {
  REPORT_TERMINAL,
  REPORT_PLAIN,
  REPORT_JSON,
} report_style_t;

// One epoch, as far as it has come.
typedef struct report_epoch {
  report_style_t style;
  int64_t epoch;
  int64_t epoch_count;
  int64_t step;
  int64_t step_count;
  double images_per_second;
} report_epoch_t;

// What the model says of itself.
typedef struct report_model {
  double loss;
  int64_t correct;
  int64_t count;
  // Row the truth, column the guess.
  uint32_t confusion[DIGITS_CLASSES][DIGITS_CLASSES];
} report_model_t;

// The whole job.
typedef struct report_job {
  report_style_t style;
  // Colours are welcome on the terminal.
  bool has_colour;
  int64_t seed;
  int64_t epoch_count;
  uint32_t runtime_count;
  // From the start of the job to the first answer of its slowest process.
  double startup_seconds;
  // Of training.
  double seconds;
  // FNV-1a over the bytes of the parameters.
  uint64_t digest;
  totals_t totals;
} report_job_t;

// Reads the answer of MODEL_REPORT. Errors: INVALID_ARGUMENT, NOT_FOUND.
weft_status_t report_model_open(weft_value_t answer, report_model_t* out_model);

// Moves the bar; nothing but on a terminal.
void report_progress(const report_epoch_t* epoch);
// The line of an epoch that is over.
void report_epoch_end(const report_epoch_t* epoch, const report_model_t* model);
void report_job_end(const report_job_t* job, const report_model_t* model);

static inline double report_accuracy(const report_model_t* model) {
  return model->count > 0 ? (double)model->correct / (double)model->count : 0;
}

#endif  // DIGITS_REPORT_H_
