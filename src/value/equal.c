// SPDX-License-Identifier: Apache-2.0
//
// Whether two values are the same. Recursion is bounded by the depth that
// lists and maps may have.

#include <string.h>

#include "value/value_internal.h"

static bool list_equal(const weft_list_t* a, const weft_list_t* b) {
  if (a->container.count != b->container.count) {
    return false;
  }
  for (size_t i = 0; i < a->container.count; ++i) {
    if (!weft_value_equal(a->values[i], b->values[i])) {
      return false;
    }
  }
  return true;
}

static bool entry_equal(const weft_map_entry_t* a, const weft_map_entry_t* b) {
  return weft_string_equal(weft_value_string(a->key),
                           weft_value_string(b->key)) &&
         weft_value_equal(a->value, b->value);
}

static bool map_equal(weft_map_t* a, weft_map_t* b) {
  if (a->container.count != b->container.count) {
    return false;
  }
  const uint32_t* order_a = weft_map_order(a);
  const uint32_t* order_b = weft_map_order(b);
  for (size_t i = 0; i < a->container.count; ++i) {
    if (!entry_equal(&a->entries[order_a[i]], &b->entries[order_b[i]])) {
      return false;
    }
  }
  return true;
}

// Where a status was made does not count: the same failure is made in many
// places.
static bool status_equal(weft_status_t a, weft_status_t b) {
  while (a != b) {
    if (weft_status_code(a) != weft_status_code(b) ||
        strcmp(weft_status_message(a), weft_status_message(b)) != 0) {
      return false;
    }
    a = weft_status_cause(a);
    b = weft_status_cause(b);
  }
  return true;
}

bool weft_value_equal(weft_value_t a, weft_value_t b) {
  if (a.kind != b.kind) {
    return false;
  }
  switch (weft_value_kind(a)) {
    case WEFT_KIND_NONE:
      return true;
    case WEFT_KIND_FLOAT64:
      return a.as.float64 == b.as.float64;
    case WEFT_KIND_ACTOR:
      return a.rank == b.rank && a.index == b.index && a.as.actor == b.as.actor;
    case WEFT_KIND_STRING:
    case WEFT_KIND_BYTES:
      return weft_string_equal(weft_value_string(a), weft_value_string(b));
    case WEFT_KIND_LIST:
      return list_equal(weft_value_list(a), weft_value_list(b));
    case WEFT_KIND_MAP:
      return map_equal(weft_value_map(a), weft_value_map(b));
    case WEFT_KIND_STATUS:
      return status_equal(weft_value_status(a), weft_value_status(b));
    case WEFT_KIND_BOOL:
    case WEFT_KIND_INT64:
      return a.as.int64 == b.as.int64;
    case WEFT_KIND_TENSOR:
    case WEFT_KIND_FUTURE:
    case WEFT_KIND_OPAQUE:
    case WEFT_KIND_CHANNEL_END:
    case WEFT_KIND_ANY:
      break;
  }
  return a.as.object == b.as.object;
}
