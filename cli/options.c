// SPDX-License-Identifier: Apache-2.0

#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/suggest.h"

// getopt_long answers with a letter or with this plus the option's place.
#define LONG_BASE 256
// Per option: its letter and the colon behind it.
#define LETTERS_SIZE (2 * WEFT_CLI_OPTION_LIMIT + 4)

// The tables in the form that getopt_long takes.
typedef struct getopt_tables {
  struct option options[WEFT_CLI_OPTION_LIMIT + 1];
  char letters[LETTERS_SIZE];
  // For each place of `options`, the option and where its value goes.
  const weft_cli_option_t* sources[WEFT_CLI_OPTION_LIMIT];
  weft_cli_value_t* values[WEFT_CLI_OPTION_LIMIT];
  size_t count;
} getopt_tables_t;

static void add_option(getopt_tables_t* tables, const weft_cli_option_t* option,
                       weft_cli_value_t* value) {
  bool has_value = option->kind != WEFT_CLI_FLAG;
  size_t place = tables->count++;
  tables->sources[place] = option;
  tables->values[place] = value;
  tables->options[place] = (struct option){
      .name = option->name,
      .has_arg = has_value ? required_argument : no_argument,
      .val = LONG_BASE + (int)place,
  };
  if (option->letter != 0) {
    size_t used = strlen(tables->letters);
    tables->letters[used] = option->letter;
    tables->letters[used + 1] = has_value ? ':' : '\0';
  }
}

static void fill_tables(const weft_cli_parser_t* parser,
                        getopt_tables_t* tables) {
  memset(tables, 0, sizeof(*tables));
  // "+": stop at the first operand. ":": tell a missing value from an
  // unknown option.
  (void)snprintf(tables->letters, sizeof(tables->letters),
                 "%s:", parser->stop_at_operand ? "+" : "");
  for (size_t table = 0; table < 2; table++) {
    for (size_t i = 0; i < parser->counts[table]; i++) {
      if (tables->count < WEFT_CLI_OPTION_LIMIT) {
        add_option(tables, &parser->tables[table][i],
                   &parser->values[table][i]);
      }
    }
  }
}

// --- What can be wrong ------------------------------------------------------

static void begin_complaint(const weft_cli_parser_t* parser) {
  (void)fprintf(stderr, "%s: ", parser->command);
}

static void end_complaint(const weft_cli_parser_t* parser) {
  (void)fprintf(stderr, "\n%s: try '%s --help'\n", parser->command,
                parser->command);
}

static void complain_of_unknown(const weft_cli_parser_t* parser,
                                const getopt_tables_t* tables,
                                const char* given) {
  begin_complaint(parser);
  // getopt_long names a short option here, and sets this to 0 for long ones.
  if (optopt != 0) {
    (void)fprintf(stderr, "unknown option '-%c'", optopt);
    end_complaint(parser);
    return;
  }
  char name[64];
  (void)snprintf(name, sizeof(name), "%s", given + strspn(given, "-"));
  name[strcspn(name, "=")] = '\0';
  (void)fprintf(stderr, "unknown option '--%s'", name);
  weft_cli_guess_t guess = {.word = name};
  for (size_t i = 0; i < tables->count; i++) {
    weft_cli_guess_offer(&guess, tables->sources[i]->name);
  }
  if (guess.best != NULL) {
    (void)fprintf(stderr, "; did you mean '--%s'?", guess.best);
  }
  end_complaint(parser);
}

// The place of what getopt_long answered; the count when it is in no table.
static size_t place_of(const getopt_tables_t* tables, int answer) {
  if (answer >= LONG_BASE) {
    return (size_t)(answer - LONG_BASE);
  }
  size_t place = 0;
  while (place < tables->count && tables->sources[place]->letter != answer) {
    place++;
  }
  return place;
}

// Tells what getopt_long found wrong: `answer` is '?' or ':'.
static void complain(const weft_cli_parser_t* parser,
                     const getopt_tables_t* tables, int answer,
                     const char* given) {
  size_t place = place_of(tables, optopt);
  if (optopt == 0 || place >= tables->count) {
    complain_of_unknown(parser, tables, given);
    return;
  }
  const weft_cli_option_t* option = tables->sources[place];
  begin_complaint(parser);
  if (answer == ':') {
    (void)fprintf(stderr, "option '--%s' needs a value: %s", option->name,
                  option->metavar);
  } else {
    (void)fprintf(stderr, "option '--%s' takes no value", option->name);
  }
  end_complaint(parser);
}

// --- Values -----------------------------------------------------------------

static bool read_number(const weft_cli_option_t* option, const char* text,
                        weft_cli_value_t* value) {
  char* end = NULL;
  errno = 0;
  // strtoull takes a sign and blanks, which a count has not.
  unsigned long long number = strtoull(text, &end, 10);
  bool is_number = isdigit((unsigned char)text[0]) && *end == '\0';
  value->number = number;
  return is_number && errno == 0 && number >= option->least &&
         number <= option->most;
}

static bool read_choice(const weft_cli_option_t* option, const char* text,
                        weft_cli_value_t* value) {
  for (size_t i = 0; option->choices[i] != NULL; i++) {
    if (strcmp(option->choices[i], text) == 0) {
      value->number = i;
      return true;
    }
  }
  return false;
}

static void complain_of_value(const weft_cli_parser_t* parser,
                              const weft_cli_option_t* option,
                              const char* text) {
  begin_complaint(parser);
  (void)fprintf(stderr, "option '--%s' cannot be '%s': it takes ", option->name,
                text);
  if (option->kind == WEFT_CLI_NUMBER) {
    (void)fprintf(stderr, "a number from %llu to %llu",
                  (unsigned long long)option->least,
                  (unsigned long long)option->most);
  } else if (option->kind == WEFT_CLI_TEXTS) {
    (void)fprintf(stderr, "at most %d mentions", WEFT_CLI_TEXT_LIMIT);
  } else {
    for (size_t i = 0; option->choices[i] != NULL; i++) {
      (void)fprintf(stderr, "%s%s", i == 0 ? "" : ", ", option->choices[i]);
    }
  }
  end_complaint(parser);
}

static bool set_value(const weft_cli_parser_t* parser,
                      const getopt_tables_t* tables, size_t place) {
  const weft_cli_option_t* option = tables->sources[place];
  weft_cli_value_t* value = tables->values[place];
  bool ok = true;
  if (option->kind == WEFT_CLI_NUMBER) {
    ok = read_number(option, optarg, value);
  } else if (option->kind == WEFT_CLI_CHOICE) {
    ok = read_choice(option, optarg, value);
  } else if (option->kind == WEFT_CLI_TEXTS) {
    ok = value->text_count < WEFT_CLI_TEXT_LIMIT;
    value->texts[ok ? value->text_count++ : 0] = optarg;
  }
  if (!ok) {
    complain_of_value(parser, option, optarg);
    return false;
  }
  value->is_set = true;
  value->text = optarg;
  return true;
}

int weft_cli_parse(const weft_cli_parser_t* parser, int argc, char** argv) {
  getopt_tables_t tables;
  fill_tables(parser, &tables);
  // 0, a GNU extension, starts afresh: another command line may have been
  // parsed in part. Messages are ours.
  optind = 0;
  opterr = 0;
  while (true) {
    int answer = getopt_long(argc, argv, tables.letters, tables.options, NULL);
    if (answer == -1) {
      return optind;
    }
    if (answer == '?' || answer == ':') {
      // The word before the next one is the long option that was read.
      complain(parser, &tables, answer, argv[optind - 1]);
      return -1;
    }
    if (!set_value(parser, &tables, place_of(&tables, answer))) {
      return -1;
    }
  }
}

// --- Help -------------------------------------------------------------------

#define HELP_COLUMN 26

void weft_cli_print_options(const weft_cli_option_t* options, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const weft_cli_option_t* option = &options[i];
    char left[64];
    int used = option->letter != 0
                   ? snprintf(left, sizeof(left), "  -%c, --%s", option->letter,
                              option->name)
                   : snprintf(left, sizeof(left), "      --%s", option->name);
    if (option->metavar != NULL && used > 0 && (size_t)used < sizeof(left)) {
      (void)snprintf(left + used, sizeof(left) - (size_t)used, " %s",
                     option->metavar);
    }
    (void)printf("%-*s%s\n", HELP_COLUMN, left, option->help);
  }
}
