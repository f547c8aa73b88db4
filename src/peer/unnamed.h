// SPDX-License-Identifier: Apache-2.0
//
// Outcomes that came before the frame that names their future, which comes
// another way. They are read when they come, for what they name is in use from
// then on, and kept by who sent them and whose future it is. That is little:
// between two looks at the owner's lane no more of them come than the sender's
// lane holds. When there is more, either of the two does what no runtime does,
// and it cannot be told who: a maker sends what the owner asks it to. So what
// there is of these two is dropped, and futures of this owner that this sender
// makes fail when they are named. One who keeps on with the names of many
// owners is the one who lies.
//
// Thread: any. Locks: `calls_lock`, where it says so.

#ifndef WEFT_PEER_UNNAMED_H_
#define WEFT_PEER_UNNAMED_H_

#include "peer/peers.h"

typedef struct weft_unnamed weft_unnamed_t;
typedef struct weft_unnamed_owner weft_unnamed_owner_t;

// An outcome that was read from `frame`. NULL without memory. No lock is held.
// Owns: takes `status` and `value` over, but not when it fails.
weft_unnamed_t* weft_unnamed_create(weft_peer_t* sender,
                                    const weft_frame_t* frame,
                                    weft_status_t status, weft_value_t value);
// What it holds, which is the caller's from here on.
void weft_unnamed_release_to(weft_unnamed_t* early, weft_status_t* out_status,
                             weft_value_t* out_value);
// Keeps it. Returns what is to be dropped: a list, or NULL. `calls_lock` is
// held.
weft_unnamed_t* weft_unnamed_put_locked(weft_peer_t* sender,
                                        weft_unnamed_t* early);
// There is no memory for one: its future fails when it is named. False when so
// many are noted that this one is not. `calls_lock` is held.
bool weft_unnamed_lose_locked(weft_peer_t* sender, weft_holder_t owner,
                              uint64_t id);
// Whether a sender has said more than any may. `calls_lock` is held.
bool weft_unnamed_is_too_much_locked(const weft_peer_t* sender);
// The outcome of a future that is named now, which is the caller's; NULL when
// none has come, or it may have been dropped, or was lost. `calls_lock` is
// held.
weft_unnamed_t* weft_unnamed_take_locked(weft_peer_t* sender,
                                         weft_holder_t owner, uint64_t id,
                                         bool* out_is_lost);
// Frees a list of them, with what they hold. NULL is fine. No lock is held.
void weft_unnamed_drop(weft_peer_t* sender, weft_unnamed_t* early);

// The peer is dead: nothing of it, or of its futures, is waited for.
void weft_unnamed_strike_off(weft_peer_t* peer);
// Frees what is left, when the peers end.
void weft_unnamed_end(weft_peer_t* peer);

#endif  // WEFT_PEER_UNNAMED_H_
