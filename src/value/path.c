// SPDX-License-Identifier: Apache-2.0

#include "value/path.h"

#include "base/text_writer.h"

// The longest path in an error.
#define PATH_BYTES 512

static void append_path(weft_text_writer_t* text, const weft_path_t* path) {
  // The parents come first; a value is at most 64 deep.
  if (path->parent != NULL) {
    append_path(text, path->parent);
  }
  if (path->parent == NULL) {
    weft_text_append(text, path->is_name ? "argument \"%.100s\": " : "%s: ",
                     path->text != NULL ? path->text : "value");
  } else if (path->text != NULL) {
    weft_text_append(text, ".%.100s", path->text);
  } else {
    weft_text_append(text, "[%zu]", path->index);
  }
}

__attribute__((cold, noinline)) weft_status_t weft_path_locate(
    const weft_path_t* path, weft_status_t status) {
  char buffer[PATH_BYTES];
  weft_text_writer_t text = weft_text_writer_make(buffer, sizeof(buffer));
  append_path(&text, path);
  weft_status_t located = weft_status_make_caused(
      weft_status_code(status), weft_status_retain(weft_status_cause(status)),
      "%s%s%s", buffer, path->parent != NULL ? ": " : "",
      weft_status_message(status));
  weft_status_release(status);
  return located;
}
