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
// lend.c     values that are wanted elsewhere than where they are
// answer.c   what is told to a peer out of turn
// raw.c      writing and reading what is encoded already
// place.c    the hub's side of places: what is sent, what comes back
// feed.c     the other side: what comes from the hub, what is told to it
// ringed.c   values into a ring (ring.h) and out of it
// offer.c    how readers come to read from it
// agree.c    values that all have one structure
// stage.c    tensors of devices on their way to other processes
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
#include "channel/ring.h"
#include "peer/outcome.h"
#include "sys/sys.h"
#include "value/structure.h"

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
  // Of a reader at the creator, whose writer is elsewhere: whoever uses it is
  // on the way there, and what is heard meanwhile is passed on.
  WEFT_END_MOVING,
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
  // Readers that have released bytes which are in the ring, while somebody has
  // retained them: the slot stays theirs until those are gone.
  uint64_t viewed;
  // Where several readers here want its tensors; else NULL.
  weft_move_t* move;
  weft_dlist_node_t node;
  // The value is in the ring, and nobody has decoded it so far.
  bool is_encoded;
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
  // elsewhere; and how many are leased, or viewed.
  uint64_t next;
  uint64_t arriving;
  uint32_t leases;
  // Values from this one on are in the ring; UINT64_MAX: none so far. The
  // memory is kept until the part is freed: whoever waits looks at it without
  // the lock. At the hub the cursor is only read.
  uint64_t ring_from;
  weft_cursor_t* cursor;
  weft_value_t cursor_memory;
  // Every value below is released, as the cursor shows or the hub has seen.
  uint64_t low;
};

struct weft_part {
  weft_writer_handle_t writer;
  weft_channel_node_t node;
  const weft_allocator_t* allocator;
  size_t size_bytes;
  uint32_t reader_count;
  uint32_t slot_count;
  // Of a ring; WEFT_CHANNEL_NO_RING: none is made.
  uint32_t slot_bytes;
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
  // Values have one structure.
  bool is_static;

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
  // The value that the writer waits with, and since when; 0: with none so far.
  uint64_t stuck_sequence;
  int64_t stuck_since_ns;
  // What the writer has given up to wait for; else NULL. Of its thread.
  weft_move_t* staging;
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
  // That of all values, once there was one; else none. And the hub is to be
  // told that it is known.
  weft_value_t structure;
  bool owes_agreement;
  // At the hub: of weft_place_t, and how often that changed.
  weft_dlist_t places;
  uint32_t place_changes;
  // The ring, here or the hub's, once there is one; its memory is kept as that
  // of cursors is.
  weft_ring_t ring;
  weft_value_t ring_memory;
  // Whose it is: a forked child has the same pages, and must not write to them.
  uint32_t process;
  // At the hub: readers that were offered the ring, and that read from it; all
  // of those have released every value below.
  uint64_t offered;
  uint64_t ringed;
  uint64_t ring_low;
  // What is reserved is in the ring.
  bool is_reserved_in_ring;
  // The hub waits for what a reader here has released: it is to be rung.
  bool is_bell_due;
};

static inline weft_part_t* weft_part_of_writer(weft_writer_t* writer) {
  return WEFT_CONTAINER_OF(writer, weft_writer_handle_t, base)->part;
}

static inline weft_part_reader_t* weft_part_reader_of(weft_reader_t* reader) {
  return WEFT_CONTAINER_OF(reader, weft_reader_handle_t, base)->reader;
}

static inline bool weft_part_is_forked(const weft_part_t* part) {
  return part->ring.head != NULL && part->process != weft_sys_process_id();
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
  return &part->slots[weft_ring_index(sequence, part->slot_count)];
}

// Whether a value is in its slot, and the reader is to read or release it.
static inline bool weft_part_has_locked(const weft_part_reader_t* reader,
                                        uint64_t sequence) {
  const weft_channel_slot_t* slot = weft_part_slot(reader->end.part, sequence);
  return slot->sequence == sequence &&
         (slot->holders & weft_reader_bit(reader->end.number)) != 0;
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

// The head of what goes to readers, or comes from one.
static inline weft_frame_t weft_part_slot_head(const weft_part_t* part,
                                               uint16_t subject,
                                               uint64_t readers) {
  weft_frame_t head = weft_part_head(part, subject);
  head.type = WEFT_FRAME_SLOT;
  head.sender = readers;
  return head;
}

// --- Deeds ------------------------------------------------------------------

// What is to be done when the lock has been given back.
typedef struct weft_deed {
  weft_value_t dropped;
  weft_status_t dropped_error;
  weft_move_t* dropped_move;
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
weft_status_t weft_part_check_locked(weft_part_t* part,
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
// One lease less; with the last one the hub hears of a reader that has left.
void weft_part_end_lease_locked(weft_part_reader_t* reader, weft_deed_t* deed);
// Gives back what is here that a reader, which has left, has not read.
void weft_part_skip_unread(weft_part_reader_t* reader);
// These readers, which are elsewhere, have left, and hold nothing any more.
void weft_part_drop_readers(weft_part_t* part, uint64_t bits,
                            weft_status_t reason);
// Nothing more is written, and nothing that is not here will come. Owns: takes
// `reason`, which is not OK, over. No lock is held.
void weft_part_close(weft_part_t* part, weft_status_t reason, bool at_once);
// The same; but values below `end_sequence` are on their way from the hub.
void weft_part_close_at(weft_part_t* part, weft_status_t reason, bool at_once,
                        uint64_t end_sequence);

// --- lend.c -----------------------------------------------------------------

// See weft_reader_vtable_t.
void weft_part_unread(const weft_lease_t* lease);
weft_move_t* weft_part_share(const weft_lease_t* lease, weft_move_t* fresh,
                             const weft_destination_t* destination);
void weft_part_unshare(const weft_lease_t* lease, const weft_move_t* move);
weft_runtime_t* weft_part_runtime(weft_reader_t* reader);

// --- local.c ----------------------------------------------------------------

extern const weft_writer_vtable_t weft_part_writer_vtable;
extern const weft_reader_vtable_t weft_part_reader_vtable;

// One more handle of an end, with one reference. No lock is held.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_part_add_handle(weft_part_t* part, weft_end_t* end,
                                   weft_object_t** out_handle);

// For raw.c: what writing and reading begin and end with.
//
// Whether anything can be written now. Errors: FAILED_PRECONDITION.
weft_status_t weft_part_check_unreserved(const weft_part_t* part);
// Waits until the next slot is free. Nobody else takes it: there is one writer.
weft_status_t weft_part_await_write_locked(weft_part_t* part,
                                           int64_t deadline_ns);
// Shows what was filled into the ring, if that can be still.
weft_status_t weft_part_show(weft_part_t* part, weft_ring_kind_t kind,
                             size_t size_bytes);
// Waits until there is something to read.
weft_status_t weft_part_await_read_locked(weft_part_reader_t* reader,
                                          int64_t deadline_ns);
// Leases what is in the slot of the next value, and moves on.
void weft_part_take_locked(weft_part_reader_t* reader, weft_lease_t* out_lease);

// --- raw.c ------------------------------------------------------------------

weft_status_t weft_part_write_encoded(weft_writer_t* writer, const void* data,
                                      size_t size_bytes, int64_t deadline_ns);
weft_status_t weft_part_read_encoded(weft_reader_t* base, int64_t deadline_ns,
                                     weft_lease_t* out_lease);

// --- place.c ----------------------------------------------------------------

// Writes what the slot of the next value is free for; `sent` is what goes to
// other processes for `value`. Borrows all.
// Errors: as `weft_writer_write`, but for what it waits for.
weft_status_t weft_places_write(weft_part_t* part, weft_value_t value,
                                weft_value_t sent, weft_status_t error);
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

// Has readers of the ring, which sleep for what is shown now, wake up.
void weft_places_ring_bells(weft_part_t* part, uint64_t bits);
// Tells a place of something in its turn, among values: `head.id` becomes the
// number of the next value. `is_still` is asked under the lock, and does what
// goes with it; false: nothing is sent. False also without memory.
bool weft_places_tell(weft_part_t* part, weft_peer_t* peer,
                      const weft_frame_t* head,
                      bool (*is_still)(weft_part_t* part, void* user),
                      void* user);

// --- answer.c ---------------------------------------------------------------

// Whoever asks has to read the answers. False, and the peer is lost, if not.
bool weft_answer_check(weft_peer_t* peer);
// Answers a JOIN. Owns: takes both over.
void weft_answer_join(weft_peer_t* peer, uint64_t join_id, weft_status_t error,
                      weft_value_t value);
// Sends one thing that must be said, whatever is in the way: the channel's peer
// is lost if it does not read, or without memory. Owns: takes both over.
void weft_answer_send(weft_peer_t* peer, const weft_frame_t* head,
                      weft_status_t error, weft_value_t value);

// --- ringed.c ---------------------------------------------------------------

// A value as it goes into a slot.
typedef struct weft_ring_entry {
  weft_ring_kind_t kind;
  uint32_t size_bytes;
  const void* data;
  // What `data` may point to.
  uint64_t word;
  weft_encoder_t* encoder;
} weft_ring_entry_t;

// Whether nobody but readers of the ring needs what is written.
static inline bool weft_ringed_is_all_locked(const weft_part_t* part) {
  return part->ringed != 0 && (part->present & ~part->ringed) == 0;
}

// Makes an entry of a value that can be written at once; false when it is not
// that simple, or too large. Borrows both.
bool weft_ringed_enter(const weft_part_t* part, weft_value_t value,
                       weft_status_t error, weft_ring_entry_t* out_entry);
// The same for all that fits into a slot; encodes. `encoder` is the caller's,
// who calls `weft_encoder_deinit` afterwards in any case.
bool weft_ringed_encode(const weft_part_t* part, weft_value_t value,
                        weft_status_t error, weft_encoder_t* encoder,
                        weft_ring_entry_t* out_entry);
// The hub writes the next value into the ring; those who read from it and sleep
// for it are to be rung.
uint64_t weft_ringed_put_locked(weft_part_t* part,
                                const weft_ring_entry_t* entry);
uint64_t weft_ringed_show_locked(weft_part_t* part, weft_ring_kind_t kind,
                                 uint32_t size_bytes);
// Readers of the ring that have not released what is in the next slot.
uint64_t weft_ringed_holders_locked(weft_part_t* part);
// Whether there is something for a reader in the ring: not what comes by frame.
bool weft_ringed_has_locked(const weft_part_reader_t* reader);
// Has the next value of a reader be in its slot: takes it from the ring if need
// be. With `out_bytes`, which is none before, for one who wants it encoded:
// from the ring it goes there, and is not decoded. The lock may be given back
// for a while. Errors: DATA_LOSS; RESOURCE_EXHAUSTED: it can be tried again.
weft_status_t weft_ringed_fetch_locked(weft_part_reader_t* reader,
                                       weft_value_t* out_bytes);
// Has a slot be decoded that is not: takes both over then, and empties them.
void weft_ringed_decoded_locked(weft_channel_slot_t* slot, weft_status_t* error,
                                weft_value_t* value);
// These readers have released what is in a slot. Returns those whose cursor
// says so, now or once the bytes are gone that lie in the ring.
uint64_t weft_ringed_release_locked(weft_part_t* part,
                                    weft_channel_slot_t* slot, uint64_t bits);
// Whether a slot has bytes that lie in the ring.
bool weft_ringed_is_view(const weft_channel_slot_t* slot);
// Whoever asks is to be told when a value can be written, or read; NULL: the
// writer.
// False: whoever it comes from knows it anyway.
bool weft_ringed_announce_locked(weft_part_t* part,
                                 const weft_part_reader_t* reader);
// What a thread that sleeps for that looks at. NULL: it is told.
typedef struct weft_ring_watch {
  weft_watch_t watch;
  weft_ring_t ring;
  weft_cursor_t* cursor;
  uint64_t sequence;
} weft_ring_watch_t;
weft_watch_t* weft_ringed_watch_locked(weft_part_t* part,
                                       const weft_part_reader_t* reader,
                                       weft_ring_watch_t* watch);
// --- offer.c ----------------------------------------------------------------

// Offers the ring to readers at places that were not offered it, if the writer
// is here to stay.
void weft_ringed_offer(weft_part_t* part);
// What peers say of it. Owns: take `value` over.
void weft_ringed_receive_ring(weft_part_t* part, weft_peer_t* peer,
                              uint64_t bits, weft_value_t value);
void weft_ringed_receive_cursor(weft_part_t* part, weft_peer_t* peer,
                                uint64_t bits, weft_value_t value);
weft_status_t weft_ringed_receive_begin(weft_part_t* part, uint64_t bits,
                                        uint64_t sequence);
void weft_ringed_free(weft_part_t* part);

// The place of a peer knows the structure of the values.
void weft_places_receive_agreed(weft_part_t* part, const weft_peer_t* peer);

// --- stage.c ----------------------------------------------------------------

// As `weft_places_write`: tensors of devices are copied to memory of the host
// first. Errors: as `weft_writer_write`; what the devices say.
weft_status_t weft_stage_write(weft_part_t* part, weft_value_t value,
                               weft_status_t error, int64_t deadline_ns);
// Has what stands in a slot be what can be sent; an error becomes the error in
// its place. Owns: takes `value` over, and hands over another. Blocks: until
// the devices are done.
void weft_stage_now(const weft_part_t* part, weft_runtime_t* runtime,
                    weft_value_t* value, weft_status_t* error);

// --- agree.c ----------------------------------------------------------------

// Whether a value, or an error, may be written. `out_first` is the structure,
// if it is agreed with this value, for `weft_agree_written`, which follows.
// Errors: INVALID_ARGUMENT; FAILED_PRECONDITION; RESOURCE_EXHAUSTED.
weft_status_t weft_agree_on(const weft_part_t* part, weft_value_t value,
                            weft_status_t error, weft_value_t* out_first);
// Owns: takes `first` over.
void weft_agree_written(weft_part_t* part, weft_value_t first, bool is_written);
// Whether the data of a value is enough for who knows the structure.
bool weft_agree_suffices(weft_value_t value);
// A reader has joined a hub elsewhere, which is told what is known here.
void weft_agree_joined_locked(weft_part_t* part, weft_deed_t* deed);
// Reads what the hub has sent; what cannot be read becomes the error. Owns:
// hands over both.
void weft_agree_read(weft_part_t* part, weft_peer_t* peer,
                     const weft_frame_t* frame, weft_status_t* out_error,
                     weft_value_t* out_value);
// Tells the hub that the structure is known. The lock of the part and that of
// the peer are held. Errors: as `weft_peer_write_locked`.
weft_status_t weft_agree_write_locked(weft_part_t* part, weft_peer_t* peer);

// --- feed.c -----------------------------------------------------------------

// Something is to be told to the hub; or that these readers have left. The lock
// is held.
void weft_feed_tell_locked(weft_part_t* part, weft_deed_t* deed);
void weft_feed_leave_locked(weft_part_t* part, uint64_t bits,
                            weft_deed_t* deed);
// A value, or the end of the channel, has come from a peer.
void weft_feed_receive(weft_part_t* part, weft_peer_t* peer,
                       const weft_frame_t* frame);
// What the writer sleeps for has been released.
void weft_feed_receive_bell(weft_part_t* part);

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
// A part that a writer has left is gone here: says so to the creator, who asks.
void weft_join_answer_moved(weft_peer_t* peer, const weft_frame_t* frame);
// Tells the creator that these readers have come to the hub, or have left. No
// lock is held.
void weft_join_arrive(weft_part_t* part, uint64_t bits);
// Nobody waits for these any more, of a peer; NULL: of all. The lock is held.
void weft_join_forget_moving_locked(weft_part_t* part, const weft_peer_t* peer,
                                    uint64_t bits);

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
