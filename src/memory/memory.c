// SPDX-License-Identifier: Apache-2.0

#include "memory/memory.h"

#include "base/memory.h"
#include "value/layout.h"

// What the slot of this layer holds.
typedef struct memory {
  weft_arena_t* arena;
  weft_imports_t* imports;
} memory_t;

static memory_t* memory_of(weft_runtime_t* runtime) {
  return runtime->slots[WEFT_SLOT_MEMORY];
}

weft_status_t weft_memory_create(weft_runtime_t* runtime,
                                 uint64_t limit_bytes) {
  memory_t* memory =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*memory));
  runtime->slots[WEFT_SLOT_MEMORY] = memory;
  if (memory == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the runtime");
  }
  WEFT_RETURN_IF_ERROR(weft_arena_create(runtime, limit_bytes, &memory->arena));
  return weft_imports_create(runtime, &memory->imports);
}

void weft_memory_destroy(weft_runtime_t* runtime) {
  memory_t* memory = memory_of(runtime);
  if (memory != NULL) {
    weft_imports_destroy(memory->imports);
    weft_arena_destroy(memory->arena);
    weft_memory_free(runtime->allocator, memory, sizeof(*memory));
    runtime->slots[WEFT_SLOT_MEMORY] = NULL;
  }
}

weft_arena_t* weft_memory_arena(weft_runtime_t* runtime) {
  return memory_of(runtime)->arena;
}

weft_imports_t* weft_memory_imports(weft_runtime_t* runtime) {
  return memory_of(runtime)->imports;
}

// --- Shared tensors ---------------------------------------------------------

weft_status_t weft_storage_create_shared(weft_runtime_t* runtime,
                                         size_t size_bytes,
                                         weft_storage_t** out_storage) {
  return weft_arena_storage(weft_memory_arena(runtime), size_bytes,
                            out_storage);
}

weft_status_t weft_tensor_create_shared(weft_runtime_t* runtime,
                                        weft_dtype_t dtype, uint32_t ndim,
                                        const int64_t* shape,
                                        weft_tensor_t** out_tensor) {
  const weft_tensor_layout_t layout = {
      .dtype = dtype, .ndim = ndim, .shape = shape};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_storage_t* storage = NULL;
  *out_tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_layout_measure(&layout, strides, &extent));
  WEFT_RETURN_IF_ERROR(
      weft_storage_create_shared(runtime, extent.size_bytes, &storage));
  weft_status_t status = weft_tensor_from_storage(runtime->allocator, storage,
                                                  &layout, out_tensor);
  weft_storage_release(storage);
  return status;
}
