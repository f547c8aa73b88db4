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

// The deadline of a message: that of the options, cut to what is left of the
// deadline of the work that sends it, `*deadline_ns` at first.
// Errors: INVALID_ARGUMENT for a timeout below zero.
weft_status_t weft_call_cut_deadline(const weft_actor_layer_t* layer,
                                     const weft_call_options_t* options,
                                     int64_t* deadline_ns);

#endif  // WEFT_ACTOR_CALL_H_
