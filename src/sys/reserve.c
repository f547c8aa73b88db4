// SPDX-License-Identifier: Apache-2.0

#include "sys/reserve.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

weft_status_t weft_sys_reserve(size_t size_bytes, void** out_address) {
  *out_address = NULL;
  void* address =
      mmap(NULL, size_bytes, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, 0);
  if (address == MAP_FAILED) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "%zu bytes of addresses cannot be reserved: %s",
                            size_bytes, strerror(errno));
  }
  *out_address = address;
  return WEFT_OK;
}

void weft_sys_unreserve(void* address, size_t size_bytes) {
  if (address != NULL) {
    (void)munmap(address, size_bytes);
  }
}
