// SPDX-License-Identifier: Apache-2.0
//
// Storages: memory of a device, or of somebody else.

#include "base/assert.h"
#include "value/tensor_internal.h"
#include "value/value_internal.h"

_Static_assert(sizeof(weft_storage_t) == 64, "one cache line");

static void storage_destroy(weft_object_t* object) {
  weft_storage_t* storage = (weft_storage_t*)(void*)object;
  if (weft_storage_has(storage, WEFT_STORAGE_ALLOCATED)) {
    storage->driver->vtable->free(storage->driver, storage->allocator,
                                  storage->data, storage->size_bytes);
  }
  if (storage->release != NULL) {
    storage->release(storage->user);
  }
  weft_memory_free(storage->allocator, storage, sizeof(*storage));
}

static const weft_object_vtable_t storage_vtable = {
    .destroy = storage_destroy,
    // A storage is no value by itself.
    .kind = WEFT_KIND_NONE,
};

weft_status_t weft_storage_declare(const weft_allocator_t* allocator,
                                   const weft_device_driver_t* driver,
                                   weft_storage_t** out_storage) {
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  void* block = NULL;
  *out_storage = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_allocate(from, sizeof(weft_storage_t), 0, 1,
                                           "storage", &block));
  weft_storage_t* storage = block;
  *storage = (weft_storage_t){
      .allocator = from,
      .driver = driver != NULL ? driver : weft_device_cpu(),
  };
  weft_object_init(&storage->object, &storage_vtable, 1);
  storage->object.extra = WEFT_STORAGE_UNSIZED;
  *out_storage = storage;
  return WEFT_OK;
}

weft_status_t weft_storage_size(weft_storage_t* storage, size_t size_bytes) {
  weft_assert(weft_storage_has(storage, WEFT_STORAGE_UNSIZED));
  if (size_bytes == 0) {
    storage->object.extra = 0;
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(storage->driver->vtable->allocate(
      storage->driver, storage->allocator, size_bytes, &storage->data));
  storage->size_bytes = size_bytes;
  storage->object.extra = WEFT_STORAGE_ALLOCATED;
  return WEFT_OK;
}

weft_status_t weft_storage_create(const weft_allocator_t* allocator,
                                  const weft_device_driver_t* driver,
                                  size_t size_bytes,
                                  weft_storage_t** out_storage) {
  weft_storage_t* storage = NULL;
  *out_storage = NULL;
  WEFT_RETURN_IF_ERROR(weft_storage_declare(allocator, driver, &storage));
  weft_status_t status = weft_storage_size(storage, size_bytes);
  if (status != WEFT_OK) {
    weft_storage_release(storage);
    return status;
  }
  *out_storage = storage;
  return WEFT_OK;
}

weft_status_t weft_storage_wrap(const weft_allocator_t* allocator,
                                const weft_device_driver_t* driver,
                                const weft_memory_t* memory,
                                weft_storage_t** out_storage) {
  *out_storage = NULL;
  if (memory->data == NULL && memory->size_bytes > 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%zu bytes of memory are at NULL",
                            memory->size_bytes);
  }
  // An address of a bit is an int64_t too.
  if (memory->size_bytes > INT64_MAX / 8 ||
      memory->size_bytes > UINTPTR_MAX - (uintptr_t)memory->data) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "%zu bytes at %p end outside of the address space",
                            memory->size_bytes, memory->data);
  }
  weft_storage_t* storage = NULL;
  WEFT_RETURN_IF_ERROR(weft_storage_declare(allocator, driver, &storage));
  storage->object.extra = memory->read_only ? WEFT_STORAGE_READ_ONLY : 0;
  storage->data = memory->size_bytes > 0 ? memory->data : NULL;
  storage->size_bytes = memory->size_bytes;
  storage->release = memory->release;
  storage->user = memory->user;
  *out_storage = storage;
  return WEFT_OK;
}

weft_storage_t* weft_storage_retain(weft_storage_t* storage) {
  weft_object_retain(&storage->object);
  return storage;
}

void weft_storage_release(weft_storage_t* storage) {
  if (storage != NULL) {
    weft_object_release(&storage->object);
  }
}

const weft_device_driver_t* weft_storage_driver(const weft_storage_t* storage) {
  return storage->driver;
}

const void* weft_storage_data(const weft_storage_t* storage) {
  return storage->data;
}

size_t weft_storage_size_bytes(const weft_storage_t* storage) {
  return storage->size_bytes;
}

bool weft_storage_is_read_only(const weft_storage_t* storage) {
  return weft_storage_has(storage, WEFT_STORAGE_READ_ONLY);
}
