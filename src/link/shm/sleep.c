// SPDX-License-Identifier: Apache-2.0
//
// Who sleeps. There are three places, of which the face shows peers one:
//
//   waiting   a thread in the middle of something; goes before
//   idle      a worker without a task; goes before
//   service   the service thread, in epoll
//
// When the last sleeper leaves its place nobody would be woken any more, and
// it may be long until somebody polls. So the service thread ticks: it looks
// again within milliseconds, until either a sleeper has stayed in its place
// for a whole tick, or nobody has polled for one; then it takes the third
// place itself. In steady traffic it just ticks, and no one pays for waking
// it; when nothing happens there are no wake-ups at all.

#include "link/shm/shm_internal.h"

#define TICK_MS_MIN 1
#define TICK_MS_MAX 4

// A thread that spins, or calls and waits in turn, finds frames before one
// that sleeps has woken up. Whoever wakes that one pays for it all the same,
// and it takes the core from the thread that spins. So a sleeper that was rung
// this often in a row while others polled, at least this often on average, is
// not needed: it leaves its place empty, and asks again after a while whether
// they still do.
#define NEEDLESS_LIMIT 4
#define BUSY_POLL_NS 50000
#define RETRY_NS 500000

static weft_shm_asleep_t who_locked(const weft_shm_t* shm) {
  if (shm->places[WEFT_SLEEPER_WAITING].is_taken) {
    return WEFT_SHM_ON_WAITING_BELL;
  }
  if (shm->places[WEFT_SLEEPER_IDLE].is_taken) {
    return WEFT_SHM_ON_IDLE_BELL;
  }
  return shm->service_sleeps ? WEFT_SHM_IN_SERVICE : WEFT_SHM_AWAKE;
}

static void show_locked(weft_shm_t* shm) {
  _Atomic uint32_t* asleep = &shm->face->asleep;
  // Relaxed: only written under the lock.
  uint32_t before = atomic_load_explicit(asleep, memory_order_relaxed);
  uint32_t now = ((before & ~WEFT_SHM_ASLEEP_MASK) + WEFT_SHM_ASLEEP_STEP) |
                 (uint32_t)who_locked(shm);
  // Sequentially consistent: pairs with the peer's load after it has stored
  // its cursors. Either it sees this, or what follows sees what it stored.
  atomic_store_explicit(asleep, now, memory_order_seq_cst);
}

// Has the service thread tick if nobody sleeps. True when it has to be woken
// for that.
static bool leave_locked(weft_shm_t* shm, weft_sleeper_t sleeper) {
  shm->places[sleeper].is_taken = false;
  show_locked(shm);
  bool is_vacant = who_locked(shm) == WEFT_SHM_AWAKE;
  bool begins = is_vacant && !shm->is_ticking;
  shm->is_ticking |= is_vacant;
  return begins;
}

// True when others have polled often since the place was last asked for.
static bool others_poll_locked(const weft_shm_t* shm, weft_sleeper_t sleeper,
                               int64_t now_ns) {
  const weft_shm_place_t* place = &shm->places[sleeper];
  // Relaxed: a hint. Once they have ended, the next question finds it.
  uint32_t polls =
      atomic_load_explicit(&shm->poll_count, memory_order_relaxed) -
      place->asked_polls;
  return (int64_t)polls * BUSY_POLL_NS >= now_ns - place->asked_ns;
}

// Takes note of a ring. The place has not been asked for since it was taken.
static void note_ring_locked(weft_shm_t* shm, weft_sleeper_t sleeper) {
  weft_shm_place_t* place = &shm->places[sleeper];
  if (!others_poll_locked(shm, sleeper, weft_sys_now_ns())) {
    place->needless_rings -= place->needless_rings > 0 ? 1 : 0;
  } else if (place->needless_rings < NEEDLESS_LIMIT) {
    place->needless_rings++;
  }
}

static bool leave(weft_shm_t* shm, weft_sleeper_t sleeper, bool was_rung,
                  bool* out_others_sleep) {
  weft_mutex_lock(&shm->place_lock);
  if (was_rung) {
    note_ring_locked(shm, sleeper);
  }
  bool begins = leave_locked(shm, sleeper);
  *out_others_sleep = who_locked(shm) != WEFT_SHM_AWAKE;
  weft_mutex_unlock(&shm->place_lock);
  return begins;
}

// Whether the sleeper had better leave its place empty.
static bool is_needless_locked(weft_shm_t* shm, weft_sleeper_t sleeper) {
  weft_shm_place_t* place = &shm->places[sleeper];
  int64_t now_ns = weft_sys_now_ns();
  if (place->was_refused && !others_poll_locked(shm, sleeper, now_ns)) {
    // One needless ring will be enough to know that they have begun again.
    place->needless_rings = NEEDLESS_LIMIT - 1;
  }
  place->was_refused = place->needless_rings == NEEDLESS_LIMIT;
  place->asked_ns = now_ns;
  // Relaxed: as above.
  place->asked_polls =
      atomic_load_explicit(&shm->poll_count, memory_order_relaxed);
  return place->was_refused;
}

static weft_bell_t take_place_locked(weft_shm_t* shm, weft_sleeper_t sleeper) {
  weft_shm_place_t* place = &shm->places[sleeper];
  _Atomic uint32_t* word = &shm->bell->places[sleeper].word;
  if (place->is_taken) {
    return (weft_bell_t){.word = NULL};
  }
  if (is_needless_locked(shm, sleeper)) {
    return (weft_bell_t){.retry_ns = RETRY_NS};
  }
  // Before the face shows it: a ring after that changes the word. Acquire:
  // pairs with the release of who rings.
  place->expected = atomic_load_explicit(word, memory_order_acquire);
  place->is_taken = true;
  shm->service_sleeps = false;
  shm->arm_count++;
  show_locked(shm);
  return (weft_bell_t){.word = word, .expected = place->expected};
}

bool weft_shm_arm(weft_progress_t* progress, weft_sleeper_t sleeper,
                  weft_bell_t* out_bell) {
  weft_shm_t* shm = WEFT_CONTAINER_OF(progress, weft_shm_t, progress);
  weft_mutex_lock(&shm->place_lock);
  *out_bell = take_place_locked(shm, sleeper);
  weft_mutex_unlock(&shm->place_lock);
  bool is_free = out_bell->word != NULL;
  if (!is_free || !weft_shm_poll_peek(shm)) {
    return is_free;
  }
  bool others_sleep;
  if (leave(shm, sleeper, false, &others_sleep)) {
    weft_shm_service_kick(shm);
  }
  return false;
}

void weft_shm_disarm(weft_progress_t* progress, weft_sleeper_t sleeper) {
  weft_shm_t* shm = WEFT_CONTAINER_OF(progress, weft_shm_t, progress);
  // Acquire: pairs with the release of who rings. The place is the caller's.
  bool was_rung = atomic_load_explicit(&shm->bell->places[sleeper].word,
                                       memory_order_acquire) !=
                  shm->places[sleeper].expected;
  bool others_sleep;
  if (leave(shm, sleeper, was_rung, &others_sleep)) {
    weft_shm_service_kick(shm);
  }
  // A ring that was for this sleeper is not repeated for another one; and the
  // caller may go on with something else.
  if (was_rung || others_sleep) {
    weft_shm_progress_all(shm);
  }
}

// --- The service thread -----------------------------------------------------

void weft_shm_service_wakes(weft_shm_t* shm) {
  weft_mutex_lock(&shm->place_lock);
  if (shm->service_sleeps) {
    shm->service_sleeps = false;
    shm->is_ticking = true;
    show_locked(shm);
  }
  weft_mutex_unlock(&shm->place_lock);
}

// True when the service thread is to look once more before it sleeps.
static bool tick_locked(weft_shm_t* shm, bool timed_out, int* timeout_ms) {
  // Relaxed: whoever polls a moment later finds what there is.
  uint32_t polls = atomic_load_explicit(&shm->poll_count, memory_order_relaxed);
  bool is_armed = who_locked(shm) != WEFT_SHM_AWAKE;
  bool takes_place = false;
  if (!timed_out) {
    *timeout_ms = *timeout_ms < 0 ? TICK_MS_MIN : *timeout_ms;
  } else if (is_armed && shm->arms_seen == shm->arm_count) {
    shm->is_ticking = false;
  } else if (!is_armed && shm->polls_seen == polls) {
    shm->is_ticking = false;
    shm->service_sleeps = true;
    show_locked(shm);
    takes_place = true;
  } else {
    *timeout_ms = *timeout_ms * 2 < TICK_MS_MAX ? *timeout_ms * 2 : TICK_MS_MAX;
  }
  shm->arms_seen = shm->arm_count;
  shm->polls_seen = polls;
  return takes_place;
}

int weft_shm_service_rest(weft_shm_t* shm, int timeout_ms, bool timed_out) {
  bool takes_place = false;
  weft_mutex_lock(&shm->place_lock);
  if (shm->is_ticking) {
    takes_place = tick_locked(shm, timed_out, &timeout_ms);
  }
  int rest_ms = shm->is_ticking ? timeout_ms : -1;
  weft_mutex_unlock(&shm->place_lock);
  if (takes_place) {
    if (weft_shm_poll_peek(shm)) {
      weft_shm_progress_all(shm);
    }
  }
  return rest_ms;
}
