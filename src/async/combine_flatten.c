// SPDX-License-Identifier: Apache-2.0
//
// `flatten`: a link that moves on to the future inside its source's value,
// until a value is no future. The party holds the source.

#include "async/future_link.h"
#include "base/container.h"

// A future that holds itself, directly or through others, would have no end.
#define NESTING_LIMIT (UINT32_C(1) << 24)

static void end_party(weft_link_t* link) {
  weft_object_release(&link->source->object);
  weft_object_release(&link->future.object);
}

static void flatten_cancelled(weft_future_t* future) {
  weft_link_cancelled((weft_link_t*)(void*)future, end_party);
}

// Ends the party with the outcome of the last source, or with an error.
static void finish(weft_link_t* link, weft_future_t* source,
                   weft_status_t error) {
  weft_value_t value = weft_none();
  if (error == WEFT_OK) {
    error = weft_status_retain(source->error);
    value = weft_value_retain(weft_future_outcome(source));
  }
  weft_future_complete_owned(&link->future, error, value);
  weft_object_release(&source->object);
}

// Follows the future inside the value of a source that is done, and gives it
// as the next source. Takes over one reference to a source for the other.
static weft_status_t descend(weft_link_t* link, weft_future_t** source,
                             weft_follow_t* out_follow) {
  weft_future_t* inner =
      (weft_future_t*)(void*)weft_future_outcome(*source).as.object;
  weft_object_retain(&inner->object);
  weft_object_release(&(*source)->object);
  *source = inner;
  return weft_link_follow(link, inner, out_follow);
}

// Goes on from a source that is done; the link follows nothing. Owns: takes
// over the party.
static void go_on(weft_link_t* link, weft_future_t* source) {
  weft_status_t error = WEFT_OK;
  weft_follow_t follow = WEFT_FOLLOW_DONE;
  uint32_t depth = 0;
  while (error == WEFT_OK && follow == WEFT_FOLLOW_DONE &&
         weft_future_outcome(source).kind == WEFT_KIND_FUTURE) {
    error = depth++ < NESTING_LIMIT
                ? descend(link, &source, &follow)
                : weft_status_make(WEFT_STATUS_DEADLOCK,
                                   "flatten met futures without end: one of "
                                   "them holds itself");
  }
  if (follow == WEFT_FOLLOW_DONE) {
    finish(link, source, error);
  } else if (follow == WEFT_FOLLOW_GONE) {
    weft_object_release(&source->object);
    weft_object_release(&link->future.object);
  }
}

static void source_is_done(weft_waiter_t* waiter, weft_future_t* source) {
  weft_link_t* link = WEFT_CONTAINER_OF(waiter, weft_link_t, waiter);
  if (weft_link_unfollow(link)) {
    go_on(link, source);
  } else {
    end_party(link);
  }
}

static const weft_future_class_t flatten_class = {
    .name = "flatten",
    .size_bytes = sizeof(weft_link_t),
    .cancelling = weft_link_cancelling,
    .cancelled = flatten_cancelled,
    .source = weft_link_source,
};

weft_status_t weft_future_flatten(weft_future_t* future,
                                  weft_future_t** out_future) {
  *out_future = NULL;
  weft_future_t* flat =
      weft_future_allocate(future->runtime, &flatten_class, 2);
  if (flat == NULL) {
    return weft_future_no_memory("flatten");
  }
  weft_link_t* link = (weft_link_t*)(void*)flat;
  weft_link_waiter_init(&link->waiter, source_is_done);
  link->source = weft_future_retain(future);
  *out_future = flat;
  if (!weft_future_try_add_waiter(future, &link->waiter)) {
    source_is_done(&link->waiter, future);
  }
  return WEFT_OK;
}
