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
// was forwarded to; `all` needs each of its sources. While the other has no
// outcome only something from outside can end such a wait: a cancel, a
// deadline. So a trail that a probe went may be open already behind its back.
// But a probe adds up all that it went over: the futures, the actors, and the
// number of each wait, which none has twice. If two probes, the second begun
// after the first came back, went over the same, then each wait lasted from
// when the first one saw it until the second did, which is later than the end
// of the first and the beginning of the second: so at that moment all of them
// were there, each waiting for the next. It is a circle. As within one runtime,
// a wait with a deadline is part of it: it would only end late.
//
// Where one of several is enough. A value ends the wait of `any`, an error that
// of `join` and `merge`, whichever source it comes from. (The first error of a
// `join` lets go who waits for it, and with that perhaps the other sources,
// that waited for them.) So these are stuck only when all that are left to wait
// for are, and not one source may be missed. There a probe divides, into
// *fragments*, one for each edge of the bundle (async/circle.h), and what it
// proves is proved when all of them have come to an end that proves it:
//
//   - at the edge that is asked about, as any probe; or
//   - at a future of several sources that the same fragment has passed before.
//     That one is followed already, by this fragment and its siblings, so it
//     has nothing to add. The runtime says so to the one that asks.
//
// A question has a secret, the *token*, which fragments share: each gets a
// random part, and the parts add up to the whole. So whoever asks has seen all
// fragments when what has come back adds up to the token, however often they
// divided, and nobody on the way can answer for a fragment that went elsewhere.
// What they went over is added up as well, and compared with the next round. So
// again all waits were there at one moment, and each had no way out but to
// another of them. One fragment at least must come to the edge itself: it is
// in a circle then, not before one.
//
//   A waits for join(B, C), both of which call back:
//      B <-- e0, token t -- A           (asked about e0)
//      B -------- t ------> A: a future of several sources, e0 and e1
//                              t' + t" = t; t' is at e0: it is back
//      C <-- e1, token t" - A
//      C -------- t" -----> A: that future again: t" is back. t' + t" = t
//
// What is not found. A fragment that comes to an `all` goes on with one of its
// sources, which the number of the turn chooses, another one each time. So a
// circle that passes several `all`s behind an `any`, `join` or `merge` may take
// many turns to be found; one through any number of `all`s alone takes none
// more. Nothing is found past WEFT_CIRCLE_DEPTH futures of several sources
// within one runtime, WEFT_PROBE_PASSED on the way of one fragment, a bundle of
// more than WEFT_TRAIL_EXITS edges in one runtime, or more fragments than a
// probe may become: where ten wait for any of three others, all of them in a
// circle, that may be so.
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
// Trust. A question has a token that nobody can guess, so it comes back only
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
#define WEFT_PROBE_SHARE 256
// Futures of several sources on the way of a probe.
#define WEFT_PROBE_PASSED 32
// Probes that divide, of one question, whose fragments are added up at a time.
#define WEFT_PROBE_SUMS 4
// Of the text that a probe carries. Units: bytes.
#define WEFT_PROBE_TEXT_BYTES 2048
// Between two looks while there is something to look for. Units: ns.
#define WEFT_PROBE_TICK_NS INT64_C(5000000)

// Values of PROBE, in this order.
enum {
  // int64: a weft_origin_kind_t, for the frame's id; or WEFT_PROBE_IS_BACK.
  WEFT_PROBE_KIND,
  // int64: who asks, as rank << 16 | incarnation; the question's number; the
  // part of its token.
  WEFT_PROBE_ASKER,
  WEFT_PROBE_QUESTION,
  WEFT_PROBE_TOKEN,
  // int64: whose fragment it is, a number of whoever divided it first; 0: it is
  // whole.
  WEFT_PROBE_GROUP,
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
  // bytes: the futures of several sources among that, 8 each.
  WEFT_PROBE_NAMES,
  WEFT_PROBE_VALUES
};

// In place of a weft_origin_kind_t: this fragment has come to an end elsewhere.
#define WEFT_PROBE_IS_BACK (WEFT_ORIGIN_EXPORT + 1)

// What has come back of a probe that divided.
typedef struct weft_probe_sum {
  // 0: free.
  uint64_t group;
  uint64_t token;
  uint64_t digest;
  // A fragment has come to the edge itself; it passed a higher runtime.
  bool has_edge;
  bool is_outranked;
} weft_probe_sum_t;

// A question that is asked.
typedef struct weft_probe_slot {
  // The edge; the slot is free when its peer is NULL.
  weft_origin_name_t edge;
  // 0: not asked yet.
  uint64_t question;
  uint64_t token;
  uint32_t turn;
  weft_probe_sum_t sums[WEFT_PROBE_SUMS];
  // The sum that came back in the last round; and in this one, if another. 0:
  // none.
  uint64_t digest;
  uint64_t other;
  // How many rounds in a row the same came back; and in this one.
  uint32_t rounds;
  bool is_confirmed;
  // It is a circle. The next fragment that comes to the edge has it fail.
  bool is_proved;
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
