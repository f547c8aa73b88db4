// SPDX-License-Identifier: Apache-2.0
//
// Statuses as bytes and back. A chain is a list with the root first, so that
// it is read without recursion: each status is made of its cause. One that has
// nothing but its code is a list of that.
//
//   [[code, message, file, line, rank, actor, endpoint], [code], ...]

#include <limits.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/status_internal.h"
#include "base/utf8.h"
#include "wire/wire_internal.h"

// Members of a status in the list, and of one with a code alone.
#define MEMBER_COUNT 7
#define ALONE_COUNT 1
// What stands for the rest of a text that is cut.
#define CUT_MARK "..."
#define CUT_MARK_BYTES (sizeof(CUT_MARK) - 1)
// Members without a text of their own: code, line and rank with heads.
#define NUMBERS_BYTES 32
// Before the bytes of an extension, or of a text: a first byte, 4 of size, of
// an extension its type.
#define HEAD_BYTES 6

// --- Writing ----------------------------------------------------------------

// A chain as it is carried, from the outermost status to the root.
typedef struct chain {
  weft_status_t statuses[WEFT_WIRE_CHAIN_LIMIT];
  uint32_t count;
  // Causes that are left out, before the last; a note stands for them.
  size_t omitted;
  weft_status_code_t omitted_code;
} chain_t;

static void chain_collect(chain_t* chain, weft_status_t status) {
  // Two places are kept until the end is known: for a note and for the root.
  const uint32_t kept = WEFT_WIRE_CHAIN_LIMIT - 2;
  weft_status_t tail[2] = {WEFT_OK, WEFT_OK};
  size_t total = 0;
  chain->count = 0;
  for (; status != WEFT_OK; status = weft_status_cause(status), ++total) {
    if (chain->count < kept) {
      chain->statuses[chain->count++] = status;
    } else {
      tail[0] = total == kept ? status : tail[0];
      tail[1] = status;
    }
  }
  bool is_cut = total > WEFT_WIRE_CHAIN_LIMIT;
  chain->omitted = is_cut ? total - kept - 1 : 0;
  chain->omitted_code = is_cut ? weft_status_code(tail[0]) : WEFT_STATUS_OK;
  if (total == WEFT_WIRE_CHAIN_LIMIT) {
    chain->statuses[chain->count++] = tail[0];
  }
  if (total > kept) {
    chain->statuses[chain->count++] = tail[1];
  }
}

// The part of a text that is carried, and whether the mark follows.
static size_t cut(const char* text, size_t size_bytes, bool* out_is_cut) {
  *out_is_cut = size_bytes > WEFT_WIRE_TEXT_LIMIT;
  if (!*out_is_cut) {
    return size_bytes;
  }
  const size_t room = WEFT_WIRE_TEXT_LIMIT - CUT_MARK_BYTES;
  size_t whole = weft_utf8_prefix((const uint8_t*)text, room);
  // Less than a character short of the end it is UTF-8 that was cut in two.
  return room - whole < 4 ? whole : room;
}

// Appends a string, nil in place of NULL. Text that is no UTF-8 goes as bytes.
static weft_status_t put_text(weft_encoder_t* encoder, const char* text) {
  bool is_cut = false;
  size_t size_bytes = text != NULL ? cut(text, strlen(text), &is_cut) : 0;
  size_t all_bytes = size_bytes + (is_cut ? CUT_MARK_BYTES : 0);
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, HEAD_BYTES + all_bytes));
  msgpack_packer packer = weft_encoder_packer(encoder);
  if (text == NULL) {
    (void)msgpack_pack_nil(&packer);
    return WEFT_OK;
  }
  if (weft_utf8_prefix((const uint8_t*)text, size_bytes) == size_bytes) {
    (void)msgpack_pack_str(&packer, all_bytes);
  } else {
    (void)msgpack_pack_bin(&packer, all_bytes);
  }
  (void)weft_encoder_write(encoder, text, size_bytes);
  (void)weft_encoder_write(encoder, CUT_MARK, all_bytes - size_bytes);
  return WEFT_OK;
}

static weft_status_t put_code(weft_encoder_t* encoder, size_t member_count,
                              weft_status_code_t code) {
  WEFT_RETURN_IF_ERROR(weft_encoder_spend(encoder, 1));
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, NUMBERS_BYTES));
  msgpack_packer packer = weft_encoder_packer(encoder);
  (void)msgpack_pack_array(&packer, member_count);
  (void)msgpack_pack_int(&packer, (int)code);
  return WEFT_OK;
}

static weft_status_t put_place(weft_encoder_t* encoder,
                               const weft_status_origin_t* origin) {
  WEFT_RETURN_IF_ERROR(put_text(encoder, origin->file));
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, NUMBERS_BYTES));
  msgpack_packer packer = weft_encoder_packer(encoder);
  (void)msgpack_pack_int(&packer, origin->line);
  (void)msgpack_pack_int32(&packer, origin->rank);
  WEFT_RETURN_IF_ERROR(put_text(encoder, origin->actor));
  return put_text(encoder, origin->endpoint);
}

static weft_status_t put_one(weft_encoder_t* encoder, weft_status_t status) {
  weft_status_origin_t origin = weft_status_origin(status);
  const char* message = weft_status_message(status);
  bool is_alone = message[0] == '\0' && origin.file == NULL &&
                  origin.line == 0 && origin.rank == -1 &&
                  origin.actor == NULL && origin.endpoint == NULL;
  WEFT_RETURN_IF_ERROR(put_code(encoder, is_alone ? ALONE_COUNT : MEMBER_COUNT,
                                weft_status_code(status)));
  if (is_alone) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(put_text(encoder, message));
  return put_place(encoder, &origin);
}

static weft_status_t put_note(weft_encoder_t* encoder, const chain_t* chain) {
  char message[64];
  (void)snprintf(message, sizeof(message),
                 "... %zu more, the first of all:", chain->omitted);
  const weft_status_origin_t nowhere = {.rank = -1};
  WEFT_RETURN_IF_ERROR(put_code(encoder, MEMBER_COUNT, chain->omitted_code));
  WEFT_RETURN_IF_ERROR(put_text(encoder, message));
  return put_place(encoder, &nowhere);
}

static weft_status_t put_list(weft_encoder_t* encoder, const chain_t* chain) {
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, NUMBERS_BYTES));
  msgpack_packer packer = weft_encoder_packer(encoder);
  (void)msgpack_pack_array(&packer,
                           chain->count + (chain->omitted > 0 ? 1u : 0u));
  for (uint32_t i = chain->count; i-- > 0;) {
    WEFT_RETURN_IF_ERROR(put_one(encoder, chain->statuses[i]));
    if (chain->omitted > 0 && i == chain->count - 1) {
      WEFT_RETURN_IF_ERROR(put_note(encoder, chain));
    }
  }
  return WEFT_OK;
}

weft_status_t weft_encode_chain(weft_encoder_t* encoder, weft_status_t status) {
  chain_t chain;
  chain_collect(&chain, status);
  WEFT_RETURN_IF_ERROR(weft_encoder_reserve(encoder, HEAD_BYTES));
  // The size is known at the end: the head has the form that fits any.
  uint8_t head[HEAD_BYTES] = {[0] = 0xc9, [5] = WEFT_EXTENSION_STATUS};
  size_t start = encoder->size_bytes;
  (void)weft_encoder_write(encoder, (const char*)head, sizeof(head));
  WEFT_RETURN_IF_ERROR(put_list(encoder, &chain));
  size_t size_bytes = encoder->size_bytes - start - sizeof(head);
  for (int i = 0; i < 4; ++i) {
    encoder->data[start + 4 - (size_t)i] = (uint8_t)(size_bytes >> 8 * i);
  }
  return WEFT_OK;
}

// --- Reading ----------------------------------------------------------------

static weft_status_t refuse(const weft_token_reader_t* reader,
                            const weft_token_t* token, const char* what) {
  return weft_status_make(WEFT_STATUS_DATA_LOSS,
                          "byte %zu of %zu: of a status %s",
                          token->offset_bytes, reader->size_bytes, what);
}

// Reads a text, nil for none; a NUL inside would end it early in C.
static weft_status_t take_text(weft_token_reader_t* reader,
                               weft_status_text_t* out_text) {
  weft_token_t token;
  WEFT_RETURN_IF_ERROR(weft_tokens_next(reader, &token));
  if (token.type == WEFT_TOKEN_NONE) {
    *out_text = (weft_status_text_t){NULL, 0};
    return WEFT_OK;
  }
  bool is_text =
      (token.type == WEFT_TOKEN_STRING || token.type == WEFT_TOKEN_BYTES) &&
      token.count <= WEFT_WIRE_TEXT_LIMIT;
  if (!is_text) {
    return refuse(reader, &token, "a text is no string, or too long");
  }
  bool is_utf8 = weft_utf8_prefix(token.data, token.count) == token.count;
  if (token.type == WEFT_TOKEN_STRING && !is_utf8) {
    return refuse(reader, &token, "a text is not UTF-8");
  }
  if (memchr(token.data, '\0', token.count) != NULL) {
    return refuse(reader, &token, "a text has a NUL inside");
  }
  *out_text = (weft_status_text_t){(const char*)token.data, token.count};
  return WEFT_OK;
}

static weft_status_t take_number(weft_token_reader_t* reader, int64_t low,
                                 int64_t high, int64_t* out_number) {
  weft_token_t token;
  WEFT_RETURN_IF_ERROR(weft_tokens_expect(reader, WEFT_TOKEN_INT64,
                                          "a number of a status", &token));
  if (token.as.int64 < low || token.as.int64 > high) {
    return refuse(reader, &token, "a number is out of range");
  }
  *out_number = token.as.int64;
  return WEFT_OK;
}

static weft_status_t take_members(weft_token_reader_t* reader,
                                  weft_status_parts_t* parts) {
  int64_t line = 0;
  int64_t rank = 0;
  WEFT_RETURN_IF_ERROR(take_text(reader, &parts->message));
  WEFT_RETURN_IF_ERROR(take_text(reader, &parts->file));
  WEFT_RETURN_IF_ERROR(take_number(reader, INT_MIN, INT_MAX, &line));
  WEFT_RETURN_IF_ERROR(take_number(reader, INT32_MIN, INT32_MAX, &rank));
  WEFT_RETURN_IF_ERROR(take_text(reader, &parts->actor));
  WEFT_RETURN_IF_ERROR(take_text(reader, &parts->endpoint));
  parts->line = (int)line;
  parts->rank = (int32_t)rank;
  return WEFT_OK;
}

// Makes a status whose code this version does not know: FAILED, and the
// number in the message.
static weft_status_t make_unknown(const weft_decoder_t* decoder, int64_t code,
                                  weft_status_parts_t* parts,
                                  weft_status_t* out_status) {
  size_t capacity = parts->message.length + 64;
  char* message = weft_memory_allocate(decoder->allocator, capacity);
  if (message == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a message of %zu bytes", capacity);
  }
  int length = snprintf(message, capacity, "status code %lld of a later weft",
                        (long long)code);
  if (parts->message.length > 0) {
    length = snprintf(message, capacity,
                      "status code %lld of a later weft: %.*s", (long long)code,
                      (int)parts->message.length, parts->message.data);
  }
  parts->code = WEFT_STATUS_FAILED;
  parts->message = (weft_status_text_t){message, (size_t)length};
  *out_status = weft_status_restore(parts);
  weft_memory_free(decoder->allocator, message, capacity);
  return WEFT_OK;
}

// Reads a status. Owns: takes `cause` over on success only.
static weft_status_t take_one(weft_decoder_t* decoder,
                              weft_token_reader_t* reader, weft_status_t cause,
                              weft_status_t* out_status) {
  weft_status_parts_t parts = {.rank = -1, .cause = cause};
  weft_token_t list;
  int64_t code = 0;
  WEFT_RETURN_IF_ERROR(weft_decoder_spend(decoder, 1));
  WEFT_RETURN_IF_ERROR(
      weft_tokens_expect(reader, WEFT_TOKEN_LIST, "a part of a status", &list));
  if (list.count != ALONE_COUNT && list.count != MEMBER_COUNT) {
    return refuse(reader, &list, "a part has neither 1 nor 7 members");
  }
  WEFT_RETURN_IF_ERROR(take_number(reader, 1, INT32_MAX, &code));
  if (list.count == MEMBER_COUNT) {
    WEFT_RETURN_IF_ERROR(take_members(reader, &parts));
  }
  if (code >= WEFT_STATUS_CODE_COUNT) {
    return make_unknown(decoder, code, &parts, out_status);
  }
  parts.code = (weft_status_code_t)code;
  *out_status = weft_status_restore(&parts);
  return WEFT_OK;
}

static weft_status_t take_list(weft_decoder_t* decoder,
                               weft_token_reader_t* reader,
                               weft_status_t* status) {
  weft_token_t list;
  WEFT_RETURN_IF_ERROR(
      weft_tokens_expect(reader, WEFT_TOKEN_LIST, "a status", &list));
  if (list.count == 0 || list.count > WEFT_WIRE_CHAIN_LIMIT) {
    return refuse(reader, &list, "the chain is empty, or too long");
  }
  for (uint32_t i = 0; i < list.count; ++i) {
    WEFT_RETURN_IF_ERROR(take_one(decoder, reader, *status, status));
  }
  if (reader->offset_bytes != reader->size_bytes) {
    return refuse(reader, &list, "the chain ends before its extension does");
  }
  return WEFT_OK;
}

weft_status_t weft_decode_chain(weft_decoder_t* decoder,
                                const weft_token_t* token,
                                weft_status_t* out_status) {
  // Ends with the extension; offsets in errors are those of the body.
  weft_token_reader_t reader = {
      .data = decoder->reader.data,
      .size_bytes = decoder->reader.offset_bytes,
      .offset_bytes = decoder->reader.offset_bytes - token->count,
  };
  weft_status_t status = WEFT_OK;
  weft_status_t error = take_list(decoder, &reader, &status);
  *out_status = WEFT_OK;
  if (error != WEFT_OK) {
    weft_status_release(status);
    return error;
  }
  *out_status = status;
  return WEFT_OK;
}
