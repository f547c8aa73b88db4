// SPDX-License-Identifier: Apache-2.0
//
// What all kinds share, and the kinds that are in the cell itself.

#include "weft/value.h"

#include "base/checked.h"
#include "value/value_internal.h"

weft_status_t weft_value_wrong_kind(weft_value_t value, weft_kind_t expected) {
  return weft_status_make(
      WEFT_STATUS_INVALID_ARGUMENT, "the value is of kind %s, not %s",
      weft_kind_name(weft_value_kind(value)), weft_kind_name(expected));
}

weft_status_t weft_value_allocate(const weft_allocator_t* allocator,
                                  size_t head_bytes, size_t count,
                                  size_t element_bytes, const char* what,
                                  void** out_block) {
  size_t size_bytes = 0;
  *out_block = NULL;
  if (weft_checked_array(head_bytes, count, element_bytes, &size_bytes)) {
    *out_block = weft_memory_allocate(allocator, size_bytes);
  }
  if (*out_block == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a %s: %zu bytes, and %zu times %zu",
                            what, head_bytes, count, element_bytes);
  }
  return WEFT_OK;
}

weft_status_t weft_value_as_bool(weft_value_t value, bool* out_boolean) {
  *out_boolean = false;
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_BOOL));
  *out_boolean = value.as.int64 != 0;
  return WEFT_OK;
}

weft_status_t weft_value_as_int64(weft_value_t value, int64_t* out_int64) {
  bool is_int64 = value.kind == WEFT_KIND_INT64;
  *out_int64 = is_int64 ? value.as.int64 : 0;
  return is_int64 ? WEFT_OK : weft_value_wrong_kind(value, WEFT_KIND_INT64);
}

static weft_status_t int64_as_float64(int64_t int64, double* out_float64) {
  // 2^63 is a float64 and no int64: INT64_MAX would be rounded up to it.
  const double limit = 9223372036854775808.0;
  double rounded = (double)int64;
  if (rounded >= limit || (int64_t)rounded != int64) {
    return weft_status_make(
        WEFT_STATUS_OUT_OF_RANGE,
        "the int64 %lld is not exact as a float64; pass a float64",
        (long long)int64);
  }
  *out_float64 = rounded;
  return WEFT_OK;
}

weft_status_t weft_value_as_float64(weft_value_t value, double* out_float64) {
  *out_float64 = 0.0;
  if (value.kind == WEFT_KIND_INT64) {
    return int64_as_float64(value.as.int64, out_float64);
  }
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_FLOAT64));
  *out_float64 = value.as.float64;
  return WEFT_OK;
}

weft_status_t weft_value_as_actor(weft_value_t value, weft_actor_t* out_actor) {
  *out_actor = (weft_actor_t){0};
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_ACTOR));
  out_actor->rank = value.rank;
  out_actor->incarnation = (uint16_t)(value.as.actor >> 32);
  out_actor->index = value.index;
  out_actor->generation = (uint32_t)value.as.actor;
  return WEFT_OK;
}
