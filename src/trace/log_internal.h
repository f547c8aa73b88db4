// SPDX-License-Identifier: Apache-2.0
//
// How the text of WEFT_LOG is understood.

#ifndef WEFT_TRACE_LOG_INTERNAL_H_
#define WEFT_TRACE_LOG_INTERNAL_H_

#include "trace/log.h"

typedef enum weft_log_area {
#define WEFT_LOG_AREA_ENUM(area) WEFT_LOG_AREA_##area,
  WEFT_LOG_AREAS(WEFT_LOG_AREA_ENUM)
#undef WEFT_LOG_AREA_ENUM
      WEFT_LOG_AREA_COUNT
} weft_log_area_t;

typedef struct weft_log_levels {
  // Of areas that have none of their own.
  int general;
  int areas[WEFT_LOG_AREA_COUNT];
} weft_log_levels_t;

// Room for the report of a fault.
#define WEFT_LOG_FAULT_CAPACITY 320

// Reads a setting such as "info,actor=debug"; NULL is an empty one. Parts
// that mean nothing are passed over; the first of them is reported in
// `out_fault`, which is empty when there is none.
void weft_log_parse(const char* setting, weft_log_levels_t* out_levels,
                    char* out_fault, size_t fault_capacity);

#endif  // WEFT_TRACE_LOG_INTERNAL_H_
