// SPDX-License-Identifier: Apache-2.0
//
// One reader for several consumers of one actor or thread. A value that the
// first consumer has fetched is kept, with its lease, until the last one has
// released it:
//
//   inner reader --> [ 7 ][ 8 ] kept     consumer 0 is to read 9: fetches
//                      ^ held by 1       consumer 1 is to read 8: has it here
//
// All of it runs on one thread at a time, so there is no lock.

#include "base/assert.h"
#include "base/memory.h"
#include "channel/channel.h"
#include "wire/record.h"

// A value that was fetched.
typedef struct kept {
  weft_dlist_node_t node;
  weft_lease_t lease;
  // Bit n: consumer n has not released it.
  uint64_t holders;
} kept_t;

struct shared;

typedef struct consumer {
  weft_reader_t base;
  struct shared* shared;
  uint32_t index;
  // What it reads next; NULL: what has not been fetched yet.
  kept_t* next;
} consumer_t;

typedef struct shared {
  const weft_allocator_t* allocator;
  weft_reader_t* inner;
  // Consumers that have not left, and leases of those that have.
  uint32_t users;
  uint64_t present;
  // Of kept_t, the oldest first.
  weft_dlist_t kept;
  uint32_t consumer_count;
  consumer_t consumers[];
} shared_t;

static consumer_t* consumer_of(weft_reader_t* reader) {
  return WEFT_CONTAINER_OF(reader, consumer_t, base);
}

static uint64_t bit_of(const consumer_t* consumer) {
  return UINT64_C(1) << consumer->index;
}

static size_t shared_bytes(uint32_t count) {
  return sizeof(shared_t) + count * sizeof(consumer_t);
}

static kept_t* after(const shared_t* shared, const kept_t* kept) {
  weft_dlist_node_t* node = weft_dlist_next(&shared->kept, &kept->node);
  return node != NULL ? WEFT_CONTAINER_OF(node, kept_t, node) : NULL;
}

// Takes a consumer's bit away; the last one's gives the value back.
static void give_back_one(shared_t* shared, kept_t* kept, uint64_t bit) {
  kept->holders &= ~bit;
  if (kept->holders == 0) {
    weft_dlist_remove(&kept->node);
    weft_lease_release(&kept->lease);
    weft_memory_free(shared->allocator, kept, sizeof(*kept));
  }
}

static void end_use(shared_t* shared) {
  if (--shared->users == 0) {
    weft_reader_release(shared->inner);
    weft_memory_free(shared->allocator, shared,
                     shared_bytes(shared->consumer_count));
  }
}

// --- The table --------------------------------------------------------------

// Fetches the next value: all that have read what there was come to it.
static weft_status_t fetch(shared_t* shared, int64_t deadline_ns) {
  kept_t* kept = weft_memory_allocate(shared->allocator, sizeof(*kept));
  if (kept == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a value of a shared reader");
  }
  weft_status_t status =
      weft_reader_read(shared->inner, deadline_ns, &kept->lease);
  if (status != WEFT_OK) {
    weft_memory_free(shared->allocator, kept, sizeof(*kept));
    return status;
  }
  kept->holders = shared->present;
  weft_dlist_append(&shared->kept, &kept->node);
  for (uint32_t i = 0; i < shared->consumer_count; i++) {
    consumer_t* consumer = &shared->consumers[i];
    if (consumer->next == NULL) {
      consumer->next = kept;
    }
  }
  return WEFT_OK;
}

// Has the next value of a consumer be here.
static weft_status_t find_next(const consumer_t* consumer,
                               int64_t deadline_ns) {
  return consumer->next != NULL ? WEFT_OK
                                : fetch(consumer->shared, deadline_ns);
}

static void take_next(weft_reader_t* reader, weft_lease_t* out_lease) {
  consumer_t* consumer = consumer_of(reader);
  shared_t* shared = consumer->shared;
  const kept_t* kept = consumer->next;
  *out_lease = kept->lease;
  out_lease->reader = reader;
  consumer->next = after(shared, kept);
  shared->users++;
}

static weft_status_t shared_read(weft_reader_t* reader, int64_t deadline_ns,
                                 weft_lease_t* out_lease) {
  WEFT_RETURN_IF_ERROR(find_next(consumer_of(reader), deadline_ns));
  take_next(reader, out_lease);
  return WEFT_OK;
}

// Others may want the value itself, so that is what is fetched.
static weft_status_t shared_read_encoded(weft_reader_t* reader,
                                         int64_t deadline_ns,
                                         weft_lease_t* out_lease) {
  const consumer_t* consumer = consumer_of(reader);
  WEFT_RETURN_IF_ERROR(find_next(consumer, deadline_ns));
  const weft_lease_t* lease = &consumer->next->lease;
  weft_value_t bytes;
  WEFT_RETURN_IF_ERROR(weft_record_create(reader->allocator, lease->status,
                                          lease->value, &bytes));
  take_next(reader, out_lease);
  weft_lease_set_encoded(out_lease, bytes);
  return WEFT_OK;
}

// What a lease is of; NULL once it was given back.
static kept_t* kept_of(const weft_lease_t* lease) {
  const shared_t* shared = consumer_of(lease->reader)->shared;
  kept_t* kept = NULL;
  weft_dlist_node_t* node = weft_dlist_first(&shared->kept);
  while (node != NULL && kept == NULL) {
    kept_t* candidate = WEFT_CONTAINER_OF(node, kept_t, node);
    kept = candidate->lease.sequence == lease->sequence ? candidate : NULL;
    node = weft_dlist_next(&shared->kept, node);
  }
  return kept;
}

static void shared_give_back(const weft_lease_t* lease) {
  consumer_t* consumer = consumer_of(lease->reader);
  shared_t* shared = consumer->shared;
  kept_t* kept = kept_of(lease);
  if (kept != NULL) {
    give_back_one(shared, kept, bit_of(consumer));
  }
  end_use(shared);
}

static void shared_unread(const weft_lease_t* lease) {
  consumer_t* consumer = consumer_of(lease->reader);
  consumer->next = kept_of(lease);
  consumer->shared->users--;
}

// The lease behind one that has not been given back.
static const weft_lease_t* inner_of(const weft_lease_t* lease) {
  const kept_t* kept = kept_of(lease);
  weft_assert(kept != NULL);
  return &kept->lease;
}

static weft_move_t* shared_share(const weft_lease_t* lease, weft_move_t* fresh,
                                 const weft_destination_t* destination) {
  const weft_lease_t* inner = inner_of(lease);
  return inner->reader->vtable->share(inner, fresh, destination);
}

static void shared_unshare(const weft_lease_t* lease, const weft_move_t* move) {
  const weft_lease_t* inner = inner_of(lease);
  inner->reader->vtable->unshare(inner, move);
}

static weft_runtime_t* shared_runtime(weft_reader_t* reader) {
  weft_reader_t* inner = consumer_of(reader)->shared->inner;
  return inner->vtable->runtime(inner);
}

static void shared_leave(weft_reader_t* reader) {
  consumer_t* consumer = consumer_of(reader);
  shared_t* shared = consumer->shared;
  shared->present &= ~bit_of(consumer);
  kept_t* kept = consumer->next;
  while (kept != NULL) {
    kept_t* next = after(shared, kept);
    give_back_one(shared, kept, bit_of(consumer));
    kept = next;
  }
  end_use(shared);
}

static weft_status_t shared_ready(weft_reader_t* reader, bool is_now,
                                  weft_future_t** out_future) {
  const consumer_t* consumer = consumer_of(reader);
  weft_reader_t* inner = consumer->shared->inner;
  return inner->vtable->ready(inner, is_now || consumer->next != NULL,
                              out_future);
}

static const weft_reader_vtable_t shared_vtable = {
    .leave = shared_leave,
    .read = shared_read,
    .unread = shared_unread,
    .share = shared_share,
    .unshare = shared_unshare,
    .runtime = shared_runtime,
    .read_encoded = shared_read_encoded,
    .give_back = shared_give_back,
    .ready = shared_ready,
};

// --- Creating ---------------------------------------------------------------

weft_status_t weft_shared_create(weft_reader_t* reader, uint32_t count,
                                 weft_reader_t** out_consumers) {
  const weft_allocator_t* allocator = reader->allocator;
  shared_t* shared =
      weft_memory_allocate_zeroed(allocator, shared_bytes(count));
  if (shared == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for %u consumers", count);
  }
  weft_object_retain(&reader->object);
  shared->allocator = allocator;
  shared->inner = reader;
  shared->users = count;
  shared->present = UINT64_MAX >> (64 - count);
  shared->consumer_count = count;
  weft_dlist_init(&shared->kept);
  for (uint32_t i = 0; i < count; i++) {
    consumer_t* consumer = &shared->consumers[i];
    weft_reader_init(&consumer->base, &shared_vtable, allocator);
    consumer->shared = shared;
    consumer->index = i;
    out_consumers[i] = &consumer->base;
  }
  return WEFT_OK;
}
