// SPDX-License-Identifier: Apache-2.0
//
// The innermost dimensions that lie without gaps are one run of bytes; runs are
// copied one by one, in the order of the elements.

#include "value/transfer.h"

#include <string.h>

#include "value/tensor_internal.h"

// Walks over the outer dimensions of a tensor, the last one fastest.
typedef struct walk {
  const weft_tensor_layout_t* layout;
  uint32_t outer_ndim;
  int64_t index[WEFT_TENSOR_NDIM_LIMIT];
  // From the first element to the present one, in elements.
  int64_t offset;
} walk_t;

// Moves on; false behind the last place.
static bool walk_next(walk_t* walk) {
  for (uint32_t i = walk->outer_ndim; i-- > 0;) {
    int64_t stride = walk->layout->strides[i];
    if (++walk->index[i] < walk->layout->shape[i]) {
      walk->offset += stride;
      return true;
    }
    walk->offset -= stride * (walk->layout->shape[i] - 1);
    walk->index[i] = 0;
  }
  return false;
}

// Leaves out the inner dimensions without gaps; gives the elements of a run.
static int64_t walk_start(walk_t* walk, const weft_tensor_layout_t* layout) {
  int64_t run = 1;
  *walk = (walk_t){.layout = layout, .outer_ndim = layout->ndim};
  while (walk->outer_ndim > 0 && layout->strides[walk->outer_ndim - 1] == run) {
    run *= layout->shape[--walk->outer_ndim];
  }
  return run;
}

// --- Runs of bytes ----------------------------------------------------------

void weft_transfer_seal(weft_transfer_t* transfer, weft_status_t status) {
  weft_status_t none = WEFT_OK;
  // Release, so that the error's text is seen by `weft_transfer_finish`, which
  // loads with acquire. The first error stays.
  if (status != WEFT_OK && !atomic_compare_exchange_strong_explicit(
                               &transfer->error, &none, status,
                               memory_order_release, memory_order_relaxed)) {
    weft_status_release(status);
  }
  void (*over)(weft_transfer_t * transfer) = transfer->over;
  // Release and acquire: the last one sees what all others did. Whoever is not
  // the last must not touch the transfer any more.
  if (atomic_fetch_sub_explicit(&transfer->running, 1, memory_order_acq_rel) ==
          1 &&
      over != NULL) {
    over(transfer);
  }
}

static void part_done(void* user, weft_status_t status) {
  weft_transfer_seal(user, status);
}

// The first element, at which the runs of a tensor count.
static char* first_byte(const weft_tensor_t* tensor) {
  return (char*)tensor->storage->data + tensor->layout.byte_offset;
}

static weft_status_t copy_runs(weft_transfer_t* transfer,
                               const weft_tensor_t* source,
                               weft_tensor_t* destination, walk_t* walk,
                               size_t run_bytes) {
  const int64_t bits = weft_dtype_bits(source->layout.dtype);
  const char* from = first_byte(source);
  weft_device_copy_t part = {
      .destination_driver = transfer->to,
      .destination = first_byte(destination),
      .source_driver = transfer->from,
      .size_bytes = run_bytes,
      .done = part_done,
      .done_user = transfer,
  };
  weft_status_t status = WEFT_OK;
  bool has_more = true;
  transfer->has_parts = true;
  for (; status == WEFT_OK && has_more; has_more = walk_next(walk)) {
    part.source = from + walk->offset * bits / 8;
    // Relaxed: it is not 0, as this one adds.
    atomic_fetch_add_explicit(&transfer->running, 1, memory_order_relaxed);
    status =
        transfer->mover->vtable->copy(transfer->mover, transfer->queue, &part);
    if (status != WEFT_OK) {
      // Relaxed: see above. It is not in the queue.
      atomic_fetch_sub_explicit(&transfer->running, 1, memory_order_relaxed);
    }
    part.destination = (char*)part.destination + run_bytes;
  }
  return status;
}

// --- Elements that begin within bytes ---------------------------------------

static bool bit_at(const uint8_t* bytes, int64_t bit) {
  return (bytes[bit / 8] >> (bit % 8) & 1) != 0;
}

static weft_status_t copy_bits(const weft_tensor_t* source,
                               weft_tensor_t* destination) {
  const weft_tensor_layout_t* layout = &source->layout;
  if (source->storage->driver->device.type != WEFT_DEVICE_CPU ||
      destination->storage->driver->device.type != WEFT_DEVICE_CPU) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                            "elements of %u bits with gaps are copied on the "
                            "cpu only",
                            weft_dtype_bits(layout->dtype));
  }
  const int64_t bits = weft_dtype_bits(layout->dtype);
  const uint8_t* from = source->storage->data;
  uint8_t* to = (uint8_t*)first_byte(destination);
  int64_t first = (int64_t)layout->byte_offset * 8;
  int64_t written = 0;
  memset(to, 0, destination->size_bytes);
  walk_t walk = {.layout = layout, .outer_ndim = layout->ndim};
  do {
    int64_t read = first + walk.offset * bits;
    for (int64_t i = 0; i < bits; ++i, ++written) {
      unsigned bit = bit_at(from, read + i) ? 1u << (written % 8) : 0;
      to[written / 8] = (uint8_t)(to[written / 8] | bit);
    }
  } while (walk_next(&walk));
  return WEFT_OK;
}

// True when every run begins and ends with a byte.
static bool are_whole_bytes(const walk_t* walk, int64_t run) {
  const weft_tensor_layout_t* layout = walk->layout;
  // Modulo 8, where the product always fits.
  const int64_t bits = weft_dtype_bits(layout->dtype) % 8;
  bool are_whole = run % 8 * bits % 8 == 0;
  for (uint32_t i = 0; i < walk->outer_ndim; ++i) {
    are_whole = are_whole && layout->strides[i] % 8 * bits % 8 == 0;
  }
  return are_whole;
}

// --- The whole --------------------------------------------------------------

void weft_transfer_init(weft_transfer_t* transfer,
                        const weft_device_driver_t* from,
                        const weft_device_driver_t* to, uint32_t queue) {
  transfer->from = from;
  transfer->to = to;
  transfer->mover = weft_transfer_mover(from, to);
  transfer->queue = queue;
  transfer->has_parts = false;
  transfer->over = NULL;
  atomic_init(&transfer->running, 1);
  atomic_init(&transfer->error, WEFT_OK);
}

weft_status_t weft_transfer_add(weft_transfer_t* transfer,
                                const weft_tensor_t* source,
                                weft_tensor_t* destination) {
  walk_t walk;
  if (source->element_count == 0) {
    return WEFT_OK;
  }
  int64_t run = walk_start(&walk, &source->layout);
  if (walk.outer_ndim == 0) {
    return copy_runs(transfer, source, destination, &walk, source->size_bytes);
  }
  if (!are_whole_bytes(&walk, run)) {
    return copy_bits(source, destination);
  }
  int64_t run_bits = run * weft_dtype_bits(source->layout.dtype);
  return copy_runs(transfer, source, destination, &walk, (size_t)run_bits / 8);
}

// Those that were started are waited for whatever happened: they use memory
// that the caller may be about to free.
weft_status_t weft_transfer_finish(weft_transfer_t* transfer,
                                   weft_status_t status) {
  if (transfer->has_parts) {
    transfer->mover->vtable->synchronize(transfer->mover, transfer->queue);
  }
  // Acquire: pairs with the release in `part_done`.
  weft_status_t error =
      atomic_load_explicit(&transfer->error, memory_order_acquire);
  if (status == WEFT_OK) {
    return error;
  }
  weft_status_release(error);
  return status;
}
