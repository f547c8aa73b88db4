// SPDX-License-Identifier: Apache-2.0
//
// Copies of tensors.

#include "trace/trace.h"
#include "value/tensor_internal.h"
#include "value/transfer.h"

weft_status_t weft_tensor_copy(weft_runtime_t* runtime,
                               const weft_device_driver_t* driver,
                               const weft_tensor_t* tensor,
                               weft_tensor_t** out_tensor) {
  const weft_tensor_layout_t* layout = &tensor->layout;
  const weft_allocator_t* allocator =
      runtime != NULL ? runtime->allocator : NULL;
  weft_tensor_t* copy = NULL;
  *out_tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(tensor));
  WEFT_RETURN_IF_ERROR(weft_tensor_create(allocator, driver, layout->dtype,
                                          layout->ndim, layout->shape, &copy));
  weft_transfer_t transfer;
  weft_transfer_init(&transfer, tensor->storage->driver, copy->storage->driver,
                     /*queue=*/0);
  weft_status_t status = weft_transfer_finish(
      &transfer, weft_transfer_add(&transfer, tensor, copy));
  if (status != WEFT_OK) {
    weft_tensor_release(copy);
    return status;
  }
  if (runtime != NULL) {
    weft_count(runtime, WEFT_COUNTER_bytes_copied, copy->size_bytes);
  }
  *out_tensor = copy;
  return WEFT_OK;
}
