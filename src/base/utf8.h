// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 as RFC 3629 defines it, strictly: no overlong forms, no surrogates,
// nothing above U+10FFFF. All of it may be called in a signal handler.

#ifndef WEFT_BASE_UTF8_H_
#define WEFT_BASE_UTF8_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The length of the character that `size_bytes` (> 0) bytes begin with; 0
// when they begin with none.
size_t weft_utf8_character(const uint8_t* bytes, size_t size_bytes);

// The length of the longest beginning that is UTF-8: `size_bytes` when all of
// it is.
size_t weft_utf8_prefix(const uint8_t* bytes, size_t size_bytes);

#endif  // WEFT_BASE_UTF8_H_
