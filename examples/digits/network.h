// SPDX-License-Identifier: Apache-2.0
//
// A network of 64 inputs, 64 hidden units with relu, and 10 outputs with
// softmax, and the gradient of its cross-entropy loss. All parameters stand in
// one block of floats:
//
//   hidden weights [64][64] | hidden bias [64] |
//   output weights [64][10] | output bias [10]
//
// Weights are [inputs][outputs], rows together. The results are the same bit
// for bit on one machine: BLAS runs one thread, and sums are taken in order.

#ifndef DIGITS_NETWORK_H_
#define DIGITS_NETWORK_H_

#include <stdint.h>

#include "random.h"

enum {
  DIGITS_PIXELS = 64,
  DIGITS_HIDDEN = 64,
  DIGITS_CLASSES = 10,
  DIGITS_PARAMETERS = DIGITS_PIXELS * DIGITS_HIDDEN + DIGITS_HIDDEN +
                      DIGITS_HIDDEN * DIGITS_CLASSES + DIGITS_CLASSES,
  // The most images that one call takes.
  DIGITS_BATCH_LIMIT = 64,
};

// Fills parameters to start from: weights spread for relu (He et al., 2015),
// biases zero.
void network_init(digits_random_t* random, float parameters[DIGITS_PARAMETERS]);

// Adds nothing up over calls: writes the sum over `count` images of the
// gradient of the loss. Returns the sum of their losses.
// Shape: images [count][64], each pixel 0 to 1; labels [count], 0 to 9.
double network_gradient(const float parameters[DIGITS_PARAMETERS],
                        const float* images, const uint8_t* labels,
                        uint32_t count, float out_gradient[DIGITS_PARAMETERS]);

// The most likely digit of each image.
void network_predict(const float parameters[DIGITS_PARAMETERS],
                     const float* images, uint32_t count, uint8_t* out_digits);

#endif  // DIGITS_NETWORK_H_
