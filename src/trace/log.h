// SPDX-License-Identifier: Apache-2.0
//
// Messages for people, to standard error, one write(2) each:
//   weft: warning: actor: mailbox of counter#3 is full
// Lines of a message after its first are indented, so that nothing inside a
// message looks like another message.
//
// Environment, read once, at the first message:
//   WEFT_LOG=LEVEL[,AREA=LEVEL...]  error, warning (default), info, debug
//   WEFT_LOG_FORMAT=json            one JSON object a line instead

#ifndef WEFT_TRACE_LOG_H_
#define WEFT_TRACE_LOG_H_

#include <stdatomic.h>

#include "weft/common.h"

// X(identifier, word): from what is always shown to what seldom is.
#define WEFT_LOG_LEVELS(X) \
  X(ERROR, "error")        \
  X(WARNING, "warning")    \
  X(INFO, "info")          \
  X(DEBUG, "debug")

typedef enum weft_log_level {
#define WEFT_LOG_LEVEL_ENUM(identifier, word) WEFT_LOG_##identifier,
  WEFT_LOG_LEVELS(WEFT_LOG_LEVEL_ENUM)
#undef WEFT_LOG_LEVEL_ENUM
      WEFT_LOG_LEVEL_COUNT
} weft_log_level_t;

// The areas that have a level of their own: the folders of src/.
#define WEFT_LOG_AREAS(X) \
  X(base)                 \
  X(sys)                  \
  X(trace)                \
  X(job)                  \
  X(async)                \
  X(value)                \
  X(wire)                 \
  X(memory)               \
  X(link)                 \
  X(peer)                 \
  X(actor)                \
  X(runtime)

// Log a message in printf's form, without a newline at its end. `area` is one
// of the names above, as a string. Thread: any. Blocks: as write(2) does.
#define weft_log_error(area, ...) \
  weft_log_at(WEFT_LOG_ERROR, (area), __VA_ARGS__)
#define weft_log_warning(area, ...) \
  weft_log_at(WEFT_LOG_WARNING, (area), __VA_ARGS__)
#define weft_log_info(area, ...) weft_log_at(WEFT_LOG_INFO, (area), __VA_ARGS__)
#define weft_log_debug(area, ...) \
  weft_log_at(WEFT_LOG_DEBUG, (area), __VA_ARGS__)

// Arguments are evaluated only if some area shows messages of this level.
#define weft_log_at(level, area, ...)               \
  do {                                              \
    if (weft_log_may_show(level)) {                 \
      weft_log_write((level), (area), __VA_ARGS__); \
    }                                               \
  } while (0)

// The most talkative level of all areas. Before the environment has been read
// it lets everything through to `weft_log_write`, which reads it.
extern _Atomic int weft_log_ceiling;

// False when no area shows messages of this level: the cheap check.
static inline bool weft_log_may_show(weft_log_level_t level) {
  // Relaxed: nothing but the level itself depends on it.
  return (int)level <=
         atomic_load_explicit(&weft_log_ceiling, memory_order_relaxed);
}

// Writes the message if its area shows its level; use the macros above.
// A message longer than 1499 bytes is cut.
void weft_log_write(weft_log_level_t level, const char* area,
                    const char* format, ...) WEFT_PRINTF(3, 4);

#endif  // WEFT_TRACE_LOG_H_
