// SPDX-License-Identifier: Apache-2.0
//
// What every other header needs: export and attribute macros, the version,
// and how the library writes down time.

#ifndef WEFT_COMMON_H_
#define WEFT_COMMON_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define WEFT_BEGIN_DECLS extern "C" {
#define WEFT_END_DECLS }
#else
#define WEFT_BEGIN_DECLS
#define WEFT_END_DECLS
#endif

// Marks what the shared library exports. Nothing else is visible.
#define WEFT_API __attribute__((visibility("default")))
// The result must be looked at. A status that is dropped is a lost error.
#define WEFT_MUST_USE __attribute__((warn_unused_result))
// Checks a format string and its arguments as printf does.
#define WEFT_PRINTF(format_index, first_argument) \
  __attribute__((format(printf, format_index, first_argument)))

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

// Times are nanoseconds. A *deadline* is a point on the runtime's monotonic
// clock (`weft_runtime_now_ns`); a *timeout* is a length of time from now.
// Functions say which they take in the name of the parameter.

// Never: as a deadline or a timeout, wait without limit.
#define WEFT_TIME_INFINITE INT64_MAX
// At once: as a deadline, try and do not wait.
#define WEFT_TIME_NOW ((int64_t)0)

WEFT_BEGIN_DECLS

// One member of a job; see runtime.h.
typedef struct weft_runtime weft_runtime_t;

// The version of the library that is linked, as "major.minor.patch". It may
// differ from WEFT_VERSION_*, which is the version of the headers.
WEFT_API const char* weft_version(void);

WEFT_END_DECLS

#endif  // WEFT_COMMON_H_
