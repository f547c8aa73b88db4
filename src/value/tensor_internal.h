// SPDX-License-Identifier: Apache-2.0
//
// Storages and tensors as the files of this folder see them.

#ifndef WEFT_VALUE_TENSOR_INTERNAL_H_
#define WEFT_VALUE_TENSOR_INTERNAL_H_

#include "base/memory.h"
#include "base/object.h"
#include "value/layout.h"
#include "weft/tensor.h"

// --- Storages ---------------------------------------------------------------

// Bits of a storage's `object.extra`.
enum {
  // Nobody may write.
  WEFT_STORAGE_READ_ONLY = 1,
  // The memory is the driver's, and goes back to it.
  WEFT_STORAGE_ALLOCATED = 2,
  // A declared tensor's, which has no size yet.
  WEFT_STORAGE_UNSIZED = 4
};

// One cache line. Never changed while it is shared.
struct weft_storage {
  weft_object_t object;
  const weft_allocator_t* allocator;
  const weft_device_driver_t* driver;
  void* data;
  size_t size_bytes;
  // For foreign memory; may be NULL.
  void (*release)(void* user);
  void* user;
};

// A storage that has no size yet.
weft_status_t weft_storage_declare(const weft_allocator_t* allocator,
                                   const weft_device_driver_t* driver,
                                   weft_storage_t** out_storage);

// Gives a declared storage its memory. The caller is its only holder.
weft_status_t weft_storage_size(weft_storage_t* storage, size_t size_bytes);

static inline bool weft_storage_has(const weft_storage_t* storage,
                                    uint32_t bit) {
  return (storage->object.extra & bit) != 0;
}

// --- Tensors ----------------------------------------------------------------

struct weft_tensor {
  weft_object_t object;
  const weft_allocator_t* allocator;
  weft_storage_t* storage;
  // `shape` and `strides` point to `dimensions`.
  weft_tensor_layout_t layout;
  int64_t element_count;
  size_t size_bytes;
  // `ndim` sizes, then `ndim` strides.
  int64_t dimensions[];
};

static inline const weft_tensor_t* weft_value_tensor(weft_value_t value) {
  return (const weft_tensor_t*)(const void*)value.as.object;
}

// Errors: FAILED_PRECONDITION for a tensor that is not sized.
weft_status_t weft_tensor_expect_sized(const weft_tensor_t* tensor);

// Room for what `weft_tensor_format` writes, NUL included: every size takes
// at most 20 digits and ", ".
#define WEFT_TENSOR_TEXT_CAPACITY (WEFT_TENSOR_NDIM_LIMIT * 22 + 128)

#endif  // WEFT_VALUE_TENSOR_INTERNAL_H_
