// SPDX-License-Identifier: Apache-2.0
//
// Reports of ranks as text and as JSON. They are values that other processes
// made: what is not as it should be is shown as nothing.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/list.h"

#define TEXT_BYTES 256

void weft_list_rank_deinit(weft_list_rank_t* rank) {
  weft_value_release(rank->report);
  weft_status_release(rank->status);
  weft_future_release(rank->future);
}

void weft_list_clean(char* text) {
  json_t* probe = json_string(text);
  bool is_utf8 = probe != NULL;
  json_decref(probe);
  for (char* at = text; *at != '\0'; at++) {
    unsigned char byte = (unsigned char)*at;
    if (byte < ' ' || byte == 0x7f || (byte > 0x7f && !is_utf8)) {
      *at = '?';
    }
  }
}

// --- Reading ----------------------------------------------------------------

static weft_value_t find(weft_value_t map, const char* key) {
  weft_value_t value = weft_none();
  weft_status_release(weft_map_get(map, key, &value));
  return value;
}

static int64_t number_of(weft_value_t map, const char* key) {
  int64_t number = 0;
  weft_status_release(weft_value_as_int64(find(map, key), &number));
  return number;
}

static double seconds_of(weft_value_t map, const char* key) {
  double number = 0;
  weft_status_release(weft_value_as_float64(find(map, key), &number));
  return number > 0 ? number : 0;
}

static void text_of(weft_value_t map, const char* key, char text[TEXT_BYTES]) {
  const char* data = "";
  weft_status_release(weft_value_as_string(find(map, key), &data, NULL));
  (void)snprintf(text, TEXT_BYTES, "%s", data != NULL ? data : "");
  weft_list_clean(text);
}

static size_t actors_of(weft_value_t report, const weft_value_t** out_actors) {
  size_t count = 0;
  *out_actors = NULL;
  weft_status_release(
      weft_value_as_list(find(report, "actors"), out_actors, &count));
  return *out_actors != NULL ? count : 0;
}

typedef struct actor {
  uint32_t index;
  int64_t depth;
  double waits_s;
  char class_name[TEXT_BYTES];
  char runs[TEXT_BYTES];
  char waits_for[TEXT_BYTES];
} actor_t;

static actor_t read_actor(weft_value_t map) {
  weft_actor_t handle = {0};
  weft_status_release(weft_value_as_actor(find(map, "actor"), &handle));
  actor_t actor = {
      .index = handle.index,
      .depth = number_of(map, "depth"),
      .waits_s = seconds_of(map, "waits_s"),
  };
  text_of(map, "class", actor.class_name);
  text_of(map, "runs", actor.runs);
  text_of(map, "waits_for", actor.waits_for);
  return actor;
}

// --- A rank that has not answered -------------------------------------------

static const char* state_of(const weft_list_rank_t* rank) {
  switch (weft_status_code(rank->status)) {
    case WEFT_STATUS_OK:
      return "up";
    case WEFT_STATUS_DEADLINE_EXCEEDED:
      return "silent";
    case WEFT_STATUS_CLOSED:
      return "left";
    default:
      return "gone";
  }
}

static void explain(const weft_list_t* list, const weft_list_rank_t* rank,
                    char text[TEXT_BYTES]) {
  if (weft_status_code(rank->status) == WEFT_STATUS_DEADLINE_EXCEEDED) {
    (void)snprintf(text, TEXT_BYTES,
                   "does not answer within %" PRId64
                   " s: it is stopped, has not started, or is overloaded",
                   list->timeout_ns / 1000000000);
    return;
  }
  // The cause says more than what could not be done because of it.
  weft_status_t cause = weft_status_cause(rank->status);
  (void)snprintf(text, TEXT_BYTES, "%s: %s",
                 weft_status_code(rank->status) == WEFT_STATUS_CLOSED
                     ? "has left"
                     : "is gone",
                 weft_status_message(cause != WEFT_OK ? cause : rank->status));
  weft_list_clean(text);
}

// --- As text ----------------------------------------------------------------

static void print_actor(const actor_t* actor) {
  char name[TEXT_BYTES + 16];
  (void)snprintf(name, sizeof(name), "%s#%" PRIu32, actor->class_name,
                 actor->index);
  const char* runs = actor->runs[0] != '\0' ? actor->runs : "-";
  (void)printf("  %-24s  %7" PRId64, name, actor->depth);
  if (actor->waits_for[0] != '\0') {
    (void)printf("  %-16s  %s, for %.3f s\n", runs, actor->waits_for,
                 actor->waits_s);
  } else {
    (void)printf("  %s\n", runs);
  }
}

static void print_answer(const weft_list_rank_t* rank) {
  char name[TEXT_BYTES];
  const weft_value_t* actors;
  size_t count = actors_of(rank->report, &actors);
  int64_t all = number_of(rank->report, "actor_count");
  text_of(rank->report, "name", name);
  (void)printf("process %" PRId64 "  %s\n", number_of(rank->report, "process"),
               name);
  (void)printf("  %" PRId64 " actors, %" PRId64
               " messages handled, %.1f MB of "
               "shared memory, %.1f MB of it lent\n",
               all, number_of(rank->report, "messages_handled"),
               (double)number_of(rank->report, "arena_bytes") / 1e6,
               (double)number_of(rank->report, "arena_lent_bytes") / 1e6);
  if (count > 0) {
    (void)printf("  %-24s  %7s  %-16s  %s\n", "ACTOR", "MAILBOX", "RUNS",
                 "WAITS FOR");
  }
  for (size_t i = 0; i < count; i++) {
    actor_t actor = read_actor(actors[i]);
    print_actor(&actor);
  }
  if (all > (int64_t)count) {
    (void)printf("  and %" PRId64 " more\n", all - (int64_t)count);
  }
}

void weft_list_print(const weft_list_t* list, bool color) {
  (void)printf("job %s (%016" PRIx64 "), %" PRIu32 " ranks\n", list->found.name,
               list->found.id, list->size);
  for (size_t i = 0; i < list->rank_count; i++) {
    const weft_list_rank_t* rank = &list->ranks[i];
    (void)printf("\n%srank %" PRIu32 "%s%s  ", color ? "\033[1m" : "",
                 rank->rank, color ? "\033[0m" : "",
                 rank->rank >= list->size ? " (joined)" : "");
    if (rank->status == WEFT_OK) {
      print_answer(rank);
    } else {
      char text[TEXT_BYTES];
      explain(list, rank, text);
      (void)printf("%s\n", text);
    }
  }
}

// --- As JSON ----------------------------------------------------------------

static json_t* actor_json(weft_value_t map) {
  actor_t actor = read_actor(map);
  return json_pack("{s:s,s:I,s:I,s:s,s:s,s:f}", "class", actor.class_name,
                   "index", (json_int_t)actor.index, "mailbox",
                   (json_int_t)actor.depth, "runs", actor.runs, "waits_for",
                   actor.waits_for, "waits_s", actor.waits_s);
}

static json_t* answer_json(const weft_list_rank_t* rank) {
  static const char* const numbers[] = {"process",          "actor_count",
                                        "messages_handled", "messages_sent",
                                        "bytes_passed",     "bytes_lent",
                                        "bytes_copied",     "arena_bytes",
                                        "arena_used_bytes", "arena_lent_bytes"};
  char name[TEXT_BYTES];
  const weft_value_t* actors;
  size_t count = actors_of(rank->report, &actors);
  json_t* list = json_array();
  text_of(rank->report, "name", name);
  bool ok = list != NULL;
  for (size_t i = 0; i < count && ok; i++) {
    ok = json_array_append_new(list, actor_json(actors[i])) == 0;
  }
  json_t* object =
      json_pack("{s:I,s:s,s:s,s:o}", "rank", (json_int_t)rank->rank, "state",
                state_of(rank), "name", name, "actors", list);
  ok = ok && object != NULL;
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && ok; i++) {
    ok = json_object_set_new(
             object, numbers[i],
             json_integer(number_of(rank->report, numbers[i]))) == 0;
  }
  if (!ok) {
    json_decref(object);
    return NULL;
  }
  return object;
}

static json_t* rank_json(const weft_list_t* list,
                         const weft_list_rank_t* rank) {
  char text[TEXT_BYTES];
  if (rank->status == WEFT_OK) {
    return answer_json(rank);
  }
  explain(list, rank, text);
  return json_pack("{s:I,s:s,s:s}", "rank", (json_int_t)rank->rank, "state",
                   state_of(rank), "why", text);
}

json_t* weft_list_json(const weft_list_t* list) {
  char id[32];
  json_t* ranks = json_array();
  bool ok = ranks != NULL;
  (void)snprintf(id, sizeof(id), "%016" PRIx64, list->found.id);
  for (size_t i = 0; i < list->rank_count && ok; i++) {
    ok = json_array_append_new(ranks, rank_json(list, &list->ranks[i])) == 0;
  }
  if (!ok) {
    json_decref(ranks);
    return NULL;
  }
  return json_pack("{s:i,s:s,s:s,s:I,s:o}", "schema", 1, "job", id, "name",
                   list->found.name, "size", (json_int_t)list->size, "ranks",
                   ranks);
}

json_t* weft_list_jobs_json(const weft_list_jobs_t* jobs) {
  json_t* list = json_array();
  bool ok = list != NULL;
  for (size_t i = 0; i < jobs->count && ok; i++) {
    const weft_list_job_t* job = &jobs->jobs[i];
    char id[32];
    (void)snprintf(id, sizeof(id), "%016" PRIx64, job->found.id);
    ok = json_array_append_new(
             list,
             json_pack("{s:s,s:s,s:I,s:s}", "job", id, "name", job->found.name,
                       "process", (json_int_t)job->process, "command",
                       job->command)) == 0;
  }
  if (!ok) {
    json_decref(list);
    return NULL;
  }
  return json_pack("{s:i,s:o}", "schema", 1, "jobs", list);
}

weft_cli_exit_t weft_list_write(json_t* object) {
  if (object == NULL) {
    weft_cli_complain("no memory for the report");
    return WEFT_CLI_EXHAUSTED;
  }
  bool ok = json_dumpf(object, stdout, JSON_COMPACT) == 0;
  (void)printf("\n");
  json_decref(object);
  return ok ? WEFT_CLI_OK : WEFT_CLI_FAILED;
}
