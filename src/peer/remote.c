// SPDX-License-Identifier: Apache-2.0

#include "peer/remote.h"

#include "async/future_internal.h"
#include "base/assert.h"
#include "base/container.h"
#include "base/memory.h"
#include "peer/outcome.h"
#include "sys/slab.h"

// What stands in a body.
enum {
  // 0 and the number of an export, 8 bytes each.
  MODE_PENDING = 0,
  // A body: this number, then a status.
  MODE_FAILED = 1
};

#define PENDING_BYTES 16

// --- Exports ----------------------------------------------------------------

typedef struct export {
  // In its parcel, until that is sent.
  weft_dlist_node_t node;
  weft_waiter_t waiter;
  weft_outcome_t outcome;
  weft_future_t* future;
  weft_peer_t* peer;
  uint64_t id;
}
export_t;

void weft_exports_init(weft_exports_t* exports) {
  weft_dlist_init(&exports->list);
}

// Forgets an export. No lock is held.
static void free_export(export_t* export) {
  weft_peer_t* peer = export->peer;
  weft_peers_t* peers = peer->peers;
  weft_mutex_lock(&peers->calls_lock);
  (void)weft_ids_take(&peers->exports, export->id);
  weft_mutex_unlock(&peers->calls_lock);
  weft_future_t* future = export->future;
  weft_slab_free(peers->runtime->slab, export, sizeof(*export));
  weft_future_release(future);
}

static void outcome_sent(weft_outcome_t* outcome) {
  free_export(WEFT_CONTAINER_OF(outcome, export_t, outcome));
}

// The outcome is there: sends it.
static void future_done(weft_waiter_t* waiter, weft_future_t* future) {
  export_t* export = WEFT_CONTAINER_OF(waiter, export_t, waiter);
  weft_frame_t head = {
      .type = WEFT_FRAME_VALUE,
      .id = export->id,
      .target_index = weft_peers_self(export->peer->peers),
      .timeout_ns = INT64_MAX,
  };
  weft_outcome_send(&export->outcome, export->peer, &head, future,
                    outcome_sent);
}

static weft_status_t no_memory(const weft_peer_t* peer) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for a future that rank %u shares",
                          peer->rank);
}

static weft_status_t create_export(weft_peer_t* peer, weft_future_t* future,
                                   export_t** out_export) {
  weft_peers_t* peers = peer->peers;
  export_t* export = weft_slab_allocate(peers->runtime->slab, sizeof(*export));
  *out_export = NULL;
  if (export == NULL) {
    return no_memory(peer);
  }
  *export = (export_t){.peer = peer, .waiter = {.callback = future_done}};
  weft_mutex_lock(&peers->calls_lock);
  export->id = weft_ids_give(&peers->exports, export);
  weft_mutex_unlock(&peers->calls_lock);
  if (export->id == 0) {
    weft_slab_free(peers->runtime->slab, export, sizeof(*export));
    return no_memory(peer);
  }
  export->future = weft_future_retain(future);
  *out_export = export;
  return WEFT_OK;
}

static weft_status_t encode_pending(weft_exports_t* exports, weft_peer_t* peer,
                                    weft_encoder_t* encoder,
                                    weft_future_t* future) {
  export_t* export = NULL;
  WEFT_RETURN_IF_ERROR(create_export(peer, future, &export));
  weft_assert(export != NULL);
  weft_dlist_append(&exports->list, &export->node);
  uint64_t data[PENDING_BYTES / 8] = {MODE_PENDING, export->id};
  return weft_encoder_extension(encoder, WEFT_EXTENSION_FUTURE, data,
                                sizeof(data));
}

// A future that has failed: its error, as a body inside of the body.
static __attribute__((noinline)) weft_status_t encode_failed(
    weft_encoder_t* encoder, weft_status_t error) {
  weft_encoder_t inner;
  weft_encoder_init(&inner, encoder->allocator, NULL, NULL);
  // The mode stands first, as a body of its own: a small number is one byte.
  weft_status_t status =
      weft_encode_value(&inner, "mode", weft_int64(MODE_FAILED));
  if (status == WEFT_OK) {
    status = weft_encode_status(&inner, error);
  }
  if (status == WEFT_OK) {
    status = weft_encoder_extension(encoder, WEFT_EXTENSION_FUTURE, inner.data,
                                    (uint32_t)inner.size_bytes);
  }
  weft_encoder_deinit(&inner);
  return status;
}

weft_status_t weft_export_encode(weft_exports_t* exports, weft_peer_t* peer,
                                 weft_encoder_t* encoder,
                                 weft_future_t* future) {
  weft_future_start(future);
  if (!weft_future_is_done(future)) {
    return encode_pending(exports, peer, encoder, future);
  }
  weft_value_t value;
  weft_status_t error = weft_future_result(future, &value);
  if (error == WEFT_OK) {
    return weft_encode_value(encoder, "future", value);
  }
  weft_status_t status = encode_failed(encoder, error);
  weft_status_release(error);
  return status;
}

void weft_exports_end(weft_exports_t* exports, bool is_sent) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&exports->list)) != NULL) {
    export_t* export = WEFT_CONTAINER_OF(node, export_t, node);
    if (is_sent) {
      // If the peer dies the outcome, which comes in any case, ends it.
      weft_future_add_waiter(export->future, &export->waiter);
    } else {
      free_export(export);
    }
  }
}

// --- Imports ----------------------------------------------------------------

typedef struct import {
  weft_table_node_t node;
  weft_promise_t* promise;
} import_t;

// Lists an import. False when the number is in use.
static bool list_import(weft_peer_t* owner, import_t* import, uint64_t id) {
  weft_peers_t* peers = owner->peers;
  weft_mutex_lock(&peers->calls_lock);
  bool is_new = weft_table_find(&owner->imports, id) == NULL;
  if (is_new) {
    weft_table_insert(&owner->imports, &import->node, id);
  }
  weft_mutex_unlock(&peers->calls_lock);
  return is_new;
}

static weft_status_t create_import(weft_peer_t* owner, uint64_t id,
                                   weft_value_t* out_value) {
  weft_slab_t* slab = owner->runtime->slab;
  weft_future_t* future = NULL;
  import_t* import = weft_slab_allocate(slab, sizeof(*import));
  if (import == NULL) {
    return no_memory(owner);
  }
  weft_status_t status =
      weft_promise_create(owner->runtime, &import->promise, &future);
  if (status != WEFT_OK) {
    weft_slab_free(slab, import, sizeof(*import));
    return status;
  }
  if (!list_import(owner, import, id)) {
    weft_promise_release(import->promise);
    weft_future_release(future);
    weft_slab_free(slab, import, sizeof(*import));
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent one future twice", owner->rank);
  }
  *out_value = weft_future_lend(future);
  return WEFT_OK;
}

static weft_status_t decode_failed(weft_peer_t* peer, const void* data,
                                   size_t size_bytes, weft_value_t* out_value) {
  weft_runtime_t* runtime = peer->runtime;
  weft_decoder_t decoder;
  weft_value_t mode;
  weft_status_t error = WEFT_OK;
  const weft_body_t body = {.data = data, .size_bytes = size_bytes};
  weft_decoder_init(&decoder, runtime->allocator, NULL, NULL, &body);
  WEFT_RETURN_IF_ERROR(weft_decode_value(&decoder, &mode));
  if (mode.kind != WEFT_KIND_INT64 || mode.as.int64 != MODE_FAILED) {
    weft_value_release(mode);
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent a future of an unknown form",
                            peer->rank);
  }
  WEFT_RETURN_IF_ERROR(weft_decode_status(&decoder, &error));
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_future_from_status(runtime, error, &future));
  *out_value = weft_future_lend(future);
  return WEFT_OK;
}

weft_status_t weft_import_decode(weft_peer_t* peer, const void* data,
                                 size_t size_bytes, weft_value_t* out_value) {
  uint64_t words[PENDING_BYTES / 8];
  *out_value = weft_none();
  if (size_bytes != PENDING_BYTES ||
      ((const uint8_t*)data)[0] != MODE_PENDING) {
    return decode_failed(peer, data, size_bytes, out_value);
  }
  memcpy(words, data, sizeof(words));
  return create_import(peer, words[1], out_value);
}

// Takes a future of a peer's off; NULL when it is not there.
static weft_promise_t* take_import(
    weft_peer_t* owner,
    weft_table_node_t* (*take)(weft_table_t* table, uint64_t id), uint64_t id) {
  weft_peers_t* peers = owner->peers;
  weft_mutex_lock(&peers->calls_lock);
  weft_table_node_t* node = take(&owner->imports, id);
  weft_mutex_unlock(&peers->calls_lock);
  if (node == NULL) {
    return NULL;
  }
  import_t* import = WEFT_CONTAINER_OF(node, import_t, node);
  weft_promise_t* promise = import->promise;
  weft_slab_free(peers->runtime->slab, import, sizeof(*import));
  return promise;
}

// Completes a promise, and gives it up. Owns: takes all over.
static void complete(weft_promise_t* promise, weft_status_t status,
                     weft_value_t value) {
  // Whoever had the future may have cancelled it: then nobody wants this.
  weft_status_release(status == WEFT_OK ? weft_promise_set(promise, value)
                                        : weft_promise_fail(promise, status));
  weft_promise_release(promise);
}

void weft_remote_receive_value(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_status_t status = WEFT_OK;
  weft_value_t value = weft_none();
  weft_delivery_read_outcome(peer, frame, &status, &value);
  weft_peer_t* owner =
      weft_peers_at(peer->peers, (uint16_t)(frame->target_index >> 16));
  weft_promise_t* promise =
      owner != NULL ? take_import(owner, weft_table_remove, frame->id) : NULL;
  if (promise != NULL) {
    complete(promise, status, value);
  } else {
    weft_status_release(status);
    weft_value_release(value);
  }
}

// --- The end of a peer ------------------------------------------------------

static weft_table_node_t* take_any(weft_table_t* table, uint64_t id) {
  (void)id;
  return weft_table_take_any(table);
}

void weft_remote_strike_off(weft_peer_t* peer) {
  weft_promise_t* promise;
  while ((promise = take_import(peer, take_any, 0)) != NULL) {
    complete(promise, weft_peer_death(peer, "a future will not come"),
             weft_none());
  }
}
