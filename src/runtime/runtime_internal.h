// SPDX-License-Identifier: Apache-2.0
//
// For tests: a runtime that is given its place in a job, without a launcher.

#ifndef WEFT_RUNTIME_RUNTIME_INTERNAL_H_
#define WEFT_RUNTIME_RUNTIME_INTERNAL_H_

#include "weft/runtime.h"

typedef struct weft_runtime_place {
  uint16_t rank;
  uint16_t size;
  uint16_t incarnation;
} weft_runtime_place_t;

// As `weft_runtime_create`, in a simulation. The caller sets the connector and
// the progress (`weft_peers_set_connector`, `weft_async_set_progress`) before
// anything is sent.
weft_status_t weft_runtime_create_at(const weft_runtime_options_t* options,
                                     const weft_runtime_place_t* place,
                                     weft_runtime_t** out_runtime);

#endif  // WEFT_RUNTIME_RUNTIME_INTERNAL_H_
