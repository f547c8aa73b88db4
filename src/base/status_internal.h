// SPDX-License-Identifier: Apache-2.0
//
// For tests: statuses allocate by themselves, from the C heap, since they
// outlive runtimes and their allocators. Here that can be made to fail.

#ifndef WEFT_BASE_STATUS_INTERNAL_H_
#define WEFT_BASE_STATUS_INTERNAL_H_

#include "weft/status.h"

// While on, every status is made as if there were no memory: a code alone.
// Thread: any; for all threads.
void weft_status_fail_allocations(bool fail);

#endif  // WEFT_BASE_STATUS_INTERNAL_H_
