// SPDX-License-Identifier: Apache-2.0
//
// The part of a channel that is in this process: slots, the ends that are used
// here, and who waits. A channel whose ends all stay in one process has one
// part. Of one whose ends have travelled, the part that has the writer is the
// *hub*; every other process where readers are has a part that the hub feeds:
//
//   hub (rank 0)                              rank 1
//   writer --> [ 4 | 5 | 6 ] --VALUE 6-------> [   | 5 | 6 ] --> reader 1
//                 '--> reader 0  <--RELEASE 4--              --> reader 2
//
// A slot of the hub has a bit for every reader that has not released it,
// wherever that reader is, so the bits are all that a write waits for. A value
// goes once to each process, a *place*, for all its readers. Value n is in slot
// n mod slots everywhere; a slot is written again only after the hub was told
// that it is free, so a part always has room for what comes.
//
// part.c     slots, waiting, life
// local.c    the ends: writing and reading
// place.c    the hub's side of places: what is sent, what comes back
// feed.c     the other side: what comes from the hub, what is told to it
// travel.c   who has copies of an end, who uses it, and when it has left
// join.c     how an end comes to be used in another process
// passport.c ends as bytes
// hearsay.c  what peers say, and their death
//
// Locks: the lock of a part is taken under that of a peer (what is told is
// written then), never the other way round. What a callback of the user's may
// follow from (values that are dropped, futures that complete), and whatever is
// sent, happens after it: a *deed*.

#ifndef WEFT_CHANNEL_PART_H_
#define WEFT_CHANNEL_PART_H_

#include "base/table.h"
#include "channel/channel.h"
#include "peer/outcome.h"
#include "sys/sys.h"

// The number of the writer's end; readers are 0 to WEFT_CHANNEL_READER_LIMIT -
// 1.
#define WEFT_END_WRITER WEFT_CHANNEL_READER_LIMIT

// What an end is to the part.
typedef enum weft_end_state {
  // It was never here, or is not any more, and is no business of this part.
  WEFT_END_AWAY = 0,
  // It is here, or, at the creator, with nobody or on its way, and not used.
  WEFT_END_IDLE,
  // It is being used here, and the hub does not know yet.
  WEFT_END_JOINING,
  // It is used here.
  WEFT_END_HERE,
  // Of a reader at a hub that did not make the channel: nobody uses it so far.
  WEFT_END_UNSEEN,
  // Of a reader at the hub: it is used at a place.
  WEFT_END_PLACED,
  WEFT_END_LEFT
} weft_end_state_t;

typedef struct weft_part weft_part_t;

// How many copies of an end that nobody uses a peer has, or will have: below
// zero when it has given back what the creator does not know it to have.
typedef struct weft_pin {
  weft_dlist_node_t node;
  weft_peer_t* peer;
  int64_t count;
} weft_pin_t;

// A JOIN that cannot be answered yet.
typedef struct weft_join {
  weft_dlist_node_t node;
  weft_peer_t* peer;
  uint64_t id;
  uint64_t key;
} weft_join_t;

// All but the first three is guarded by the lock.
typedef struct weft_end {
  weft_part_t* part;
  uint32_t number;
  // The actor that opened it, compared only, by whoever uses another end; NULL:
  // a plain thread, or nobody.
  const weft_activity_t* _Atomic owner;
  weft_end_state_t state;
  // Handles here.
  uint32_t handles;
  // Of those, or of earlier ones, how many came from elsewhere: the creator
  // counts them.
  uint32_t copies;
  // Whoever knows it has been given the end. 0: it has not travelled.
  uint64_t key;
  // Why it cannot be used; else WEFT_OK.
  weft_status_t failure;
  // At the creator: of weft_pin_t; and who uses it.
  weft_dlist_t pins;
  weft_peer_t* claimant;
  // While it is joining.
  weft_pending_t pending;
  // Of weft_join_t: of a reader, while the writer is joining.
  weft_dlist_t early;
} weft_end_t;

// An end keeps the key that it has, unless its creator says another.
static inline void weft_end_set_key_locked(weft_end_t* end, uint64_t key) {
  if (end->key == 0) {
    end->key = key;
  }
}

typedef struct weft_channel_slot {
  weft_value_t value;
  // WEFT_OK: the value counts.
  weft_status_t error;
  uint64_t sequence;
  // Bit n: reader n has not released it.
  uint64_t holders;
  // Where the hub is elsewhere: who has released it, and the hub is to be told.
  uint64_t released;
  weft_dlist_node_t node;
} weft_channel_slot_t;

typedef struct weft_part_reader weft_part_reader_t;

// What somebody holds of an end: one is part of it, for whoever made the
// channel; every copy that comes from elsewhere has another.
typedef struct weft_reader_handle {
  weft_reader_t base;
  weft_part_reader_t* reader;
} weft_reader_handle_t;

typedef struct weft_writer_handle {
  weft_writer_t base;
  weft_part_t* part;
} weft_writer_handle_t;

struct weft_part_reader {
  // Leases name it: it lasts as long as they do.
  weft_reader_handle_t handle;
  weft_end_t end;
  // --- Guarded by the lock ---
  // The value that is read next; the one that comes next, if the hub is
  // elsewhere; and how many are leased.
  uint64_t next;
  uint64_t arriving;
  uint32_t leases;
};

struct weft_part {
  weft_writer_handle_t writer;
  weft_channel_node_t node;
  const weft_allocator_t* allocator;
  size_t size_bytes;
  uint32_t reader_count;
  uint32_t slot_count;
  const char* name;
  weft_channel_slot_t* slots;
  weft_part_reader_t* readers;
  // Who made the channel, and what it is called there; 0 until an end travels.
  // Guarded by the lock of the channels; once it is not 0 it stays.
  weft_holder_t creator;
  uint32_t number;
  weft_table_node_t table_node;
  weft_channel_index_t index;
  // Another runtime made it.
  bool is_foreign;

  weft_mutex_t lock;
  // --- Guarded by the lock ---
  // NULL once it has stopped.
  weft_runtime_t* runtime;
  // Handles; ends that are not away, placed or gone; leases, and what is at
  // work.
  uint32_t users;
  // Values are written here, or will be if nobody takes the writer elsewhere.
  bool is_hub;
  weft_end_t writer_end;
  // Bits of readers that have not left.
  uint64_t present;
  // Values written.
  uint64_t written;
  // Nothing more is written; and why, after what was written has been read, or
  // at once.
  bool is_closed;
  bool ends_at_once;
  weft_status_t reason;
  // Where the hub is elsewhere: values below this come all the same, perhaps
  // after the end, to a reader that joins late; and why not, after all.
  uint64_t end_sequence;
  weft_status_t cut;
  // Why the last reader left that did not do so itself.
  weft_status_t loss;
  // What the writer fills in place; of its thread.
  weft_value_t reserved;
  size_t reserved_bytes;
  // Of waiter_t: threads, the writer's and the readers'.
  weft_dlist_t write_waiters;
  weft_dlist_t read_waiters;
  // Of ready_t: futures that were asked for.
  weft_dlist_t write_ready;
  weft_dlist_t read_ready;
  // The hub, when it is elsewhere and known.
  weft_peer_t* hub;
  // Of weft_channel_slot_t: the hub is to be told that they are free.
  weft_dlist_t untold;
  // Readers that have left and the hub is to be told of.
  uint64_t leaving;
  weft_outgoing_t tell;
  bool is_telling;
  // At the hub: of weft_place_t, and how often that changed.
  weft_dlist_t places;
  uint32_t place_changes;
};

static inline weft_part_t* weft_part_of_writer(weft_writer_t* writer) {
  return WEFT_CONTAINER_OF(writer, weft_writer_handle_t, base)->part;
}

static inline weft_part_reader_t* weft_part_reader_of(weft_reader_t* reader) {
  return WEFT_CONTAINER_OF(reader, weft_reader_handle_t, base)->reader;
}

static inline uint64_t weft_reader_bit(uint32_t number) {
  return UINT64_C(1) << number;
}

// Whether nobody uses an end so far, of those who can.
static inline bool weft_end_is_free(const weft_end_t* end) {
  return end->state == WEFT_END_IDLE || end->state == WEFT_END_UNSEEN;
}

static inline weft_channel_slot_t* weft_part_slot(const weft_part_t* part,
                                                  uint64_t sequence) {
  return &part->slots[sequence % part->slot_count];
}

// `number` is at most WEFT_END_WRITER.
static inline weft_end_t* weft_part_end(weft_part_t* part, uint32_t number) {
  return number == WEFT_END_WRITER ? &part->writer_end
                                   : &part->readers[number].end;
}

// All ends of a part by an index, from 0 to `reader_count`: the readers, and
// the writer.
static inline weft_end_t* weft_part_end_at(weft_part_t* part, uint32_t index) {
  return weft_part_end(part,
                       index < part->reader_count ? index : WEFT_END_WRITER);
}

// The head of words about a channel.
static inline weft_frame_t weft_channel_head(weft_holder_t creator,
                                             uint32_t number,
                                             uint16_t subject) {
  return (weft_frame_t){
      .type = WEFT_FRAME_CHANNEL,
      .endpoint = subject,
      .target_index = creator,
      .target_generation = number,
      .timeout_ns = INT64_MAX,
  };
}

static inline weft_frame_t weft_part_head(const weft_part_t* part,
                                          uint16_t subject) {
  return weft_channel_head(part->creator, part->number, subject);
}

// --- Deeds ------------------------------------------------------------------

// What is to be done when the lock has been given back.
typedef struct weft_deed {
  weft_value_t dropped;
  weft_status_t dropped_error;
  weft_dlist_t completed;
  // The hub is to be told something; a use of the part goes with it.
  weft_part_t* teller;
  weft_peer_t* told;
} weft_deed_t;

void weft_deed_init(weft_deed_t* deed);
// Without the lock.
void weft_deed_do(weft_deed_t* deed, const weft_allocator_t* allocator);

// --- part.c -----------------------------------------------------------------

// A part with its ends, all of them away, and one use. It is in no list.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_part_create(weft_runtime_t* runtime,
                               const weft_channel_options_t* options,
                               weft_part_t** out_part);
// Takes a use, if there is any left; and gives one up, and the lock: the part
// may be gone afterwards.
bool weft_part_try_enter(weft_part_t* part);
void weft_part_leave_and_unlock(weft_part_t* part);
void weft_part_leave(weft_part_t* part);
// The key of an end, for those who are to have it. No lock is held.
uint64_t weft_part_key(weft_part_t* part, const weft_end_t* end);

// Counts the uses that a state stands for.
void weft_part_set_state_locked(weft_part_t* part, weft_end_t* end,
                                weft_end_state_t state);

weft_status_t weft_part_closed_status(const weft_part_t* part, const char* why);
// From here on an end is given by its reader; NULL is the writer.
//
// OK when a value can be written, or read; WOULD_BLOCK (a code alone) when it
// is to be waited for.
weft_status_t weft_part_check_locked(const weft_part_t* part,
                                     const weft_part_reader_t* reader);
// Waits for that, in place of `slot_count` leases of one reader.
weft_status_t weft_part_await_locked(weft_part_t* part,
                                     const weft_part_reader_t* reader,
                                     int64_t deadline_ns);
weft_status_t weft_part_ask_ready(weft_part_t* part,
                                  const weft_part_reader_t* reader, bool is_now,
                                  weft_future_t** out_future);
// Wakes whoever may go on: those who write, or those who read.
void weft_part_stir_locked(weft_part_t* part, bool writers, weft_deed_t* deed);
// Puts what is retained already into the slot of `sequence`, which is free.
void weft_part_put_locked(weft_part_t* part, uint64_t sequence,
                          uint64_t holders, weft_value_t value,
                          weft_status_t error, weft_deed_t* deed);
// Takes readers' bits out of a slot. What was the last of it is dropped.
void weft_part_give_back_locked(weft_part_t* part, weft_channel_slot_t* slot,
                                uint64_t bits, weft_deed_t* deed);
// These readers have left: nothing is written for them any more. `reason` is
// why if they did not do so themselves, else WEFT_OK; lent. No lock is held.
void weft_part_end_readers(weft_part_t* part, uint64_t bits,
                           weft_status_t reason);
// Gives back one value that a reader has not read; false when there is none.
bool weft_part_skip_one(weft_part_reader_t* reader);
// These readers, which are elsewhere, have left, and hold nothing any more.
void weft_part_drop_readers(weft_part_t* part, uint64_t bits,
                            weft_status_t reason);
// Nothing more is written, and nothing that is not here will come. Owns: takes
// `reason`, which is not OK, over. No lock is held.
void weft_part_close(weft_part_t* part, weft_status_t reason, bool at_once);
// The same; but values below `end_sequence` are on their way from the hub.
void weft_part_close_at(weft_part_t* part, weft_status_t reason, bool at_once,
                        uint64_t end_sequence);

// --- local.c ----------------------------------------------------------------

extern const weft_writer_vtable_t weft_part_writer_vtable;
extern const weft_reader_vtable_t weft_part_reader_vtable;

// One more handle of an end, with one reference. No lock is held.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_part_add_handle(weft_part_t* part, weft_end_t* end,
                                   weft_object_t** out_handle);

// --- place.c ----------------------------------------------------------------

// Writes what the slot of the next value is free for. Borrows both.
// Errors: as `weft_writer_write`, but for what it waits for.
weft_status_t weft_places_write(weft_part_t* part, weft_value_t value,
                                weft_status_t error);
// Answers a JOIN. Owns: takes both over.
void weft_join_answer(weft_peer_t* peer, uint64_t join_id, weft_status_t error,
                      weft_value_t value);
// A reader that nobody used so far is used at a peer: answers its JOIN, and
// from now on the hub sends what there is for it. Errors: RESOURCE_EXHAUSTED;
// FAILED_PRECONDITION when somebody else came first;
// then nothing was sent.
weft_status_t weft_places_add(weft_part_t* part, weft_end_t* end,
                              weft_peer_t* peer, uint64_t join_id);
// Nobody sends any more: the part is being freed.
void weft_places_free(weft_part_t* part);
// Tells all places that there is nothing more to come.
void weft_places_end(weft_part_t* part);
void weft_places_receive_release(weft_part_t* part, weft_peer_t* peer,
                                 uint64_t sequence, uint64_t bits);
// True, and the rank where it is, for a reader at a place. The lock is held.
bool weft_places_find(const weft_part_t* part, uint32_t reader,
                      uint32_t* out_rank);
// The peers of readers among `bits`; `out_peers` has room for one each. The
// lock is held.
uint32_t weft_places_holding(const weft_part_t* part, uint64_t bits,
                             weft_peer_t* out_peers[]);
void weft_places_receive_leave(weft_part_t* part, weft_peer_t* peer,
                               uint64_t bits);
void weft_places_strike_off(weft_part_t* part, weft_peer_t* peer,
                            weft_status_t reason);
// Takes a place off, as this is not the hub any more: the peer, and its
// readers. NULL when there are none left.
weft_peer_t* weft_places_take_any(weft_part_t* part, uint64_t* out_bits);

// --- feed.c -----------------------------------------------------------------

// Something is to be told to the hub; or that these readers have left. The lock
// is held.
void weft_feed_tell_locked(weft_part_t* part, weft_deed_t* deed);
void weft_feed_leave_locked(weft_part_t* part, uint64_t bits,
                            weft_deed_t* deed);
// A value, or the end of the channel, has come from a peer.
void weft_feed_receive(weft_part_t* part, weft_peer_t* peer,
                       const weft_frame_t* frame);

// --- travel.c ---------------------------------------------------------------

// Has the end be used here: sees to it that nobody else uses it. OK if it is,
// or will be. No lock is held. Errors: FAILED_PRECONDITION when it is used
// elsewhere.
weft_status_t weft_travel_claim(weft_part_t* part, weft_end_t* end);
// A handle has gone; with the last one the end has left this process. No lock
// is held; the part may be gone afterwards.
void weft_travel_release_handle(weft_part_t* part, weft_end_t* end);

// --- join.c -----------------------------------------------------------------

// Asks a peer, the creator or the hub, for an end that is JOINING. What it says
// changes the end's state. A use of the part goes with it. No lock is held.
void weft_join_ask(weft_part_t* part, weft_end_t* end, weft_holder_t holder);
void weft_join_receive(weft_part_t* part, weft_peer_t* peer, uint64_t id,
                       uint32_t number, uint64_t key);
// Has the readers that are used here join at a hub.
void weft_join_follow(weft_part_t* part, weft_holder_t hub);
void weft_join_receive_moved(weft_part_t* part, weft_peer_t* peer,
                             weft_holder_t hub);

// Words about a channel: writes them now, at most WEFT_FRAME_SCALAR_LIMIT, the
// lock of the peer being held (errors: as `weft_peer_write_locked`); or sends
// them, at most three, when there is room (errors: RESOURCE_EXHAUSTED).
weft_status_t weft_travel_write_locked(const weft_frame_t* head,
                                       weft_peer_t* peer,
                                       const weft_value_t* words, size_t count);
weft_status_t weft_travel_send(weft_peer_t* peer, const weft_frame_t* head,
                               const weft_value_t* words, size_t count);
// The same, of what must be said: without memory the peer is lost.
void weft_travel_tell(weft_peer_t* peer, const weft_frame_t* head,
                      const weft_value_t* words, size_t count);
// An end that is used here, or at the creator with nobody, leaves for good. The
// caller has a use of the part.
void weft_travel_end_left(weft_part_t* part, weft_end_t* end);
// Counts copies of an end that nobody uses so far, at the creator. False
// without memory.
bool weft_travel_count_pin_locked(const weft_part_t* part, weft_end_t* end,
                                  weft_peer_t* peer, int64_t count);
// The same, and sees whether any are left. The caller has a use.
void weft_travel_count_copies(weft_part_t* part, weft_end_t* end,
                              weft_peer_t* peer, int64_t count);
weft_status_t weft_travel_used_elsewhere(const weft_part_t* part,
                                         const weft_end_t* end);
// The JOIN of a peer that waits; NULL: there is none.
weft_join_t* weft_travel_find_early_locked(const weft_end_t* end,
                                           const weft_peer_t* peer);
// What a dead peer had of an end is gone.
void weft_travel_forget_peer(weft_part_t* part, weft_end_t* end,
                             const weft_peer_t* peer);

// --- passport.c -------------------------------------------------------------

// The part of a channel, with a use; NULL when there is none.
weft_part_t* weft_travel_find(const weft_runtime_t* runtime,
                              weft_holder_t creator, uint32_t number);
// Takes a part, which is being freed, off the index.
void weft_travel_forget(weft_part_t* part);
void weft_travel_clear_pins_locked(weft_part_t* part, weft_end_t* end);

#endif  // WEFT_CHANNEL_PART_H_
