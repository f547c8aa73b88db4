// SPDX-License-Identifier: Apache-2.0
//
// Values as bytes. Room for a datum is reserved before it is packed, so that
// packing itself cannot fail. An error gets the path to its value where it
// happens, from the steps that the recursion keeps on the stack.

#include "base/assert.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "value/path.h"
#include "value/tensor_internal.h"
#include "value/value_internal.h"
#include "wire/wire_internal.h"

// The longest datum without bytes of its own: a first byte and a number of 8.
#define DATUM_BYTES 9
// What stands before the bytes of a string, bytes or extension at most.
#define HEAD_BYTES 6
// Attachments that strings and bytes may use, lest tensors find none left.
#define BESIDE_LIMIT (WEFT_WIRE_ATTACHMENT_LIMIT / 2)

void weft_encoder_init(weft_encoder_t* encoder,
                       const weft_allocator_t* allocator,
                       const weft_encoder_vtable_t* vtable, void* user) {
  encoder->vtable = vtable;
  encoder->user = user;
  encoder->allocator = weft_allocator_or_system(allocator);
  encoder->data = encoder->inside;
  encoder->size_bytes = 0;
  encoder->capacity_bytes = sizeof(encoder->inside);
  encoder->budget = WEFT_WIRE_VALUE_LIMIT;
  encoder->is_bare = false;
  encoder->attachment_count = 0;
}

void weft_encoder_deinit(weft_encoder_t* encoder) {
  if (encoder->data != encoder->inside) {
    weft_memory_free(encoder->allocator, encoder->data,
                     encoder->capacity_bytes);
  }
  encoder->data = NULL;
}

// --- Room -------------------------------------------------------------------

weft_status_t weft_encoder_grow(weft_encoder_t* encoder, size_t size_bytes) {
  // What is there is at most the limit, so the difference is no underflow.
  if (size_bytes > WEFT_WIRE_BODY_LIMIT - encoder->size_bytes) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "the values come to more than %u bytes beside "
                            "tensors; send them in parts",
                            WEFT_WIRE_BODY_LIMIT);
  }
  size_t needed = encoder->size_bytes + size_bytes;
  size_t capacity = encoder->capacity_bytes;
  while (capacity < needed) {
    capacity *= 2;
  }
  uint8_t* data = weft_memory_allocate(encoder->allocator, capacity);
  if (data == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a body of %zu bytes", capacity);
  }
  memcpy(data, encoder->data, encoder->size_bytes);
  weft_encoder_deinit(encoder);
  encoder->data = data;
  encoder->capacity_bytes = capacity;
  return WEFT_OK;
}

weft_status_t weft_encoder_spend(weft_encoder_t* encoder, size_t count) {
  if (count > encoder->budget) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "more than %u values; send them in parts, or "
                            "numbers as a tensor",
                            WEFT_WIRE_VALUE_LIMIT);
  }
  encoder->budget -= (uint32_t)count;
  return WEFT_OK;
}

// A number for bytes beside the body.
static uint16_t attach(weft_encoder_t* encoder,
                       const weft_encoder_bytes_t* bytes) {
  encoder->attachments[encoder->attachment_count] = *bytes;
  return (uint16_t)encoder->attachment_count++;
}

static weft_status_t put_extension(weft_encoder_t* encoder, int8_t type,
                                   const void* data, uint32_t size_bytes) {
  WEFT_RETURN_IF_ERROR(
      weft_encoder_reserve(encoder, HEAD_BYTES + (size_t)size_bytes));
  msgpack_packer packer = weft_encoder_packer(encoder);
  (void)msgpack_pack_ext_with_body(&packer, data, size_bytes, type);
  return WEFT_OK;
}

weft_status_t weft_encoder_extension(weft_encoder_t* encoder, int8_t type,
                                     const void* data, uint32_t size_bytes) {
  weft_assert(type >= WEFT_EXTENSION_FIRST_FREE);
  return put_extension(encoder, type, data, size_bytes);
}

// --- Values without values in them ------------------------------------------

static weft_status_t put_scalar(weft_encoder_t* encoder, weft_value_t value) {
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, DATUM_BYTES));
  msgpack_packer packer = weft_encoder_packer(encoder);
  if (value.kind == WEFT_KIND_INT64) {
    (void)msgpack_pack_int64(&packer, value.as.int64);
  } else if (value.kind == WEFT_KIND_FLOAT64) {
    (void)msgpack_pack_double(&packer, value.as.float64);
  } else if (value.kind == WEFT_KIND_NONE) {
    (void)msgpack_pack_nil(&packer);
  } else if (value.as.int64 != 0) {
    (void)msgpack_pack_true(&packer);
  } else {
    (void)msgpack_pack_false(&packer);
  }
  return WEFT_OK;
}

static weft_status_t put_actor(weft_encoder_t* encoder, weft_value_t value) {
  weft_wire_actor_t actor = {
      .rank = value.rank,
      .incarnation = (uint16_t)(value.as.actor >> 32),
      .index = value.index,
      .generation = (uint32_t)value.as.actor,
  };
  return put_extension(encoder, WEFT_EXTENSION_ACTOR, &actor, sizeof(actor));
}

static bool goes_beside(const weft_encoder_t* encoder, size_t size_bytes) {
  return size_bytes > WEFT_WIRE_INLINE_LIMIT &&
         encoder->attachment_count < BESIDE_LIMIT;
}

static weft_status_t put_beside(weft_encoder_t* encoder, int8_t type,
                                const weft_string_object_t* text) {
  weft_encoder_bytes_t bytes = {text->data, text->length_bytes, NULL};
  uint16_t number = attach(encoder, &bytes);
  return put_extension(encoder, type, &number, sizeof(number));
}

static weft_status_t put_string(weft_encoder_t* encoder, weft_value_t value) {
  const weft_string_object_t* text = weft_value_string(value);
  if (goes_beside(encoder, text->length_bytes)) {
    return put_beside(encoder, WEFT_EXTENSION_STRING, text);
  }
  WEFT_RETURN_IF_ERROR(
      weft_encoder_reserve(encoder, HEAD_BYTES + text->length_bytes));
  msgpack_packer packer = weft_encoder_packer(encoder);
  (void)msgpack_pack_str_with_body(&packer, text->data, text->length_bytes);
  return WEFT_OK;
}

static weft_status_t put_bytes(weft_encoder_t* encoder, weft_value_t value) {
  const weft_string_object_t* bytes = weft_value_string(value);
  if (goes_beside(encoder, bytes->length_bytes)) {
    return put_beside(encoder, WEFT_EXTENSION_BYTES, bytes);
  }
  WEFT_RETURN_IF_ERROR(
      weft_encoder_reserve(encoder, HEAD_BYTES + bytes->length_bytes));
  msgpack_packer packer = weft_encoder_packer(encoder);
  (void)msgpack_pack_bin_with_body(&packer, bytes->data, bytes->length_bytes);
  return WEFT_OK;
}

static weft_status_t put_status(weft_encoder_t* encoder, weft_value_t value) {
  return weft_encode_chain(encoder, weft_value_status(value));
}

static weft_status_t put_opaque(weft_encoder_t* encoder, weft_value_t value) {
  (void)encoder;
  const char* name = weft_value_opaque(value)->type->name;
  return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                          "an opaque object of type %s cannot leave its "
                          "process: pass what it holds",
                          name != NULL ? name : "(no name)");
}

static weft_status_t put_other(weft_encoder_t* encoder, weft_value_t value) {
  if (encoder->vtable == NULL || encoder->vtable->value == NULL) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                            "a %s cannot leave its process",
                            weft_kind_name(weft_value_kind(value)));
  }
  return encoder->vtable->value(encoder, value);
}

// --- Tensors ----------------------------------------------------------------

static weft_status_t check_tensor(const weft_encoder_t* encoder,
                                  const weft_tensor_t* tensor) {
  if (weft_tensor_device(tensor).type != WEFT_DEVICE_CPU) {
    return weft_status_make(
        WEFT_STATUS_UNIMPLEMENTED,
        "a tensor on %s:%d cannot leave its process: copy it to the cpu first",
        weft_device_type_name(weft_tensor_device(tensor).type),
        weft_tensor_device(tensor).id);
  }
  if (!weft_tensor_is_sized(tensor)) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                            "a tensor that is declared and not sized cannot "
                            "leave its process: size and fill it first");
  }
  if (encoder->attachment_count == WEFT_WIRE_ATTACHMENT_LIMIT) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "more than %d tensors in one message; send them "
                            "in parts",
                            WEFT_WIRE_ATTACHMENT_LIMIT);
  }
  return WEFT_OK;
}

// The smallest range of the storage that has all elements, of which there are
// some, and where in it the first one is.
static weft_status_t find_range(const weft_tensor_t* tensor,
                                weft_encoder_bytes_t* out_range,
                                uint64_t* out_byte_offset) {
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  WEFT_RETURN_IF_ERROR(weft_layout_measure(&tensor->layout, strides, &extent));
  // Whole bytes, as `weft_layout_check_within` counts them.
  size_t before = (size_t)(((uint64_t)0 - (uint64_t)extent.low_bits + 7) / 8);
  size_t behind = (size_t)(((uint64_t)extent.high_bits + 7) / 8);
  *out_range = (weft_encoder_bytes_t){
      .data = (const char*)weft_tensor_data(tensor) - before,
      .size_bytes = before + behind,
      .tensor = tensor,
  };
  *out_byte_offset = before;
  return WEFT_OK;
}

static weft_status_t put_tensor_head(weft_encoder_t* encoder,
                                     const weft_tensor_t* tensor,
                                     weft_wire_tensor_t head) {
  const weft_tensor_layout_t* layout = &tensor->layout;
  size_t array_bytes = layout->ndim * sizeof(int64_t);
  size_t size_bytes = sizeof(head) + array_bytes;
  uint8_t data[WEFT_WIRE_TENSOR_BYTES_LIMIT];
  head.ndim = (uint8_t)layout->ndim;
  head.dtype = layout->dtype;
  if (!weft_layout_is_contiguous(layout)) {
    head.flags = WEFT_WIRE_TENSOR_STRIDES;
    memcpy(data + size_bytes, layout->strides, array_bytes);
  }
  memcpy(data, &head, sizeof(head));
  memcpy(data + sizeof(head), layout->shape, array_bytes);
  size_bytes += head.flags != 0 ? array_bytes : 0;
  return put_extension(encoder, WEFT_EXTENSION_TENSOR, data,
                       (uint32_t)size_bytes);
}

static weft_status_t put_tensor(weft_encoder_t* encoder, weft_value_t value) {
  const weft_tensor_t* tensor = weft_value_tensor(value);
  weft_wire_tensor_t head = {.attachment = WEFT_WIRE_NO_ATTACHMENT};
  WEFT_RETURN_IF_ERROR(check_tensor(encoder, tensor));
  if (tensor->element_count > 0) {
    weft_encoder_bytes_t range;
    WEFT_RETURN_IF_ERROR(find_range(tensor, &range, &head.byte_offset));
    head.attachment = attach(encoder, &range);
  }
  // Without gaps the range is the elements.
  weft_assert(!encoder->is_bare || weft_tensor_is_contiguous(tensor));
  return encoder->is_bare ? WEFT_OK : put_tensor_head(encoder, tensor, head);
}

// --- Values -----------------------------------------------------------------

typedef weft_status_t (*put_fn_t)(weft_encoder_t* encoder, weft_value_t value);

// Lists and maps are not here: they need the step.
static const put_fn_t puts_of_kinds[] = {
    [WEFT_KIND_NONE] = put_scalar,   [WEFT_KIND_BOOL] = put_scalar,
    [WEFT_KIND_INT64] = put_scalar,  [WEFT_KIND_FLOAT64] = put_scalar,
    [WEFT_KIND_ACTOR] = put_actor,   [WEFT_KIND_STRING] = put_string,
    [WEFT_KIND_BYTES] = put_bytes,   [WEFT_KIND_TENSOR] = put_tensor,
    [WEFT_KIND_OPAQUE] = put_opaque, [WEFT_KIND_STATUS] = put_status,
    [WEFT_KIND_FUTURE] = put_other,  [WEFT_KIND_CHANNEL_END] = put_other,
};

static weft_status_t put_leaf(weft_encoder_t* encoder, weft_value_t value) {
  WEFT_RETURN_IF_ERROR(weft_encoder_spend(encoder, 1));
  const size_t count = sizeof(puts_of_kinds) / sizeof(puts_of_kinds[0]);
  put_fn_t put = value.kind < count ? puts_of_kinds[value.kind] : NULL;
  return (put != NULL ? put : put_other)(encoder, value);
}

// The head of a list or map.
static weft_status_t put_head(weft_encoder_t* encoder, weft_value_t value,
                              size_t count) {
  // More could not be within the budget, and need not fit 32 bits.
  if (count > WEFT_WIRE_VALUE_LIMIT) {
    return weft_encoder_spend(encoder, count);
  }
  WEFT_RETURN_IF_ERROR(weft_encoder_spend(encoder, 1));
  if (encoder->is_bare) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, DATUM_BYTES));
  msgpack_packer packer = weft_encoder_packer(encoder);
  if (value.kind == WEFT_KIND_LIST) {
    (void)msgpack_pack_array(&packer, count);
  } else {
    (void)msgpack_pack_map(&packer, count);
  }
  return WEFT_OK;
}

static weft_status_t encode(weft_encoder_t* encoder, const weft_path_t* step,
                            weft_value_t value);

static weft_status_t encode_list(weft_encoder_t* encoder,
                                 const weft_path_t* parent,
                                 weft_value_t value) {
  const weft_list_t* list = weft_value_list(value);
  size_t count = list->container.count;
  weft_path_t step = {.parent = parent};
  WEFT_RETURN_IF_ERROR(
      weft_path_located(parent, put_head(encoder, value, count)));
  for (; step.index < count; ++step.index) {
    WEFT_RETURN_IF_ERROR(encode(encoder, &step, list->values[step.index]));
  }
  return WEFT_OK;
}

static weft_status_t encode_map(weft_encoder_t* encoder,
                                const weft_path_t* parent, weft_value_t value) {
  const weft_map_t* map = weft_value_map(value);
  size_t count = map->container.count;
  weft_path_t step = {.parent = parent};
  WEFT_RETURN_IF_ERROR(
      weft_path_located(parent, put_head(encoder, value, count)));
  for (size_t i = 0; i < count; ++i) {
    step.text = weft_value_string(map->entries[i].key)->data;
    if (!encoder->is_bare) {
      WEFT_RETURN_IF_ERROR(encode(encoder, &step, map->entries[i].key));
    }
    WEFT_RETURN_IF_ERROR(encode(encoder, &step, map->entries[i].value));
  }
  return WEFT_OK;
}

static weft_status_t encode(weft_encoder_t* encoder, const weft_path_t* step,
                            weft_value_t value) {
  if (value.kind == WEFT_KIND_LIST) {
    return encode_list(encoder, step, value);
  }
  if (value.kind == WEFT_KIND_MAP) {
    return encode_map(encoder, step, value);
  }
  return weft_path_located(step, put_leaf(encoder, value));
}

static weft_status_t put_name(weft_encoder_t* encoder, const char* name) {
  size_t size_bytes = strlen(name);
  if (size_bytes > WEFT_WIRE_TEXT_LIMIT) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "the name has %zu bytes; the limit is %d",
                            size_bytes, WEFT_WIRE_TEXT_LIMIT);
  }
  if (weft_utf8_prefix((const uint8_t*)name, size_bytes) < size_bytes) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the name is not UTF-8");
  }
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, HEAD_BYTES + size_bytes));
  msgpack_packer packer = weft_encoder_packer(encoder);
  (void)msgpack_pack_str_with_body(&packer, name, size_bytes);
  return WEFT_OK;
}

// --- Whole values -----------------------------------------------------------

// What an encoder has to forget after an error.
typedef struct mark {
  size_t size_bytes;
  uint32_t attachment_count;
  uint32_t budget;
} mark_t;

static mark_t mark_of(const weft_encoder_t* encoder) {
  return (mark_t){encoder->size_bytes, encoder->attachment_count,
                  encoder->budget};
}

static weft_status_t settle(weft_encoder_t* encoder, mark_t mark,
                            weft_status_t status) {
  if (status != WEFT_OK) {
    encoder->size_bytes = mark.size_bytes;
    encoder->attachment_count = mark.attachment_count;
    encoder->budget = mark.budget;
  }
  return status;
}

weft_status_t weft_encode_value(weft_encoder_t* encoder, const char* what,
                                weft_value_t value) {
  mark_t mark = mark_of(encoder);
  weft_path_t root = {.text = what};
  return settle(encoder, mark, encode(encoder, &root, value));
}

weft_status_t weft_encode_data(weft_encoder_t* encoder, const char* what,
                               weft_value_t value) {
  encoder->is_bare = true;
  weft_status_t status = weft_encode_value(encoder, what, value);
  encoder->is_bare = false;
  return status;
}

weft_status_t weft_encode_named(weft_encoder_t* encoder, const char* name,
                                weft_value_t value) {
  mark_t mark = mark_of(encoder);
  weft_path_t root = {.text = name, .is_name = true};
  weft_status_t status = weft_path_located(&root, put_name(encoder, name));
  if (status == WEFT_OK) {
    status = encode(encoder, &root, value);
  }
  return settle(encoder, mark, status);
}

weft_status_t weft_encode_status(weft_encoder_t* encoder,
                                 weft_status_t status) {
  weft_assert(status != WEFT_OK);
  mark_t mark = mark_of(encoder);
  weft_status_t error = weft_encoder_spend(encoder, 1);
  if (error == WEFT_OK) {
    error = weft_encode_chain(encoder, status);
  }
  return settle(encoder, mark, error);
}
