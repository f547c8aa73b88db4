// SPDX-License-Identifier: Apache-2.0
//
// Segments of other runtimes, mapped to be read.

#include "base/memory.h"
#include "memory/arena.h"
#include "sys/sys.h"
#include "value/tensor_internal.h"

#define BUCKET_COUNT 256
// Of one sender; so a peer that misbehaves does not use up what this process
// may map or open. An arena has an eighth of its size in each of its larger
// segments, so it has far fewer. Units: segments.
#define SENDER_LIMIT 4096

// A segment that is mapped.
typedef struct import {
  weft_imports_t* imports;
  weft_memfd_t memfd;
  // See `weft_memfd_identity`; and its number here.
  weft_memfd_identity_t identity;
  uint64_t mapping;
  // Its entries in the table; and those, and storages.
  uint32_t listed;
  uint32_t holds;
} import_t;

// What somebody says is a segment of an owner.
typedef struct entry entry_t;
struct entry {
  entry_t* next;
  import_t* import;
  weft_holder_t from;
  weft_holder_t owner;
  uint32_t segment;
};

struct weft_imports {
  const weft_allocator_t* allocator;
  uint32_t process;
  weft_mutex_t lock;
  // Changes when a call of `on_release` has returned.
  _Atomic uint32_t returned;

  // --- Guarded by the lock ---
  bool is_closed;
  // Calls of `on_release` that run.
  uint32_t running;
  // The owner, and every import.
  uint32_t holds;
  uint64_t mapping_count;
  entry_t* buckets[BUCKET_COUNT];
};

// A storage over a part of an import.
typedef struct loan {
  import_t* import;
  weft_borrowed_t borrowed;
  weft_loan_fn_t on_release;
  void* user;
} loan_t;

// --- The table; the lock is held --------------------------------------------

static entry_t** bucket_of(weft_imports_t* imports, weft_holder_t owner,
                           uint32_t segment) {
  uint32_t hash = (owner >> 16) * 31 + segment;
  return &imports->buckets[hash % BUCKET_COUNT];
}

static bool is_of(const entry_t* entry, weft_holder_t owner, uint32_t segment) {
  return entry->owner == owner && entry->segment == segment;
}

static entry_t* find_locked(weft_imports_t* imports, weft_holder_t from,
                            weft_holder_t owner, uint32_t segment) {
  entry_t* entry = *bucket_of(imports, owner, segment);
  while (entry != NULL &&
         (entry->from != from || !is_of(entry, owner, segment))) {
    entry = entry->next;
  }
  return entry;
}

// The segment as the owner says, or else as the lender does.
static import_t* find_import_locked(weft_imports_t* imports,
                                    const weft_borrowed_t* borrowed) {
  weft_holder_t owner = borrowed->owner;
  uint32_t segment = borrowed->name.segment;
  const entry_t* entry = find_locked(imports, owner, owner, segment);
  if (entry == NULL) {
    entry = find_locked(imports, borrowed->lender, owner, segment);
  }
  return entry != NULL ? entry->import : NULL;
}

// The same memory under the same name, whoever has sent it.
static import_t* find_same_locked(weft_imports_t* imports, weft_holder_t owner,
                                  uint32_t segment,
                                  weft_memfd_identity_t identity) {
  const entry_t* entry = *bucket_of(imports, owner, segment);
  while (entry != NULL &&
         (!is_of(entry, owner, segment) ||
          !weft_memfd_is_same(entry->import->identity, identity))) {
    entry = entry->next;
  }
  return entry != NULL ? entry->import : NULL;
}

static uint32_t count_locked(weft_imports_t* imports, weft_holder_t from) {
  uint32_t count = 0;
  for (size_t i = 0; i < BUCKET_COUNT; i++) {
    for (entry_t* at = imports->buckets[i]; at != NULL; at = at->next) {
      count += at->from == from ? 1 : 0;
    }
  }
  return count;
}

// Takes the entry at `*place` out, and puts it before a list of those that are
// to be freed.
static entry_t* unlist_locked(entry_t** place, entry_t* unused) {
  entry_t* entry = *place;
  *place = entry->next;
  entry->import->listed--;
  entry->next = unused;
  return entry;
}

// --- Freeing; the lock is not held ------------------------------------------

static void unhold(weft_imports_t* imports) {
  weft_mutex_lock(&imports->lock);
  bool is_last = --imports->holds == 0;
  weft_mutex_unlock(&imports->lock);
  if (is_last) {
    weft_mutex_deinit(&imports->lock);
    weft_memory_free(imports->allocator, imports, sizeof(*imports));
  }
}

static void release_hold(import_t* import) {
  weft_imports_t* imports = import->imports;
  weft_mutex_lock(&imports->lock);
  bool is_last = --import->holds == 0;
  weft_mutex_unlock(&imports->lock);
  if (is_last) {
    weft_memfd_release(&import->memfd);
    weft_memory_free(imports->allocator, import, sizeof(*import));
    unhold(imports);
  }
}

static void free_entries(weft_imports_t* imports, entry_t* entry) {
  while (entry != NULL) {
    entry_t* next = entry->next;
    if (entry->import != NULL) {
      release_hold(entry->import);
    }
    weft_memory_free(imports->allocator, entry, sizeof(*entry));
    entry = next;
  }
}

// --- Segments ---------------------------------------------------------------

static weft_status_t no_memory(void) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory to describe a segment of a peer");
}

// Owns: takes `descriptor` over, also on failure.
static weft_status_t make_import(weft_imports_t* imports, int descriptor,
                                 import_t** out_import) {
  weft_memfd_identity_t identity = weft_memfd_identity(descriptor);
  import_t* import =
      weft_memory_allocate_zeroed(imports->allocator, sizeof(*import));
  if (import == NULL) {
    weft_memfd_t memfd = {descriptor, 0, NULL};
    weft_memfd_release(&memfd);
    return no_memory();
  }
  weft_status_t status =
      weft_memfd_map(descriptor, 0, WEFT_MEMFD_ONE_WRITER, &import->memfd);
  if (status != WEFT_OK) {
    weft_memory_free(imports->allocator, import, sizeof(*import));
    return status;
  }
  import->imports = imports;
  import->identity = identity;
  import->holds = 1;
  weft_mutex_lock(&imports->lock);
  imports->holds++;
  import->mapping = ++imports->mapping_count;
  weft_mutex_unlock(&imports->lock);
  *out_import = import;
  return WEFT_OK;
}

// Puts an entry into the table, whose import has a hold for it; what is not
// needed is put before `*unused`. False when its sender has too many.
static bool list_locked(weft_imports_t* imports, entry_t* entry,
                        entry_t** unused) {
  entry_t* known =
      find_locked(imports, entry->from, entry->owner, entry->segment);
  if (known == NULL && count_locked(imports, entry->from) >= SENDER_LIMIT) {
    return false;
  }
  entry->import->listed++;
  if (known == NULL) {
    entry_t** bucket = bucket_of(imports, entry->owner, entry->segment);
    entry->next = *bucket;
    *bucket = entry;
    return true;
  }
  import_t* import = known->import;
  import->listed--;
  known->import = entry->import;
  entry->import = import;
  entry->next = *unused;
  *unused = entry;
  return true;
}

// Finds what is mapped already, with a hold; false when the owner has sent the
// segment itself, and nobody else need.
static bool hold_known(weft_imports_t* imports, const entry_t* entry,
                       weft_memfd_identity_t identity, import_t** out_import) {
  weft_mutex_lock(&imports->lock);
  bool is_needed =
      entry->from == entry->owner ||
      find_locked(imports, entry->owner, entry->owner, entry->segment) == NULL;
  *out_import = is_needed ? find_same_locked(imports, entry->owner,
                                             entry->segment, identity)
                          : NULL;
  if (*out_import != NULL) {
    (*out_import)->holds++;
  }
  weft_mutex_unlock(&imports->lock);
  return is_needed;
}

// Owns: takes both over.
static weft_status_t list(weft_imports_t* imports, entry_t* entry) {
  entry_t* unused = NULL;
  weft_holder_t from = entry->from;
  weft_mutex_lock(&imports->lock);
  bool is_listed = list_locked(imports, entry, &unused);
  weft_mutex_unlock(&imports->lock);
  free_entries(imports, is_listed ? unused : entry);
  return is_listed ? WEFT_OK
                   : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                      "rank %u has sent %d segments, the most "
                                      "that are mapped",
                                      from >> 16, SENDER_LIMIT);
}

weft_status_t weft_imports_add(weft_imports_t* imports, weft_holder_t from,
                               weft_holder_t owner, uint32_t segment,
                               int descriptor) {
  weft_memfd_t sent = {descriptor, 0, NULL};
  entry_t* entry =
      weft_memory_allocate_zeroed(imports->allocator, sizeof(*entry));
  if (entry == NULL) {
    weft_memfd_release(&sent);
    return no_memory();
  }
  *entry = (entry_t){.from = from, .owner = owner, .segment = segment};
  bool is_needed = hold_known(imports, entry, weft_memfd_identity(descriptor),
                              &entry->import);
  if (!is_needed || entry->import != NULL) {
    weft_memfd_release(&sent);
  }
  if (!is_needed) {
    free_entries(imports, entry);
    return WEFT_OK;
  }
  if (entry->import == NULL) {
    weft_status_t status = make_import(imports, descriptor, &entry->import);
    if (status != WEFT_OK) {
      free_entries(imports, entry);
      return status;
    }
  }
  return list(imports, entry);
}

bool weft_imports_drop(weft_imports_t* imports, weft_holder_t from,
                       weft_holder_t owner, uint32_t segment) {
  entry_t* unused = NULL;
  bool is_gone = true;
  weft_mutex_lock(&imports->lock);
  entry_t** place = bucket_of(imports, owner, segment);
  while (*place != NULL) {
    bool is_same = is_of(*place, owner, segment);
    if (is_same && (from == owner || (*place)->from == from)) {
      unused = unlist_locked(place, unused);
    } else {
      is_gone = is_gone && !is_same;
      place = &(*place)->next;
    }
  }
  weft_mutex_unlock(&imports->lock);
  free_entries(imports, unused);
  return is_gone;
}

// Takes what has to do with a runtime, or everything, out of the table; returns
// what is to be freed.
static entry_t* unlist_all_locked(weft_imports_t* imports, bool is_everything,
                                  weft_holder_t holder) {
  entry_t* unused = NULL;
  for (size_t i = 0; i < BUCKET_COUNT; i++) {
    entry_t** place = &imports->buckets[i];
    while (*place != NULL) {
      if (is_everything || (*place)->owner == holder ||
          (*place)->from == holder) {
        unused = unlist_locked(place, unused);
      } else {
        place = &(*place)->next;
      }
    }
  }
  return unused;
}

void weft_imports_strike_off(weft_imports_t* imports, weft_holder_t holder) {
  weft_mutex_lock(&imports->lock);
  entry_t* unused = unlist_all_locked(imports, false, holder);
  weft_mutex_unlock(&imports->lock);
  free_entries(imports, unused);
}

// --- Storages ---------------------------------------------------------------

// True when `on_release` may be called; `end_call` then follows.
static bool begin_call(weft_imports_t* imports) {
  weft_mutex_lock(&imports->lock);
  bool is_open = !imports->is_closed;
  imports->running += is_open ? 1 : 0;
  weft_mutex_unlock(&imports->lock);
  return is_open;
}

static void end_call(weft_imports_t* imports) {
  weft_mutex_lock(&imports->lock);
  imports->running--;
  // Relaxed: who waits looks again under the lock.
  atomic_fetch_add_explicit(&imports->returned, 1, memory_order_relaxed);
  bool is_awaited = imports->is_closed;
  weft_mutex_unlock(&imports->lock);
  if (is_awaited) {
    weft_futex_wake(&imports->returned, UINT32_MAX);
  }
}

static void release_loan(void* user) {
  loan_t* loan = user;
  import_t* import = loan->import;
  weft_imports_t* imports = import->imports;
  // A forked child has no part in the job, and the lock may be held for ever.
  if (imports->process != weft_sys_process_id()) {
    return;
  }
  if (begin_call(imports)) {
    loan->on_release(loan->user, &loan->borrowed);
    end_call(imports);
  }
  weft_memory_free(imports->allocator, loan, sizeof(*loan));
  release_hold(import);
}

static bool is_within(const import_t* import, const weft_block_name_t* name) {
  uint64_t has_bytes = import->memfd.size_bytes;
  return name->segment_bytes == has_bytes && name->offset_bytes <= has_bytes &&
         name->size_bytes <= has_bytes - name->offset_bytes;
}

// Finds and holds a segment.
static weft_status_t hold_import(weft_imports_t* imports,
                                 const weft_borrowed_t* borrowed,
                                 import_t** out_import) {
  const weft_block_name_t* name = &borrowed->name;
  weft_holder_t owner = borrowed->owner;
  weft_mutex_lock(&imports->lock);
  import_t* import = find_import_locked(imports, borrowed);
  bool fits = import != NULL && is_within(import, name);
  if (fits) {
    import->holds++;
  }
  weft_mutex_unlock(&imports->lock);
  if (import == NULL) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "segment %u of rank %u is not here", name->segment,
                            owner >> 16);
  }
  if (!fits) {
    return weft_status_make(
        WEFT_STATUS_DATA_LOSS,
        "rank %u lent %llu bytes at %llu of its segment %u, which does not "
        "have them",
        owner >> 16, (unsigned long long)name->size_bytes,
        (unsigned long long)name->offset_bytes, name->segment);
  }
  *out_import = import;
  return WEFT_OK;
}

static weft_status_t make_loan(weft_imports_t* imports, const loan_t* filled,
                               weft_storage_t** out_storage) {
  loan_t* loan = weft_memory_allocate(imports->allocator, sizeof(*loan));
  if (loan == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to describe a loan");
  }
  *loan = *filled;
  const weft_memory_t memory = {
      .data =
          (char*)loan->import->memfd.data + loan->borrowed.name.offset_bytes,
      .size_bytes = loan->borrowed.name.size_bytes,
      .read_only = true,
      .release = release_loan,
      .user = loan,
  };
  weft_status_t status =
      weft_storage_wrap(imports->allocator, NULL, &memory, out_storage);
  if (status != WEFT_OK) {
    weft_memory_free(imports->allocator, loan, sizeof(*loan));
  }
  return status;
}

weft_status_t weft_imports_storage(weft_imports_t* imports,
                                   const weft_borrowed_t* borrowed,
                                   weft_loan_fn_t on_release, void* user,
                                   weft_storage_t** out_storage) {
  loan_t loan = {.borrowed = *borrowed, .on_release = on_release, .user = user};
  *out_storage = NULL;
  weft_status_t status = hold_import(imports, borrowed, &loan.import);
  if (loan.import == NULL) {
    return status;
  }
  status = make_loan(imports, &loan, out_storage);
  if (status != WEFT_OK) {
    release_hold(loan.import);
  }
  return status;
}

bool weft_imports_find(weft_imports_t* imports, const weft_storage_t* storage,
                       weft_borrowed_t* out_borrowed) {
  *out_borrowed = (weft_borrowed_t){0};
  if (storage->release != release_loan) {
    return false;
  }
  const loan_t* loan = storage->user;
  if (loan->import->imports != imports) {
    return false;
  }
  *out_borrowed = loan->borrowed;
  return true;
}

int weft_imports_descriptor(weft_imports_t* imports,
                            const weft_storage_t* storage,
                            uint64_t* out_mapping) {
  *out_mapping = 0;
  if (storage->release != release_loan) {
    return -1;
  }
  const import_t* import = ((const loan_t*)storage->user)->import;
  if (import->imports != imports) {
    return -1;
  }
  *out_mapping = import->mapping;
  weft_mutex_lock(&imports->lock);
  int descriptor = import->listed > 0 ? import->memfd.descriptor : -1;
  weft_mutex_unlock(&imports->lock);
  return descriptor;
}

// --- Life -------------------------------------------------------------------

weft_status_t weft_imports_create(weft_runtime_t* runtime,
                                  weft_imports_t** out_imports) {
  *out_imports = NULL;
  weft_imports_t* imports =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*imports));
  if (imports == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the segments of peers");
  }
  imports->allocator = runtime->allocator;
  imports->process = weft_sys_process_id();
  imports->holds = 1;
  weft_mutex_init(&imports->lock);
  *out_imports = imports;
  return WEFT_OK;
}

void weft_imports_destroy(weft_imports_t* imports) {
  if (imports == NULL) {
    return;
  }
  weft_mutex_lock(&imports->lock);
  imports->is_closed = true;
  while (imports->running > 0) {
    // Relaxed: changed under the lock.
    uint32_t seen =
        atomic_load_explicit(&imports->returned, memory_order_relaxed);
    weft_mutex_unlock(&imports->lock);
    weft_futex_wait(&imports->returned, seen, WEFT_TIME_INFINITE);
    weft_mutex_lock(&imports->lock);
  }
  entry_t* unused = unlist_all_locked(imports, true, 0);
  weft_mutex_unlock(&imports->lock);
  free_entries(imports, unused);
  unhold(imports);
}
