// SPDX-License-Identifier: Apache-2.0
//
// One trace event as JSON; see writer.h for which event becomes what.

#ifndef WEFT_TRACE_FORMAT_H_
#define WEFT_TRACE_FORMAT_H_

#include "trace/text.h"
#include "trace/writer.h"

// What all events of a file share.
typedef struct weft_trace_format {
  const weft_runtime_t* runtime;
  uint32_t process_id;
  // The time that the file calls 0.
  int64_t epoch_ns;
  // What all events of a thread share, as text: see weft_trace_format_thread.
  char place[64];
  size_t place_length;
} weft_trace_format_t;

// The most bytes that one call of these takes.
#define WEFT_TRACE_FORMAT_LIMIT 8192

// The objects that come first: name and rank of the process.
void weft_trace_format_head(weft_trace_format_t* format, weft_text_t* text);

// The events that follow are of this thread.
void weft_trace_format_thread(weft_trace_format_t* format, uint32_t thread_id);

// One event: an object or two, each after a comma and a newline.
void weft_trace_format_event(const weft_trace_format_t* format,
                             const weft_trace_event_t* event,
                             weft_text_t* text);

#endif  // WEFT_TRACE_FORMAT_H_
