// SPDX-License-Identifier: Apache-2.0
//
// What a runtime has of shared memory: its own arena, and what it reads of
// others. Makes no segment until the first is needed.

#ifndef WEFT_MEMORY_MEMORY_H_
#define WEFT_MEMORY_MEMORY_H_

#include "memory/arena.h"

// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_memory_create(weft_runtime_t* runtime, uint64_t limit_bytes);
// After all that lends and borrows has ended. Storages that are left stay
// valid.
void weft_memory_destroy(weft_runtime_t* runtime);

// Lent for as long as the runtime lives.
weft_arena_t* weft_memory_arena(weft_runtime_t* runtime);
weft_imports_t* weft_memory_imports(weft_runtime_t* runtime);

#endif  // WEFT_MEMORY_MEMORY_H_
