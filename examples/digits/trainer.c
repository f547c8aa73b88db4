// SPDX-License-Identifier: Apache-2.0

#include <stdlib.h>
#include <string.h>

#include "actors.h"
#include "augment.h"
#include "data.h"
#include "network.h"

typedef struct trainer {
  int64_t seed;
  int64_t index;
  // Keeps the memory of `rows`.
  weft_value_t slice;
  digits_rows_t rows;
  // The order in which this round goes through the images, [rows.count].
  uint32_t* order;
} trainer_t;

static void trainer_deinit(void* state) {
  trainer_t* trainer = state;
  weft_value_release(trainer->slice);
  free(trainer->order);
  free(trainer);
}

static weft_status_t trainer_fill(trainer_t* trainer, weft_value_t init) {
  const weft_value_t* parts = NULL;
  size_t count = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_list(init, &parts, &count));
  if (count != 3) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a trainer takes seed, index and images");
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(parts[0], &trainer->seed));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(parts[1], &trainer->index));
  WEFT_RETURN_IF_ERROR(digits_data_open(parts[2], &trainer->rows));
  trainer->slice = weft_value_retain(parts[2]);
  if (trainer->rows.count < DIGITS_BATCH) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a trainer needs at least %d images, got %u",
                            DIGITS_BATCH, trainer->rows.count);
  }
  trainer->order = calloc(trainer->rows.count, sizeof(*trainer->order));
  return trainer->order != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
}

static weft_status_t trainer_init(weft_context_t* context, weft_value_t init,
                                  void** out_state) {
  trainer_t* trainer = calloc(1, sizeof(*trainer));
  if (trainer == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  weft_status_t status = trainer_fill(trainer, init);
  if (weft_status_is_ok(status)) {
    *out_state = trainer;
  } else {
    trainer_deinit(trainer);
  }
  return status;
}

// A new order for a round, from the seed alone.
static void shuffle(trainer_t* trainer, uint64_t round) {
  digits_random_t random = digits_random_of((uint64_t)trainer->seed,
                                            (uint64_t)trainer->index, ~round);
  for (uint32_t i = 0; i < trainer->rows.count; ++i) {
    uint32_t j = digits_random_below(&random, i + 1);
    trainer->order[i] = trainer->order[j];
    trainer->order[j] = i;
  }
}

// The images of one step, each changed a little.
static void make_batch(trainer_t* trainer, uint64_t step, float* out_images,
                       uint8_t* out_labels) {
  uint32_t round_steps = trainer_round_steps(trainer->rows.count);
  uint32_t first = (uint32_t)(step % round_steps) * DIGITS_BATCH;
  shuffle(trainer, step / round_steps);
  digits_random_t random =
      digits_random_of((uint64_t)trainer->seed, (uint64_t)trainer->index, step);
  for (uint32_t i = 0; i < DIGITS_BATCH; ++i) {
    uint32_t row = trainer->order[first + i];
    float* image = out_images + (size_t)i * DIGITS_PIXELS;
    augment_image(&random, trainer->rows.images + (size_t)row * DIGITS_PIXELS,
                  image);
    augment_normalise(image);
    out_labels[i] = trainer->rows.labels[row];
  }
}

static weft_status_t trainer_gradient(weft_context_t* context, void* state,
                                      const weft_value_t* arguments,
                                      weft_value_t* out_result) {
  trainer_t* trainer = state;
  const float* parameters = NULL;
  int64_t step = 0;
  weft_tensor_t* tensor = NULL;
  float* gradient = NULL;
  WEFT_RETURN_IF_ERROR(
      digits_floats_open(arguments[0], DIGITS_PARAMETERS, &parameters));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[1], &step));
  WEFT_RETURN_IF_ERROR(digits_floats_create(
      weft_context_runtime(context), DIGITS_PARAMETERS, &tensor, &gradient));
  float images[DIGITS_BATCH * DIGITS_PIXELS];
  uint8_t labels[DIGITS_BATCH];
  make_batch(trainer, (uint64_t)step, images, labels);
  double loss =
      network_gradient(parameters, images, labels, DIGITS_BATCH, gradient);
  weft_value_t parts[] = {weft_tensor_value(tensor), weft_float64(loss)};
  weft_tensor_release(tensor);
  weft_status_t status = weft_list_create(NULL, parts, 2, out_result);
  weft_value_release(parts[0]);
  return status;
}

static const weft_parameter_t gradient_parameters[] = {
    {"parameters", WEFT_KIND_TENSOR},
    {"step", WEFT_KIND_INT64},
};

static const weft_endpoint_t trainer_endpoints[] = {
    [TRAINER_GRADIENT] = {"gradient", trainer_gradient, gradient_parameters, 2},
};

const weft_class_t trainer_class = {
    .name = "trainer",
    .version = 1,
    .init = trainer_init,
    .deinit = trainer_deinit,
    .endpoints = trainer_endpoints,
    .endpoint_count = 1,
};
