// SPDX-License-Identifier: Apache-2.0
//
// A program outside the tree, as C17 and as C++17: it creates a runtime, sees
// an error with its message, and ends. Its exit status says whether all went
// as the headers promise.

#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static int report(const char* what) {
  fprintf(stderr, "install test: %s\n", what);
  return 1;
}

int main(void) {
  char version[32];
  snprintf(version, sizeof(version), "%d.%d.%d", WEFT_VERSION_MAJOR,
           WEFT_VERSION_MINOR, WEFT_VERSION_PATCH);
  if (strcmp(version, weft_version()) != 0) {
    return report("the headers are not of the version that is linked");
  }
  weft_runtime_t* runtime = NULL;
  weft_status_t status = weft_runtime_create(NULL, &runtime);
  if (status != WEFT_OK) {
    weft_status_release(status);
    return report("no runtime");
  }
  weft_value_t text = weft_none();
  status =
      weft_string_create(weft_runtime_allocator(runtime), "outside", 7, &text);
  int result = status == WEFT_OK ? 0 : report("no string");
  weft_status_release(status);
  int64_t number = 0;
  status = weft_value_as_int64(text, &number);
  if (weft_status_code(status) != WEFT_STATUS_INVALID_ARGUMENT) {
    result = report("a string was taken for a number");
  }
  weft_status_release(status);
  weft_value_release(text);
  weft_runtime_destroy(runtime);
  return result;
}
