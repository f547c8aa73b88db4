// SPDX-License-Identifier: Apache-2.0
//
// Options of a command line from a table: it drives parsing and help, so what
// help says is what is taken. GNU long options and POSIX short ones; what
// stands behind `--` is never an option.

#ifndef WEFT_CLI_OPTIONS_H_
#define WEFT_CLI_OPTIONS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum weft_cli_option_kind {
  WEFT_CLI_FLAG,
  WEFT_CLI_TEXT,
  // A text that may be given several times, each of which counts.
  WEFT_CLI_TEXTS,
  // A number from `least` to `most`.
  WEFT_CLI_NUMBER,
  // One of the words in `choices`.
  WEFT_CLI_CHOICE
} weft_cli_option_kind_t;

typedef struct weft_cli_option {
  // Without the dashes.
  const char* name;
  // 0 when there is no short form.
  char letter;
  weft_cli_option_kind_t kind;
  // What help calls the value; NULL for flags.
  const char* metavar;
  const char* help;
  uint64_t least;
  uint64_t most;
  // Words, ended by NULL.
  const char* const* choices;
} weft_cli_option_t;

// The most mentions of an option of kind TEXTS.
#define WEFT_CLI_TEXT_LIMIT 64

// What the command line said of one option; the last mention counts.
typedef struct weft_cli_value {
  bool is_set;
  // Of TEXT and CHOICE.
  const char* text;
  // Of TEXTS: all mentions.
  const char* texts[WEFT_CLI_TEXT_LIMIT];
  size_t text_count;
  // Of NUMBER, and of CHOICE its place among them.
  uint64_t number;
} weft_cli_value_t;

// The most options that one parser takes.
#define WEFT_CLI_OPTION_LIMIT 32

// Options that may appear together, in two tables: those of all verbs and
// those of one. Values are numbered as the tables are.
typedef struct weft_cli_parser {
  // For messages: "weft bench".
  const char* command;
  const weft_cli_option_t* tables[2];
  size_t counts[2];
  weft_cli_value_t* values[2];
  // Stop at the first operand, which is a verb.
  bool stop_at_operand;
} weft_cli_parser_t;

// Parses `argv` behind its first word; reorders it so that operands come
// last. Returns the index of the first operand, or -1 after telling on
// standard error what is wrong and what may have been meant.
int weft_cli_parse(const weft_cli_parser_t* parser, int argc, char** argv);

// Lists options with their help on standard output.
void weft_cli_print_options(const weft_cli_option_t* options, size_t count);

#endif  // WEFT_CLI_OPTIONS_H_
