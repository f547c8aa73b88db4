// SPDX-License-Identifier: Apache-2.0

#include "async/async.h"

_Thread_local weft_thread_t weft_thread_self = {
    // A first wait may spin.
    .spin = {.score = WEFT_SPIN_SCORE_ENOUGH},
};
