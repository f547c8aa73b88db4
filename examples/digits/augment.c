// SPDX-License-Identifier: Apache-2.0

#include "augment.h"

#include <math.h>
#include <stdint.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE };

// How far an image is changed at most: radians, a factor of e to the power,
// slant a row, pixels, brightness.
static const float turn_limit = 0.3F;
static const float stretch_limit = 0.3F;
static const float slant_limit = 0.3F;
static const float move_limit = 0.5F;
static const float blot_limit = 0.17F;

void augment_normalise(float* image) {
  float mean = 0;
  for (uint32_t i = 0; i < PIXELS; ++i) {
    mean += image[i] / PIXELS;
  }
  float variance = 0;
  for (uint32_t i = 0; i < PIXELS; ++i) {
    variance += (image[i] - mean) * (image[i] - mean) / PIXELS;
  }
  float factor = 0.5F / (sqrtf(variance) + 1e-6F);
  for (uint32_t i = 0; i < PIXELS; ++i) {
    image[i] = (image[i] - mean) * factor;
  }
}

// A pixel, or background outside of the image.
static float pixel(const float* image, int32_t row, int32_t column) {
  bool inside = row >= 0 && row < SIDE && column >= 0 && column < SIDE;
  return inside ? image[row * SIDE + column] : 0;
}

// The brightness between pixels, from the four around the place.
static float sample(const float* image, float row, float column) {
  float row_floor = floorf(row);
  float column_floor = floorf(column);
  float down = row - row_floor;
  float right = column - column_floor;
  int32_t r = (int32_t)row_floor;
  int32_t c = (int32_t)column_floor;
  float upper =
      pixel(image, r, c) * (1 - right) + pixel(image, r, c + 1) * right;
  float lower =
      pixel(image, r + 1, c) * (1 - right) + pixel(image, r + 1, c + 1) * right;
  return upper * (1 - down) + lower * down;
}

void augment_image(digits_random_t* random, const float* image,
                   float* out_image) {
  float turn = digits_random_uniform(random, -turn_limit, turn_limit);
  float stretch =
      expf(digits_random_uniform(random, -stretch_limit, stretch_limit));
  float slant = digits_random_uniform(random, -slant_limit, slant_limit);
  float move_x = digits_random_uniform(random, -move_limit, move_limit);
  float move_y = digits_random_uniform(random, -move_limit, move_limit);
  float cosine = cosf(turn) * stretch;
  float sine = sinf(turn) * stretch;
  const float middle = (SIDE - 1) / 2.0F;
  for (int32_t row = 0; row < SIDE; ++row) {
    for (int32_t column = 0; column < SIDE; ++column) {
      float x = (float)column - middle;
      float y = (float)row - middle;
      float from_x = cosine * x - sine * y + slant * y + move_x + middle;
      float from_y = sine * x + cosine * y + move_y + middle;
      out_image[row * SIDE + column] =
          sample(image, from_y, from_x) +
          digits_random_uniform(random, -blot_limit, blot_limit);
    }
  }
}
