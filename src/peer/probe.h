// SPDX-License-Identifier: Apache-2.0
//
// Circles of waiting that pass through several runtimes. Within one runtime a
// wait that closes a circle is found when it begins (async/circle.h): that
// trail ends at a future that another runtime makes. From there on a *probe*
// goes along it, when the wait has lasted some milliseconds.
//
//   an *edge*: a future of this runtime that a peer makes: a call to it, or a
//   future that was imported from it; named by runtime, kind and number
//
//   A: something that others wait for leads to an edge e0
//      PROBE e0, a question -----> B: what e0 names here leads to an edge e1
//                                     PROBE e1, the same question ----> C ...
//      the question comes back, to something that leads to e0 <---------'
//
// Each runtime looks, from time to time while something waits for a peer, at
// what peers wait for here, and asks about the edges that this leads to. A
// runtime that only calls asks nothing, and nothing here is done for each call.
//
// Why what comes back is a circle. A probe goes only where the one that waits
// needs the other: a handler that waits needs the future; a call needs the
// handler that serves it, or that it stands behind in the mailbox; a message
// that is held needs its argument; a promise that was forwarded needs what it
// was forwarded to; a future of several sources needs each of them, or, if one
// can complete it, the last one that is left. While the other has no outcome
// only something from outside can end such a wait: a cancel, a deadline. So a
// trail that a probe went may be open already behind its back. But a probe adds
// up all that it went over: the futures, the actors, and the number of each
// wait, which none has twice. If two probes, the second begun after the first
// came back, went over the same, then each wait lasted from when the first one
// saw it until the second did, which is later than the end of the first and the
// beginning of the second: so at that moment all of them were there, each
// waiting for the next. It is a circle. As within one runtime, a wait with a
// deadline is part of it: it would only end late.
//
// What is done. The edge fails with DEADLOCK and the text of the trail; so
// whoever waits for it goes on, and the circle is open. If it is a call the
// callee is told that nobody waits for it any more, as of one that is late. If
// several runtimes ask at once one of them should do it: the highest one does
// first, and the others when it has not for some rounds.
//
// Bounds. A probe has WEFT_PROBE_STEPS steps, and becomes at most
// WEFT_PROBE_SHARE probes where a trail divides; a runtime has WEFT_PROBE_SLOTS
// questions at a time, and asks each once a tick. A peer has so many probes a
// tick dealt with, and the rest dropped. A probe uses ordinary room of a lane,
// and is dropped when there is none: a later one does the same. Nothing is kept
// of a probe that passes.
//
// Trust. A question has a number that nobody can guess, so it comes back only
// from where it was passed on to: each on the way has said that it waits for
// the next, and could as well never have answered. Who else claims a circle
// claims nothing.
//
// Locks: what is asked is guarded by `calls_lock`.

#ifndef WEFT_PEER_PROBE_H_
#define WEFT_PEER_PROBE_H_

#include "peer/peer.h"

#define WEFT_PROBE_SLOTS 64
#define WEFT_PROBE_STEPS 64
#define WEFT_PROBE_SHARE 64
// Of the text that a probe carries. Units: bytes.
#define WEFT_PROBE_TEXT_BYTES 2048
// Between two looks while there is something to look for. Units: ns.
#define WEFT_PROBE_TICK_NS INT64_C(5000000)

// Values of PROBE, in this order.
enum {
  // int64: a weft_origin_kind_t, for the frame's id.
  WEFT_PROBE_KIND,
  // int64: who asks, as rank << 16 | incarnation; the question's number.
  WEFT_PROBE_ASKER,
  WEFT_PROBE_QUESTION,
  // int64: the sum of the trail so far.
  WEFT_PROBE_DIGEST,
  // int64: how many steps it may still go, and how many it may become.
  WEFT_PROBE_STEPS_LEFT,
  WEFT_PROBE_SHARE_LEFT,
  // int64: chooses among many branches.
  WEFT_PROBE_TURN,
  // bool: a runtime on the way is higher than the asker.
  WEFT_PROBE_IS_OUTRANKED,
  // bytes: what the trail went over.
  WEFT_PROBE_TEXT,
  WEFT_PROBE_VALUES
};

// A question that is asked.
typedef struct weft_probe_slot {
  // The edge; the slot is free when its peer is NULL.
  weft_origin_name_t edge;
  // 0: not asked yet.
  uint64_t question;
  uint32_t turn;
  // The sum that came back in the last round; and in this one, if another. 0:
  // none.
  uint64_t digest;
  uint64_t other;
  // How many rounds in a row the same came back; and in this one.
  uint32_t rounds;
  bool is_confirmed;
  // Rounds in which nothing came back.
  uint32_t misses;
} weft_probe_slot_t;

typedef struct weft_prober {
  weft_timer_t timer;
  // Guarded by `calls_lock`, but for what is atomic.
  bool is_armed;
  bool is_stopping;
  int64_t interval_ns;
  // The timer is armed with the shortest interval.
  _Atomic bool is_prompt;
  // Something began to wait for a peer since the last tick.
  _Atomic bool is_noticed;
  weft_probe_slot_t slots[WEFT_PROBE_SLOTS];
  // The first number of every sum: the sums are sent, and are made of
  // addresses.
  uint64_t secret;
  // --- The tick's own ---
  uint32_t turn;
  // Where the next look begins among calls that are served, and exports.
  uint32_t served_skip;
  uint32_t export_place;
} weft_prober_t;

weft_status_t weft_prober_init(weft_peers_t* peers);
// No tick runs after this.
void weft_prober_stop(weft_peers_t* peers);
void weft_prober_deinit(weft_peers_t* peers);

void weft_probe_receive(weft_peer_t* peer, const weft_frame_t* frame);

#endif  // WEFT_PEER_PROBE_H_
