// SPDX-License-Identifier: Apache-2.0
//
// Waiting for room in a full mailbox. All who wait are woken when there is
// some, and try again; they are few threads, for a full mailbox slows them.

#ifndef WEFT_ACTOR_ROOM_H_
#define WEFT_ACTOR_ROOM_H_

#include "actor/actor.h"

// Waits until the mailbox of an actor may have room, or the actor has ended.
// Blocks: until the deadline. Errors: those of `weft_park`;
// RESOURCE_EXHAUSTED.
weft_status_t weft_room_wait(weft_actor_entry_t* entry, uint32_t generation,
                             int64_t deadline_ns);

// Wakes those who wait, if there is room. Thread: the consumer.
void weft_room_wake(weft_actor_entry_t* entry);

// Wakes them because the actor ends. The stripe is held.
void weft_room_wake_locked(weft_cold_t* cold);

#endif  // WEFT_ACTOR_ROOM_H_
