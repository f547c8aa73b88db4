// SPDX-License-Identifier: Apache-2.0
//
// The future of a call. Most are a plain promise that the actor keeps; one
// with a deadline brings a timer along. A call that is made while another is
// served is tied to that one's reply: whoever cancels that cancels this.

#ifndef WEFT_ACTOR_REPLY_H_
#define WEFT_ACTOR_REPLY_H_

#include "actor/actor.h"

// Makes the reply of a call to an endpoint of an actor, with references for
// the caller and for the message. With a deadline its timer runs from here on.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_reply_create(weft_actor_entry_t* entry,
                                const weft_endpoint_t* endpoint,
                                int64_t deadline_ns, weft_future_t** out_reply);

// Cancels `reply` when `parent` is cancelled before either has an outcome.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_reply_follow(weft_future_t* reply, weft_future_t* parent);

// Takes back the reply of a message that was not sent: both references.
void weft_reply_discard(weft_future_t* reply);

#endif  // WEFT_ACTOR_REPLY_H_
