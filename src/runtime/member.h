// SPDX-License-Identifier: Apache-2.0
//
// A runtime as a member of a job: joins the launcher, its news, the links and
// the peers together. A runtime that is alone has none of this.
//
//   launcher -- control socket --> job client --> peers: attach, lose, end
//   peers: connect --> job client --> launcher
//   links over shared memory --> async: progress

#ifndef WEFT_RUNTIME_MEMBER_H_
#define WEFT_RUNTIME_MEMBER_H_

#include "base/runtime.h"
#include "weft/status.h"

typedef struct weft_member weft_member_t;

// Takes the place in a job that the environment gives, if any: sets rank, size
// and incarnation of the runtime. NULL when it is alone.
// Errors: those of `weft_job_client_create`.
weft_status_t weft_member_join(weft_runtime_t* runtime,
                               weft_member_t** out_member);
// Threads that come from now on keep their flight recorders where the launcher
// can read them should this process die. The trace layer is there.
void weft_member_show(weft_member_t* member);
// All layers are there: others may reach this runtime from here on.
weft_status_t weft_member_start(weft_member_t* member);
// Blocks until the job ends. Errors: PEER_DIED when the launcher is gone.
weft_status_t weft_member_serve(weft_member_t* member);
// Leaves the job in order, after the last message; no link is left. Blocks: for
// callbacks that run.
void weft_member_stop(weft_member_t* member);
// When no thread of the runtime is left. NULL is fine.
void weft_member_destroy(weft_member_t* member);

#endif  // WEFT_RUNTIME_MEMBER_H_
