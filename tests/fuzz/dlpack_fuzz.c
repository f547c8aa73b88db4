// SPDX-License-Identifier: Apache-2.0
//
// Builds a DLPack tensor from the input and imports it. What is accepted must
// be what was given, within the memory that it claims; what lies in memory of
// ours is sliced, permuted, copied, and sent out and in again. The tensor is
// deleted exactly once, whatever happens.

#include <string.h>

#include "base/assert.h"
#include "weft/dlpack.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

// The memory that tensors lie in, or claim to.
#define MEMORY_BYTES 4096
// The largest copy that is tried.
#define COPY_BYTES_LIMIT 65536
// More than the library accepts.
#define NDIM_LIMIT 20

typedef struct input {
  const uint8_t* at;
  size_t left;
} input_t;

// The next bytes, zeros behind the end.
static void take(input_t* input, void* out, size_t size_bytes) {
  size_t taken = size_bytes < input->left ? size_bytes : input->left;
  memset(out, 0, size_bytes);
  if (taken > 0) {
    memcpy(out, input->at, taken);
    input->at += taken;
    input->left -= taken;
  }
}

static uint8_t take_byte(input_t* input) {
  uint8_t byte = 0;
  take(input, &byte, 1);
  return byte;
}

// Mostly small numbers; one in sixteen is any number.
static int64_t take_number(input_t* input) {
  int8_t small = 0;
  int64_t number = 0;
  if (take_byte(input) % 16 == 0) {
    take(input, &number, sizeof(number));
    return number;
  }
  take(input, &small, 1);
  return small / 8;
}

typedef struct foreign {
  weft_dl_managed_tensor_t managed;
  int64_t shape[NDIM_LIMIT];
  int64_t strides[NDIM_LIMIT];
  int deleted;
  _Alignas(64) uint8_t memory[MEMORY_BYTES];
} foreign_t;

static void count_delete(weft_dl_managed_tensor_t* managed) {
  foreign_t* foreign = managed->manager_context;
  ++foreign->deleted;
}

// Values that are wrong are rare, or nothing would ever be accepted.
static void build_header(foreign_t* foreign, input_t* input) {
  uint8_t choice = take_byte(input);
  weft_dl_managed_tensor_t* managed = &foreign->managed;
  managed->version.major = choice % 32 == 1 ? take_byte(input) : 1;
  managed->version.minor = choice;
  managed->manager_context = foreign;
  managed->deleter = count_delete;
  managed->flags = choice % 4;
  if (choice % 32 == 2) {
    take(input, &managed->flags, sizeof(managed->flags));
  }
  managed->tensor.device = (weft_device_t){WEFT_DEVICE_CPU, 0};
  if (choice % 32 == 3) {
    take(input, &managed->tensor.device, sizeof(weft_device_t));
  }
}

static void build_type(foreign_t* foreign, input_t* input) {
  static const uint8_t bits[] = {1, 2, 4, 6, 8, 12, 16, 32, 64, 128};
  weft_dtype_t* dtype = &foreign->managed.tensor.dtype;
  take(input, dtype, sizeof(*dtype));
  if (dtype->code % 16 != 0) {
    dtype->code %= WEFT_DTYPE_CODE_COUNT + 1;
    dtype->bits = bits[dtype->bits % sizeof(bits)];
    dtype->lanes %= 5;
  }
}

static void build_layout(foreign_t* foreign, input_t* input) {
  weft_dl_tensor_t* tensor = &foreign->managed.tensor;
  uint8_t choice = take_byte(input);
  tensor->ndim = choice % 8;
  if (choice >= 248) {
    tensor->ndim = (int8_t)take_byte(input) % (NDIM_LIMIT + 1);
  }
  for (int i = 0; i < NDIM_LIMIT && i < tensor->ndim; ++i) {
    foreign->shape[i] = take_number(input);
    foreign->strides[i] = take_number(input);
  }
  tensor->shape = choice % 64 == 9 ? NULL : foreign->shape;
  tensor->strides = choice / 8 % 4 == 0 ? NULL : foreign->strides;
  tensor->byte_offset = (uint64_t)take_number(input);
  tensor->data = foreign->memory + (uint64_t)take_number(input) % MEMORY_BYTES;
  if (choice % 64 == 10) {
    tensor->data = NULL;
  }
}

// True when every element lies in our memory; computed by itself, in numbers
// so wide that they cannot overflow.
static bool is_inside(const foreign_t* foreign, const weft_tensor_t* tensor) {
  const weft_tensor_layout_t* layout = weft_tensor_layout(tensor);
  const weft_dl_tensor_t* from = &foreign->managed.tensor;
  const uint32_t element_bits = weft_dtype_bits(layout->dtype);
  __extension__ typedef __int128 wide_t;
  wide_t low = 0;
  wide_t high = element_bits;
  if (weft_tensor_element_count(tensor) == 0) {
    return true;
  }
  for (uint32_t i = 0; i < layout->ndim; ++i) {
    int64_t stride = layout->strides[i];
    weft_assert(from->strides == NULL || layout->shape[i] < 2 ||
                stride == from->strides[i]);
    wide_t reach = (wide_t)stride * (layout->shape[i] - 1) * element_bits;
    low += reach < 0 ? reach : 0;
    high += reach > 0 ? reach : 0;
  }
  wide_t start = ((wide_t)(uintptr_t)from->data - (uintptr_t)foreign->memory +
                  (wide_t)from->byte_offset) *
                 8;
  return start + low >= 0 && start + high <= (wide_t)MEMORY_BYTES * 8;
}

static void check_as_given(const foreign_t* foreign,
                           const weft_tensor_t* tensor) {
  const weft_dl_tensor_t* from = &foreign->managed.tensor;
  const weft_tensor_layout_t* layout = weft_tensor_layout(tensor);
  weft_assert(foreign->deleted == 0);
  weft_assert(foreign->managed.version.major == WEFT_DL_VERSION_MAJOR);
  weft_assert(layout->ndim == (uint32_t)from->ndim);
  weft_assert(weft_dtype_equal(layout->dtype, from->dtype));
  for (uint32_t i = 0; i < layout->ndim; ++i) {
    weft_assert(layout->shape[i] == from->shape[i]);
  }
  weft_assert(weft_tensor_element_count(tensor) == 0 ||
              (uintptr_t)weft_tensor_data(tensor) ==
                  (uintptr_t)from->data + from->byte_offset);
}

// Out and in again: the same elements at the same place. Takes the tensor.
static weft_tensor_t* round_trip(weft_tensor_t* tensor) {
  const void* first = weft_tensor_data(tensor);
  int64_t element_count = weft_tensor_element_count(tensor);
  weft_dl_managed_tensor_t* managed = NULL;
  weft_tensor_t* back = NULL;
  weft_status_t status = weft_tensor_to_dlpack(tensor, &managed);
  weft_assert(status == WEFT_OK);
  status = weft_tensor_from_dlpack(NULL, NULL, managed, &back);
  weft_assert(status == WEFT_OK);
  weft_assert(weft_tensor_data(back) == first);
  weft_assert(weft_tensor_element_count(back) == element_count);
  return back;
}

// Replaces a tensor by a view of it, if there is one.
static weft_tensor_t* take_view(weft_tensor_t* tensor, input_t* input) {
  const weft_tensor_layout_t* layout = weft_tensor_layout(tensor);
  uint32_t order[WEFT_TENSOR_NDIM_LIMIT];
  weft_tensor_t* view = NULL;
  weft_status_t status = WEFT_OK;
  uint8_t choice = take_byte(input);
  if (choice % 2 == 0) {
    int64_t start = take_number(input);
    status = weft_tensor_slice(tensor, choice / 2 % 8u, start,
                               take_number(input), &view);
  } else {
    for (uint32_t i = 0; i < layout->ndim; ++i) {
      order[i] = (i + choice / 2u) % layout->ndim;
    }
    status = weft_tensor_permute(tensor, order, &view);
    weft_assert(status == WEFT_OK);
  }
  weft_status_release(status);
  if (view == NULL) {
    return tensor;
  }
  weft_tensor_release(tensor);
  return view;
}

static void copy(const weft_tensor_t* tensor) {
  weft_tensor_t* copied = NULL;
  weft_status_t status = WEFT_OK;
  if (weft_tensor_size_bytes(tensor) > COPY_BYTES_LIMIT) {
    return;
  }
  status = weft_tensor_copy(NULL, NULL, tensor, &copied);
  weft_assert(status == WEFT_OK);
  weft_assert(weft_tensor_is_contiguous(copied));
  weft_assert(weft_tensor_size_bytes(copied) == weft_tensor_size_bytes(tensor));
  weft_tensor_release(copied);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes) {
  static foreign_t foreign;
  input_t input = {data, size_bytes};
  weft_tensor_t* tensor = NULL;
  foreign.deleted = 0;
  build_header(&foreign, &input);
  build_type(&foreign, &input);
  build_layout(&foreign, &input);
  weft_status_t status =
      weft_tensor_from_dlpack(NULL, NULL, &foreign.managed, &tensor);
  weft_assert((status == WEFT_OK) == (tensor != NULL));
  weft_status_release(status);
  if (tensor != NULL) {
    check_as_given(&foreign, tensor);
    bool may_read = is_inside(&foreign, tensor);
    for (int i = 0; i < 4; ++i) {
      tensor = take_view(round_trip(tensor), &input);
      if (may_read) {
        copy(tensor);
      }
    }
    weft_tensor_release(tensor);
  }
  weft_assert(foreign.deleted == 1);
  return 0;
}
