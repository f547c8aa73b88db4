// SPDX-License-Identifier: Apache-2.0

#include <stdlib.h>
#include <string.h>

#include "actors.h"
#include "augment.h"
#include "data.h"
#include "network.h"

static const float momentum = 0.9F;
// Falls to zero in equal steps over the whole of the training.
static const float first_rate = 0.1F;

typedef struct model {
  int64_t step;
  int64_t step_count;
  // Sum of losses and number of images since the last report.
  double loss;
  int64_t loss_images;
  // float32 [DIGITS_PARAMETERS]; never changed, replaced at every step.
  weft_tensor_t* parameters;
  float velocity[DIGITS_PARAMETERS];
  // The test images, normalised [test.count][64], and their labels.
  weft_value_t slice;
  digits_rows_t test;
  float* images;
} model_t;

static void model_deinit(void* state) {
  model_t* model = state;
  weft_tensor_release(model->parameters);
  weft_value_release(model->slice);
  free(model->images);
  free(model);
}

static weft_status_t copy_test_images(model_t* model) {
  size_t floats = (size_t)model->test.count * DIGITS_PIXELS;
  model->images = calloc(floats, sizeof(float));
  if (model->images == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  memcpy(model->images, model->test.images, floats * sizeof(float));
  for (uint32_t i = 0; i < model->test.count; ++i) {
    augment_normalise(model->images + (size_t)i * DIGITS_PIXELS);
  }
  return WEFT_OK;
}

static weft_status_t model_fill(weft_runtime_t* runtime, model_t* model,
                                weft_value_t init) {
  const weft_value_t* parts = NULL;
  size_t count = 0;
  int64_t seed = 0;
  float* parameters = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_list(init, &parts, &count));
  if (count != 3) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a model takes seed, steps and images");
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(parts[0], &seed));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(parts[1], &model->step_count));
  WEFT_RETURN_IF_ERROR(digits_data_open(parts[2], &model->test));
  model->slice = weft_value_retain(parts[2]);
  WEFT_RETURN_IF_ERROR(copy_test_images(model));
  WEFT_RETURN_IF_ERROR(digits_floats_create(runtime, DIGITS_PARAMETERS,
                                            &model->parameters, &parameters));
  digits_random_t random = digits_random_of((uint64_t)seed, UINT64_MAX, 0);
  network_init(&random, parameters);
  return WEFT_OK;
}

static weft_status_t model_init(weft_context_t* context, weft_value_t init,
                                void** out_state) {
  model_t* model = calloc(1, sizeof(*model));
  if (model == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  weft_status_t status = model_fill(weft_context_runtime(context), model, init);
  if (weft_status_is_ok(status)) {
    *out_state = model;
  } else {
    model_deinit(model);
  }
  return status;
}

static weft_status_t model_parameters(weft_context_t* context, void* state,
                                      const weft_value_t* arguments,
                                      weft_value_t* out_result) {
  model_t* model = state;
  *out_result = weft_tensor_value(model->parameters);
  return WEFT_OK;
}

// Adds one trainer's answer to the sum.
static weft_status_t add_gradient(model_t* model, weft_value_t answer,
                                  float* sum) {
  const weft_value_t* parts = NULL;
  size_t count = 0;
  const float* gradient = NULL;
  double loss = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_list(answer, &parts, &count));
  if (count != 2) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "gradient and loss expected, got %zu parts", count);
  }
  WEFT_RETURN_IF_ERROR(
      digits_floats_open(parts[0], DIGITS_PARAMETERS, &gradient));
  WEFT_RETURN_IF_ERROR(weft_value_as_float64(parts[1], &loss));
  for (uint32_t i = 0; i < DIGITS_PARAMETERS; ++i) {
    sum[i] += gradient[i];
  }
  model->loss += loss;
  model->loss_images += DIGITS_BATCH;
  return WEFT_OK;
}

// One step downhill, into new memory: whoever still reads the parameters of
// the step before reads on undisturbed.
static void descend(model_t* model, const float* sum, const float* before,
                    float* after) {
  float rate =
      first_rate * (1.0F - (float)model->step / (float)model->step_count);
  const float images = DIGITS_TRAINERS * DIGITS_BATCH;
  for (uint32_t i = 0; i < DIGITS_PARAMETERS; ++i) {
    model->velocity[i] = momentum * model->velocity[i] + sum[i] / images;
    after[i] = before[i] - rate * model->velocity[i];
  }
  ++model->step;
}

static weft_status_t model_apply(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  model_t* model = state;
  float sum[DIGITS_PARAMETERS] = {0};
  weft_tensor_t* next = NULL;
  float* after = NULL;
  for (uint32_t t = 0; t < DIGITS_TRAINERS; ++t) {
    WEFT_RETURN_IF_ERROR(add_gradient(model, arguments[t], sum));
  }
  WEFT_RETURN_IF_ERROR(digits_floats_create(weft_context_runtime(context),
                                            DIGITS_PARAMETERS, &next, &after));
  descend(model, sum, weft_tensor_data(model->parameters), after);
  weft_tensor_release(model->parameters);
  model->parameters = next;
  *out_result = weft_tensor_value(next);
  return WEFT_OK;
}

// Tries the parameters on the test images. Shape: confusion [10][10].
static int64_t count_correct(const model_t* model, uint32_t* confusion) {
  int64_t correct = 0;
  const float* parameters = weft_tensor_data(model->parameters);
  for (uint32_t i = 0; i < model->test.count; ++i) {
    uint8_t guess = 0;
    uint8_t truth = model->test.labels[i];
    network_predict(parameters, model->images + (size_t)i * DIGITS_PIXELS, 1,
                    &guess);
    ++confusion[truth * DIGITS_CLASSES + guess];
    correct += guess == truth ? 1 : 0;
  }
  return correct;
}

static weft_status_t model_report(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  model_t* model = state;
  uint32_t confusion[DIGITS_CLASSES * DIGITS_CLASSES] = {0};
  int64_t correct = count_correct(model, confusion);
  double images = model->loss_images > 0 ? (double)model->loss_images : 1;
  const char* names[] = {"loss", "correct", "count", "confusion"};
  weft_map_entry_t entries[4] = {
      {weft_none(), weft_float64(model->loss / images)},
      {weft_none(), weft_int64(correct)},
      {weft_none(), weft_int64(model->test.count)},
      {weft_none(), weft_none()},
  };
  weft_status_t status =
      weft_bytes_create(NULL, confusion, sizeof(confusion), &entries[3].value);
  for (size_t i = 0; i < 4 && weft_status_is_ok(status); ++i) {
    status = weft_string_from_c(NULL, names[i], &entries[i].key);
  }
  if (weft_status_is_ok(status)) {
    status = weft_map_create(NULL, entries, 4, out_result);
  }
  for (size_t i = 0; i < 4; ++i) {
    weft_value_release(entries[i].key);
    weft_value_release(entries[i].value);
  }
  model->loss = 0;
  model->loss_images = 0;
  return status;
}

static const weft_parameter_t apply_parameters[DIGITS_TRAINERS] = {
    {"gradient_0", WEFT_KIND_LIST},
    {"gradient_1", WEFT_KIND_LIST},
    {"gradient_2", WEFT_KIND_LIST},
};

static const weft_endpoint_t model_endpoints[] = {
    [MODEL_PARAMETERS] = {"parameters", model_parameters, NULL, 0},
    [MODEL_APPLY] = {"apply", model_apply, apply_parameters, DIGITS_TRAINERS},
    [MODEL_REPORT] = {"report", model_report, NULL, 0},
};

const weft_class_t model_class = {
    .name = "model",
    .version = 1,
    .init = model_init,
    .deinit = model_deinit,
    .endpoints = model_endpoints,
    .endpoint_count = 3,
};
