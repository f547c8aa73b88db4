// SPDX-License-Identifier: Apache-2.0

#include "sim/job.h"

#include <stdio.h>
#include <stdlib.h>

#include "actor/actor_layer.h"
#include "async/async_internal.h"
#include "async/progress.h"
#include "base/container.h"
#include "runtime/runtime_internal.h"

// So long a silence and a peer may be given up.
#define SUSPECT_NS INT64_C(8000000000)
// How long a member has to answer the launcher.
#define ANSWER_NS INT64_C(2000000000)

void job_note(job_t* job, uint64_t what) {
  // FNV-1a, over words.
  job->course = (job->course ^ what) * 0x100000001b3u;
}

static int64_t some_delay(job_t* job) {
  uint64_t span = (uint64_t)job->delay_max_ns + 1;
  return weft_deadline_after(job->host,
                             (int64_t)weft_kit_random_below(job->random, span));
}

static void start(job_t* job, weft_timer_t* timer, weft_timer_fn_t callback,
                  void* user) {
  weft_kit_assert_ok(
      weft_timer_start(job->host, timer, some_delay(job), 0, callback, user));
}

// --- Links ------------------------------------------------------------------

static void refuse(weft_timer_t* timer, void* user) {
  job_pair_t* pair = user;
  job_t* job = pair->job;
  weft_runtime_t* runtime = job->members[pair->from].runtime;
  (void)timer;
  weft_peers_lose(runtime, pair->to, 0,
                  weft_status_make(WEFT_STATUS_PEER_DIED,
                                   "rank %u cannot be reached", pair->to));
}

static void connect_pair(weft_timer_t* timer, void* user) {
  job_pair_t* pair = user;
  job_t* job = pair->job;
  job_pair_t* back = &job->members[pair->to].pairs[pair->from];
  weft_peer_t* peers[2] = {NULL};
  (void)timer;
  if (job->members[pair->to].is_dead || job->members[pair->to].is_closing ||
      job->members[pair->from].is_closing) {
    start(job, &pair->refusing, refuse, pair);
    return;
  }
  if (back->has_asked) {
    (void)weft_timer_stop(&back->connecting);
  }
  back->has_asked = true;
  weft_kit_assert_ok(weft_peers_expect(job->members[pair->from].runtime,
                                       pair->to, 1, &peers[0]));
  weft_kit_assert_ok(weft_peers_expect(job->members[pair->to].runtime,
                                       pair->from, 1, &peers[1]));
  const weft_sim_end_t near = {job->members[pair->from].runtime,
                               &peers[0]->sink};
  const weft_sim_end_t far = {job->members[pair->to].runtime, &peers[1]->sink};
  weft_link_t* links[2] = {NULL};
  weft_kit_assert_ok(
      weft_sim_link_pair(job->net, &near, &far, &links[0], &links[1]));
  weft_peers_attach(peers[0], links[0]);
  weft_peers_attach(peers[1], links[1]);
}

static void connect_rank(weft_connector_t* connector, uint16_t rank) {
  job_member_t* member = WEFT_CONTAINER_OF(connector, job_member_t, connector);
  job_t* job = member->job;
  if (rank >= job->size) {
    weft_peers_lose(
        member->runtime, rank, 0,
        weft_status_make(WEFT_STATUS_NOT_FOUND, "there is no rank %u", rank));
    return;
  }
  job_pair_t* pair = &member->pairs[rank];
  if (!pair->has_asked) {
    pair->has_asked = true;
    start(job, &pair->connecting, connect_pair, pair);
  }
}

// --- Giving up ---------------------------------------------------------------

static weft_status_t given_up(uint32_t rank) {
  return weft_status_make(WEFT_STATUS_PEER_DIED, "rank %u was given up", rank);
}

static void hear_verdict(weft_timer_t* timer, void* user) {
  job_pair_t* pair = user;
  (void)timer;
  weft_peers_give_up(pair->job->members[pair->from].runtime, pair->to, 1,
                     given_up(pair->to));
}

static void announce(weft_timer_t* timer, void* user) {
  job_pair_t* pair = user;
  (void)timer;
  weft_peers_lose(
      pair->job->members[pair->from].runtime, pair->to, 1,
      weft_status_make(WEFT_STATUS_PEER_DIED, "rank %u was killed", pair->to));
}

// It counts as dead from here on.
static void count_dead(job_member_t* member) {
  member->is_dead = true;
  member->job->dead_count++;
  job_note(member->job, member->rank);
}

// All others hear of a member, each after a delay.
static void tell_of(const job_member_t* member, weft_timer_fn_t callback) {
  job_t* job = member->job;
  for (uint32_t i = 0; i < job->size; ++i) {
    job_pair_t* pair = &job->members[i].pairs[member->rank];
    if (!job->members[i].is_dead) {
      start(job, callback == announce ? &pair->obituary : &pair->verdict,
            callback, pair);
    }
  }
}

static void decide(weft_timer_t* timer, void* user) {
  job_member_t* member = user;
  (void)timer;
  member->is_asked = false;
  if (member->is_stopped && !member->is_dead) {
    member->is_given_up = true;
    count_dead(member);
    tell_of(member, hear_verdict);
  }
}

static void report_silent(weft_connector_t* connector, uint16_t rank,
                          uint16_t incarnation, int64_t silence_ns) {
  job_t* job = WEFT_CONTAINER_OF(connector, job_member_t, connector)->job;
  job_member_t* silent = &job->members[rank];
  (void)incarnation;
  (void)silence_ns;
  if (!silent->is_asked && !silent->is_dead) {
    silent->is_asked = true;
    weft_kit_assert_ok(weft_timer_start(
        job->host, &silent->asking, weft_deadline_after(job->host, ANSWER_NS),
        0, decide, silent));
  }
}

// --- Life -------------------------------------------------------------------

static void take_warning(void* user, weft_status_t warning) {
  job_member_t* member = user;
  job_t* job = member->job;
  weft_status_code_t code = weft_status_code(weft_status_root(warning));
  job_note(job, code);
  bool is_odd = code != WEFT_STATUS_PEER_DIED && code != WEFT_STATUS_CLOSED &&
                code != WEFT_STATUS_DEADLINE_EXCEEDED &&
                code != WEFT_STATUS_FAILED && code != WEFT_STATUS_ABANDONED &&
                code != WEFT_STATUS_CANCELLED &&
                weft_status_code(warning) != WEFT_STATUS_CLOSED;
  if (is_odd && job->odd_warning == WEFT_OK) {
    job->odd_warning = weft_status_retain(warning);
  }
}

static void open_member(job_t* job, const job_options_t* options,
                        uint16_t rank) {
  job_member_t* member = &job->members[rank];
  char name[16];
  (void)snprintf(name, sizeof(name), "rank %u", rank);
  const weft_runtime_options_t runtime_options = {
      .name = name,
      .allocator = options->allocator,
      .classes = options->classes,
      .class_count = options->class_count,
      .arena_limit_bytes = UINT64_C(1) << 28,
      .on_warning = take_warning,
      .warning_user = member,
      .simulate_with = job->host,
  };
  const weft_runtime_place_t place = {rank, (uint16_t)job->size, 1};
  weft_progress_t* progress = NULL;
  member->job = job;
  member->rank = rank;
  member->connector.connect = connect_rank;
  member->connector.report_silent = report_silent;
  member->connector.tells_deaths = true;
  for (uint16_t i = 0; i < (uint16_t)job->size; ++i) {
    member->pairs[i].job = job;
    member->pairs[i].from = rank;
    member->pairs[i].to = (uint16_t)i;
  }
  weft_kit_assert_ok(
      weft_runtime_create_at(&runtime_options, &place, &member->runtime));
  weft_kit_assert_ok(weft_sim_progress(job->net, member->runtime, &progress));
  weft_async_set_progress(member->runtime, progress);
  weft_peers_set_connector(member->runtime, &member->connector);
}

void job_open(job_t* job, weft_kit_random_t* random,
              const job_options_t* options) {
  // Who is stopped for long is warned of, again and again.
  (void)setenv("WEFT_LOG", "error", 0);
  *job = (job_t){
      .random = random,
      .size = options->size,
      .delay_max_ns = (int64_t)weft_kit_random_below(random, 100000),
  };
  const weft_runtime_options_t host_options = {
      .name = "host",
      .allocator = options->allocator,
      .simulate = true,
      .seed = weft_kit_random_next(random),
  };
  const weft_sim_options_t net_options = {
      .seed = weft_kit_random_next(random),
      .delay_max_ns = job->delay_max_ns,
      .capacity_bytes = options->capacity_bytes,
  };
  weft_kit_assert_ok(weft_runtime_create(&host_options, &job->host));
  weft_kit_assert_ok(weft_sim_net_create(job->host, &net_options, &job->net));
  for (uint32_t rank = 0; rank < job->size; ++rank) {
    open_member(job, options, (uint16_t)rank);
  }
}

static weft_simulation_member_t* simulated(const job_member_t* member) {
  return weft_async_of(member->runtime)->member;
}

static void stop_timers(job_member_t* member) {
  (void)weft_timer_stop(&member->waking);
  (void)weft_timer_stop(&member->asking);
  for (uint32_t i = 0; i < member->job->size; ++i) {
    job_pair_t* pair = &member->pairs[i];
    (void)weft_timer_stop(&pair->verdict);
    (void)weft_timer_stop(&pair->connecting);
    (void)weft_timer_stop(&pair->obituary);
    (void)weft_timer_stop(&pair->refusing);
  }
}

static void close_member(job_member_t* member) {
  stop_timers(member);
  member->is_closing = true;
  weft_simulation_freeze(simulated(member), false);
  weft_runtime_destroy(member->runtime);
  member->runtime = NULL;
  stop_timers(member);
}

void job_check_warnings(job_t* job) {
  weft_status_t odd = job->odd_warning;
  job->odd_warning = WEFT_OK;
  weft_kit_assert_ok(odd);
}

void job_close(job_t* job) {
  // The living first: what has died must not be heard of again.
  for (uint32_t i = 0; i < job->size; ++i) {
    if (!job->members[i].is_dead) {
      close_member(&job->members[i]);
    }
  }
  for (uint32_t i = 0; i < job->size; ++i) {
    if (job->members[i].runtime != NULL) {
      close_member(&job->members[i]);
    }
  }
  weft_status_release(job->odd_warning);
  weft_sim_net_destroy(job->net);
  weft_runtime_destroy(job->host);
}

// --- Faults -----------------------------------------------------------------

void job_kill(job_t* job, uint32_t rank) {
  job_member_t* member = &job->members[rank];
  if (member->is_dead) {
    return;
  }
  count_dead(member);
  weft_sim_kill(job->net, member->runtime);
  weft_simulation_freeze(simulated(member), true);
  stop_timers(member);
  tell_of(member, announce);
}

static void wake(weft_timer_t* timer, void* user) {
  job_member_t* member = user;
  (void)timer;
  member->is_stopped = false;
  weft_simulation_freeze(simulated(member), false);
  if (member->is_given_up) {
    weft_peers_end(member->runtime, given_up(member->rank));
    weft_actor_layer_begin_stop(member->runtime, given_up(member->rank));
    tell_of(member, announce);
  }
}

void job_delay(job_t* job, uint32_t rank, int64_t duration_ns) {
  job_member_t* member = &job->members[rank];
  member->is_suspect |= duration_ns > SUSPECT_NS;
  weft_kit_assert_ok(weft_sim_pause(job->net, member->runtime, duration_ns));
}

void job_stop(job_t* job, uint32_t rank, int64_t duration_ns) {
  job_member_t* member = &job->members[rank];
  if (member->is_dead) {
    return;
  }
  job_delay(job, rank, duration_ns);
  member->is_stopped = true;
  weft_simulation_freeze(simulated(member), true);
  (void)weft_timer_stop(&member->waking);
  weft_kit_assert_ok(weft_timer_start(
      job->host, &member->waking, weft_deadline_after(job->host, duration_ns),
      0, wake, member));
}

// --- Use --------------------------------------------------------------------

job_member_t* job_any(job_t* job) {
  job_member_t* member;
  do {
    member = &job->members[weft_kit_random_below(job->random, job->size)];
  } while (member->is_dead);
  return member;
}

uint64_t job_run(job_t* job, uint64_t step_limit) {
  return weft_runtime_run(job->host, step_limit);
}

weft_status_t job_make_bulk(weft_value_t* out_value) {
  weft_value_t numbers[1300];
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
    numbers[i] = weft_int64(INT64_MAX - (int64_t)i);
  }
  return weft_list_create(NULL, numbers, sizeof(numbers) / sizeof(numbers[0]),
                          out_value);
}

bool job_is_death(const job_t* job, weft_status_t status) {
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  bool is_suspected = false;
  for (uint32_t i = 0; i < job->size; ++i) {
    is_suspected |= job->members[i].is_suspect;
  }
  // One that was given up, and comes back, finds its links closed.
  return code == WEFT_STATUS_PEER_DIED ||
         (code == WEFT_STATUS_CLOSED && is_suspected);
}

static void run_twice(weft_kit_random_t* random, void* user) {
  void (*const* run)(weft_kit_random_t*, void*) = user;
  weft_kit_random_t again = *random;
  uint64_t courses[2] = {0};
  (*run)(random, &courses[0]);
  (*run)(&again, &courses[1]);
  assert_int_equal(courses[0], courses[1]);
}

void job_check_courses(void (*run)(weft_kit_random_t* random, void* course)) {
  weft_kit_for_some_seeds(50, run_twice, &run);
}
