// SPDX-License-Identifier: Apache-2.0
//
// Levels belong to the process, since a message may come from where no
// runtime is at hand. They are read from the environment at the first
// message; threads that race for it read the same and store the same.

#include "trace/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sys/sys.h"
#include "trace/log_internal.h"
#include "trace/text.h"

#define STANDARD_ERROR 2
// Bytes of a message, and of a line, in which some of them are escaped.
#define MESSAGE_CAPACITY 1500
#define LINE_CAPACITY 2000
// What of a line is kept for what follows the message.
#define TAIL_CAPACITY 4
// Longer words are not looked at: no level or area is nearly as long.
#define WORD_LIMIT 40

static const char* const level_words[] = {
#define LEVEL_WORD(identifier, word) word,
    WEFT_LOG_LEVELS(LEVEL_WORD)
#undef LEVEL_WORD
};

static const char* const area_words[] = {
#define AREA_WORD(area) #area,
    WEFT_LOG_AREAS(AREA_WORD)
#undef AREA_WORD
};

#define AREA_COUNT (sizeof(area_words) / sizeof(area_words[0]))

_Atomic int weft_log_ceiling = WEFT_LOG_LEVEL_COUNT;

// All atomics of this file are relaxed but `is_ready`: they are numbers that
// nothing else depends on.
static _Atomic int area_levels[AREA_COUNT];
// The level of areas that are not in the table.
static _Atomic int other_level;
static _Atomic bool is_json;
static _Atomic bool is_ready;
static _Atomic bool is_reported;

static void set_level(_Atomic int* level, int value) {
  // Relaxed: see above.
  atomic_store_explicit(level, value, memory_order_relaxed);
}

static int get_level(_Atomic int* level) {
  // Relaxed: see above.
  return atomic_load_explicit(level, memory_order_relaxed);
}

// --- Reading WEFT_LOG -------------------------------------------------------

typedef struct word {
  const char* start;
  size_t length;
} word_t;

static int find(const char* const* words, size_t count, word_t word) {
  for (size_t i = 0; i < count; ++i) {
    if (strlen(words[i]) == word.length &&
        memcmp(words[i], word.start, word.length) == 0) {
      return (int)i;
    }
  }
  return -1;
}

// Applies LEVEL or AREA=LEVEL; false if it is neither.
static bool apply(word_t entry, weft_log_levels_t* levels) {
  const char* equals = memchr(entry.start, '=', entry.length);
  word_t level = entry;
  int area = -1;
  if (equals != NULL) {
    word_t name = {entry.start, (size_t)(equals - entry.start)};
    area = find(area_words, AREA_COUNT, name);
    level.start = equals + 1;
    level.length = entry.length - name.length - 1;
  }
  int value = find(level_words, WEFT_LOG_LEVEL_COUNT, level);
  if (value < 0 || (equals != NULL && area < 0)) {
    return false;
  }
  if (equals != NULL) {
    levels->areas[area] = value;
  } else {
    levels->general = value;
  }
  return true;
}

static void append_words(weft_text_t* text, const char* const* words,
                         size_t count) {
  for (size_t i = 0; i < count; ++i) {
    weft_text_string(text, i == 0 ? "" : ", ");
    weft_text_string(text, words[i]);
  }
}

// Writes what is wrong with the entry, and what would be right.
static void describe_fault(word_t entry, char* buffer, size_t capacity) {
  weft_text_t text = {.buffer = buffer, .capacity = capacity - 1};
  weft_text_string(&text, "WEFT_LOG: \"");
  weft_text_bytes(&text, entry.start,
                  entry.length < WORD_LIMIT ? entry.length : WORD_LIMIT);
  weft_text_string(&text, "\" is neither LEVEL nor AREA=LEVEL; levels are ");
  append_words(&text, level_words, WEFT_LOG_LEVEL_COUNT);
  weft_text_string(&text, "; areas are ");
  append_words(&text, area_words, AREA_COUNT);
  buffer[text.length] = '\0';
}

void weft_log_parse(const char* setting, weft_log_levels_t* out_levels,
                    char* out_fault, size_t fault_capacity) {
  _Static_assert(AREA_COUNT == WEFT_LOG_AREA_COUNT, "one level an area");
  out_levels->general = WEFT_LOG_WARNING;
  for (size_t i = 0; i < AREA_COUNT; ++i) {
    out_levels->areas[i] = -1;
  }
  out_fault[0] = '\0';
  while (setting != NULL && setting[0] != '\0') {
    word_t entry = {setting, strcspn(setting, ",")};
    if (!apply(entry, out_levels) && out_fault[0] == '\0') {
      describe_fault(entry, out_fault, fault_capacity);
    }
    setting += entry.length;
    setting += setting[0] == ',' ? 1 : 0;
  }
  for (size_t i = 0; i < AREA_COUNT; ++i) {
    if (out_levels->areas[i] < 0) {
      out_levels->areas[i] = out_levels->general;
    }
  }
}

static void set_levels(const weft_log_levels_t* levels) {
  int ceiling = levels->general;
  for (size_t i = 0; i < AREA_COUNT; ++i) {
    set_level(&area_levels[i], levels->areas[i]);
    ceiling = levels->areas[i] > ceiling ? levels->areas[i] : ceiling;
  }
  set_level(&other_level, levels->general);
  set_level(&weft_log_ceiling, ceiling);
}

// --- Writing ----------------------------------------------------------------

// Control characters of a message would reach the terminal; and a line inside
// it must not look like a message of its own, so it is indented.
static void append_message(weft_text_t* text, const char* message) {
  for (; message[0] != '\0'; ++message) {
    unsigned char code = (unsigned char)message[0];
    if (message[0] == '\n') {
      weft_text_string(text, message[1] == ' ' ? "\n" : "\n  ");
    } else if ((code < 0x20 && message[0] != '\t') || code == 0x7f) {
      weft_text_char(text, '?');
    } else {
      weft_text_char(text, message[0]);
    }
  }
}

static void append_text_line(weft_text_t* text, weft_log_level_t level,
                             const char* area, const char* message) {
  weft_text_string(text, "weft: ");
  weft_text_string(text, level_words[level]);
  weft_text_string(text, ": ");
  weft_text_string(text, area);
  weft_text_string(text, ": ");
  append_message(text, message);
}

static void append_json_line(weft_text_t* text, weft_log_level_t level,
                             const char* area, const char* message) {
  weft_text_string(text, "{\"time_ns\":");
  weft_text_number(text, (uint64_t)weft_sys_now_ns(), 1);
  weft_text_string(text, ",\"process\":");
  weft_text_number(text, weft_sys_process_id(), 1);
  weft_text_string(text, ",\"level\":\"");
  weft_text_string(text, level_words[level]);
  weft_text_string(text, "\",\"area\":\"");
  weft_text_json(text, area, WORD_LIMIT);
  weft_text_string(text, "\",\"message\":\"");
  weft_text_json(text, message, MESSAGE_CAPACITY);
}

// Writes a message whatever its level.
static void emit(weft_log_level_t level, const char* area,
                 const char* message) {
  char line[LINE_CAPACITY];
  weft_text_t text = {.buffer = line, .capacity = sizeof(line) - TAIL_CAPACITY};
  // Relaxed: see `is_json`.
  bool is_object = atomic_load_explicit(&is_json, memory_order_relaxed);
  if (is_object) {
    append_json_line(&text, level, area, message);
  } else {
    append_text_line(&text, level, area, message);
  }
  text.capacity = sizeof(line);
  weft_text_string(&text, is_object ? "\"}\n" : "\n");
  // A standard error that takes nothing leaves nobody to tell.
  (void)weft_sys_write(STANDARD_ERROR, line, text.length);
}

// --- Reading the environment ------------------------------------------------

// Reads WEFT_LOG_FORMAT; reports what it does not know in `out_fault`.
static bool parse_format(const char* format, char* out_fault,
                         size_t fault_capacity) {
  bool is_text =
      format == NULL || format[0] == '\0' || strcmp(format, "text") == 0;
  bool is_object = !is_text && strcmp(format, "json") == 0;
  out_fault[0] = '\0';
  if (!is_text && !is_object) {
    snprintf(out_fault, fault_capacity,
             "WEFT_LOG_FORMAT: \"%.*s\" is neither text nor json", WORD_LIMIT,
             format);
  }
  return is_object;
}

static void read_environment(void) {
  weft_log_levels_t levels;
  char level_fault[WEFT_LOG_FAULT_CAPACITY];
  char format_fault[WEFT_LOG_FAULT_CAPACITY];
  weft_log_parse(weft_sys_environment("WEFT_LOG"), &levels, level_fault,
                 sizeof(level_fault));
  bool is_object = parse_format(weft_sys_environment("WEFT_LOG_FORMAT"),
                                format_fault, sizeof(format_fault));
  // Relaxed: see above.
  atomic_store_explicit(&is_json, is_object, memory_order_relaxed);
  set_levels(&levels);
  // Release: pairs with the acquire of whoever asks whether levels are known.
  atomic_store_explicit(&is_ready, true, memory_order_release);
  // Relaxed: it only chooses one thread among those that race here.
  if (atomic_exchange_explicit(&is_reported, true, memory_order_relaxed)) {
    return;
  }
  // Whatever the levels are: they are not what somebody wanted.
  if (level_fault[0] != '\0') {
    emit(WEFT_LOG_WARNING, "trace", level_fault);
  }
  if (format_fault[0] != '\0') {
    emit(WEFT_LOG_WARNING, "trace", format_fault);
  }
}

static bool is_shown(weft_log_level_t level, const char* area) {
  // Acquire: pairs with the release in `read_environment`.
  if (!atomic_load_explicit(&is_ready, memory_order_acquire)) {
    read_environment();
  }
  word_t word = {area, strlen(area)};
  int index = find(area_words, AREA_COUNT, word);
  return (int)level <=
         get_level(index < 0 ? &other_level : &area_levels[index]);
}

void weft_log_write(weft_log_level_t level, const char* area,
                    const char* format, ...) {
  if (!is_shown(level, area)) {
    return;
  }
  char message[MESSAGE_CAPACITY];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  if (length < 0) {
    message[0] = '\0';
  } else if ((size_t)length >= sizeof(message)) {
    memcpy(message + sizeof(message) - 4, "...", 4);
  }
  emit(level, area, message);
}
