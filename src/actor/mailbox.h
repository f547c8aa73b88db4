// SPDX-License-Identifier: Apache-2.0
//
// The queue of one actor: many threads put in, one takes out. One word says
// all that senders must know: which node is last, whether the actor is
// scheduled, how many messages came, and whether it takes any more. So a
// message costs its sender one locked operation, the bound is exact, and
// nothing is ever put into the mailbox of an actor that has ended. A consumer
// that finds the queue empty pays one more to go idle; nothing else does.
//
//      out.head                                           in.word
//         |                                     [last | count | flags]
//         v                                         v
//       [taken] ---> [next] ---> [    ] -.-.-.-> [last]
//
//   word:  bits 22-63  address of the last node, without its 6 zero bits;
//                      0: dead, nobody's mailbox
//          bits 3-21   nodes put in since it was opened, but for those that
//                      need no room, modulo 2^19
//          bit 2       WATCHED: the actor has something else to end; see
//                      `cold.h`
//          bit 1       CLOSED: takes no more
//          bit 0       IDLE: nothing is queued and the consumer sleeps
//
// - The node that was taken last stays in the queue, so the queue is never
//   without one and no stub goes round. It is freed when the next is taken.
// - Only the consumer sets IDLE, and only when the last node is its own head.
//   Whoever takes IDLE away, by putting a node in or by a claim, posts it.
// - What is unfinished is the count in the word less the count of finished
//   messages, which the consumer keeps; so held messages fill the mailbox, too.
// - Between the change of the word and the link from the node before, the
//   queue looks shorter than it is: the consumer finds nothing to take, but
//   cannot go idle either.
//
// The halves lie on cache lines of their own: senders write `in` and read
// nothing else; the consumer writes `out`.
// Source of the idea: the mailbox of the Pony runtime, which took the queue
// from D. Vyukov; there the tail is exchanged, and has no count.

#ifndef WEFT_ACTOR_MAILBOX_H_
#define WEFT_ACTOR_MAILBOX_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Part of each message, at its start. Aligned to 64 bytes.
typedef struct weft_mailbox_node weft_mailbox_node_t;
struct weft_mailbox_node {
  _Atomic(weft_mailbox_node_t*) next;
};

typedef struct weft_mailbox_in {
  _Atomic uint64_t word;
  // How many may be unfinished before the mailbox is full.
  _Atomic uint32_t bound;
  // The count at which the mailbox is full: messages that were finished, and
  // the bound. The consumer writes it, but seldom, so it is here, where
  // senders look for it: what else the consumer writes changes with every
  // message.
  _Atomic uint32_t limit;
} weft_mailbox_in_t;

// Begins on a multiple of 64 bytes.
typedef struct weft_mailbox_out {
  // The first head.
  weft_mailbox_node_t stub;
  weft_mailbox_node_t* head;
} weft_mailbox_out_t;

#define WEFT_MAILBOX_IDLE UINT64_C(1)
#define WEFT_MAILBOX_CLOSED UINT64_C(2)
#define WEFT_MAILBOX_WATCHED UINT64_C(4)
#define WEFT_MAILBOX_FLAGS UINT64_C(7)
#define WEFT_MAILBOX_ONE UINT64_C(8)
#define WEFT_MAILBOX_COUNT_BITS 19
#define WEFT_MAILBOX_COUNT \
  (((UINT64_C(1) << WEFT_MAILBOX_COUNT_BITS) - 1) * WEFT_MAILBOX_ONE)
#define WEFT_MAILBOX_DEAD WEFT_MAILBOX_CLOSED
// Counts are compared by their difference; half of that leaves room for
// senders that are between looking and putting in.
#define WEFT_MAILBOX_BOUND_LIMIT (UINT32_C(1) << (WEFT_MAILBOX_COUNT_BITS - 2))

typedef enum weft_mailbox_push {
  // In.
  WEFT_MAILBOX_PUSHED,
  // In, and the consumer was idle: the caller now posts it.
  WEFT_MAILBOX_PUSHED_FIRST,
  // Not in: as many messages are unfinished as the bound allows.
  WEFT_MAILBOX_IS_FULL,
  // Not in, and never again.
  WEFT_MAILBOX_IS_CLOSED
} weft_mailbox_push_t;

// A mailbox of zeros is made dead. The caller is alone with it.
void weft_mailbox_init_dead(weft_mailbox_in_t* in);

// Opens a dead mailbox, empty and scheduled: the caller is the consumer.
// `bound` is at most WEFT_MAILBOX_BOUND_LIMIT.
void weft_mailbox_open(weft_mailbox_in_t* in, weft_mailbox_out_t* out,
                       uint32_t bound);

// Takes no more; returns the flags from before. What is in can be taken still.
// Thread: the consumer.
uint64_t weft_mailbox_close(weft_mailbox_in_t* in);

// The consumer has taken everything and leaves a closed mailbox, which is dead
// from here on. Returns the node that was taken last, or NULL for none.
weft_mailbox_node_t* weft_mailbox_leave(weft_mailbox_in_t* in,
                                        weft_mailbox_out_t* out);

// Takes IDLE away without a message. True when it was there: the caller posts
// the consumer. Else, unless the mailbox is dead, the consumer's next
// `try_idle` comes later and sees what the caller wrote before this.
// Thread: any.
bool weft_mailbox_claim(weft_mailbox_in_t* in);

// Changes nothing. What the caller wrote before is seen after the consumer's
// next `try_idle`, or the caller sees what the consumer wrote before its last.
// Thread: any.
void weft_mailbox_touch(weft_mailbox_in_t* in);

// Sets WATCHED; false when the mailbox is closed. Thread: any.
bool weft_mailbox_watch(weft_mailbox_in_t* in);

static inline weft_mailbox_node_t* weft_mailbox_last(uint64_t word) {
  // 16 = 22 - 6: where the address begins, and the bits that it lacks.
  return (weft_mailbox_node_t*)(uintptr_t)((word >> 16) &
                                           ~(uint64_t)UINT64_C(63));
}

// Whether there is room for a message, by a word of the mailbox.
static inline bool weft_mailbox_has_room(uint64_t word,
                                         const weft_mailbox_in_t* in) {
  // Relaxed: a limit that lags behind makes the mailbox look fuller.
  uint32_t limit = atomic_load_explicit(&in->limit, memory_order_relaxed);
  uint32_t count = (uint32_t)(word / WEFT_MAILBOX_ONE);
  // Both modulo the size of the count, so only the low bits of the difference
  // say something; at the top of a word they give it its sign.
  return (int32_t)((limit - count) << (32 - WEFT_MAILBOX_COUNT_BITS)) > 0;
}

static inline bool weft_mailbox_is_closed(const weft_mailbox_in_t* in) {
  // Relaxed: whoever acts on the answer finds out when putting in.
  return (atomic_load_explicit(&in->word, memory_order_relaxed) &
          WEFT_MAILBOX_CLOSED) != 0;
}

// True for nobody's mailbox.
static inline bool weft_mailbox_is_dead(const weft_mailbox_in_t* in) {
  // Relaxed: for reports.
  return weft_mailbox_last(
             atomic_load_explicit(&in->word, memory_order_relaxed)) == NULL;
}

// How many messages are unfinished, for reports. The consumer counts what it
// has finished by the quarter of the bound, so it may be fewer.
static inline uint32_t weft_mailbox_depth(const weft_mailbox_in_t* in) {
  // Relaxed, all: for reports.
  uint64_t word = atomic_load_explicit(&in->word, memory_order_relaxed);
  uint32_t finished = atomic_load_explicit(&in->limit, memory_order_relaxed) -
                      atomic_load_explicit(&in->bound, memory_order_relaxed);
  return ((uint32_t)(word / WEFT_MAILBOX_ONE) - finished) &
         ((UINT32_C(1) << WEFT_MAILBOX_COUNT_BITS) - 1);
}

static inline bool weft_mailbox_is_full(const weft_mailbox_in_t* in) {
  // Relaxed: whoever acts on the answer asks again.
  uint64_t word = atomic_load_explicit(&in->word, memory_order_relaxed);
  return !weft_mailbox_has_room(word, in);
}

// Puts a node in; with `regardless` also into a full mailbox, without counting
// it: there may be any number of such nodes. Thread: any.
static inline weft_mailbox_push_t weft_mailbox_push(weft_mailbox_in_t* in,
                                                    weft_mailbox_node_t* node,
                                                    bool regardless) {
  // Relaxed: the exchange of the word publishes it.
  atomic_store_explicit(&node->next, NULL, memory_order_relaxed);
  // Relaxed: the exchange below fails if the word is another by then.
  uint64_t before = atomic_load_explicit(&in->word, memory_order_relaxed);
  uint64_t one = regardless ? 0 : WEFT_MAILBOX_ONE;
  uint64_t after;
  do {
    if (__builtin_expect((before & WEFT_MAILBOX_CLOSED) != 0, 0)) {
      return WEFT_MAILBOX_IS_CLOSED;
    }
    if (!weft_mailbox_has_room(before, in) && !regardless) {
      return WEFT_MAILBOX_IS_FULL;
    }
    after = ((uint64_t)(uintptr_t)node << 16) |
            ((before + one) & (WEFT_MAILBOX_COUNT | WEFT_MAILBOX_WATCHED));
    // Acquire-release: release publishes the node; acquire pairs with the
    // release of `try_idle`, so that who posts the consumer comes after its
    // last turn, and with that of the sender before, whose node is linked.
  } while (!atomic_compare_exchange_weak_explicit(
      &in->word, &before, after, memory_order_acq_rel, memory_order_relaxed));
  // Release: pairs with the acquire in `weft_mailbox_pop`. Both nodes may be
  // freed from here on.
  atomic_store_explicit(&weft_mailbox_last(before)->next, node,
                        memory_order_release);
  return (before & WEFT_MAILBOX_IDLE) != 0 ? WEFT_MAILBOX_PUSHED_FIRST
                                           : WEFT_MAILBOX_PUSHED;
}

// Takes the next node, or NULL when there is none or its sender has not
// linked it yet. The node stays in the queue as its head; `*out_passed` is the
// head before, which nobody else touches any more. Thread: the consumer.
static inline weft_mailbox_node_t* weft_mailbox_pop(
    weft_mailbox_out_t* out, weft_mailbox_node_t** out_passed) {
  weft_mailbox_node_t* head = out->head;
  // Acquire: pairs with the release in `weft_mailbox_push`.
  weft_mailbox_node_t* next =
      atomic_load_explicit(&head->next, memory_order_acquire);
  if (next != NULL) {
    *out_passed = head;
    out->head = next;
  }
  return next;
}

// Counts messages as finished. Thread: the consumer.
static inline void weft_mailbox_finish(weft_mailbox_in_t* in, uint32_t count) {
  // Relaxed: no other thread writes it; see `weft_mailbox_has_room`.
  uint32_t limit = atomic_load_explicit(&in->limit, memory_order_relaxed);
  atomic_store_explicit(&in->limit, limit + count, memory_order_relaxed);
}

// Goes idle if nothing is queued. True: the caller is the consumer no more,
// and whoever puts in next is to post it. Thread: the consumer.
static inline bool weft_mailbox_try_idle(weft_mailbox_in_t* in,
                                         const weft_mailbox_out_t* out) {
  // Relaxed: the exchange fails if the word is another by then.
  uint64_t word = atomic_load_explicit(&in->word, memory_order_relaxed);
  while (weft_mailbox_last(word) == out->head) {
    // Release: pairs with the acquire of whoever takes IDLE away. Acquire:
    // pairs with the release of `claim`, so that what was asked for before is
    // seen after this.
    if (atomic_compare_exchange_weak_explicit(
            &in->word, &word, word | WEFT_MAILBOX_IDLE, memory_order_acq_rel,
            memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

#endif  // WEFT_ACTOR_MAILBOX_H_
