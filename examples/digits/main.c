// SPDX-License-Identifier: Apache-2.0
//
// Trains a network on handwritten digits with four actors: a model that holds
// the parameters and three trainers that compute gradients; see actors.h.
//
// Every process of the job runs this `main`. Rank 0 holds the model and
// directs; the trainers live on the other ranks, or here if there are none:
//
//   digits                  one process
//   weft run -n 4 digits    four; parameters and gradients are lent, not copied
//
// With the same seed the result is the same, bit for bit, however many
// processes and workers there are and in whatever order they run.

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actors.h"
#include "data.h"
#include "options.h"
#include "report.h"
#include "totals.h"

enum {
  // How often each image is seen in an epoch, changed each time.
  ROUNDS = 4,
  // The share of the images that is trained on, in percent; the rest tests.
  TRAINING_PERCENT = 80,
};

typedef struct job {
  weft_runtime_t* runtime;
  const digits_options_t* options;
  // From the start until every process had answered.
  int64_t startup_ns;
  weft_actor_t model;
  weft_actor_t trainers[DIGITS_TRAINERS];
  int64_t steps_per_epoch;
  // The parameters after the last step that was issued.
  weft_future_t* parameters;
} job_t;

// Spawns an actor with [seed, number, rows of the data].
static weft_status_t spawn(const job_t* job, const weft_class_t* class,
                           int64_t number, weft_value_t rows, uint32_t place,
                           weft_actor_t* out_actor) {
  weft_value_t parts[] = {weft_int64(job->options->seed), weft_int64(number),
                          rows};
  weft_spawn_options_t options = {.place = place};
  weft_value_t init = weft_none();
  WEFT_RETURN_IF_ERROR(weft_list_create(NULL, parts, 3, &init));
  weft_status_t status =
      weft_spawn(job->runtime, class, init, &options, out_actor);
  weft_value_release(init);
  return status;
}

// Trainers take turns on the ranks behind the first.
static uint32_t trainer_place(const job_t* job, uint32_t trainer) {
  uint32_t size = weft_runtime_size(job->runtime);
  return size > 1 ? 1 + trainer % (size - 1) : 0;
}

static weft_status_t spawn_trainers(job_t* job, const digits_data_t* data,
                                    uint32_t part) {
  for (uint32_t t = 0; t < DIGITS_TRAINERS; ++t) {
    weft_value_t rows = weft_none();
    WEFT_RETURN_IF_ERROR(digits_data_slice(data, t * part, part, &rows));
    weft_status_t status = spawn(job, &trainer_class, t, rows,
                                 trainer_place(job, t), &job->trainers[t]);
    weft_value_release(rows);
    WEFT_RETURN_IF_ERROR(status);
  }
  return WEFT_OK;
}

static weft_status_t spawn_all(job_t* job, const digits_data_t* data) {
  uint32_t training = data->count * TRAINING_PERCENT / 100;
  uint32_t part = training / DIGITS_TRAINERS;
  if (part < DIGITS_BATCH) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%u images in %s are too few to train on",
                            data->count, job->options->data);
  }
  job->steps_per_epoch = (int64_t)trainer_round_steps(part) * ROUNDS;
  int64_t steps = job->steps_per_epoch * job->options->epochs;
  weft_value_t rows = weft_none();
  WEFT_RETURN_IF_ERROR(
      digits_data_slice(data, training, data->count - training, &rows));
  weft_status_t status = spawn(job, &model_class, steps, rows, 0, &job->model);
  weft_value_release(rows);
  WEFT_RETURN_IF_ERROR(status);
  WEFT_RETURN_IF_ERROR(spawn_trainers(job, data, part));
  return weft_call(job->runtime, job->model, MODEL_PARAMETERS, NULL, NULL,
                   &job->parameters);
}

// Issues one step; nothing here waits. The trainers are called with
// parameters that may not be there yet, and the model with gradients that are
// certainly not.
static weft_status_t issue_step(job_t* job, int64_t step) {
  weft_value_t parameters = weft_future_value(job->parameters);
  weft_value_t gradients[DIGITS_TRAINERS] = {{0}};
  weft_status_t status = WEFT_OK;
  for (uint32_t t = 0; t < DIGITS_TRAINERS && weft_status_is_ok(status); ++t) {
    weft_future_t* gradient = NULL;
    status = weft_call(job->runtime, job->trainers[t], TRAINER_GRADIENT,
                       WEFT_ARGUMENTS(parameters, weft_int64(step)), NULL,
                       &gradient);
    if (weft_status_is_ok(status)) {
      gradients[t] = weft_future_value(gradient);
      weft_future_release(gradient);
    }
  }
  weft_future_t* next = NULL;
  if (weft_status_is_ok(status)) {
    weft_arguments_t arguments = {.positional = gradients,
                                  .positional_count = DIGITS_TRAINERS};
    status = weft_call(job->runtime, job->model, MODEL_APPLY, &arguments, NULL,
                       &next);
  }
  if (weft_status_is_ok(status)) {
    weft_future_release(job->parameters);
    job->parameters = next;
  }
  for (uint32_t t = 0; t < DIGITS_TRAINERS; ++t) {
    weft_value_release(gradients[t]);
  }
  weft_value_release(parameters);
  return status;
}

// Asks the model how good it is; waits for the answer.
static weft_status_t ask_model(job_t* job, report_model_t* out_model) {
  weft_future_t* future = NULL;
  weft_value_t answer = weft_none();
  WEFT_RETURN_IF_ERROR(
      weft_call(job->runtime, job->model, MODEL_REPORT, NULL, NULL, &future));
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &answer);
  weft_future_release(future);
  WEFT_RETURN_IF_ERROR(status);
  status = report_model_open(answer, out_model);
  weft_value_release(answer);
  return status;
}

// Waits for one step. The model's answer is the parameters it made.
static weft_status_t finish_step(weft_future_t* applied) {
  weft_value_t parameters = weft_none();
  weft_status_t status =
      weft_future_get(applied, WEFT_TIME_INFINITE, &parameters);
  weft_value_release(parameters);
  return status;
}

// Issues all steps of an epoch at once, then watches them come in.
static weft_status_t run_steps(job_t* job, report_epoch_t* epoch,
                               weft_future_t** applied) {
  int64_t first = (epoch->epoch - 1) * epoch->step_count;
  for (int64_t step = 0; step < epoch->step_count; ++step) {
    WEFT_RETURN_IF_ERROR(issue_step(job, first + step));
    applied[step] = weft_future_retain(job->parameters);
  }
  for (epoch->step = 0; epoch->step < epoch->step_count; ++epoch->step) {
    report_progress(epoch);
    WEFT_RETURN_IF_ERROR(finish_step(applied[epoch->step]));
  }
  return WEFT_OK;
}

static weft_status_t run_epoch(job_t* job, report_epoch_t* epoch,
                               report_model_t* out_model) {
  int64_t start_ns = weft_runtime_now_ns(job->runtime);
  weft_future_t** applied =
      calloc((size_t)epoch->step_count + 1, sizeof(*applied));
  weft_status_t status =
      applied != NULL
          ? run_steps(job, epoch, applied)
          : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  for (int64_t step = 0; applied != NULL && step < epoch->step_count; ++step) {
    weft_future_release(applied[step]);
  }
  free(applied);
  WEFT_RETURN_IF_ERROR(status);
  double seconds =
      (double)(weft_runtime_now_ns(job->runtime) - start_ns) * 1e-9;
  epoch->images_per_second =
      (double)(epoch->step_count * DIGITS_TRAINERS * DIGITS_BATCH) / seconds;
  return ask_model(job, out_model);
}

static weft_status_t digest_parameters(job_t* job, uint64_t* out_digest) {
  weft_value_t parameters = weft_none();
  const float* floats = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_future_get(job->parameters, WEFT_TIME_INFINITE, &parameters));
  weft_status_t status =
      digits_floats_open(parameters, DIGITS_PARAMETERS, &floats);
  if (weft_status_is_ok(status)) {
    const uint8_t* bytes = (const uint8_t*)floats;
    uint64_t digest = 0xcbf29ce484222325u;
    for (size_t i = 0; i < DIGITS_PARAMETERS * sizeof(float); ++i) {
      digest = (digest ^ bytes[i]) * 0x100000001b3u;
    }
    *out_digest = digest;
  }
  weft_value_release(parameters);
  return status;
}

static report_style_t choose_style(const digits_options_t* options) {
  if (options->json) {
    return REPORT_JSON;
  }
  return isatty(STDOUT_FILENO) ? REPORT_TERMINAL : REPORT_PLAIN;
}

// By the conventions of no-color.org and terminfo.
static bool wants_colour(void) {
  const char* no_colour = getenv("NO_COLOR");
  const char* terminal = getenv("TERM");
  return (no_colour == NULL || no_colour[0] == '\0') &&
         (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static weft_status_t train(job_t* job) {
  report_style_t style = choose_style(job->options);
  report_model_t model = {0};
  int64_t start_ns = weft_runtime_now_ns(job->runtime);
  for (int64_t e = 1; e <= job->options->epochs; ++e) {
    report_epoch_t epoch = {.style = style,
                            .epoch = e,
                            .epoch_count = job->options->epochs,
                            .step_count = job->steps_per_epoch};
    WEFT_RETURN_IF_ERROR(run_epoch(job, &epoch, &model));
    report_epoch_end(&epoch, &model);
  }
  report_job_t report = {
      .style = style,
      .has_colour = wants_colour(),
      .seed = job->options->seed,
      .epoch_count = job->options->epochs,
      .runtime_count = weft_runtime_size(job->runtime),
      .startup_seconds = (double)job->startup_ns * 1e-9,
      .seconds = (double)(weft_runtime_now_ns(job->runtime) - start_ns) * 1e-9,
  };
  WEFT_RETURN_IF_ERROR(digest_parameters(job, &report.digest));
  WEFT_RETURN_IF_ERROR(totals_ask(job->runtime, &report.totals));
  report_job_end(&report, &model);
  return WEFT_OK;
}

// When it all began: when `weft run` was started, else this program.
static int64_t start_ns(void) {
  const char* launched = getenv("WEFT_STARTED_NS");
  if (launched != NULL) {
    return strtoll(launched, NULL, 10);
  }
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// Waits for the first answer of every process.
static weft_status_t greet(job_t* job) {
  totals_t totals;
  WEFT_RETURN_IF_ERROR(totals_ask(job->runtime, &totals));
  job->startup_ns =
      weft_runtime_now_ns(job->runtime) - job->options->started_ns;
  return WEFT_OK;
}

static weft_status_t direct(weft_runtime_t* runtime, void* user) {
  digits_data_t data = {.count = 0};
  job_t job = {.runtime = runtime, .options = user};
  weft_status_t status = greet(&job);
  if (weft_status_is_ok(status)) {
    status = digits_data_read(runtime, job.options->data, &data);
  }
  if (weft_status_is_ok(status)) {
    status = spawn_all(&job, &data);
  }
  if (weft_status_is_ok(status)) {
    status = train(&job);
  }
  weft_future_release(job.parameters);
  digits_data_release(&data);
  return status;
}

int main(int argc, char** argv) {
  static const weft_class_t* const classes[] = {&model_class, &trainer_class};
  digits_options_t options;
  digits_options_result_t parsed = digits_options_parse(argc, argv, &options);
  if (parsed != DIGITS_OPTIONS_RUN) {
    return parsed == DIGITS_OPTIONS_HELP ? 0 : 2;
  }
  options.started_ns = start_ns();
  // More threads would add in another order, and the actors use the cores.
  openblas_set_num_threads(1);
  weft_runtime_options_t runtime_options = {
      .name = "digits",
      .classes = classes,
      .class_count = 2,
      .worker_count = (uint32_t)options.workers,
  };
  return weft_runtime_main(&runtime_options, direct, &options);
}
