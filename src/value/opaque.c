// SPDX-License-Identifier: Apache-2.0
//
// Objects of the host program, and statuses, as values.

#include "value/value_internal.h"

static void opaque_destroy(weft_object_t* object) {
  weft_opaque_t* opaque = (weft_opaque_t*)(void*)object;
  if (opaque->type->release != NULL) {
    opaque->type->release(opaque->pointer);
  }
  weft_memory_free(opaque->allocator, opaque, sizeof(*opaque));
}

static const weft_object_vtable_t opaque_vtable = {
    .destroy = opaque_destroy,
    .kind = WEFT_KIND_OPAQUE,
};

weft_status_t weft_opaque_create(const weft_allocator_t* allocator,
                                 const weft_opaque_type_t* type, void* pointer,
                                 weft_value_t* out_opaque) {
  *out_opaque = weft_none();
  if (type == NULL) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "an opaque object needs a type");
  }
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  void* block = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_allocate(from, sizeof(weft_opaque_t), 0, 1,
                                           "opaque object", &block));
  weft_opaque_t* opaque = block;
  weft_object_init(&opaque->object, &opaque_vtable, 1);
  opaque->allocator = from;
  opaque->type = type;
  opaque->pointer = pointer;
  *out_opaque = weft_object_value(&opaque->object);
  return WEFT_OK;
}

static const char* type_name(const weft_opaque_type_t* type) {
  return type != NULL && type->name != NULL ? type->name : "(no name)";
}

weft_status_t weft_value_as_opaque(weft_value_t value,
                                   const weft_opaque_type_t* type,
                                   void** out_pointer) {
  *out_pointer = NULL;
  if (value.kind != WEFT_KIND_OPAQUE) {
    return weft_status_make(
        WEFT_STATUS_INVALID_ARGUMENT,
        "the value is of kind %s, not an opaque object of type %s",
        weft_kind_name(weft_value_kind(value)), type_name(type));
  }
  const weft_opaque_t* opaque = weft_value_opaque(value);
  if (opaque->type != type) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the opaque object is of type %s, not %s; types "
                            "are compared by address",
                            type_name(opaque->type), type_name(type));
  }
  *out_pointer = opaque->pointer;
  return WEFT_OK;
}

static void status_destroy(weft_object_t* object) {
  weft_status_object_t* holder = (weft_status_object_t*)(void*)object;
  weft_status_release(holder->status);
  weft_memory_free(holder->allocator, holder, sizeof(*holder));
}

static const weft_object_vtable_t status_vtable = {
    .destroy = status_destroy,
    .kind = WEFT_KIND_STATUS,
};

weft_status_t weft_status_value_create(const weft_allocator_t* allocator,
                                       weft_status_t status,
                                       weft_value_t* out_value) {
  *out_value = weft_none();
  if (status == WEFT_OK) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "WEFT_OK is no error; pass none instead");
  }
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  void* block = NULL;
  weft_status_t failure = weft_value_allocate(
      from, sizeof(weft_status_object_t), 0, 1, "status", &block);
  if (failure != WEFT_OK) {
    weft_status_release(status);
    return failure;
  }
  weft_status_object_t* holder = block;
  weft_object_init(&holder->object, &status_vtable, 1);
  holder->allocator = from;
  holder->status = status;
  *out_value = weft_object_value(&holder->object);
  return WEFT_OK;
}

weft_status_t weft_value_as_status(weft_value_t value,
                                   weft_status_t* out_status) {
  *out_status = WEFT_OK;
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_STATUS));
  *out_status = weft_value_status(value);
  return WEFT_OK;
}
