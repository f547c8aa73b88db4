// SPDX-License-Identifier: Apache-2.0
//
// Tensors from and for other libraries, in place, through DLPack 1.x: numpy,
// PyTorch, JAX, CuPy and others speak it. The structures below have DLPack's
// layout under names of weft's own, so that this header can be used beside
// the original; a pointer to one may be cast to its namesake:
//
//   weft_dl_managed_tensor_t  DLManagedTensorVersioned
//   weft_dl_tensor_t          DLTensor
//   weft_device_t             DLDevice        (tensor.h)
//   weft_dtype_t              DLDataType      (tensor.h)
//
// Source: the DLPack specification, version 1.1.

#ifndef WEFT_DLPACK_H_
#define WEFT_DLPACK_H_

#include "weft/tensor.h"

WEFT_BEGIN_DECLS

// Another major version has another layout behind the field `flags`; a minor
// one adds codes and flags.
#define WEFT_DL_VERSION_MAJOR 1
#define WEFT_DL_VERSION_MINOR 1

// The consumer may not write.
#define WEFT_DL_READ_ONLY ((uint64_t)1 << 0)
// The producer made a copy, which the consumer alone has.
#define WEFT_DL_IS_COPIED ((uint64_t)1 << 1)
// Elements of less than a byte take a byte each.
#define WEFT_DL_SUBBYTE_PADDED ((uint64_t)1 << 2)

typedef struct weft_dl_version {
  uint32_t major;
  uint32_t minor;
} weft_dl_version_t;

typedef struct weft_dl_tensor {
  // NULL when there are no elements. Need not be aligned to anything.
  void* data;
  weft_device_t device;
  int32_t ndim;
  weft_dtype_t dtype;
  int64_t* shape;
  // In elements; NULL: row by row without gaps.
  int64_t* strides;
  // From `data` to the first element.
  uint64_t byte_offset;
} weft_dl_tensor_t;

typedef struct weft_dl_managed_tensor {
  weft_dl_version_t version;
  // The producer's own.
  void* manager_context;
  // Frees the structure and what is behind it. The consumer calls it once, on
  // any thread. NULL: there is nothing to free.
  void (*deleter)(struct weft_dl_managed_tensor* self);
  // WEFT_DL_READ_ONLY and so on. Up to here every version is the same.
  uint64_t flags;
  weft_dl_tensor_t tensor;
} weft_dl_managed_tensor_t;

// Hands a tensor to another library, in place. The consumer may write if this
// reference was the only one and the storage is nobody else's; else it gets
// the tensor read-only. Retain the tensor before to keep it: then the export
// is read-only, since it is shared.
// Owns: takes `tensor` over, also on failure; it is released by the deleter.
// Errors: FAILED_PRECONDITION for a tensor that is not sized;
// RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_to_dlpack(
    weft_tensor_t* tensor, weft_dl_managed_tensor_t** out_managed);

// Takes a tensor from another library, in place. It can be written to, as
// long as it is unique, unless it came read-only. `devices` are those that
// the program knows beside the cpu; NULL: none.
// Owns: takes `managed` over, also on failure; the deleter is called when the
// last tensor over it is gone, or before this returns an error. Of another
// major version nothing but the deleter is touched.
// Errors: UNIMPLEMENTED for another major version, an unknown flag or dtype,
// padded elements; NOT_FOUND for a device that is in no table; OUT_OF_RANGE
// for too many dimensions or elements, or a place outside of the address
// space; INVALID_ARGUMENT for what contradicts itself; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_from_dlpack(
    const weft_allocator_t* allocator, const weft_device_table_t* devices,
    weft_dl_managed_tensor_t* managed, weft_tensor_t** out_tensor);

WEFT_END_DECLS

#endif  // WEFT_DLPACK_H_
