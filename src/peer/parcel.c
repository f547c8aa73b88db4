// SPDX-License-Identifier: Apache-2.0
//
// Values on their way out. A few scalars stand in the frame as they are. All
// else is packed: a body, and beside it what is large, which crosses as a loan
// of shared memory: the block it is in, or a block that it is copied to.
//
//   frame: [head][flow][body, padded][table][small attachments]
//
// A body that does not fit into a frame is copied into a block as well.

#include "base/memory.h"
#include "memory/memory.h"
#include "peer/loans.h"
#include "peer/remote.h"
#include "sys/crash_point.h"
#include "trace/trace.h"

// What is at most this large is copied into the frame. Units: bytes.
#define INLINE_BYTES 1024

// One attachment.
typedef struct item {
  weft_attachment_t attachment;
  // Keeps what is lent until it is.
  weft_storage_t* storage;
  // Of an inline one.
  const void* data;
  // A loan that its owner has counted.
  bool is_lent;
  // It is lent as it is, and no copy of what it is.
  bool is_original;
} item_t;

struct weft_cargo {
  weft_peer_t* peer;
  weft_encoder_t encoder;
  weft_exports_t exports;
  // Ends of channels; see weft_peer_events_t.
  weft_dlist_t trips;
  uint32_t item_count;
  bool is_sent;
  item_t items[WEFT_WIRE_ATTACHMENT_LIMIT + 1];
};

static size_t padded(size_t size_bytes) {
  return (size_bytes + 7) & ~(size_t)7;
}

// --- Attachments ------------------------------------------------------------

static weft_block_name_t block_of(const weft_attachment_t* attachment) {
  weft_block_name_t name = {
      .segment = attachment->segment,
      .generation = attachment->generation,
      .offset_bytes = attachment->offset_bytes,
      .size_bytes = attachment->size_bytes,
      .segment_bytes = attachment->segment_bytes,
  };
  return name;
}

static weft_holder_t owner_of(const weft_attachment_t* attachment) {
  return weft_holder_make(attachment->owner_rank,
                          attachment->owner_incarnation);
}

// A loan of `size_bytes` bytes from `data` on, in a block of an owner.
static void fill_loan(item_t* item, weft_holder_t owner,
                      const weft_block_name_t* name, weft_storage_t* storage,
                      const void* data, size_t size_bytes) {
  size_t skipped =
      (size_t)((const char*)data - (const char*)weft_storage_data(storage));
  item->storage = weft_storage_retain(storage);
  item->attachment = (weft_attachment_t){
      .kind = WEFT_ATTACHMENT_LOAN,
      .owner_rank = (uint16_t)(owner >> 16),
      .owner_incarnation = (uint16_t)owner,
      .segment = name->segment,
      .generation = name->generation,
      .offset_bytes = name->offset_bytes + skipped,
      .size_bytes = size_bytes,
      .segment_bytes = name->segment_bytes,
  };
}

// Copies bytes into a block of this runtime's, and lends that.
static weft_status_t fill_copy(item_t* item, weft_peers_t* peers,
                               const void* data, size_t size_bytes) {
  weft_runtime_t* runtime = peers->runtime;
  weft_arena_t* arena = weft_memory_arena(runtime);
  weft_storage_t* storage = NULL;
  weft_block_name_t name;
  WEFT_RETURN_IF_ERROR(weft_arena_storage(arena, size_bytes, &storage));
  void* place = (void*)(uintptr_t)weft_storage_data(storage);
  memcpy(place, data, size_bytes);
  weft_count(runtime, WEFT_COUNTER_bytes_copied, size_bytes);
  if (weft_arena_find(arena, storage, &name)) {
    fill_loan(item, weft_peers_self(peers), &name, storage, place, size_bytes);
  }
  weft_storage_release(storage);
  return WEFT_OK;
}

// Whether a storage is of a peer that lives, and so can be lent on. What a dead
// one has left nobody else can find.
static bool is_borrowed(weft_peers_t* peers, const weft_storage_t* storage,
                        weft_holder_t* out_owner, weft_block_name_t* out_name) {
  weft_borrowed_t borrowed;
  if (!weft_imports_find(weft_memory_imports(peers->runtime), storage,
                         &borrowed)) {
    return false;
  }
  *out_owner = borrowed.owner;
  *out_name = borrowed.name;
  const weft_peer_t* owner = weft_peers_at(peers, (uint16_t)(*out_owner >> 16));
  return owner != NULL && weft_peer_state(owner) != WEFT_PEER_DEAD;
}

static weft_status_t fill_item(item_t* item, weft_peers_t* peers,
                               const weft_encoder_bytes_t* bytes,
                               bool copies_loans) {
  weft_storage_t* storage =
      bytes->tensor != NULL ? weft_tensor_storage(bytes->tensor) : NULL;
  weft_block_name_t name;
  weft_holder_t owner = weft_peers_self(peers);
  *item = (item_t){.data = bytes->data};
  bool is_shared =
      storage != NULL && bytes->size_bytes > 0 &&
      (weft_arena_find(weft_memory_arena(peers->runtime), storage, &name) ||
       (!copies_loans && is_borrowed(peers, storage, &owner, &name)));
  if (is_shared) {
    fill_loan(item, owner, &name, storage, bytes->data, bytes->size_bytes);
    item->is_original = true;
    return WEFT_OK;
  }
  if (bytes->size_bytes > INLINE_BYTES) {
    return fill_copy(item, peers, bytes->data, bytes->size_bytes);
  }
  item->attachment = (weft_attachment_t){
      .kind = WEFT_ATTACHMENT_INLINE,
      .size_bytes = bytes->size_bytes,
  };
  if (bytes->tensor != NULL) {
    weft_count(peers->runtime, WEFT_COUNTER_bytes_copied, bytes->size_bytes);
  }
  return WEFT_OK;
}

// --- The frame --------------------------------------------------------------

static bool is_body_attached(const weft_parcel_t* parcel) {
  return (parcel->head.flags & WEFT_FRAME_BODY_ATTACHED) != 0;
}

static size_t frame_bytes(const weft_parcel_t* parcel) {
  const weft_cargo_t* cargo = parcel->cargo;
  size_t size_bytes =
      sizeof(weft_frame_t) + sizeof(uint64_t) * parcel->word_count;
  size_bytes +=
      is_body_attached(parcel) ? 0 : padded(cargo->encoder.size_bytes);
  for (uint32_t i = 0; i < cargo->item_count; i++) {
    if (cargo->items[i].attachment.kind == WEFT_ATTACHMENT_INLINE) {
      size_bytes += padded(cargo->items[i].attachment.size_bytes);
    }
  }
  return size_bytes + (size_t)cargo->item_count * WEFT_ATTACHMENT_BYTES;
}

static weft_status_t attach_body(weft_parcel_t* parcel, weft_peers_t* peers) {
  weft_cargo_t* cargo = parcel->cargo;
  memmove(&cargo->items[1], &cargo->items[0],
          cargo->item_count * sizeof(item_t));
  cargo->items[0] = (item_t){.storage = NULL};
  cargo->item_count++;
  parcel->head.flags |= WEFT_FRAME_BODY_ATTACHED;
  return fill_copy(&cargo->items[0], peers, cargo->encoder.data,
                   cargo->encoder.size_bytes);
}

// Moves what does not fit into a frame into blocks: first the body, then small
// attachments, of which there may be many.
static weft_status_t shrink(weft_parcel_t* parcel, weft_peers_t* peers) {
  weft_cargo_t* cargo = parcel->cargo;
  if (frame_bytes(parcel) <= WEFT_LINK_FRAME_LIMIT) {
    return WEFT_OK;
  }
  // Tensors alone, without structure, have an empty body.
  if (cargo->encoder.size_bytes > 0) {
    WEFT_RETURN_IF_ERROR(attach_body(parcel, peers));
  }
  for (uint32_t i = is_body_attached(parcel) ? 1 : 0;
       i < cargo->item_count && frame_bytes(parcel) > WEFT_LINK_FRAME_LIMIT;
       i++) {
    item_t* item = &cargo->items[i];
    if (item->attachment.kind == WEFT_ATTACHMENT_INLINE &&
        item->attachment.size_bytes > 0) {
      WEFT_RETURN_IF_ERROR(
          fill_copy(item, peers, item->data, item->attachment.size_bytes));
    }
  }
  return WEFT_OK;
}

static void fill_frame(weft_parcel_t* parcel, char* place) {
  const weft_cargo_t* cargo = parcel->cargo;
  const weft_encoder_t* encoder = &cargo->encoder;
  weft_frame_places_t places = weft_frame_places(&parcel->head);
  memcpy(place, &parcel->head, sizeof(weft_frame_t));
  memcpy(place + sizeof(weft_frame_t), parcel->words,
         sizeof(uint64_t) * parcel->word_count);
  if (!is_body_attached(parcel)) {
    char* body = place + places.payload;
    memcpy(body, encoder->data, encoder->size_bytes);
    memset(body + encoder->size_bytes, 0,
           padded(encoder->size_bytes) - encoder->size_bytes);
  }
  uint64_t rest = places.rest;
  for (uint32_t i = 0; i < cargo->item_count; i++) {
    weft_attachment_t attachment = cargo->items[i].attachment;
    if (attachment.kind == WEFT_ATTACHMENT_INLINE) {
      attachment.offset_bytes = rest;
      memcpy(place + rest, cargo->items[i].data, attachment.size_bytes);
      rest += padded(attachment.size_bytes);
    }
    weft_attachment_write((uint8_t*)place + places.attachments +
                              (size_t)i * WEFT_ATTACHMENT_BYTES,
                          &attachment);
  }
}

// --- Packing ----------------------------------------------------------------

static weft_status_t encode_value(weft_encoder_t* encoder, weft_value_t value) {
  weft_cargo_t* cargo = encoder->user;
  const weft_peer_events_t* events = cargo->peer->peers->events;
  if (weft_value_kind(value) == WEFT_KIND_CHANNEL_END &&
      events->encode_end != NULL) {
    return events->encode_end(cargo->peer, encoder, value, &cargo->trips);
  }
  if (weft_value_kind(value) != WEFT_KIND_FUTURE) {
    return weft_status_from_code(WEFT_STATUS_UNIMPLEMENTED);
  }
  return weft_export_encode(&cargo->exports, cargo->peer, encoder,
                            (weft_future_t*)(void*)value.as.object);
}

static const weft_encoder_vtable_t encoder_vtable = {.value = encode_value};

static weft_status_t create_cargo(weft_parcel_t* parcel, weft_peer_t* peer) {
  weft_loans_tell_dropped(peer->peers);
  const weft_allocator_t* allocator = peer->runtime->allocator;
  weft_cargo_t* cargo = weft_memory_allocate(allocator, sizeof(*cargo));
  parcel->cargo = cargo;
  if (cargo == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to pack values");
  }
  cargo->peer = peer;
  cargo->item_count = 0;
  cargo->is_sent = false;
  weft_exports_init(&cargo->exports);
  weft_dlist_init(&cargo->trips);
  weft_encoder_init(&cargo->encoder, allocator, &encoder_vtable, cargo);
  return WEFT_OK;
}

// The body is complete: what goes beside it.
static weft_status_t pack_items(weft_parcel_t* parcel, weft_peers_t* peers) {
  weft_cargo_t* cargo = parcel->cargo;
  for (uint32_t i = 0; i < cargo->encoder.attachment_count; i++) {
    cargo->item_count++;
    WEFT_RETURN_IF_ERROR(fill_item(&cargo->items[i], peers,
                                   &cargo->encoder.attachments[i],
                                   parcel->copies_loans));
  }
  WEFT_RETURN_IF_ERROR(shrink(parcel, peers));
  parcel->head.attachment_count = (uint16_t)cargo->item_count;
  parcel->head.kinds =
      is_body_attached(parcel) ? 0 : (uint32_t)cargo->encoder.size_bytes;
  parcel->head.size_bytes = (uint32_t)frame_bytes(parcel);
  return WEFT_OK;
}

static void begin(weft_parcel_t* parcel) {
  parcel->cargo = NULL;
  parcel->word_count = 0;
  if (parcel->flow != 0) {
    parcel->head.flags |= WEFT_FRAME_FLOW;
    parcel->words[parcel->word_count++] = parcel->flow;
  }
}

// Packs values that are all scalars; false if they are not.
static bool pack_scalars(weft_parcel_t* parcel, const weft_value_t* values,
                         size_t count) {
  if (count > WEFT_FRAME_SCALAR_LIMIT ||
      !weft_values_are_scalars(values, count)) {
    return false;
  }
  weft_frame_put_scalars(&parcel->head, &parcel->words[parcel->word_count],
                         values, (uint32_t)count);
  parcel->word_count += (uint32_t)count;
  // Scalars have no structure.
  parcel->head.flags &= (uint8_t)~WEFT_FRAME_BARE;
  parcel->head.size_bytes =
      (uint32_t)(sizeof(weft_frame_t) + sizeof(uint64_t) * parcel->word_count);
  return true;
}

// Names an argument, in case that it cannot be encoded. There are less than
// 100.
static void name_argument(char what[], size_t index) {
  _Static_assert(WEFT_PARAMETER_LIMIT <= 100, "two digits");
  static const char word[] = "argument ";
  memcpy(what, word, sizeof(word));
  char* end = what + sizeof(word) - 1;
  if (index >= 10) {
    *end++ = (char)('0' + index / 10);
  }
  *end++ = (char)('0' + index % 10);
  *end = '\0';
}

static weft_status_t encode_arguments(weft_encoder_t* encoder,
                                      const weft_arguments_t* arguments) {
  for (size_t i = 0; i < arguments->positional_count; i++) {
    char what[16];
    name_argument(what, i);
    WEFT_RETURN_IF_ERROR(
        weft_encode_value(encoder, what, arguments->positional[i]));
  }
  for (size_t i = 0; i < arguments->named_count; i++) {
    WEFT_RETURN_IF_ERROR(weft_encode_named(encoder, arguments->named[i].name,
                                           arguments->named[i].value));
  }
  return WEFT_OK;
}

weft_status_t weft_parcel_pack(weft_parcel_t* parcel, weft_peer_t* peer,
                               const weft_arguments_t* arguments) {
  static const weft_arguments_t none = {0};
  begin(parcel);
  arguments = arguments != NULL ? arguments : &none;
  size_t count = arguments->positional_count + arguments->named_count;
  if (count > WEFT_PARAMETER_LIMIT) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%zu arguments are given; an endpoint takes at "
                            "most %d",
                            count, WEFT_PARAMETER_LIMIT);
  }
  if (arguments->named_count == 0 &&
      pack_scalars(parcel, arguments->positional, count)) {
    return WEFT_OK;
  }
  parcel->head.value_count = (uint8_t)arguments->positional_count;
  parcel->head.named_count = (uint8_t)arguments->named_count;
  weft_status_t status = create_cargo(parcel, peer);
  if (status == WEFT_OK) {
    status = encode_arguments(&parcel->cargo->encoder, arguments);
  }
  return status == WEFT_OK ? pack_items(parcel, peer->peers) : status;
}

static weft_status_t pack_value(weft_parcel_t* parcel, weft_peer_t* peer,
                                weft_value_t value) {
  if (pack_scalars(parcel, &value, 1)) {
    return WEFT_OK;
  }
  parcel->head.value_count = 1;
  WEFT_RETURN_IF_ERROR(create_cargo(parcel, peer));
  weft_encoder_t* encoder = &parcel->cargo->encoder;
  WEFT_RETURN_IF_ERROR((parcel->head.flags & WEFT_FRAME_BARE) != 0
                           ? weft_encode_data(encoder, "result", value)
                           : weft_encode_value(encoder, "result", value));
  return pack_items(parcel, peer->peers);
}

static weft_status_t pack_error(weft_parcel_t* parcel, weft_peer_t* peer,
                                weft_status_t error) {
  parcel->head.flags |= WEFT_FRAME_ERROR;
  parcel->head.flags &= (uint8_t)~WEFT_FRAME_BARE;
  WEFT_RETURN_IF_ERROR(create_cargo(parcel, peer));
  WEFT_RETURN_IF_ERROR(weft_encode_status(&parcel->cargo->encoder, error));
  return pack_items(parcel, peer->peers);
}

weft_status_t weft_parcel_pack_strictly(weft_parcel_t* parcel,
                                        weft_peer_t* peer, weft_status_t status,
                                        weft_value_t value) {
  begin(parcel);
  return status != WEFT_OK ? pack_error(parcel, peer, status)
                           : pack_value(parcel, peer, value);
}

weft_status_t weft_parcel_pack_outcome(weft_parcel_t* parcel, weft_peer_t* peer,
                                       weft_status_t status,
                                       weft_value_t value) {
  weft_frame_t head = parcel->head;
  weft_status_t unpacked =
      weft_parcel_pack_strictly(parcel, peer, status, value);
  if (unpacked == WEFT_OK || status != WEFT_OK) {
    return unpacked;
  }
  weft_parcel_deinit(parcel, peer);
  parcel->head = head;
  status = weft_parcel_pack_strictly(parcel, peer, unpacked, weft_none());
  weft_status_release(unpacked);
  return status;
}

// --- Writing ----------------------------------------------------------------

// Has a loan counted by its owner, before the peer can give it back.
static weft_status_t lend(item_t* item, weft_peer_t* peer) {
  weft_peers_t* peers = peer->peers;
  weft_holder_t owner = owner_of(&item->attachment);
  weft_holder_t to = weft_peer_holder(peer);
  if (item->attachment.kind != WEFT_ATTACHMENT_LOAN || item->is_lent ||
      owner == to) {
    // What goes home to its owner is no loan.
    return WEFT_OK;
  }
  if (owner == weft_peers_self(peers)) {
    weft_arena_t* arena = weft_memory_arena(peers->runtime);
    weft_block_name_t name;
    WEFT_RETURN_IF_ERROR(weft_arena_lend(arena, item->storage, to));
    if (weft_arena_find(arena, item->storage, &name)) {
      // It has its name from now on.
      item->attachment.generation = name.generation;
    }
  } else {
    weft_block_name_t name = block_of(&item->attachment);
    WEFT_RETURN_IF_ERROR(weft_loans_lend_on(peers, owner, &name, to));
  }
  item->is_lent = true;
  weft_crash_point("with a loan counted");
  return WEFT_OK;
}

static void unlend(item_t* item, weft_peer_t* peer) {
  weft_peers_t* peers = peer->peers;
  weft_holder_t owner = owner_of(&item->attachment);
  weft_holder_t to = weft_peer_holder(peer);
  weft_block_name_t name = block_of(&item->attachment);
  if (!item->is_lent) {
    return;
  }
  if (owner == weft_peers_self(peers)) {
    // An error: the peer has died, and its loans with it.
    weft_status_release(weft_arena_take_back(weft_memory_arena(peers->runtime),
                                             &name, owner, to));
  } else {
    weft_loans_unlend(peers, owner, &name, to);
  }
}

weft_status_t weft_parcel_prepare(weft_parcel_t* parcel, weft_peer_t* peer,
                                  weft_peer_t** out_full) {
  weft_cargo_t* cargo = parcel->cargo;
  *out_full = NULL;
  for (uint32_t i = 0; cargo != NULL && i < cargo->item_count; i++) {
    weft_status_t status = lend(&cargo->items[i], peer);
    if (status != WEFT_OK) {
      *out_full =
          weft_peers_life(peer->peers, owner_of(&cargo->items[i].attachment));
      return status;
    }
  }
  return WEFT_OK;
}

weft_status_t weft_parcel_probe_locked(const weft_parcel_t* parcel,
                                       weft_peer_t* peer,
                                       weft_link_room_t room) {
  void* place = NULL;
  WEFT_RETURN_IF_ERROR(weft_peer_check_link_locked(peer));
  // A reservation that is not committed is forgotten.
  return weft_link_reserve(peer->link, parcel->head.size_bytes, room, &place);
}

static weft_status_t show_segments_locked(const weft_cargo_t* cargo,
                                          weft_peer_t* peer) {
  for (uint32_t i = 0; i < cargo->item_count; i++) {
    const weft_attachment_t* attachment = &cargo->items[i].attachment;
    if (attachment->kind == WEFT_ATTACHMENT_LOAN) {
      WEFT_RETURN_IF_ERROR(weft_loans_show_segment_locked(
          peer, owner_of(attachment), attachment->segment,
          cargo->items[i].storage));
    }
  }
  return WEFT_OK;
}

// What was lent is counted once it has gone: it may have been packed before,
// and not been sent.
static void count_lent(const weft_cargo_t* cargo) {
  uint64_t lent_bytes = 0;
  for (uint32_t i = 0; i < cargo->item_count; i++) {
    const item_t* item = &cargo->items[i];
    lent_bytes += item->is_original ? item->attachment.size_bytes : 0;
  }
  weft_count(cargo->peer->runtime, WEFT_COUNTER_bytes_lent, lent_bytes);
}

weft_status_t weft_parcel_write_locked(weft_parcel_t* parcel, weft_peer_t* peer,
                                       weft_link_room_t room) {
  weft_cargo_t* cargo = parcel->cargo;
  if (cargo == NULL) {
    return weft_peer_write_locked(peer, &parcel->head, parcel->words,
                                  sizeof(uint64_t) * parcel->word_count, room);
  }
  WEFT_RETURN_IF_ERROR(weft_peer_check_link_locked(peer));
  void* place = NULL;
  size_t size_bytes = parcel->head.size_bytes;
  WEFT_RETURN_IF_ERROR(show_segments_locked(cargo, peer));
  WEFT_RETURN_IF_ERROR(weft_link_reserve(peer->link, size_bytes, room, &place));
  fill_frame(parcel, place);
  weft_link_commit(peer->link, size_bytes);
  cargo->is_sent = true;
  count_lent(cargo);
  return WEFT_OK;
}

void weft_parcel_deinit(weft_parcel_t* parcel, weft_peer_t* peer) {
  weft_cargo_t* cargo = parcel->cargo;
  if (cargo == NULL) {
    return;
  }
  for (uint32_t i = 0; i < cargo->item_count; i++) {
    if (!cargo->is_sent) {
      unlend(&cargo->items[i], peer);
    }
    weft_storage_release(cargo->items[i].storage);
  }
  weft_exports_end(&cargo->exports, cargo->is_sent);
  if (!weft_dlist_is_empty(&cargo->trips)) {
    peer->peers->events->parcel_over(&cargo->trips, cargo->is_sent);
  }
  weft_encoder_deinit(&cargo->encoder);
  weft_memory_free(peer->runtime->allocator, cargo, sizeof(*cargo));
  parcel->cargo = NULL;
}
