// SPDX-License-Identifier: Apache-2.0
//
// Bytes as values. A list or map takes its elements off the budget before it
// makes room for them, so that what a body can make this side allocate is
// bounded by the budget, however its counts stand in each other.

#include "base/memory.h"
#include "base/utf8.h"
#include "value/structure.h"
#include "wire/wire_internal.h"

// Lists and maps of up to this many values are gathered on the stack.
#define FEW 8

void weft_decoder_init(weft_decoder_t* decoder,
                       const weft_allocator_t* allocator,
                       const weft_decoder_vtable_t* vtable, void* user,
                       const weft_body_t* body) {
  *decoder = (weft_decoder_t){
      .vtable = vtable,
      .user = user,
      .allocator = weft_allocator_or_system(allocator),
      .reader = {.data = body->data, .size_bytes = body->size_bytes},
      .attachment_count = body->attachment_count,
      .budget = WEFT_WIRE_VALUE_LIMIT,
  };
}

// An error at a token. `cause`, which it takes over, may be WEFT_OK.
__attribute__((cold, noinline)) static weft_status_t refuse(
    const weft_decoder_t* decoder, const weft_token_t* token,
    weft_status_t cause, const char* what) {
  return weft_status_make_caused(WEFT_STATUS_DATA_LOSS, cause,
                                 "byte %zu of %zu: %s", token->offset_bytes,
                                 decoder->reader.size_bytes, what);
}

// Of an error in making a value only the lack of memory is ours; others mean
// that the bytes described no value.
static weft_status_t blame(const weft_decoder_t* decoder,
                           const weft_token_t* token, weft_status_t status) {
  if (status == WEFT_OK ||
      weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    return status;
  }
  return refuse(decoder, token, status, "there is no such value");
}

weft_status_t weft_decoder_spend(weft_decoder_t* decoder, size_t count) {
  if (count > decoder->budget) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "byte %zu of %zu: more than %u values",
                            decoder->reader.offset_bytes,
                            decoder->reader.size_bytes, WEFT_WIRE_VALUE_LIMIT);
  }
  decoder->budget -= (uint32_t)count;
  return WEFT_OK;
}

// --- Attachments ------------------------------------------------------------

static weft_status_t take_attachment(weft_decoder_t* decoder,
                                     const weft_token_t* token, uint32_t index,
                                     weft_storage_t** out_storage) {
  *out_storage = NULL;
  if (index >= decoder->attachment_count ||
      index >= WEFT_WIRE_ATTACHMENT_LIMIT) {
    return refuse(decoder, token, WEFT_OK,
                  "names an attachment that is not there");
  }
  uint64_t bit = UINT64_C(1) << index;
  if ((decoder->used & bit) != 0) {
    return refuse(decoder, token, WEFT_OK,
                  "names an attachment that was named before");
  }
  if (decoder->vtable == NULL || decoder->vtable->attachment == NULL) {
    return refuse(decoder, token, WEFT_OK, "no attachments are expected here");
  }
  decoder->used |= bit;
  return decoder->vtable->attachment(decoder, index, out_storage);
}

// Copies a string or bytes out of the attachment that an extension names.
static weft_status_t decode_beside(weft_decoder_t* decoder,
                                   const weft_token_t* token,
                                   weft_value_t* out_value) {
  uint16_t index = 0;
  weft_storage_t* storage = NULL;
  if (token->count != WEFT_WIRE_BESIDE_BYTES) {
    return refuse(decoder, token, WEFT_OK,
                  "what stands beside the body is named with 2 bytes");
  }
  memcpy(&index, token->data, sizeof(index));
  WEFT_RETURN_IF_ERROR(take_attachment(decoder, token, index, &storage));
  const void* data = weft_storage_data(storage);
  size_t size_bytes = weft_storage_size_bytes(storage);
  weft_status_t status =
      token->extension == WEFT_EXTENSION_STRING
          ? weft_string_create(decoder->allocator, data, size_bytes, out_value)
          : weft_bytes_create(decoder->allocator, data, size_bytes, out_value);
  weft_storage_release(storage);
  return blame(decoder, token, status);
}

// --- Tensors ----------------------------------------------------------------

// What an extension says of a tensor, copied to where it is aligned.
typedef struct tensor_text {
  weft_wire_tensor_t head;
  int64_t dimensions[2 * WEFT_TENSOR_NDIM_LIMIT];
  weft_tensor_layout_t layout;
} tensor_text_t;

static weft_status_t read_tensor(const weft_decoder_t* decoder,
                                 const weft_token_t* token,
                                 tensor_text_t* text) {
  if (token->count < sizeof(text->head)) {
    return refuse(decoder, token, WEFT_OK, "a tensor is cut short");
  }
  memcpy(&text->head, token->data, sizeof(text->head));
  size_t ndim = text->head.ndim;
  bool has_strides = text->head.flags == WEFT_WIRE_TENSOR_STRIDES;
  size_t array_bytes = (has_strides ? 2 : 1) * ndim * sizeof(int64_t);
  if (ndim > WEFT_TENSOR_NDIM_LIMIT ||
      (!has_strides && text->head.flags != 0) ||
      token->count != sizeof(text->head) + array_bytes) {
    return refuse(decoder, token, WEFT_OK,
                  "a tensor has too many dimensions, or not the bytes for "
                  "those that it has");
  }
  memcpy(text->dimensions, token->data + sizeof(text->head), array_bytes);
  text->layout = (weft_tensor_layout_t){
      .dtype = text->head.dtype,
      .ndim = text->head.ndim,
      .shape = text->dimensions,
      .strides = has_strides ? text->dimensions + ndim : NULL,
      .byte_offset = text->head.byte_offset,
  };
  return WEFT_OK;
}

// The memory of a tensor: an attachment, or none for one without elements.
static weft_status_t find_storage(weft_decoder_t* decoder,
                                  const weft_token_t* token,
                                  const tensor_text_t* text,
                                  weft_storage_t** out_storage) {
  if (text->head.attachment != WEFT_WIRE_NO_ATTACHMENT) {
    return take_attachment(decoder, token, text->head.attachment, out_storage);
  }
  return weft_storage_create(decoder->allocator, NULL, 0, out_storage);
}

static weft_status_t decode_tensor(weft_decoder_t* decoder,
                                   const weft_token_t* token,
                                   weft_value_t* out_value) {
  tensor_text_t text;
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(read_tensor(decoder, token, &text));
  WEFT_RETURN_IF_ERROR(find_storage(decoder, token, &text, &storage));
  weft_status_t status = weft_tensor_from_storage(decoder->allocator, storage,
                                                  &text.layout, &tensor);
  weft_storage_release(storage);
  WEFT_RETURN_IF_ERROR(blame(decoder, token, status));
  *out_value = weft_tensor_into_value(tensor);
  return WEFT_OK;
}

// --- Other extensions -------------------------------------------------------

static weft_status_t decode_actor(weft_decoder_t* decoder,
                                  const weft_token_t* token,
                                  weft_value_t* out_value) {
  weft_wire_actor_t actor;
  if (token->count != sizeof(actor)) {
    return refuse(decoder, token, WEFT_OK, "an actor has 12 bytes");
  }
  memcpy(&actor, token->data, sizeof(actor));
  *out_value = weft_actor_value((weft_actor_t){
      .rank = actor.rank,
      .incarnation = actor.incarnation,
      .index = actor.index,
      .generation = actor.generation,
  });
  return WEFT_OK;
}

static weft_status_t decode_status(weft_decoder_t* decoder,
                                   const weft_token_t* token,
                                   weft_value_t* out_value) {
  weft_status_t status = WEFT_OK;
  WEFT_RETURN_IF_ERROR(weft_decode_chain(decoder, token, &status));
  return weft_status_value_create(decoder->allocator, status, out_value);
}

static weft_status_t decode_foreign(weft_decoder_t* decoder,
                                    const weft_token_t* token,
                                    weft_value_t* out_value) {
  bool is_known = token->extension >= WEFT_EXTENSION_FIRST_FREE &&
                  decoder->vtable != NULL && decoder->vtable->extension != NULL;
  if (!is_known) {
    return weft_status_make(
        WEFT_STATUS_DATA_LOSS,
        "byte %zu of %zu: an extension of type %d means nothing here",
        token->offset_bytes, decoder->reader.size_bytes, token->extension);
  }
  return decoder->vtable->extension(decoder, token->extension, token->data,
                                    token->count, out_value);
}

static weft_status_t decode_extension(weft_decoder_t* decoder,
                                      const weft_token_t* token,
                                      weft_value_t* out_value) {
  switch (token->extension) {
    case WEFT_EXTENSION_ACTOR:
      return decode_actor(decoder, token, out_value);
    case WEFT_EXTENSION_STATUS:
      return decode_status(decoder, token, out_value);
    case WEFT_EXTENSION_TENSOR:
      return decode_tensor(decoder, token, out_value);
    case WEFT_EXTENSION_STRING:
    case WEFT_EXTENSION_BYTES:
      return decode_beside(decoder, token, out_value);
    default:
      return decode_foreign(decoder, token, out_value);
  }
}

// --- Lists and maps ---------------------------------------------------------

// Reads the value that stands in `depth` lists and maps.
static weft_status_t decode(weft_decoder_t* decoder, uint32_t depth,
                            weft_value_t* out_value);

// The values of a list, or the keys and values of a map, while they are read.
typedef struct gathering {
  weft_value_t* values;
  size_t count;
  // So many of them were read.
  size_t done;
  weft_value_t few[FEW];
} gathering_t;

static weft_status_t gather_begin(weft_decoder_t* decoder,
                                  const weft_token_t* token, uint32_t depth,
                                  gathering_t* gathering) {
  gathering->count =
      token->type == WEFT_TOKEN_MAP ? 2 * (size_t)token->count : token->count;
  gathering->done = 0;
  gathering->values = gathering->few;
  if (depth == WEFT_VALUE_DEPTH_LIMIT) {
    return refuse(decoder, token, WEFT_OK, "lists and maps are too deep");
  }
  WEFT_RETURN_IF_ERROR(weft_decoder_spend(decoder, gathering->count));
  if (gathering->count <= FEW) {
    return WEFT_OK;
  }
  size_t size_bytes = gathering->count * sizeof(weft_value_t);
  gathering->values = weft_memory_allocate(decoder->allocator, size_bytes);
  if (gathering->values == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to read %zu values", gathering->count);
  }
  return WEFT_OK;
}

static weft_status_t gather(weft_decoder_t* decoder, uint32_t depth,
                            gathering_t* gathering) {
  for (; gathering->done < gathering->count; ++gathering->done) {
    WEFT_RETURN_IF_ERROR(
        decode(decoder, depth + 1, &gathering->values[gathering->done]));
  }
  return WEFT_OK;
}

// Accepts any prefix of what is above.
static void gather_end(const weft_decoder_t* decoder, gathering_t* gathering) {
  for (size_t i = 0; i < gathering->done; ++i) {
    weft_value_release(gathering->values[i]);
  }
  if (gathering->values != gathering->few) {
    weft_memory_free(decoder->allocator, gathering->values,
                     gathering->count * sizeof(weft_value_t));
  }
}

_Static_assert(sizeof(weft_map_entry_t) == 2 * sizeof(weft_value_t),
               "an entry is a key and a value");

static weft_status_t make_container(const weft_decoder_t* decoder,
                                    const weft_token_t* token,
                                    const gathering_t* gathering,
                                    weft_value_t* out_value) {
  if (token->type == WEFT_TOKEN_LIST) {
    return weft_list_create(decoder->allocator, gathering->values,
                            gathering->count, out_value);
  }
  const void* entries = gathering->values;
  return weft_map_create(decoder->allocator, entries, token->count, out_value);
}

static weft_status_t decode_container(weft_decoder_t* decoder,
                                      const weft_token_t* token, uint32_t depth,
                                      weft_value_t* out_value) {
  gathering_t gathering;
  weft_status_t status = gather_begin(decoder, token, depth, &gathering);
  if (status == WEFT_OK) {
    status = gather(decoder, depth, &gathering);
  }
  if (status == WEFT_OK) {
    status = blame(decoder, token,
                   make_container(decoder, token, &gathering, out_value));
  }
  gather_end(decoder, &gathering);
  return status;
}

// --- Values -----------------------------------------------------------------

static weft_status_t decode_bytes(weft_decoder_t* decoder,
                                  const weft_token_t* token,
                                  weft_value_t* out_value) {
  weft_status_t status =
      token->type == WEFT_TOKEN_STRING
          ? weft_string_create(decoder->allocator, (const char*)token->data,
                               token->count, out_value)
          : weft_bytes_create(decoder->allocator, token->data, token->count,
                              out_value);
  return blame(decoder, token, status);
}

static weft_status_t decode(weft_decoder_t* decoder, uint32_t depth,
                            weft_value_t* out_value) {
  weft_token_t token;
  WEFT_RETURN_IF_ERROR(weft_tokens_next(&decoder->reader, &token));
  *out_value = weft_none();
  switch ((weft_token_type_t)token.type) {
    case WEFT_TOKEN_NONE:
      return WEFT_OK;
    case WEFT_TOKEN_BOOL:
      *out_value = weft_bool(token.as.boolean);
      return WEFT_OK;
    case WEFT_TOKEN_INT64:
      *out_value = weft_int64(token.as.int64);
      return WEFT_OK;
    case WEFT_TOKEN_FLOAT64:
      *out_value = weft_float64(token.as.float64);
      return WEFT_OK;
    case WEFT_TOKEN_STRING:
    case WEFT_TOKEN_BYTES:
      return decode_bytes(decoder, &token, out_value);
    case WEFT_TOKEN_LIST:
    case WEFT_TOKEN_MAP:
      return decode_container(decoder, &token, depth, out_value);
    case WEFT_TOKEN_EXTENSION:
      break;
  }
  return decode_extension(decoder, &token, out_value);
}

weft_status_t weft_decode_value(weft_decoder_t* decoder,
                                weft_value_t* out_value) {
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_decoder_spend(decoder, 1));
  return decode(decoder, 0, out_value);
}

// --- Data of a known structure ----------------------------------------------

// The number of the next attachment that nothing has named.
static uint32_t next_attachment(const weft_decoder_t* decoder) {
  uint32_t index = 0;
  while (index < WEFT_WIRE_ATTACHMENT_LIMIT &&
         (decoder->used >> index & 1) != 0) {
    ++index;
  }
  return index;
}

// A place in the body, for errors of what takes no bytes of it.
static weft_token_t token_here(const weft_decoder_t* decoder) {
  return (weft_token_t){.offset_bytes = decoder->reader.offset_bytes};
}

static weft_status_t decode_elements(weft_decoder_t* decoder,
                                     const weft_tensor_layout_t* agreed,
                                     weft_value_t* out_value) {
  const weft_token_t token = token_here(decoder);
  weft_tensor_layout_t layout = *agreed;
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  bool is_empty = false;
  for (uint32_t i = 0; i < layout.ndim; ++i) {
    is_empty = is_empty || layout.shape[i] == 0;
  }
  // A structure says nothing of how elements lie: row by row.
  layout.strides = NULL;
  WEFT_RETURN_IF_ERROR(
      is_empty ? weft_storage_create(decoder->allocator, NULL, 0, &storage)
               : take_attachment(decoder, &token, next_attachment(decoder),
                                 &storage));
  weft_status_t status =
      weft_tensor_from_storage(decoder->allocator, storage, &layout, &tensor);
  bool is_whole = status != WEFT_OK || weft_tensor_size_bytes(tensor) ==
                                           weft_storage_size_bytes(storage);
  weft_storage_release(storage);
  WEFT_RETURN_IF_ERROR(blame(decoder, &token, status));
  if (!is_whole) {
    weft_tensor_release(tensor);
    return refuse(decoder, &token, WEFT_OK,
                  "an attachment is larger than the tensor that it is");
  }
  *out_value = weft_tensor_into_value(tensor);
  return WEFT_OK;
}

static weft_status_t decode_part(void* user, const weft_path_t* path,
                                 weft_value_t structure,
                                 weft_value_t* out_part) {
  weft_decoder_t* decoder = user;
  const weft_tensor_t* tensor = NULL;
  if (structure.kind == WEFT_KIND_TENSOR) {
    WEFT_RETURN_IF_ERROR(weft_value_as_tensor(structure, &tensor));
    return weft_path_located(
        path, decode_elements(decoder, weft_tensor_layout(tensor), out_part));
  }
  const weft_token_t token = token_here(decoder);
  WEFT_RETURN_IF_ERROR(
      weft_path_located(path, weft_decode_value(decoder, out_part)));
  if (weft_value_kind(*out_part) == weft_structure_kind(structure)) {
    return WEFT_OK;
  }
  weft_value_release(*out_part);
  *out_part = weft_none();
  return weft_path_located(path, refuse(decoder, &token, WEFT_OK,
                                        "a value is of another kind than it "
                                        "should be"));
}

weft_status_t weft_decode_data(weft_decoder_t* decoder, weft_value_t structure,
                               weft_value_t* out_value) {
  return weft_value_replace(decoder->allocator, structure, decode_part, decoder,
                            out_value);
}

weft_status_t weft_decode_named(weft_decoder_t* decoder, const char** out_name,
                                size_t* out_name_bytes,
                                weft_value_t* out_value) {
  weft_token_t name;
  *out_name = NULL;
  *out_name_bytes = 0;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_tokens_expect(&decoder->reader, WEFT_TOKEN_STRING,
                                          "the name of an argument", &name));
  if (name.count > WEFT_WIRE_TEXT_LIMIT ||
      weft_utf8_prefix(name.data, name.count) < name.count) {
    return refuse(decoder, &name, WEFT_OK,
                  "the name of an argument is not UTF-8, or too long");
  }
  WEFT_RETURN_IF_ERROR(weft_decode_value(decoder, out_value));
  *out_name = (const char*)name.data;
  *out_name_bytes = name.count;
  return WEFT_OK;
}

weft_status_t weft_decode_status(weft_decoder_t* decoder,
                                 weft_status_t* out_status) {
  weft_token_t token;
  *out_status = WEFT_OK;
  WEFT_RETURN_IF_ERROR(weft_decoder_spend(decoder, 1));
  WEFT_RETURN_IF_ERROR(weft_tokens_expect(
      &decoder->reader, WEFT_TOKEN_EXTENSION, "a status", &token));
  if (token.extension != WEFT_EXTENSION_STATUS) {
    return refuse(decoder, &token, WEFT_OK,
                  "an extension of another type stands where a status should");
  }
  return weft_decode_chain(decoder, &token, out_status);
}

weft_status_t weft_decoder_finish(const weft_decoder_t* decoder) {
  const weft_token_reader_t* reader = &decoder->reader;
  if (reader->offset_bytes != reader->size_bytes) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "the values end at byte %zu of %zu",
                            reader->offset_bytes, reader->size_bytes);
  }
  uint64_t all = decoder->attachment_count >= WEFT_WIRE_ATTACHMENT_LIMIT
                     ? UINT64_MAX
                     : (UINT64_C(1) << decoder->attachment_count) - 1;
  if (decoder->used != all) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "of %u attachments some are named by no value",
                            decoder->attachment_count);
  }
  return WEFT_OK;
}
