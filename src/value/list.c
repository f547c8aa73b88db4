// SPDX-License-Identifier: Apache-2.0
//
// Lists, and what they share with maps.

#include "base/checked.h"
#include "value/tensor_internal.h"
#include "value/value_internal.h"

void weft_container_init(weft_container_t* container,
                         const weft_object_vtable_t* vtable,
                         const weft_allocator_t* allocator, size_t count) {
  weft_object_init(&container->object, vtable, 1);
  container->object.extra = 1;
  container->allocator = allocator;
  container->count = count;
  container->tensor_bytes = 0;
}

weft_status_t weft_container_admit(weft_container_t* container,
                                   weft_value_t value) {
  if (value.kind == WEFT_KIND_LIST || value.kind == WEFT_KIND_MAP) {
    uint32_t depth = value.as.object->extra + 1;
    if (depth > WEFT_VALUE_DEPTH_LIMIT) {
      return weft_status_make(
          WEFT_STATUS_OUT_OF_RANGE,
          "lists and maps would be %u deep; the limit is %d", depth,
          WEFT_VALUE_DEPTH_LIMIT);
    }
    if (depth > container->object.extra) {
      container->object.extra = depth;
    }
  }
  uint64_t* sum = &container->tensor_bytes;
  if (__builtin_add_overflow(*sum, weft_value_tensor_bytes(value), sum)) {
    *sum = UINT64_MAX;
  }
  return WEFT_OK;
}

uint64_t weft_value_tensor_bytes_object(weft_value_t value) {
  if (value.kind == WEFT_KIND_TENSOR) {
    return weft_value_tensor(value)->size_bytes;
  }
  if (value.kind == WEFT_KIND_LIST || value.kind == WEFT_KIND_MAP) {
    return ((const weft_container_t*)(const void*)value.as.object)
        ->tensor_bytes;
  }
  return 0;
}

static void list_destroy(weft_object_t* object) {
  weft_list_t* list = (weft_list_t*)(void*)object;
  for (size_t i = 0; i < list->container.count; ++i) {
    weft_value_release(list->values[i]);
  }
  weft_memory_free(
      list->container.allocator, list,
      sizeof(*list) + list->container.count * sizeof(list->values[0]));
}

static const weft_object_vtable_t list_vtable = {
    .destroy = list_destroy,
    .kind = WEFT_KIND_LIST,
};

static weft_status_t list_admit(weft_list_t* list, const weft_value_t* values) {
  for (size_t i = 0; i < list->container.count; ++i) {
    WEFT_RETURN_IF_ERROR(weft_container_admit(&list->container, values[i]));
  }
  return WEFT_OK;
}

weft_status_t weft_list_create(const weft_allocator_t* allocator,
                               const weft_value_t* values, size_t count,
                               weft_value_t* out_list) {
  *out_list = weft_none();
  if (values == NULL && count > 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a list of %zu values has none", count);
  }
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  void* block = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_allocate(
      from, sizeof(weft_list_t), count, sizeof(weft_value_t), "list", &block));
  weft_list_t* list = block;
  weft_container_init(&list->container, &list_vtable, from, count);
  weft_status_t status = list_admit(list, values);
  if (status != WEFT_OK) {
    weft_memory_free(from, list, sizeof(*list) + count * sizeof(*values));
    return status;
  }
  for (size_t i = 0; i < count; ++i) {
    list->values[i] = weft_value_retain(values[i]);
  }
  *out_list = weft_object_value(&list->container.object);
  return WEFT_OK;
}

weft_status_t weft_value_as_list(weft_value_t value,
                                 const weft_value_t** out_values,
                                 size_t* out_count) {
  *out_values = NULL;
  *out_count = 0;
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_LIST));
  const weft_list_t* list = weft_value_list(value);
  *out_values = list->values;
  *out_count = list->container.count;
  return WEFT_OK;
}
