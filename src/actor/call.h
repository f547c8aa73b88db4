// SPDX-License-Identifier: Apache-2.0
//
// Putting messages into mailboxes, for the other files of this folder.

#ifndef WEFT_ACTOR_CALL_H_
#define WEFT_ACTOR_CALL_H_

#include "actor/actor.h"

// Puts a message into the mailbox of an entry and posts the actor if it was
// idle. With `regardless` also into a full one. Thread: any.
weft_mailbox_push_t weft_entry_put(weft_actor_entry_t* entry,
                                   weft_message_t* message, bool regardless);

// Drops a message that was never sent: arguments, reply, block. NULL is fine.
void weft_message_discard(weft_runtime_t* runtime, weft_message_t* message);

#endif  // WEFT_ACTOR_CALL_H_
