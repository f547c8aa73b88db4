// SPDX-License-Identifier: Apache-2.0
//
// Loans of memory, as parcels and deliveries use them; see loans.c.

#ifndef WEFT_PEER_LOANS_H_
#define WEFT_PEER_LOANS_H_

#include "peer/peers.h"

// Makes a read-only storage of what a peer has lent to this runtime: its own,
// or that of `holder`. The loan ends with it, or with the failure of this.
// Errors: DATA_LOSS for what cannot have been lent; NOT_FOUND for an owner, or
// a segment, that is not known; RESOURCE_EXHAUSTED.
weft_status_t weft_loans_borrow(weft_peer_t* lender, weft_holder_t holder,
                                const weft_block_name_t* name,
                                weft_storage_t** out_storage);

// Tells the owner of a block that this runtime lends it on. No lock is held.
// Errors: WOULD_BLOCK; the owner's end is none.
weft_status_t weft_loans_lend_on(weft_peers_t* peers, weft_holder_t owner,
                                 const weft_block_name_t* name,
                                 weft_holder_t to);
// Tells it that the loan did not reach `to`. No lock is held.
void weft_loans_unlend(weft_peers_t* peers, weft_holder_t owner,
                       const weft_block_name_t* name, weft_holder_t to);

// Sees to it that for the peer the segment is the memory that the storage is
// in, before the frames that follow. The lock is held. Errors: WOULD_BLOCK;
// RESOURCE_EXHAUSTED; PEER_DIED.
weft_status_t weft_loans_show_segment_locked(weft_peer_t* peer,
                                             weft_holder_t owner,
                                             uint32_t segment,
                                             const weft_storage_t* storage);

#endif  // WEFT_PEER_LOANS_H_
