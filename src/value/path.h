// SPDX-License-Identifier: Apache-2.0
//
// Where inside a value something happened, for errors: the steps from the
// whole to a part, which a recursion keeps on its stack.

#ifndef WEFT_VALUE_PATH_H_
#define WEFT_VALUE_PATH_H_

#include "weft/status.h"

typedef struct weft_path {
  // NULL at the root.
  const struct weft_path* parent;
  // At the root what the value is ("argument 2"; NULL: "value"), or the name of
  // a named argument; below it the key, or NULL and the index.
  const char* text;
  size_t index;
  bool is_name;
} weft_path_t;

// For `weft_path_located`.
weft_status_t weft_path_locate(const weft_path_t* path, weft_status_t status);

// An error with the path to where it happened before its message, such as
// "argument 2: [3].weights: ...". Owns: takes it over. WEFT_OK is fine.
static inline weft_status_t weft_path_located(const weft_path_t* path,
                                              weft_status_t status) {
  return status == WEFT_OK ? WEFT_OK : weft_path_locate(path, status);
}

#endif  // WEFT_VALUE_PATH_H_
