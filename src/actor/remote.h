// SPDX-License-Identifier: Apache-2.0
//
// Messages between actors of different runtimes. What is sent to an actor of
// a peer is written to that peer's lane in order of sending, and put into the
// mailbox there in that order; so order per sender holds as it does at home.
//
//   outbound.c   sending and calling: window, frame, the reply to come
//   inbound.c    frames that came: into the mailbox, and the reply back
//   system.c     the actor that each runtime of a job has for requests about
//                itself: spawn, stop, names, ends of actors, reports
//   distant.c    ends of actors of peers: monitors and links
//
// A message of a peer has two arguments more than its endpoint takes, which no
// handler sees: the peer, and the sending actor.

#ifndef WEFT_ACTOR_REMOTE_H_
#define WEFT_ACTOR_REMOTE_H_

#include "actor/actor.h"
#include "peer/peer.h"

// --- outbound.c -------------------------------------------------------------

// As `weft_call` and `weft_send`, for an actor of another runtime; a send has
// `out_future` NULL.
weft_status_t weft_remote_submit(weft_runtime_t* runtime, weft_actor_t actor,
                                 uint32_t endpoint,
                                 const weft_arguments_t* arguments,
                                 const weft_call_options_t* options,
                                 weft_future_t** out_future);

// Returns when a message can be sent to the actor, as far as is known here.
// Blocks: until its process is connected. Errors: those of sending.
weft_status_t weft_remote_await(weft_runtime_t* runtime, weft_actor_t actor,
                                uint32_t endpoint);

// Sends what `sender` has asked for before. Never waits. Errors: WOULD_BLOCK
// also while it is not known yet whether the process is gone.
weft_status_t weft_remote_send_due(weft_runtime_t* runtime, weft_actor_t actor,
                                   uint32_t endpoint,
                                   const weft_arguments_t* arguments,
                                   uint64_t sender);

// The same for a call.
weft_status_t weft_remote_call_due(weft_runtime_t* runtime, weft_actor_t actor,
                                   uint32_t endpoint,
                                   const weft_arguments_t* arguments,
                                   const weft_call_options_t* options,
                                   weft_future_t** out_future);

// What the flight recorder calls a message to another runtime.
extern const char weft_remote_event[];

// The slot `origin` of this layer's events.
bool weft_remote_origin(weft_future_t* future, weft_origin_name_t* out_origin);

// --- inbound.c --------------------------------------------------------------

// What this layer does with frames.
extern const weft_peer_events_t weft_remote_events;

// Hidden arguments of a message of a peer, behind those that are declared.
#define WEFT_MESSAGE_HIDDEN 2

static inline weft_peer_t* weft_message_peer(const weft_message_t* message) {
  uint32_t at = message->argument_count - WEFT_MESSAGE_HIDDEN;
  return (weft_peer_t*)(uintptr_t)message->arguments[at].as.int64;
}

// The actor that sent a message of a peer; none for a thread.
weft_actor_t weft_message_remote_sender(const weft_message_t* message);

// A message of a peer is dealt with: it is counted, and at the end of the turn,
// or after some, its sender may send as many more. In a turn.
void weft_remote_finished(weft_context_t* context,
                          const weft_message_t* message);
// The turn is over, for what was counted.
void weft_remote_settle(weft_context_t* context);

// --- system.c ---------------------------------------------------------------

// The actor of a rank that answers requests about that runtime.
enum {
  WEFT_SYSTEM_SPAWN = 0,
  WEFT_SYSTEM_STOP = 1,
  WEFT_SYSTEM_EXITED = 2,
  WEFT_SYSTEM_LINK = 3,
  WEFT_SYSTEM_UNLINK = 4,
  WEFT_SYSTEM_REGISTER = 5,
  WEFT_SYSTEM_UNREGISTER = 6,
  WEFT_SYSTEM_LOOKUP = 7,
  WEFT_SYSTEM_REPORT = 8,
  WEFT_SYSTEM_ENDPOINTS = 9
};

extern const weft_class_t weft_system_class;

// The rank that has the names of a job.
#define WEFT_NAMES_RANK 0

// Makes this runtime's. The first actor of a runtime in a job, so its handle
// is known to all.
weft_status_t weft_system_create(weft_runtime_t* runtime);

// The handle of a rank's.
weft_actor_t weft_system_actor(uint16_t rank, uint16_t incarnation);

bool weft_actor_is_system(weft_actor_t actor);

// Calls an endpoint and waits for the answer, as long as the work at hand may.
weft_status_t weft_system_ask(weft_runtime_t* runtime, uint16_t rank,
                              uint32_t endpoint,
                              const weft_arguments_t* arguments,
                              weft_value_t* out_value);

// --- distant.c --------------------------------------------------------------

// What is done when an actor of a peer ends.
typedef enum weft_distant_kind {
  // The watching actor gets a message.
  WEFT_DISTANT_MONITOR = 0,
  // The watching actor ends, unless it was an orderly end.
  WEFT_DISTANT_LINK = 1,
  // A name is free again; see names.c.
  WEFT_DISTANT_NAME = 2
} weft_distant_kind_t;

// Watches an actor of a peer on behalf of one of this runtime; `endpoint` is
// that of a monitor. Watching twice is watching once.
// Errors: RESOURCE_EXHAUSTED. An actor that is gone counts as ended.
weft_status_t weft_distant_watch(weft_actor_layer_t* layer,
                                 weft_distant_kind_t kind, weft_actor_t watcher,
                                 weft_actor_t target, uint32_t endpoint);
// Links an actor of this runtime to one of a peer that has linked itself, and
// has sent what becomes of it. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_distant_link_by(weft_actor_layer_t* layer,
                                   weft_actor_t watcher, weft_actor_t target,
                                   weft_future_t* exited);
// Of a name: if it was the actor's last.
void weft_distant_unwatch(weft_actor_layer_t* layer, weft_distant_kind_t kind,
                          weft_actor_t watcher, weft_actor_t target);
// The watcher that had this cold part has ended.
void weft_distant_forget(weft_actor_layer_t* layer, weft_cold_t* cold);
// A peer has room again, or is gone: actors of it that could not be watched so
// far are. NULL: of all peers, as there may be memory again. Never waits.
void weft_distant_go_on(weft_actor_layer_t* layer, weft_peer_t* peer);
// Forgets those. Nothing is sent any more.
void weft_distant_stop(weft_actor_layer_t* layer);

// True for an actor of another runtime.
static inline bool weft_actor_is_remote(const weft_runtime_t* runtime,
                                        weft_actor_t actor) {
  return actor.rank != runtime->rank && !weft_actor_is_none(actor);
}

#endif  // WEFT_ACTOR_REMOTE_H_
