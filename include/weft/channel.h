// SPDX-License-Identifier: Apache-2.0
//
// Channels: one writer, a fixed set of readers, a bounded number of slots.
// Every reader gets every value that is written after the channel was made, in
// order, whether or not it was open by then. A slot is free again when every
// reader has released what is in it, so the slowest reader sets the pace, and
// nothing grows.
//
//   writer --> [ 4 | 5 | 6 |   ] --> reader 0: reads 6, holds 4
//                                \-> reader 1: reads 4
//
// Ends are values of kind CHANNEL_END: they can be put into lists and passed
// to actors, here and in other processes. An end that nobody uses yet may be
// sent, and passed on, by whoever has it; there may be copies of it in several
// processes. Whoever opens it first, or uses it, has it, an actor or a plain
// thread, and is the only one to use it; from then on it stays in that process.
// Consumers of a shared reader stay where they are, too.
//
// Values go straight from the writer's process to those of readers, once to
// each process, as arguments of calls do: shared tensors are lent, and those of
// devices go by way of memory of the host. A value that
// cannot be encoded (an opaque object) fails its write when a reader is
// elsewhere; within a process everything passes as it is.
//
// An end that nobody holds any more has left. Once the writer has left, readers
// get what was committed and then ABANDONED, or what `weft_writer_close` said.
// A reader that has left holds no slot. An end of which no copy is left in any
// process, and that nobody used, has left. When the writer's process dies,
// readers elsewhere get what had come to them, and then PEER_DIED; when a
// reader's does, its slots come back, and the channel goes on with the others.
//
// Waiting: every wait has a deadline, which the deadline of the work at hand
// cuts; WEFT_TIME_NOW is one try. A wait that fails has changed nothing and can
// be tried again. It ends at once when the other side closes or leaves, when
// the work at hand is cancelled, and when the runtime stops. Between two ends
// of one actor nobody can wait: full or empty is WOULD_BLOCK at once.
//
// A forked child has no part in a channel that goes to other processes: FORKED.
//
// Thread: one at a time for each end, unless it says otherwise; different ends
// at the same time.
// Blocks: only functions with a deadline.
// Sources of the ideas: the channels of Ray's compiled graphs; leases after
// iceoryx2's samples.

#ifndef WEFT_CHANNEL_H_
#define WEFT_CHANNEL_H_

#include "weft/future.h"
#include "weft/runtime.h"
#include "weft/tensor.h"

WEFT_BEGIN_DECLS

#define WEFT_CHANNEL_READER_LIMIT 64
#define WEFT_CHANNEL_SLOT_LIMIT 65536
#define WEFT_CHANNEL_SLOT_BYTES_LIMIT (1u << 30)
#define WEFT_CHANNEL_NO_RING UINT32_MAX

typedef struct weft_writer weft_writer_t;
typedef struct weft_reader weft_reader_t;

typedef struct weft_channel_options {
  // For reports; NULL: "channel". Copied.
  const char* name;
  // 1 to WEFT_CHANNEL_READER_LIMIT; 0: one.
  uint32_t reader_count;
  // Values that can be on their way, leased ones among them: 1 to
  // WEFT_CHANNEL_SLOT_LIMIT; 0: two, so that one can be written while another
  // is read.
  uint32_t slot_count;
  // Of the shared memory of each slot, where readers are in other processes of
  // the host: what takes no more, encoded, is written into it, which is by far
  // the fastest; what takes more is lent or copied beside it. It is taken from
  // this runtime's shared memory with the first value that goes there; without
  // any left all goes beside it. 0: 240 bytes. At most
  // WEFT_CHANNEL_SLOT_BYTES_LIMIT; or WEFT_CHANNEL_NO_RING for no such memory.
  uint32_t slot_bytes;
  // All values have the structure of the first one: lists of the same lengths,
  // maps with the same keys in the same order, tensors of the same dtypes and
  // shapes, and else values of the same kinds, which may differ: numbers,
  // texts and bytes of any length. Errors can be written all the same. Readers
  // elsewhere are told the structure with the first values, and from then on
  // get the data alone; a tensor with gaps takes its structure along.
  bool is_static;
} weft_channel_options_t;

// Makes a channel. `options` may be NULL. `out_readers` has room for as many
// as the options say, one at least.
// Owns: hands over one reference to each end.
// Errors: INVALID_ARGUMENT for counts beyond the limits; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_channel_create(
    weft_runtime_t* runtime, const weft_channel_options_t* options,
    weft_writer_t** out_writer, weft_reader_t** out_readers);

// --- Ends as values ---------------------------------------------------------

// An end as a value; retains it. Thread: any.
WEFT_API weft_value_t weft_writer_value(weft_writer_t* writer);
WEFT_API weft_value_t weft_reader_value(weft_reader_t* reader);

// Opens the end inside a value for the calling actor, or plain thread. Once
// more in the same process does no harm: it gives the same end. An end that was
// never opened can be used all the same, and belongs to no actor.
// Does not wait for another process: where one has opened the end at the same
// time, the first write or read says ALREADY_EXISTS; where the process that
// made the channel, or has its writer, has died meanwhile, PEER_DIED.
// Owns: hands over a reference.
// Errors: INVALID_ARGUMENT for another kind of value, and for a reader's end
// where a writer's is wanted, or the other way round; FAILED_PRECONDITION for
// an end that is known to be used in another process: the message says where.
// Sending an end that is in use fails with FAILED_PRECONDITION as well. An
// end can come home when its channel is gone: what uses it says CLOSED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_writer_open(weft_value_t end, weft_writer_t** out_writer);
WEFT_API WEFT_MUST_USE weft_status_t
weft_reader_open(weft_value_t end, weft_reader_t** out_reader);

// Gives a reference back; the end has left with the last one. Leases of a
// reader that has left stay valid until they are released. NULL is fine.
// Thread: any.
WEFT_API void weft_writer_release(weft_writer_t* writer);
WEFT_API void weft_reader_release(weft_reader_t* reader);

// --- Writing ----------------------------------------------------------------

// Writes a value to every reader. Retains it; opaque objects pass as they are,
// within a process.
// Errors: WOULD_BLOCK without a wait, and DEADLINE_EXCEEDED after one, when no
// slot was free: the latter says which reader holds the one that is next, how
// many it has yet to read, and how long this value has waited, also in writes
// before that failed; CLOSED after a close, and when the last reader
// has left; PEER_DIED when its process died; FAILED_PRECONDITION between
// `reserve` and its end; CANCELLED; those of `weft_writer_open`. With a reader
// elsewhere: UNIMPLEMENTED for what cannot be sent, the message has its path
// within the value; nobody gets anything then, and the channel goes on. So it
// does where the structure is static: INVALID_ARGUMENT for a value with another
// one, the message has the path, what is there and what should be;
// FAILED_PRECONDITION for a tensor that is not sized. Tensors of devices are
// copied to memory of the host for readers elsewhere, once for all of them, and
// waited for until the deadline: what the devices say is an error of the write,
// too, and after WOULD_BLOCK and DEADLINE_EXCEEDED the same value goes on
// waiting for them.
WEFT_API WEFT_MUST_USE weft_status_t weft_writer_write(weft_writer_t* writer,
                                                       weft_value_t value,
                                                       int64_t deadline_ns);

// Writes an error in place of a value: every reader gets it in its turn, with
// its identity, and the channel goes on. `error` is not OK. Borrows it.
// Errors: as `weft_writer_write`; INVALID_ARGUMENT for OK.
WEFT_API WEFT_MUST_USE weft_status_t weft_writer_fail(weft_writer_t* writer,
                                                      weft_status_t error,
                                                      int64_t deadline_ns);

// Lends `size_bytes` bytes, at least one, of the next slot, to be filled in
// place; readers get them as bytes. They are whatever they were before.
// Errors: as `weft_writer_write`; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_writer_reserve(weft_writer_t* writer,
                                                         size_t size_bytes,
                                                         int64_t deadline_ns,
                                                         void** out_data);
// Passes the first `size_bytes` of what was reserved on. Errors:
// FAILED_PRECONDITION without a reservation; OUT_OF_RANGE for more than was
// reserved, which stays; CLOSED when the last reader has left meanwhile;
// INVALID_ARGUMENT where the values of a static channel are no bytes.
WEFT_API WEFT_MUST_USE weft_status_t weft_writer_commit(weft_writer_t* writer,
                                                        size_t size_bytes);
// Gives a reservation up; none is fine.
WEFT_API void weft_writer_abandon(weft_writer_t* writer);

// Ends the channel. With WEFT_OK readers get what was committed and then
// CLOSED; with an error they get that at once, in place of what they have not
// read yet. The first close counts. Leases stay valid.
// Owns: takes `reason` over.
WEFT_API void weft_writer_close(weft_writer_t* writer, weft_status_t reason);

// Writes what is encoded already (weft/encoded.h), a value or an error: readers
// get what it stands for, as if it had been written. Where it can be passed on
// as it is, nothing is made of it here. Borrows the bytes.
// Errors: as `weft_writer_write`; DATA_LOSS for what is no encoded value, of
// which nobody gets anything; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_writer_write_encoded(weft_writer_t* writer, const void* data,
                          size_t size_bytes, int64_t deadline_ns);

// A future of none that completes once a write would not wait. Thread: any.
// Owns: hands over a reference. Errors: RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_writer_ready(weft_writer_t* writer, weft_future_t** out_future);

// --- Reading ----------------------------------------------------------------

// What a reader has taken from a slot and not given back yet. It may be held
// while others are read and released, in any order; until then the writer has
// one slot less.
typedef struct weft_lease {
  // NULL: released.
  weft_reader_t* reader;
  // The number of the value, from 0 on.
  uint64_t sequence;
  // An error that was written; lent. WEFT_OK: `value` counts.
  weft_status_t status;
  // Lent until the release: retain what is to outlive it. Bytes of 512 or more
  // may lie in the slot itself, in memory of the writer's process; whoever
  // retains those keeps the slot, as if the lease were not released.
  weft_value_t value;
  // `value` was made for the reader, and is this lease's alone. Private.
  bool is_moved;
} weft_lease_t;

// Takes the next value, or the next error.
// Errors: WOULD_BLOCK without a wait, and DEADLINE_EXCEEDED after one, when
// nothing was there; what the writer ended the channel with, CLOSED among it;
// ABANDONED when the writer left without a close; PEER_DIED when its process
// died; DEADLOCK when this reader itself holds every slot; CANCELLED; those of
// `weft_reader_open`.
WEFT_API WEFT_MUST_USE weft_status_t weft_reader_read(weft_reader_t* reader,
                                                      int64_t deadline_ns,
                                                      weft_lease_t* out_lease);

// Where a reader wants the tensors of a value to be.
typedef struct weft_destination {
  // Memory of the reader: for each tensor of the value, in the order in which
  // they are in it (a map has an order, too), a tensor that nobody else has, on
  // the cpu or a device, row by row without gaps, of the same dtype and shape;
  // or a declared one, which gets its size. NULL for one that `driver` is for.
  weft_tensor_t* const* tensors;
  // 0: there are none; else as many as the value has.
  size_t tensor_count;
  // Others are new ones on this device, unless they are there; then, and with
  // NULL, they are lent as they are.
  const weft_device_driver_t* driver;
  // A queue of the devices that tensors are copied to; what is copied to the
  // cpu takes queue 0 of the device where it is.
  uint32_t queue;
} weft_destination_t;

// As `weft_reader_read`, with the tensors of the value where the reader wants
// them: all of them, or the read has failed. Copies of all of them are waited
// for at once, until the deadline. Readers here that want one value on one
// device, and bring no memory, share its copies.
// A read that fails has lost nothing: the same value is read next, with this
// destination, another one or none. After WOULD_BLOCK and DEADLINE_EXCEEDED
// the devices go on, and the same destination goes on waiting for them; another
// one waits for them first. Until then they keep the reader's memory, which
// cannot be written to; a reader that leaves waits for them.
// Waiting for a device ends by the deadline, or when the work at hand is
// cancelled; not when the runtime stops.
// Memory of the reader is part of the value, and so not the reader's alone, as
// long as the lease is.
// Errors: as `weft_reader_read`; INVALID_ARGUMENT for memory that does not fit,
// the message has the path, what it is and what it should be;
// FAILED_PRECONDITION for memory that others have, too, and for a tensor that
// has no size; RESOURCE_EXHAUSTED; what the devices say, which names tensor and
// device. Then the reader's memory may hold anything.
WEFT_API WEFT_MUST_USE weft_status_t weft_reader_read_into(
    weft_reader_t* reader, const weft_destination_t* destination,
    int64_t deadline_ns, weft_lease_t* out_lease);

// The same, but what was written is not made into a value if it has not been
// yet: `value` is bytes that hold it encoded (weft/encoded.h), a value or an
// error, and `status` is OK. The bytes may outlive the lease. A peer's are not
// looked into: whoever decodes or writes them finds out if they are none.
// Errors: as `weft_reader_read`; UNIMPLEMENTED for a value that cannot be
// encoded, the message has the path within it: it is still to be read, by
// `weft_reader_read`; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_reader_read_encoded(
    weft_reader_t* reader, int64_t deadline_ns, weft_lease_t* out_lease);

// Gives a lease back. A lease that was released is fine. Thread: any, one at a
// time for each lease.
WEFT_API void weft_lease_release(weft_lease_t* lease);

// A future of none that completes once a read would not wait: with
// `weft_future_then` it calls back, and `weft_future_any` of several waits for
// several channels. Thread: any. Owns: hands over a reference. Errors:
// RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_reader_ready(weft_reader_t* reader, weft_future_t** out_future);

// Splits a reader into `count` that all get each of its values, for consumers
// in one actor or thread: the first that reads a value fetches it, the last
// that releases it gives it back. So one transfer serves them all. `reader` is
// read by them only from here on. `out_consumers` has room for `count`.
// Owns: retains `reader`; hands over one reference to each consumer.
// Errors: INVALID_ARGUMENT for none or more than WEFT_CHANNEL_READER_LIMIT;
// RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_reader_share(
    weft_reader_t* reader, uint32_t count, weft_reader_t** out_consumers);

WEFT_END_DECLS

#endif  // WEFT_CHANNEL_H_
