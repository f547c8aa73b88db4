// SPDX-License-Identifier: Apache-2.0

#include "sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Debian 12's headers do not have it; Linux 5.1 does.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

// What is reserved at once: some 0.3 ms.
#define PIECE_BYTES ((size_t)1 << 20)

#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

size_t weft_sys_page_bytes(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

// What the limit of a control group says; UINT64_MAX when it says nothing.
static uint64_t group_limit_bytes(void) {
  uint64_t limit_bytes = UINT64_MAX;
  FILE* file = fopen("/sys/fs/cgroup/memory.max", "re");
  if (file != NULL) {
    unsigned long long number = 0;
    // "max" is no number.
    if (fscanf(file, "%llu", &number) == 1) {
      limit_bytes = number;
    }
    (void)fclose(file);
  }
  return limit_bytes;
}

uint64_t weft_sys_memory_bytes(void) {
  uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
  uint64_t host_bytes = pages * weft_sys_page_bytes();
  uint64_t limit_bytes = group_limit_bytes();
  return limit_bytes < host_bytes ? limit_bytes : host_bytes;
}

static weft_status_t failed(int error, const char* what, size_t size_bytes) {
  const char* advice = "";
  if (error == EMFILE || error == ENFILE) {
    advice = "; raise the limit of open files (ulimit -n)";
  } else if (error == ENOSPC || error == ENOMEM) {
    advice = "; free memory, or raise the limit of this process or container";
  }
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "%zu bytes of shared memory: %s: %s%s", size_bytes,
                          what, strerror(error), advice);
}

static weft_status_t map(weft_memfd_t* memfd, bool may_write) {
  int protection = may_write ? PROT_READ | PROT_WRITE : PROT_READ;
  void* data = mmap(NULL, memfd->size_bytes, protection, MAP_SHARED,
                    memfd->descriptor, 0);
  if (data == MAP_FAILED) {
    return failed(errno, "cannot be mapped", memfd->size_bytes);
  }
  memfd->data = data;
  return WEFT_OK;
}

// --- Making -----------------------------------------------------------------

// Piece by piece: kernels give back all of a call that a signal interrupts, so
// a timer that rings while a large one is reserved would have it begin again
// for ever.
static weft_status_t reserve(const weft_memfd_t* memfd) {
  size_t done_bytes = 0;
  while (done_bytes < memfd->size_bytes) {
    size_t rest_bytes = memfd->size_bytes - done_bytes;
    size_t piece_bytes = rest_bytes < PIECE_BYTES ? rest_bytes : PIECE_BYTES;
    if (fallocate(memfd->descriptor, 0, (off_t)done_bytes,
                  (off_t)piece_bytes) == 0) {
      done_bytes += piece_bytes;
    } else if (errno != EINTR) {
      return failed(errno, "cannot be reserved", memfd->size_bytes);
    }
  }
  return WEFT_OK;
}

static weft_status_t seal(const weft_memfd_t* memfd,
                          weft_memfd_access_t access) {
  int seals = SIZE_SEALS;
  if (access == WEFT_MEMFD_ONE_WRITER) {
    seals |= F_SEAL_FUTURE_WRITE;
  }
  return fcntl(memfd->descriptor, F_ADD_SEALS, seals) == 0
             ? WEFT_OK
             : failed(errno, "cannot be sealed", memfd->size_bytes);
}

static weft_status_t fill(weft_memfd_t* memfd, weft_memfd_access_t access) {
  WEFT_RETURN_IF_ERROR(reserve(memfd));
  // Before the seal, which forbids it.
  WEFT_RETURN_IF_ERROR(map(memfd, true));
  return seal(memfd, access);
}

weft_status_t weft_memfd_create(const char* name, size_t size_bytes,
                                weft_memfd_access_t access,
                                weft_memfd_t* out_memfd) {
  size_t page_bytes = weft_sys_page_bytes();
  *out_memfd = (weft_memfd_t)WEFT_MEMFD_NONE;
  if (size_bytes == 0 || size_bytes > SIZE_MAX / 2 - page_bytes) {
    return failed(ENOMEM, "cannot be made", size_bytes);
  }
  weft_memfd_t memfd = WEFT_MEMFD_NONE;
  memfd.size_bytes = (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
  memfd.descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memfd.descriptor < 0) {
    return failed(errno, "cannot be made", size_bytes);
  }
  weft_status_t status = fill(&memfd, access);
  if (status != WEFT_OK) {
    weft_memfd_release(&memfd);
    return status;
  }
  *out_memfd = memfd;
  return WEFT_OK;
}

// --- Mapping what others made -----------------------------------------------

static weft_status_t check(int descriptor, size_t size_bytes,
                           weft_memfd_access_t access, size_t* out_size_bytes) {
  struct stat stat;
  int seals = fcntl(descriptor, F_GET_SEALS);
  int wanted = SIZE_SEALS;
  if (access == WEFT_MEMFD_ONE_WRITER) {
    wanted |= F_SEAL_FUTURE_WRITE;
  }
  if (seals < 0 || fstat(descriptor, &stat) != 0 || !S_ISREG(stat.st_mode)) {
    return weft_status_make(
        WEFT_STATUS_DATA_LOSS,
        "a peer sent a descriptor that is no shared memory");
  }
  if ((seals & wanted) != wanted) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "a peer sent shared memory with seals 0x%x; they "
                            "must include 0x%x",
                            (unsigned)seals, (unsigned)wanted);
  }
  if (stat.st_size <= 0 ||
      (size_bytes != 0 && (uint64_t)stat.st_size != size_bytes)) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "a peer sent shared memory of %lld bytes; %zu were "
                            "announced",
                            (long long)stat.st_size, size_bytes);
  }
  *out_size_bytes = (size_t)stat.st_size;
  return WEFT_OK;
}

weft_status_t weft_memfd_map(int descriptor, size_t size_bytes,
                             weft_memfd_access_t access,
                             weft_memfd_t* out_memfd) {
  *out_memfd = (weft_memfd_t)WEFT_MEMFD_NONE;
  weft_memfd_t memfd = {descriptor, 0, NULL};
  weft_status_t status =
      check(descriptor, size_bytes, access, &memfd.size_bytes);
  if (status == WEFT_OK) {
    status = map(&memfd, access == WEFT_MEMFD_SHARED);
  }
  if (status != WEFT_OK) {
    weft_memfd_release(&memfd);
    return status;
  }
  *out_memfd = memfd;
  return WEFT_OK;
}

void weft_memfd_populate(const weft_memfd_t* memfd, size_t offset_bytes,
                         size_t size_bytes) {
#ifdef MADV_POPULATE_WRITE
  size_t page_bytes = weft_sys_page_bytes();
  size_t start = offset_bytes / page_bytes * page_bytes;
  (void)madvise((char*)memfd->data + start, offset_bytes + size_bytes - start,
                MADV_POPULATE_WRITE);
#else
  (void)memfd;
  (void)offset_bytes;
  (void)size_bytes;
#endif
}

// --- The end ----------------------------------------------------------------

weft_memfd_identity_t weft_memfd_identity(int descriptor) {
  struct stat stat;
  weft_memfd_identity_t identity = {0, 0};
  if (fstat(descriptor, &stat) == 0 && S_ISREG(stat.st_mode)) {
    identity.device = stat.st_dev;
    identity.number = stat.st_ino;
  }
  return identity;
}

bool weft_memfd_is_same(weft_memfd_identity_t one,
                        weft_memfd_identity_t other) {
  return one.number != 0 && one.number == other.number &&
         one.device == other.device;
}

void weft_memfd_close_descriptor(weft_memfd_t* memfd) {
  if (memfd->descriptor >= 0) {
    (void)close(memfd->descriptor);
    memfd->descriptor = -1;
  }
}

void weft_memfd_release(weft_memfd_t* memfd) {
  if (memfd->data != NULL) {
    (void)munmap(memfd->data, memfd->size_bytes);
  }
  weft_memfd_close_descriptor(memfd);
  *memfd = (weft_memfd_t)WEFT_MEMFD_NONE;
}
