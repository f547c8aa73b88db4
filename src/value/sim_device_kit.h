// SPDX-License-Identifier: Apache-2.0
//
// For tests on simulated devices: making them, their memory, copies whose ends
// are written down.

#ifndef WEFT_VALUE_SIM_DEVICE_KIT_H_
#define WEFT_VALUE_SIM_DEVICE_KIT_H_

#include <stdatomic.h>

#include "kit/kit.h"
#include "weft/sim_device.h"

static inline weft_sim_device_t* weft_sim_kit_make(
    const weft_sim_device_options_t* options) {
  weft_sim_device_t* device = NULL;
  weft_kit_assert_ok(weft_sim_device_create(NULL, options, &device));
  return device;
}

static inline weft_sim_device_t* weft_sim_kit_make_stepped(uint32_t queue_count,
                                                           uint64_t seed) {
  const weft_sim_device_options_t options = {
      .queue_count = queue_count, .seed = seed, .is_stepped = true};
  return weft_sim_kit_make(&options);
}

static inline weft_sim_device_counters_t weft_sim_kit_counters(
    weft_sim_device_t* device) {
  weft_sim_device_counters_t counters;
  weft_sim_device_counters(device, &counters);
  return counters;
}

// --- Memory -----------------------------------------------------------------

// An address of a device, or of the cpu, whose `device` is NULL.
typedef struct weft_sim_kit_place {
  weft_sim_device_t* device;
  char* address;
} weft_sim_kit_place_t;

// Const memory is only copied from.
static inline weft_sim_kit_place_t weft_sim_kit_cpu(const void* address) {
  return (weft_sim_kit_place_t){NULL, (char*)(uintptr_t)address};
}

static inline weft_sim_kit_place_t weft_sim_kit_behind(
    weft_sim_kit_place_t place, size_t offset_bytes) {
  place.address += offset_bytes;
  return place;
}

// NULL is the cpu.
static inline const weft_device_driver_t* weft_sim_kit_driver(
    weft_sim_device_t* device) {
  return device != NULL ? weft_sim_device_driver(device) : weft_device_cpu();
}

static inline weft_sim_kit_place_t weft_sim_kit_allocate(
    weft_sim_device_t* device, size_t size_bytes) {
  const weft_device_driver_t* driver = weft_sim_kit_driver(device);
  void* address = NULL;
  weft_kit_assert_ok(driver->vtable->allocate(driver, weft_allocator_system(),
                                              size_bytes, &address));
  return (weft_sim_kit_place_t){device, (char*)address};
}

static inline void weft_sim_kit_free(weft_sim_kit_place_t place,
                                     size_t size_bytes) {
  const weft_device_driver_t* driver = weft_sim_kit_driver(place.device);
  driver->vtable->free(driver, weft_allocator_system(), place.address,
                       size_bytes);
}

// --- Copies -----------------------------------------------------------------

#define WEFT_SIM_KIT_LOG_LIMIT 64

// How copies ended, in the order of their ends. One at a time ends.
typedef struct weft_sim_kit_log {
  _Atomic size_t count;
  int marks[WEFT_SIM_KIT_LOG_LIMIT];
  weft_status_code_t codes[WEFT_SIM_KIT_LOG_LIMIT];
} weft_sim_kit_log_t;

// One copy of a log.
typedef struct weft_sim_kit_entry {
  weft_sim_kit_log_t* log;
  int mark;
} weft_sim_kit_entry_t;

static inline size_t weft_sim_kit_ended(weft_sim_kit_log_t* log) {
  // Acquire: pairs with the release in `weft_sim_kit_done`.
  return atomic_load_explicit(&log->count, memory_order_acquire);
}

static inline void weft_sim_kit_done(void* user, weft_status_t status) {
  const weft_sim_kit_entry_t* entry = (const weft_sim_kit_entry_t*)user;
  size_t count = weft_sim_kit_ended(entry->log);
  entry->log->marks[count] = entry->mark;
  entry->log->codes[count] = weft_status_ignore(status);
  // Release: the end is written before it counts.
  atomic_store_explicit(&entry->log->count, count + 1, memory_order_release);
}

// Appends a copy to a queue of the device that is to do it.
static inline weft_status_t weft_sim_kit_try_copy(
    weft_sim_device_t* by, uint32_t queue, weft_sim_kit_place_t to,
    weft_sim_kit_place_t from, size_t size_bytes, weft_sim_kit_entry_t* entry) {
  const weft_device_copy_t copy = {
      .destination_driver = weft_sim_kit_driver(to.device),
      .destination = to.address,
      .source_driver = weft_sim_kit_driver(from.device),
      .source = from.address,
      .size_bytes = size_bytes,
      .done = weft_sim_kit_done,
      .done_user = entry,
  };
  return weft_sim_device_driver(by)->vtable->copy(weft_sim_device_driver(by),
                                                  queue, &copy);
}

// The same by the device that should be asked.
static inline void weft_sim_kit_copy(uint32_t queue, weft_sim_kit_place_t to,
                                     weft_sim_kit_place_t from,
                                     size_t size_bytes,
                                     weft_sim_kit_entry_t* entry) {
  weft_sim_device_t* by = to.device != NULL ? to.device : from.device;
  weft_kit_assert_ok(
      weft_sim_kit_try_copy(by, queue, to, from, size_bytes, entry));
}

static inline void weft_sim_kit_synchronize(weft_sim_device_t* device,
                                            uint32_t queue) {
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  driver->vtable->synchronize(driver, queue);
}

// Copies by way of queue 0, and waits for it.
static inline void weft_sim_kit_copy_now(weft_sim_kit_place_t to,
                                         weft_sim_kit_place_t from,
                                         size_t size_bytes) {
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  weft_sim_kit_copy(0, to, from, size_bytes, &entry);
  weft_sim_kit_synchronize(to.device != NULL ? to.device : from.device, 0);
  assert_int_equal(weft_sim_kit_ended(&log), 1);
  assert_int_equal(log.codes[0], WEFT_STATUS_OK);
}

#endif  // WEFT_VALUE_SIM_DEVICE_KIT_H_
