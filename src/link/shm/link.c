// SPDX-License-Identifier: Apache-2.0
//
// The writer's side of a link, and how one begins and ends.

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "link/shm/shm_internal.h"
#include "sys/crash_point.h"

// --- Publishing -------------------------------------------------------------

#define SPINS_BEFORE_YIELD 64

static void lock_publish(weft_shm_link_t* link) {
  uint32_t spins = 0;
  // Acquire: pairs with the release in `unlock_publish`.
  while (atomic_exchange_explicit(&link->publish_lock, 1,
                                  memory_order_acquire) != 0) {
    if (++spins % SPINS_BEFORE_YIELD == 0) {
      weft_sys_yield();
    } else {
      weft_sys_pause();
    }
  }
}

static void unlock_publish(weft_shm_link_t* link) {
  // Release: pairs with the acquire in `lock_publish`.
  atomic_store_explicit(&link->publish_lock, 0, memory_order_release);
}

// Wakes who sleeps in the peer, unless that has been done.
static void ring_locked(weft_shm_link_t* link) {
  // Sequentially consistent, after the store of the cursors: the peer stores
  // `asleep` and then looks at the cursors, so one of the two sees the other.
  uint32_t asleep =
      atomic_load_explicit(&link->face->asleep, memory_order_seq_cst);
  uint32_t who = asleep & WEFT_SHM_ASLEEP_MASK;
  if (who == WEFT_SHM_AWAKE || asleep == link->rung) {
    return;
  }
  link->rung = asleep;
  if (who == WEFT_SHM_IN_SERVICE) {
    weft_shm_send_ring(link->socket);
  } else {
    _Atomic uint32_t* word = &link->bell->places[who - 1].word;
    // Release: pairs with the acquire of who armed this bell.
    atomic_fetch_add_explicit(word, 1, memory_order_release);
    weft_futex_wake_shared(word, 1);
  }
}

// The size of the frame that goes by express, after it was put there; 0: none.
static uint32_t express_locked(weft_shm_link_t* link,
                               const weft_lane_shared_t* peer,
                               uint32_t published, uint32_t committed) {
  uint32_t size_bytes = weft_lane_single(&link->out, published, committed);
  // Acquire: pairs with the store of the peer's cursors. When it has taken all
  // that was published it does not look at `express` any more.
  if (size_bytes == 0 || peer == NULL ||
      weft_lane_head(atomic_load_explicit(&peer->cursors,
                                          memory_order_acquire)) != published) {
    return 0;
  }
  weft_lane_fill_express(&link->out, published);
  return size_bytes;
}

static void publish_locked(weft_shm_link_t* link) {
  // Acquire: pairs with the release of the writer's commit.
  uint32_t committed =
      atomic_load_explicit(&link->out.committed, memory_order_acquire);
  // Acquire: pairs with the release of who takes frames.
  uint32_t consumed =
      atomic_load_explicit(&link->consumed, memory_order_acquire);
  // Relaxed: stored under this lock.
  uint32_t published_head =
      atomic_load_explicit(&link->published_head, memory_order_relaxed);
  // Relaxed: stored under this lock.
  uint32_t published =
      atomic_load_explicit(&link->published, memory_order_relaxed);
  bool has_frames = committed != published;
  if (!has_frames && consumed == published_head) {
    return;
  }
  // Acquire: pairs with the release after the peer's hello.
  const weft_lane_shared_t* peer =
      atomic_load_explicit(&link->peer, memory_order_acquire);
  uint32_t express = express_locked(link, peer, published, committed);
  weft_crash_point("before frames are published");
  // Sequentially consistent: pairs with the peer's loads after it has stored
  // `asleep` or `wants_room`.
  atomic_store_explicit(&link->out.shared->cursors,
                        weft_lane_cursors(committed, express, consumed),
                        memory_order_seq_cst);
  weft_crash_point("with frames published");
  // Relaxed, both: hints to who writes, and who polls.
  atomic_store_explicit(&link->published, committed, memory_order_relaxed);
  atomic_store_explicit(&link->published_head, consumed, memory_order_relaxed);
  // Sequentially consistent: pairs with the peer's store before it looks at
  // the head once more.
  if (peer != NULL &&
      (has_frames ||
       atomic_load_explicit(&peer->wants_room, memory_order_seq_cst) != 0)) {
    ring_locked(link);
    weft_crash_point("behind the bell");
  }
}

void weft_shm_publish(weft_shm_link_t* link) {
  lock_publish(link);
  if (link->is_open) {
    publish_locked(link);
  }
  unlock_publish(link);
}

void weft_shm_attach(weft_shm_link_t* link) {
  lock_publish(link);
  link->face = link->peer_face.data;
  link->bell = link->peer_bell.data;
  // Release: pairs with the acquire of who writes; who publishes has the lock.
  atomic_store_explicit(&link->peer, link->peer_lane.data,
                        memory_order_release);
  // The peer may know this lane for long, and sleep: what was published until
  // now could not wake it.
  ring_locked(link);
  unlock_publish(link);
}

// --- Links to flush ---------------------------------------------------------

#define DIRTY_LIMIT 8

// Links of one `weft_shm_t` that this thread has committed frames to. One that
// was recycled meanwhile does no harm: publishing is fine at any time.
typedef struct dirty {
  uint64_t shm_id;
  uint32_t count;
  weft_shm_link_t* links[DIRTY_LIMIT];
} dirty_t;

static _Thread_local dirty_t own_dirty;

static uint32_t find_dirty(const dirty_t* dirty, const weft_shm_link_t* link) {
  uint32_t i = 0;
  while (i < dirty->count && dirty->links[i] != link) {
    i++;
  }
  return i;
}

static void add_dirty(weft_shm_link_t* link) {
  dirty_t* dirty = &own_dirty;
  if (dirty->count == 0) {
    dirty->shm_id = link->shm->id;
  }
  if (dirty->shm_id != link->shm->id) {
    weft_shm_publish(link);
    return;
  }
  if (find_dirty(dirty, link) < dirty->count) {
    return;
  }
  if (dirty->count == DIRTY_LIMIT) {
    weft_shm_publish(link);
  } else {
    dirty->links[dirty->count++] = link;
  }
}

static void remove_dirty(weft_shm_link_t* link) {
  dirty_t* dirty = &own_dirty;
  uint32_t i = find_dirty(dirty, link);
  if (i < dirty->count) {
    dirty->links[i] = dirty->links[--dirty->count];
  }
}

void weft_shm_flush_own(weft_shm_t* shm) {
  dirty_t* dirty = &own_dirty;
  if (dirty->count == 0 || dirty->shm_id != shm->id) {
    return;
  }
  for (uint32_t i = 0; i < dirty->count; i++) {
    weft_shm_publish(dirty->links[i]);
  }
  dirty->count = 0;
}

// --- Writing ----------------------------------------------------------------

static weft_status_t ended(const weft_shm_link_t* link, uint32_t code) {
  if (code == WEFT_STATUS_CLOSED) {
    return weft_status_make(WEFT_STATUS_CLOSED,
                            "the link to rank %u has been closed",
                            link->hello.peer_rank);
  }
  return weft_status_make(WEFT_STATUS_PEER_DIED, "rank %u has died",
                          link->hello.peer_rank);
}

bool weft_shm_has_room(weft_shm_link_t* link, uint64_t peer_cursors) {
  // Acquire: pairs with the release in `wait_for_room`; with it come what is
  // committed and needed, which do not change while the writer waits.
  uint32_t needed =
      atomic_load_explicit(&link->room_needed, memory_order_acquire);
  // Relaxed: as above.
  uint32_t committed =
      atomic_load_explicit(&link->out.committed, memory_order_relaxed);
  uint32_t used = committed - weft_lane_head(peer_cursors);
  uint32_t ring_bytes = link->out.ring_bytes;
  uint32_t half = ring_bytes / 2;
  // Half of the ring, so that a writer who waits does so seldom.
  return used <= ring_bytes &&
         ring_bytes - used >= (needed > half ? needed : half);
}

static void set_attention(weft_shm_link_t* link, uint32_t bit) {
  // Release: pairs with the acquire of who polls.
  atomic_fetch_or_explicit(&link->attention, bit, memory_order_release);
}

// Looks at the peer's head. False when the room is not there.
static bool look_for_room(weft_shm_link_t* link, uint32_t need) {
  weft_lane_out_t* out = &link->out;
  // Acquire: pairs with the release after the peer's hello.
  const weft_lane_shared_t* peer =
      atomic_load_explicit(&link->peer, memory_order_acquire);
  if (peer == NULL) {
    return weft_lane_free(out, 0) >= need;
  }
  // Sequentially consistent: pairs with the peer's store of its head, after
  // which it looks at `wants_room`. It acquires, too: the peer is done with
  // the lines below its head.
  uint32_t head = weft_lane_head(
      atomic_load_explicit(&peer->cursors, memory_order_seq_cst));
  uint32_t free_bytes = weft_lane_free(out, head);
  if (free_bytes > out->ring_bytes) {
    set_attention(link, WEFT_SHM_BROKEN);
    weft_shm_service_kick(link->shm);
    return false;
  }
  out->peer_head = head;
  return free_bytes >= need;
}

static bool wait_for_room(weft_shm_link_t* link, uint32_t need) {
  _Atomic uint32_t* wants_room = &link->out.shared->wants_room;
  // Release: pairs with the acquire in `weft_shm_has_room`.
  atomic_store_explicit(&link->room_needed, need, memory_order_release);
  // What is not published takes room that the peer cannot give back.
  weft_shm_publish(link);
  // Before the peer can see that room is wanted: whoever it wakes then has to
  // find this.
  set_attention(link, WEFT_SHM_WANTS_ROOM);
  // Sequentially consistent: pairs with the peer's load after it has stored
  // its head.
  atomic_store_explicit(wants_room, 1, memory_order_seq_cst);
  if (!look_for_room(link, need)) {
    return false;
  }
  // Relaxed: a wake-up too many does no harm.
  atomic_store_explicit(wants_room, 0, memory_order_relaxed);
  // Relaxed: as above; whoever polls has found it, or does not need to.
  atomic_fetch_and_explicit(&link->attention, ~(uint32_t)WEFT_SHM_WANTS_ROOM,
                            memory_order_relaxed);
  return true;
}

static weft_status_t link_reserve(weft_link_t* base, size_t size_bytes,
                                  weft_link_room_t room, void** out_data) {
  weft_shm_link_t* link = weft_shm_link_of(base);
  weft_lane_out_t* out = &link->out;
  *out_data = NULL;
  weft_assert(size_bytes > 0 && size_bytes <= WEFT_LINK_FRAME_LIMIT);
  // Relaxed: who writes a moment too late writes to nobody, which is fine.
  uint32_t code = atomic_load_explicit(&link->ended, memory_order_relaxed);
  if (code != WEFT_STATUS_OK) {
    return ended(link, code);
  }
  uint32_t need =
      weft_lane_need(out, (uint32_t)size_bytes) +
      (room == WEFT_LINK_ORDINARY ? (uint32_t)WEFT_LINK_RESERVE_BYTES : 0);
  if (weft_lane_free(out, out->peer_head) < need &&
      !look_for_room(link, need) && !wait_for_room(link, need)) {
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  *out_data = weft_lane_reserve(out, (uint32_t)size_bytes);
  return WEFT_OK;
}

// What is written without a flush is published as soon as there is so much of
// it: else a peer that has nothing else to do sleeps meanwhile. Units: bytes.
#define UNPUBLISHED_LIMIT 1024

static void link_commit(weft_link_t* base, size_t size_bytes) {
  weft_shm_link_t* link = weft_shm_link_of(base);
  weft_crash_point("before a frame is complete");
  weft_lane_commit(&link->out, (uint32_t)size_bytes);
  // Relaxed, both: as in `link_flush`.
  uint32_t unpublished =
      atomic_load_explicit(&link->out.committed, memory_order_relaxed) -
      atomic_load_explicit(&link->published, memory_order_relaxed);
  if (unpublished >= UNPUBLISHED_LIMIT) {
    weft_shm_publish(link);
  } else {
    add_dirty(link);
  }
}

static void link_flush(weft_link_t* base) {
  weft_shm_link_t* link = weft_shm_link_of(base);
  remove_dirty(link);
  // Relaxed, both: only this thread commits; a flush by another one that runs
  // right now does what this one would.
  if (atomic_load_explicit(&link->out.committed, memory_order_relaxed) !=
      atomic_load_explicit(&link->published, memory_order_relaxed)) {
    weft_shm_publish(link);
  }
}

static weft_status_t link_send_descriptor(weft_link_t* base, uint64_t tag,
                                          int descriptor) {
  weft_shm_link_t* link = weft_shm_link_of(base);
  // Relaxed: as in `link_reserve`.
  uint32_t code = atomic_load_explicit(&link->ended, memory_order_relaxed);
  if (code != WEFT_STATUS_OK) {
    return ended(link, code);
  }
  weft_status_t status =
      weft_shm_send_descriptor(link->socket, tag, descriptor);
  if (status == WEFT_OK) {
    // Relaxed: the tail that is published next, by a release, tells of it; and
    // only the writer changes it.
    atomic_fetch_add_explicit(&link->out.shared->descriptors, 1,
                              memory_order_relaxed);
  } else if (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK) {
    // The event comes now if there is room meanwhile.
    weft_epoll_change(&link->shm->service.epoll, link->socket,
                      WEFT_EPOLL_READ | WEFT_EPOLL_WRITE | WEFT_EPOLL_EDGE,
                      weft_shm_link_tag(link));
  }
  return status;
}

// --- The end ----------------------------------------------------------------

void weft_shm_say_farewell(weft_shm_link_t* link, weft_status_t reason) {
  weft_lane_shared_t* shared = link->out.shared;
  weft_status_code_t code = weft_status_code(reason);
  (void)snprintf(shared->farewell_text, sizeof(shared->farewell_text), "%s",
                 weft_status_message(reason));
  // Release: after the last frame, and the text. The peer looks at it once the
  // socket is shut down.
  atomic_store_explicit(&shared->farewell,
                        code != WEFT_STATUS_OK ? code : WEFT_STATUS_CLOSED,
                        memory_order_release);
  weft_crash_point("with a farewell said");
}

static void link_close(weft_link_t* base, weft_status_t reason) {
  weft_shm_link_t* link = weft_shm_link_of(base);
  // Acquire and release: the first of those who end the link goes on.
  if (atomic_exchange_explicit(&link->is_ending, true, memory_order_acq_rel)) {
    weft_status_release(reason);
    return;
  }
  link_flush(base);
  link->close_reason = reason;
  // Relaxed: see `link_reserve`.
  atomic_store_explicit(&link->ended, WEFT_STATUS_CLOSED, memory_order_relaxed);
  weft_shm_say_farewell(link, reason);
  weft_socket_shutdown(link->socket);
  set_attention(link, WEFT_SHM_CLOSING);
  weft_shm_service_kick(link->shm);
}

static bool is_told(weft_shm_link_t* link) {
  // Acquire: pairs with the release of who told the sink.
  return atomic_load_explicit(&link->is_told, memory_order_acquire);
}

// Ends a link whose sink is not to be called any more. Whoever polls gives it
// back.
static void retire(weft_shm_link_t* link) {
  weft_shm_t* shm = link->shm;
  link_close(&link->base, WEFT_OK);
  bool has_entered = weft_shm_poll_enter(shm);
  if (has_entered && is_told(link)) {
    weft_shm_poll_leave(shm);
    weft_shm_link_recycle(link);
    return;
  }
  link->is_muted = true;
  set_attention(link, WEFT_SHM_RETIRED);
  if (has_entered) {
    weft_shm_poll_leave(shm);
  } else {
    // In a callback: this thread looks at the link when that has returned.
    weft_shm_progress_all(shm);
  }
}

static void link_destroy(weft_link_t* base) {
  weft_shm_link_t* link = weft_shm_link_of(base);
  remove_dirty(link);
  if (is_told(link)) {
    weft_shm_link_recycle(link);
  } else {
    retire(link);
  }
}

static const weft_link_vtable_t vtable = {
    .destroy = link_destroy,
    .reserve = link_reserve,
    .commit = link_commit,
    .flush = link_flush,
    .send_descriptor = link_send_descriptor,
    .close = link_close,
};

// --- Beginning --------------------------------------------------------------

static weft_shm_link_t* take_memory(weft_shm_t* shm) {
  weft_mutex_lock(&shm->lock);
  weft_shm_link_t* link = shm->free_links;
  if (link != NULL) {
    shm->free_links = link->next_free;
  }
  weft_mutex_unlock(&shm->lock);
  if (link == NULL) {
    const weft_allocator_t* allocator = shm->runtime->allocator;
    link = allocator->allocate(allocator->self, sizeof(*link), 64);
    if (link == NULL) {
      return NULL;
    }
    memset(link, 0, sizeof(*link));
    link->socket = -1;
    link->lane = (weft_memfd_t)WEFT_MEMFD_NONE;
    link->peer_lane = (weft_memfd_t)WEFT_MEMFD_NONE;
    link->peer_face = (weft_memfd_t)WEFT_MEMFD_NONE;
    link->peer_bell = (weft_memfd_t)WEFT_MEMFD_NONE;
  }
  return link;
}

void weft_shm_link_recycle(weft_shm_link_t* link) {
  weft_shm_t* shm = link->shm;
  lock_publish(link);
  link->is_open = false;
  unlock_publish(link);
  weft_epoll_remove(&shm->service.epoll, link->socket);
  weft_sys_close(link->socket);
  link->socket = -1;
  weft_memfd_release(&link->lane);
  weft_memfd_release(&link->peer_lane);
  weft_memfd_release(&link->peer_face);
  weft_memfd_release(&link->peer_bell);
  weft_status_release(link->close_reason);
  link->close_reason = WEFT_OK;
  weft_status_release(link->broken);
  link->broken = WEFT_OK;
  weft_mutex_lock(&shm->lock);
  link->next_free = shm->free_links;
  shm->free_links = link;
  weft_mutex_unlock(&shm->lock);
}

void weft_shm_link_free_all(weft_shm_t* shm) {
  const weft_allocator_t* allocator = shm->runtime->allocator;
  while (shm->free_links != NULL) {
    weft_shm_link_t* link = shm->free_links;
    shm->free_links = link->next_free;
    allocator->free(allocator->self, link, sizeof(*link));
  }
}

// Fresh memory, or that of a link that was recycled, which nobody uses but who
// has it in a list of links to flush, and looks at `is_open` first.
static void reset(weft_shm_link_t* link, weft_shm_t* shm,
                  weft_link_sink_t* sink) {
  static const _Atomic uint64_t no_cursors;
  link->base.vtable = &vtable;
  link->shm = shm;
  link->sink = sink;
  link->node = (weft_dlist_node_t){NULL, NULL};
  link->peer_cursors = &no_cursors;
  link->in = (weft_lane_in_t){0};
  link->descriptors_received = 0;
  link->polls_owed = 0;
  link->is_hung_up = false;
  link->is_muted = false;
  // Relaxed, all of them: the link is not in any list yet.
  atomic_store_explicit(&link->peer_process, 0, memory_order_relaxed);
  atomic_store_explicit(&link->attention, 0, memory_order_relaxed);
  atomic_store_explicit(&link->consumed, 0, memory_order_relaxed);
  atomic_store_explicit(&link->room_needed, 0, memory_order_relaxed);
  atomic_store_explicit(&link->ended, WEFT_STATUS_OK, memory_order_relaxed);
  atomic_store_explicit(&link->is_ending, false, memory_order_relaxed);
  atomic_store_explicit(&link->is_told, false, memory_order_relaxed);
}

static void open_publishing(weft_shm_link_t* link) {
  lock_publish(link);
  weft_lane_out_init(&link->out, link->lane.data, link->shm->ring_bytes);
  link->rung = 0;
  link->face = NULL;
  link->bell = NULL;
  // Relaxed: under the lock, before anybody else knows of the link.
  atomic_store_explicit(&link->published, 0, memory_order_relaxed);
  atomic_store_explicit(&link->published_head, 0, memory_order_relaxed);
  atomic_store_explicit(&link->peer, NULL, memory_order_relaxed);
  link->is_open = true;
  unlock_publish(link);
}

static weft_status_t say_hello(weft_shm_link_t* link) {
  weft_shm_t* shm = link->shm;
  const int descriptors[WEFT_SHM_HELLO_DESCRIPTORS] = {
      [WEFT_SHM_LANE] = link->lane.descriptor,
      [WEFT_SHM_FACE] = shm->face_memory.descriptor,
      [WEFT_SHM_BELL] = shm->bell_memory.descriptor,
  };
  weft_status_t status =
      weft_shm_send_hello(link->socket, &link->hello, descriptors);
  weft_status_code_t code = weft_status_code(status);
  if (code == WEFT_STATUS_PEER_DIED) {
    // What it wrote before is still to be delivered, and then its death told.
    weft_status_release(status);
    status = WEFT_OK;
  } else if (code == WEFT_STATUS_WOULD_BLOCK) {
    weft_status_release(status);
    status = weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "the socket of a link is full before its first message");
  }
  return status;
}

// Steps of `weft_shm_open`, until one fails.
static weft_status_t set_up(weft_shm_link_t* link) {
  weft_shm_t* shm = link->shm;
  WEFT_RETURN_IF_ERROR(weft_socket_prepare(link->socket, WEFT_SOCKET_PACKETS));
  if (!weft_sys_may_open(WEFT_SHM_HELLO_DESCRIPTORS + 1)) {
    // To be told while the link can be had later, not when it is lost.
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "a link to another process needs %d more files "
                            "than this process may open; raise the limit of "
                            "open files (ulimit -n)",
                            WEFT_SHM_HELLO_DESCRIPTORS);
  }
  WEFT_RETURN_IF_ERROR(
      weft_memfd_create("weft-lane", weft_lane_memory_bytes(shm->ring_bytes),
                        WEFT_MEMFD_ONE_WRITER, &link->lane));
  open_publishing(link);
  WEFT_RETURN_IF_ERROR(say_hello(link));
  // The peer has it now.
  weft_memfd_close_descriptor(&link->lane);
  weft_mutex_lock(&shm->lock);
  weft_status_t status = shm->is_stopped ? weft_status_make(WEFT_STATUS_CLOSED,
                                                            "the runtime stops")
                                         : weft_shm_service_start_locked(shm);
  weft_mutex_unlock(&shm->lock);
  if (status == WEFT_OK) {
    status = weft_epoll_add(&shm->service.epoll, link->socket,
                            WEFT_EPOLL_READ | WEFT_EPOLL_EDGE,
                            weft_shm_link_tag(link));
  }
  return status;
}

weft_status_t weft_shm_open(weft_shm_t* shm, int socket, uint16_t peer_rank,
                            uint16_t peer_incarnation, weft_link_sink_t* sink,
                            weft_link_t** out_link) {
  *out_link = NULL;
  weft_shm_link_t* link = take_memory(shm);
  if (link == NULL) {
    weft_sys_close(socket);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a link to rank %u", peer_rank);
  }
  reset(link, shm, sink);
  link->socket = socket;
  link->hello = (weft_shm_hello_t){
      .kind = WEFT_SHM_HELLO,
      .version = WEFT_SHM_VERSION,
      .job = shm->job,
      .rank = shm->rank,
      .incarnation = shm->incarnation,
      .peer_rank = peer_rank,
      .peer_incarnation = peer_incarnation,
      .ring_bytes = shm->ring_bytes,
  };
  weft_status_t status = set_up(link);
  if (status != WEFT_OK) {
    weft_shm_link_recycle(link);
    return status;
  }
  // Before anybody can call the sink.
  *out_link = &link->base;
  weft_shm_poll_add(shm, link);
  weft_shm_service_kick(shm);
  return WEFT_OK;
}

uint32_t weft_shm_peer_process(const weft_link_t* link) {
  const weft_shm_link_t* self =
      WEFT_CONST_CONTAINER_OF(link, weft_shm_link_t, base);
  // Relaxed: a number by itself.
  return atomic_load_explicit(&self->peer_process, memory_order_relaxed);
}
