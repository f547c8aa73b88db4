// SPDX-License-Identifier: Apache-2.0

#include "weft/common.h"

#define WEFT_TEXT(token) #token
#define WEFT_VERSION_TEXT(major, minor, patch) \
  WEFT_TEXT(major) "." WEFT_TEXT(minor) "." WEFT_TEXT(patch)

const char* weft_version(void) {
  return WEFT_VERSION_TEXT(WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR,
                           WEFT_VERSION_PATCH);
}
