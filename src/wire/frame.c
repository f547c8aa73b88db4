// SPDX-License-Identifier: Apache-2.0
//
// Heads of frames, scalars, tables of attachments.

#include "wire/frame.h"

#include "base/assert.h"
#include "wire/wire_internal.h"

#define ALL_FLAGS                                            \
  (WEFT_FRAME_SCALARS | WEFT_FRAME_ERROR | WEFT_FRAME_FLOW | \
   WEFT_FRAME_BODY_ATTACHED | WEFT_FRAME_MORE | WEFT_FRAME_BARE)
#define KIND_BITS 4

// What the payload of a type may be.
typedef enum payload_rule {
  // There is no such type.
  RULE_UNKNOWN = 0,
  RULE_EMPTY,
  // One value by position, or an error.
  RULE_OUTCOME,
  // Any values.
  RULE_VALUES,
  // `id` entries about loans, and nothing else.
  RULE_LOANS
} payload_rule_t;

static const struct {
  const char* name;
  payload_rule_t rule;
} types[] = {
    [WEFT_FRAME_CALL] = {"call", RULE_VALUES},
    [WEFT_FRAME_REPLY] = {"reply", RULE_OUTCOME},
    [WEFT_FRAME_CANCEL] = {"cancel", RULE_EMPTY},
    [WEFT_FRAME_CREDIT] = {"credit", RULE_EMPTY},
    [WEFT_FRAME_VALUE] = {"value", RULE_OUTCOME},
    [WEFT_FRAME_SUBSCRIBE] = {"subscribe", RULE_VALUES},
    [WEFT_FRAME_LEND] = {"lend", RULE_LOANS},
    [WEFT_FRAME_RELEASE] = {"release", RULE_LOANS},
    [WEFT_FRAME_PING] = {"ping", RULE_EMPTY},
    [WEFT_FRAME_PONG] = {"pong", RULE_EMPTY},
    [WEFT_FRAME_ACCEPT] = {"accept", RULE_EMPTY},
    [WEFT_FRAME_FOLLOWS] = {"follows", RULE_EMPTY},
    [WEFT_FRAME_DROP] = {"drop", RULE_EMPTY},
    [WEFT_FRAME_UNLEND] = {"unlend", RULE_LOANS},
    [WEFT_FRAME_PROBE] = {"probe", RULE_VALUES},
    [WEFT_FRAME_CHANNEL] = {"channel", RULE_VALUES},
    [WEFT_FRAME_SLOT] = {"slot", RULE_OUTCOME},
    [WEFT_FRAME_MISSED] = {"missed", RULE_EMPTY},
};

static payload_rule_t rule_of(uint8_t type) {
  return type < sizeof(types) / sizeof(types[0]) ? types[type].rule
                                                 : RULE_UNKNOWN;
}

const char* weft_frame_type_name(uint8_t type) {
  return rule_of(type) != RULE_UNKNOWN ? types[type].name : "unknown";
}

static bool has(const weft_frame_t* frame, unsigned flag) {
  return (frame->flags & flag) != 0;
}

static size_t body_bytes(const weft_frame_t* frame) {
  return has(frame, WEFT_FRAME_SCALARS | WEFT_FRAME_BODY_ATTACHED)
             ? 0
             : frame->kinds;
}

weft_frame_places_t weft_frame_places(const weft_frame_t* frame) {
  weft_frame_places_t places;
  uint64_t payload_bytes = has(frame, WEFT_FRAME_SCALARS)
                               ? (uint64_t)frame->value_count * 8
                               : body_bytes(frame);
  places.payload =
      WEFT_FRAME_HEAD_BYTES + (has(frame, WEFT_FRAME_FLOW) ? 8u : 0u);
  places.attachments = places.payload + (payload_bytes + 7) / 8 * 8;
  places.rest = places.attachments +
                (uint64_t)frame->attachment_count * WEFT_ATTACHMENT_BYTES;
  return places;
}

// --- Checks -----------------------------------------------------------------

__attribute__((cold, noinline)) static weft_status_t refuse(
    const weft_frame_t* frame, const char* what) {
  return weft_status_make(WEFT_STATUS_DATA_LOSS,
                          "a frame of type %u (%s), flags %u, %u bytes: %s",
                          frame->type, weft_frame_type_name(frame->type),
                          frame->flags, frame->size_bytes, what);
}

static bool is_scalar(unsigned kind) {
  return kind <= WEFT_KIND_FLOAT64;
}

static unsigned kind_at(const weft_frame_t* frame, uint32_t index) {
  return frame->kinds >> (index * KIND_BITS) & ((1u << KIND_BITS) - 1);
}

// What no kind of a scalar has, in the bits of each of them.
_Static_assert(WEFT_KIND_FLOAT64 == 3, "kinds of scalars have two bits");
#define NO_SCALAR_BITS UINT32_C(0xcccccccc)

// The kinds of the scalars that there are, and none behind them; their number
// was checked.
static bool are_kinds_sound(const weft_frame_t* frame) {
  uint64_t kinds = frame->kinds;
  return (kinds & NO_SCALAR_BITS) == 0 &&
         kinds >> (frame->value_count * KIND_BITS) == 0;
}

static weft_status_t check_scalars(const weft_frame_t* frame) {
  if (frame->value_count > WEFT_FRAME_SCALAR_LIMIT || frame->named_count > 0 ||
      frame->attachment_count > 0 || has(frame, WEFT_FRAME_BODY_ATTACHED)) {
    return refuse(frame, "has more than the few scalars that it says it has");
  }
  if (!are_kinds_sound(frame)) {
    return refuse(frame, "has a kind that is no scalar");
  }
  return WEFT_OK;
}

static weft_status_t check_attached(const weft_frame_t* frame) {
  if (frame->attachment_count == 0 || frame->kinds != 0) {
    return refuse(frame, "has its body in an attachment, but none, or another");
  }
  return WEFT_OK;
}

static weft_status_t check_body(const weft_frame_t* frame) {
  bool is_attached = has(frame, WEFT_FRAME_BODY_ATTACHED);
  // Each value takes at least a byte, its name another, an error some; tensors
  // alone, without structure, none.
  uint32_t least = frame->value_count + 2u * frame->named_count +
                   (has(frame, WEFT_FRAME_ERROR) ? 1u : 0u);
  least -= has(frame, WEFT_FRAME_BARE) ? least : 0;
  if (frame->attachment_count >
      WEFT_WIRE_ATTACHMENT_LIMIT + (is_attached ? 1u : 0u)) {
    return refuse(frame, "has too many attachments");
  }
  if (is_attached) {
    return check_attached(frame);
  }
  if (frame->kinds < least || frame->kinds > WEFT_WIRE_BODY_LIMIT) {
    return refuse(frame, "has a body too small for its values, or too large");
  }
  return WEFT_OK;
}

// Values of an outcome: an error has none, unless it is a code alone.
static uint32_t outcome_count(const weft_frame_t* frame) {
  bool is_error_body =
      has(frame, WEFT_FRAME_ERROR) && !has(frame, WEFT_FRAME_SCALARS);
  return is_error_body ? 0 : 1;
}

static weft_status_t check_loans(const weft_frame_t* frame) {
  if (frame->flags != 0 || frame->kinds != 0 || frame->value_count != 0 ||
      frame->named_count != 0 || frame->attachment_count != 0 ||
      frame->id > WEFT_FRAME_LOAN_LIMIT ||
      frame->size_bytes !=
          WEFT_FRAME_HEAD_BYTES + frame->id * WEFT_FRAME_LOAN_BYTES) {
    return refuse(frame, "has not as many loans as it says");
  }
  return WEFT_OK;
}

static weft_status_t check_type(const weft_frame_t* frame) {
  bool is_error = has(frame, WEFT_FRAME_ERROR);
  if (has(frame, WEFT_FRAME_MORE) && frame->type != WEFT_FRAME_VALUE) {
    return refuse(frame, "says that more comes, which its type never does");
  }
  if (has(frame, WEFT_FRAME_BARE) &&
      (frame->type != WEFT_FRAME_SLOT || is_error ||
       has(frame, WEFT_FRAME_SCALARS))) {
    return refuse(frame, "has no structure to do without");
  }
  uint32_t count = (uint32_t)frame->value_count + frame->named_count;
  switch (rule_of(frame->type)) {
    case RULE_EMPTY:
      if (weft_frame_places(frame).rest != WEFT_FRAME_HEAD_BYTES || is_error ||
          count > 0) {
        return refuse(frame, "has a payload, but its type has none");
      }
      return WEFT_OK;
    case RULE_OUTCOME:
      if (count != outcome_count(frame) || frame->named_count > 0) {
        return refuse(frame, "has not one value, and is no error");
      }
      return WEFT_OK;
    case RULE_LOANS:
      return check_loans(frame);
    case RULE_VALUES:
      return is_error ? refuse(frame, "cannot be an error") : WEFT_OK;
    case RULE_UNKNOWN:
      break;
  }
  return refuse(frame, "has a type that means nothing here");
}

// Without inline attachments a frame ends behind its table; with some, they
// are checked one by one as they are read.
static weft_status_t check_size(const weft_frame_t* frame, size_t size_bytes) {
  uint64_t rest = weft_frame_places(frame).rest;
  if (frame->size_bytes != size_bytes) {
    return refuse(frame, "says another size than it has");
  }
  bool may_have_more =
      frame->attachment_count > 0 || rule_of(frame->type) == RULE_LOANS;
  if (size_bytes < rest || (size_bytes > rest && !may_have_more)) {
    return refuse(frame, "has not the size of its parts");
  }
  return WEFT_OK;
}

weft_status_t weft_frame_check(const weft_frame_t* frame, size_t size_bytes) {
  if (size_bytes < WEFT_FRAME_HEAD_BYTES) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "a frame of %zu bytes; its head has %d", size_bytes,
                            WEFT_FRAME_HEAD_BYTES);
  }
  if ((frame->flags & ~(unsigned)ALL_FLAGS) != 0) {
    return refuse(frame, "has flags that mean nothing here");
  }
  WEFT_RETURN_IF_ERROR(has(frame, WEFT_FRAME_SCALARS) ? check_scalars(frame)
                                                      : check_body(frame));
  WEFT_RETURN_IF_ERROR(check_size(frame, size_bytes));
  return check_type(frame);
}

// --- Scalars ----------------------------------------------------------------

bool weft_values_are_scalars(const weft_value_t* values, size_t count) {
  bool are = count <= WEFT_FRAME_SCALAR_LIMIT;
  for (size_t i = 0; i < count && are; ++i) {
    are = is_scalar(values[i].kind);
  }
  return are;
}

void weft_frame_put_scalars(weft_frame_t* frame, uint64_t* payload,
                            const weft_value_t* values, uint32_t count) {
  weft_assert(weft_values_are_scalars(values, count));
  frame->flags |= WEFT_FRAME_SCALARS;
  frame->value_count = (uint8_t)count;
  frame->named_count = 0;
  frame->attachment_count = 0;
  frame->kinds = 0;
  for (uint32_t i = 0; i < count; ++i) {
    frame->kinds |= (uint32_t)values[i].kind << (i * KIND_BITS);
    // All kinds of scalars have all of their datum in these 8 bytes.
    memcpy(&payload[i], &values[i].as, sizeof(payload[i]));
  }
}

static bool is_datum(unsigned kind, uint64_t datum) {
  switch (kind) {
    case WEFT_KIND_NONE:
      return datum == 0;
    case WEFT_KIND_BOOL:
      return datum <= 1;
    default:
      return is_scalar(kind);
  }
}

weft_status_t weft_frame_get_scalars(const weft_frame_t* frame,
                                     const uint64_t* payload,
                                     weft_value_t* out_values) {
  for (uint32_t i = 0; i < frame->value_count; ++i) {
    out_values[i] = weft_none();
  }
  for (uint32_t i = 0; i < frame->value_count; ++i) {
    unsigned kind = kind_at(frame, i);
    uint64_t datum = payload[i];
    if (!is_datum(kind, datum)) {
      return refuse(frame, "has a scalar that is none of its kind");
    }
    out_values[i].kind = (uint8_t)kind;
    memcpy(&out_values[i].as, &datum, sizeof(datum));
  }
  return WEFT_OK;
}

// --- Parts ------------------------------------------------------------------

weft_status_t weft_frame_payload(const weft_frame_t* frame,
                                 weft_payload_t* out_payload) {
  const uint8_t* bytes = (const uint8_t*)frame;
  weft_frame_places_t places = weft_frame_places(frame);
  *out_payload = (weft_payload_t){0};
  if (places.rest > frame->size_bytes) {
    return refuse(frame, "has not the size of its parts");
  }
  if (has(frame, WEFT_FRAME_FLOW)) {
    memcpy(&out_payload->flow, bytes + WEFT_FRAME_HEAD_BYTES, 8);
  }
  if (has(frame, WEFT_FRAME_SCALARS)) {
    out_payload->scalars =
        (const uint64_t*)(const void*)(bytes + places.payload);
  } else if (!has(frame, WEFT_FRAME_BODY_ATTACHED)) {
    out_payload->body = bytes + places.payload;
    out_payload->body_bytes = body_bytes(frame);
  }
  out_payload->attachments = bytes + places.attachments;
  return WEFT_OK;
}

// An entry of the table of attachments as it stands in a frame.
typedef struct entry {
  uint8_t kind;
  uint8_t zero_1;
  uint16_t owner_rank;
  uint16_t owner_incarnation;
  uint16_t zero_2;
  uint32_t segment;
  uint32_t generation;
  uint64_t offset_bytes;
  uint64_t size_bytes;
  uint64_t segment_bytes;
} entry_t;

_Static_assert(sizeof(entry_t) == WEFT_ATTACHMENT_BYTES, "the format");

void weft_attachment_write(uint8_t* place,
                           const weft_attachment_t* attachment) {
  entry_t entry = {
      .kind = attachment->kind,
      .offset_bytes = attachment->offset_bytes,
      .size_bytes = attachment->size_bytes,
  };
  if (attachment->kind == WEFT_ATTACHMENT_LOAN) {
    entry.owner_rank = attachment->owner_rank;
    entry.owner_incarnation = attachment->owner_incarnation;
    entry.segment = attachment->segment;
    entry.generation = attachment->generation;
    entry.segment_bytes = attachment->segment_bytes;
  }
  memcpy(place, &entry, sizeof(entry));
}

// True when the range lies between `low` and `high`.
static bool is_within(const entry_t* entry, uint64_t low, uint64_t high) {
  return entry->offset_bytes >= low && entry->offset_bytes <= high &&
         entry->size_bytes <= high - entry->offset_bytes;
}

static bool is_inline_sound(const weft_frame_t* frame, const entry_t* entry) {
  bool is_blank = entry->owner_rank == 0 && entry->owner_incarnation == 0 &&
                  entry->segment == 0 && entry->generation == 0 &&
                  entry->segment_bytes == 0;
  return is_blank && entry->offset_bytes % 8 == 0 &&
         is_within(entry, weft_frame_places(frame).rest, frame->size_bytes);
}

static bool is_loan_sound(const entry_t* entry) {
  return entry->size_bytes > 0 && entry->segment_bytes <= INT64_MAX &&
         is_within(entry, 0, entry->segment_bytes);
}

static bool is_entry_sound(const weft_frame_t* frame, const entry_t* entry) {
  if (entry->zero_1 != 0 || entry->zero_2 != 0) {
    return false;
  }
  return entry->kind == WEFT_ATTACHMENT_INLINE ? is_inline_sound(frame, entry)
         : entry->kind == WEFT_ATTACHMENT_LOAN ? is_loan_sound(entry)
                                               : false;
}

weft_status_t weft_attachment_read(const weft_frame_t* frame,
                                   const weft_payload_t* payload,
                                   uint32_t index,
                                   weft_attachment_t* out_attachment) {
  *out_attachment = (weft_attachment_t){0};
  if (index >= frame->attachment_count) {
    return refuse(frame, "has not so many attachments");
  }
  entry_t entry;
  memcpy(&entry, payload->attachments + (size_t)index * WEFT_ATTACHMENT_BYTES,
         sizeof(entry));
  bool is_body = has(frame, WEFT_FRAME_BODY_ATTACHED) && index == 0;
  if (!is_entry_sound(frame, &entry) ||
      (is_body && entry.size_bytes > WEFT_WIRE_BODY_LIMIT)) {
    return refuse(frame, "has an attachment that cannot be");
  }
  *out_attachment = (weft_attachment_t){
      .kind = entry.kind,
      .owner_rank = entry.owner_rank,
      .owner_incarnation = entry.owner_incarnation,
      .segment = entry.segment,
      .generation = entry.generation,
      .offset_bytes = entry.offset_bytes,
      .size_bytes = entry.size_bytes,
      .segment_bytes = entry.segment_bytes,
  };
  return WEFT_OK;
}
