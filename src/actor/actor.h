// SPDX-License-Identifier: Apache-2.0
//
// What the files of this folder share: the entry of an actor in the roster, the
// state of the layer, and who is who.
//
//   roster.h    entries by index; taking and giving back
//   mailbox.h   the queue of an entry
//   message.h   what is in the queue
//   turn.h      running an actor: message after message, until it exits
//   held.h      messages that wait for an argument
//   call.h      sending, calling, and what a reply is
//   context.h   the message that a thread handles
//   cold.h      what only few actors have: watchers, waiters for room, names
//   known.h     classes of actors of other runtimes
//
// The life of an entry:
//
//   dead --spawn--> running --stop after queue--> closing --.
//    ^                 '------------- stop now ------------>+--> exiting --.
//    '------------------- drained, watchers told ---------------------------'

#ifndef WEFT_ACTOR_ACTOR_H_
#define WEFT_ACTOR_ACTOR_H_

#include <stdalign.h>

#include "actor/actor_layer.h"
#include "actor/known.h"
#include "actor/mailbox.h"
#include "actor/message.h"
#include "async/async.h"
#include "base/container.h"
#include "base/dlist.h"

typedef struct weft_actor_entry weft_actor_entry_t;
typedef struct weft_cold weft_cold_t;
typedef struct weft_held weft_held_t;

// Bits of `attention`:
// Held messages whose argument is there; see `held.h`.
#define WEFT_ATTENTION_ARRIVED 1u
// Somebody asked the actor to stop; see `cold.h`.
#define WEFT_ATTENTION_STOP 2u
// Somebody waits for room in the mailbox; see `room.h`. Nothing to do for it
// until there is room.
#define WEFT_ATTENTION_ROOM 4u
#define WEFT_ATTENTION_URGENT (WEFT_ATTENTION_ARRIVED | WEFT_ATTENTION_STOP)

typedef enum weft_actor_phase {
  // Handles messages; also before its init has run.
  WEFT_PHASE_RUNNING = 0,
  // Takes no more, and exits when nothing is held any more.
  WEFT_PHASE_CLOSING = 1,
  // Fails what is left in the mailbox, then is gone.
  WEFT_PHASE_EXITING = 2
} weft_actor_phase_t;

// `endpoint` of an entry that handles no message.
#define WEFT_ENDPOINT_NONE UINT32_MAX
#define WEFT_ENDPOINT_INIT (UINT32_MAX - 1)
#define WEFT_ENDPOINT_DEINIT (UINT32_MAX - 2)

// An actor. Entries are never returned before the layer ends, and used again
// by other actors; so a thread that has an old handle may look at one at any
// time, and finds out by the generation. 192 bytes.
struct weft_actor_entry {
  // --- Read and written by senders ---
  alignas(64) weft_mailbox_in_t in;
  // Of the actor that has the entry, or had it last; 0: none yet. Changes
  // before the mailbox is opened.
  _Atomic uint32_t generation;
  uint32_t index;
  _Atomic(const weft_class_t*) actor_class;
  _Atomic(weft_executor_t*) executor;
  weft_task_t task;
  weft_actor_layer_t* layer;
  // --- Of the consumer: whoever runs the actor's turn ---
  weft_mailbox_out_t out;
  // What to look at besides messages. Others set bits, and then claim or
  // touch the mailbox.
  _Atomic uint32_t attention;
  // The endpoint that runs; others read it for reports.
  _Atomic uint32_t endpoint;
  void* state;
  // NULL unless messages are held.
  weft_held_t* held;
  // Guarded by the actor's stripe; see `cold.h`.
  weft_cold_t* cold;
  // Why the actor exits.
  weft_status_t reason;
  // Messages of peers, which the mailbox does not count, that were ever put in,
  // and that are finished; whoever has the entry.
  _Atomic uint32_t peers_put;
  _Atomic uint32_t peers_finished;
  // --- The third line ---
  weft_activity_t activity;
  // The message that makes the state, until it is its turn.
  weft_message_t* init;
  // A weft_actor_phase_t.
  uint8_t phase;
  // `state` is the class's, to be freed with its `deinit`.
  bool is_initialized;
  // The executor is the actor's own thread.
  bool has_own_thread;
  // A peer has sent it something.
  bool has_peers;
  // Among free entries: the index of the next. Guarded by the roster lock.
  uint32_t next_free;
};

// Locks of actors, by index; see `cold.h`.
#define WEFT_STRIPE_COUNT 64

// Entries in a chunk of the roster, and chunks at most.
#define WEFT_ROSTER_CHUNK_BITS 10
#define WEFT_ROSTER_CHUNK_ENTRIES (1u << WEFT_ROSTER_CHUNK_BITS)
#define WEFT_ROSTER_CHUNK_LIMIT (1u << 14)

// Entries at hand for one worker, so that two seldom meet at the roster's lock.
// Threads that have no worker use the first.
#define WEFT_ROSTER_CACHE_COUNT 16

typedef struct weft_roster_cache {
  // Guards the rest; taken before the roster's.
  alignas(64) weft_mutex_t lock;
  // Free entries, as in the roster, and their number.
  uint32_t first_free;
  uint32_t count;
} weft_roster_cache_t;

typedef struct weft_roster {
  // An array of WEFT_ROSTER_CACHE_COUNT.
  weft_roster_cache_t* caches;
  // An array of WEFT_ROSTER_CHUNK_LIMIT, of which the first `chunk_count` are
  // set.
  weft_actor_entry_t** chunks;
  _Atomic uint32_t chunk_count;
  // --- Guarded by the lock; leaf ---
  weft_mutex_t lock;
  // Entries below this have been used; the others of the last chunk never.
  uint32_t fresh;
  // Free entries, the last freed first; WEFT_ROSTER_NONE: none.
  uint32_t first_free;
  // Actors that have not exited, and entries in caches, which are none once the
  // layer stops.
  uint32_t live;
  // Who waits for `live` to become 0.
  weft_parker_t* stopper;
} weft_roster_t;

#define WEFT_OBITUARY_COUNT 64

// What ended an actor. Generation 0: nothing here.
typedef struct weft_obituary {
  uint32_t index;
  uint32_t generation;
  weft_status_t reason;
} weft_obituary_t;

struct weft_names;
struct weft_registry;

struct weft_actor_layer {
  weft_runtime_t* runtime;
  weft_roster_t roster;
  // The layer stops: nothing is spawned or sent any more.
  _Atomic bool is_stopping;
  // Why, if there is more to say. Written once, before the above.
  _Atomic(weft_status_t) stop_reason;
  int64_t default_timeout_ns;
  // What actors without a thread of their own run on.
  weft_executor_t* executor;
  struct weft_registry* classes;
  struct weft_names* names;
  weft_known_t known;
  // Delivered instead of a reason when there is no memory for the reason.
  weft_value_t lost_reason;
  // Guards links between actors: watchers, links, exit futures. Taken before
  // a stripe.
  weft_mutex_t watch_lock;
  // Watches of actors of peers that have a name. Guarded by the watch lock.
  weft_dlist_t named;
  // Actors of peers that are to be watched and are not yet: there was no room
  // to ask, or no memory. Guarded by the watch lock, as is how often there was
  // room.
  weft_dlist_t unwatched;
  // Looks at them again, after a lack of memory.
  weft_timer_t retry;
  uint64_t room_count;
  // Those, and the ones that are being asked about.
  _Atomic uint32_t asking_count;
  weft_mutex_t stripes[WEFT_STRIPE_COUNT];
  // Guards the two lists below; leaf.
  weft_mutex_t timed_lock;
  // Replies that have a deadline and no outcome; see `reply.h`.
  weft_dlist_t timed_replies;
  // Schedules that have not ended; see `schedule.c`.
  weft_dlist_t schedules;
  // Guards the two below; leaf. The oldest is replaced.
  weft_mutex_t obituary_lock;
  weft_obituary_t obituaries[WEFT_OBITUARY_COUNT];
  uint32_t next_obituary;
  // Guards threads of actors; leaf.
  weft_mutex_t thread_lock;
  // Threads of actors that have exited, to be joined; see `own_thread.h`.
  struct weft_own_thread* ended_threads;
};

static inline weft_actor_layer_t* weft_actor_layer_of(
    const weft_runtime_t* runtime) {
  return (weft_actor_layer_t*)runtime->slots[WEFT_SLOT_ACTOR];
}

// The class of the actor that has, or had last, this entry. Thread: any; ask
// for the generation afterwards where that matters.
static inline const weft_class_t* weft_entry_class(
    const weft_actor_entry_t* entry) {
  // Relaxed: classes are static tables.
  return atomic_load_explicit(&entry->actor_class, memory_order_relaxed);
}

static inline uint32_t weft_entry_generation(const weft_actor_entry_t* entry) {
  // Acquire: pairs with the release in `weft_spawn`; whoever finds the
  // generation finds the class that goes with it, or a later one.
  return atomic_load_explicit(&entry->generation, memory_order_acquire);
}

// The handle of the actor that has the entry. Thread: the consumer.
static inline weft_actor_t weft_entry_handle(const weft_actor_entry_t* entry) {
  const weft_runtime_t* runtime = entry->layer->runtime;
  weft_actor_t actor = {
      .rank = (uint16_t)runtime->rank,
      .incarnation = (uint16_t)runtime->incarnation,
      .index = entry->index,
      .generation = weft_entry_generation(entry),
  };
  return actor;
}

// Hands an actor that was idle to its executor. Thread: whoever took IDLE
// away from its mailbox.
static inline void weft_entry_post(weft_actor_entry_t* entry) {
  // Relaxed: taking IDLE away was an acquire, and the executor was set before
  // the mailbox was opened.
  weft_executor_post(
      atomic_load_explicit(&entry->executor, memory_order_relaxed),
      &entry->task);
}

// The lock of an entry's `cold`.
static inline weft_mutex_t* weft_entry_stripe(const weft_actor_entry_t* entry) {
  return &entry->layer->stripes[entry->index % WEFT_STRIPE_COUNT];
}

// Writes "class#index" as `weft_status_format` does. Thread: any.
size_t weft_entry_format(const weft_actor_entry_t* entry, char* buffer,
                         size_t capacity);

// The slot `describe` of an actor's activity: "actor class#index, endpoint e".
size_t weft_entry_describe(const weft_activity_t* activity, char* buffer,
                           size_t capacity);

// The name of what an entry runs; NULL for nothing. Thread: any.
const char* weft_entry_running(const weft_actor_entry_t* entry);

// CLOSED for what cannot be because the runtime stops: "nothing can be sent".
weft_status_t weft_actor_closed(const weft_actor_layer_t* layer,
                                const char* what);

// NOT_FOUND for a handle that names nobody, because of what ended the actor if
// that is still known.
weft_status_t weft_actor_not_found(weft_actor_layer_t* layer,
                                   weft_actor_t actor);

// Keeps what ended an actor, for those that name it later. Of actors that have
// failed, the last WEFT_OBITUARY_COUNT are known.
void weft_actor_mourn(weft_actor_entry_t* entry, weft_status_t reason);

#endif  // WEFT_ACTOR_ACTOR_H_
