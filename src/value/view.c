// SPDX-License-Identifier: Apache-2.0
//
// Tensors over the storage of another one.

#include "value/tensor_internal.h"

static weft_status_t make_view(const weft_tensor_t* tensor,
                               const weft_tensor_layout_t* layout,
                               weft_tensor_t** out_view) {
  return weft_tensor_from_storage(tensor->allocator, tensor->storage, layout,
                                  out_view);
}

static weft_status_t check_range(const weft_tensor_layout_t* layout,
                                 uint32_t dimension, int64_t start,
                                 int64_t stop) {
  if (dimension >= layout->ndim) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "there is no dimension %u, only %u", dimension,
                            layout->ndim);
  }
  int64_t size = layout->shape[dimension];
  if (start < 0 || start > stop || stop > size) {
    return weft_status_make(
        WEFT_STATUS_OUT_OF_RANGE,
        "elements %lld to %lld of dimension %u, which has %lld",
        (long long)start, (long long)stop, dimension, (long long)size);
  }
  return WEFT_OK;
}

weft_status_t weft_tensor_slice(const weft_tensor_t* tensor, uint32_t dimension,
                                int64_t start, int64_t stop,
                                weft_tensor_t** out_view) {
  weft_tensor_layout_t layout = tensor->layout;
  int64_t shape[WEFT_TENSOR_NDIM_LIMIT];
  *out_view = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(tensor));
  WEFT_RETURN_IF_ERROR(check_range(&layout, dimension, start, stop));
  for (uint32_t i = 0; i < layout.ndim; ++i) {
    shape[i] = layout.shape[i];
  }
  shape[dimension] = stop - start;
  // The products fit, as they are the place of an element; there is none when
  // the tensor or the view is empty.
  bool is_empty = tensor->element_count == 0 || start == stop;
  int64_t step_bits = is_empty ? 0
                               : start * layout.strides[dimension] *
                                     (int64_t)weft_dtype_bits(layout.dtype);
  if (step_bits % 8 != 0) {
    return weft_status_make(
        WEFT_STATUS_UNIMPLEMENTED,
        "element %lld of dimension %u begins within a byte; slice elsewhere",
        (long long)start, dimension);
  }
  layout.shape = shape;
  layout.byte_offset += (size_t)(step_bits / 8);
  return make_view(tensor, &layout, out_view);
}

weft_status_t weft_tensor_reshape(const weft_tensor_t* tensor, uint32_t ndim,
                                  const int64_t* shape,
                                  weft_tensor_t** out_view) {
  weft_tensor_layout_t layout = tensor->layout;
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  *out_view = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(tensor));
  if (!weft_tensor_is_contiguous(tensor)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the tensor has gaps and cannot take another "
                            "shape; copy it first");
  }
  layout.ndim = ndim;
  layout.shape = shape;
  layout.strides = NULL;
  WEFT_RETURN_IF_ERROR(weft_layout_measure(&layout, strides, &extent));
  if (extent.element_count != tensor->element_count) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the shape has %lld elements, the tensor %lld",
                            (long long)extent.element_count,
                            (long long)tensor->element_count);
  }
  return make_view(tensor, &layout, out_view);
}

weft_status_t weft_tensor_permute(const weft_tensor_t* tensor,
                                  const uint32_t* order,
                                  weft_tensor_t** out_view) {
  weft_tensor_layout_t layout = tensor->layout;
  int64_t shape[WEFT_TENSOR_NDIM_LIMIT];
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  uint32_t seen = 0;
  *out_view = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(tensor));
  for (uint32_t i = 0; i < layout.ndim; ++i) {
    if (order[i] >= layout.ndim || (seen & 1u << order[i]) != 0) {
      return weft_status_make(
          WEFT_STATUS_INVALID_ARGUMENT,
          "place %u of the order is %u; it names each of %u dimensions once", i,
          order[i], layout.ndim);
    }
    seen |= 1u << order[i];
    shape[i] = layout.shape[order[i]];
    strides[i] = layout.strides[order[i]];
  }
  layout.shape = shape;
  layout.strides = strides;
  return make_view(tensor, &layout, out_view);
}
