// SPDX-License-Identifier: Apache-2.0
//
// Loans of memory between runtimes: what others are told of what ends here,
// and what they tell of what this runtime has lent.
//
//   owner A                  holder B                     holder C
//   lend(block, B) --frame with the block--> B
//                            LEND(block, C) --> A, then the frame --> C
//                            RELEASE(block) --> A         RELEASE(block) --> A
//
// B writes LEND before it sends to C, so when B dies the owner, who reads B's
// lane to its end first, knows that C holds the block. C's release may reach
// the owner before B's LEND does: counts are below zero for a moment. It says
// that the loan was B's: so if B has made it up, that is between A and B.

#include "peer/loans.h"

#include "base/container.h"
#include "base/memory.h"
#include "memory/memory.h"
#include "sys/crash_point.h"
#include "sys/slab.h"
#include "sys/unix_socket.h"

// --- Entries of a frame -----------------------------------------------------

static weft_frame_loan_t entry_make(const weft_block_name_t* name,
                                    weft_holder_t other) {
  weft_frame_loan_t entry = {
      .segment = name->segment,
      .generation = name->generation,
      .offset_bytes = name->offset_bytes,
      .size_bytes = name->size_bytes,
      .segment_bytes = name->segment_bytes,
      .other = other,
      .count = 1,
  };
  return entry;
}

static weft_block_name_t entry_name(const weft_frame_loan_t* entry) {
  weft_block_name_t name = {
      .segment = entry->segment,
      .generation = entry->generation,
      .offset_bytes = entry->offset_bytes,
      .size_bytes = entry->size_bytes,
      .segment_bytes = entry->segment_bytes,
  };
  return name;
}

// Writes as many as fit into a frame; the lock is held.
static weft_status_t write_entries_locked(weft_peer_t* peer,
                                          weft_frame_type_t type,
                                          const weft_frame_loan_t* entries,
                                          uint32_t count) {
  weft_frame_t frame = {
      .type = (uint8_t)type,
      .id = count,
      .timeout_ns = INT64_MAX,
  };
  return weft_peer_write_locked(peer, &frame, entries, count * sizeof(*entries),
                                WEFT_LINK_RESERVED);
}

// The entries of a frame that was received, and checked.
static const weft_frame_loan_t* entries_of(const weft_frame_t* frame) {
  return (const weft_frame_loan_t*)(const void*)(frame + 1);
}

// --- As the owner -----------------------------------------------------------

// What a peer says of one loan.
static weft_status_t note_entry(weft_peer_t* peer, uint8_t type,
                                const weft_frame_loan_t* entry) {
  weft_arena_t* arena = weft_memory_arena(peer->runtime);
  weft_holder_t from = weft_peer_holder(peer);
  weft_block_name_t name = entry_name(entry);
  switch (type) {
    case WEFT_FRAME_LEND:
      return weft_arena_lend_on(arena, &name, from, entry->other);
    case WEFT_FRAME_UNLEND:
      return weft_arena_take_back(arena, &name, from, entry->other);
    default:
      return weft_arena_give_back(arena, &name, entry->other, from,
                                  entry->count);
  }
}

void weft_loans_receive(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_status_t status = WEFT_OK;
  for (uint64_t i = 0; i < frame->id && status == WEFT_OK; i++) {
    status = note_entry(peer, frame->type, &entries_of(frame)[i]);
  }
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
  }
  weft_loans_tell_dropped(peer->peers);
}

// A segment is gone, on its way to be told.
typedef struct dropped {
  weft_outgoing_t outgoing;
  // Owner << 32 | segment.
  uint64_t tag;
} dropped_t;

static weft_status_t write_dropped(weft_outgoing_t* outgoing,
                                   weft_peer_t* peer) {
  const dropped_t* dropped = WEFT_CONTAINER_OF(outgoing, dropped_t, outgoing);
  weft_frame_t frame = {
      .type = WEFT_FRAME_DROP,
      .id = (uint32_t)dropped->tag,
      .target_index = (uint32_t)(dropped->tag >> 32),
      .timeout_ns = INT64_MAX,
  };
  return weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED);
}

static void end_dropped(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_slab_free(peer->runtime->slab,
                 WEFT_CONTAINER_OF(outgoing, dropped_t, outgoing),
                 sizeof(dropped_t));
}

// Tells one peer, if it was shown the segment.
static void tell_dropped(weft_peer_t* peer, void* user) {
  weft_slab_t* slab = peer->runtime->slab;
  uint64_t tag = *(const uint64_t*)user;
  weft_mutex_lock(&peer->lock);
  weft_table_node_t* node = weft_table_remove(&peer->segments, tag);
  weft_mutex_unlock(&peer->lock);
  if (node == NULL) {
    return;
  }
  weft_slab_free(slab, node, WEFT_SHOWN_BYTES);
  dropped_t* dropped = weft_slab_allocate(slab, sizeof(*dropped));
  // Without memory the peer keeps it mapped until it or this runtime ends.
  if (dropped != NULL) {
    *dropped = (dropped_t){
        .outgoing = {.write = write_dropped, .end = end_dropped},
        .tag = tag,
    };
    weft_peer_send(peer, &dropped->outgoing);
  }
}

static void tell_all_dropped(weft_peers_t* peers, weft_holder_t owner,
                             uint32_t segment) {
  uint64_t tag = (uint64_t)owner << 32 | segment;
  weft_peers_visit(peers, tell_dropped, &tag);
}

void weft_loans_tell_dropped(weft_peers_t* peers) {
  uint32_t segment;
  while (weft_arena_take_dropped(weft_memory_arena(peers->runtime), &segment)) {
    tell_all_dropped(peers, weft_peers_self(peers), segment);
  }
}

// It is passed on as the segment was, once nobody says any more that there is
// one. What is gone of this runtime's own nobody else says.
void weft_loans_receive_drop(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_imports_t* imports = weft_memory_imports(peer->runtime);
  weft_holder_t owner = frame->target_index;
  uint32_t segment = (uint32_t)frame->id;
  if (owner != weft_peers_self(peer->peers) &&
      weft_imports_drop(imports, weft_peer_holder(peer), owner, segment)) {
    tell_all_dropped(peer->peers, owner, segment);
  }
}

void weft_loans_strike_off(weft_peer_t* peer) {
  weft_runtime_t* runtime = peer->runtime;
  // Incarnation 0: it was never there.
  if (weft_peer_incarnation(peer) != 0) {
    weft_arena_strike_off(weft_memory_arena(runtime), weft_peer_holder(peer));
    weft_imports_strike_off(weft_memory_imports(runtime),
                            weft_peer_holder(peer));
  }
  weft_mutex_lock(&peer->lock);
  peer->loan_count -= peer->ended_count;
  peer->ended_count = 0;
  weft_mutex_unlock(&peer->lock);
}

// --- As a holder ------------------------------------------------------------

// Whether a life is over, or never was; as far as is known. Another peer's word
// makes none known: the job tells of them.
static bool is_over(weft_peers_t* peers, weft_holder_t holder) {
  const weft_peer_t* peer = weft_peers_life(peers, holder);
  const weft_peer_t* present = weft_peers_at(peers, (uint16_t)(holder >> 16));
  uint16_t life = present != NULL ? weft_peer_incarnation(present) : 0;
  return peer != NULL ? weft_peer_state(peer) == WEFT_PEER_DEAD
                      : life != 0 && (int16_t)(life - holder) > 0;
}

static void flush_missed_locked(weft_peer_t* peer) {
  weft_frame_t frame = {.type = WEFT_FRAME_MISSED, .timeout_ns = INT64_MAX};
  if (peer->has_missed) {
    weft_status_t status =
        weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED);
    // When there is room it is tried again.
    peer->has_missed = weft_status_ignore(status) != WEFT_STATUS_OK;
  }
}

// There was no room for a segment. What lies in it cannot be read, and whoever
// has sent it shows it again with what it sends next. Owns: takes `why` over.
static void miss_segment(weft_peer_t* peer, weft_status_t why) {
  weft_mutex_lock(&peer->lock);
  weft_status_t former = peer->missed;
  peer->missed = why;
  peer->has_missed = true;
  flush_missed_locked(peer);
  weft_peer_flush_locked(peer);
  weft_mutex_unlock(&peer->lock);
  weft_status_release(former);
}

static weft_status_t add_segment(weft_peer_t* peer, weft_holder_t owner,
                                 uint32_t segment, int descriptor) {
  if (descriptor < 0) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "a descriptor that rank %u has sent was lost, as "
                            "this process may not open one more file; raise "
                            "its limit (ulimit -n)",
                            peer->rank);
  }
  return weft_imports_add(weft_memory_imports(peer->runtime),
                          weft_peer_holder(peer), owner, segment, descriptor);
}

void weft_loans_receive_segment(weft_peer_t* peer, uint64_t tag,
                                int descriptor) {
  weft_peers_t* peers = peer->peers;
  weft_holder_t owner = (weft_holder_t)(tag >> 32);
  uint32_t rank = owner >> 16;
  if (rank >= WEFT_RANK_LIMIT || rank == peer->runtime->rank) {
    weft_sys_close(descriptor);
    weft_peer_break(peer,
                    weft_status_make(WEFT_STATUS_DATA_LOSS,
                                     "rank %u sends memory of rank %u, which "
                                     "is no other rank",
                                     peer->rank, rank));
    return;
  }
  weft_status_t status = add_segment(peer, owner, (uint32_t)tag, descriptor);
  if (weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    miss_segment(peer, status);
  } else if (status != WEFT_OK) {
    weft_peer_break(peer, status);
  } else if (is_over(peers, owner)) {
    // It died, and what it left was forgotten, while another lent it on. This
    // is looked at afterwards: who buries it says so before it forgets.
    weft_imports_strike_off(weft_memory_imports(peer->runtime), owner);
  }
}

// Makes sure that the end of one more loan can be noted. The lock is held.
static bool reserve_locked(weft_peer_t* owner) {
  if (owner->loan_count < owner->loan_capacity) {
    return true;
  }
  const weft_allocator_t* allocator = owner->runtime->allocator;
  uint32_t capacity = owner->loan_capacity == 0 ? 16 : owner->loan_capacity * 2;
  size_t size_bytes = capacity * sizeof(*owner->ended_loans);
  weft_frame_loan_t* ended = weft_memory_allocate(allocator, size_bytes);
  if (ended == NULL) {
    return false;
  }
  if (owner->ended_count > 0) {
    memcpy(ended, owner->ended_loans,
           owner->ended_count * sizeof(*owner->ended_loans));
  }
  weft_memory_free(allocator, owner->ended_loans,
                   owner->loan_capacity * sizeof(*owner->ended_loans));
  owner->ended_loans = ended;
  owner->loan_capacity = capacity;
  return true;
}

void weft_loans_give_back_locked(weft_peer_t* peer) {
  if (peer->loan_count == 0) {
    weft_memory_free(peer->runtime->allocator, peer->ended_loans,
                     peer->loan_capacity * sizeof(*peer->ended_loans));
    peer->ended_loans = NULL;
    peer->loan_capacity = 0;
  }
}

void weft_loans_flush_locked(weft_peer_t* peer) {
  flush_missed_locked(peer);
  while (peer->ended_count > 0) {
    uint32_t count = peer->ended_count < WEFT_FRAME_LOAN_LIMIT
                         ? peer->ended_count
                         : WEFT_FRAME_LOAN_LIMIT;
    weft_status_t status = write_entries_locked(
        peer, WEFT_FRAME_RELEASE, &peer->ended_loans[peer->ended_count - count],
        count);
    if (status != WEFT_OK) {
      // When there is room it is tried again; a dead peer needs not know.
      weft_status_release(status);
      return;
    }
    peer->ended_count -= count;
    peer->loan_count -= count;
  }
}

// The last reader of a block that a peer has lent is gone.
static void loan_ended(void* user, const weft_borrowed_t* borrowed) {
  weft_peer_t* owner = user;
  weft_crash_point("before a loan is given back");
  weft_mutex_lock(&owner->lock);
  if (weft_peer_state(owner) == WEFT_PEER_DEAD) {
    owner->loan_count--;
    weft_loans_give_back_locked(owner);
  } else {
    owner->ended_loans[owner->ended_count++] =
        entry_make(&borrowed->name, borrowed->lender);
    weft_loans_flush_locked(owner);
    weft_peer_flush_locked(owner);
  }
  weft_mutex_unlock(&owner->lock);
}

// The peer that is to be told of the end of a loan; begins to connect if need
// be. What a lender says of an owner is only its word, and makes no life of it
// known. Errors: NOT_FOUND.
static weft_status_t find_owner(weft_peers_t* peers, weft_holder_t holder,
                                weft_peer_t** out_owner) {
  uint16_t rank = (uint16_t)(holder >> 16);
  WEFT_RETURN_IF_ERROR(weft_peers_reach(peers->runtime, rank, out_owner));
  *out_owner = weft_peers_life(peers, holder);
  return *out_owner != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_NOT_FOUND,
                                "life %u of rank %u is not known here",
                                holder & 0xffff, rank);
}

// Notes a loan, of which one more can be told that it has ended then.
static weft_status_t note_loan(weft_peer_t* owner) {
  weft_mutex_lock(&owner->lock);
  bool has_room = reserve_locked(owner);
  owner->loan_count += has_room ? 1 : 0;
  weft_mutex_unlock(&owner->lock);
  return has_room ? WEFT_OK
                  : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                     "no memory to note a loan of rank %u",
                                     owner->rank);
}

static void tell(weft_peer_t* owner, weft_frame_type_t type,
                 const weft_frame_loan_t* entry);

// Why a segment is not here. Owns: takes `status` over.
static weft_status_t explain_missing(weft_peer_t* lender, weft_peer_t* owner,
                                     weft_status_t status) {
  if (weft_peer_state(owner) == WEFT_PEER_DEAD) {
    weft_status_release(status);
    return weft_peer_death(owner, "a tensor is lost");
  }
  weft_mutex_lock(&lender->lock);
  weft_status_t missed = weft_status_retain(lender->missed);
  weft_mutex_unlock(&lender->lock);
  if (missed == WEFT_OK) {
    return status;
  }
  weft_status_release(status);
  return weft_status_make_caused(WEFT_STATUS_RESOURCE_EXHAUSTED, missed,
                                 "memory of rank %u found no room here when "
                                 "rank %u lent it",
                                 owner->rank, lender->rank);
}

weft_status_t weft_loans_borrow(weft_peer_t* lender, weft_holder_t holder,
                                const weft_block_name_t* name,
                                weft_storage_t** out_storage) {
  weft_peers_t* peers = lender->peers;
  weft_peer_t* owner = NULL;
  const weft_borrowed_t borrowed = {holder, weft_peer_holder(lender), *name};
  *out_storage = NULL;
  WEFT_RETURN_IF_ERROR(find_owner(peers, holder, &owner));
  weft_status_t status = note_loan(owner);
  if (status != WEFT_OK) {
    // It has been lent all the same.
    const weft_frame_loan_t entry = entry_make(name, borrowed.lender);
    tell(owner, WEFT_FRAME_RELEASE, &entry);
    return status;
  }
  status = weft_imports_storage(weft_memory_imports(peers->runtime), &borrowed,
                                loan_ended, owner, out_storage);
  if (status != WEFT_OK) {
    // It has been lent, and is given back unused.
    loan_ended(owner, &borrowed);
  }
  return weft_status_code(status) == WEFT_STATUS_NOT_FOUND
             ? explain_missing(lender, owner, status)
             : status;
}

// --- Lending on -------------------------------------------------------------

// Asks for a link to an owner.
static void ask_for(weft_peer_t* owner) {
  weft_status_release(weft_peers_reach(owner->runtime, owner->rank, &owner));
}

weft_status_t weft_loans_lend_on(weft_peers_t* peers, weft_holder_t owner,
                                 const weft_block_name_t* name,
                                 weft_holder_t to) {
  weft_peer_t* peer = weft_peers_life(peers, owner);
  if (peer == NULL) {
    return WEFT_OK;
  }
  weft_frame_loan_t entry = entry_make(name, to);
  weft_mutex_lock(&peer->lock);
  bool is_refused = weft_peer_is_refused(peer);
  // The memory of a dead owner is nobody's, and stays while it is mapped.
  weft_status_t status =
      weft_peer_state(peer) == WEFT_PEER_DEAD
          ? WEFT_OK
          : write_entries_locked(peer, WEFT_FRAME_LEND, &entry, 1);
  if (status == WEFT_OK && peer->link != NULL) {
    // Before the frame that it is about, which goes another way.
    weft_link_flush(peer->link);
  }
  weft_mutex_unlock(&peer->lock);
  if (is_refused) {
    // This one fails. The next may find a link, which is asked for here.
    weft_status_release(status);
    status = weft_peer_death(peer, "a tensor cannot be lent on");
    ask_for(peer);
  }
  return status;
}

// What is told of one loan, on its way.
typedef struct news {
  weft_outgoing_t outgoing;
  weft_frame_type_t type;
  weft_frame_loan_t entry;
} news_t;

static void end_news(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_slab_free(peer->runtime->slab,
                 WEFT_CONTAINER_OF(outgoing, news_t, outgoing), sizeof(news_t));
}

static weft_status_t write_news(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  const news_t* news = WEFT_CONTAINER_OF(outgoing, news_t, outgoing);
  return write_entries_locked(peer, news->type, &news->entry, 1);
}

// Without memory it is told now, or the link is closed: what is told of a loan
// too late would be told never.
static void tell_now(weft_peer_t* owner, weft_frame_type_t type,
                     const weft_frame_loan_t* entry) {
  weft_mutex_lock(&owner->lock);
  weft_status_t status = weft_peer_state(owner) != WEFT_PEER_DEAD
                             ? write_entries_locked(owner, type, entry, 1)
                             : WEFT_OK;
  weft_peer_flush_locked(owner);
  weft_mutex_unlock(&owner->lock);
  if (weft_status_ignore(status) == WEFT_STATUS_WOULD_BLOCK) {
    weft_peer_break(owner,
                    weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                     "no memory to give back a loan of rank %u",
                                     owner->rank));
  }
}

static void tell(weft_peer_t* owner, weft_frame_type_t type,
                 const weft_frame_loan_t* entry) {
  news_t* news = weft_slab_allocate(owner->runtime->slab, sizeof(*news));
  if (news == NULL) {
    tell_now(owner, type, entry);
  } else {
    *news = (news_t){
        .outgoing = {.write = write_news, .end = end_news},
        .type = type,
        .entry = *entry,
    };
    weft_peer_send(owner, &news->outgoing);
  }
}

void weft_loans_unlend(weft_peers_t* peers, weft_holder_t owner,
                       const weft_block_name_t* name, weft_holder_t to) {
  weft_peer_t* peer = weft_peers_life(peers, owner);
  if (peer != NULL) {
    const weft_frame_loan_t entry = entry_make(name, to);
    tell(peer, WEFT_FRAME_UNLEND, &entry);
  }
}

// --- Segments ---------------------------------------------------------------

// In place of a mapping: the peer may not have got it.
#define SHOWN_IN_VAIN UINT64_MAX

// What a peer was shown last as a segment; 0: this runtime's own.
typedef struct shown {
  weft_table_node_t node;
  uint64_t mapping;
} shown_t;

_Static_assert(sizeof(shown_t) == WEFT_SHOWN_BYTES, "freed by peer.c");

// Sends it under its name, from now on.
static weft_status_t show(weft_peer_t* peer, uint64_t tag, uint64_t mapping,
                          int descriptor) {
  weft_slab_t* slab = peer->runtime->slab;
  weft_table_node_t* node = weft_table_find(&peer->segments, tag);
  shown_t* shown = node != NULL ? WEFT_CONTAINER_OF(node, shown_t, node)
                                : weft_slab_allocate(slab, sizeof(*shown));
  if (shown == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to note a segment");
  }
  weft_status_t status = weft_link_send_descriptor(peer->link, tag, descriptor);
  if (status == WEFT_OK) {
    shown->mapping = mapping;
  }
  if (status == WEFT_OK && node == NULL) {
    weft_table_insert(&peer->segments, &shown->node, tag);
  } else if (node == NULL) {
    weft_slab_free(slab, shown, sizeof(*shown));
  }
  return status;
}

static void forget_shown(void* user, weft_table_node_t* node) {
  (void)user;
  // It stays listed: the peer may have it, and hears when it is gone.
  WEFT_CONTAINER_OF(node, shown_t, node)->mapping = SHOWN_IN_VAIN;
}

void weft_loans_receive_missed(weft_peer_t* peer) {
  weft_mutex_lock(&peer->lock);
  weft_table_visit(&peer->segments, forget_shown, NULL);
  weft_mutex_unlock(&peer->lock);
}

weft_status_t weft_loans_show_segment_locked(weft_peer_t* peer,
                                             weft_holder_t owner,
                                             uint32_t segment,
                                             const weft_storage_t* storage) {
  weft_peers_t* peers = peer->peers;
  weft_runtime_t* runtime = peers->runtime;
  uint64_t tag = (uint64_t)owner << 32 | segment;
  bool is_own = owner == weft_peers_self(peers);
  uint64_t mapping = 0;
  if (owner == weft_peer_holder(peer)) {
    return WEFT_OK;
  }
  int descriptor = is_own
                       ? -1
                       : weft_imports_descriptor(weft_memory_imports(runtime),
                                                 storage, &mapping);
  weft_table_node_t* node = weft_table_find(&peer->segments, tag);
  if (node != NULL &&
      WEFT_CONTAINER_OF(node, shown_t, node)->mapping == mapping) {
    return WEFT_OK;
  }
  if (is_own) {
    descriptor = weft_arena_descriptor(weft_memory_arena(runtime), segment);
  }
  return descriptor >= 0
             ? show(peer, tag, mapping, descriptor)
             // Its owner has died since the tensor was packed.
             : weft_status_make(WEFT_STATUS_PEER_DIED,
                                "a tensor cannot be lent on: rank %u, whose it "
                                "is, is gone",
                                owner >> 16);
}
