// SPDX-License-Identifier: Apache-2.0

#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BAR_WIDTH = 16 };

static weft_status_t get_int64(weft_value_t map, const char* key,
                               int64_t* out_number) {
  weft_value_t value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_map_get(map, key, &value));
  return weft_value_as_int64(value, out_number);
}

weft_status_t report_model_open(weft_value_t answer,
                                report_model_t* out_model) {
  weft_value_t value = weft_none();
  const void* bytes = NULL;
  size_t size = 0;
  WEFT_RETURN_IF_ERROR(weft_map_get(answer, "loss", &value));
  WEFT_RETURN_IF_ERROR(weft_value_as_float64(value, &out_model->loss));
  WEFT_RETURN_IF_ERROR(get_int64(answer, "correct", &out_model->correct));
  WEFT_RETURN_IF_ERROR(get_int64(answer, "count", &out_model->count));
  WEFT_RETURN_IF_ERROR(weft_map_get(answer, "confusion", &value));
  WEFT_RETURN_IF_ERROR(weft_value_as_bytes(value, &bytes, &size));
  if (size != sizeof(out_model->confusion)) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a confusion matrix of %zu bytes", size);
  }
  memcpy(out_model->confusion, bytes, size);
  return WEFT_OK;
}

static int64_t filled_cells(const report_epoch_t* epoch, int64_t step) {
  return step * BAR_WIDTH / epoch->step_count;
}

static void print_bar(const report_epoch_t* epoch) {
  int64_t filled = filled_cells(epoch, epoch->step);
  printf("epoch %3" PRId64 "/%" PRId64 " ", epoch->epoch, epoch->epoch_count);
  for (int64_t i = 0; i < BAR_WIDTH; ++i) {
    fputs(i < filled ? "\u2588" : "\u2591", stdout);
  }
}

void report_progress(const report_epoch_t* epoch) {
  bool moves = epoch->step == 0 || filled_cells(epoch, epoch->step) !=
                                       filled_cells(epoch, epoch->step - 1);
  if (epoch->style != REPORT_TERMINAL || !moves) {
    return;
  }
  fputs("\r", stdout);
  print_bar(epoch);
  fflush(stdout);
}

void report_epoch_end(const report_epoch_t* epoch,
                      const report_model_t* model) {
  if (epoch->style == REPORT_JSON) {
    return;
  }
  if (epoch->style == REPORT_TERMINAL) {
    fputs("\r", stdout);
    print_bar(epoch);
  } else {
    printf("epoch %3" PRId64 "/%" PRId64, epoch->epoch, epoch->epoch_count);
  }
  printf("  loss %.4f  accuracy %.4f  %7.0f images/s\n", model->loss,
         report_accuracy(model), epoch->images_per_second);
  fflush(stdout);
}

// One line of the matrix: hits bold, misses plain, nothing as a dot.
static void print_confusion_row(const report_job_t* job, const uint32_t* row,
                                uint32_t truth) {
  bool colour = job->style == REPORT_TERMINAL && job->has_colour;
  uint32_t sum = 0;
  printf("  %s %u |", truth == 0 ? "truth" : "     ", truth);
  for (uint32_t guess = 0; guess < DIGITS_CLASSES; ++guess) {
    bool hit = guess == truth;
    sum += row[guess];
    if (row[guess] == 0) {
      fputs("   \u00b7", stdout);
    } else if (colour) {
      printf("\033[%sm%4u\033[0m", hit ? "1;32" : "31", row[guess]);
    } else {
      printf("%4u", row[guess]);
    }
  }
  printf("   %3.0f %%\n", sum > 0 ? 100.0 * row[truth] / sum : 100.0);
}

static void print_confusion(const report_job_t* job,
                            const report_model_t* model) {
  fputs("\n   guess |", stdout);
  for (uint32_t guess = 0; guess < DIGITS_CLASSES; ++guess) {
    printf("%4u", guess);
  }
  fputs("   right\n  -------+", stdout);
  for (uint32_t guess = 0; guess < DIGITS_CLASSES; ++guess) {
    fputs("----", stdout);
  }
  fputs("--------\n", stdout);
  for (uint32_t truth = 0; truth < DIGITS_CLASSES; ++truth) {
    print_confusion_row(job, model->confusion[truth], truth);
  }
}

static void print_json(const report_job_t* job, const report_model_t* model) {
  const totals_t* totals = &job->totals;
  printf("{\"schema\":1,\"seed\":%" PRId64 ",\"epochs\":%" PRId64
         ",\"runtimes\":%u,\"startup_seconds\":%.6f,\"loss\":%.9g"
         ",\"accuracy\":%.6f,\"correct\":%" PRId64 ",\"count\":%" PRId64
         ",\"seconds\":%.6f,\"messages\":%" PRId64
         ",\"messages_per_second\":%.0f,\"bytes_passed\":%" PRId64
         ",\"bytes_lent\":%" PRId64 ",\"bytes_copied\":%" PRId64
         ",\"digest\":\"%016" PRIx64 "\"}\n",
         job->seed, job->epoch_count, job->runtime_count, job->startup_seconds,
         model->loss, report_accuracy(model), model->correct, model->count,
         job->seconds, totals->messages,
         (double)totals->messages / job->seconds, totals->bytes_passed,
         totals->bytes_lent, totals->bytes_copied, job->digest);
}

static void print_totals(const report_job_t* job) {
  const totals_t* totals = &job->totals;
  bool is_alone = job->runtime_count == 1;
  printf("start-up       %.1f ms to the first answer of %s\n",
         job->startup_seconds * 1e3,
         is_alone ? "the process" : "every process");
  printf("messages       %" PRId64 " in %.2f s, %.0f a second\n",
         totals->messages, job->seconds,
         (double)totals->messages / job->seconds);
  int64_t bytes_moved = is_alone ? totals->bytes_passed : totals->bytes_lent;
  printf("tensor data    %.1f MB %s, %" PRId64 " bytes copied\n",
         (double)bytes_moved / 1e6,
         is_alone ? "passed" : "lent to other processes", totals->bytes_copied);
}

void report_job_end(const report_job_t* job, const report_model_t* model) {
  if (job->style == REPORT_JSON) {
    print_json(job, model);
    return;
  }
  print_confusion(job, model);
  printf("\ntest accuracy  %.4f (%" PRId64 " of %" PRId64 " images)\n",
         report_accuracy(model), model->correct, model->count);
  print_totals(job);
  printf("parameters     digest %016" PRIx64 "\n", job->digest);
}
