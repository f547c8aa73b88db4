// SPDX-License-Identifier: Apache-2.0

#include "trace/format.h"

#include <string.h>

#include "base/runtime.h"

// Bytes of a name that are written; six times as many when all are escaped.
#define NAME_LIMIT 200
// Bytes of the name of a thread.
#define THREAD_NAME_LIMIT 16

// Six names, each escaped in full, leave room for what stands around them.
_Static_assert(6 * 6 * NAME_LIMIT + 512 <= WEFT_TRACE_FORMAT_LIMIT,
               "an event fits");

static void append_name(weft_text_t* text, const char* name) {
  if (name != NULL) {
    weft_text_json(text, name, NAME_LIMIT);
  }
}

// "class#index", without quotes.
static void append_actor(weft_text_t* text, const weft_trace_event_t* event) {
  append_name(text, event->category);
  weft_text_char(text, '#');
  weft_text_number(text, event->number, 1);
}

// Starts an object whose `name` follows.
static void begin_object(weft_text_t* text, char phase) {
  weft_text_string(text, ",\n{\"ph\":\"");
  weft_text_char(text, phase);
  weft_text_string(text, "\",\"name\":\"");
}

// Ends the name and says where the event belongs.
static void append_place(const weft_trace_format_t* format, weft_text_t* text) {
  weft_text_bytes(text, format->place, format->place_length);
}

static void append_time(const weft_trace_format_t* format, int64_t time_ns,
                        weft_text_t* text) {
  weft_text_microseconds(text, time_ns - format->epoch_ns);
}

static void append_slice_times(const weft_trace_format_t* format,
                               const weft_trace_event_t* event,
                               weft_text_t* text) {
  weft_text_string(text, ",\"ts\":");
  append_time(format, event->start_ns, text);
  weft_text_string(text, ",\"dur\":");
  weft_text_microseconds(text, event->end_ns - event->start_ns);
}

// One end of an arrow, 1 ns inside of the slice of its event.
static void append_flow(const weft_trace_format_t* format, char phase,
                        const weft_trace_event_t* event, weft_text_t* text) {
  begin_object(text, phase);
  weft_text_string(text, "message");
  append_place(format, text);
  weft_text_string(text, ",\"cat\":\"actor\",\"ts\":");
  append_time(format, event->start_ns + 1, text);
  weft_text_string(text, ",\"id\":\"");
  weft_text_hex(text, event->word);
  weft_text_string(text, "\",\"bp\":\"e\"}");
}

static void append_span(const weft_trace_format_t* format,
                        const weft_trace_event_t* event, weft_text_t* text) {
  begin_object(text, 'X');
  append_name(text, event->name);
  append_place(format, text);
  append_slice_times(format, event, text);
  weft_text_string(text, ",\"cat\":\"");
  append_name(text, event->category);
  weft_text_string(text, "\"}");
}

static void append_handler(const weft_trace_format_t* format,
                           const weft_trace_event_t* event, weft_text_t* text) {
  begin_object(text, 'X');
  append_name(text, event->category);
  weft_text_char(text, '.');
  append_name(text, event->name);
  append_place(format, text);
  append_slice_times(format, event, text);
  weft_text_string(text, ",\"cat\":\"actor\",\"args\":{\"actor\":\"");
  append_actor(text, event);
  weft_text_string(text, "\",\"endpoint\":\"");
  append_name(text, event->name);
  weft_text_string(text, "\"}}");
  if (event->word != 0) {
    append_flow(format, 'f', event, text);
  }
}

static void append_send(const weft_trace_format_t* format,
                        const weft_trace_event_t* event, weft_text_t* text) {
  begin_object(text, 'X');
  weft_text_string(text, "send ");
  append_name(text, event->name);
  append_place(format, text);
  append_slice_times(format, event, text);
  weft_text_string(text, ",\"cat\":\"actor\"}");
  append_flow(format, 's', event, text);
}

static void append_thread_name(const weft_trace_format_t* format,
                               const weft_trace_event_t* event,
                               weft_text_t* text) {
  char name[THREAD_NAME_LIMIT];
  memcpy(name, &event->number, sizeof(event->number));
  memcpy(name + sizeof(event->number), &event->word, sizeof(event->word));
  begin_object(text, 'M');
  weft_text_string(text, "thread_name");
  append_place(format, text);
  weft_text_string(text, ",\"args\":{\"name\":\"");
  weft_text_json(text, name, sizeof(name));
  weft_text_string(text, "\"}}");
}

typedef void (*append_fn_t)(const weft_trace_format_t* format,
                            const weft_trace_event_t* event, weft_text_t* text);

static const append_fn_t append_kinds[] = {
    [WEFT_TRACE_SPAN] = append_span,
    [WEFT_TRACE_HANDLER] = append_handler,
    [WEFT_TRACE_SEND] = append_send,
    [WEFT_TRACE_THREAD_NAME] = append_thread_name,
};

void weft_trace_format_event(const weft_trace_format_t* format,
                             const weft_trace_event_t* event,
                             weft_text_t* text) {
  append_kinds[event->kind](format, event, text);
}

void weft_trace_format_thread(weft_trace_format_t* format, uint32_t thread_id) {
  weft_text_t place = {.buffer = format->place,
                       .capacity = sizeof(format->place)};
  weft_text_string(&place, "\",\"pid\":");
  weft_text_number(&place, format->process_id, 1);
  weft_text_string(&place, ",\"tid\":");
  weft_text_number(&place, thread_id, 1);
  format->place_length = place.length;
}

void weft_trace_format_head(weft_trace_format_t* format, weft_text_t* text) {
  weft_trace_format_thread(format, 0);
  // The epoch lets files of several processes of a host be put together.
  weft_text_string(text, "{\"ph\":\"M\",\"name\":\"process_name");
  append_place(format, text);
  weft_text_string(text, ",\"args\":{\"name\":\"");
  append_name(text, format->runtime->name);
  weft_text_string(text, "\",\"epoch_ns\":");
  weft_text_number(text, (uint64_t)format->epoch_ns, 1);
  weft_text_string(text, "}},\n{\"ph\":\"M\",\"name\":\"process_sort_index");
  append_place(format, text);
  weft_text_string(text, ",\"args\":{\"sort_index\":");
  weft_text_number(text, format->runtime->rank, 1);
  weft_text_string(text, "}},\n{\"ph\":\"M\",\"name\":\"process_labels");
  append_place(format, text);
  weft_text_string(text, ",\"args\":{\"labels\":\"rank ");
  weft_text_number(text, format->runtime->rank, 1);
  weft_text_string(text, " of ");
  weft_text_number(text, format->runtime->size, 1);
  weft_text_string(text, "\"}}");
}
