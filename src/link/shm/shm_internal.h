// SPDX-License-Identifier: Apache-2.0
//
// What the files of this folder share.
//
//   link.c     the writer's side; cursors are published; a link begins, ends
//   inbound.c  the reader's side: frames, messages of the socket, death
//   poll.c     who looks at the links, one thread at a time
//   sleep.c    who sleeps, and is to be woken by peers
//   service.c  the thread that watches sockets
//
// Locks, from the top down: `poll` (a try-lock, below), `lock`, `place_lock`,
// `watch_lock`, a link's `publish_lock`. Callbacks run under `poll` alone,
// which nothing waits for but `weft_link_destroy` and `weft_shm_stop`.

#ifndef WEFT_LINK_SHM_SHM_INTERNAL_H_
#define WEFT_LINK_SHM_SHM_INTERNAL_H_

#include "base/container.h"
#include "base/dlist.h"
#include "link/shm/hello.h"
#include "link/shm/lane.h"
#include "link/shm/shm.h"
#include "sys/event_poll.h"
#include "sys/sys.h"

// --- Memory that peers see --------------------------------------------------

// Who of this process sleeps, for peers to look at after they have published.
// Its low bits say who; the others change with every change of it, so that a
// peer wakes each sleeper once.
typedef enum weft_shm_asleep {
  WEFT_SHM_AWAKE = 0,
  // One more than the weft_sleeper_t who sleeps on a bell.
  WEFT_SHM_ON_IDLE_BELL = 1,
  WEFT_SHM_ON_WAITING_BELL = 2,
  // The service thread, on its sockets.
  WEFT_SHM_IN_SERVICE = 3
} weft_shm_asleep_t;
#define WEFT_SHM_ASLEEP_MASK 3u
#define WEFT_SHM_ASLEEP_STEP 4u

// Written by its process alone.
typedef struct weft_shm_face {
  _Alignas(64) _Atomic uint32_t asleep;
} weft_shm_face_t;

#define WEFT_SHM_PLACE_COUNT 2

// The only memory of a process that others write: futex words, which mean
// nothing but "look again".
typedef struct weft_shm_bell {
  struct {
    _Alignas(64) _Atomic uint32_t word;
  } places[WEFT_SHM_PLACE_COUNT];
} weft_shm_bell_t;

// --- A link -----------------------------------------------------------------

// Bits of `attention`: what the next poll has to see to.
enum {
  // The socket has something, or has been closed.
  WEFT_SHM_SOCKET = 1,
  // `reserve` was refused.
  WEFT_SHM_WANTS_ROOM = 2,
  // `send_descriptor` was refused, and may succeed now.
  WEFT_SHM_WRITABLE = 4,
  // `close` has been called.
  WEFT_SHM_CLOSING = 8,
  // A word of the peer makes no sense.
  WEFT_SHM_BROKEN = 16,
  // Destroyed before its sink was told.
  WEFT_SHM_RETIRED = 32
};

// Its memory stays that of a link until `weft_shm_destroy`: another thread may
// have it in its list of links to flush, and an event of its socket may be on
// its way.
typedef struct weft_shm_link {
  weft_link_t base;
  weft_shm_t* shm;
  weft_link_sink_t* sink;
  // What this side says of itself and expects of the peer.
  weft_shm_hello_t hello;
  int socket;
  _Atomic uint32_t peer_process;
  weft_memfd_t lane;
  weft_memfd_t peer_lane;
  weft_memfd_t peer_face;
  weft_memfd_t peer_bell;
  struct weft_shm_link* next_incoming;
  struct weft_shm_link* next_free;

  // Of who holds `poll`.
  _Alignas(64) weft_dlist_node_t node;
  // The cursors in the peer's lane; some that stay 0 before it is mapped.
  const _Atomic uint64_t* peer_cursors;
  weft_lane_in_t in;
  uint32_t descriptors_received;
  // Polls in vain since frames were taken that the peer does not know of.
  uint32_t polls_owed;
  bool is_hung_up;
  bool is_muted;
  weft_status_t broken;
  _Atomic uint32_t attention;
  // The head, for whoever publishes.
  _Atomic uint32_t consumed;

  // Of the writer.
  _Alignas(64) weft_lane_out_t out;
  // What the refused `reserve` needs.
  _Atomic uint32_t room_needed;
  // A weft_status_code_t once the link has ended.
  _Atomic uint32_t ended;
  // Somebody has begun to end it: the first one counts.
  _Atomic bool is_ending;
  // `closed` of the sink has returned.
  _Atomic bool is_told;
  weft_status_t close_reason;

  // Of who holds `publish_lock`.
  _Alignas(64) _Atomic uint32_t publish_lock;
  bool is_open;
  // Read without the lock by who writes, and who polls.
  _Atomic uint32_t published;
  _Atomic uint32_t published_head;
  // What `asleep` of the peer was when it was last rung.
  uint32_t rung;
  // What the peer's hello brought; the first is stored last.
  const weft_lane_shared_t* _Atomic peer;
  const weft_shm_face_t* face;
  weft_shm_bell_t* bell;
} weft_shm_link_t;

static inline weft_shm_link_t* weft_shm_link_of(weft_link_t* link) {
  return WEFT_CONTAINER_OF(link, weft_shm_link_t, base);
}

// Publishes what is committed and what is consumed; wakes the peer for it.
void weft_shm_publish(weft_shm_link_t* link);
// The memory of the peer is mapped: from now on it is looked at, and woken.
void weft_shm_attach(weft_shm_link_t* link);
// True when what a refused `reserve` needs is there.
bool weft_shm_has_room(weft_shm_link_t* link, uint64_t peer_cursors);
// Flushes what this thread has committed to.
void weft_shm_flush_own(weft_shm_t* shm);
// Tells the peer why this side ends the link. Once, by whoever ends it.
void weft_shm_say_farewell(weft_shm_link_t* link, weft_status_t reason);
// Gives a link that its sink knows to be gone, or never will, back.
void weft_shm_link_recycle(weft_shm_link_t* link);
// Frees the memory of links; all have been recycled.
void weft_shm_link_free_all(weft_shm_t* shm);

// Of who holds `poll`: looks at one link. Returns the number of frames.
uint32_t weft_shm_visit(weft_shm_link_t* link);
// The same, without calling anybody: true when a visit would.
bool weft_shm_peek(weft_shm_link_t* link);

// --- The whole --------------------------------------------------------------

typedef enum weft_shm_poll_word {
  WEFT_SHM_POLL_FREE = 0,
  WEFT_SHM_POLL_HELD = 1,
  // Whoever holds it looks at all links once more before it leaves.
  WEFT_SHM_POLL_AGAIN = 2
} weft_shm_poll_word_t;

typedef struct weft_shm_service {
  weft_sys_thread_t thread;
  weft_epoll_t epoll;
  // Of the thread, once it runs.
  _Atomic uint32_t thread_id;
  _Atomic bool is_stopping;
  weft_mutex_t watch_lock;
  weft_shm_watch_t* watches;
  uint64_t last_watch_id;
  // Of the watch that is being called; 0: none.
  uint64_t running_id;
  uint32_t remover_count;
  _Atomic uint32_t call_ended;
} weft_shm_service_t;

// Where a worker without a task, or a thread that waits, sleeps on the bell.
typedef struct weft_shm_place {
  bool is_taken;
  // When it was last asked for, it was refused.
  bool was_refused;
  // The bell's word when the place was taken.
  uint32_t expected;
  // Rings in a row that came while others polled; see sleep.c.
  uint32_t needless_rings;
  // When the place was last asked for, and `poll_count` at that time.
  uint32_t asked_polls;
  int64_t asked_ns;
} weft_shm_place_t;

struct weft_shm {
  weft_progress_t progress;
  weft_runtime_t* runtime;
  // Never used again for another one.
  uint64_t id;
  uint64_t job;
  uint16_t rank;
  uint16_t incarnation;
  uint32_t ring_bytes;
  weft_memfd_t face_memory;
  weft_memfd_t bell_memory;
  weft_shm_face_t* face;
  weft_shm_bell_t* bell;

  // A weft_shm_poll_word_t. Guards the links.
  _Alignas(64) _Atomic uint32_t poll;
  // The thread that holds it.
  _Atomic uint32_t poller;
  weft_dlist_t links;
  uint32_t scan_count;
  // Polls by others than the service thread.
  _Atomic uint32_t poll_count;
  // New links, not yet in the list.
  weft_shm_link_t* _Atomic incoming;
  // Where frames are copied to. Of who holds `poll`.
  _Alignas(64) unsigned char frame[WEFT_LINK_FRAME_LIMIT];

  // Guards the service's start, `is_stopped` and `free_links`.
  _Alignas(64) weft_mutex_t lock;
  bool is_stopped;
  weft_shm_link_t* free_links;

  // Guards what follows, and writes to the face.
  _Alignas(64) weft_mutex_t place_lock;
  weft_shm_place_t places[WEFT_SHM_PLACE_COUNT];
  bool service_sleeps;
  // The service thread looks again within milliseconds.
  bool is_ticking;
  uint32_t arm_count;
  uint32_t arms_seen;
  uint32_t polls_seen;

  weft_shm_service_t service;
};

// Looks at all links, or has whoever is at it do so. Calls sinks. Thread: any,
// with no lock held.
void weft_shm_progress_all(weft_shm_t* shm);
// Takes `poll`, however long that takes; false when the caller is in a
// callback under it.
bool weft_shm_poll_enter(weft_shm_t* shm);
// Looks at all links and gives `poll` back.
void weft_shm_poll_leave(weft_shm_t* shm);
// True when a poll would find something. Thread: as above.
bool weft_shm_poll_peek(weft_shm_t* shm);
// Adds a link. Thread: any; locks may be held.
void weft_shm_poll_add(weft_shm_t* shm, weft_shm_link_t* link);
uint32_t weft_shm_poll(weft_progress_t* progress);

bool weft_shm_arm(weft_progress_t* progress, weft_sleeper_t sleeper,
                  weft_bell_t* out_bell);
void weft_shm_disarm(weft_progress_t* progress, weft_sleeper_t sleeper);
// The service thread is awake: it is to tick if it was who sleeps.
void weft_shm_service_wakes(weft_shm_t* shm);
// How long the service thread may wait now, after a wait of `timeout_ms`; -1:
// without limit. Calls sinks.
int weft_shm_service_rest(weft_shm_t* shm, int timeout_ms, bool timed_out);

weft_status_t weft_shm_service_init(weft_shm_service_t* service);
// Starts the thread if it does not run. `lock` is held.
weft_status_t weft_shm_service_start_locked(weft_shm_t* shm);
// Ends the thread.
void weft_shm_service_stop(weft_shm_t* shm);
void weft_shm_service_deinit(weft_shm_service_t* service);
// Has the service thread look at all links. Thread: any; locks may be held.
void weft_shm_service_kick(weft_shm_t* shm);
// How events of a link's socket are told from others.
uint64_t weft_shm_link_tag(weft_shm_link_t* link);

#endif  // WEFT_LINK_SHM_SHM_INTERNAL_H_
