// SPDX-License-Identifier: Apache-2.0
//
// Tensors: made, declared and sized, looked at, written to.

#include <string.h>

#include "base/text_writer.h"
#include "value/tensor_internal.h"
#include "value/value_internal.h"

static size_t tensor_bytes(uint32_t ndim) {
  return sizeof(weft_tensor_t) + 2 * (size_t)ndim * sizeof(int64_t);
}

static void tensor_destroy(weft_object_t* object) {
  weft_tensor_t* tensor = (weft_tensor_t*)(void*)object;
  weft_storage_release(tensor->storage);
  weft_memory_free(tensor->allocator, tensor,
                   tensor_bytes(tensor->layout.ndim));
}

static const weft_object_vtable_t tensor_vtable = {
    .destroy = tensor_destroy,
    .kind = WEFT_KIND_TENSOR,
};

static void tensor_set(weft_tensor_t* tensor, const int64_t* shape,
                       const int64_t* strides,
                       const weft_layout_extent_t* extent) {
  const size_t ndim = tensor->layout.ndim;
  for (size_t i = 0; i < ndim; ++i) {
    tensor->dimensions[i] = shape[i];
    tensor->dimensions[ndim + i] = strides[i];
  }
  tensor->element_count = extent->element_count;
  tensor->size_bytes = extent->size_bytes;
}

// Makes a tensor over a storage, without shape and strides. Owns: takes
// `storage` over, also on failure. `ndim` was checked.
static weft_status_t tensor_make(const weft_allocator_t* allocator,
                                 weft_storage_t* storage,
                                 const weft_tensor_layout_t* layout,
                                 weft_tensor_t** out_tensor) {
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  void* block = NULL;
  weft_status_t status = weft_value_allocate(from, tensor_bytes(layout->ndim),
                                             0, 1, "tensor", &block);
  if (status != WEFT_OK) {
    weft_storage_release(storage);
    return status;
  }
  weft_tensor_t* tensor = block;
  weft_object_init(&tensor->object, &tensor_vtable, 1);
  tensor->allocator = from;
  tensor->storage = storage;
  tensor->layout = *layout;
  tensor->layout.shape = tensor->dimensions;
  tensor->layout.strides = tensor->dimensions + layout->ndim;
  *out_tensor = tensor;
  return WEFT_OK;
}

weft_status_t weft_tensor_create(const weft_allocator_t* allocator,
                                 const weft_device_driver_t* driver,
                                 weft_dtype_t dtype, uint32_t ndim,
                                 const int64_t* shape,
                                 weft_tensor_t** out_tensor) {
  weft_tensor_layout_t layout = {.dtype = dtype, .ndim = ndim, .shape = shape};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_storage_t* storage = NULL;
  *out_tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_layout_measure(&layout, strides, &extent));
  WEFT_RETURN_IF_ERROR(
      weft_storage_create(allocator, driver, extent.size_bytes, &storage));
  WEFT_RETURN_IF_ERROR(tensor_make(allocator, storage, &layout, out_tensor));
  tensor_set(*out_tensor, shape, strides, &extent);
  return WEFT_OK;
}

weft_status_t weft_tensor_from_storage(const weft_allocator_t* allocator,
                                       weft_storage_t* storage,
                                       const weft_tensor_layout_t* layout,
                                       weft_tensor_t** out_tensor) {
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  *out_tensor = NULL;
  if (weft_storage_has(storage, WEFT_STORAGE_UNSIZED)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the storage has no size yet: resize the tensor "
                            "that declared it first");
  }
  WEFT_RETURN_IF_ERROR(weft_layout_measure(layout, strides, &extent));
  WEFT_RETURN_IF_ERROR(weft_layout_check_within(&extent, layout->byte_offset,
                                                storage->size_bytes));
  if (extent.element_count > 0) {
    WEFT_RETURN_IF_ERROR(weft_layout_check_aligned(
        layout->dtype, (const char*)storage->data + layout->byte_offset));
  }
  WEFT_RETURN_IF_ERROR(
      tensor_make(allocator, weft_storage_retain(storage), layout, out_tensor));
  tensor_set(*out_tensor, layout->shape, strides, &extent);
  return WEFT_OK;
}

// --- Declared first, sized later --------------------------------------------

static weft_status_t check_declared(uint32_t ndim, const int64_t* shape) {
  if (ndim > WEFT_TENSOR_NDIM_LIMIT) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "%u dimensions; the limit is %d", ndim,
                            WEFT_TENSOR_NDIM_LIMIT);
  }
  for (uint32_t i = 0; i < ndim && shape != NULL; ++i) {
    if (shape[i] < WEFT_DIMENSION_UNKNOWN) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "dimension %u has the negative size %lld", i,
                              (long long)shape[i]);
    }
  }
  return WEFT_OK;
}

weft_status_t weft_tensor_declare(const weft_allocator_t* allocator,
                                  const weft_device_driver_t* driver,
                                  weft_dtype_t dtype, uint32_t ndim,
                                  const int64_t* shape,
                                  weft_tensor_t** out_tensor) {
  weft_tensor_layout_t layout = {.dtype = dtype, .ndim = ndim};
  weft_storage_t* storage = NULL;
  *out_tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_dtype_check(dtype));
  WEFT_RETURN_IF_ERROR(check_declared(ndim, shape));
  WEFT_RETURN_IF_ERROR(weft_storage_declare(allocator, driver, &storage));
  WEFT_RETURN_IF_ERROR(tensor_make(allocator, storage, &layout, out_tensor));
  weft_tensor_t* tensor = *out_tensor;
  for (uint32_t i = 0; i < ndim; ++i) {
    tensor->dimensions[i] = shape != NULL ? shape[i] : WEFT_DIMENSION_UNKNOWN;
    tensor->dimensions[ndim + i] = 0;
  }
  tensor->element_count = 0;
  tensor->size_bytes = 0;
  return WEFT_OK;
}

// Errors: FAILED_PRECONDITION unless the caller's is the only reference to
// the tensor, and the tensor's the only one to the storage.
static weft_status_t expect_unique(const weft_tensor_t* tensor) {
  const char* shared = !weft_object_is_unique(&tensor->object) ? "tensor"
                       : !weft_object_is_unique(&tensor->storage->object)
                           ? "storage"
                           : NULL;
  if (shared != NULL) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the %s is shared, and so cannot change any more; "
                            "write to a copy",
                            shared);
  }
  return WEFT_OK;
}

weft_status_t weft_tensor_expect_sized(const weft_tensor_t* tensor) {
  if (!weft_tensor_is_sized(tensor)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the tensor is declared and not sized yet");
  }
  return WEFT_OK;
}

static weft_status_t check_as_declared(const weft_tensor_t* tensor,
                                       const int64_t* shape) {
  for (uint32_t i = 0; i < tensor->layout.ndim; ++i) {
    int64_t declared = tensor->dimensions[i];
    if (declared != WEFT_DIMENSION_UNKNOWN && declared != shape[i]) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "dimension %u was declared to be %lld, not %lld",
                              i, (long long)declared, (long long)shape[i]);
    }
  }
  return WEFT_OK;
}

weft_status_t weft_tensor_resize(weft_tensor_t* tensor, const int64_t* shape) {
  if (weft_tensor_is_sized(tensor)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the tensor has its size already");
  }
  weft_tensor_layout_t layout = tensor->layout;
  layout.shape = shape;
  layout.strides = NULL;
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  WEFT_RETURN_IF_ERROR(expect_unique(tensor));
  WEFT_RETURN_IF_ERROR(weft_layout_measure(&layout, strides, &extent));
  WEFT_RETURN_IF_ERROR(check_as_declared(tensor, shape));
  WEFT_RETURN_IF_ERROR(weft_storage_size(tensor->storage, extent.size_bytes));
  tensor_set(tensor, shape, strides, &extent);
  return WEFT_OK;
}

static void* first_element(const weft_tensor_t* tensor) {
  return tensor->element_count > 0
             ? (char*)tensor->storage->data + tensor->layout.byte_offset
             : NULL;
}

weft_status_t weft_tensor_from_data(const weft_allocator_t* allocator,
                                    weft_dtype_t dtype, uint32_t ndim,
                                    const int64_t* shape, const void* data,
                                    weft_tensor_t** out_tensor) {
  *out_tensor = NULL;
  weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create(allocator, NULL, dtype, ndim, shape, &tensor));
  if (tensor->size_bytes > 0 && data == NULL) {
    weft_tensor_release(tensor);
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the tensor has elements, but `data` is NULL");
  }
  if (tensor->size_bytes > 0) {
    memcpy(first_element(tensor), data, tensor->size_bytes);
  }
  *out_tensor = tensor;
  return WEFT_OK;
}

// --- Access -----------------------------------------------------------------

weft_tensor_t* weft_tensor_retain(const weft_tensor_t* tensor) {
  // Const means that the data is lent, not that it cannot be shared: the
  // count says from now on that it is.
  weft_tensor_t* shared = (weft_tensor_t*)(uintptr_t)tensor;
  weft_object_retain(&shared->object);
  return shared;
}

void weft_tensor_release(weft_tensor_t* tensor) {
  if (tensor != NULL) {
    weft_object_release(&tensor->object);
  }
}

weft_value_t weft_tensor_value(const weft_tensor_t* tensor) {
  return weft_object_value(&weft_tensor_retain(tensor)->object);
}

weft_value_t weft_tensor_into_value(weft_tensor_t* tensor) {
  return weft_object_value(&tensor->object);
}

weft_status_t weft_value_as_tensor(weft_value_t value,
                                   const weft_tensor_t** out_tensor) {
  *out_tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_TENSOR));
  *out_tensor = weft_value_tensor(value);
  return WEFT_OK;
}

const weft_tensor_layout_t* weft_tensor_layout(const weft_tensor_t* tensor) {
  return &tensor->layout;
}

weft_storage_t* weft_tensor_storage(const weft_tensor_t* tensor) {
  return tensor->storage;
}

weft_device_t weft_tensor_device(const weft_tensor_t* tensor) {
  return tensor->storage->driver->device;
}

int64_t weft_tensor_element_count(const weft_tensor_t* tensor) {
  return tensor->element_count;
}

size_t weft_tensor_size_bytes(const weft_tensor_t* tensor) {
  return tensor->size_bytes;
}

bool weft_tensor_is_contiguous(const weft_tensor_t* tensor) {
  return weft_tensor_is_sized(tensor) &&
         weft_layout_is_contiguous(&tensor->layout);
}

bool weft_tensor_is_sized(const weft_tensor_t* tensor) {
  return !weft_storage_has(tensor->storage, WEFT_STORAGE_UNSIZED);
}

const void* weft_tensor_data(const weft_tensor_t* tensor) {
  return first_element(tensor);
}

weft_status_t weft_tensor_mutable_data(weft_tensor_t* tensor, void** out_data) {
  *out_data = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(tensor));
  if (weft_storage_is_read_only(tensor->storage)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the tensor's memory is read-only; write to a "
                            "copy");
  }
  WEFT_RETURN_IF_ERROR(expect_unique(tensor));
  *out_data = first_element(tensor);
  return WEFT_OK;
}

// --- Text -------------------------------------------------------------------

static void append_type(weft_text_writer_t* writer, weft_dtype_t dtype,
                        uint32_t ndim, const int64_t* shape) {
  char name[64];
  (void)weft_dtype_format(dtype, name, sizeof(name));
  weft_text_append(writer, "%s[", name);
  for (uint32_t i = 0; i < ndim; ++i) {
    const char* separator = i > 0 ? ", " : "";
    if (shape[i] == WEFT_DIMENSION_UNKNOWN) {
      weft_text_append(writer, "%s?", separator);
    } else {
      weft_text_append(writer, "%s%lld", separator, (long long)shape[i]);
    }
  }
  weft_text_append(writer, "]");
}

size_t weft_tensor_format(const weft_tensor_t* tensor, char* buffer,
                          size_t capacity) {
  const weft_tensor_layout_t* layout = &tensor->layout;
  weft_device_t device = weft_tensor_device(tensor);
  weft_text_writer_t writer = weft_text_writer_make(buffer, capacity);
  weft_text_append(&writer, "tensor ");
  append_type(&writer, layout->dtype, layout->ndim, layout->shape);
  weft_text_append(&writer, " on %s:%d", weft_device_type_name(device.type),
                   device.id);
  return writer.length;
}

static bool is_as_expected(const weft_tensor_layout_t* layout,
                           weft_dtype_t dtype, uint32_t ndim,
                           const int64_t* shape) {
  bool is_same = weft_dtype_equal(layout->dtype, dtype) && layout->ndim == ndim;
  for (uint32_t i = 0; i < ndim && is_same; ++i) {
    is_same =
        shape[i] == WEFT_DIMENSION_UNKNOWN || shape[i] == layout->shape[i];
  }
  return is_same;
}

weft_status_t weft_tensor_expect(const weft_tensor_t* tensor,
                                 weft_dtype_t dtype, uint32_t ndim,
                                 const int64_t* shape) {
  const weft_tensor_layout_t* layout = &tensor->layout;
  if (is_as_expected(layout, dtype, ndim, shape)) {
    return WEFT_OK;
  }
  char actual[WEFT_TENSOR_TEXT_CAPACITY];
  char expected[WEFT_TENSOR_TEXT_CAPACITY];
  weft_text_writer_t writer = weft_text_writer_make(actual, sizeof(actual));
  append_type(&writer, layout->dtype, layout->ndim, layout->shape);
  writer = weft_text_writer_make(expected, sizeof(expected));
  append_type(&writer, dtype, ndim, shape);
  return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                          "the tensor is %s, not %s", actual, expected);
}
