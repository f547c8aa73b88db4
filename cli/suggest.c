// SPDX-License-Identifier: Apache-2.0

#include "cli/suggest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Longer words are taken for different without looking.
#define WORD_LIMIT 48

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

// Three rows of the usual table are enough: this one, the one above, and the
// one above that for swapped neighbours.
size_t weft_cli_edit_distance(const char* a, const char* b) {
  size_t a_length = strlen(a);
  size_t b_length = strlen(b);
  if (a_length >= WORD_LIMIT || b_length >= WORD_LIMIT) {
    return strcmp(a, b) == 0 ? 0 : SIZE_MAX;
  }
  size_t rows[3][WORD_LIMIT] = {{0}};
  for (size_t j = 0; j <= b_length; j++) {
    rows[0][j] = j;
  }
  for (size_t i = 1; i <= a_length; i++) {
    size_t* row = rows[i % 3];
    const size_t* above = rows[(i + 2) % 3];
    const size_t* above_that = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = least(row[j], above_that[j - 2] + 1);
      }
    }
  }
  return rows[a_length % 3][b_length];
}

void weft_cli_guess_offer(weft_cli_guess_t* guess, const char* candidate) {
  size_t length = strlen(guess->word);
  size_t distance = weft_cli_edit_distance(guess->word, candidate);
  bool is_start = length >= 2 && strncmp(guess->word, candidate, length) == 0;
  // One slip is forgiven in any word, more of them in longer ones.
  size_t limit = length < 3 ? 1 : (length + 2) / 3;
  if (is_start && distance > limit) {
    distance = limit;
  }
  if (distance <= limit && distance < length &&
      (guess->best == NULL || distance < guess->distance)) {
    guess->best = candidate;
    guess->distance = distance;
  }
}
