// SPDX-License-Identifier: Apache-2.0

#include "base/ids.h"

#include "base/memory.h"

#define NONE UINT32_MAX
#define FIRST_COUNT 32
// So that a size never overflows, and NONE is no place.
#define COUNT_LIMIT (UINT32_C(1) << 26)

void weft_ids_init(weft_ids_t* ids, const weft_allocator_t* allocator) {
  *ids = (weft_ids_t){.allocator = allocator, .first_free = NONE};
}

void weft_ids_deinit(weft_ids_t* ids) {
  if (ids->places != NULL) {
    weft_memory_free(ids->allocator, ids->places,
                     ids->count * sizeof(*ids->places));
    ids->places = NULL;
  }
}

static bool grow(weft_ids_t* ids) {
  uint32_t count = ids->count == 0 ? FIRST_COUNT : ids->count * 2;
  if (count > COUNT_LIMIT) {
    return false;
  }
  weft_ids_place_t* places =
      weft_memory_allocate_zeroed(ids->allocator, count * sizeof(*places));
  if (places == NULL) {
    return false;
  }
  if (ids->count > 0) {
    memcpy(places, ids->places, ids->count * sizeof(*places));
  }
  // The first of the new ones is given out first.
  for (uint32_t i = count; i > ids->count; i--) {
    places[i - 1].next_free = ids->first_free;
    ids->first_free = i - 1;
  }
  weft_memory_free(ids->allocator, ids->places,
                   ids->count * sizeof(*ids->places));
  ids->places = places;
  ids->count = count;
  return true;
}

uint64_t weft_ids_give(weft_ids_t* ids, void* object) {
  if (ids->first_free == NONE && !grow(ids)) {
    return 0;
  }
  uint32_t index = ids->first_free;
  weft_ids_place_t* place = &ids->places[index];
  ids->first_free = place->next_free;
  place->object = object;
  place->use = place->use == UINT32_MAX ? 1 : place->use + 1;
  ids->used++;
  return (uint64_t)place->use << 32 | index;
}

static weft_ids_place_t* find(const weft_ids_t* ids, uint64_t id) {
  uint32_t index = (uint32_t)id;
  if (index >= ids->count || ids->places[index].use != (uint32_t)(id >> 32) ||
      ids->places[index].object == NULL) {
    return NULL;
  }
  return &ids->places[index];
}

void* weft_ids_find(const weft_ids_t* ids, uint64_t id) {
  const weft_ids_place_t* place = find(ids, id);
  return place != NULL ? place->object : NULL;
}

void* weft_ids_take(weft_ids_t* ids, uint64_t id) {
  weft_ids_place_t* place = find(ids, id);
  if (place == NULL) {
    return NULL;
  }
  void* object = place->object;
  place->object = NULL;
  place->next_free = ids->first_free;
  ids->first_free = (uint32_t)id;
  ids->used--;
  return object;
}

void* weft_ids_next(const weft_ids_t* ids, uint32_t* place) {
  for (; *place < ids->count; ++*place) {
    if (ids->places[*place].object != NULL) {
      return ids->places[(*place)++].object;
    }
  }
  return NULL;
}
