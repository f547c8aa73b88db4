// SPDX-License-Identifier: Apache-2.0
//
// A walk over a body that builds nothing. It accepts less than the decoder:
// whoever is told no asks that.

#include "base/utf8.h"
#include "wire/record.h"
#include "wire/wire_internal.h"

// Keys of all maps that the walk is in. They are compared with each other.
#define KEY_LIMIT 64

typedef struct walk {
  weft_token_reader_t reader;
  // Values that there may still be.
  uint32_t budget;
  uint32_t key_count;
  struct {
    const uint8_t* data;
    uint32_t size_bytes;
  } keys[KEY_LIMIT];
} walk_t;

static bool spend(walk_t* walk, size_t count) {
  bool has = count <= walk->budget;
  walk->budget -= has ? (uint32_t)count : 0;
  return has;
}

static bool next(walk_t* walk, weft_token_t* out_token) {
  return weft_status_ignore(weft_tokens_next(&walk->reader, out_token)) ==
         WEFT_STATUS_OK;
}

static bool is_utf8(const weft_token_t* token) {
  return weft_utf8_prefix(token->data, token->count) == token->count;
}

// Whether a key is one, and no other key of its map, whose first is `first`.
static bool take_key(walk_t* walk, uint32_t first) {
  weft_token_t key;
  if (walk->key_count == KEY_LIMIT || !next(walk, &key) ||
      key.type != WEFT_TOKEN_STRING || !is_utf8(&key)) {
    return false;
  }
  for (uint32_t i = first; i < walk->key_count; i++) {
    if (walk->keys[i].size_bytes == key.count &&
        memcmp(walk->keys[i].data, key.data, key.count) == 0) {
      return false;
    }
  }
  walk->keys[walk->key_count].data = key.data;
  walk->keys[walk->key_count++].size_bytes = key.count;
  return true;
}

static bool walk_value(walk_t* walk, uint32_t depth);

static bool walk_container(walk_t* walk, const weft_token_t* token,
                           uint32_t depth) {
  bool is_map = token->type == WEFT_TOKEN_MAP;
  uint32_t first = walk->key_count;
  bool is_plain = depth < WEFT_VALUE_DEPTH_LIMIT &&
                  spend(walk, (is_map ? 2 : 1) * (size_t)token->count);
  for (uint32_t i = 0; is_plain && i < token->count; i++) {
    is_plain =
        (!is_map || take_key(walk, first)) && walk_value(walk, depth + 1);
  }
  walk->key_count = first;
  return is_plain;
}

static bool walk_value(walk_t* walk, uint32_t depth) {
  weft_token_t token;
  if (!next(walk, &token)) {
    return false;
  }
  switch ((weft_token_type_t)token.type) {
    case WEFT_TOKEN_STRING:
      return is_utf8(&token);
    case WEFT_TOKEN_LIST:
    case WEFT_TOKEN_MAP:
      return walk_container(walk, &token, depth);
    case WEFT_TOKEN_EXTENSION:
      return token.extension == WEFT_EXTENSION_ACTOR &&
             token.count == WEFT_WIRE_ACTOR_BYTES;
    default:
      return true;
  }
}

bool weft_body_is_plain(const void* body, size_t size_bytes) {
  walk_t walk;
  walk.reader = (weft_token_reader_t){.data = body, .size_bytes = size_bytes};
  walk.budget = WEFT_WIRE_VALUE_LIMIT - 1;
  walk.key_count = 0;
  return walk_value(&walk, 0) && walk.reader.offset_bytes == size_bytes;
}
