// SPDX-License-Identifier: Apache-2.0
//
// What is not seen by way of `weft_tensor_copy`, whose tests are in
// copy_test.c.

#include "value/transfer.h"

#include "value/sim_device_kit.h"

static const int64_t four[] = {4};

static weft_tensor_t* tensor_on(const weft_device_driver_t* driver) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, driver, WEFT_INT8, 1, four, &tensor));
  return tensor;
}

static weft_tensor_t* tensor_of(const char* text) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT8, 1, four, text, &tensor));
  return tensor;
}

static void check_text(const weft_tensor_t* tensor, const char* expected) {
  weft_tensor_t* here = NULL;
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, tensor, &here));
  assert_memory_equal(weft_tensor_data(here), expected, 4);
  weft_tensor_release(here);
}

static void tensors_go_together_and_are_waited_for_once(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(2, 0);
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  weft_tensor_t* sources[] = {tensor_of("abcd"), tensor_of("efgh")};
  weft_tensor_t* there[] = {tensor_on(driver), tensor_on(driver)};
  weft_transfer_t transfer;
  weft_transfer_init(&transfer, weft_device_cpu(), driver, 1);
  weft_kit_assert_ok(weft_transfer_add(&transfer, sources[0], there[0]));
  weft_kit_assert_ok(weft_transfer_add(&transfer, sources[1], there[1]));
  assert_int_equal(weft_sim_kit_counters(device).waiting_copies, 2);
  weft_kit_assert_ok(weft_transfer_finish(&transfer, WEFT_OK));
  assert_int_equal(weft_sim_kit_counters(device).synchronizations, 1);
  check_text(there[0], "abcd");
  check_text(there[1], "efgh");
  for (size_t i = 0; i < 2; ++i) {
    weft_tensor_release(sources[i]);
    weft_tensor_release(there[i]);
  }
  weft_sim_device_destroy(device);
}

static void nothing_is_waited_for_when_nothing_was_sent(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  weft_transfer_t transfer;
  weft_transfer_init(&transfer, driver, weft_device_cpu(), 0);
  weft_kit_assert_status(
      WEFT_STATUS_FAILED,
      weft_transfer_finish(&transfer,
                           weft_status_from_code(WEFT_STATUS_FAILED)));
  assert_int_equal(weft_sim_kit_counters(device).synchronizations, 0);
  weft_sim_device_destroy(device);
}

static void a_destination_may_begin_within_its_storage(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  weft_storage_t* storage = NULL;
  weft_tensor_t* there = NULL;
  weft_tensor_t* source = tensor_of("abcd");
  const weft_tensor_layout_t layout = {WEFT_INT8, 1, four, NULL, 3};
  weft_kit_assert_ok(weft_storage_create(NULL, driver, 8, &storage));
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &there));
  weft_transfer_t transfer;
  weft_transfer_init(&transfer, weft_device_cpu(), driver, 0);
  weft_kit_assert_ok(weft_transfer_finish(
      &transfer, weft_transfer_add(&transfer, source, there)));
  check_text(there, "abcd");
  char before = 0;
  weft_sim_kit_place_t first = {device,
                                (char*)(uintptr_t)weft_storage_data(storage)};
  weft_sim_kit_copy_now(weft_sim_kit_cpu(&before), first, 1);
  assert_int_equal((unsigned char)before, WEFT_SIM_DEVICE_POISON);
  weft_tensor_release(source);
  weft_tensor_release(there);
  weft_storage_release(storage);
  weft_sim_device_destroy(device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tensors_go_together_and_are_waited_for_once),
      cmocka_unit_test(nothing_is_waited_for_when_nothing_was_sent),
      cmocka_unit_test(a_destination_may_begin_within_its_storage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
