// SPDX-License-Identifier: Apache-2.0
//
// msgpack-c as the oracle: it reads what the codec writes as the same values,
// and the codec reads what it writes, in every width that a number may have.

#include <msgpack/pack.h>
#include <msgpack/sbuffer.h>

#include "value/value_kit.h"
#include "wire/codec_kit.h"
#include "wire/oracle_kit.h"

// --- Written by the codec ---------------------------------------------------

static void it_reads_what_we_write(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_codec_kit_t kit;
  weft_value_t value = weft_codec_kit_random_value(random, 0);
  weft_codec_kit_begin(&kit);
  weft_status_t status = weft_encode_value(&kit.encoder, NULL, value);
  weft_codec_kit_end(&kit);
  if (weft_status_ignore(status) == WEFT_STATUS_OK) {
    assert_int_equal(weft_oracle_ask(kit.body, kit.size_bytes, value),
                     WEFT_ORACLE_AGREES);
  }
  weft_codec_kit_deinit(&kit);
  weft_value_release(value);
}

static void msgpack_c_reads_what_the_codec_writes(void** state) {
  (void)state;
  weft_kit_for_seeds(it_reads_what_we_write, NULL);
}

static void the_oracle_sees_a_difference(void** state) {
  (void)state;
  const weft_value_t five = weft_int64(5);
  const weft_value_t list = weft_value_kit_list(&five, 1);
  assert_int_equal(weft_oracle_ask("\x91\x05", 2, list), WEFT_ORACLE_AGREES);
  assert_int_equal(weft_oracle_ask("\x91\x06", 2, list), WEFT_ORACLE_DISAGREES);
  assert_int_equal(weft_oracle_ask("\x91\xa0", 2, list), WEFT_ORACLE_DISAGREES);
  assert_int_equal(weft_oracle_ask("\x05", 1, list), WEFT_ORACLE_DISAGREES);
  assert_int_equal(weft_oracle_ask("\x91\x05\x05", 3, list),
                   WEFT_ORACLE_DISAGREES);
  assert_int_equal(weft_oracle_ask("\x91", 1, list), WEFT_ORACLE_DISAGREES);
  assert_int_equal(weft_oracle_ask("\x05", 1, weft_int64(-5)),
                   WEFT_ORACLE_DISAGREES);
  weft_value_release(list);
}

// --- Written by msgpack-c ---------------------------------------------------

typedef struct other {
  weft_kit_random_t* random;
  msgpack_packer packer;
} other_t;

// In a width that is at least what the number needs.
static void pack_int64(other_t* other, int64_t number) {
  uint64_t width = weft_kit_random_below(other->random, 10);
  if (width == 0 && number == (int8_t)number) {
    (void)msgpack_pack_fix_int8(&other->packer, (int8_t)number);
  } else if (width <= 1 && number == (int16_t)number) {
    (void)msgpack_pack_fix_int16(&other->packer, (int16_t)number);
  } else if (width <= 2 && number == (int32_t)number) {
    (void)msgpack_pack_fix_int32(&other->packer, (int32_t)number);
  } else if (width <= 3) {
    (void)msgpack_pack_fix_int64(&other->packer, number);
  } else if (width == 4 && number == (uint8_t)number) {
    (void)msgpack_pack_fix_uint8(&other->packer, (uint8_t)number);
  } else if (width <= 5 && number == (uint16_t)number) {
    (void)msgpack_pack_fix_uint16(&other->packer, (uint16_t)number);
  } else if (width <= 6 && number == (uint32_t)number) {
    (void)msgpack_pack_fix_uint32(&other->packer, (uint32_t)number);
  } else if (width <= 7 && number >= 0) {
    (void)msgpack_pack_fix_uint64(&other->packer, (uint64_t)number);
  } else {
    (void)msgpack_pack_int64(&other->packer, number);
  }
}

static void pack_float64(other_t* other, double float64) {
  if (float64 == (double)(float)float64) {
    (void)msgpack_pack_float(&other->packer, (float)float64);
  } else {
    (void)msgpack_pack_double(&other->packer, float64);
  }
}

static void pack_text(other_t* other, weft_value_t value) {
  const char* string = NULL;
  const void* data = NULL;
  size_t size_bytes = 0;
  if (value.kind == WEFT_KIND_STRING) {
    weft_kit_assert_ok(weft_value_as_string(value, &string, &size_bytes));
    (void)msgpack_pack_str_with_body(&other->packer, string, size_bytes);
  } else {
    weft_kit_assert_ok(weft_value_as_bytes(value, &data, &size_bytes));
    (void)msgpack_pack_bin_with_body(&other->packer, data, size_bytes);
  }
}

// Makes a random value and packs it.
static weft_value_t make_and_pack(other_t* other, uint32_t depth);

static weft_value_t make_list(other_t* other, uint32_t depth) {
  weft_value_t values[40];
  size_t count = weft_kit_random_below(other->random, depth > 1 ? 4 : 40);
  (void)msgpack_pack_array(&other->packer, count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = make_and_pack(other, depth + 1);
  }
  return weft_value_kit_list(values, count);
}

static weft_value_t make_map(other_t* other, uint32_t depth) {
  weft_map_entry_t entries[24];
  weft_value_t map;
  size_t count = weft_kit_random_below(other->random, depth > 1 ? 4 : 24);
  (void)msgpack_pack_map(&other->packer, count);
  for (size_t i = 0; i < count; ++i) {
    const char key[] = {(char)('a' + i), '\0'};
    entries[i].key = weft_value_kit_string(key);
    pack_text(other, entries[i].key);
    entries[i].value = make_and_pack(other, depth + 1);
  }
  weft_kit_assert_ok(weft_map_create(NULL, entries, count, &map));
  for (size_t i = 0; i < count; ++i) {
    weft_value_release(entries[i].key);
    weft_value_release(entries[i].value);
  }
  return map;
}

static weft_value_t make_and_pack(other_t* other, uint32_t depth) {
  weft_value_t value;
  switch (weft_kit_random_below(other->random, depth < 5 ? 7 : 5)) {
    case 0:
      (void)msgpack_pack_nil(&other->packer);
      return weft_none();
    case 1:
      value = weft_codec_kit_random_int64(other->random);
      pack_int64(other, value.as.int64);
      return value;
    case 2:
      value = weft_float64(
          (double)weft_codec_kit_random_int64(other->random).as.int64 / 8);
      pack_float64(other, value.as.float64);
      return value;
    case 3:
    case 4:
      value = weft_codec_kit_random_text(
          other->random, weft_kit_random_below(other->random, 2) == 0);
      pack_text(other, value);
      return value;
    case 5:
      return make_list(other, depth);
    default:
      return make_map(other, depth);
  }
}

static void we_read_what_it_writes(weft_kit_random_t* random, void* user) {
  (void)user;
  msgpack_sbuffer buffer;
  other_t other = {.random = random};
  msgpack_sbuffer_init(&buffer);
  msgpack_packer_init(&other.packer, &buffer, msgpack_sbuffer_write);
  weft_value_t value = make_and_pack(&other, 0);
  weft_value_t back;
  weft_decoder_t decoder;
  const weft_body_t body = {buffer.data, buffer.size, 0};
  weft_decoder_init(&decoder, NULL, NULL, NULL, &body);
  weft_kit_assert_ok(weft_decode_value(&decoder, &back));
  weft_kit_assert_ok(weft_decoder_finish(&decoder));
  weft_codec_kit_assert_equal(value, back);
  weft_value_release(back);
  weft_value_release(value);
  msgpack_sbuffer_destroy(&buffer);
}

static void the_codec_reads_what_msgpack_c_writes(void** state) {
  (void)state;
  weft_kit_for_seeds(we_read_what_it_writes, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(msgpack_c_reads_what_the_codec_writes),
      cmocka_unit_test(the_oracle_sees_a_difference),
      cmocka_unit_test(the_codec_reads_what_msgpack_c_writes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
