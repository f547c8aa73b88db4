// SPDX-License-Identifier: Apache-2.0
//
// The reader's side of a link: frames, messages of the socket, and the end.
// All of it runs under `poll`, and believes nothing that it reads.

#include <string.h>

#include "base/assert.h"
#include "link/shm/shm_internal.h"
#include "sys/crash_point.h"

// After this many polls in vain the peer is told what was taken. Until then
// that goes with the next frame, for nothing: by itself it takes the line of
// the cursors away from a peer that looks at it.
#define POLLS_OWED_LIMIT 64

// Of the socket.
#define MESSAGES_A_POLL 32

static void break_link(weft_shm_link_t* link, weft_status_t reason) {
  if (link->broken == WEFT_OK) {
    link->broken = reason;
  } else {
    weft_status_release(reason);
  }
  // Relaxed: of this thread, who is the one to look at it.
  atomic_fetch_or_explicit(&link->attention, WEFT_SHM_BROKEN,
                           memory_order_relaxed);
}

static weft_status_t make_no_sense(const weft_shm_link_t* link,
                                   const char* what) {
  return weft_status_make(WEFT_STATUS_DATA_LOSS,
                          "%s of rank %u (process %u) makes no sense; its "
                          "memory is damaged, or it is not weft",
                          what, link->hello.peer_rank,
                          weft_shm_peer_process(&link->base));
}

// --- The socket -------------------------------------------------------------

static weft_status_t map_hello(weft_shm_link_t* link,
                               weft_shm_received_t* received) {
  const weft_shm_hello_t* hello = &received->data.hello;
  int* descriptors = received->message.descriptors;
  weft_memfd_t* memories[WEFT_SHM_HELLO_DESCRIPTORS] = {
      [WEFT_SHM_LANE] = &link->peer_lane,
      [WEFT_SHM_FACE] = &link->peer_face,
      [WEFT_SHM_BELL] = &link->peer_bell,
  };
  const size_t sizes[WEFT_SHM_HELLO_DESCRIPTORS] = {
      [WEFT_SHM_LANE] = weft_lane_memory_bytes(hello->ring_bytes),
      [WEFT_SHM_FACE] = weft_sys_page_bytes(),
      [WEFT_SHM_BELL] = weft_sys_page_bytes(),
  };
  weft_status_t status = WEFT_OK;
  for (int i = 0; i < WEFT_SHM_HELLO_DESCRIPTORS && status == WEFT_OK; i++) {
    weft_memfd_access_t access =
        i == WEFT_SHM_BELL ? WEFT_MEMFD_SHARED : WEFT_MEMFD_ONE_WRITER;
    int descriptor = descriptors[i];
    descriptors[i] = -1;
    status = weft_memfd_map(descriptor, sizes[i], access, memories[i]);
    weft_memfd_close_descriptor(memories[i]);
  }
  return status;
}

static void take_hello(weft_shm_link_t* link, weft_shm_received_t* received) {
  weft_status_t status = weft_shm_check_hello(received, &link->hello);
  if (status == WEFT_OK) {
    status = map_hello(link, received);
  }
  if (status != WEFT_OK) {
    break_link(link, status);
    return;
  }
  const weft_lane_shared_t* peer = link->peer_lane.data;
  weft_lane_in_init(&link->in, peer, (uint32_t)received->data.hello.ring_bytes);
  link->peer_cursors = &peer->cursors;
  // Relaxed: a number by itself.
  atomic_store_explicit(&link->peer_process, received->message.process,
                        memory_order_relaxed);
  weft_crash_point("before it attaches");
  weft_shm_attach(link);
  weft_crash_point("behind it has attached");
}

static void take_descriptor(weft_shm_link_t* link,
                            weft_shm_received_t* received) {
  bool is_lost = received->message.descriptor_count == 0;
  int descriptor = is_lost ? -1 : received->message.descriptors[0];
  received->message.descriptor_count = 0;
  link->descriptors_received++;
  weft_crash_point("with a descriptor received");
  if (link->is_muted) {
    weft_sys_close(descriptor);
  } else {
    link->sink->vtable->descriptor(link->sink, received->data.note.tag,
                                   descriptor);
  }
}

static void take_message(weft_shm_link_t* link, weft_shm_received_t* received) {
  bool is_hello = received->data.kind == WEFT_SHM_HELLO;
  if (link->in.shared == NULL) {
    take_hello(link, received);
  } else if (is_hello) {
    break_link(link, make_no_sense(link, "a second hello"));
  } else if (received->data.kind == WEFT_SHM_DESCRIPTOR) {
    take_descriptor(link, received);
  }
  weft_shm_close_received(received);
}

// Takes all that has come, or one message at the most.
static bool read_message(weft_shm_link_t* link) {
  weft_shm_received_t received;
  weft_status_t status = weft_shm_receive(link->socket, &received);
  weft_status_code_t code = weft_status_code(status);
  if (code == WEFT_STATUS_OK) {
    take_message(link, &received);
    return true;
  }
  if (code == WEFT_STATUS_WOULD_BLOCK || code == WEFT_STATUS_CLOSED) {
    link->is_hung_up |= code == WEFT_STATUS_CLOSED;
    weft_status_release(status);
  } else {
    break_link(link, status);
  }
  return false;
}

// Takes what has come; more than so many in the next poll, so that a peer which
// goes on for ever holds up nobody else.
static void read_some(weft_shm_link_t* link) {
  uint32_t count = 0;
  while (count < MESSAGES_A_POLL && link->broken == WEFT_OK &&
         read_message(link)) {
    count++;
  }
  if (count == MESSAGES_A_POLL) {
    // Relaxed: of this thread, who is the one to look at it.
    atomic_fetch_or_explicit(&link->attention, WEFT_SHM_SOCKET,
                             memory_order_relaxed);
  }
}

// Takes all that had come before this side shut the socket down: that has an
// end, and the hello may be in it.
static void read_rest(weft_shm_link_t* link) {
  while (link->broken == WEFT_OK && read_message(link)) {
  }
}

// Takes the descriptors that were sent ahead of the frames that have come:
// they are in the socket already, since its writer published afterwards. More
// may have been taken: a descriptor is sent before it is counted.
static bool take_descriptors(weft_shm_link_t* link) {
  // Relaxed: the tail that was acquired tells of it.
  uint32_t sent =
      atomic_load_explicit(&link->in.shared->descriptors, memory_order_relaxed);
  // More may have come than are counted: the writer counts after it has sent.
  uint32_t count = 0;
  while ((int32_t)(sent - link->descriptors_received) > 0 &&
         link->broken == WEFT_OK && count++ < MESSAGES_A_POLL) {
    if (!read_message(link) && link->broken == WEFT_OK) {
      break_link(link, make_no_sense(link, "the count of descriptors"));
    }
  }
  // Else the next poll goes on.
  return link->broken == WEFT_OK &&
         (int32_t)(sent - link->descriptors_received) <= 0;
}

// --- Frames -----------------------------------------------------------------

static void give_frame(weft_shm_link_t* link, const void* data,
                       uint32_t size_bytes) {
  // Before the call, which may publish an answer: then this goes with it.
  // Release: pairs with the acquire of who publishes; the copy is made.
  atomic_store_explicit(&link->consumed, link->in.head, memory_order_release);
  if (size_bytes > 0 && !link->is_muted) {
    link->sink->vtable->frame(link->sink, data, size_bytes);
  }
}

static uint32_t bytes_owed(const weft_shm_link_t* link) {
  // Relaxed: a hint; what is missed now is seen by the next poll.
  return link->in.head -
         atomic_load_explicit(&link->published_head, memory_order_relaxed);
}

static void tell_head(weft_shm_link_t* link) {
  link->polls_owed = 0;
  weft_shm_publish(link);
}

static uint32_t take_frames(weft_shm_link_t* link, uint32_t available) {
  unsigned char* buffer = link->shm->frame;
  uint32_t often = link->in.ring_bytes / 4;
  uint32_t count = 0;
  while (available > 0) {
    uint32_t head = link->in.head;
    uint32_t size_bytes;
    if (!weft_lane_take(&link->in, available, buffer, &size_bytes)) {
      break_link(link, make_no_sense(link, "the size of a frame"));
      break;
    }
    available -= link->in.head - head;
    count += size_bytes > 0;
    give_frame(link, buffer, size_bytes);
    if (bytes_owed(link) >= often) {
      tell_head(link);
    }
  }
  return count;
}

// Takes all that these cursors tell of.
static uint32_t deliver(weft_shm_link_t* link, uint64_t cursors) {
  uint32_t available;
  if (!weft_lane_available(&link->in, cursors, &available)) {
    break_link(link, make_no_sense(link, "the tail"));
    return 0;
  }
  weft_crash_point("before frames are taken");
  if (!take_descriptors(link)) {
    return 0;
  }
  uint32_t count = 0;
  uint32_t express_bytes = weft_lane_express_bytes(cursors);
  if (express_bytes > 0 && available == WEFT_LANE_LINE_BYTES) {
    _Alignas(8) unsigned char frame[WEFT_LANE_EXPRESS_BYTES];
    weft_lane_take_express(&link->in, frame);
    give_frame(link, frame, express_bytes);
    count = 1;
  } else {
    count = take_frames(link, available);
  }
  // Relaxed: if the peer begins to want room after this, it finds some once
  // this side has been idle for a moment.
  weft_crash_point("behind frames were taken");
  if (bytes_owed(link) > 0 && atomic_load_explicit(&link->in.shared->wants_room,
                                                   memory_order_relaxed) != 0) {
    tell_head(link);
  }
  return count;
}

// --- The end ----------------------------------------------------------------

// Why the peer ended the link, by its word.
static weft_status_t read_farewell(const weft_shm_link_t* link,
                                   weft_status_code_t code) {
  char text[WEFT_LANE_TEXT_BYTES];
  memcpy(text, link->in.shared->farewell_text, sizeof(text));
  text[sizeof(text) - 1] = '\0';
  for (char* at = text; *at != '\0'; at++) {
    // It may be printed.
    *at = (unsigned char)*at < ' ' ? ' ' : *at;
  }
  return weft_status_make(code, "%s", text);
}

static weft_status_t reason_of_end(weft_shm_link_t* link, bool is_closing) {
  weft_status_t reason = WEFT_OK;
  uint32_t rank = link->hello.peer_rank;
  uint32_t process = weft_shm_peer_process(&link->base);
  // Acquire: pairs with the release in the peer's close.
  uint32_t farewell = link->in.shared == NULL
                          ? WEFT_STATUS_OK
                          : atomic_load_explicit(&link->in.shared->farewell,
                                                 memory_order_acquire);
  if (is_closing) {
    reason = link->close_reason;
    link->close_reason = WEFT_OK;
    if (reason == WEFT_OK) {
      reason = weft_status_make(WEFT_STATUS_CLOSED,
                                "the link to rank %u has been closed", rank);
    }
  } else if (link->broken != WEFT_OK) {
    reason = link->broken;
    link->broken = WEFT_OK;
  } else if (farewell == WEFT_STATUS_CLOSED) {
    reason =
        weft_status_make(WEFT_STATUS_CLOSED,
                         "rank %u (process %u) closed the link", rank, process);
  } else if (farewell != WEFT_STATUS_OK && farewell < WEFT_STATUS_CODE_COUNT) {
    reason = weft_status_make_caused(
        WEFT_STATUS_CLOSED, read_farewell(link, (weft_status_code_t)farewell),
        "rank %u (process %u) closed the link because of an error there", rank,
        process);
  } else if (process == 0) {
    reason = weft_status_make(WEFT_STATUS_PEER_DIED,
                              "rank %u died before it said hello", rank);
  } else {
    reason = weft_status_make(WEFT_STATUS_PEER_DIED,
                              "rank %u (process %u) died", rank, process);
  }
  return reason;
}

// The link has ended: tells the sink. The link may be gone afterwards.
static void tell(weft_shm_link_t* link, bool is_closing) {
  bool is_broken = !is_closing && link->broken != WEFT_OK;
  weft_status_t reason = reason_of_end(link, is_closing);
  weft_status_code_t code = weft_status_code(reason);
  if (is_broken) {
    // The peer is not to take this process for dead.
    weft_shm_say_farewell(link, reason);
  }
  weft_dlist_remove(&link->node);
  weft_epoll_remove(&link->shm->service.epoll, link->socket);
  weft_socket_shutdown(link->socket);
  if (link->is_muted) {
    weft_status_release(reason);
  } else {
    link->sink->vtable->closed(link->sink, reason);
  }
  // Behind the call: whoever is refused knows why by then. Relaxed: see
  // `link_reserve`.
  atomic_store_explicit(
      &link->ended, code == WEFT_STATUS_CLOSED ? code : WEFT_STATUS_PEER_DIED,
      memory_order_relaxed);
  // Acquire: pairs with the release of who retires it.
  uint32_t attention =
      atomic_load_explicit(&link->attention, memory_order_acquire);
  if ((attention & WEFT_SHM_RETIRED) != 0) {
    weft_shm_link_recycle(link);
  } else {
    // Release: pairs with the acquire of who destroys it.
    atomic_store_explicit(&link->is_told, true, memory_order_release);
  }
}

// Ends the link: takes what was published before the end, then tells.
static uint32_t finish(weft_shm_link_t* link, uint32_t attention) {
  bool is_closing = (attention & WEFT_SHM_CLOSING) != 0;
  // Acquire and release: as in `link_close`. Whoever was first there goes on
  // to set CLOSING.
  if (!is_closing &&
      atomic_exchange_explicit(&link->is_ending, true, memory_order_acq_rel)) {
    return 0;
  }
  uint32_t count = 0;
  if (is_closing) {
    read_rest(link);
  }
  if (link->broken == WEFT_OK && link->in.shared != NULL) {
    // Acquire: pairs with the peer's last store, before its socket was closed.
    count = deliver(
        link, atomic_load_explicit(link->peer_cursors, memory_order_acquire));
  }
  tell(link, is_closing);
  return count;
}

// --- Looking ----------------------------------------------------------------

static void clear_attention(weft_shm_link_t* link, uint32_t bits) {
  // Acquire and release: what follows looks after this, so that what is set
  // meanwhile is found by the next poll.
  atomic_fetch_and_explicit(&link->attention, ~bits, memory_order_acq_rel);
}

static bool room_has_come(weft_shm_link_t* link) {
  // Sequentially consistent: the peer stores its head, then looks whether
  // this side sleeps; this side says so, then looks here.
  return weft_shm_has_room(
      link, atomic_load_explicit(link->peer_cursors, memory_order_seq_cst));
}

static void give_room(weft_shm_link_t* link) {
  if (!link->is_muted) {
    link->sink->vtable->room(link->sink);
  }
}

static uint32_t deliver_new(weft_shm_link_t* link) {
  // Sequentially consistent: pairs with the peer's store of the tail, before
  // it looks at `asleep`. It acquires what the tail tells of.
  uint64_t cursors =
      atomic_load_explicit(link->peer_cursors, memory_order_seq_cst);
  return weft_lane_tail(cursors) != link->in.head ? deliver(link, cursors) : 0;
}

// Sees to what the bits say; the link may be gone afterwards.
static uint32_t attend(weft_shm_link_t* link, uint32_t attention) {
  uint32_t count = 0;
  if ((attention & WEFT_SHM_SOCKET) != 0) {
    clear_attention(link, WEFT_SHM_SOCKET);
    read_some(link);
    // If that was the hello, there may be frames.
    count = deliver_new(link);
  }
  if ((attention & WEFT_SHM_BROKEN) != 0 && link->broken == WEFT_OK) {
    break_link(link, make_no_sense(link, "the head"));
  }
  if ((attention & WEFT_SHM_CLOSING) != 0 || link->broken != WEFT_OK ||
      link->is_hung_up) {
    return count + finish(link, attention);
  }
  if ((attention & WEFT_SHM_WRITABLE) != 0) {
    clear_attention(link, WEFT_SHM_WRITABLE);
    give_room(link);
  }
  if ((attention & WEFT_SHM_WANTS_ROOM) != 0 && room_has_come(link)) {
    clear_attention(link, WEFT_SHM_WANTS_ROOM);
    // Relaxed: a wake-up too many does no harm.
    atomic_store_explicit(&link->out.shared->wants_room, 0,
                          memory_order_relaxed);
    give_room(link);
  }
  return count;
}

uint32_t weft_shm_visit(weft_shm_link_t* link) {
  uint32_t count = deliver_new(link);
  if (count > 0) {
    link->polls_owed = 0;
  } else if (bytes_owed(link) > 0 && ++link->polls_owed >= POLLS_OWED_LIMIT) {
    tell_head(link);
  }
  // Acquire: pairs with the release of who sets bits.
  uint32_t attention =
      atomic_load_explicit(&link->attention, memory_order_acquire);
  return attention != 0 ? count + attend(link, attention) : count;
}

bool weft_shm_peek(weft_shm_link_t* link) {
  if (bytes_owed(link) > 0) {
    // Who sleeps owes nothing.
    tell_head(link);
  }
  // Acquire: pairs with the release of who sets bits.
  uint32_t attention =
      atomic_load_explicit(&link->attention, memory_order_acquire);
  // Sequentially consistent: as in `weft_shm_visit`.
  uint64_t cursors =
      atomic_load_explicit(link->peer_cursors, memory_order_seq_cst);
  return weft_lane_tail(cursors) != link->in.head ||
         (attention & ~(uint32_t)WEFT_SHM_WANTS_ROOM) != 0 ||
         ((attention & WEFT_SHM_WANTS_ROOM) != 0 && room_has_come(link));
}
