// SPDX-License-Identifier: Apache-2.0
//
// What the `main` of most programs does.

#include "weft/runtime.h"

int weft_runtime_main(const weft_runtime_options_t* options,
                      weft_status_t (*run)(weft_runtime_t* runtime, void* user),
                      void* user) {
  weft_runtime_t* runtime = NULL;
  weft_status_t status = weft_runtime_create(options, &runtime);
  if (weft_status_is_ok(status)) {
    status = weft_runtime_rank(runtime) == 0 ? run(runtime, user)
                                             : weft_runtime_serve(runtime);
  }
  weft_runtime_destroy(runtime);
  return weft_status_report(status);
}
