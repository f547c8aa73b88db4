// SPDX-License-Identifier: Apache-2.0
//
// Values as text for people, in the manner of Python. Texts are cut at a
// fixed length, so that the work is bounded whatever the value holds.

#include <stdlib.h>
#include <string.h>

#include "base/text_writer.h"
#include "base/utf8.h"
#include "value/tensor_internal.h"
#include "value/value_internal.h"

// The longest text, in bytes.
#define LENGTH_LIMIT 1000
#define CUT_MARK "..."

// True once the text will be cut anyway: the loops below end early.
static bool is_full(const weft_text_writer_t* writer) {
  return writer->length > LENGTH_LIMIT;
}

static void append_value(weft_text_writer_t* writer, weft_value_t value);

static void append_float64(weft_text_writer_t* writer, double float64) {
  // The fewest digits that read back as the same number.
  char digits[32];
  for (int precision = 15; precision <= 17; ++precision) {
    weft_text_writer_t number = weft_text_writer_make(digits, sizeof(digits));
    weft_text_append(&number, "%.*g", precision, float64);
    if (strtod(digits, NULL) == float64) {
      break;
    }
  }
  // A whole number keeps its point, lest it looks like an int64.
  bool is_whole = strspn(digits, "-0123456789") == strlen(digits);
  weft_text_append(writer, "%s%s", digits, is_whole ? ".0" : "");
}

static void append_string(weft_text_writer_t* writer,
                          const weft_string_object_t* text) {
  const char* at = text->data;
  const char* end = at + text->length_bytes;
  weft_text_append(writer, "\"");
  for (; at < end && !is_full(writer); ++at) {
    unsigned char byte = (unsigned char)*at;
    if (byte < ' ' || byte == 0x7f) {
      weft_text_append(writer, "\\u%04x", byte);
    } else if (byte == '"' || byte == '\\') {
      weft_text_append(writer, "\\%c", byte);
    } else {
      weft_text_append(writer, "%c", byte);
    }
  }
  weft_text_append(writer, "\"");
}

static void append_list(weft_text_writer_t* writer, const weft_list_t* list) {
  weft_text_append(writer, "[");
  for (size_t i = 0; i < list->container.count && !is_full(writer); ++i) {
    weft_text_append(writer, "%s", i > 0 ? ", " : "");
    append_value(writer, list->values[i]);
  }
  weft_text_append(writer, "]");
}

static void append_map(weft_text_writer_t* writer, const weft_map_t* map) {
  weft_text_append(writer, "{");
  for (size_t i = 0; i < map->container.count && !is_full(writer); ++i) {
    weft_text_append(writer, "%s", i > 0 ? ", " : "");
    append_string(writer, weft_value_string(map->entries[i].key));
    weft_text_append(writer, ": ");
    append_value(writer, map->entries[i].value);
  }
  weft_text_append(writer, "}");
}

static void append_actor(weft_text_writer_t* writer, weft_value_t value) {
  if ((uint32_t)value.as.actor == 0) {
    weft_text_append(writer, "actor nobody");
    return;
  }
  weft_text_append(writer, "actor rank %u.%u index %u.%u", value.rank,
                   (unsigned)(value.as.actor >> 32), value.index,
                   (uint32_t)value.as.actor);
}

static void append_tensor(weft_text_writer_t* writer,
                          const weft_tensor_t* tensor) {
  char text[WEFT_TENSOR_TEXT_CAPACITY];
  (void)weft_tensor_format(tensor, text, sizeof(text));
  weft_text_append(writer, "%s", text);
}

static void append_opaque(weft_text_writer_t* writer,
                          const weft_opaque_t* opaque) {
  const char* name = opaque->type->name;
  weft_text_append(writer, "opaque %s", name != NULL ? name : "(no name)");
}

static void append_status(weft_text_writer_t* writer, weft_status_t status) {
  weft_text_append(writer, "status %s: %s",
                   weft_status_code_name(weft_status_code(status)),
                   weft_status_message(status));
}

static void append_value(weft_text_writer_t* writer, weft_value_t value) {
  switch (weft_value_kind(value)) {
    case WEFT_KIND_BOOL:
      weft_text_append(writer, value.as.int64 != 0 ? "true" : "false");
      return;
    case WEFT_KIND_INT64:
      weft_text_append(writer, "%lld", (long long)value.as.int64);
      return;
    case WEFT_KIND_FLOAT64:
      append_float64(writer, value.as.float64);
      return;
    case WEFT_KIND_ACTOR:
      append_actor(writer, value);
      return;
    case WEFT_KIND_STRING:
      append_string(writer, weft_value_string(value));
      return;
    case WEFT_KIND_BYTES:
      weft_text_append(writer, "%zu bytes",
                       weft_value_string(value)->length_bytes);
      return;
    case WEFT_KIND_LIST:
      append_list(writer, weft_value_list(value));
      return;
    case WEFT_KIND_MAP:
      append_map(writer, weft_value_map(value));
      return;
    case WEFT_KIND_TENSOR:
      append_tensor(writer, weft_value_tensor(value));
      return;
    case WEFT_KIND_OPAQUE:
      append_opaque(writer, weft_value_opaque(value));
      return;
    case WEFT_KIND_STATUS:
      append_status(writer, weft_value_status(value));
      return;
    case WEFT_KIND_NONE:
    case WEFT_KIND_FUTURE:
    case WEFT_KIND_CHANNEL_END:
    case WEFT_KIND_ANY:
      break;
  }
  weft_text_append(writer, "%s", weft_kind_name(weft_value_kind(value)));
}

// Ends a text that is too long with the mark, behind a whole character.
static void cut(weft_text_writer_t* writer) {
  const size_t kept = LENGTH_LIMIT - (sizeof(CUT_MARK) - 1);
  writer->length = weft_utf8_prefix((const uint8_t*)writer->buffer, kept);
  weft_text_append(writer, CUT_MARK);
}

size_t weft_value_format(weft_value_t value, char* buffer, size_t capacity) {
  char text[LENGTH_LIMIT + 1];
  weft_text_writer_t whole = weft_text_writer_make(text, sizeof(text));
  append_value(&whole, value);
  if (is_full(&whole)) {
    cut(&whole);
  }
  weft_text_writer_t writer = weft_text_writer_make(buffer, capacity);
  weft_text_append(&writer, "%s", text);
  return writer.length;
}
