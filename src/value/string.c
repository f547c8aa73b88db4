// SPDX-License-Identifier: Apache-2.0
//
// Strings and bytes: the same object under two kinds.

#include <string.h>

#include "base/utf8.h"
#include "value/value_internal.h"

static void text_destroy(weft_object_t* object) {
  weft_string_object_t* text = (weft_string_object_t*)(void*)object;
  weft_memory_free(text->allocator, text,
                   sizeof(*text) + text->length_bytes + 1);
}

static const weft_object_vtable_t string_vtable = {
    .destroy = text_destroy,
    .kind = WEFT_KIND_STRING,
};

static const weft_object_vtable_t bytes_vtable = {
    .destroy = text_destroy,
    .kind = WEFT_KIND_BYTES,
};

// `data` NULL: it is to be filled.
static weft_status_t text_create(const weft_allocator_t* allocator,
                                 const weft_object_vtable_t* vtable,
                                 const void* data, size_t length_bytes,
                                 weft_value_t* out_value) {
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  void* block = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_value_allocate(from, sizeof(weft_string_object_t) + 1, length_bytes,
                          1, weft_kind_name(vtable->kind), &block));
  weft_string_object_t* text = block;
  weft_object_init(&text->object, vtable, 1);
  text->allocator = from;
  text->length_bytes = length_bytes;
  char* place = (char*)(text + 1);
  text->data = place;
  if (data != NULL) {
    memcpy(place, data, length_bytes);
  }
  place[length_bytes] = '\0';
  *out_value = weft_object_value(&text->object);
  return WEFT_OK;
}

weft_status_t weft_string_create(const weft_allocator_t* allocator,
                                 const char* data, size_t length_bytes,
                                 weft_value_t* out_string) {
  *out_string = weft_none();
  if (data == NULL && length_bytes > 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a string of %zu bytes has no data", length_bytes);
  }
  weft_value_t string = weft_none();
  WEFT_RETURN_IF_ERROR(
      text_create(allocator, &string_vtable, data, length_bytes, &string));
  // The copy is checked: `data` may be memory that another process writes to.
  const char* copy = weft_value_string(string)->data;
  size_t valid = weft_utf8_prefix((const uint8_t*)copy, length_bytes);
  if (valid < length_bytes) {
    weft_value_release(string);
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "byte %zu of %zu begins no UTF-8 character; pass "
                            "what is no text as bytes",
                            valid, length_bytes);
  }
  *out_string = string;
  return WEFT_OK;
}

weft_status_t weft_string_from_c(const weft_allocator_t* allocator,
                                 const char* c_string,
                                 weft_value_t* out_string) {
  size_t length_bytes = c_string != NULL ? strlen(c_string) : 0;
  return weft_string_create(allocator, c_string, length_bytes, out_string);
}

weft_status_t weft_value_as_string(weft_value_t value, const char** out_data,
                                   size_t* out_length_bytes) {
  *out_data = NULL;
  if (out_length_bytes != NULL) {
    *out_length_bytes = 0;
  }
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_STRING));
  const weft_string_object_t* text = weft_value_string(value);
  *out_data = text->data;
  if (out_length_bytes != NULL) {
    *out_length_bytes = text->length_bytes;
  }
  return WEFT_OK;
}

weft_status_t weft_bytes_create(const weft_allocator_t* allocator,
                                const void* data, size_t size_bytes,
                                weft_value_t* out_bytes) {
  *out_bytes = weft_none();
  if (data == NULL && size_bytes > 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%zu bytes have no data", size_bytes);
  }
  return text_create(allocator, &bytes_vtable, data, size_bytes, out_bytes);
}

weft_status_t weft_bytes_create_open(const weft_allocator_t* allocator,
                                     size_t size_bytes, weft_value_t* out_bytes,
                                     void** out_data) {
  *out_bytes = weft_none();
  *out_data = NULL;
  WEFT_RETURN_IF_ERROR(
      text_create(allocator, &bytes_vtable, NULL, size_bytes, out_bytes));
  *out_data = (weft_string_object_t*)(void*)out_bytes->as.object + 1;
  return WEFT_OK;
}

void weft_bytes_view_init(weft_string_object_t* view,
                          const weft_object_vtable_t* vtable, const void* data,
                          size_t size_bytes) {
  weft_object_init(&view->object, vtable, 1);
  view->allocator = NULL;
  view->length_bytes = size_bytes;
  view->data = data;
}

weft_status_t weft_value_as_bytes(weft_value_t value, const void** out_data,
                                  size_t* out_size_bytes) {
  *out_data = NULL;
  *out_size_bytes = 0;
  WEFT_RETURN_IF_ERROR(weft_value_expect(value, WEFT_KIND_BYTES));
  const weft_string_object_t* text = weft_value_string(value);
  *out_data = text->data;
  *out_size_bytes = text->length_bytes;
  return WEFT_OK;
}

bool weft_string_equal(const weft_string_object_t* a,
                       const weft_string_object_t* b) {
  return a->length_bytes == b->length_bytes &&
         memcmp(a->data, b->data, a->length_bytes) == 0;
}
