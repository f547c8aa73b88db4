// SPDX-License-Identifier: Apache-2.0
//
// Messages that are sent later, once or again and again.

#ifndef WEFT_ACTOR_SCHEDULE_H_
#define WEFT_ACTOR_SCHEDULE_H_

#include "actor/actor.h"

// Ends all schedules. When nothing can be sent any more.
void weft_schedules_stop(weft_actor_layer_t* layer);

#endif  // WEFT_ACTOR_SCHEDULE_H_
