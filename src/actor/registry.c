// SPDX-License-Identifier: Apache-2.0

#include "actor/registry.h"

#include "base/memory.h"

struct weft_registry {
  const weft_allocator_t* allocator;
  size_t bytes;
  // Places for classes by address: a power of two, at least half of them
  // empty, so that a search always ends.
  size_t mask;
  const weft_class_t* places[];
};

// --- Checking ---------------------------------------------------------------

static weft_status_t unsound(const weft_class_t* actor_class,
                             const char* what) {
  return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT, "class %s: %s",
                          actor_class->name, what);
}

static weft_status_t check_parameters(const weft_class_t* actor_class,
                                      const weft_endpoint_t* endpoint) {
  for (uint32_t i = 0; i < endpoint->parameter_count; i++) {
    const char* name = endpoint->parameters[i].name;
    bool is_named = name != NULL && name[0] != '\0';
    for (uint32_t j = 0; is_named && j < i; j++) {
      is_named = strcmp(endpoint->parameters[j].name, name) != 0;
    }
    if (!is_named) {
      return weft_status_make(
          WEFT_STATUS_INVALID_ARGUMENT,
          "class %s, endpoint %s: parameter %u needs a name of its own",
          actor_class->name, endpoint->name, i);
    }
  }
  return WEFT_OK;
}

static weft_status_t check_endpoint(const weft_class_t* actor_class,
                                    uint32_t index) {
  const weft_endpoint_t* endpoint = &actor_class->endpoints[index];
  if (endpoint->name == NULL || endpoint->name[0] == '\0') {
    return unsound(actor_class, "an endpoint has no name");
  }
  for (uint32_t i = 0; i < index; i++) {
    if (strcmp(actor_class->endpoints[i].name, endpoint->name) == 0) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "class %s has two endpoints named %s",
                              actor_class->name, endpoint->name);
    }
  }
  if (endpoint->handler == NULL) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "class %s, endpoint %s has no handler",
                            actor_class->name, endpoint->name);
  }
  if (endpoint->parameter_count > WEFT_PARAMETER_LIMIT ||
      (endpoint->parameter_count > 0 && endpoint->parameters == NULL)) {
    return weft_status_make(
        WEFT_STATUS_INVALID_ARGUMENT,
        "class %s, endpoint %s declares %u parameters: give a table of at "
        "most %d",
        actor_class->name, endpoint->name, endpoint->parameter_count,
        WEFT_PARAMETER_LIMIT);
  }
  return check_parameters(actor_class, endpoint);
}

static weft_status_t check(const weft_class_t* actor_class) {
  if (actor_class == NULL || actor_class->name == NULL ||
      actor_class->name[0] == '\0') {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a class of the runtime has no name");
  }
  // Messages keep the number of their endpoint in 16 bits.
  if (actor_class->endpoint_count > UINT16_MAX ||
      (actor_class->endpoint_count > 0 && actor_class->endpoints == NULL)) {
    return unsound(actor_class, "give a table of at most 65535 endpoints");
  }
  for (uint32_t i = 0; i < actor_class->endpoint_count; i++) {
    WEFT_RETURN_IF_ERROR(check_endpoint(actor_class, i));
  }
  return WEFT_OK;
}

static weft_status_t check_all(const weft_class_t* const* classes,
                               size_t count) {
  if (count > 0 && classes == NULL) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%zu classes were announced, none was given",
                            count);
  }
  for (size_t i = 0; i < count; i++) {
    WEFT_RETURN_IF_ERROR(check(classes[i]));
    for (size_t j = 0; j < i; j++) {
      if (strcmp(classes[i]->name, classes[j]->name) == 0) {
        return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                "two classes are named %s", classes[i]->name);
      }
    }
  }
  return WEFT_OK;
}

// --- Finding ----------------------------------------------------------------

// Where a class is, or the empty place where it would be.
static size_t place_of(const weft_registry_t* registry,
                       const weft_class_t* actor_class) {
  // Spreads addresses; see `held.c`.
  uint64_t hash =
      (uint64_t)(uintptr_t)actor_class * UINT64_C(0x9E3779B97F4A7C15);
  size_t place = (size_t)(hash >> 32) & registry->mask;
  while (registry->places[place] != NULL &&
         registry->places[place] != actor_class) {
    place = (place + 1) & registry->mask;
  }
  return place;
}

weft_status_t weft_registry_create(const weft_allocator_t* allocator,
                                   const weft_class_t* const* classes,
                                   size_t count,
                                   weft_registry_t** out_registry) {
  *out_registry = NULL;
  WEFT_RETURN_IF_ERROR(check_all(classes, count));
  size_t place_count = 2;
  while (place_count < 2 * count) {
    place_count *= 2;
  }
  size_t bytes =
      sizeof(weft_registry_t) + place_count * sizeof(const weft_class_t*);
  weft_registry_t* registry = weft_memory_allocate_zeroed(allocator, bytes);
  if (registry == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the list of classes");
  }
  registry->allocator = allocator;
  registry->bytes = bytes;
  registry->mask = place_count - 1;
  for (size_t i = 0; i < count; i++) {
    registry->places[place_of(registry, classes[i])] = classes[i];
  }
  *out_registry = registry;
  return WEFT_OK;
}

void weft_registry_destroy(weft_registry_t* registry) {
  if (registry != NULL) {
    weft_memory_free(registry->allocator, registry, registry->bytes);
  }
}

bool weft_registry_has(const weft_registry_t* registry,
                       const weft_class_t* actor_class) {
  return registry->places[place_of(registry, actor_class)] == actor_class;
}

const weft_class_t* weft_registry_find(const weft_registry_t* registry,
                                       const char* name) {
  for (size_t i = 0; i <= registry->mask; i++) {
    const weft_class_t* actor_class = registry->places[i];
    if (actor_class != NULL && strcmp(actor_class->name, name) == 0) {
      return actor_class;
    }
  }
  return NULL;
}

// --- Endpoints by name ------------------------------------------------------

weft_status_t weft_class_find_endpoint(const weft_class_t* actor_class,
                                       const char* name,
                                       uint32_t* out_endpoint) {
  *out_endpoint = 0;
  for (uint32_t i = 0; i < actor_class->endpoint_count; i++) {
    if (strcmp(actor_class->endpoints[i].name, name) == 0) {
      *out_endpoint = i;
      return WEFT_OK;
    }
  }
  return weft_status_make(WEFT_STATUS_NOT_FOUND,
                          "class %s has no endpoint named %s",
                          actor_class->name, name);
}
