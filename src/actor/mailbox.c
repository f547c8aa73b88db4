// SPDX-License-Identifier: Apache-2.0

#include "actor/mailbox.h"

#include "base/assert.h"

_Static_assert(sizeof(weft_mailbox_node_t) == 8, "part of each message");
_Static_assert(sizeof(weft_mailbox_in_t) == 16, "part of each actor");
_Static_assert(sizeof(weft_mailbox_out_t) == 16, "part of each actor");

void weft_mailbox_init_dead(weft_mailbox_in_t* in) {
  atomic_init(&in->word, WEFT_MAILBOX_DEAD);
  atomic_init(&in->bound, 0);
  atomic_init(&in->limit, 0);
}

void weft_mailbox_open(weft_mailbox_in_t* in, weft_mailbox_out_t* out,
                       uint32_t bound) {
  weft_assert(bound <= WEFT_MAILBOX_BOUND_LIMIT);
  weft_assert(((uintptr_t)&out->stub & 63) == 0);
  out->head = &out->stub;
  // Relaxed, all: the store below publishes them, to senders whose exchange
  // finds the word that is stored there.
  atomic_store_explicit(&out->stub.next, NULL, memory_order_relaxed);
  atomic_store_explicit(&in->limit, bound, memory_order_relaxed);
  atomic_store_explicit(&in->bound, bound, memory_order_relaxed);
  // Sequentially consistent: whoever sets a flag and then claims this mailbox
  // finds it open, or its first consumer finds the flag.
  atomic_store_explicit(&in->word, (uint64_t)(uintptr_t)&out->stub << 16,
                        memory_order_seq_cst);
}

uint64_t weft_mailbox_close(weft_mailbox_in_t* in) {
  // Acquire-release: acquire pairs with the release of the last sender and of
  // `weft_mailbox_watch`; what they wrote is the consumer's to end.
  return atomic_fetch_or_explicit(&in->word, WEFT_MAILBOX_CLOSED,
                                  memory_order_acq_rel) &
         WEFT_MAILBOX_FLAGS;
}

weft_mailbox_node_t* weft_mailbox_leave(weft_mailbox_in_t* in,
                                        weft_mailbox_out_t* out) {
  weft_mailbox_node_t* head = out->head;
  out->head = NULL;
  // Release: pairs with the acquire of whoever opens the mailbox again, or of
  // a sender who finds it open by then.
  atomic_store_explicit(&in->word, WEFT_MAILBOX_DEAD, memory_order_release);
  return head == &out->stub ? NULL : head;
}

bool weft_mailbox_claim(weft_mailbox_in_t* in) {
  // Sequentially consistent: see `weft_mailbox_open`.
  uint64_t word = atomic_load_explicit(&in->word, memory_order_seq_cst);
  // Acquire-release: as in `weft_mailbox_push`, also when there is no IDLE to
  // take away: the consumer's next `try_idle` reads what is written here.
  while (weft_mailbox_last(word) != NULL &&
         !atomic_compare_exchange_weak_explicit(
             &in->word, &word, word & ~WEFT_MAILBOX_IDLE, memory_order_acq_rel,
             memory_order_relaxed)) {
  }
  return weft_mailbox_last(word) != NULL && (word & WEFT_MAILBOX_IDLE) != 0;
}

void weft_mailbox_touch(weft_mailbox_in_t* in) {
  // Acquire-release: comes before or after the exchange in `try_idle`, in the
  // order of changes of the word; the later one sees what the other wrote.
  atomic_fetch_or_explicit(&in->word, 0, memory_order_acq_rel);
}

bool weft_mailbox_watch(weft_mailbox_in_t* in) {
  // Relaxed: the exchange fails if the word is another by then.
  uint64_t word = atomic_load_explicit(&in->word, memory_order_relaxed);
  // Acquire-release: pairs with `weft_mailbox_close`, which comes before, and
  // this fails, or after, and sees the flag.
  while ((word & WEFT_MAILBOX_CLOSED) == 0 &&
         !atomic_compare_exchange_weak_explicit(
             &in->word, &word, word | WEFT_MAILBOX_WATCHED,
             memory_order_acq_rel, memory_order_relaxed)) {
  }
  return (word & WEFT_MAILBOX_CLOSED) == 0;
}
