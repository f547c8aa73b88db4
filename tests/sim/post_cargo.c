// SPDX-License-Identifier: Apache-2.0

#include "sim/post.h"

#include <stdlib.h>
#include <string.h>

int64_t post_cargo_number(uint32_t id) {
  return (int64_t)id * 7 + 1;
}

// --- Text and tensors of a letter -------------------------------------------

// Short, longer than what is lent, longer than a frame.
static size_t text_bytes(uint32_t id) {
  static const size_t sizes[] = {5, 900, 3000, 20000};
  return sizes[id % 4];
}

static char text_byte(uint32_t id, size_t at) {
  return (char)('a' + (id + at) % 26);
}

weft_status_t post_make_text(weft_runtime_t* runtime, uint32_t id,
                             weft_value_t* out_value) {
  size_t size_bytes = text_bytes(id);
  char* text = malloc(size_bytes);
  for (size_t i = 0; i < size_bytes; ++i) {
    text[i] = text_byte(id, i);
  }
  weft_status_t status = weft_string_create(weft_runtime_allocator(runtime),
                                            text, size_bytes, out_value);
  free(text);
  return status;
}

bool post_is_text(weft_value_t value, uint32_t id) {
  const char* text = NULL;
  size_t size_bytes = 0;
  weft_status_t status = weft_value_as_string(value, &text, &size_bytes);
  bool is_right = status == WEFT_OK && size_bytes == text_bytes(id);
  weft_status_release(status);
  for (size_t i = 0; is_right && i < size_bytes; ++i) {
    is_right = text[i] == text_byte(id, i);
  }
  return is_right;
}

static weft_status_t make_tensor(weft_runtime_t* runtime, uint32_t id,
                                 weft_value_t* out_value) {
  const int64_t shape[] = {(int64_t)(id % 3 * 2000 + 4)};
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_tensor_create(weft_runtime_allocator(runtime), NULL,
                                          WEFT_UINT8, 1, shape, &tensor));
  WEFT_RETURN_IF_ERROR(weft_tensor_mutable_data(tensor, &data));
  memset(data, (int)(id & 0xff), (size_t)shape[0]);
  *out_value = weft_tensor_value(tensor);
  weft_tensor_release(tensor);
  return WEFT_OK;
}

static bool is_tensor(weft_value_t value, uint32_t id) {
  const weft_tensor_t* tensor = NULL;
  weft_status_t status = weft_value_as_tensor(value, &tensor);
  bool is_right = status == WEFT_OK;
  weft_status_release(status);
  const uint8_t* bytes = is_right ? weft_tensor_data(tensor) : NULL;
  for (size_t i = 0; is_right && i < id % 3 * 2000 + 4; ++i) {
    is_right = bytes[i] == (id & 0xff);
  }
  return is_right;
}

// --- Cargo ------------------------------------------------------------------

weft_runtime_t* post_runtime_of(post_t* post, uint32_t rank) {
  return post->job.members[rank].runtime;
}

void post_pledge(post_t* post, weft_promise_t* promise, uint32_t letter,
                 uint32_t rank, bool is_answer) {
  pledge_t* next = &post->pledges[post->pledge_count++];
  *next = (pledge_t){promise, letter, rank, is_answer};
}

static weft_status_t make_promise(letter_t* letter, weft_value_t* out_value) {
  post_t* post = letter->post;
  uint32_t rank = post->sender_ranks[letter->sender];
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(
      weft_promise_create(post_runtime_of(post, rank), &promise, &future));
  post_pledge(post, promise, letter->id, rank, false);
  *out_value = weft_future_value(future);
  weft_future_release(future);
  letter->needs |= 1u << rank;
  return WEFT_OK;
}

static weft_status_t make_reply(letter_t* letter, weft_value_t* out_value) {
  post_t* post = letter->post;
  uint32_t rank = post->sender_ranks[letter->sender];
  uint32_t third = (uint32_t)post_below(post, POST_RECEIVERS);
  const weft_call_options_t options = {.try_only = true};
  weft_future_t* future = NULL;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_call(
      post_runtime_of(post, rank), post->receivers[third], POST_ENDPOINT_DOUBLE,
      WEFT_ARGUMENTS(weft_int64(letter->id)), &options, &future));
  *out_value = weft_future_value(future);
  weft_future_release(future);
  letter->cargo_end = END_VALUE;
  letter->needs |= 1u << rank | 1u << post->receiver_ranks[third];
  return WEFT_OK;
}

static weft_status_t make_list(letter_t* letter, weft_value_t* out_value) {
  weft_value_t future = weft_none();
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(make_promise(letter, &future));
  weft_status_t status = weft_list_create(NULL, &future, 1, out_value);
  weft_value_release(future);
  return status;
}

// What somebody of the sender's member has received.
static bool find_relay(letter_t* letter, weft_value_t* out_value) {
  post_t* post = letter->post;
  uint32_t rank = post->sender_ranks[letter->sender];
  for (uint32_t i = 0; i < post->kept_count; ++i) {
    const kept_t* kept = &post->kept[i];
    if (kept->rank == rank) {
      const letter_t* origin = &post->letters[kept->letter];
      *out_value = weft_future_value(kept->future);
      letter->origin = origin->origin;
      letter->cargo_end = origin->cargo_end;
      letter->needs |= origin->needs | 1u << rank;
      return true;
    }
  }
  return false;
}

weft_status_t post_make_cargo(letter_t* letter, weft_value_t* out_value) {
  post_t* post = letter->post;
  weft_runtime_t* runtime =
      post_runtime_of(post, post->sender_ranks[letter->sender]);
  bool is_full = post->pledge_count == POST_PROMISES;
  weft_status_t status = WEFT_OK;
  switch (letter->cargo) {
    case CARGO_TEXT:
      return post_make_text(runtime, letter->id, out_value);
    case CARGO_TENSOR:
      return make_tensor(runtime, letter->id, out_value);
    case CARGO_PROMISE:
      if (!is_full) {
        return make_promise(letter, out_value);
      }
      break;
    case CARGO_LIST:
      if (!is_full) {
        return make_list(letter, out_value);
      }
      break;
    case CARGO_REPLY:
      status = make_reply(letter, out_value);
      if (status == WEFT_OK) {
        return status;
      }
      weft_status_release(status);
      break;
    case CARGO_RELAY:
      if (find_relay(letter, out_value)) {
        return WEFT_OK;
      }
      break;
    default:
      break;
  }
  letter->cargo = CARGO_SCALAR;
  letter->cargo_end = END_VALUE;
  *out_value = weft_int64(post_cargo_number(letter->id));
  return WEFT_OK;
}

bool post_may_fail_cargo(const letter_t* letter) {
  return letter->cargo == CARGO_PROMISE || letter->cargo == CARGO_REPLY ||
         letter->cargo == CARGO_RELAY;
}

bool post_is_cargo(const letter_t* letter, weft_value_t value) {
  switch (letter->cargo) {
    case CARGO_TEXT:
      return post_is_text(value, letter->id);
    case CARGO_TENSOR:
      return is_tensor(value, letter->id);
    case CARGO_LIST:
      return weft_value_kind(value) == WEFT_KIND_LIST;
    default:
      return weft_value_kind(value) == WEFT_KIND_INT64 &&
             value.as.int64 == post_cargo_number(letter->origin);
  }
}
