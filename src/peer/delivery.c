// SPDX-License-Identifier: Apache-2.0
//
// Values that have come. Everything in a frame is the peer's word: the codec
// checks it, and what is beside the body is looked for before the body is
// read.

#include "base/memory.h"
#include "memory/memory.h"
#include "peer/loans.h"
#include "peer/remote.h"

// What a frame is read with.
typedef struct unpacking {
  weft_peer_t* peer;
  const weft_frame_t* frame;
  weft_payload_t payload;
  // Of all attachments, the body's among them.
  uint32_t count;
  // The number of the first that the body names.
  uint32_t first;
  weft_storage_t* storages[WEFT_WIRE_ATTACHMENT_LIMIT + 1];
  // A private copy of an attached body.
  void* body;
  size_t body_bytes;
} unpacking_t;

// --- Attachments ------------------------------------------------------------

static weft_status_t copy_inline(const unpacking_t* unpacking,
                                 const weft_attachment_t* attachment,
                                 weft_storage_t** out_storage) {
  const weft_allocator_t* allocator = unpacking->peer->runtime->allocator;
  WEFT_RETURN_IF_ERROR(weft_storage_create(
      allocator, NULL, attachment->size_bytes, out_storage));
  if (attachment->size_bytes > 0) {
    // Nobody else has the storage.
    memcpy((void*)(uintptr_t)weft_storage_data(*out_storage),
           (const char*)unpacking->frame + attachment->offset_bytes,
           attachment->size_bytes);
  }
  return WEFT_OK;
}

static weft_status_t open_attachment(const unpacking_t* unpacking,
                                     const weft_attachment_t* attachment,
                                     weft_storage_t** out_storage) {
  weft_peer_t* peer = unpacking->peer;
  weft_peers_t* peers = peer->peers;
  weft_holder_t owner =
      weft_holder_make(attachment->owner_rank, attachment->owner_incarnation);
  weft_block_name_t name = {
      .segment = attachment->segment,
      .generation = attachment->generation,
      .offset_bytes = attachment->offset_bytes,
      .size_bytes = attachment->size_bytes,
      .segment_bytes = attachment->segment_bytes,
  };
  if (attachment->kind == WEFT_ATTACHMENT_INLINE) {
    return copy_inline(unpacking, attachment, out_storage);
  }
  if (owner == weft_peers_self(peers)) {
    return weft_arena_home(weft_memory_arena(peers->runtime), &name,
                           weft_peer_holder(peer), out_storage);
  }
  return weft_loans_borrow(peer, owner, &name, out_storage);
}

// Takes all that was lent, whatever becomes of the rest: what is not used is
// given back at the end.
static weft_status_t open_attachments(unpacking_t* unpacking) {
  weft_status_t first = WEFT_OK;
  for (uint32_t i = 0; i < unpacking->frame->attachment_count; i++) {
    weft_attachment_t attachment;
    weft_status_t status = weft_attachment_read(
        unpacking->frame, &unpacking->payload, i, &attachment);
    if (status == WEFT_OK) {
      status = open_attachment(unpacking, &attachment, &unpacking->storages[i]);
    }
    unpacking->count++;
    if (first == WEFT_OK) {
      first = status;
    } else {
      weft_status_release(status);
    }
  }
  return first;
}

// A body beside the frame is copied: it must not change while it is read.
static weft_status_t copy_body(unpacking_t* unpacking) {
  if ((unpacking->frame->flags & WEFT_FRAME_BODY_ATTACHED) == 0) {
    return WEFT_OK;
  }
  const weft_storage_t* storage = unpacking->storages[0];
  unpacking->first = 1;
  unpacking->body_bytes = weft_storage_size_bytes(storage);
  unpacking->body = weft_memory_allocate(unpacking->peer->runtime->allocator,
                                         unpacking->body_bytes + 1);
  if (unpacking->body == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a body of %zu bytes",
                            unpacking->body_bytes);
  }
  memcpy(unpacking->body, weft_storage_data(storage), unpacking->body_bytes);
  unpacking->payload.body = unpacking->body;
  unpacking->payload.body_bytes = unpacking->body_bytes;
  return WEFT_OK;
}

static weft_status_t begin(unpacking_t* unpacking, weft_peer_t* peer,
                           const weft_frame_t* frame) {
  unpacking->peer = peer;
  unpacking->frame = frame;
  unpacking->count = 0;
  unpacking->first = 0;
  unpacking->body = NULL;
  WEFT_RETURN_IF_ERROR(weft_frame_payload(frame, &unpacking->payload));
  for (uint32_t i = 0; i < frame->attachment_count; i++) {
    unpacking->storages[i] = NULL;
  }
  WEFT_RETURN_IF_ERROR(open_attachments(unpacking));
  return copy_body(unpacking);
}

static void end(unpacking_t* unpacking) {
  for (uint32_t i = 0; i < unpacking->count; i++) {
    weft_storage_release(unpacking->storages[i]);
  }
  if (unpacking->body != NULL) {
    weft_memory_free(unpacking->peer->runtime->allocator, unpacking->body,
                     unpacking->body_bytes + 1);
  }
}

// --- What the codec asks for ------------------------------------------------

static weft_status_t give_attachment(weft_decoder_t* decoder, uint32_t index,
                                     weft_storage_t** out_storage) {
  unpacking_t* unpacking = decoder->user;
  *out_storage =
      weft_storage_retain(unpacking->storages[unpacking->first + index]);
  return WEFT_OK;
}

static weft_status_t give_extension(weft_decoder_t* decoder, int8_t type,
                                    const void* data, uint32_t size_bytes,
                                    weft_value_t* out_value) {
  const unpacking_t* unpacking = decoder->user;
  weft_peer_t* peer = unpacking->peer;
  *out_value = weft_none();
  if (type == WEFT_EXTENSION_CHANNEL_END &&
      peer->peers->events->decode_end != NULL) {
    return peer->peers->events->decode_end(peer, data, size_bytes, out_value);
  }
  if (type != WEFT_EXTENSION_FUTURE) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent a value of extension type %d, which "
                            "means nothing here",
                            unpacking->peer->rank, type);
  }
  return weft_import_decode(unpacking->peer, data, size_bytes, out_value);
}

static const weft_decoder_vtable_t decoder_vtable = {
    .attachment = give_attachment,
    .extension = give_extension,
};

static void init_decoder(weft_decoder_t* decoder, unpacking_t* unpacking) {
  const weft_body_t body = {
      .data = unpacking->payload.body,
      .size_bytes = unpacking->payload.body_bytes,
      .attachment_count = unpacking->frame->attachment_count - unpacking->first,
  };
  weft_decoder_init(decoder, unpacking->peer->runtime->allocator,
                    &decoder_vtable, unpacking, &body);
}

// --- Values -----------------------------------------------------------------

static weft_status_t keep_name(weft_delivery_t* delivery, const char* name,
                               size_t name_bytes, size_t* offset) {
  if (name_bytes >= delivery->text_bytes - *offset) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "the name of an argument is longer than its body");
  }
  char* copy = delivery->text + *offset;
  memcpy(copy, name, name_bytes);
  copy[name_bytes] = '\0';
  delivery->names[delivery->named_count++] = copy;
  *offset += name_bytes + 1;
  return WEFT_OK;
}

static weft_status_t read_named(weft_decoder_t* decoder,
                                const unpacking_t* unpacking,
                                weft_delivery_t* delivery) {
  uint32_t count = unpacking->frame->named_count;
  size_t offset = 0;
  if (count == 0) {
    return WEFT_OK;
  }
  // Names are at most as long as the body, and each has a NUL behind it.
  delivery->text_bytes = unpacking->payload.body_bytes + count;
  delivery->text = weft_memory_allocate(unpacking->peer->runtime->allocator,
                                        delivery->text_bytes);
  if (delivery->text == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the names of arguments");
  }
  for (uint32_t i = 0; i < count; i++) {
    const char* name;
    size_t name_bytes;
    WEFT_RETURN_IF_ERROR(weft_decode_named(decoder, &name, &name_bytes,
                                           &delivery->values[delivery->count]));
    delivery->count++;
    WEFT_RETURN_IF_ERROR(keep_name(delivery, name, name_bytes, &offset));
  }
  return WEFT_OK;
}

static weft_status_t read_body(unpacking_t* unpacking,
                               weft_delivery_t* delivery) {
  weft_decoder_t decoder;
  init_decoder(&decoder, unpacking);
  for (uint32_t i = 0; i < unpacking->frame->value_count; i++) {
    WEFT_RETURN_IF_ERROR(
        weft_decode_value(&decoder, &delivery->values[delivery->count]));
    delivery->count++;
  }
  WEFT_RETURN_IF_ERROR(read_named(&decoder, unpacking, delivery));
  return weft_decoder_finish(&decoder);
}

// Out of line: it needs much of the stack, and most frames have scalars.
static __attribute__((noinline)) weft_status_t read_packed(
    weft_peer_t* peer, const weft_frame_t* frame, weft_delivery_t* delivery) {
  unpacking_t unpacking;
  weft_status_t status = begin(&unpacking, peer, frame);
  if (status == WEFT_OK) {
    delivery->flow = unpacking.payload.flow;
    status = read_body(&unpacking, delivery);
  }
  end(&unpacking);
  return status;
}

static weft_status_t read_scalars(const weft_frame_t* frame,
                                  weft_delivery_t* delivery) {
  weft_payload_t payload;
  WEFT_RETURN_IF_ERROR(weft_frame_payload(frame, &payload));
  WEFT_RETURN_IF_ERROR(
      weft_frame_get_scalars(frame, payload.scalars, delivery->values));
  delivery->flow = payload.flow;
  delivery->count = frame->value_count;
  return WEFT_OK;
}

weft_status_t weft_delivery_read(weft_peer_t* peer, const weft_frame_t* frame,
                                 weft_delivery_t* out_delivery) {
  out_delivery->count = 0;
  out_delivery->named_count = 0;
  out_delivery->text = NULL;
  out_delivery->text_bytes = 0;
  out_delivery->flow = 0;
  if (frame->value_count + frame->named_count > WEFT_PARAMETER_LIMIT) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent %d arguments; there are at most %d",
                            peer->rank, frame->value_count + frame->named_count,
                            WEFT_PARAMETER_LIMIT);
  }
  weft_status_t status = (frame->flags & WEFT_FRAME_SCALARS) != 0
                             ? read_scalars(frame, out_delivery)
                             : read_packed(peer, frame, out_delivery);
  if (status != WEFT_OK) {
    weft_delivery_deinit(peer, out_delivery);
  }
  return status;
}

void weft_delivery_deinit(weft_peer_t* peer, weft_delivery_t* delivery) {
  for (uint32_t i = 0; i < delivery->count; i++) {
    weft_value_release(delivery->values[i]);
  }
  delivery->count = 0;
  if (delivery->text != NULL) {
    weft_memory_free(peer->runtime->allocator, delivery->text,
                     delivery->text_bytes);
    delivery->text = NULL;
  }
}

// --- Outcomes ---------------------------------------------------------------

static __attribute__((noinline)) weft_status_t read_error(
    weft_peer_t* peer, const weft_frame_t* frame) {
  unpacking_t unpacking;
  weft_status_t error = WEFT_OK;
  weft_status_t status = begin(&unpacking, peer, frame);
  if (status == WEFT_OK) {
    weft_decoder_t decoder;
    init_decoder(&decoder, &unpacking);
    status = weft_decode_status(&decoder, &error);
  }
  end(&unpacking);
  return status != WEFT_OK ? status : error;
}

weft_status_t weft_delivery_read_data(weft_peer_t* peer,
                                      const weft_frame_t* frame,
                                      weft_value_t structure,
                                      weft_value_t* out_value) {
  unpacking_t unpacking;
  *out_value = weft_none();
  weft_status_t status = begin(&unpacking, peer, frame);
  if (status == WEFT_OK) {
    weft_decoder_t decoder;
    init_decoder(&decoder, &unpacking);
    status = weft_decode_data(&decoder, structure, out_value);
    if (status == WEFT_OK) {
      status = weft_decoder_finish(&decoder);
    }
  }
  end(&unpacking);
  if (status != WEFT_OK) {
    weft_value_release(*out_value);
    *out_value = weft_none();
  }
  return status;
}

// An error that is a code alone.
static weft_status_t read_code(weft_value_t value) {
  bool is_code = value.kind == WEFT_KIND_INT64 && value.as.int64 > 0 &&
                 value.as.int64 < WEFT_STATUS_CODE_COUNT;
  return weft_status_from_code(is_code ? (weft_status_code_t)value.as.int64
                                       : WEFT_STATUS_DATA_LOSS);
}

void weft_delivery_read_outcome(weft_peer_t* peer, const weft_frame_t* frame,
                                weft_status_t* out_status,
                                weft_value_t* out_value) {
  bool is_error = (frame->flags & WEFT_FRAME_ERROR) != 0;
  *out_value = weft_none();
  if (is_error && (frame->flags & WEFT_FRAME_SCALARS) == 0) {
    *out_status = read_error(peer, frame);
    return;
  }
  weft_delivery_t delivery;
  delivery.values[0] = weft_none();
  *out_status = weft_delivery_read(peer, frame, &delivery);
  if (*out_status != WEFT_OK) {
    return;
  }
  // The head was checked: there is one value.
  if (is_error) {
    *out_status = read_code(delivery.values[0]);
  } else {
    *out_value = weft_value_retain(delivery.values[0]);
  }
  weft_delivery_deinit(peer, &delivery);
}
