// SPDX-License-Identifier: Apache-2.0

#include "sys/reserve.h"

#include <signal.h>

#include "kit/kit.h"
#include "sys/memfd.h"

// Where to touch, and how.
typedef struct touch {
  char* address;
  bool writes;
} touch_t;

static void touch_it(void* user) {
  const touch_t* touch = user;
  // Or the read would be left out.
  char _Atomic* place = (char _Atomic*)touch->address;
  if (touch->writes) {
    *place = 1;
  } else {
    (void)*place;
  }
}

static void whoever_touches_a_reserved_address_dies(void** state) {
  (void)state;
  size_t page_bytes = weft_sys_page_bytes();
  void* address = NULL;
  weft_kit_assert_ok(weft_sys_reserve(page_bytes + 1, &address));
  assert_int_equal((uintptr_t)address % page_bytes, 0);
  const size_t offsets[] = {0, page_bytes, 2 * page_bytes - 1};
  for (size_t i = 0; i < 6; ++i) {
    touch_t touch = {(char*)address + offsets[i / 2], i % 2 == 0};
    char output[256];
    weft_kit_ending_t ending =
        weft_kit_run_child(touch_it, &touch, output, sizeof(output));
    assert_int_equal(ending.signal_number, SIGSEGV);
  }
  weft_sys_unreserve(address, page_bytes + 1);
  weft_sys_unreserve(NULL, 1);
}

static void addresses_cost_no_memory_but_there_is_an_end_of_them(void** state) {
  (void)state;
  void* address = NULL;
  weft_kit_assert_ok(weft_sys_reserve((size_t)1 << 36, &address));
  weft_sys_unreserve(address, (size_t)1 << 36);
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "bytes",
                              weft_sys_reserve((size_t)1 << 60, &address));
  assert_null(address);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whoever_touches_a_reserved_address_dies),
      cmocka_unit_test(addresses_cost_no_memory_but_there_is_an_end_of_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
