// SPDX-License-Identifier: Apache-2.0
//
// A device that is simulated. What a block of its memory holds is in the heap
// of the program; its addresses are others, which are only reserved.

#include "weft/sim_device.h"

#include "base/assert.h"
#include "base/container.h"
#include "base/dlist.h"
#include "base/memory.h"
#include "base/random.h"
#include "sys/reserve.h"
#include "sys/sys.h"

// Freed blocks whose addresses stay reserved.
#define FREED_LIMIT 64

typedef struct sim_block {
  // Among the live blocks, or the freed ones.
  weft_dlist_node_t node;
  size_t size_bytes;
  // As the program knows it: reserved.
  char* address;
  // What it holds; NULL once it was freed.
  char* data;
} sim_block_t;

// A copy in a queue.
typedef struct sim_copy {
  weft_dlist_node_t node;
  weft_device_copy_t copy;
  // What it ends with in place of copying; WEFT_OK: nothing.
  weft_status_t failure;
} sim_copy_t;

typedef struct sim_queue {
  weft_dlist_t copies;
  uint64_t appended;
  // Copies whose `done` has returned.
  uint64_t ended;
  bool is_held;
} sim_queue_t;

// Of what is to come, `count` fail after the next `after`.
typedef struct sim_fault {
  uint64_t after;
  uint64_t count;
} sim_fault_t;

struct weft_sim_device {
  weft_device_driver_t driver;
  const weft_allocator_t* allocator;
  weft_sim_device_options_t options;
  weft_sys_thread_t thread;
  // Changes whenever somebody who waits may find something new.
  _Atomic uint32_t changes;
  // Guards what follows.
  weft_mutex_t lock;
  uint64_t random;
  weft_dlist_t live;
  weft_dlist_t freed;
  size_t freed_count;
  weft_sim_device_counters_t counters;
  sim_fault_t allocation_fault;
  sim_fault_t copy_fault;
  // What the copies of the fault end with.
  weft_status_t copy_failure;
  // WEFT_OK: it was not lost.
  weft_status_t loss;
  // The thread that runs a copy; 0: none does. One at a time, so that no queue
  // overtakes itself.
  uint32_t runner;
  // Held queues run, too, and the thread ends when there is nothing left.
  bool is_ending;
  sim_queue_t queues[];
};

static weft_sim_device_t* device_of(const weft_device_driver_t* driver) {
  return driver->self;
}

// --- Waiting ----------------------------------------------------------------

static void changed_locked(weft_sim_device_t* device) {
  // Relaxed: what has changed is guarded by the lock.
  atomic_fetch_add_explicit(&device->changes, 1, memory_order_relaxed);
  weft_futex_wake(&device->changes, UINT32_MAX);
}

// Lets go of the lock until something has changed.
static void sleep_locked(weft_sim_device_t* device) {
  // Relaxed: it changes under the lock only.
  uint32_t seen = atomic_load_explicit(&device->changes, memory_order_relaxed);
  weft_mutex_unlock(&device->lock);
  (void)weft_futex_wait(&device->changes, seen, WEFT_TIME_INFINITE);
  weft_mutex_lock(&device->lock);
}

static bool takes_fault(sim_fault_t* fault) {
  if (fault->after > 0) {
    --fault->after;
    return false;
  }
  bool takes = fault->count > 0;
  fault->count -= takes ? 1 : 0;
  return takes;
}

// --- Blocks of memory --------------------------------------------------------

static void block_destroy(const weft_allocator_t* allocator,
                          sim_block_t* block) {
  weft_sys_unreserve(block->address, block->size_bytes);
  weft_memory_free(allocator, block->data, block->size_bytes);
  weft_memory_free(allocator, block, sizeof(*block));
}

static weft_status_t no_memory(size_t size_bytes) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for %zu bytes of a simulated device",
                          size_bytes);
}

static weft_status_t block_init(const weft_allocator_t* allocator,
                                size_t size_bytes, sim_block_t* block) {
  void* address = NULL;
  WEFT_RETURN_IF_ERROR(weft_sys_reserve(size_bytes, &address));
  block->address = address;
  block->size_bytes = size_bytes;
  block->data = weft_memory_allocate(allocator, size_bytes);
  if (block->data == NULL) {
    return no_memory(size_bytes);
  }
  memset(block->data, WEFT_SIM_DEVICE_POISON, size_bytes);
  return WEFT_OK;
}

static weft_status_t block_create(const weft_allocator_t* allocator,
                                  size_t size_bytes, sim_block_t** out_block) {
  sim_block_t* block = weft_memory_allocate_zeroed(allocator, sizeof(*block));
  if (block == NULL) {
    return no_memory(size_bytes);
  }
  weft_status_t status = block_init(allocator, size_bytes, block);
  if (status != WEFT_OK) {
    block_destroy(allocator, block);
    return status;
  }
  *out_block = block;
  return WEFT_OK;
}

static void destroy_blocks(const weft_allocator_t* allocator,
                           weft_dlist_t* blocks) {
  weft_dlist_node_t* node = weft_dlist_take_first(blocks);
  while (node != NULL) {
    block_destroy(allocator, WEFT_CONTAINER_OF(node, sim_block_t, node));
    node = weft_dlist_take_first(blocks);
  }
}

// The live block that has all of a range; NULL when none has.
static sim_block_t* find_block_locked(const weft_sim_device_t* device,
                                      const void* address, size_t size_bytes) {
  for (weft_dlist_node_t* node = weft_dlist_first(&device->live); node != NULL;
       node = weft_dlist_next(&device->live, node)) {
    sim_block_t* block = WEFT_CONTAINER_OF(node, sim_block_t, node);
    // Below the block it wraps around and is too far, too.
    uintptr_t offset = (uintptr_t)address - (uintptr_t)block->address;
    if (offset <= block->size_bytes &&
        size_bytes <= block->size_bytes - offset) {
      return block;
    }
  }
  return NULL;
}

// --- Running copies ---------------------------------------------------------

static const weft_device_vtable_t sim_vtable;

// Where the bytes at an address of a device, or of the cpu, really are.
static weft_status_t find_bytes(const weft_device_driver_t* driver,
                                const void* address, size_t size_bytes,
                                char** out_bytes) {
  if (driver->vtable != &sim_vtable) {
    *out_bytes = (char*)(uintptr_t)address;
    return WEFT_OK;
  }
  weft_sim_device_t* device = device_of(driver);
  weft_mutex_lock(&device->lock);
  weft_status_t loss = weft_status_retain(device->loss);
  sim_block_t* block = find_block_locked(device, address, size_bytes);
  if (block != NULL && loss == WEFT_OK) {
    *out_bytes = block->data + ((const char*)address - block->address);
  }
  weft_mutex_unlock(&device->lock);
  if (loss == WEFT_OK && block == NULL) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "the simulated device %d has no memory, or no more "
                            "of it, for a copy of %zu bytes at %p",
                            device->options.id, size_bytes, address);
  }
  return loss;
}

static weft_status_t run_copy(const sim_copy_t* entry) {
  const weft_device_copy_t* copy = &entry->copy;
  char* to = NULL;
  char* from = NULL;
  weft_status_t status = weft_status_retain(entry->failure);
  if (status == WEFT_OK) {
    status = find_bytes(copy->destination_driver, copy->destination,
                        copy->size_bytes, &to);
  }
  if (status == WEFT_OK) {
    status =
        find_bytes(copy->source_driver, copy->source, copy->size_bytes, &from);
  }
  if (to != NULL && from != NULL) {
    memcpy(to, from, copy->size_bytes);
  }
  return status;
}

// One of the queues whose first copy may run, by chance; NULL when there is
// none. That `waited` is held does not count.
static sim_queue_t* choose_queue_locked(weft_sim_device_t* device,
                                        const sim_queue_t* waited) {
  sim_queue_t* chosen = NULL;
  uint64_t count = 0;
  bool none_is_held = device->is_ending || device->loss != WEFT_OK;
  for (uint32_t i = 0; i < device->options.queue_count; ++i) {
    sim_queue_t* queue = &device->queues[i];
    bool is_held = queue->is_held && !none_is_held && queue != waited;
    if (!weft_dlist_is_empty(&queue->copies) && !is_held &&
        weft_random_next(&device->random) % ++count == 0) {
      chosen = queue;
    }
  }
  return chosen;
}

static void count_copy(weft_sim_device_t* device, const sim_copy_t* entry,
                       bool is_ok) {
  weft_sim_device_counters_t* counters = &device->counters;
  weft_mutex_lock(&device->lock);
  ++counters->copies;
  --counters->waiting_copies;
  counters->failed_copies += is_ok ? 0 : 1;
  counters->copied_bytes += is_ok ? entry->copy.size_bytes : 0;
  weft_mutex_unlock(&device->lock);
}

// Runs the next copy, without the lock. False when there is none.
static bool run_next_locked(weft_sim_device_t* device,
                            const sim_queue_t* waited) {
  sim_queue_t* queue =
      device->runner != 0 ? NULL : choose_queue_locked(device, waited);
  weft_dlist_node_t* node =
      queue != NULL ? weft_dlist_take_first(&queue->copies) : NULL;
  if (node == NULL) {
    return false;
  }
  sim_copy_t* entry = WEFT_CONTAINER_OF(node, sim_copy_t, node);
  device->runner = weft_sys_thread_id();
  weft_mutex_unlock(&device->lock);
  weft_status_t status = run_copy(entry);
  count_copy(device, entry, status == WEFT_OK);
  entry->copy.done(entry->copy.done_user, status);
  weft_status_release(entry->failure);
  weft_memory_free(device->allocator, entry, sizeof(*entry));
  weft_mutex_lock(&device->lock);
  device->runner = 0;
  ++queue->ended;
  changed_locked(device);
  return true;
}

static void run_thread(void* user) {
  weft_sim_device_t* device = user;
  weft_mutex_lock(&device->lock);
  bool has_ended = false;
  while (!has_ended) {
    bool has_run = run_next_locked(device, NULL);
    has_ended = !has_run && device->is_ending;
    if (!has_run && !has_ended) {
      sleep_locked(device);
    }
  }
  weft_mutex_unlock(&device->lock);
}

// Waits until what is in the queue now is over.
static void wait_for_queue(weft_sim_device_t* device, uint32_t index) {
  sim_queue_t* queue = &device->queues[index];
  weft_mutex_lock(&device->lock);
  uint64_t appended = queue->appended;
  while (queue->ended < appended) {
    // Or a `done` waits for what comes after it.
    weft_assert(device->runner != weft_sys_thread_id());
    if (!device->options.is_stepped || !run_next_locked(device, queue)) {
      sleep_locked(device);
    }
  }
  weft_mutex_unlock(&device->lock);
}

// --- Memory -----------------------------------------------------------------

// Counts a block that is to be made, so that two threads cannot both take what
// is left.
static weft_status_t take_room(weft_sim_device_t* device, size_t size_bytes) {
  size_t limit_bytes = device->options.memory_limit_bytes;
  weft_mutex_lock(&device->lock);
  weft_status_t loss = weft_status_retain(device->loss);
  uint64_t live_bytes = device->counters.live_bytes;
  bool must_fail = takes_fault(&device->allocation_fault);
  bool has_room = limit_bytes == 0 || size_bytes <= limit_bytes - live_bytes;
  if (loss == WEFT_OK && !must_fail && has_room) {
    device->counters.live_bytes += size_bytes;
    ++device->counters.live_blocks;
  }
  weft_mutex_unlock(&device->lock);
  if (loss != WEFT_OK) {
    return loss;
  }
  if (must_fail || !has_room) {
    return weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "%zu bytes on the simulated device %d: %s, with %llu bytes in use",
        size_bytes, device->options.id,
        must_fail ? "failed on demand" : "beyond its limit",
        (unsigned long long)live_bytes);
  }
  return WEFT_OK;
}

static void give_room_locked(weft_sim_device_t* device, size_t size_bytes) {
  device->counters.live_bytes -= size_bytes;
  --device->counters.live_blocks;
}

static weft_status_t sim_allocate(const weft_device_driver_t* driver,
                                  const weft_allocator_t* allocator,
                                  size_t size_bytes, void** out_address) {
  (void)allocator;
  weft_sim_device_t* device = device_of(driver);
  sim_block_t* block = NULL;
  *out_address = NULL;
  WEFT_RETURN_IF_ERROR(take_room(device, size_bytes));
  weft_status_t status = block_create(device->allocator, size_bytes, &block);
  weft_mutex_lock(&device->lock);
  if (block != NULL) {
    weft_dlist_append(&device->live, &block->node);
    *out_address = block->address;
  } else {
    give_room_locked(device, size_bytes);
  }
  weft_mutex_unlock(&device->lock);
  return status;
}

// Moves a block to the freed ones; gives the one that is to go for it, if any.
static sim_block_t* bury_locked(weft_sim_device_t* device, sim_block_t* block) {
  weft_dlist_remove(&block->node);
  weft_dlist_append(&device->freed, &block->node);
  give_room_locked(device, block->size_bytes);
  if (++device->freed_count <= FREED_LIMIT) {
    return NULL;
  }
  --device->freed_count;
  return WEFT_CONTAINER_OF(weft_dlist_take_first(&device->freed), sim_block_t,
                           node);
}

static void sim_free(const weft_device_driver_t* driver,
                     const weft_allocator_t* allocator, void* address,
                     size_t size_bytes) {
  (void)allocator;
  weft_sim_device_t* device = device_of(driver);
  for (uint32_t i = 0; i < device->options.queue_count; ++i) {
    wait_for_queue(device, i);
  }
  weft_mutex_lock(&device->lock);
  sim_block_t* block = find_block_locked(device, address, size_bytes);
  // A second free, or memory of somebody else.
  weft_assert(block != NULL && block->address == address &&
              block->size_bytes == size_bytes);
  char* data = block->data;
  block->data = NULL;
  sim_block_t* oldest = bury_locked(device, block);
  weft_mutex_unlock(&device->lock);
  weft_memory_free(device->allocator, data, size_bytes);
  if (oldest != NULL) {
    block_destroy(device->allocator, oldest);
  }
}

// --- Queues -----------------------------------------------------------------

static void sim_synchronize(const weft_device_driver_t* driver,
                            uint32_t queue) {
  weft_sim_device_t* device = device_of(driver);
  weft_mutex_lock(&device->lock);
  ++device->counters.synchronizations;
  weft_mutex_unlock(&device->lock);
  // Nothing was appended to a queue that it does not have.
  if (queue < device->options.queue_count) {
    wait_for_queue(device, queue);
  }
}

static weft_status_t check_queue(const weft_sim_device_t* device,
                                 uint32_t queue) {
  if (queue >= device->options.queue_count) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the simulated device %d has %u queues, not number "
                            "%u",
                            device->options.id, device->options.queue_count,
                            queue);
  }
  return WEFT_OK;
}

static weft_status_t check_devices(const weft_sim_device_t* device,
                                   const weft_device_copy_t* copy) {
  const weft_device_driver_t* to = copy->destination_driver;
  const weft_device_driver_t* from = copy->source_driver;
  bool is_to_us = to == &device->driver;
  bool is_from_us = from == &device->driver;
  bool is_ours = is_to_us ? from->vtable == &sim_vtable ||
                                from->device.type == WEFT_DEVICE_CPU
                          : is_from_us && to->device.type == WEFT_DEVICE_CPU;
  if (!is_ours) {
    return weft_status_make(
        WEFT_STATUS_UNIMPLEMENTED,
        "the simulated device %d does not copy from %s:%d to %s:%d",
        device->options.id, weft_device_type_name(from->device.type),
        from->device.id, weft_device_type_name(to->device.type), to->device.id);
  }
  return WEFT_OK;
}

// Puts a copy last; false when the queue is full.
static bool append(weft_sim_device_t* device, sim_queue_t* queue,
                   sim_copy_t* entry) {
  uint32_t limit = device->options.copy_limit;
  weft_mutex_lock(&device->lock);
  bool is_full = limit != 0 && queue->appended - queue->ended >= limit;
  if (!is_full) {
    if (takes_fault(&device->copy_fault)) {
      entry->failure = weft_status_retain(device->copy_failure);
    }
    weft_dlist_append(&queue->copies, &entry->node);
    ++queue->appended;
    ++device->counters.waiting_copies;
    changed_locked(device);
  }
  weft_mutex_unlock(&device->lock);
  return !is_full;
}

static weft_status_t sim_copy(const weft_device_driver_t* driver,
                              uint32_t queue, const weft_device_copy_t* copy) {
  weft_sim_device_t* device = device_of(driver);
  WEFT_RETURN_IF_ERROR(check_queue(device, queue));
  WEFT_RETURN_IF_ERROR(check_devices(device, copy));
  sim_copy_t* entry = weft_memory_allocate(device->allocator, sizeof(*entry));
  if (entry == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a copy");
  }
  *entry = (sim_copy_t){.copy = *copy};
  if (!append(device, &device->queues[queue], entry)) {
    weft_memory_free(device->allocator, entry, sizeof(*entry));
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "queue %u of the simulated device %d is full, with "
                            "%u copies",
                            queue, device->options.id,
                            device->options.copy_limit);
  }
  return WEFT_OK;
}

static const weft_device_vtable_t sim_vtable = {
    .allocate = sim_allocate,
    .free = sim_free,
    .copy = sim_copy,
    .synchronize = sim_synchronize,
};

// --- What tests ask for -----------------------------------------------------

bool weft_sim_device_step(weft_sim_device_t* device) {
  weft_mutex_lock(&device->lock);
  bool has_run = device->options.is_stepped && run_next_locked(device, NULL);
  weft_mutex_unlock(&device->lock);
  return has_run;
}

weft_status_t weft_sim_device_hold(weft_sim_device_t* device, uint32_t queue,
                                   bool is_held) {
  WEFT_RETURN_IF_ERROR(check_queue(device, queue));
  weft_mutex_lock(&device->lock);
  device->queues[queue].is_held = is_held;
  changed_locked(device);
  weft_mutex_unlock(&device->lock);
  return WEFT_OK;
}

void weft_sim_device_fail_allocations(weft_sim_device_t* device, uint64_t after,
                                      uint64_t count) {
  weft_mutex_lock(&device->lock);
  device->allocation_fault = (sim_fault_t){after, count};
  weft_mutex_unlock(&device->lock);
}

void weft_sim_device_fail_copies(weft_sim_device_t* device, uint64_t after,
                                 uint64_t count, weft_status_t status) {
  weft_assert(status != WEFT_OK);
  weft_mutex_lock(&device->lock);
  weft_status_t replaced = device->copy_failure;
  device->copy_fault = (sim_fault_t){after, count};
  device->copy_failure = status;
  weft_mutex_unlock(&device->lock);
  weft_status_release(replaced);
}

void weft_sim_device_lose(weft_sim_device_t* device, weft_status_t status) {
  weft_assert(status != WEFT_OK);
  weft_mutex_lock(&device->lock);
  if (device->loss == WEFT_OK) {
    device->loss = status;
    status = WEFT_OK;
    changed_locked(device);
  }
  weft_mutex_unlock(&device->lock);
  weft_status_release(status);
}

void weft_sim_device_counters(weft_sim_device_t* device,
                              weft_sim_device_counters_t* out_counters) {
  weft_mutex_lock(&device->lock);
  *out_counters = device->counters;
  weft_mutex_unlock(&device->lock);
}

// --- Life -------------------------------------------------------------------

static size_t device_bytes(uint32_t queue_count) {
  return sizeof(weft_sim_device_t) + queue_count * sizeof(sim_queue_t);
}

static void device_init(weft_sim_device_t* device,
                        const weft_allocator_t* allocator,
                        const weft_sim_device_options_t* options) {
  device->driver = (weft_device_driver_t){
      .vtable = &sim_vtable,
      .device = {WEFT_DEVICE_EXTENSION, options->id},
      .self = device,
  };
  device->allocator = allocator;
  device->options = *options;
  device->random = options->seed;
  weft_mutex_init(&device->lock);
  weft_dlist_init(&device->live);
  weft_dlist_init(&device->freed);
  for (uint32_t i = 0; i < options->queue_count; ++i) {
    weft_dlist_init(&device->queues[i].copies);
  }
}

weft_status_t weft_sim_device_create(const weft_allocator_t* allocator,
                                     const weft_sim_device_options_t* options,
                                     weft_sim_device_t** out_device) {
  const weft_allocator_t* from = weft_allocator_or_system(allocator);
  weft_sim_device_options_t whole = {0};
  *out_device = NULL;
  if (options != NULL) {
    whole = *options;
  }
  whole.queue_count += whole.queue_count == 0 ? 1 : 0;
  if (whole.queue_count > WEFT_SIM_DEVICE_QUEUE_LIMIT) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%u queues; a simulated device has at most %d",
                            whole.queue_count, WEFT_SIM_DEVICE_QUEUE_LIMIT);
  }
  weft_sim_device_t* device =
      weft_memory_allocate_zeroed(from, device_bytes(whole.queue_count));
  if (device == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a simulated device");
  }
  device_init(device, from, &whole);
  weft_status_t status =
      whole.is_stepped ? WEFT_OK
                       : weft_sys_thread_start(&device->thread, "weft-sim-dev",
                                               run_thread, device);
  if (status != WEFT_OK) {
    weft_sim_device_destroy(device);
    return status;
  }
  *out_device = device;
  return WEFT_OK;
}

void weft_sim_device_destroy(weft_sim_device_t* device) {
  if (device == NULL) {
    return;
  }
  weft_mutex_lock(&device->lock);
  device->is_ending = true;
  changed_locked(device);
  weft_mutex_unlock(&device->lock);
  weft_sys_thread_join(&device->thread);
  while (weft_sim_device_step(device)) {
  }
  destroy_blocks(device->allocator, &device->live);
  destroy_blocks(device->allocator, &device->freed);
  weft_status_release(device->copy_failure);
  weft_status_release(device->loss);
  weft_mutex_deinit(&device->lock);
  weft_memory_free(device->allocator, device,
                   device_bytes(device->options.queue_count));
}

const weft_device_driver_t* weft_sim_device_driver(
    const weft_sim_device_t* device) {
  return &device->driver;
}
