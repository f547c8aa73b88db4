// SPDX-License-Identifier: Apache-2.0
//
// For tests and fuzz targets: msgpack-c reads the same bytes, and what it finds
// is compared with the value that the codec made of them.

#ifndef WEFT_WIRE_ORACLE_KIT_H_
#define WEFT_WIRE_ORACLE_KIT_H_

#include <msgpack/object.h>
#include <msgpack/unpack.h>
#include <string.h>

#include "weft/tensor.h"
#include "wire/codec.h"

typedef enum weft_oracle_verdict {
  WEFT_ORACLE_AGREES,
  WEFT_ORACLE_DISAGREES,
  // Lists and maps are deeper than msgpack-c reads.
  WEFT_ORACLE_SILENT
} weft_oracle_verdict_t;

static inline bool weft_oracle_number(const msgpack_object* object,
                                      weft_value_t value) {
  if (value.kind == WEFT_KIND_INT64) {
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER
               ? object->via.u64 == (uint64_t)value.as.int64 &&
                     value.as.int64 >= 0
               : object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER &&
                     object->via.i64 == value.as.int64;
  }
  bool is_float = object->type == MSGPACK_OBJECT_FLOAT32 ||
                  object->type == MSGPACK_OBJECT_FLOAT64;
  // Bit for bit, since a NaN equals nothing.
  uint64_t a = 0;
  uint64_t b = 0;
  memcpy(&a, &object->via.f64, sizeof(a));
  memcpy(&b, &value.as.float64, sizeof(b));
  return is_float && a == b;
}

static inline bool weft_oracle_text(const msgpack_object* object,
                                    weft_value_t value) {
  const char* string = NULL;
  const void* data = NULL;
  size_t size_bytes = 0;
  bool is_string = value.kind == WEFT_KIND_STRING;
  if (object->type == MSGPACK_OBJECT_EXT) {
    return object->via.ext.type ==
           (is_string ? WEFT_EXTENSION_STRING : WEFT_EXTENSION_BYTES);
  }
  if (object->type != (is_string ? MSGPACK_OBJECT_STR : MSGPACK_OBJECT_BIN)) {
    return false;
  }
  weft_status_t status = is_string
                             ? weft_value_as_string(value, &string, &size_bytes)
                             : weft_value_as_bytes(value, &data, &size_bytes);
  weft_status_release(status);
  // Both members of the union are a size and a pointer.
  return object->via.str.size == size_bytes &&
         (size_bytes == 0 ||
          memcmp(object->via.str.ptr, is_string ? string : data, size_bytes) ==
              0);
}

static inline bool weft_oracle_extension(const msgpack_object* object,
                                         weft_value_t value) {
  if (object->type != MSGPACK_OBJECT_EXT) {
    return false;
  }
  switch (weft_value_kind(value)) {
    case WEFT_KIND_ACTOR:
      return object->via.ext.type == WEFT_EXTENSION_ACTOR &&
             object->via.ext.size == 12;
    case WEFT_KIND_STATUS:
      return object->via.ext.type == WEFT_EXTENSION_STATUS;
    case WEFT_KIND_TENSOR:
      return object->via.ext.type == WEFT_EXTENSION_TENSOR;
    default:
      return false;
  }
}

static inline bool weft_oracle_matches(const msgpack_object* object,
                                       weft_value_t value);

static inline bool weft_oracle_list(const msgpack_object* object,
                                    weft_value_t value) {
  const weft_value_t* values = NULL;
  size_t count = 0;
  weft_status_release(weft_value_as_list(value, &values, &count));
  bool matches =
      object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == count;
  for (size_t i = 0; i < count && matches; ++i) {
    matches = weft_oracle_matches(&object->via.array.ptr[i], values[i]);
  }
  return matches;
}

static inline bool weft_oracle_map(const msgpack_object* object,
                                   weft_value_t value) {
  const weft_map_entry_t* entries = NULL;
  size_t count = 0;
  weft_status_release(weft_value_as_map(value, &entries, &count));
  bool matches =
      object->type == MSGPACK_OBJECT_MAP && object->via.map.size == count;
  for (size_t i = 0; i < count && matches; ++i) {
    const msgpack_object_kv* entry = &object->via.map.ptr[i];
    matches = weft_oracle_matches(&entry->key, entries[i].key) &&
              weft_oracle_matches(&entry->val, entries[i].value);
  }
  return matches;
}

// True when what msgpack-c read is the value. Extensions of layers above match
// whatever was made of them.
static inline bool weft_oracle_matches(const msgpack_object* object,
                                       weft_value_t value) {
  if (object->type == MSGPACK_OBJECT_EXT &&
      object->via.ext.type >= WEFT_EXTENSION_FIRST_FREE) {
    return true;
  }
  switch (weft_value_kind(value)) {
    case WEFT_KIND_NONE:
      return object->type == MSGPACK_OBJECT_NIL;
    case WEFT_KIND_BOOL:
      return object->type == MSGPACK_OBJECT_BOOLEAN &&
             object->via.boolean == (value.as.int64 != 0);
    case WEFT_KIND_INT64:
    case WEFT_KIND_FLOAT64:
      return weft_oracle_number(object, value);
    case WEFT_KIND_STRING:
    case WEFT_KIND_BYTES:
      return weft_oracle_text(object, value);
    case WEFT_KIND_LIST:
      return weft_oracle_list(object, value);
    case WEFT_KIND_MAP:
      return weft_oracle_map(object, value);
    default:
      return weft_oracle_extension(object, value);
  }
}

// Asks msgpack-c about bytes that were accepted as a value: they must be one
// object, and that value. (It must not be asked about others: it allocates
// what a count says.)
static inline weft_oracle_verdict_t weft_oracle_ask(const void* data,
                                                    size_t size_bytes,
                                                    weft_value_t value) {
  msgpack_unpacked unpacked;
  size_t offset_bytes = 0;
  msgpack_unpacked_init(&unpacked);
  msgpack_unpack_return outcome = msgpack_unpack_next(
      &unpacked, (const char*)data, size_bytes, &offset_bytes);
  weft_oracle_verdict_t verdict = WEFT_ORACLE_DISAGREES;
  if (outcome == MSGPACK_UNPACK_NOMEM_ERROR) {
    verdict = WEFT_ORACLE_SILENT;
  } else if (outcome == MSGPACK_UNPACK_SUCCESS && offset_bytes == size_bytes &&
             weft_oracle_matches(&unpacked.data, value)) {
    verdict = WEFT_ORACLE_AGREES;
  }
  msgpack_unpacked_destroy(&unpacked);
  return verdict;
}

#endif  // WEFT_WIRE_ORACLE_KIT_H_
