// SPDX-License-Identifier: Apache-2.0
//
// A full memory barrier on every thread of the process at once, paid for by
// the one that asks. It lets two threads each write one word and then read
// the other's ("did you see me?") with a barrier on the rare side alone:
//
//   often                          rarely
//   store a                        store b
//   weft_membarrier_light()        weft_membarrier_heavy()
//   load b                         load a      at least one load sees the
//                                              other's store
//
// Source: membarrier(2), private expedited.

#ifndef WEFT_SYS_MEMBARRIER_H_
#define WEFT_SYS_MEMBARRIER_H_

#include <stdatomic.h>
#include <stdbool.h>

// Prepares the process. False when the kernel cannot do it; then neither
// function below may be relied on. May be called again.
bool weft_membarrier_open(void);

// The rare side. Costs some microseconds.
void weft_membarrier_heavy(void);

// The frequent side: keeps the compiler from moving the load above the store;
// costs nothing at run time.
static inline void weft_membarrier_light(void) {
  // lint-allow fence: no operation on one atomic orders two different ones
  // for the compiler alone; the processor's part is done by the rare side.
  atomic_signal_fence(memory_order_seq_cst);
}

#endif  // WEFT_SYS_MEMBARRIER_H_
