// SPDX-License-Identifier: Apache-2.0
//
// A status is one word: the code in its low bits, above them the address of a
// payload that is aligned so that those bits are free.
//
//   bits 5..  payload_t*, or 0 for a code alone     bits 0-4  code
//
// Payloads come from the C heap: a status may outlive the runtime it came
// from, and the allocator of that runtime with it.

#include "weft/status.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/origin.h"
#include "base/status_internal.h"
#include "base/text_writer.h"
#include "weft/allocator.h"

// Also what a payload is aligned to.
#define CODE_LIMIT 32u
// The most causes that are written out: the first ones and the root.
#define CAUSE_LIMIT 16u
// Longer messages are formatted twice.
#define MESSAGE_BYTES 512

_Static_assert(WEFT_STATUS_CODE_COUNT <= CODE_LIMIT, "codes fit their bits");

// One block: the struct, then the characters of all its strings.
typedef struct payload {
  _Atomic uint32_t references;
  int32_t rank;
  int line;
  // Owned; WEFT_OK at the root.
  weft_status_t cause;
  size_t size_bytes;
  const char* file;
  const char* actor;
  const char* endpoint;
  char message[];
} payload_t;

// What goes into a payload, but for the characters of the message.
typedef struct contents {
  size_t message_length;
  weft_status_text_t file;
  weft_status_text_t actor;
  weft_status_text_t endpoint;
} contents_t;

_Thread_local const weft_origin_t* weft_origin_current;

// Relaxed wherever it is used: a switch of tests, which publishes nothing.
static _Atomic bool allocations_fail;

void weft_status_fail_allocations(bool fail) {
  atomic_store_explicit(&allocations_fail, fail, memory_order_relaxed);
}

static payload_t* payload_of(weft_status_t status) {
  return (payload_t*)((uintptr_t)status & ~(uintptr_t)(CODE_LIMIT - 1));
}

static weft_status_t status_of(weft_status_code_t code, payload_t* payload) {
  return (weft_status_t)((uintptr_t)payload | (uintptr_t)code);
}

static weft_status_text_t text_of(const char* string) {
  return (weft_status_text_t){string, string != NULL ? strlen(string) : 0};
}

static bool add_text(size_t* size_bytes, weft_status_text_t text) {
  return text.data == NULL ||
         weft_checked_add(*size_bytes, text.length + 1, size_bytes);
}

static payload_t* payload_allocate(const contents_t* contents) {
  size_t size_bytes = sizeof(payload_t);
  bool fits =
      weft_checked_add(size_bytes, contents->message_length + 1, &size_bytes) &&
      add_text(&size_bytes, contents->file) &&
      add_text(&size_bytes, contents->actor) &&
      add_text(&size_bytes, contents->endpoint);
  // Relaxed: see the variable.
  if (!fits || atomic_load_explicit(&allocations_fail, memory_order_relaxed)) {
    return NULL;
  }
  const weft_allocator_t* allocator = weft_allocator_system();
  payload_t* payload =
      allocator->allocate(allocator->self, size_bytes, CODE_LIMIT);
  if (payload != NULL) {
    memset(payload, 0, sizeof(*payload));
    payload->size_bytes = size_bytes;
  }
  return payload;
}

// Copies a text to `*cursor`, ends it, and moves the cursor behind it.
static const char* place_text(char** cursor, weft_status_text_t text) {
  if (text.data == NULL) {
    return NULL;
  }
  char* place = *cursor;
  memcpy(place, text.data, text.length);
  place[text.length] = '\0';
  *cursor += text.length + 1;
  return place;
}

// All but the characters of the message, for which there is room.
static payload_t* payload_create(const contents_t* contents) {
  payload_t* payload = payload_allocate(contents);
  if (payload != NULL) {
    char* cursor = payload->message + contents->message_length + 1;
    payload->file = place_text(&cursor, contents->file);
    payload->actor = place_text(&cursor, contents->actor);
    payload->endpoint = place_text(&cursor, contents->endpoint);
  }
  return payload;
}

// Formats the message, once unless it is long.
static payload_t* payload_format(contents_t* contents, const char* format,
                                 va_list* arguments) {
  char message[MESSAGE_BYTES];
  va_list again;
  va_copy(again, *arguments);
  int length = vsnprintf(message, sizeof(message), format, *arguments);
  // Negative for text that cannot be encoded: then there is no message.
  contents->message_length = length < 0 ? 0 : (size_t)length;
  payload_t* payload = payload_create(contents);
  if (payload != NULL && contents->message_length < sizeof(message)) {
    memcpy(payload->message, message, contents->message_length);
    payload->message[contents->message_length] = '\0';
  } else if (payload != NULL) {
    vsnprintf(payload->message, contents->message_length + 1, format, again);
  }
  va_end(again);
  return payload;
}

static void payload_free(payload_t* payload) {
  const weft_allocator_t* allocator = weft_allocator_system();
  allocator->free(allocator->self, payload, payload->size_bytes);
}

// A handler's error must carry a code that means one; a slip of its author
// is still reported as an error.
static weft_status_code_t code_of_error(weft_status_code_t code) {
  bool is_error =
      code != WEFT_STATUS_OK && (unsigned)code < WEFT_STATUS_CODE_COUNT;
  return is_error ? code : WEFT_STATUS_INTERNAL;
}

static weft_status_t create(weft_status_code_t code, weft_status_t cause,
                            const weft_status_origin_t* place,
                            const char* format, va_list* arguments) {
  weft_origin_text_t text = {.rank = -1};
  if (weft_origin_current != NULL) {
    weft_origin_current->describe(weft_origin_current, &text);
  }
  contents_t contents = {
      .file = text_of(place->file),
      .actor = text_of(text.actor[0] != '\0' ? text.actor : NULL),
      .endpoint = text_of(text.endpoint),
  };
  payload_t* payload = payload_format(&contents, format, arguments);
  if (payload == NULL) {
    weft_status_release(cause);
    return status_of(code_of_error(code), NULL);
  }
  atomic_init(&payload->references, 1);
  payload->rank = text.rank;
  payload->line = place->line;
  payload->cause = cause;
  return status_of(code_of_error(code), payload);
}

weft_status_t weft_status_create(weft_status_code_t code, const char* file,
                                 int line, const char* format, ...) {
  weft_status_origin_t place = {.file = file, .line = line};
  va_list arguments;
  va_start(arguments, format);
  weft_status_t status = create(code, WEFT_OK, &place, format, &arguments);
  va_end(arguments);
  return status;
}

weft_status_t weft_status_create_caused(weft_status_code_t code,
                                        weft_status_t cause, const char* file,
                                        int line, const char* format, ...) {
  weft_status_origin_t place = {.file = file, .line = line};
  va_list arguments;
  va_start(arguments, format);
  weft_status_t status = create(code, cause, &place, format, &arguments);
  va_end(arguments);
  return status;
}

// True for a status that says no more than its code does.
static bool is_code_alone(const weft_status_parts_t* parts) {
  return parts->message.length == 0 && parts->file.data == NULL &&
         parts->line == 0 && parts->rank == -1 && parts->actor.data == NULL &&
         parts->endpoint.data == NULL && parts->cause == WEFT_OK;
}

weft_status_t weft_status_restore(const weft_status_parts_t* parts) {
  contents_t contents = {
      .message_length = parts->message.length,
      .file = parts->file,
      .actor = parts->actor,
      .endpoint = parts->endpoint,
  };
  payload_t* payload = is_code_alone(parts) ? NULL : payload_create(&contents);
  if (payload == NULL) {
    weft_status_release(parts->cause);
    return status_of(code_of_error(parts->code), NULL);
  }
  if (parts->message.length > 0) {
    memcpy(payload->message, parts->message.data, parts->message.length);
  }
  payload->message[parts->message.length] = '\0';
  atomic_init(&payload->references, 1);
  payload->rank = parts->rank;
  payload->line = parts->line;
  payload->cause = parts->cause;
  return status_of(code_of_error(parts->code), payload);
}

weft_status_t weft_status_from_code(weft_status_code_t code) {
  return code == WEFT_STATUS_OK ? WEFT_OK
                                : status_of(code_of_error(code), NULL);
}

weft_status_code_t weft_status_code(weft_status_t status) {
  return (weft_status_code_t)((uintptr_t)status & (CODE_LIMIT - 1));
}

static const struct {
  const char* name;
  const char* advice;
} code_texts[] = {
#define CODE_TEXT(identifier, number, name, advice) [number] = {name, advice},
    WEFT_STATUS_CODES(CODE_TEXT)
#undef CODE_TEXT
};

_Static_assert(sizeof(code_texts) / sizeof(code_texts[0]) ==
                   WEFT_STATUS_CODE_COUNT,
               "the count of codes is one more than the highest");

const char* weft_status_code_name(weft_status_code_t code) {
  return (unsigned)code < WEFT_STATUS_CODE_COUNT ? code_texts[code].name
                                                 : "unknown code";
}

const char* weft_status_code_advice(weft_status_code_t code) {
  return (unsigned)code < WEFT_STATUS_CODE_COUNT
             ? code_texts[code].advice
             : "it is of a later version of weft";
}

const char* weft_status_message(weft_status_t status) {
  const payload_t* payload = payload_of(status);
  return payload != NULL ? payload->message : "";
}

weft_status_origin_t weft_status_origin(weft_status_t status) {
  weft_status_origin_t origin = {.rank = -1};
  const payload_t* payload = payload_of(status);
  if (payload != NULL) {
    origin.file = payload->file;
    origin.line = payload->line;
    origin.rank = payload->rank;
    origin.actor = payload->actor;
    origin.endpoint = payload->endpoint;
  }
  return origin;
}

weft_status_t weft_status_cause(weft_status_t status) {
  const payload_t* payload = payload_of(status);
  return payload != NULL ? payload->cause : WEFT_OK;
}

weft_status_t weft_status_root(weft_status_t status) {
  weft_status_t cause = weft_status_cause(status);
  while (cause != WEFT_OK) {
    status = cause;
    cause = weft_status_cause(status);
  }
  return status;
}

weft_status_t weft_status_retain(weft_status_t status) {
  payload_t* payload = payload_of(status);
  if (payload != NULL) {
    // Relaxed: whoever retains holds a reference, so nothing is published.
    atomic_fetch_add_explicit(&payload->references, 1, memory_order_relaxed);
  }
  return status;
}

void weft_status_release(weft_status_t status) {
  payload_t* payload = payload_of(status);
  // A loop, since a chain of causes may be longer than the stack is deep.
  // Acquire-release: pairs with the same operation of other owners; their
  // last reads happen before the payload is freed.
  while (payload != NULL &&
         atomic_fetch_sub_explicit(&payload->references, 1,
                                   memory_order_acq_rel) == 1) {
    payload_t* cause = payload_of(payload->cause);
    payload_free(payload);
    payload = cause;
  }
}

weft_status_code_t weft_status_ignore(weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  weft_status_release(status);
  return code;
}

// --- Text -------------------------------------------------------------------

static void append_origin(weft_text_writer_t* text, weft_status_t status) {
  weft_status_origin_t origin = weft_status_origin(status);
  const char* separator = " (";
  if (origin.file != NULL) {
    weft_text_append(text, "%s%s:%d", separator, origin.file, origin.line);
    separator = ", ";
  }
  if (origin.rank >= 0) {
    weft_text_append(text, "%srank %d", separator, (int)origin.rank);
    separator = ", ";
  }
  if (origin.actor != NULL) {
    weft_text_append(text, "%sactor %s", separator, origin.actor);
    separator = ", ";
  }
  if (origin.endpoint != NULL) {
    weft_text_append(text, "%sendpoint %s", separator, origin.endpoint);
    separator = ", ";
  }
  if (separator[0] == ',') {
    weft_text_append(text, ")");
  }
}

static void append_one(weft_text_writer_t* text, weft_status_t status) {
  weft_text_append(text, "%s", weft_status_code_name(weft_status_code(status)));
  const char* message = weft_status_message(status);
  if (message[0] != '\0') {
    weft_text_append(text, ": %s", message);
  }
  append_origin(text, status);
}

static size_t count_causes(weft_status_t status) {
  size_t count = 0;
  weft_status_t cause = weft_status_cause(status);
  for (; cause != WEFT_OK; cause = weft_status_cause(cause)) {
    ++count;
  }
  return count;
}

static void append_causes(weft_text_writer_t* text, weft_status_t status) {
  size_t count = count_causes(status);
  size_t shown = count <= CAUSE_LIMIT ? count : CAUSE_LIMIT - 1;
  weft_status_t cause = weft_status_cause(status);
  for (size_t i = 0; i < shown; ++i) {
    weft_text_append(text, "\n  because: ");
    append_one(text, cause);
    cause = weft_status_cause(cause);
  }
  if (shown < count) {
    weft_text_append(text, "\n  because: ... %zu more, the first of all:",
                     count - shown - 1);
    weft_text_append(text, "\n  because: ");
    append_one(text, weft_status_root(status));
  }
}

size_t weft_status_format(weft_status_t status, char* buffer, size_t capacity) {
  weft_text_writer_t text = weft_text_writer_make(buffer, capacity);
  append_one(&text, status);
  append_causes(&text, status);
  return text.length;
}
