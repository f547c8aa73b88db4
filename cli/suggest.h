// SPDX-License-Identifier: Apache-2.0
//
// Finds the word that somebody meant who wrote another.

#ifndef WEFT_CLI_SUGGEST_H_
#define WEFT_CLI_SUGGEST_H_

#include <stddef.h>

// Collects the best guess for a word; zero it, then set `word`.
typedef struct weft_cli_guess {
  const char* word;
  // The nearest candidate so far; NULL when none is near enough.
  const char* best;
  size_t distance;
} weft_cli_guess_t;

// Single-letter edits (insert, delete, replace, swap two neighbours) that
// make one word of the other.
size_t weft_cli_edit_distance(const char* a, const char* b);

// Offers a candidate. It must be within a third of the word's length, or
// begin with the word. Of equally near ones the first stays.
void weft_cli_guess_offer(weft_cli_guess_t* guess, const char* candidate);

#endif  // WEFT_CLI_SUGGEST_H_
