// SPDX-License-Identifier: Apache-2.0
//
// weft runs programs made of actors that pass tensors. This header includes
// all others; each of them can be included alone.
//
//   common.h     macros, version, time        allocator.h  memory
//   status.h     errors                       value.h      immutable data
//   tensor.h     storage, tensors, devices    dlpack.h     exchange with others
//   executor.h   tasks, clock, timers         future.h     values to come
//   actor.h      actors and messages          runtime.h    one member of a job
//   channel.h    one writer, some readers, bounded
//   encoded.h    values as bytes, to keep or pass on
//   sim_device.h a device without hardware, for tests
//   trace.h      counters, spans, flight recorder
//
// Ownership, for the whole library: what a function creates or hands out
// through an `out_` parameter is the caller's, to release; what an accessor
// (`..._as_x`, `..._context_x`) returns is lent for as long as the object it
// came from is held; arguments are borrowed and retained by whoever keeps
// them. Functions say where they differ.
// Outputs are zeroed first and written on success only.
// Release functions take NULL (or WEFT_OK, or none) and do nothing.

#ifndef WEFT_WEFT_H_
#define WEFT_WEFT_H_

#include "weft/actor.h"
#include "weft/allocator.h"
#include "weft/channel.h"
#include "weft/common.h"
#include "weft/dlpack.h"
#include "weft/encoded.h"
#include "weft/executor.h"
#include "weft/future.h"
#include "weft/runtime.h"
#include "weft/sim_device.h"
#include "weft/status.h"
#include "weft/tensor.h"
#include "weft/trace.h"
#include "weft/value.h"

#endif  // WEFT_WEFT_H_
