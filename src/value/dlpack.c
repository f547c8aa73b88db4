// SPDX-License-Identifier: Apache-2.0
//
// DLPack: tensors out and in, in place.

#include "weft/dlpack.h"

#include "value/tensor_internal.h"
#include "value/value_internal.h"

_Static_assert(sizeof(weft_dl_tensor_t) == 48, "as large as DLPack's");
_Static_assert(sizeof(weft_dl_managed_tensor_t) == 80, "as large as DLPack's");

// --- Out --------------------------------------------------------------------

// What the consumer gets a pointer into. The arrays are copies, since some
// consumers write to them.
typedef struct exported {
  weft_dl_managed_tensor_t managed;
  weft_tensor_t* tensor;
  // `ndim` sizes, then `ndim` strides.
  int64_t dimensions[];
} exported_t;

static size_t exported_bytes(const weft_tensor_t* tensor) {
  return sizeof(exported_t) + 2 * (size_t)tensor->layout.ndim * sizeof(int64_t);
}

static void exported_delete(weft_dl_managed_tensor_t* managed) {
  exported_t* exported = (exported_t*)(void*)managed;
  weft_tensor_t* tensor = exported->tensor;
  weft_memory_free(tensor->allocator, exported, exported_bytes(tensor));
  weft_tensor_release(tensor);
}

static void exported_fill(exported_t* exported, weft_tensor_t* tensor,
                          void* data, bool is_read_only) {
  const weft_tensor_layout_t* layout = &tensor->layout;
  for (uint32_t i = 0; i < 2 * layout->ndim; ++i) {
    exported->dimensions[i] = tensor->dimensions[i];
  }
  exported->tensor = tensor;
  exported->managed = (weft_dl_managed_tensor_t){
      .version = {WEFT_DL_VERSION_MAJOR, WEFT_DL_VERSION_MINOR},
      .deleter = exported_delete,
      .flags = is_read_only ? WEFT_DL_READ_ONLY : 0,
      .tensor =
          {
              // The offset is in the address: some consumers ignore the field.
              .data = data,
              .device = weft_tensor_device(tensor),
              .ndim = (int32_t)layout->ndim,
              .dtype = layout->dtype,
              .shape = exported->dimensions,
              .strides = exported->dimensions + layout->ndim,
          },
  };
}

static weft_status_t export_tensor(weft_tensor_t* tensor,
                                   weft_dl_managed_tensor_t** out_managed) {
  void* data = NULL;
  void* block = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(tensor));
  WEFT_RETURN_IF_ERROR(weft_value_allocate(tensor->allocator,
                                           exported_bytes(tensor), 0, 1,
                                           "DLPack tensor", &block));
  // The sole owner hands its right to write on with the tensor.
  weft_status_t status = weft_tensor_mutable_data(tensor, &data);
  bool is_read_only = status != WEFT_OK;
  weft_status_release(status);
  if (is_read_only) {
    // DLPack knows no const pointer; the flag stands for it.
    data = (void*)(uintptr_t)weft_tensor_data(tensor);
  }
  exported_t* exported = block;
  exported_fill(exported, tensor, data, is_read_only);
  *out_managed = &exported->managed;
  return WEFT_OK;
}

weft_status_t weft_tensor_to_dlpack(weft_tensor_t* tensor,
                                    weft_dl_managed_tensor_t** out_managed) {
  *out_managed = NULL;
  weft_status_t status = export_tensor(tensor, out_managed);
  if (status != WEFT_OK) {
    weft_tensor_release(tensor);
  }
  return status;
}

// --- In ---------------------------------------------------------------------

static void call_deleter(void* user) {
  weft_dl_managed_tensor_t* managed = user;
  if (managed->deleter != NULL) {
    managed->deleter(managed);
  }
}

static weft_status_t check_flags(uint64_t flags) {
  const uint64_t known =
      WEFT_DL_READ_ONLY | WEFT_DL_IS_COPIED | WEFT_DL_SUBBYTE_PADDED;
  if ((flags & ~known) != 0) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                            "DLPack flags 0x%llx are not known",
                            (unsigned long long)(flags & ~known));
  }
  return WEFT_OK;
}

static weft_status_t check_fields(const weft_dl_managed_tensor_t* managed) {
  const weft_dl_tensor_t* from = &managed->tensor;
  WEFT_RETURN_IF_ERROR(check_flags(managed->flags));
  if (from->ndim < 0) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE, "%d dimensions",
                            from->ndim);
  }
  if ((managed->flags & WEFT_DL_SUBBYTE_PADDED) != 0 &&
      from->dtype.bits % 8 != 0) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                            "elements of %u bits are padded; ask the producer "
                            "for packed ones",
                            from->dtype.bits);
  }
  return WEFT_OK;
}

static weft_status_t outside_address_space(const weft_dl_tensor_t* from) {
  return weft_status_make(
      WEFT_STATUS_OUT_OF_RANGE,
      "elements at %p, %llu bytes further, lie outside of the address space",
      from->data, (unsigned long long)from->byte_offset);
}

// Finds the memory that the elements lie in, since DLPack does not tell its
// size: from the lowest element to the highest. Negative strides reach below
// the first one.
static weft_status_t find_memory(const weft_dl_tensor_t* from,
                                 const weft_layout_extent_t* extent,
                                 weft_memory_t* out_memory,
                                 size_t* out_byte_offset) {
  uint64_t before = ((uint64_t)0 - (uint64_t)extent->low_bits + 7) / 8;
  uint64_t behind = ((uint64_t)extent->high_bits + 7) / 8;
  uintptr_t first = 0;
  if (extent->element_count == 0) {
    return WEFT_OK;
  }
  if (from->data == NULL) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%lld elements lie at NULL",
                            (long long)extent->element_count);
  }
  if (__builtin_add_overflow((uintptr_t)from->data, from->byte_offset,
                             &first) ||
      before >= first) {
    return outside_address_space(from);
  }
  // The address of a device: it need not be one of this process.
  out_memory->data = (void*)(first - before);
  out_memory->size_bytes = before + behind;
  *out_byte_offset = before;
  return WEFT_OK;
}

static weft_status_t import_tensor(const weft_allocator_t* allocator,
                                   const weft_device_table_t* devices,
                                   weft_dl_managed_tensor_t* managed,
                                   weft_storage_t** out_storage,
                                   weft_tensor_t** out_tensor) {
  const weft_dl_tensor_t* from = &managed->tensor;
  const weft_device_driver_t* driver = NULL;
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  WEFT_RETURN_IF_ERROR(check_fields(managed));
  WEFT_RETURN_IF_ERROR(weft_device_find(devices, from->device, &driver));
  weft_tensor_layout_t layout = {
      .dtype = from->dtype,
      .ndim = (uint32_t)from->ndim,
      .shape = from->shape,
      .strides = from->strides,
  };
  weft_memory_t memory = {
      .read_only = (managed->flags & WEFT_DL_READ_ONLY) != 0,
      .release = call_deleter,
      .user = managed,
  };
  WEFT_RETURN_IF_ERROR(weft_layout_measure(&layout, strides, &extent));
  WEFT_RETURN_IF_ERROR(
      find_memory(from, &extent, &memory, &layout.byte_offset));
  WEFT_RETURN_IF_ERROR(
      weft_storage_wrap(allocator, driver, &memory, out_storage));
  return weft_tensor_from_storage(allocator, *out_storage, &layout, out_tensor);
}

weft_status_t weft_tensor_from_dlpack(const weft_allocator_t* allocator,
                                      const weft_device_table_t* devices,
                                      weft_dl_managed_tensor_t* managed,
                                      weft_tensor_t** out_tensor) {
  weft_storage_t* storage = NULL;
  weft_status_t status = WEFT_OK;
  *out_tensor = NULL;
  if (managed->version.major != WEFT_DL_VERSION_MAJOR) {
    status = weft_status_make(
        WEFT_STATUS_UNIMPLEMENTED, "the tensor is of DLPack %u.%u; this is %d",
        managed->version.major, managed->version.minor, WEFT_DL_VERSION_MAJOR);
  } else {
    status = import_tensor(allocator, devices, managed, &storage, out_tensor);
  }
  // From here on the storage holds what was taken over; without one, nobody
  // does.
  if (storage == NULL) {
    call_deleter(managed);
  }
  weft_storage_release(storage);
  return status;
}
