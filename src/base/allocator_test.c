// SPDX-License-Identifier: Apache-2.0

#include <stdalign.h>
#include <string.h>

#include "base/memory.h"
#include "kit/kit.h"

static void the_c_heap_gives_every_alignment(void** state) {
  (void)state;
  const weft_allocator_t* heap = weft_allocator_system();
  for (size_t alignment = alignof(max_align_t); alignment <= 4096;
       alignment *= 2) {
    for (size_t size = 1; size < 300; size += 7) {
      char* block = heap->allocate(heap->self, size, alignment);
      assert_non_null(block);
      assert_int_equal((uintptr_t)block % alignment, 0);
      memset(block, 1, size);
      heap->free(heap->self, block, size);
    }
  }
}

static void a_size_that_cannot_be_is_refused(void** state) {
  (void)state;
  const weft_allocator_t* heap = weft_allocator_system();
  assert_null(heap->allocate(heap->self, SIZE_MAX, 4096));
  assert_null(heap->allocate(heap->self, SIZE_MAX / 2 + 1, 4096));
}

static void the_c_heap_stands_in_for_null(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  assert_ptr_equal(weft_allocator_or_system(NULL), weft_allocator_system());
  assert_ptr_equal(weft_allocator_or_system(&kit.allocator), &kit.allocator);
  weft_kit_allocator_deinit(&kit);
}

static void zeroed_memory_is_zero(void** state) {
  (void)state;
  // The kit's allocator fills blocks with something else.
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  static const char zeros[100];
  void* block = weft_memory_allocate_zeroed(&kit.allocator, sizeof(zeros));
  assert_memory_equal(block, zeros, sizeof(zeros));
  weft_memory_free(&kit.allocator, block, sizeof(zeros));
  weft_kit_allocator_fail(&kit, 0, 1);
  assert_null(weft_memory_allocate_zeroed(&kit.allocator, 1));
  weft_kit_allocator_deinit(&kit);
}

static void freeing_nothing_is_fine(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_memory_free(&kit.allocator, NULL, 10);
  weft_kit_allocator_deinit(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_c_heap_gives_every_alignment),
      cmocka_unit_test(a_size_that_cannot_be_is_refused),
      cmocka_unit_test(the_c_heap_stands_in_for_null),
      cmocka_unit_test(zeroed_memory_is_zero),
      cmocka_unit_test(freeing_nothing_is_fine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
