// SPDX-License-Identifier: Apache-2.0
//
// Spawning, for classes that the program did not give.

#ifndef WEFT_ACTOR_SPAWN_H_
#define WEFT_ACTOR_SPAWN_H_

#include "actor/actor.h"

// As `weft_spawn` in this runtime, of any class.
weft_status_t weft_spawn_here(weft_runtime_t* runtime,
                              const weft_class_t* actor_class,
                              weft_value_t init,
                              const weft_spawn_options_t* options,
                              weft_actor_t* out_actor);

// What this runtime has and does, as a map; see `weft_runtime_report`.
weft_status_t weft_report_make(weft_runtime_t* runtime,
                               weft_value_t* out_report);

#endif  // WEFT_ACTOR_SPAWN_H_
