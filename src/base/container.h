// SPDX-License-Identifier: Apache-2.0
//
// From a node that is embedded in a struct to the struct.

#ifndef WEFT_BASE_CONTAINER_H_
#define WEFT_BASE_CONTAINER_H_

#include <stddef.h>

// The `type` whose `member` is at `pointer`.
#define WEFT_CONTAINER_OF(pointer, type, member) \
  ((type*)(void*)((char*)(pointer)-offsetof(type, member)))

// The same for a pointer to const.
#define WEFT_CONST_CONTAINER_OF(pointer, type, member) \
  ((const type*)(const void*)((const char*)(pointer)-offsetof(type, member)))

#endif  // WEFT_BASE_CONTAINER_H_
