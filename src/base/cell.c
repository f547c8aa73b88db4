// SPDX-License-Identifier: Apache-2.0
//
// What every cell has in common, whatever it holds.

#include "base/object.h"

void weft_value_retain_object(weft_value_t value) {
  weft_object_retain(value.as.object);
}

void weft_value_release_object(weft_value_t value) {
  weft_object_release(value.as.object);
}

// The holes are numbers that no kind has; a cell may come from a newer peer.
static const char* const kind_names[] = {
    [WEFT_KIND_NONE] = "none",     [WEFT_KIND_BOOL] = "bool",
    [WEFT_KIND_INT64] = "int64",   [WEFT_KIND_FLOAT64] = "float64",
    [WEFT_KIND_ACTOR] = "actor",   [WEFT_KIND_STRING] = "string",
    [WEFT_KIND_BYTES] = "bytes",   [WEFT_KIND_LIST] = "list",
    [WEFT_KIND_MAP] = "map",       [WEFT_KIND_TENSOR] = "tensor",
    [WEFT_KIND_FUTURE] = "future", [WEFT_KIND_OPAQUE] = "opaque",
    [WEFT_KIND_STATUS] = "status", [WEFT_KIND_CHANNEL_END] = "channel end",
};

const char* weft_kind_name(weft_kind_t kind) {
  const size_t count = sizeof(kind_names) / sizeof(kind_names[0]);
  if (kind == WEFT_KIND_ANY) {
    return "any";
  }
  if ((size_t)kind < count && kind_names[kind] != NULL) {
    return kind_names[kind];
  }
  return "unknown";
}
