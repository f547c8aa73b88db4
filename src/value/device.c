// SPDX-License-Identifier: Apache-2.0
//
// The table of devices, and the cpu.

#include <string.h>

#include "weft/tensor.h"

_Static_assert(sizeof(weft_device_t) == 8, "as large as DLPack's");

const char* weft_device_type_name(int32_t type) {
  switch (type) {
#define DEVICE_CASE(identifier, number, name) \
  case number:                                \
    return name;
    WEFT_DEVICE_TYPES(DEVICE_CASE)
#undef DEVICE_CASE
    default:
      return "unknown device";
  }
}

static weft_status_t cpu_allocate(const weft_device_driver_t* driver,
                                  const weft_allocator_t* allocator,
                                  size_t size_bytes, void** out_address) {
  (void)driver;
  *out_address =
      allocator->allocate(allocator->self, size_bytes, WEFT_TENSOR_ALIGNMENT);
  if (*out_address == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for %zu bytes of tensor data",
                            size_bytes);
  }
  return WEFT_OK;
}

static void cpu_free(const weft_device_driver_t* driver,
                     const weft_allocator_t* allocator, void* address,
                     size_t size_bytes) {
  (void)driver;
  allocator->free(allocator->self, address, size_bytes);
}

static weft_status_t cpu_copy(const weft_device_driver_t* driver,
                              uint32_t queue, const weft_device_copy_t* copy) {
  (void)driver;
  if (queue != 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the cpu has no queue %u, only queue 0", queue);
  }
  memcpy(copy->destination, copy->source, copy->size_bytes);
  copy->done(copy->done_user, WEFT_OK);
  return WEFT_OK;
}

// Copies are over when `copy` returns.
static void cpu_synchronize(const weft_device_driver_t* driver,
                            uint32_t queue) {
  (void)driver;
  (void)queue;
}

static bool device_equal(weft_device_t a, weft_device_t b) {
  return a.type == b.type && a.id == b.id;
}

weft_status_t weft_device_find(const weft_device_table_t* table,
                               weft_device_t device,
                               const weft_device_driver_t** out_driver) {
  size_t count = table != NULL ? table->count : 0;
  *out_driver = NULL;
  for (size_t i = 0; i < count && *out_driver == NULL; ++i) {
    if (device_equal(table->drivers[i]->device, device)) {
      *out_driver = table->drivers[i];
    }
  }
  if (*out_driver == NULL && device_equal(weft_device_cpu()->device, device)) {
    *out_driver = weft_device_cpu();
  }
  if (*out_driver == NULL) {
    return weft_status_make(
        WEFT_STATUS_NOT_FOUND,
        "the device %s:%d (type %d) is not the cpu and in no table of %zu; "
        "pass its driver",
        weft_device_type_name(device.type), device.id, device.type, count);
  }
  return WEFT_OK;
}

static const weft_device_vtable_t cpu_vtable = {
    .allocate = cpu_allocate,
    .free = cpu_free,
    .copy = cpu_copy,
    .synchronize = cpu_synchronize,
};

const weft_device_driver_t* weft_device_cpu(void) {
  static const weft_device_driver_t cpu = {
      .vtable = &cpu_vtable,
      .device = {WEFT_DEVICE_CPU, 0},
      .self = NULL,
  };
  return &cpu;
}
