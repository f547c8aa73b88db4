// SPDX-License-Identifier: Apache-2.0
//
// Tensors: n-dimensional arrays over a storage, laid out as DLPack says, so
// that numpy, PyTorch and others read them where they lie.
//
// A *device* says where memory is and how to use it; the cpu is always there.
// A *storage* is memory on a device; it names its device even when it is
// empty or not filled yet. A *tensor* is a counted object over a storage:
// element type, shape, strides and offset. Several tensors may look at one
// storage.
//
// Tensors are immutable once shared. Whoever holds the only reference to a
// tensor, over a storage that no other tensor looks at, may write into it
// (`weft_tensor_mutable_data`). That is the life of a result: created,
// filled, handed on, never changed again. A tensor that is lent (by a value,
// say) is const; nothing here writes through it, whatever the counts are.
//
// Elements of less than a byte lie packed, the first in the lowest bits; the
// size of their data is rounded up to whole bytes.
//
// Ownership: NULL in place of a device means the cpu, in place of an
// allocator the C heap. Both outlive what was made from them.
// Thread: tensors and storages may be used, retained and released from any
// thread, without a lock; writing is for the sole owner.

#ifndef WEFT_TENSOR_H_
#define WEFT_TENSOR_H_

#include "weft/value.h"

WEFT_BEGIN_DECLS

// --- Element types ----------------------------------------------------------

// X(identifier, number, name, bits; 0 means any number of bits).
// The numbers are DLPack's.
#define WEFT_DTYPE_CODES(X)                         \
  X(INT, 0, "int", 0)                               \
  X(UINT, 1, "uint", 0)                             \
  X(FLOAT, 2, "float", 0)                           \
  X(HANDLE, 3, "handle", 0)                         \
  X(BFLOAT, 4, "bfloat", 0)                         \
  X(COMPLEX, 5, "complex", 0)                       \
  X(BOOL, 6, "bool", 0)                             \
  X(FLOAT8_E3M4, 7, "float8_e3m4", 8)               \
  X(FLOAT8_E4M3, 8, "float8_e4m3", 8)               \
  X(FLOAT8_E4M3B11FNUZ, 9, "float8_e4m3b11fnuz", 8) \
  X(FLOAT8_E4M3FN, 10, "float8_e4m3fn", 8)          \
  X(FLOAT8_E4M3FNUZ, 11, "float8_e4m3fnuz", 8)      \
  X(FLOAT8_E5M2, 12, "float8_e5m2", 8)              \
  X(FLOAT8_E5M2FNUZ, 13, "float8_e5m2fnuz", 8)      \
  X(FLOAT8_E8M0FNU, 14, "float8_e8m0fnu", 8)        \
  X(FLOAT6_E2M3FN, 15, "float6_e2m3fn", 6)          \
  X(FLOAT6_E3M2FN, 16, "float6_e3m2fn", 6)          \
  X(FLOAT4_E2M1FN, 17, "float4_e2m1fn", 4)

typedef enum weft_dtype_code {
#define WEFT_DTYPE_ENUM(identifier, number, name, bits) \
  WEFT_DTYPE_##identifier = (number),
  WEFT_DTYPE_CODES(WEFT_DTYPE_ENUM)
#undef WEFT_DTYPE_ENUM
} weft_dtype_code_t;

#define WEFT_DTYPE_CODE_COUNT 18

// An element type; 4 bytes, the same as DLPack's.
typedef struct weft_dtype {
  // A weft_dtype_code_t.
  uint8_t code;
  // Of one scalar; a complex number counts both of its parts.
  uint8_t bits;
  // Scalars an element; more than 1 for vector types.
  uint16_t lanes;
} weft_dtype_t;

// A dtype of one lane.
static inline weft_dtype_t weft_dtype_make(weft_dtype_code_t code,
                                           uint8_t bits) {
  weft_dtype_t dtype = {(uint8_t)code, bits, 1};
  return dtype;
}

#define WEFT_BOOL weft_dtype_make(WEFT_DTYPE_BOOL, 8)
#define WEFT_INT8 weft_dtype_make(WEFT_DTYPE_INT, 8)
#define WEFT_INT16 weft_dtype_make(WEFT_DTYPE_INT, 16)
#define WEFT_INT32 weft_dtype_make(WEFT_DTYPE_INT, 32)
#define WEFT_INT64 weft_dtype_make(WEFT_DTYPE_INT, 64)
#define WEFT_UINT8 weft_dtype_make(WEFT_DTYPE_UINT, 8)
#define WEFT_UINT16 weft_dtype_make(WEFT_DTYPE_UINT, 16)
#define WEFT_UINT32 weft_dtype_make(WEFT_DTYPE_UINT, 32)
#define WEFT_UINT64 weft_dtype_make(WEFT_DTYPE_UINT, 64)
#define WEFT_FLOAT16 weft_dtype_make(WEFT_DTYPE_FLOAT, 16)
#define WEFT_FLOAT32 weft_dtype_make(WEFT_DTYPE_FLOAT, 32)
#define WEFT_FLOAT64 weft_dtype_make(WEFT_DTYPE_FLOAT, 64)
#define WEFT_BFLOAT16 weft_dtype_make(WEFT_DTYPE_BFLOAT, 16)
#define WEFT_COMPLEX64 weft_dtype_make(WEFT_DTYPE_COMPLEX, 64)
#define WEFT_COMPLEX128 weft_dtype_make(WEFT_DTYPE_COMPLEX, 128)

// True when code, bits and lanes are the same.
static inline bool weft_dtype_equal(weft_dtype_t a, weft_dtype_t b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

// Bits of one element, all lanes together.
static inline uint32_t weft_dtype_bits(weft_dtype_t dtype) {
  return (uint32_t)dtype.bits * dtype.lanes;
}

// Errors: UNIMPLEMENTED for a code that this version does not know;
// INVALID_ARGUMENT for no bits, no lanes, or bits that the code does not have.
WEFT_API WEFT_MUST_USE weft_status_t weft_dtype_check(weft_dtype_t dtype);

// Writes a dtype for people, such as "float32" or "uint8x4", as
// `weft_status_format` does.
WEFT_API size_t weft_dtype_format(weft_dtype_t dtype, char* buffer,
                                  size_t capacity);

// --- Devices ----------------------------------------------------------------

// X(identifier, number, name). The numbers are DLPack's.
#define WEFT_DEVICE_TYPES(X)          \
  X(CPU, 1, "cpu")                    \
  X(CUDA, 2, "cuda")                  \
  X(CUDA_HOST, 3, "cuda host")        \
  X(OPENCL, 4, "opencl")              \
  X(VULKAN, 7, "vulkan")              \
  X(METAL, 8, "metal")                \
  X(VPI, 9, "vpi")                    \
  X(ROCM, 10, "rocm")                 \
  X(ROCM_HOST, 11, "rocm host")       \
  X(EXTENSION, 12, "extension")       \
  X(CUDA_MANAGED, 13, "cuda managed") \
  X(ONE_API, 14, "one api")           \
  X(WEBGPU, 15, "webgpu")             \
  X(HEXAGON, 16, "hexagon")           \
  X(MAIA, 17, "maia")                 \
  X(TRAINIUM, 18, "trainium")

typedef enum weft_device_type {
#define WEFT_DEVICE_ENUM(identifier, number, name) \
  WEFT_DEVICE_##identifier = (number),
  WEFT_DEVICE_TYPES(WEFT_DEVICE_ENUM)
#undef WEFT_DEVICE_ENUM
} weft_device_type_t;

// The name of a device; 8 bytes, the same as DLPack's.
typedef struct weft_device {
  // A weft_device_type_t.
  int32_t type;
  // Which of several; 0 for the cpu.
  int32_t id;
} weft_device_t;

// The name of a device type, such as "cuda". Never NULL.
WEFT_API const char* weft_device_type_name(int32_t type);

typedef struct weft_device_driver weft_device_driver_t;

// The end of a copy. `status` is handed over. Called once, on any thread,
// with no lock held; it must not wait.
typedef void (*weft_device_done_fn_t)(void* user, weft_status_t status);

// Bytes to be copied between two devices, one of which is asked to do it.
typedef struct weft_device_copy {
  const weft_device_driver_t* destination_driver;
  void* destination;
  const weft_device_driver_t* source_driver;
  const void* source;
  size_t size_bytes;
  // Never NULL.
  weft_device_done_fn_t done;
  void* done_user;
} weft_device_copy_t;

// What a device can do. Addresses are linear: the device's memory at
// `address + n` is its n-th byte, although the cpu may be unable to read it.
// Work is ordered in queues, numbered from 0; queue 0 is always there.
// Thread: every slot is called from any thread, with no lock held.
typedef struct weft_device_vtable {
  // Gives `size_bytes` (> 0) bytes of device memory aligned to
  // WEFT_TENSOR_ALIGNMENT, not cleared. A device in host memory takes them
  // from `allocator` (never NULL). May block.
  // Errors: RESOURCE_EXHAUSTED.
  weft_status_t (*allocate)(const weft_device_driver_t* driver,
                            const weft_allocator_t* allocator,
                            size_t size_bytes, void** out_address);
  // Takes back what `allocate` gave, with the same allocator and size. Work
  // in queues may still use it: the device waits for that. May block.
  void (*free)(const weft_device_driver_t* driver,
               const weft_allocator_t* allocator, void* address,
               size_t size_bytes);
  // Appends a copy to a queue. The device asked is the one that is not the
  // cpu; of two others the destination. The description is read before this
  // returns. The memory stays valid until the copy is over; the ranges do not
  // overlap. Does not block; may call `done` before it returns. Copies of one
  // queue run in order; one that fails does not stop those behind it. A
  // device that is lost ends all of its copies with an error.
  // Errors: INVALID_ARGUMENT for a queue it does not have; UNIMPLEMENTED for
  // a pair of devices; RESOURCE_EXHAUSTED. Then `done` is not called.
  weft_status_t (*copy)(const weft_device_driver_t* driver, uint32_t queue,
                        const weft_device_copy_t* copy);
  // Blocks until everything that was appended to the queue before is over and
  // its `done` has returned.
  void (*synchronize)(const weft_device_driver_t* driver, uint32_t queue);
} weft_device_vtable_t;

// One device that can be used: usually a static object of the program, which
// outlives every storage on it.
struct weft_device_driver {
  const weft_device_vtable_t* vtable;
  weft_device_t device;
  // For the device's own use.
  void* self;
};

// The cpu: memory of the allocator at hand; copies are done at once.
WEFT_API const weft_device_driver_t* weft_device_cpu(void);

// The devices that a program knows beside the cpu.
typedef struct weft_device_table {
  const weft_device_driver_t* const* drivers;
  size_t count;
} weft_device_table_t;

// Finds the driver of a device; the cpu is in every table, also in NULL.
// Errors: NOT_FOUND.
WEFT_API WEFT_MUST_USE weft_status_t
weft_device_find(const weft_device_table_t* table, weft_device_t device,
                 const weft_device_driver_t** out_driver);

// --- Storages ---------------------------------------------------------------

// Memory that a storage allocates is aligned to this many bytes, for cblas
// and vector instructions. Foreign memory may be aligned to less.
#define WEFT_TENSOR_ALIGNMENT 64

typedef struct weft_storage weft_storage_t;

// Memory that belongs to somebody else.
typedef struct weft_memory {
  // NULL only when the size is 0.
  void* data;
  size_t size_bytes;
  // Nothing is ever written through a read-only storage.
  bool read_only;
  // Called once, on whatever thread drops the last reference; may be NULL.
  void (*release)(void* user);
  void* user;
} weft_memory_t;

// Allocates memory on a device, not cleared. A size of 0 has no memory.
// Errors: RESOURCE_EXHAUSTED, and what the device says.
WEFT_API WEFT_MUST_USE weft_status_t weft_storage_create(
    const weft_allocator_t* allocator, const weft_device_driver_t* driver,
    size_t size_bytes, weft_storage_t** out_storage);

// Allocates memory that other processes of the host can read, so that sending
// it there costs no copy; on the cpu, not cleared. It may outlive the runtime.
// Errors: RESOURCE_EXHAUSTED: the message says how much there is, how much of
// it others hold, and who holds the most; when they give some back there is
// room again. FORKED in a child of the process that made the runtime; there,
// shared tensors of the parent can be read, and must not be written to.
WEFT_API WEFT_MUST_USE weft_status_t weft_storage_create_shared(
    weft_runtime_t* runtime, size_t size_bytes, weft_storage_t** out_storage);

// Wraps memory. Owns: takes the memory over on success only.
// Errors: INVALID_ARGUMENT for NULL of a size that is not 0; OUT_OF_RANGE for
// an end outside of the address space; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_storage_wrap(
    const weft_allocator_t* allocator, const weft_device_driver_t* driver,
    const weft_memory_t* memory, weft_storage_t** out_storage);

// Another reference to the same storage.
WEFT_API weft_storage_t* weft_storage_retain(weft_storage_t* storage);
// Gives a reference back; NULL is fine.
WEFT_API void weft_storage_release(weft_storage_t* storage);

// The device that the memory is, or will be, on. Never NULL.
WEFT_API const weft_device_driver_t* weft_storage_driver(
    const weft_storage_t* storage);
// The first byte, as an address of the device; NULL when there is none.
WEFT_API const void* weft_storage_data(const weft_storage_t* storage);
// Units: bytes; 0 until a declared tensor was given its size.
WEFT_API size_t weft_storage_size_bytes(const weft_storage_t* storage);
// True when nobody may write, however few hold it.
WEFT_API bool weft_storage_is_read_only(const weft_storage_t* storage);

// --- Tensors ----------------------------------------------------------------

// The most dimensions a tensor has.
#define WEFT_TENSOR_NDIM_LIMIT 16

// In the shape of a declared tensor, a size that is not known yet; in a shape
// that is expected, any size.
#define WEFT_DIMENSION_UNKNOWN ((int64_t)-1)

typedef struct weft_tensor weft_tensor_t;

// How elements lie in a storage.
typedef struct weft_tensor_layout {
  weft_dtype_t dtype;
  // The number of dimensions; 0 is a single element.
  uint32_t ndim;
  // `ndim` sizes; may be NULL when `ndim` is 0.
  const int64_t* shape;
  // From one element to the next, in elements, for each dimension; may be 0
  // or negative. NULL: row by row without gaps.
  const int64_t* strides;
  // Where the first element is in the storage.
  size_t byte_offset;
} weft_tensor_layout_t;

// Makes a tensor with memory of its own, row by row, not cleared. Fill it
// through `weft_tensor_mutable_data`.
// Errors: INVALID_ARGUMENT or UNIMPLEMENTED for the dtype; INVALID_ARGUMENT
// for a negative size; OUT_OF_RANGE for too many dimensions or elements;
// RESOURCE_EXHAUSTED; what the device says.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_create(
    const weft_allocator_t* allocator, const weft_device_driver_t* driver,
    weft_dtype_t dtype, uint32_t ndim, const int64_t* shape,
    weft_tensor_t** out_tensor);

// As `weft_tensor_create` on the cpu, in memory that other processes of the
// host can read, so that sending it there costs no copy. While one of them has
// it, the storage counts as shared.
// Errors: as `weft_tensor_create` and `weft_storage_create_shared`.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_create_shared(
    weft_runtime_t* runtime, weft_dtype_t dtype, uint32_t ndim,
    const int64_t* shape, weft_tensor_t** out_tensor);

// As `weft_tensor_create` on the cpu, filled with a copy of the elements at
// `data`, which lie row by row without gaps; NULL is fine when there are none.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_from_data(
    const weft_allocator_t* allocator, weft_dtype_t dtype, uint32_t ndim,
    const int64_t* shape, const void* data, weft_tensor_t** out_tensor);

// Declares a tensor that is sized and filled later: device, dtype and number
// of dimensions are known, its storage is empty. Sizes may be
// WEFT_DIMENSION_UNKNOWN; `shape` NULL means all of them.
// Errors: as `weft_tensor_create`.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_declare(
    const weft_allocator_t* allocator, const weft_device_driver_t* driver,
    weft_dtype_t dtype, uint32_t ndim, const int64_t* shape,
    weft_tensor_t** out_tensor);

// Gives a declared tensor its shape (of `ndim` sizes) and its memory; after
// that it is as if it came from `weft_tensor_create`.
// Errors: FAILED_PRECONDITION when it has memory already, or is shared;
// INVALID_ARGUMENT when the shape is not the one declared; and those of
// `weft_tensor_create`. The tensor is as before then.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_resize(weft_tensor_t* tensor,
                                                        const int64_t* shape);

// Looks at a storage, or at a part of it. Strides of dimensions of at most
// one element, and all strides of a tensor without elements, mean nothing and
// are replaced by those of a tensor without gaps.
// Owns: retains the storage.
// Errors: as `weft_tensor_create`; OUT_OF_RANGE when an element would lie
// outside of the storage; INVALID_ARGUMENT when the elements are not aligned
// to their type; FAILED_PRECONDITION when the storage is a declared tensor's
// that is not sized.
WEFT_API WEFT_MUST_USE weft_status_t weft_tensor_from_storage(
    const weft_allocator_t* allocator, weft_storage_t* storage,
    const weft_tensor_layout_t* layout, weft_tensor_t** out_tensor);

// Another reference to the same tensor.
WEFT_API weft_tensor_t* weft_tensor_retain(const weft_tensor_t* tensor);
// Gives a reference back; NULL is fine.
WEFT_API void weft_tensor_release(weft_tensor_t* tensor);

// A tensor as a value; retains it.
WEFT_API weft_value_t weft_tensor_value(const weft_tensor_t* tensor);
// A tensor as a value; takes the caller's reference over.
WEFT_API weft_value_t weft_tensor_into_value(weft_tensor_t* tensor);
// Lends the tensor inside a value. Errors: INVALID_ARGUMENT.
WEFT_API WEFT_MUST_USE weft_status_t
weft_value_as_tensor(weft_value_t value, const weft_tensor_t** out_tensor);

// Lends dtype, shape, strides and offset; the arrays are never NULL. They
// change only in `weft_tensor_resize`.
WEFT_API const weft_tensor_layout_t* weft_tensor_layout(
    const weft_tensor_t* tensor);
// Lends the storage. Whoever retains it shares the tensor.
WEFT_API weft_storage_t* weft_tensor_storage(const weft_tensor_t* tensor);
// The device that the storage names.
WEFT_API weft_device_t weft_tensor_device(const weft_tensor_t* tensor);
// The number of elements; 0 for a declared tensor that is not sized.
WEFT_API int64_t weft_tensor_element_count(const weft_tensor_t* tensor);
// What the elements take when they lie without gaps. Units: bytes.
WEFT_API size_t weft_tensor_size_bytes(const weft_tensor_t* tensor);
// True when the elements lie row by row without gaps.
WEFT_API bool weft_tensor_is_contiguous(const weft_tensor_t* tensor);
// False for a declared tensor until it is sized.
WEFT_API bool weft_tensor_is_sized(const weft_tensor_t* tensor);

// The first element, as an address of the device; NULL when there is none.
WEFT_API const void* weft_tensor_data(const weft_tensor_t* tensor);

// The same, to be written to. The caller owns the reference that it uses.
// Errors: FAILED_PRECONDITION when the tensor is shared, when its storage is
// shared or read-only, and when it is not sized.
WEFT_API WEFT_MUST_USE weft_status_t
weft_tensor_mutable_data(weft_tensor_t* tensor, void** out_data);

// Checks what a function expects of a tensor: dtype, number of dimensions,
// and each size that is not WEFT_DIMENSION_UNKNOWN.
// Errors: INVALID_ARGUMENT; the message says both what is and what should be.
WEFT_API WEFT_MUST_USE weft_status_t
weft_tensor_expect(const weft_tensor_t* tensor, weft_dtype_t dtype,
                   uint32_t ndim, const int64_t* shape);

// Writes dtype, shape and device for people, such as
// "tensor float32[64, 10] on cpu:0", as `weft_status_format` does.
WEFT_API size_t weft_tensor_format(const weft_tensor_t* tensor, char* buffer,
                                   size_t capacity);

// --- Views and copies -------------------------------------------------------
// A view is another tensor over the same storage. It comes from the allocator
// of the tensor it looks at.
// Errors, of all: FAILED_PRECONDITION for a tensor that is not sized;
// RESOURCE_EXHAUSTED.

// The elements from `start` up to, not including, `stop` of one dimension.
// Errors: OUT_OF_RANGE; UNIMPLEMENTED when the first of them does not begin
// at a byte.
WEFT_API WEFT_MUST_USE weft_status_t
weft_tensor_slice(const weft_tensor_t* tensor, uint32_t dimension,
                  int64_t start, int64_t stop, weft_tensor_t** out_view);

// The same elements in another shape.
// Errors: INVALID_ARGUMENT when the number of elements differs, or a size is
// negative; FAILED_PRECONDITION when the tensor has gaps: copy it first.
WEFT_API WEFT_MUST_USE weft_status_t
weft_tensor_reshape(const weft_tensor_t* tensor, uint32_t ndim,
                    const int64_t* shape, weft_tensor_t** out_view);

// The dimensions in another order: dimension i of the view is dimension
// `order[i]`. {1, 0} transposes a matrix.
// Errors: INVALID_ARGUMENT when `order` does not name each dimension once.
WEFT_API WEFT_MUST_USE weft_status_t
weft_tensor_permute(const weft_tensor_t* tensor, const uint32_t* order,
                    weft_tensor_t** out_view);

// Copies a tensor to a device, row by row without gaps; the result is new and
// unique. Memory comes from the runtime, whose counter `bytes_copied` counts
// what is copied; NULL: from the C heap, and nobody counts.
// Blocks: until the device has finished.
// Errors: RESOURCE_EXHAUSTED; UNIMPLEMENTED for elements of less than a byte
// with gaps between them anywhere but on the cpu; what the devices say.
WEFT_API WEFT_MUST_USE weft_status_t
weft_tensor_copy(weft_runtime_t* runtime, const weft_device_driver_t* driver,
                 const weft_tensor_t* tensor, weft_tensor_t** out_tensor);

// --- Data inside of values --------------------------------------------------

// For `weft_value_tensor_bytes`.
WEFT_API uint64_t weft_value_tensor_bytes_object(weft_value_t value);

// The size of the data of all tensors in a value, inside of lists and maps
// too; one that is in it twice counts twice. What futures hold does not
// count. The cost does not depend on the size of the value.
// Units: bytes.
static inline uint64_t weft_value_tensor_bytes(weft_value_t value) {
  return weft_value_is_counted(value) ? weft_value_tensor_bytes_object(value)
                                      : 0;
}

WEFT_END_DECLS

#endif  // WEFT_TENSOR_H_
