// SPDX-License-Identifier: Apache-2.0
//
// Addresses without memory: nobody can read or write there, and nothing else
// in the process is given them.
//
// Thread: any, at any time. Blocks: nothing here does.

#ifndef WEFT_SYS_RESERVE_H_
#define WEFT_SYS_RESERVE_H_

#include "weft/status.h"

// Reserves `size_bytes` (> 0, rounded up to whole pages) of addresses, aligned
// to a page. Whoever touches one dies of SIGSEGV. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_sys_reserve(size_t size_bytes, void** out_address);

// Gives them back, with the size that was asked for. NULL is fine.
void weft_sys_unreserve(void* address, size_t size_bytes);

#endif  // WEFT_SYS_RESERVE_H_
