// SPDX-License-Identifier: Apache-2.0

#include "base/status_internal.h"
#include "kit/kit.h"

// Creates once, with `count` allocations failing after the first `after`.
// True when none failed: then nothing is left to try.
static bool create_once(const weft_kit_creation_t* creation, uint64_t after,
                        uint64_t count) {
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_kit_allocator_fail(&kit, after, count);
  void* object = NULL;
  weft_status_t status =
      creation->create(&kit.allocator, creation->user, &object);
  if (status == WEFT_OK) {
    creation->destroy(object, creation->user);
  } else {
    assert_null(object);
    // Without a failure of ours this cannot work at all.
    assert_true(kit.failed > 0);
    weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED, status);
  }
  bool complete = kit.failed == 0;
  weft_kit_allocator_deinit(&kit);
  return complete;
}

static void sweep(const weft_kit_creation_t* creation, uint64_t count) {
  uint64_t after = 0;
  while (!create_once(creation, after, count)) {
    ++after;
  }
  // A creation that allocates nothing makes no sweep.
  assert_true(after > 0);
}

static void sweep_both(const weft_kit_creation_t* creation) {
  sweep(creation, 1);
  sweep(creation, UINT64_MAX);
}

void weft_kit_sweep(const weft_kit_creation_t* creation) {
  sweep_both(creation);
  weft_status_fail_allocations(true);
  sweep_both(creation);
  weft_status_fail_allocations(false);
}
