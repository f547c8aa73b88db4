// SPDX-License-Identifier: Apache-2.0
//
// The two classes of the job. The *model* holds the parameters; *trainers*
// hold a part of the training images each and compute gradients.
//
//            parameters (tensor)              gradients (tensors)
//   model ------------------------> trainers ---------------------> model
//
// A program calls `gradient` of every trainer and passes the futures of their
// answers straight to `apply` of the model, whose own answer, the next
// parameters, is the argument of the next gradients: nobody waits in between.

#ifndef DIGITS_ACTORS_H_
#define DIGITS_ACTORS_H_

#include <weft/weft.h>

enum {
  DIGITS_TRAINERS = 3,
  // Images in one gradient.
  DIGITS_BATCH = 16,
};

// init: [seed (int64), steps in all (int64), test images (see data.h)].
extern const weft_class_t model_class;
enum {
  // () -> parameters: float32 [DIGITS_PARAMETERS].
  MODEL_PARAMETERS,
  // (gradient, gradient, gradient) -> parameters. Each gradient is the answer
  // of a trainer. They are added in this order, so that the sum has the same
  // bits whoever computed them, and when.
  MODEL_APPLY,
  // () -> {"loss": float64, the mean since the last report; "correct",
  // "count": int64, of the test images; "confusion": bytes, uint32 [10][10],
  // row the truth, column the guess}.
  MODEL_REPORT,
};

// init: [seed (int64), which trainer (int64), training images (see data.h)].
extern const weft_class_t trainer_class;
enum {
  // (parameters, step (int64)) -> [gradient: float32 [DIGITS_PARAMETERS], sum
  // over the batch; loss: float64, sum over the batch].
  TRAINER_GRADIENT,
};

// Steps until a trainer of `count` images has seen each once.
static inline uint32_t trainer_round_steps(uint32_t count) {
  return count / DIGITS_BATCH;
}

#endif  // DIGITS_ACTORS_H_
