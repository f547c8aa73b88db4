// SPDX-License-Identifier: Apache-2.0
//
// The format as files: tests/golden/wire/values.hex, frames.hex and
// encoded.hex. What is encoded must be those bytes, and those bytes must be
// read as what was encoded. A change of the files is a change of the format.
//
// A line is a name and bytes; what follows `#` says what they are, and a line
// that begins with a blank goes on with the one before it.

#include <ctype.h>
#include <stdio.h>

#include "value/value_kit.h"
#include "wire/codec_kit.h"
#include "wire/record.h"

#define BYTES_LIMIT 2048

// Bytes of a file, under a name.
typedef struct golden {
  char name[64];
  uint8_t bytes[BYTES_LIMIT];
  size_t size_bytes;
} golden_t;

// Appends the digits of a line, up to a comment.
static void take_digits(golden_t* golden, const char* text) {
  for (; *text != '\0' && *text != '#'; ++text) {
    unsigned byte = 0;
    int taken = 0;
    if (isspace((unsigned char)*text)) {
      continue;
    }
    assert_int_equal(sscanf(text, "%2x%n", &byte, &taken), 1);
    assert_int_equal(taken, 2);
    assert_true(golden->size_bytes < BYTES_LIMIT);
    golden->bytes[golden->size_bytes++] = (uint8_t)byte;
    ++text;
  }
}

// Reads the lines of a file; gives how many names there are.
static size_t read_file(const char* name, golden_t* golden, size_t limit) {
  const char* folder = getenv("WEFT_GOLDEN");
  char path[512];
  char line[512];
  size_t count = 0;
  (void)snprintf(path, sizeof(path), "%s/wire/%s",
                 folder != NULL ? folder : "tests/golden", name);
  FILE* file = fopen(path, "r");
  assert_non_null(file);
  while (fgets(line, sizeof(line), file) != NULL) {
    int taken = 0;
    if (line[0] == '#' || line[0] == '\n') {
      continue;
    }
    if (line[0] != ' ') {
      assert_true(count < limit);
      golden[count].size_bytes = 0;
      assert_int_equal(sscanf(line, "%63s%n", golden[count++].name, &taken), 1);
    }
    assert_true(count > 0);
    take_digits(&golden[count - 1], line + taken);
  }
  (void)fclose(file);
  return count;
}

static const golden_t* find(const golden_t* golden, size_t count,
                            const char* name) {
  size_t i = 0;
  while (i < count && strcmp(golden[i].name, name) != 0) {
    ++i;
  }
  assert_true(i < count);
  return &golden[i];
}

static void assert_bytes(const golden_t* golden, const void* data,
                         size_t size_bytes) {
  const uint8_t* bytes = data;
  if (size_bytes == golden->size_bytes &&
      memcmp(bytes, golden->bytes, size_bytes) == 0) {
    return;
  }
  print_error("%s is now:", golden->name);
  for (size_t i = 0; i < size_bytes; ++i) {
    print_error("%s%02x", i % 4 == 0 ? " " : "", bytes[i]);
  }
  fail_msg("\nnot what the file says; a change of the format?");
}

// --- Values -----------------------------------------------------------------

static weft_value_t make_scalars(void) {
  weft_value_t values[] = {
      weft_none(),        weft_bool(false),      weft_bool(true),
      weft_int64(0),      weft_int64(127),       weft_int64(128),
      weft_int64(65535),  weft_int64(65536),     weft_int64(INT64_MAX),
      weft_int64(-1),     weft_int64(-33),       weft_int64(-129),
      weft_int64(-40000), weft_int64(INT64_MIN), weft_float64(0.1),
      weft_float64(-0.0),
  };
  return weft_value_kit_list(values, sizeof(values) / sizeof(values[0]));
}

static weft_value_t make_texts(void) {
  weft_value_t values[] = {
      weft_value_kit_string(""),
      weft_value_kit_string("\xc3\xa9t\xc3\xa9"),
      weft_value_kit_string("a string that is longer than 31 bytes"),
      weft_none(),
  };
  weft_kit_assert_ok(weft_bytes_create(NULL, "\xff\x00\x01", 3, &values[3]));
  return weft_value_kit_list(values, 4);
}

static weft_value_t make_beside(void) {
  char data[WEFT_WIRE_INLINE_LIMIT + 1];
  weft_value_t values[2];
  memset(data, 'x', sizeof(data));
  weft_kit_assert_ok(weft_string_create(NULL, data, sizeof(data), &values[0]));
  weft_kit_assert_ok(weft_bytes_create(NULL, data, sizeof(data), &values[1]));
  return weft_value_kit_list(values, 2);
}

static weft_value_t make_map(void) {
  weft_map_entry_t entries[] = {
      {weft_value_kit_string("b"), weft_int64(1)},
      {weft_value_kit_string("a"), weft_none()},
  };
  weft_value_t map;
  weft_kit_assert_ok(weft_map_create(NULL, NULL, 0, &entries[1].value));
  weft_kit_assert_ok(weft_map_create(NULL, entries, 2, &map));
  for (size_t i = 0; i < 2; ++i) {
    weft_value_release(entries[i].key);
    weft_value_release(entries[i].value);
  }
  return map;
}

static weft_value_t make_actor(void) {
  return weft_actor_value((weft_actor_t){0x0102, 0x0304, 0x05060708, 9});
}

static weft_value_t make_tensors(void) {
  const int64_t shape[] = {2, 3};
  const int64_t none[] = {0};
  const float numbers[] = {1, 2, 3, 4, 5, 6};
  const uint32_t order[] = {1, 0};
  weft_tensor_t* tensor = NULL;
  weft_tensor_t* turned = NULL;
  weft_tensor_t* empty = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_FLOAT32, 2, shape, numbers, &tensor));
  weft_kit_assert_ok(weft_tensor_permute(tensor, order, &turned));
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT64, 1, none, NULL, &empty));
  weft_value_t values[] = {
      weft_tensor_into_value(tensor),
      weft_tensor_into_value(turned),
      weft_tensor_into_value(empty),
  };
  return weft_value_kit_list(values, 3);
}

static weft_value_t make_status(void) {
  weft_value_t value;
  weft_status_t status = weft_status_create_caused(
      WEFT_STATUS_NOT_FOUND, weft_status_from_code(WEFT_STATUS_PEER_DIED),
      "a.c", 12, "no %s", "actor");
  weft_kit_assert_ok(weft_status_value_create(NULL, status, &value));
  return value;
}

static const struct {
  const char* name;
  weft_value_t (*make)(void);
} values[] = {
    {"scalars", make_scalars}, {"texts", make_texts}, {"beside", make_beside},
    {"map", make_map},         {"actor", make_actor}, {"tensors", make_tensors},
    {"status", make_status},
};

#define VALUE_COUNT (sizeof(values) / sizeof(values[0]))

// The bytes of the file, with the attachments of what was encoded.
static void check_read(weft_codec_kit_t* kit, const golden_t* golden,
                       weft_value_t value) {
  weft_value_t back;
  free(kit->body);
  kit->size_bytes = golden->size_bytes;
  kit->body = malloc(golden->size_bytes);
  assert_non_null(kit->body);
  memcpy(kit->body, golden->bytes, golden->size_bytes);
  weft_kit_assert_ok(weft_codec_kit_decode(kit, NULL, &back));
  weft_codec_kit_assert_equal(value, back);
  weft_value_release(back);
}

static void values_are_the_bytes_of_the_file(void** state) {
  (void)state;
  static golden_t golden[VALUE_COUNT];
  assert_int_equal(read_file("values.hex", golden, VALUE_COUNT), VALUE_COUNT);
  for (size_t i = 0; i < VALUE_COUNT; ++i) {
    const golden_t* found = find(golden, VALUE_COUNT, values[i].name);
    weft_codec_kit_t kit;
    weft_value_t value = values[i].make();
    weft_codec_kit_encode(&kit, value);
    assert_bytes(found, kit.body, kit.size_bytes);
    check_read(&kit, found, value);
    weft_codec_kit_deinit(&kit);
    weft_value_release(value);
  }
}

// --- Frames -----------------------------------------------------------------

typedef union frame_room {
  weft_frame_t frame;
  uint8_t bytes[BYTES_LIMIT];
  uint64_t words[BYTES_LIMIT / 8];
} frame_room_t;

static const weft_frame_t head = {
    .type = WEFT_FRAME_CALL,
    .endpoint = 0x0102,
    .id = 0x1112131415161718,
    .target_index = 0x21222324,
    .target_generation = 0x31323334,
    .sender = 0x4142434445464748,
    .timeout_ns = 1000000000,
};

static void make_scalar_call(frame_room_t* room) {
  const weft_value_t scalars[] = {weft_int64(-2), weft_float64(0.5)};
  weft_frame_put_scalars(&room->frame, room->words + 6, scalars, 2);
  room->frame.size_bytes = 64;
}

static void make_reply_of_none(frame_room_t* room) {
  const weft_value_t none = weft_none();
  weft_frame_put_scalars(&room->frame, room->words + 6, &none, 1);
  room->frame.type = WEFT_FRAME_REPLY;
  room->frame.size_bytes = 56;
}

// A call with a name, an arrow, a loan and bytes in the frame.
static void make_body_call(frame_room_t* room) {
  const weft_attachment_t loan = {.kind = WEFT_ATTACHMENT_LOAN,
                                  .owner_rank = 1,
                                  .owner_incarnation = 2,
                                  .segment = 3,
                                  .generation = 4,
                                  .offset_bytes = 4096,
                                  .size_bytes = 100,
                                  .segment_bytes = 33554432};
  weft_attachment_t bytes = {.kind = WEFT_ATTACHMENT_INLINE, .size_bytes = 5};
  weft_encoder_t encoder;
  weft_encoder_init(&encoder, NULL, NULL, NULL);
  weft_kit_assert_ok(weft_encode_value(&encoder, NULL, weft_int64(1)));
  weft_kit_assert_ok(weft_encode_named(&encoder, "rate", weft_float64(0.5)));
  room->frame.flags = WEFT_FRAME_FLOW;
  room->frame.value_count = 1;
  room->frame.named_count = 1;
  room->frame.attachment_count = 2;
  room->frame.kinds = (uint32_t)encoder.size_bytes;
  weft_frame_places_t places = weft_frame_places(&room->frame);
  bytes.offset_bytes = places.rest;
  room->words[6] = 0x5152535455565758;
  memcpy(room->bytes + places.payload, encoder.data, encoder.size_bytes);
  weft_attachment_write(room->bytes + places.attachments, &loan);
  weft_attachment_write(
      room->bytes + places.attachments + WEFT_ATTACHMENT_BYTES, &bytes);
  memcpy(room->bytes + places.rest, "bytes", 5);
  room->frame.size_bytes = (uint32_t)places.rest + 5;
  weft_encoder_deinit(&encoder);
}

// A question that has gone over one runtime.
static void make_probe(frame_room_t* room) {
  weft_value_t text;
  weft_encoder_t encoder;
  weft_kit_assert_ok(weft_bytes_create(NULL, "a#0", 3, &text));
  const weft_value_t parts[] = {
      weft_int64(1), weft_int64(0x00020001), weft_int64(3),
      weft_int64(4), weft_int64(63),         weft_int64(64),
      weft_int64(5), weft_bool(true),        text,
  };
  weft_encoder_init(&encoder, NULL, NULL, NULL);
  for (size_t i = 0; i < 9; ++i) {
    weft_kit_assert_ok(weft_encode_value(&encoder, NULL, parts[i]));
  }
  room->frame = (weft_frame_t){
      .type = WEFT_FRAME_PROBE,
      .id = head.id,
      .timeout_ns = INT64_MAX,
      .value_count = 9,
      .kinds = (uint32_t)encoder.size_bytes,
  };
  weft_frame_places_t places = weft_frame_places(&room->frame);
  memcpy(room->bytes + places.payload, encoder.data, encoder.size_bytes);
  room->frame.size_bytes = (uint32_t)places.rest;
  weft_encoder_deinit(&encoder);
  weft_value_release(text);
}

// A runtime joins reader 2 of channel 7, which rank 3 has made.
static void make_channel(frame_room_t* room) {
  const weft_value_t words[] = {weft_int64(2), weft_int64(0x5152535455565758)};
  room->frame = (weft_frame_t){
      .size_bytes = 64,
      .type = WEFT_FRAME_CHANNEL,
      .endpoint = WEFT_CHANNEL_JOIN,
      .id = head.id,
      .target_index = 0x00030001,
      .target_generation = 7,
      .timeout_ns = INT64_MAX,
  };
  weft_frame_put_scalars(&room->frame, room->words + 6, words, 2);
}

// Value 5 of that channel, for readers 0 and 2.
static void make_slot(frame_room_t* room) {
  const weft_value_t word = weft_int64(-2);
  room->frame = (weft_frame_t){
      .size_bytes = 56,
      .type = WEFT_FRAME_SLOT,
      .endpoint = WEFT_SLOT_VALUE,
      .id = 5,
      .target_index = 0x00030001,
      .target_generation = 7,
      .sender = 5,
      .timeout_ns = INT64_MAX,
  };
  weft_frame_put_scalars(&room->frame, room->words + 6, &word, 1);
}

static const struct {
  const char* name;
  void (*make)(frame_room_t* room);
} frames[] = {
    {"scalars", make_scalar_call}, {"none", make_reply_of_none},
    {"body", make_body_call},      {"probe", make_probe},
    {"channel", make_channel},     {"slot", make_slot},
};

#define FRAME_COUNT (sizeof(frames) / sizeof(frames[0]))

static void frames_are_the_bytes_of_the_file(void** state) {
  (void)state;
  static golden_t golden[FRAME_COUNT];
  assert_int_equal(read_file("frames.hex", golden, FRAME_COUNT), FRAME_COUNT);
  for (size_t i = 0; i < FRAME_COUNT; ++i) {
    const golden_t* found = find(golden, FRAME_COUNT, frames[i].name);
    frame_room_t room;
    memset(&room, 0, sizeof(room));
    room.frame = head;
    frames[i].make(&room);
    assert_bytes(found, room.bytes, room.frame.size_bytes);
    weft_kit_assert_ok(weft_frame_check(&room.frame, found->size_bytes));
  }
}

static void the_frame_of_the_file_has_its_parts(void** state) {
  (void)state;
  static golden_t golden[FRAME_COUNT];
  size_t count = read_file("frames.hex", golden, FRAME_COUNT);
  const golden_t* found = find(golden, count, "body");
  frame_room_t room;
  weft_payload_t payload;
  weft_attachment_t attachment;
  memcpy(&room, found->bytes, found->size_bytes);
  weft_kit_assert_ok(weft_frame_check(&room.frame, found->size_bytes));
  weft_kit_assert_ok(weft_frame_payload(&room.frame, &payload));
  assert_true(payload.flow == 0x5152535455565758);
  assert_int_equal(payload.body_bytes, 15);
  weft_kit_assert_ok(
      weft_attachment_read(&room.frame, &payload, 0, &attachment));
  assert_int_equal(attachment.kind, WEFT_ATTACHMENT_LOAN);
  assert_int_equal(attachment.segment_bytes, 33554432);
  weft_kit_assert_ok(
      weft_attachment_read(&room.frame, &payload, 1, &attachment));
  assert_memory_equal(room.bytes + attachment.offset_bytes, "bytes", 5);
}

// --- Encoded values ---------------------------------------------------------

static weft_value_t make_kept_scalar(void) {
  return weft_int64(300);
}

// Two things beside the body, one of them not a multiple of 8 bytes.
static weft_value_t make_kept_list(void) {
  const int64_t shape[] = {3};
  const uint8_t numbers[] = {1, 2, 3};
  weft_tensor_t* tensors[2] = {NULL, NULL};
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_ok(weft_tensor_from_data(NULL, WEFT_UINT8, 1, shape,
                                             numbers, &tensors[i]));
  }
  weft_value_t items[] = {
      weft_tensor_into_value(tensors[0]),
      weft_tensor_into_value(tensors[1]),
      weft_value_kit_string("text"),
  };
  return weft_value_kit_list(items, 3);
}

static const struct {
  const char* name;
  // Of a status: the error itself is encoded.
  weft_value_t (*make)(void);
} kept[] = {
    {"scalar", make_kept_scalar},
    {"list", make_kept_list},
    {"error", make_status},
};

#define KEPT_COUNT (sizeof(kept) / sizeof(kept[0]))

static void check_kept(const golden_t* golden, weft_value_t value) {
  weft_value_t bytes;
  weft_value_t back;
  weft_status_t error = WEFT_OK;
  weft_status_t back_error = WEFT_OK;
  const void* data = NULL;
  size_t size_bytes = 0;
  if (weft_value_kind(value) == WEFT_KIND_STATUS) {
    weft_kit_assert_ok(weft_value_as_status(value, &error));
    weft_kit_assert_ok(weft_error_encode(NULL, error, &bytes));
  } else {
    weft_kit_assert_ok(weft_value_encode(NULL, value, &bytes));
  }
  weft_kit_assert_ok(weft_value_as_bytes(bytes, &data, &size_bytes));
  assert_bytes(golden, data, size_bytes);
  weft_kit_assert_ok(weft_encoded_decode(
      NULL, golden->bytes, golden->size_bytes, &back_error, &back));
  weft_codec_kit_assert_status(error, back_error);
  if (error == WEFT_OK) {
    weft_codec_kit_assert_equal(value, back);
  }
  weft_status_release(back_error);
  weft_value_release(back);
  weft_value_release(bytes);
}

static void encoded_values_are_the_bytes_of_the_file(void** state) {
  (void)state;
  static golden_t golden[KEPT_COUNT];
  assert_int_equal(read_file("encoded.hex", golden, KEPT_COUNT), KEPT_COUNT);
  for (size_t i = 0; i < KEPT_COUNT; ++i) {
    weft_value_t value = kept[i].make();
    check_kept(find(golden, KEPT_COUNT, kept[i].name), value);
    weft_value_release(value);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_the_bytes_of_the_file),
      cmocka_unit_test(frames_are_the_bytes_of_the_file),
      cmocka_unit_test(the_frame_of_the_file_has_its_parts),
      cmocka_unit_test(encoded_values_are_the_bytes_of_the_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
