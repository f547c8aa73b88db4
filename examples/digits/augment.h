// SPDX-License-Identifier: Apache-2.0
//
// Images as the network sees them. The people who wrote the test images are
// not those who wrote the training images; a network that has seen each digit
// turned, slanted, stretched, moved and blotted a little, and all of them with
// one strength of ink, recognises their hands better.

#ifndef DIGITS_AUGMENT_H_
#define DIGITS_AUGMENT_H_

#include <stdbool.h>

#include "random.h"

// Gives an image a mean of 0 and a spread (standard deviation) of 1/2.
// Shape: [8][8].
void augment_normalise(float* image);

// Writes one image, changed at random, not normalised.
// Shape: both [8][8], each pixel 0 to 1.
void augment_image(digits_random_t* random, const float* image,
                   float* out_image);

#endif  // DIGITS_AUGMENT_H_
