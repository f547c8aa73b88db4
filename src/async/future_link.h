// SPDX-License-Identifier: Apache-2.0
//
// Futures that follow others: `then`, a forwarded promise, an await that
// waits for its arguments. What they share is one waiter, and the race between
// the callback of that waiter and somebody who cancels.

#ifndef WEFT_ASYNC_FUTURE_LINK_H_
#define WEFT_ASYNC_FUTURE_LINK_H_

#include "async/future_word.h"

// A future that follows one source at a time. It is held by its *party*: the
// callback to come owns a reference to it, and whatever else its kind says.
typedef struct weft_link {
  weft_future_t future;
  weft_waiter_t waiter;
  // The future that `waiter` is registered with, or soon will be; NULL for
  // none. Changed under LOCK of `future`, and not once that is claimed.
  weft_future_t* source;
} weft_link_t;

typedef enum weft_follow {
  // The callback will come, or has come.
  WEFT_FOLLOWS = 0,
  // The source is done: no callback comes, the caller goes on with it.
  WEFT_FOLLOW_DONE = 1,
  // The link's future has an outcome: no callback comes, the caller ends the
  // party.
  WEFT_FOLLOW_GONE = 2
} weft_follow_t;

// Registers the waiter of a link whose `source` is set, and which others may
// be cancelling at the same time.
weft_follow_t weft_link_register(weft_link_t* link);

// Makes a link that follows nothing follow `source`, which the party holds.
// Errors: DEADLOCK when the source waits for the link itself.
weft_status_t weft_link_follow(weft_link_t* link, weft_future_t* source,
                               weft_follow_t* out_follow);

// The callback has come: from here on the link follows nothing. False when
// its future has an outcome.
bool weft_link_unfollow(weft_link_t* link);

// Slots of the classes of links.
void weft_link_cancelling(weft_future_t* future);
weft_future_t* weft_link_source(const weft_future_t* future, uint32_t index);
// To be called by `cancelled`: calls `end` to end the party, if the callback
// will not come any more.
void weft_link_cancelled(weft_link_t* link, void (*end)(weft_link_t* link));

#endif  // WEFT_ASYNC_FUTURE_LINK_H_
