// SPDX-License-Identifier: Apache-2.0

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

// The build says where the examples' data lie; elsewhere start at the top of
// the tree or give --data.
#ifndef WEFT_EXAMPLES_DATA
#define WEFT_EXAMPLES_DATA "examples/data"
#endif

static const char help[] =
    "Usage: digits [OPTION]...\n"
    "Trains a network on handwritten digits with four actors.\n"
    "\n"
    "  --epochs=N    how long to train (default 40)\n"
    "  --seed=N      where chance begins (default 1)\n"
    "  --workers=N   worker threads (default: one a core); the result is the\n"
    "                same with any number\n"
    "  --data=FILE   the images (default: those in examples/data)\n"
    "  --json        print one JSON object at the end and nothing else\n"
    "  --help        print this\n"
    "\n"
    "WEFT_TRACE=FILE writes a time line for ui.perfetto.dev.\n";

// Reads a number of low ... high; says what is wrong otherwise.
static bool parse_number(const char* name, const char* text, int64_t low,
                         int64_t high, int64_t* out_number) {
  char* end = NULL;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || number < low ||
      number > high) {
    fprintf(stderr,
            "digits: --%s takes a whole number of %lld to %lld, not \"%s\"\n",
            name, (long long)low, (long long)high, text);
    return false;
  }
  *out_number = number;
  return true;
}

static bool parse_option(int option, digits_options_t* options) {
  switch (option) {
    case 's':
      return parse_number("seed", optarg, 0, INT64_MAX, &options->seed);
    case 'e':
      return parse_number("epochs", optarg, 1, 100000, &options->epochs);
    case 'w':
      return parse_number("workers", optarg, 0, 1024, &options->workers);
    case 'd':
      options->data = optarg;
      return true;
    case 'j':
      options->json = true;
      return true;
    default:
      fputs("Try \"digits --help\".\n", stderr);
      return false;
  }
}

digits_options_result_t digits_options_parse(int argc, char** argv,
                                             digits_options_t* out_options) {
  static const struct option table[] = {
      {"seed", required_argument, NULL, 's'},
      {"epochs", required_argument, NULL, 'e'},
      {"workers", required_argument, NULL, 'w'},
      {"data", required_argument, NULL, 'd'},
      {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},
      {NULL, 0, NULL, 0},
  };
  *out_options = (digits_options_t){
      .seed = 1, .epochs = 40, .data = WEFT_EXAMPLES_DATA "/digits.csv.gz"};
  int option = 0;
  while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
    if (option == 'h') {
      fputs(help, stdout);
      return DIGITS_OPTIONS_HELP;
    }
    if (!parse_option(option, out_options)) {
      return DIGITS_OPTIONS_WRONG;
    }
  }
  if (optind < argc) {
    fprintf(stderr, "digits: unexpected \"%s\"\nTry \"digits --help\".\n",
            argv[optind]);
    return DIGITS_OPTIONS_WRONG;
  }
  return DIGITS_OPTIONS_RUN;
}
