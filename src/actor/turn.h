// SPDX-License-Identifier: Apache-2.0
//
// A turn: an executor lets an actor run for a while. It looks at what is
// asked for besides messages, handles up to a number of messages, and goes
// idle or is posted again. An actor has one turn at a time; between its end
// and the next nobody is the consumer of its mailbox.

#ifndef WEFT_ACTOR_TURN_H_
#define WEFT_ACTOR_TURN_H_

#include "actor/context.h"

// Messages that an actor handles before others have their turn.
#define WEFT_TURN_MESSAGES 64

// The task of each entry.
void weft_turn_run(weft_task_t* task);

// Lets an entry go idle when nothing is to be done; else posts it. The caller
// is its consumer, and not any more afterwards.
void weft_turn_leave(weft_actor_entry_t* entry);

// Ends a message without its handler: fails its reply, drops its arguments
// and, when the mailbox is done with it, frees it. A send fails in silence.
// Owns: takes `reason` over. Thread: the consumer.
void weft_turn_fail(weft_context_t* context, weft_message_t* message,
                    weft_status_t reason);

// The next message of the mailbox, or NULL. Thread: the consumer.
weft_message_t* weft_turn_take(weft_context_t* context);

// --- exit.c -----------------------------------------------------------------

// The actor takes no more: frees its state and fails what is held. Its turn
// fails what is queued. Owns: takes `reason` over; WEFT_OK is an orderly end.
void weft_exit_begin(weft_context_t* context, weft_status_t reason);

// Fails what is queued. False when a sender has not linked its message yet:
// post the actor again.
bool weft_exit_drain(weft_context_t* context);

// Tells watchers and gives the entry back; nobody is its consumer afterwards.
void weft_exit_finish(weft_context_t* context);

#endif  // WEFT_ACTOR_TURN_H_
