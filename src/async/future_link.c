// SPDX-License-Identifier: Apache-2.0
//
// Links: a future that follows another, while somebody may cancel it. Whoever
// takes the waiter off the source's list ends the party; the callback does if
// it was taken off to be called.

#include "async/future_link.h"

#include "async/circle.h"

weft_follow_t weft_link_register(weft_link_t* link) {
  weft_future_t* future = &link->future;
  weft_future_t* source = link->source;
  // The callback may end the party, and with it the references it holds.
  weft_object_retain(&future->object);
  weft_object_retain(&source->object);
  weft_follow_t follow = WEFT_FOLLOWS;
  if (!weft_future_try_add_waiter(source, &link->waiter)) {
    follow = weft_word_is_claimed(weft_future_word(future)) ? WEFT_FOLLOW_GONE
                                                            : WEFT_FOLLOW_DONE;
  } else if (weft_word_is_claimed(weft_future_word(future)) &&
             weft_future_take_waiter(source, &link->waiter)) {
    // Cancelled between the last look and the registering: the canceller
    // found nothing to take back.
    follow = WEFT_FOLLOW_GONE;
  }
  if (follow == WEFT_FOLLOW_GONE) {
    weft_future_pass_lock(future);
  }
  weft_object_release(&source->object);
  weft_object_release(&future->object);
  return follow;
}

weft_status_t weft_link_follow(weft_link_t* link, weft_future_t* source,
                               weft_follow_t* out_follow) {
  *out_follow = WEFT_FOLLOW_DONE;
  if (weft_future_is_done(source)) {
    return WEFT_OK;
  }
  if (weft_runtime_is_gone(link->future.runtime)) {
    return weft_future_runtime_gone();
  }
  weft_circle_t circle;
  weft_circle_init(&circle, NULL, &link->future);
  weft_mutex_t* graph = weft_async_graph_lock(link->future.runtime);
  weft_mutex_lock(graph);
  bool is_circle = weft_circle_search(&circle, source);
  bool is_gone = false;
  if (!is_circle) {
    uint32_t word = weft_future_lock(&link->future);
    is_gone = weft_word_is_claimed(word);
    if (!is_gone) {
      link->source = source;
    }
    weft_future_unlock(&link->future, word);
  }
  weft_mutex_unlock(graph);
  weft_circle_notice(&circle);
  if (is_circle) {
    return weft_circle_status(&circle, link->future.class->name);
  }
  *out_follow = is_gone ? WEFT_FOLLOW_GONE : weft_link_register(link);
  if (*out_follow == WEFT_FOLLOW_DONE && !weft_link_unfollow(link)) {
    *out_follow = WEFT_FOLLOW_GONE;
  }
  return WEFT_OK;
}

bool weft_link_unfollow(weft_link_t* link) {
  uint32_t word = weft_future_lock(&link->future);
  bool is_claimed = weft_word_is_claimed(word);
  if (!is_claimed) {
    link->source = NULL;
  }
  weft_future_unlock(&link->future, word);
  return !is_claimed;
}

void weft_link_cancelling(weft_future_t* future) {
  weft_link_t* link = (weft_link_t*)(void*)future;
  if (link->source != NULL) {
    weft_object_retain(&link->source->object);
  }
}

weft_future_t* weft_link_source(const weft_future_t* future, uint32_t index) {
  const weft_link_t* link = (const weft_link_t*)(const void*)future;
  return index == 0 ? link->source : NULL;
}

void weft_link_cancelled(weft_link_t* link, void (*end)(weft_link_t* link)) {
  weft_future_t* source = link->source;
  if (source == NULL) {
    return;
  }
  if (weft_future_take_waiter(source, &link->waiter)) {
    end(link);
  }
  weft_object_release(&source->object);
}
