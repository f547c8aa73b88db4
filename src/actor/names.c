// SPDX-License-Identifier: Apache-2.0

#include "actor/names.h"

#include <stdio.h>

#include "actor/remote.h"
#include "actor/roster.h"
#include "async/future_internal.h"
#include "base/memory.h"

#define NAME_BYTES_LIMIT 255
#define BUCKETS_AT_FIRST 16

// A name that an actor has, or that somebody looks up.
typedef struct name name_t;
struct name {
  name_t* next_in_bucket;
  uint64_t hash;
  // None while nobody has the name.
  weft_actor_t actor;
  // In the `names` of the actor's cold part; free while nobody has the name.
  weft_dlist_node_t node;
  // Look-ups that wait; each holds a reference to itself.
  weft_dlist_t lookups;
  size_t length;
  char text[];
};

struct weft_names {
  weft_mutex_t lock;
  // --- Guarded by the lock ---
  bool is_closed;
  size_t count;
  size_t bucket_count;
  name_t** buckets;
  // Names of actors of other ranks.
  weft_dlist_t remote;
};

// A look-up that waits, with the reference that its list holds.
typedef struct lookup {
  weft_future_t future;
  // Guarded by the lock; free when it waits no more.
  weft_dlist_node_t node;
  name_t* name;
  weft_timer_t deadline;
  // How long it may wait, for the message.
  int64_t timeout_ns;
} lookup_t;

static const weft_future_class_t lookup_class = {
    .name = "look-up of an actor",
    .size_bytes = sizeof(lookup_t),
};

static lookup_t* lookup_of(weft_dlist_node_t* node) {
  return WEFT_CONTAINER_OF(node, lookup_t, node);
}

// --- The map; the lock is held ----------------------------------------------

// FNV-1a, by Fowler, Noll and Vo.
static uint64_t hash_of(const char* text, size_t length) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < length; i++) {
    hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
  }
  return hash;
}

static name_t** bucket_of(const weft_names_t* names, uint64_t hash) {
  return &names->buckets[hash & (names->bucket_count - 1)];
}

static name_t* find(const weft_names_t* names, const char* text) {
  size_t length = strlen(text);
  uint64_t hash = hash_of(text, length);
  name_t* name = *bucket_of(names, hash);
  while (name != NULL && (name->hash != hash || name->length != length ||
                          memcmp(name->text, text, length) != 0)) {
    name = name->next_in_bucket;
  }
  return name;
}

// Makes room for many names; `buckets` is twice as many, zeroed. Returns the
// array that is not used any more.
static name_t** use_buckets(weft_names_t* names, name_t** buckets) {
  name_t** old = names->buckets;
  size_t old_count = names->bucket_count;
  names->buckets = buckets;
  names->bucket_count = old_count * 2;
  for (size_t i = 0; i < old_count; i++) {
    for (name_t* name = old[i]; name != NULL;) {
      name_t* next = name->next_in_bucket;
      name_t** bucket = bucket_of(names, name->hash);
      name->next_in_bucket = *bucket;
      *bucket = name;
      name = next;
    }
  }
  return old;
}

static void add(weft_names_t* names, name_t* name) {
  name_t** bucket = bucket_of(names, name->hash);
  name->next_in_bucket = *bucket;
  *bucket = name;
  names->count++;
}

// Takes a name out that nobody has or looks up; returns it, or NULL if it is
// still wanted.
static name_t* take_if_unused(weft_names_t* names, name_t* name) {
  if (!weft_actor_is_none(name->actor) ||
      !weft_dlist_is_empty(&name->lookups)) {
    return NULL;
  }
  name_t** place = bucket_of(names, name->hash);
  while (*place != name) {
    place = &(*place)->next_in_bucket;
  }
  *place = name->next_in_bucket;
  names->count--;
  return name;
}

// --- Memory; the lock is not held -------------------------------------------

static name_t* create_name(weft_runtime_t* runtime, const char* text) {
  size_t length = strlen(text);
  name_t* name =
      weft_memory_allocate(runtime->allocator, sizeof(*name) + length + 1);
  if (name != NULL) {
    *name = (name_t){.hash = hash_of(text, length), .length = length};
    weft_dlist_init(&name->lookups);
    memcpy(name->text, text, length + 1);
  }
  return name;
}

static void free_name(weft_runtime_t* runtime, name_t* name) {
  if (name != NULL) {
    weft_memory_free(runtime->allocator, name,
                     sizeof(*name) + name->length + 1);
  }
}

static size_t bucket_bytes(size_t count) {
  return count * sizeof(name_t*);
}

// Doubles the buckets when names are many; without memory, later.
static void grow(weft_actor_layer_t* layer) {
  weft_names_t* names = layer->names;
  const weft_allocator_t* allocator = layer->runtime->allocator;
  weft_mutex_lock(&names->lock);
  size_t old_count = names->bucket_count;
  bool is_crowded = names->count > old_count;
  weft_mutex_unlock(&names->lock);
  if (!is_crowded) {
    return;
  }
  name_t** buckets =
      weft_memory_allocate_zeroed(allocator, bucket_bytes(old_count * 2));
  if (buckets == NULL) {
    return;
  }
  weft_mutex_lock(&names->lock);
  bool is_first = names->bucket_count == old_count;
  name_t** unused = is_first ? use_buckets(names, buckets) : buckets;
  weft_mutex_unlock(&names->lock);
  weft_memory_free(allocator, unused,
                   bucket_bytes(is_first ? old_count : old_count * 2));
}

static weft_status_t check_text(const char* text) {
  if (text == NULL || text[0] == '\0' || strlen(text) > NAME_BYTES_LIMIT) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the name of an actor has 1 to %d bytes",
                            NAME_BYTES_LIMIT);
  }
  return WEFT_OK;
}

static weft_status_t no_memory(void) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for the name of an actor");
}

// --- Registering ------------------------------------------------------------

// Gives the look-ups of a name their answer. They are in a list of the
// caller's own. Owns: takes `error` over, which is WEFT_OK for an answer.
static void answer(weft_dlist_t* lookups, weft_status_t error,
                   weft_actor_t actor) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(lookups)) != NULL) {
    lookup_t* lookup = lookup_of(node);
    // Its callback finds that the look-up is not listed any more.
    weft_timer_stop(&lookup->deadline);
    weft_value_t value =
        error == WEFT_OK ? weft_actor_value(actor) : weft_none();
    weft_future_complete_owned(&lookup->future, weft_status_retain(error),
                               value);
  }
  weft_status_release(error);
}

// Moves the look-ups of a name to a list of the caller's own, where their
// timers do not find them.
static void take_lookups(name_t* name, weft_dlist_t* out_lookups) {
  for (weft_dlist_node_t* node = weft_dlist_first(&name->lookups); node != NULL;
       node = weft_dlist_next(&name->lookups, node)) {
    lookup_of(node)->name = NULL;
  }
  weft_dlist_move_all(out_lookups, &name->lookups);
}

typedef enum registered { REGISTERED, TAKEN, GONE } registered_t;

// Lists the name with those of its actor. Of one of this rank the stripe is
// held, so that it cannot end meanwhile.
static registered_t register_in(weft_names_t* names, weft_dlist_t* list,
                                weft_actor_t actor, name_t** spare,
                                weft_dlist_t* out_lookups) {
  registered_t result = TAKEN;
  weft_mutex_lock(&names->lock);
  name_t* name = find(names, (*spare)->text);
  if (name == NULL) {
    name = *spare;
    *spare = NULL;
    add(names, name);
  }
  if (weft_actor_is_none(name->actor)) {
    name->actor = actor;
    weft_dlist_append(list, &name->node);
    take_lookups(name, out_lookups);
    result = REGISTERED;
  }
  weft_mutex_unlock(&names->lock);
  return result;
}

static registered_t try_register(weft_actor_layer_t* layer, weft_actor_t actor,
                                 weft_cold_t** spare_cold, name_t** spare_name,
                                 weft_dlist_t* out_lookups) {
  weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  weft_cold_t* cold = entry != NULL
                          ? weft_cold_lock(entry, actor.generation, spare_cold)
                          : NULL;
  if (cold == NULL) {
    return GONE;
  }
  registered_t result =
      register_in(layer->names, &cold->names, actor, spare_name, out_lookups);
  weft_cold_unlock(entry);
  return result;
}

// --- Names of a job ---------------------------------------------------------
// Rank 0 has the names; the others ask it. It watches actors of other ranks
// that have one.

static weft_status_t ask_names(weft_runtime_t* runtime, uint32_t endpoint,
                               const char* name, const weft_actor_t* actor) {
  weft_value_t text;
  weft_value_t nothing;
  WEFT_RETURN_IF_ERROR(weft_string_from_c(runtime->allocator, name, &text));
  weft_value_t values[] = {
      text, actor != NULL ? weft_actor_value(*actor) : weft_none()};
  const weft_arguments_t arguments = {
      .positional = values,
      .positional_count = actor != NULL ? 2 : 1,
  };
  weft_status_t status =
      weft_system_ask(runtime, WEFT_NAMES_RANK, endpoint, &arguments, &nothing);
  weft_value_release(text);
  weft_value_release(nothing);
  return status;
}

// A look-up that rank 0 answers.
typedef struct distant_lookup {
  weft_future_t future;
  // Holds the future until it has run.
  weft_waiter_t on_answer;
  // With a reference.
  weft_future_t* call;
  name_t* name;
} distant_lookup_t;

static void deinit_distant(weft_future_t* future) {
  distant_lookup_t* lookup = (distant_lookup_t*)(void*)future;
  weft_future_release(lookup->call);
  free_name(future->runtime, lookup->name);
}

static void cancel_distant(weft_future_t* future) {
  weft_future_cancel(((distant_lookup_t*)(void*)future)->call);
}

static weft_future_t* distant_source(const weft_future_t* future,
                                     uint32_t index) {
  return index == 0 ? ((const distant_lookup_t*)(const void*)future)->call
                    : NULL;
}

static const weft_future_class_t distant_class = {
    .name = "look-up of an actor",
    .size_bytes = sizeof(distant_lookup_t),
    .deinit = deinit_distant,
    .cancelled = cancel_distant,
    .source = distant_source,
};

// Owns: takes `cause` over.
static weft_status_t not_found(const name_t* name, weft_status_t cause) {
  return weft_status_make_caused(weft_status_code(cause), cause,
                                 "the name '%s' was not found", name->text);
}

static void distant_answered(weft_waiter_t* waiter, weft_future_t* call) {
  distant_lookup_t* lookup =
      WEFT_CONTAINER_OF(waiter, distant_lookup_t, on_answer);
  weft_value_t value;
  weft_status_t status = weft_future_result(call, &value);
  if (status != WEFT_OK) {
    status = not_found(lookup->name, status);
  }
  weft_future_complete_owned(&lookup->future, status, weft_value_retain(value));
}

static weft_status_t call_lookup(weft_runtime_t* runtime, const char* name,
                                 int64_t deadline_ns,
                                 weft_future_t** out_call) {
  weft_value_t text;
  WEFT_RETURN_IF_ERROR(weft_string_from_c(runtime->allocator, name, &text));
  weft_call_options_t options = {.timeout_ns = WEFT_TIME_INFINITE};
  if (deadline_ns != WEFT_TIME_INFINITE) {
    int64_t left_ns = deadline_ns - weft_runtime_now_ns(runtime);
    options.timeout_ns = left_ns > 0 ? left_ns : 1;
  }
  weft_status_t status =
      weft_call(runtime, weft_system_actor(WEFT_NAMES_RANK, 0),
                WEFT_SYSTEM_LOOKUP, WEFT_ARGUMENTS(text), &options, out_call);
  weft_value_release(text);
  return status;
}

static weft_status_t ask_lookup(weft_runtime_t* runtime, const char* text,
                                int64_t deadline_ns,
                                weft_future_t** out_future) {
  name_t* name = create_name(runtime, text);
  // For the caller and the answer.
  weft_future_t* future =
      name != NULL ? weft_future_allocate(runtime, &distant_class, 2) : NULL;
  if (future == NULL) {
    free_name(runtime, name);
    return no_memory();
  }
  distant_lookup_t* lookup = (distant_lookup_t*)(void*)future;
  weft_status_t status = call_lookup(runtime, text, deadline_ns, &lookup->call);
  lookup->name = name;
  lookup->on_answer = (weft_waiter_t){.callback = distant_answered};
  if (status != WEFT_OK) {
    // It may have been too late before it was sent.
    status = not_found(name, status);
    weft_future_free_unshared(future);
    free_name(runtime, name);
    return status;
  }
  weft_future_add_waiter(lookup->call, &lookup->on_answer);
  *out_future = future;
  return WEFT_OK;
}

// Gives a name to an actor of another rank.
static registered_t register_remote(weft_actor_layer_t* layer,
                                    weft_actor_t actor, name_t** spare,
                                    weft_dlist_t* out_lookups) {
  weft_names_t* names = layer->names;
  return register_in(names, &names->remote, actor, spare, out_lookups);
}

static name_t* find_remote(const weft_names_t* names, weft_actor_t actor) {
  name_t* found = NULL;
  for (weft_dlist_node_t* node = weft_dlist_first(&names->remote);
       node != NULL && found == NULL;
       node = weft_dlist_next(&names->remote, node)) {
    name_t* name = WEFT_CONTAINER_OF(node, name_t, node);
    found = weft_actor_equal(name->actor, actor) ? name : NULL;
  }
  return found;
}

bool weft_names_has_remote(weft_actor_layer_t* layer, weft_actor_t actor) {
  weft_names_t* names = layer->names;
  weft_mutex_lock(&names->lock);
  bool has_name = find_remote(names, actor) != NULL;
  weft_mutex_unlock(&names->lock);
  return has_name;
}

// Takes one name of an actor of another rank off; NULL when it has none.
static name_t* free_one_remote(weft_names_t* names, weft_actor_t actor,
                               name_t** out_unused) {
  weft_mutex_lock(&names->lock);
  name_t* found = find_remote(names, actor);
  if (found != NULL) {
    weft_dlist_remove(&found->node);
    found->actor = (weft_actor_t){0};
    *out_unused = take_if_unused(names, found);
  }
  weft_mutex_unlock(&names->lock);
  return found;
}

void weft_names_forget_remote(weft_actor_layer_t* layer, weft_actor_t actor) {
  name_t* name;
  do {
    name_t* unused = NULL;
    name = free_one_remote(layer->names, actor, &unused);
    free_name(layer->runtime, unused);
  } while (name != NULL);
}

// --- Registering ------------------------------------------------------------

// What can be known without asking. That an actor of another rank is gone shows
// when it is watched, and frees the name again. Errors: NOT_FOUND; PEER_DIED
// and CLOSED for a rank that is gone.
static weft_status_t check_actor(weft_actor_layer_t* layer,
                                 weft_actor_t actor) {
  weft_peer_t* peer;
  if (weft_actor_is_remote(layer->runtime, actor)) {
    return weft_peers_find(layer->runtime, actor.rank, actor.incarnation,
                           &peer);
  }
  const weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  return entry == NULL || weft_mailbox_is_dead(&entry->in)
             ? weft_actor_not_found(layer, actor)
             : WEFT_OK;
}

weft_status_t weft_actor_register(weft_runtime_t* runtime, const char* name,
                                  weft_actor_t actor) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  WEFT_RETURN_IF_ERROR(check_text(name));
  WEFT_RETURN_IF_ERROR(check_actor(layer, actor));
  if (runtime->rank != WEFT_NAMES_RANK) {
    return ask_names(runtime, WEFT_SYSTEM_REGISTER, name, &actor);
  }
  weft_cold_t* spare_cold = NULL;
  WEFT_RETURN_IF_ERROR(weft_cold_create(runtime, &spare_cold));
  name_t* spare_name = create_name(runtime, name);
  if (spare_name == NULL) {
    weft_cold_free(runtime, spare_cold);
    return no_memory();
  }
  weft_dlist_t lookups;
  weft_dlist_init(&lookups);
  bool is_remote = weft_actor_is_remote(runtime, actor);
  registered_t result =
      is_remote
          ? register_remote(layer, actor, &spare_name, &lookups)
          : try_register(layer, actor, &spare_cold, &spare_name, &lookups);
  weft_cold_free(runtime, spare_cold);
  free_name(runtime, spare_name);
  answer(&lookups, WEFT_OK, actor);
  if (result == TAKEN) {
    return weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                            "the name %s is another actor's", name);
  }
  if (result == GONE) {
    return weft_actor_not_found(layer, actor);
  }
  grow(layer);
  if (!is_remote) {
    return WEFT_OK;
  }
  weft_status_t status =
      weft_distant_watch(layer, WEFT_DISTANT_NAME, (weft_actor_t){0}, actor, 0);
  if (status != WEFT_OK) {
    // Its end would not be seen.
    weft_status_release(weft_actor_unregister(runtime, name));
  }
  return status;
}

weft_status_t weft_actor_unregister(weft_runtime_t* runtime, const char* text) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  weft_names_t* names = layer->names;
  weft_actor_t actor = {0};
  WEFT_RETURN_IF_ERROR(check_text(text));
  if (runtime->rank != WEFT_NAMES_RANK) {
    return ask_names(runtime, WEFT_SYSTEM_UNREGISTER, text, NULL);
  }
  name_t* unused = NULL;
  weft_mutex_lock(&names->lock);
  name_t* name = find(names, text);
  bool is_found = name != NULL && !weft_actor_is_none(name->actor);
  if (is_found) {
    actor = name->actor;
    weft_dlist_remove(&name->node);
    name->actor = (weft_actor_t){0};
    unused = take_if_unused(names, name);
  }
  weft_mutex_unlock(&names->lock);
  free_name(runtime, unused);
  if (weft_actor_is_remote(runtime, actor)) {
    weft_distant_unwatch(layer, WEFT_DISTANT_NAME, (weft_actor_t){0}, actor);
  }
  return is_found ? WEFT_OK
                  : weft_status_make(WEFT_STATUS_NOT_FOUND,
                                     "no actor has the name %s", text);
}

void weft_names_forget(weft_actor_layer_t* layer, weft_cold_t* cold) {
  weft_names_t* names = layer->names;
  name_t* name = NULL;
  do {
    name_t* unused = NULL;
    weft_mutex_lock(&names->lock);
    weft_dlist_node_t* node = weft_dlist_take_first(&cold->names);
    name = node != NULL ? WEFT_CONTAINER_OF(node, name_t, node) : NULL;
    if (name != NULL) {
      name->actor = (weft_actor_t){0};
      unused = take_if_unused(names, name);
    }
    weft_mutex_unlock(&names->lock);
    free_name(layer->runtime, unused);
  } while (name != NULL);
}

// --- Looking up -------------------------------------------------------------

// Takes a look-up off, with its reference; false when somebody answers it.
// `out_text` is the name.
static bool take_lookup(weft_actor_layer_t* layer, lookup_t* lookup,
                        char out_text[NAME_BYTES_LIMIT + 1]) {
  weft_names_t* names = layer->names;
  name_t* unused = NULL;
  weft_mutex_lock(&names->lock);
  name_t* name = lookup->name;
  if (name != NULL) {
    (void)snprintf(out_text, NAME_BYTES_LIMIT + 1, "%s", name->text);
    weft_dlist_remove(&lookup->node);
    lookup->name = NULL;
    unused = take_if_unused(names, name);
  }
  weft_mutex_unlock(&names->lock);
  free_name(layer->runtime, unused);
  return name != NULL;
}

static void deadline_passed(weft_timer_t* timer, void* user) {
  (void)timer;
  lookup_t* lookup = user;
  weft_runtime_t* runtime = lookup->future.runtime;
  char text[NAME_BYTES_LIMIT + 1];
  if (take_lookup(weft_actor_layer_of(runtime), lookup, text)) {
    weft_future_complete_owned(
        &lookup->future,
        weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                         "no actor has registered the name '%s' within %.3f ms",
                         text, (double)lookup->timeout_ns / 1e6),
        weft_none());
  }
}

// Takes look-ups off that nobody waits for any more: two for each new one, so
// that their number is bounded by those that are waited for.
static void sweep(name_t* name, weft_dlist_t* out_swept) {
  for (int i = 0; i < 2; i++) {
    weft_dlist_node_t* node = weft_dlist_take_first(&name->lookups);
    if (node == NULL) {
      return;
    }
    lookup_t* lookup = lookup_of(node);
    bool is_dropped = weft_object_is_unique(&lookup->future.object) &&
                      !weft_future_is_watched(&lookup->future);
    if (is_dropped || weft_future_is_done(&lookup->future)) {
      lookup->name = NULL;
      weft_dlist_append(out_swept, node);
    } else {
      weft_dlist_append(&name->lookups, node);
    }
  }
}

// Lists a look-up under its name and starts its timer, which must not be over
// before it is listed, nor come after it was answered.
static weft_status_t list_lookup(weft_actor_layer_t* layer, lookup_t* lookup,
                                 name_t* name, int64_t deadline_ns) {
  if (deadline_ns != WEFT_TIME_INFINITE) {
    int64_t left_ns = deadline_ns - weft_runtime_now_ns(layer->runtime);
    lookup->timeout_ns = left_ns > 0 ? left_ns : 0;
    WEFT_RETURN_IF_ERROR(weft_timer_start(layer->runtime, &lookup->deadline,
                                          deadline_ns, 0, deadline_passed,
                                          lookup));
  }
  lookup->name = name;
  weft_dlist_append(&name->lookups, &lookup->node);
  return WEFT_OK;
}

// Finds the actor, or lists the look-up. `*out_is_answered` tells which; an
// error is an answer.
static weft_status_t look(weft_actor_layer_t* layer, lookup_t* lookup,
                          name_t** spare, int64_t deadline_ns,
                          weft_actor_t* out_actor, bool* out_is_answered) {
  weft_names_t* names = layer->names;
  weft_status_t status = WEFT_OK;
  name_t* unused = NULL;
  weft_dlist_t swept;
  weft_dlist_init(&swept);
  weft_mutex_lock(&names->lock);
  name_t* name = find(names, (*spare)->text);
  *out_is_answered = name != NULL && !weft_actor_is_none(name->actor);
  if (*out_is_answered) {
    *out_actor = name->actor;
  } else if (names->is_closed) {
    status = weft_actor_closed(layer, "nobody registers a name");
  } else {
    if (name == NULL) {
      name = *spare;
      *spare = NULL;
      add(names, name);
    }
    sweep(name, &swept);
    status = list_lookup(layer, lookup, name, deadline_ns);
    unused = status != WEFT_OK ? take_if_unused(names, name) : NULL;
  }
  weft_mutex_unlock(&names->lock);
  free_name(layer->runtime, unused);
  answer(&swept, WEFT_OK, (weft_actor_t){0});
  *out_is_answered = *out_is_answered || status != WEFT_OK;
  return status;
}

weft_status_t weft_actor_lookup(weft_runtime_t* runtime, const char* text,
                                int64_t deadline_ns,
                                weft_future_t** out_future) {
  *out_future = NULL;
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  WEFT_RETURN_IF_ERROR(check_text(text));
  if (runtime->rank != WEFT_NAMES_RANK) {
    return ask_lookup(runtime, text, deadline_ns, out_future);
  }
  name_t* spare = create_name(runtime, text);
  // For the caller and the list.
  weft_future_t* future =
      spare != NULL ? weft_future_allocate(runtime, &lookup_class, 2) : NULL;
  if (future == NULL) {
    free_name(runtime, spare);
    return no_memory();
  }
  lookup_t* lookup = (lookup_t*)(void*)future;
  lookup->node = (weft_dlist_node_t){NULL, NULL};
  lookup->name = NULL;
  lookup->deadline = (weft_timer_t){0};
  weft_actor_t actor = {0};
  bool is_answered = false;
  weft_status_t status =
      look(layer, lookup, &spare, deadline_ns, &actor, &is_answered);
  free_name(runtime, spare);
  if (is_answered) {
    weft_value_t value =
        status == WEFT_OK ? weft_actor_value(actor) : weft_none();
    weft_future_complete_owned(future, status, value);
  } else {
    grow(layer);
  }
  *out_future = future;
  return WEFT_OK;
}

// --- Life -------------------------------------------------------------------

weft_status_t weft_names_create(weft_actor_layer_t* layer) {
  const weft_allocator_t* allocator = layer->runtime->allocator;
  weft_names_t* names = weft_memory_allocate_zeroed(allocator, sizeof(*names));
  name_t** buckets =
      weft_memory_allocate_zeroed(allocator, bucket_bytes(BUCKETS_AT_FIRST));
  if (names == NULL || buckets == NULL) {
    weft_memory_free(allocator, names, sizeof(*names));
    weft_memory_free(allocator, buckets, bucket_bytes(BUCKETS_AT_FIRST));
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the names of actors");
  }
  weft_mutex_init(&names->lock);
  weft_dlist_init(&names->remote);
  names->bucket_count = BUCKETS_AT_FIRST;
  names->buckets = buckets;
  layer->names = names;
  return WEFT_OK;
}

void weft_names_close(weft_actor_layer_t* layer) {
  weft_names_t* names = layer->names;
  weft_dlist_t lookups;
  weft_dlist_init(&lookups);
  weft_mutex_lock(&names->lock);
  names->is_closed = true;
  for (size_t i = 0; i < names->bucket_count; i++) {
    for (name_t* name = names->buckets[i]; name != NULL;
         name = name->next_in_bucket) {
      take_lookups(name, &lookups);
    }
  }
  weft_mutex_unlock(&names->lock);
  answer(&lookups,
         weft_status_make(WEFT_STATUS_CLOSED,
                          "the runtime stopped before the name was registered"),
         (weft_actor_t){0});
}

void weft_names_destroy(weft_actor_layer_t* layer) {
  weft_names_t* names = layer->names;
  if (names == NULL) {
    return;
  }
  for (size_t i = 0; i < names->bucket_count; i++) {
    name_t* name = names->buckets[i];
    while (name != NULL) {
      name_t* next = name->next_in_bucket;
      free_name(layer->runtime, name);
      name = next;
    }
  }
  const weft_allocator_t* allocator = layer->runtime->allocator;
  weft_memory_free(allocator, names->buckets,
                   bucket_bytes(names->bucket_count));
  weft_mutex_deinit(&names->lock);
  weft_memory_free(allocator, names, sizeof(*names));
  layer->names = NULL;
}
