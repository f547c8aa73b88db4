// SPDX-License-Identifier: Apache-2.0
//
// Messages that wait for an argument, and those behind them. Each sender that
// has such a message has a *line*: the message whose argument is awaited, and
// all that came later from this sender. Other senders' messages go on.
//
//   entry->held --> line of sender 7:  [waits for a future] [ ] [ ]
//                   line of sender 9:  [argument is there]      <-- ready
//
// While init waits for its argument it is the first of its sender's line, and
// all other senders' lines are blocked by it.
//
// Everything here belongs to the consumer, but for the callbacks that say that
// an argument has come: those put the line into a list of arrivals, and claim
// the mailbox.

#ifndef WEFT_ACTOR_HELD_H_
#define WEFT_ACTOR_HELD_H_

#include "actor/actor.h"

// Holds a message, whose sender has no line yet, until `awaited`, lent by one
// of its arguments, is done. Errors: DEADLOCK when that would never be;
// RESOURCE_EXHAUSTED. The message is the caller's then.
weft_status_t weft_held_stall(weft_actor_entry_t* entry,
                              weft_message_t* message, weft_future_t* awaited);

// Puts a message behind others of its sender, if there are any, or behind an
// init that waits. False when it need not wait. True with an error in
// `out_status`: it should wait, but there is no memory; it is the caller's.
// A call that would close a circle here fails at once with DEADLOCK, and is
// passed over in its turn.
bool weft_held_queue(weft_actor_entry_t* entry, weft_message_t* message,
                     weft_status_t* out_status);

// Takes note of arguments that have come.
void weft_held_collect(weft_actor_entry_t* entry);

// Init has run: those behind it may go.
void weft_held_release_blocked(weft_actor_entry_t* entry);

// Takes the next message whose turn has come, all of its arguments values; or
// one that nobody wants any more; or one that cannot run, with the reason in
// `out_status`. NULL when there is none. Frees what is held for an entry that
// holds nothing any more.
weft_message_t* weft_held_next(weft_actor_entry_t* entry,
                               weft_status_t* out_status);

// Takes any message that is held; NULL when there is none, and nothing will
// arrive any more. For an actor that ends.
weft_message_t* weft_held_take_any(weft_actor_entry_t* entry);

#endif  // WEFT_ACTOR_HELD_H_
