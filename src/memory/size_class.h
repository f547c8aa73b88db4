// SPDX-License-Identifier: Apache-2.0
//
// The sizes of blocks: 256, 320, 384, 448, 512, 640, 768, 896, 1024, ...; four
// to each power of two, so that a block is at most a quarter larger than what
// was asked for (but for less than 256 bytes). All are multiples of 64; those
// of at least WEFT_CLASS_PAGES are multiples of a page of 4096 bytes.

#ifndef WEFT_MEMORY_SIZE_CLASS_H_
#define WEFT_MEMORY_SIZE_CLASS_H_

#include <stdint.h>

#define WEFT_CLASS_SMALLEST 256
#define WEFT_CLASS_SMALLEST_LOG2 8
// Blocks of this size and more consist of whole pages.
#define WEFT_CLASS_PAGES 16384
// Blocks of more than 64 MiB have a segment of their own, always.
#define WEFT_CLASS_LARGEST (UINT64_C(64) << 20)
#define WEFT_CLASS_COUNT 73
#define WEFT_CLASS_OWN_SEGMENT UINT32_MAX

// The class of the smallest blocks that hold 1 <= size_bytes <=
// WEFT_CLASS_LARGEST.
static inline uint32_t weft_class_of(uint64_t size_bytes) {
  if (size_bytes <= WEFT_CLASS_SMALLEST) {
    return 0;
  }
  uint64_t last = size_bytes - 1;
  uint32_t log2 = 63 - (uint32_t)__builtin_clzll(last);
  uint32_t quarter = (uint32_t)(last >> (log2 - 2)) & 3;
  return (log2 - WEFT_CLASS_SMALLEST_LOG2) * 4 + quarter + 1;
}

// Units: bytes.
static inline uint64_t weft_class_bytes(uint32_t size_class) {
  if (size_class == 0) {
    return WEFT_CLASS_SMALLEST;
  }
  uint32_t log2 = (size_class - 1) / 4 + WEFT_CLASS_SMALLEST_LOG2;
  uint64_t quarters = 5 + (size_class - 1) % 4;
  return quarters << (log2 - 2);
}

#endif  // WEFT_MEMORY_SIZE_CLASS_H_
