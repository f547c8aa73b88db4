// SPDX-License-Identifier: Apache-2.0

#include "totals.h"

#include <stdlib.h>

// Adds one number of a report.
static weft_status_t add(weft_value_t report, const char* key, int64_t* total) {
  weft_value_t value = weft_none();
  int64_t number = 0;
  WEFT_RETURN_IF_ERROR(weft_map_get(report, key, &value));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(value, &number));
  *total += number;
  return WEFT_OK;
}

static weft_status_t add_all(weft_value_t report, totals_t* totals) {
  WEFT_RETURN_IF_ERROR(add(report, "messages_handled", &totals->messages));
  WEFT_RETURN_IF_ERROR(add(report, "bytes_passed", &totals->bytes_passed));
  WEFT_RETURN_IF_ERROR(add(report, "bytes_lent", &totals->bytes_lent));
  return add(report, "bytes_copied", &totals->bytes_copied);
}

static weft_status_t add_report(weft_future_t* future, totals_t* totals) {
  weft_value_t report = weft_none();
  WEFT_RETURN_IF_ERROR(weft_future_get(future, WEFT_TIME_INFINITE, &report));
  weft_status_t status = add_all(report, totals);
  weft_value_release(report);
  return status;
}

weft_status_t totals_ask(weft_runtime_t* runtime, totals_t* out_totals) {
  uint32_t size = weft_runtime_size(runtime);
  weft_future_t** reports = calloc(size, sizeof(*reports));
  weft_status_t status = WEFT_OK;
  *out_totals = (totals_t){0};
  if (reports == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  for (uint32_t rank = 0; rank < size && weft_status_is_ok(status); ++rank) {
    status = weft_runtime_report(runtime, rank, &reports[rank]);
  }
  for (uint32_t rank = 0; rank < size && weft_status_is_ok(status); ++rank) {
    status = add_report(reports[rank], out_totals);
  }
  for (uint32_t rank = 0; rank < size; ++rank) {
    weft_future_release(reports[rank]);
  }
  free(reports);
  return status;
}
