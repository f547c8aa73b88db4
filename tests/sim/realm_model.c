// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <stdlib.h>

#include "sim/realm.h"

void realm_must(const life_t* life, bool holds, const char* what) {
  if (!holds) {
    (void)fprintf(stderr, "life %u (rank %u, ended for %d): %s\n", life->index,
                  life->rank, life->reason, what);
    abort();
  }
}

static void must_pair(const life_t* life, const life_t* other, bool holds,
                      const char* what) {
  if (!holds) {
    const tie_t* tie = &life->ties[other->index];
    (void)fprintf(
        stderr,
        "other: life %u (rank %u, ended for %d); linked %d%d, settled "
        "%d%d, %u notices of %d\n",
        other->index, other->rank, other->reason, tie->has_linked,
        other->ties[life->index].has_linked, tie->is_settled,
        other->ties[life->index].is_settled, tie->notices, tie->reason);
    realm_must(life, false, what);
  }
}

static bool is_lost(const life_t* life) {
  return life->realm->job.members[life->rank].is_dead;
}

bool realm_is_alive(const life_t* life) {
  return !is_lost(life) && life->reason == REALM_ALIVE;
}

int realm_read_reason(weft_status_t reason) {
  weft_status_t root = weft_status_root(reason);
  int act = 0;
  if (weft_status_is_ok(reason)) {
    return REALM_IN_ORDER;
  }
  if (sscanf(weft_status_message(root), "act %d", &act) == 1) {
    return act;
  }
  switch (weft_status_code(root)) {
    case WEFT_STATUS_NOT_FOUND:
      return REALM_NOBODY;
    case WEFT_STATUS_PEER_DIED:
      return REALM_DEATH;
    default:
      return REALM_UNKNOWN;
  }
}

// --- Monitors ---------------------------------------------------------------

static void check_watch(const life_t* life, const life_t* other) {
  const tie_t* tie = &life->ties[other->index];
  must_pair(life, other, tie->notices <= (tie->has_watched ? 1 : 0),
            "a notice too much");
  if (!realm_is_alive(life) || life->is_busy || !tie->has_watched) {
    return;
  }
  must_pair(life, other, tie->notices == 0 || !realm_is_alive(other),
            "a notice of one that lives");
  must_pair(life, other,
            tie->notices == 1 || tie->has_unwatched || realm_is_alive(other),
            "a notice is missing");
  if (tie->notices == 1) {
    must_pair(life, other,
              tie->reason == other->reason || tie->reason == REALM_NOBODY ||
                  (is_lost(other) && tie->reason == REALM_DEATH),
              "a notice gives another reason");
  }
}

// --- Links ------------------------------------------------------------------

static bool are_linked(const life_t* a, const life_t* b) {
  const tie_t* tie = &a->ties[b->index];
  const tie_t* back = &b->ties[a->index];
  return (tie->has_linked || back->has_linked) && !tie->has_unlinked &&
         !back->has_unlinked;
}

static void check_link(const life_t* life, const life_t* other) {
  const tie_t* tie = &life->ties[other->index];
  const tie_t* back = &other->ties[life->index];
  bool ended_badly = is_lost(other) || (other->reason != REALM_ALIVE &&
                                        other->reason != REALM_IN_ORDER);
  // What the other wrote of its link may have been lost with its member.
  bool is_known = tie->has_linked || back->is_settled || !is_lost(other);
  // One that ended in order before its member died has left this one alone.
  bool left_alone = is_lost(other) && other->reason == REALM_IN_ORDER;
  if (realm_is_alive(life) && !life->is_busy && are_linked(life, other) &&
      is_known && !left_alone) {
    must_pair(life, other, !ended_badly,
              "it lives, and one that it is linked to has ended badly");
  }
}

// Reaches all that a life was ever linked to, and they in turn.
static void reach(const realm_t* realm, uint32_t index, bool* reached) {
  reached[index] = true;
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    bool is_tied = realm->lives[i].ties[index].has_linked ||
                   realm->lives[index].ties[i].has_linked;
    if (is_tied && !reached[i]) {
      reach(realm, i, reached);
    }
  }
}

// It was linked, by itself, to one that ended, for a cause of its own, before
// that was settled.
static bool has_met_nobody(const life_t* life) {
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    const tie_t* tie = &life->ties[i];
    const life_t* other = &life->realm->lives[i];
    if (tie->has_linked && !tie->is_settled && !realm_is_alive(other) &&
        other->reason != REALM_NOBODY) {
      return true;
    }
  }
  return false;
}

static bool is_cause(const life_t* cause, int reason) {
  switch (reason) {
    case REALM_NOBODY:
      return has_met_nobody(cause);
    case REALM_DEATH:
      return is_lost(cause);
    default:
      return reason >= 0 && cause->realm->acts[reason] == cause->index;
  }
}

static void check_cause(const life_t* life) {
  const realm_t* realm = life->realm;
  bool reached[REALM_LIVES] = {false};
  bool has_cause = life->reason == REALM_IN_ORDER;
  reach(realm, life->index, reached);
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    has_cause |= reached[i] && is_cause(&realm->lives[i], life->reason);
  }
  realm_must(life, has_cause, "it ended without a cause");
}

// --- All --------------------------------------------------------------------

static void settle(life_t* life) {
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    life->ties[i].is_settled |= life->ties[i].has_linked &&
                                realm_is_alive(life) &&
                                realm_is_alive(&life->realm->lives[i]);
  }
}

void realm_check(realm_t* realm) {
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    const life_t* life = &realm->lives[i];
    for (uint32_t j = 0; j < REALM_LIVES; ++j) {
      check_watch(life, &realm->lives[j]);
      check_link(life, &realm->lives[j]);
    }
    if (!is_lost(life)) {
      bool has_ended = life->reason != REALM_ALIVE;
      realm_must(life, life->deinits == (has_ended ? 1 : 0),
                 "its state was not freed as it should be");
    }
    if (life->reason != REALM_ALIVE) {
      check_cause(life);
    }
  }
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    settle(&realm->lives[i]);
  }
}
