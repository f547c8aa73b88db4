// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "kit/kit.h"
#include "weft/tensor.h"

_Static_assert(sizeof(weft_dtype_t) == 4, "DLPack's size");
_Static_assert(offsetof(weft_dtype_t, code) == 0, "DLPack's layout");
_Static_assert(offsetof(weft_dtype_t, bits) == 1, "DLPack's layout");
_Static_assert(offsetof(weft_dtype_t, lanes) == 2, "DLPack's layout");

static void codes_have_the_numbers_of_dlpack(void** state) {
  (void)state;
  const weft_dtype_code_t codes[] = {
      WEFT_DTYPE_INT,
      WEFT_DTYPE_UINT,
      WEFT_DTYPE_FLOAT,
      WEFT_DTYPE_HANDLE,
      WEFT_DTYPE_BFLOAT,
      WEFT_DTYPE_COMPLEX,
      WEFT_DTYPE_BOOL,
      WEFT_DTYPE_FLOAT8_E3M4,
      WEFT_DTYPE_FLOAT8_E4M3,
      WEFT_DTYPE_FLOAT8_E4M3B11FNUZ,
      WEFT_DTYPE_FLOAT8_E4M3FN,
      WEFT_DTYPE_FLOAT8_E4M3FNUZ,
      WEFT_DTYPE_FLOAT8_E5M2,
      WEFT_DTYPE_FLOAT8_E5M2FNUZ,
      WEFT_DTYPE_FLOAT8_E8M0FNU,
      WEFT_DTYPE_FLOAT6_E2M3FN,
      WEFT_DTYPE_FLOAT6_E3M2FN,
      WEFT_DTYPE_FLOAT4_E2M1FN,
  };
  for (int i = 0; i < WEFT_DTYPE_CODE_COUNT; ++i) {
    assert_int_equal(codes[i], i);
  }
}

// Every code with the bits it is used with, and what a tensor of seven such
// elements takes.
static const struct {
  weft_dtype_code_t code;
  uint8_t bits;
  size_t seven_bytes;
  const char* name;
} known[] = {
    {WEFT_DTYPE_INT, 1, 1, "int1"},
    {WEFT_DTYPE_INT, 4, 4, "int4"},
    {WEFT_DTYPE_INT, 8, 7, "int8"},
    {WEFT_DTYPE_INT, 64, 56, "int64"},
    {WEFT_DTYPE_UINT, 2, 2, "uint2"},
    {WEFT_DTYPE_UINT, 16, 14, "uint16"},
    {WEFT_DTYPE_FLOAT, 16, 14, "float16"},
    {WEFT_DTYPE_FLOAT, 32, 28, "float32"},
    {WEFT_DTYPE_FLOAT, 80, 70, "float80"},
    {WEFT_DTYPE_HANDLE, 64, 56, "handle64"},
    {WEFT_DTYPE_BFLOAT, 16, 14, "bfloat16"},
    {WEFT_DTYPE_COMPLEX, 64, 56, "complex64"},
    {WEFT_DTYPE_COMPLEX, 128, 112, "complex128"},
    {WEFT_DTYPE_BOOL, 8, 7, "bool"},
    {WEFT_DTYPE_BOOL, 1, 1, "bool1"},
    {WEFT_DTYPE_FLOAT8_E3M4, 8, 7, "float8_e3m4"},
    {WEFT_DTYPE_FLOAT8_E4M3, 8, 7, "float8_e4m3"},
    {WEFT_DTYPE_FLOAT8_E4M3B11FNUZ, 8, 7, "float8_e4m3b11fnuz"},
    {WEFT_DTYPE_FLOAT8_E4M3FN, 8, 7, "float8_e4m3fn"},
    {WEFT_DTYPE_FLOAT8_E4M3FNUZ, 8, 7, "float8_e4m3fnuz"},
    {WEFT_DTYPE_FLOAT8_E5M2, 8, 7, "float8_e5m2"},
    {WEFT_DTYPE_FLOAT8_E5M2FNUZ, 8, 7, "float8_e5m2fnuz"},
    {WEFT_DTYPE_FLOAT8_E8M0FNU, 8, 7, "float8_e8m0fnu"},
    {WEFT_DTYPE_FLOAT6_E2M3FN, 6, 6, "float6_e2m3fn"},
    {WEFT_DTYPE_FLOAT6_E3M2FN, 6, 6, "float6_e3m2fn"},
    {WEFT_DTYPE_FLOAT4_E2M1FN, 4, 4, "float4_e2m1fn"},
};
enum { KNOWN_COUNT = sizeof(known) / sizeof(known[0]) };

static void every_code_makes_tensors_of_the_right_size(void** state) {
  (void)state;
  const int64_t shape[] = {7};
  for (size_t i = 0; i < KNOWN_COUNT; ++i) {
    weft_dtype_t dtype = weft_dtype_make(known[i].code, known[i].bits);
    weft_tensor_t* tensor = NULL;
    weft_kit_assert_ok(weft_dtype_check(dtype));
    weft_kit_assert_ok(
        weft_tensor_create(NULL, NULL, dtype, 1, shape, &tensor));
    assert_int_equal(weft_tensor_size_bytes(tensor), known[i].seven_bytes);
    assert_int_equal(weft_storage_size_bytes(weft_tensor_storage(tensor)),
                     known[i].seven_bytes);
    weft_tensor_release(tensor);
  }
}

static void every_code_has_a_name(void** state) {
  (void)state;
  char text[64];
  for (size_t i = 0; i < KNOWN_COUNT; ++i) {
    weft_dtype_t dtype = weft_dtype_make(known[i].code, known[i].bits);
    size_t length = weft_dtype_format(dtype, text, sizeof(text));
    assert_string_equal(text, known[i].name);
    assert_int_equal(length, strlen(text));
  }
}

static void lanes_multiply_bits_and_are_named(void** state) {
  (void)state;
  weft_dtype_t dtype = {WEFT_DTYPE_UINT, 8, 4};
  char text[64];
  weft_kit_assert_ok(weft_dtype_check(dtype));
  assert_int_equal(weft_dtype_bits(dtype), 32);
  (void)weft_dtype_format(dtype, text, sizeof(text));
  assert_string_equal(text, "uint8x4");
  weft_dtype_t widest = {WEFT_DTYPE_UINT, 255, 65535};
  assert_int_equal(weft_dtype_bits(widest), 255 * 65535);
}

static void a_code_that_is_not_known_is_refused(void** state) {
  (void)state;
  char text[64];
  for (unsigned code = WEFT_DTYPE_CODE_COUNT; code < 256; ++code) {
    weft_dtype_t dtype = {(uint8_t)code, 8, 1};
    weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED, weft_dtype_check(dtype));
  }
  weft_dtype_t unknown = {200, 8, 2};
  (void)weft_dtype_format(unknown, text, sizeof(text));
  assert_string_equal(text, "dtype200.8x2");
  unknown = (weft_dtype_t){WEFT_DTYPE_CODE_COUNT, 8, 1};
  (void)weft_dtype_format(unknown, text, sizeof(text));
  assert_string_equal(text, "dtype18.8");
}

static void a_type_without_a_size_is_refused(void** state) {
  (void)state;
  const weft_dtype_t no_bits = {WEFT_DTYPE_INT, 0, 1};
  const weft_dtype_t no_lanes = {WEFT_DTYPE_INT, 8, 0};
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_dtype_check(no_bits));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_dtype_check(no_lanes));
}

static void small_floats_have_the_bits_of_their_name(void** state) {
  (void)state;
  for (int code = WEFT_DTYPE_FLOAT8_E3M4; code < WEFT_DTYPE_CODE_COUNT;
       ++code) {
    size_t accepted = 0;
    for (unsigned bits = 1; bits < 256; ++bits) {
      weft_dtype_t dtype =
          weft_dtype_make((weft_dtype_code_t)code, (uint8_t)bits);
      accepted += weft_status_ignore(weft_dtype_check(dtype)) == WEFT_STATUS_OK;
    }
    assert_int_equal(accepted, 1);
  }
}

static void types_differ_in_every_field(void** state) {
  (void)state;
  const weft_dtype_t types[] = {{2, 32, 1}, {1, 32, 1}, {2, 64, 1}, {2, 32, 2}};
  for (size_t i = 0; i < 4; ++i) {
    for (size_t k = 0; k < 4; ++k) {
      assert_int_equal(weft_dtype_equal(types[i], types[k]), i == k);
    }
  }
  assert_true(weft_dtype_equal(WEFT_FLOAT32, types[0]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(codes_have_the_numbers_of_dlpack),
      cmocka_unit_test(every_code_makes_tensors_of_the_right_size),
      cmocka_unit_test(every_code_has_a_name),
      cmocka_unit_test(lanes_multiply_bits_and_are_named),
      cmocka_unit_test(a_code_that_is_not_known_is_refused),
      cmocka_unit_test(a_type_without_a_size_is_refused),
      cmocka_unit_test(small_floats_have_the_bits_of_their_name),
      cmocka_unit_test(types_differ_in_every_field),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
