// SPDX-License-Identifier: Apache-2.0
//
// Segments of other runtimes, mapped to be read.

#include "base/memory.h"
#include "memory/arena.h"
#include "sys/sys.h"
#include "value/tensor_internal.h"

#define BUCKET_COUNT 256
// Of one owner; so a peer that misbehaves does not use up what this process
// may map or open. An arena has an eighth of its size in each of its larger
// segments, so it has far fewer. Units: segments.
#define OWNER_LIMIT 4096

// A segment that is mapped.
typedef struct import import_t;
struct import {
  import_t* next;
  weft_imports_t* imports;
  weft_memfd_t memfd;
  weft_holder_t owner;
  uint32_t segment;
  // The table, while it is in there, and storages.
  uint32_t holds;
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
  import_t* buckets[BUCKET_COUNT];
};

// A storage over a part of an import.
typedef struct loan {
  import_t* import;
  weft_borrowed_t borrowed;
  weft_loan_fn_t on_release;
  void* user;
} loan_t;

// --- The table; the lock is held --------------------------------------------

static import_t** bucket_of(weft_imports_t* imports, weft_holder_t owner,
                            uint32_t segment) {
  uint32_t hash = (owner >> 16) * 31 + segment;
  return &imports->buckets[hash % BUCKET_COUNT];
}

static import_t* find_locked(weft_imports_t* imports, weft_holder_t owner,
                             uint32_t segment) {
  import_t* import = *bucket_of(imports, owner, segment);
  while (import != NULL &&
         (import->owner != owner || import->segment != segment)) {
    import = import->next;
  }
  return import;
}

static uint32_t count_locked(weft_imports_t* imports, weft_holder_t owner) {
  uint32_t count = 0;
  for (size_t i = 0; i < BUCKET_COUNT; i++) {
    for (import_t* at = imports->buckets[i]; at != NULL; at = at->next) {
      count += at->owner == owner ? 1 : 0;
    }
  }
  return count;
}

// Takes the first import at `*place` out of the table. True when nobody else
// holds it: it is to be freed.
static bool unlist_locked(import_t** place) {
  import_t* import = *place;
  *place = import->next;
  import->next = NULL;
  return --import->holds == 0;
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

// Frees a list of imports.
static void free_imports(import_t* import) {
  while (import != NULL) {
    import_t* next = import->next;
    weft_imports_t* imports = import->imports;
    weft_memfd_release(&import->memfd);
    weft_memory_free(imports->allocator, import, sizeof(*import));
    unhold(imports);
    import = next;
  }
}

static void release_hold(import_t* import) {
  weft_imports_t* imports = import->imports;
  weft_mutex_lock(&imports->lock);
  bool is_last = --import->holds == 0;
  weft_mutex_unlock(&imports->lock);
  if (is_last) {
    free_imports(import);
  }
}

// --- Segments ---------------------------------------------------------------

static weft_status_t make_import(weft_imports_t* imports, uint64_t size_bytes,
                                 int descriptor, import_t** out_import) {
  import_t* import =
      weft_memory_allocate_zeroed(imports->allocator, sizeof(*import));
  if (import == NULL) {
    weft_memfd_t memfd = {descriptor, 0, NULL};
    weft_memfd_release(&memfd);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to describe a segment of a peer");
  }
  weft_status_t status = weft_memfd_map(descriptor, size_bytes,
                                        WEFT_MEMFD_ONE_WRITER, &import->memfd);
  if (status != WEFT_OK) {
    weft_memory_free(imports->allocator, import, sizeof(*import));
    return status;
  }
  import->imports = imports;
  *out_import = import;
  return WEFT_OK;
}

// Puts an import into the table, or gives a reason why not.
static weft_status_code_t list_locked(weft_imports_t* imports,
                                      import_t* import) {
  if (find_locked(imports, import->owner, import->segment) != NULL) {
    return WEFT_STATUS_ALREADY_EXISTS;
  }
  if (count_locked(imports, import->owner) >= OWNER_LIMIT) {
    return WEFT_STATUS_RESOURCE_EXHAUSTED;
  }
  import_t** bucket = bucket_of(imports, import->owner, import->segment);
  import->next = *bucket;
  import->holds = 1;
  *bucket = import;
  return WEFT_STATUS_OK;
}

weft_status_t weft_imports_add(weft_imports_t* imports, weft_holder_t owner,
                               uint32_t segment, uint64_t segment_bytes,
                               int descriptor) {
  import_t* import = NULL;
  weft_status_t status =
      make_import(imports, segment_bytes, descriptor, &import);
  if (import == NULL) {
    return status;
  }
  import->owner = owner;
  import->segment = segment;
  weft_mutex_lock(&imports->lock);
  imports->holds++;
  weft_status_code_t code = list_locked(imports, import);
  weft_mutex_unlock(&imports->lock);
  if (code != WEFT_STATUS_OK) {
    free_imports(import);
  }
  if (code == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "rank %u has sent %d segments, the most that are "
                            "mapped",
                            owner >> 16, OWNER_LIMIT);
  }
  return WEFT_OK;
}

int weft_imports_descriptor(weft_imports_t* imports, weft_holder_t owner,
                            uint32_t segment) {
  weft_mutex_lock(&imports->lock);
  const import_t* import = find_locked(imports, owner, segment);
  int descriptor = import != NULL ? import->memfd.descriptor : -1;
  weft_mutex_unlock(&imports->lock);
  return descriptor;
}

void weft_imports_drop(weft_imports_t* imports, weft_holder_t owner,
                       uint32_t segment) {
  import_t* unused = NULL;
  weft_mutex_lock(&imports->lock);
  import_t** place = bucket_of(imports, owner, segment);
  while (*place != NULL &&
         ((*place)->owner != owner || (*place)->segment != segment)) {
    place = &(*place)->next;
  }
  import_t* import = *place;
  if (import != NULL && unlist_locked(place)) {
    unused = import;
  }
  weft_mutex_unlock(&imports->lock);
  free_imports(unused);
}

// Takes all imports of an owner, or of everyone, out of the table; returns
// those to be freed.
static import_t* unlist_all_locked(weft_imports_t* imports, bool of_everyone,
                                   weft_holder_t owner) {
  import_t* unused = NULL;
  for (size_t i = 0; i < BUCKET_COUNT; i++) {
    import_t** place = &imports->buckets[i];
    while (*place != NULL) {
      import_t* import = *place;
      if (!of_everyone && import->owner != owner) {
        place = &import->next;
      } else if (unlist_locked(place)) {
        import->next = unused;
        unused = import;
      }
    }
  }
  return unused;
}

void weft_imports_strike_off(weft_imports_t* imports, weft_holder_t owner) {
  weft_mutex_lock(&imports->lock);
  import_t* unused = unlist_all_locked(imports, false, owner);
  weft_mutex_unlock(&imports->lock);
  free_imports(unused);
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
  import_t* import = find_locked(imports, owner, name->segment);
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
  import_t* unused = unlist_all_locked(imports, true, 0);
  weft_mutex_unlock(&imports->lock);
  free_imports(unused);
  unhold(imports);
}
