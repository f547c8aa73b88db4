// SPDX-License-Identifier: Apache-2.0

#include "network.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

// Where each part of the parameters begins.
enum {
  HIDDEN_WEIGHTS = 0,
  HIDDEN_BIAS = HIDDEN_WEIGHTS + DIGITS_PIXELS * DIGITS_HIDDEN,
  OUTPUT_WEIGHTS = HIDDEN_BIAS + DIGITS_HIDDEN,
  OUTPUT_BIAS = OUTPUT_WEIGHTS + DIGITS_HIDDEN * DIGITS_CLASSES,
};

// Fills weights evenly in [-limit, limit].
static void fill(digits_random_t* random, float* weights, uint32_t count,
                 float limit) {
  for (uint32_t i = 0; i < count; ++i) {
    weights[i] = digits_random_uniform(random, -limit, limit);
  }
}

void network_init(digits_random_t* random,
                  float parameters[DIGITS_PARAMETERS]) {
  memset(parameters, 0, DIGITS_PARAMETERS * sizeof(float));
  // A spread of sqrt(2 / inputs) is a uniform limit of sqrt(6 / inputs).
  fill(random, parameters + HIDDEN_WEIGHTS, DIGITS_PIXELS * DIGITS_HIDDEN,
       sqrtf(6.0F / DIGITS_PIXELS));
  fill(random, parameters + OUTPUT_WEIGHTS, DIGITS_HIDDEN * DIGITS_CLASSES,
       sqrtf(6.0F / DIGITS_HIDDEN));
}

// One layer without its activation. Parameters: weights [width][out_width],
// then bias [out_width].
typedef struct layer {
  const float* parameters;
  uint32_t width;
  uint32_t out_width;
} layer_t;

static layer_t hidden_layer(const float* parameters) {
  return (layer_t){parameters + HIDDEN_WEIGHTS, DIGITS_PIXELS, DIGITS_HIDDEN};
}

static layer_t output_layer(const float* parameters) {
  return (layer_t){parameters + OUTPUT_WEIGHTS, DIGITS_HIDDEN, DIGITS_CLASSES};
}

// A row of a matrix.
static float* row_of(float* matrix, size_t row, uint32_t width) {
  return matrix + row * width;
}

// out = inputs · weights + bias, for `count` rows.
static void apply_layer(layer_t layer, const float* inputs, uint32_t count,
                        float* out) {
  const float* bias = layer.parameters + (size_t)layer.width * layer.out_width;
  for (uint32_t row = 0; row < count; ++row) {
    memcpy(row_of(out, row, layer.out_width), bias,
           layer.out_width * sizeof(float));
  }
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count,
              (int)layer.out_width, (int)layer.width, 1.0F, inputs,
              (int)layer.width, layer.parameters, (int)layer.out_width, 1.0F,
              out, (int)layer.out_width);
}

static void relu(float* values, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    values[i] = values[i] > 0 ? values[i] : 0;
  }
}

// The outputs before softmax, and the hidden layer on the way there.
static void forward(const float* parameters, const float* images,
                    uint32_t count, float* hidden, float* scores) {
  apply_layer(hidden_layer(parameters), images, count, hidden);
  relu(hidden, count * DIGITS_HIDDEN);
  apply_layer(output_layer(parameters), hidden, count, scores);
}

// Turns one row of scores into the gradient of the loss with respect to them,
// probability minus truth, and returns the loss.
static double softmax_loss(float* scores, uint8_t label) {
  float highest = scores[0];
  for (uint32_t c = 1; c < DIGITS_CLASSES; ++c) {
    highest = scores[c] > highest ? scores[c] : highest;
  }
  float sum = 0;
  for (uint32_t c = 0; c < DIGITS_CLASSES; ++c) {
    scores[c] = expf(scores[c] - highest);
    sum += scores[c];
  }
  for (uint32_t c = 0; c < DIGITS_CLASSES; ++c) {
    scores[c] /= sum;
  }
  double loss = -log((double)scores[label] + 1e-12);
  scores[label] -= 1.0F;
  return loss;
}

// The gradient of a layer's parameters: weights = inputsᵀ · deltas, bias = the
// sum of the deltas.
static void layer_gradient(layer_t layer, const float* inputs, float* deltas,
                           uint32_t count, float* out_parameters) {
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)layer.width,
              (int)layer.out_width, (int)count, 1.0F, inputs, (int)layer.width,
              deltas, (int)layer.out_width, 0.0F, out_parameters,
              (int)layer.out_width);
  float* bias = row_of(out_parameters, layer.width, layer.out_width);
  memset(bias, 0, layer.out_width * sizeof(float));
  for (uint32_t row = 0; row < count; ++row) {
    const float* delta = row_of(deltas, row, layer.out_width);
    for (uint32_t c = 0; c < layer.out_width; ++c) {
      bias[c] += delta[c];
    }
  }
}

// deltas = score_deltas · weightsᵀ where the hidden unit was active, else 0.
static void backward(layer_t output, const float* score_deltas,
                     const float* hidden, uint32_t count, float* deltas) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count,
              (int)output.width, (int)output.out_width, 1.0F, score_deltas,
              (int)output.out_width, output.parameters, (int)output.out_width,
              0.0F, deltas, (int)output.width);
  for (uint32_t i = 0; i < count * output.width; ++i) {
    deltas[i] = hidden[i] > 0 ? deltas[i] : 0;
  }
}

double network_gradient(const float parameters[DIGITS_PARAMETERS],
                        const float* images, const uint8_t* labels,
                        uint32_t count, float out_gradient[DIGITS_PARAMETERS]) {
  float hidden[DIGITS_BATCH_LIMIT * DIGITS_HIDDEN];
  float scores[DIGITS_BATCH_LIMIT * DIGITS_CLASSES];
  float deltas[DIGITS_BATCH_LIMIT * DIGITS_HIDDEN];
  forward(parameters, images, count, hidden, scores);
  double loss = 0;
  for (uint32_t row = 0; row < count; ++row) {
    loss += softmax_loss(row_of(scores, row, DIGITS_CLASSES), labels[row]);
  }
  layer_gradient(output_layer(parameters), hidden, scores, count,
                 out_gradient + OUTPUT_WEIGHTS);
  backward(output_layer(parameters), scores, hidden, count, deltas);
  layer_gradient(hidden_layer(parameters), images, deltas, count,
                 out_gradient + HIDDEN_WEIGHTS);
  return loss;
}

static uint8_t highest_of(const float* scores) {
  uint32_t best = 0;
  for (uint32_t c = 1; c < DIGITS_CLASSES; ++c) {
    best = scores[c] > scores[best] ? c : best;
  }
  return (uint8_t)best;
}

void network_predict(const float parameters[DIGITS_PARAMETERS],
                     const float* images, uint32_t count, uint8_t* out_digits) {
  float hidden[DIGITS_BATCH_LIMIT * DIGITS_HIDDEN];
  float scores[DIGITS_BATCH_LIMIT * DIGITS_CLASSES];
  for (uint32_t done = 0; done < count; done += DIGITS_BATCH_LIMIT) {
    uint32_t left = count - done;
    uint32_t rows = left < DIGITS_BATCH_LIMIT ? left : DIGITS_BATCH_LIMIT;
    forward(parameters, images + (size_t)done * DIGITS_PIXELS, rows, hidden,
            scores);
    for (uint32_t row = 0; row < rows; ++row) {
      out_digits[done + row] = highest_of(row_of(scores, row, DIGITS_CLASSES));
    }
  }
}
