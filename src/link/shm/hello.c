// SPDX-License-Identifier: Apache-2.0

#include "link/shm/hello.h"

#include <string.h>

#include "link/shm/lane.h"
#include "sys/crash_point.h"

_Static_assert(sizeof(weft_shm_hello_t) == 32, "the format");
_Static_assert(sizeof(weft_shm_note_t) == 16, "the format");

// --- Sending ----------------------------------------------------------------

weft_status_t weft_shm_send_hello(
    int socket, const weft_shm_hello_t* hello,
    const int descriptors[WEFT_SHM_HELLO_DESCRIPTORS]) {
  weft_shm_hello_t copy = *hello;
  weft_socket_message_t message = {
      .data = &copy,
      .size_bytes = sizeof(copy),
      .descriptor_count = WEFT_SHM_HELLO_DESCRIPTORS,
      .is_stamped = true,
  };
  memcpy(message.descriptors, descriptors,
         sizeof(int) * WEFT_SHM_HELLO_DESCRIPTORS);
  weft_crash_point("before its hello");
  weft_status_t status = weft_socket_send(socket, &message);
  weft_crash_point("behind its hello");
  return status;
}

weft_status_t weft_shm_send_descriptor(int socket, uint64_t tag,
                                       int descriptor) {
  weft_shm_note_t note = {.kind = WEFT_SHM_DESCRIPTOR, .tag = tag};
  const weft_socket_message_t message = {
      .data = &note,
      .size_bytes = sizeof(note),
      .descriptors = {descriptor},
      .descriptor_count = 1,
  };
  weft_crash_point("before a descriptor");
  weft_status_t status = weft_socket_send(socket, &message);
  weft_crash_point("behind a descriptor");
  return status;
}

void weft_shm_send_ring(int socket) {
  weft_shm_note_t note = {.kind = WEFT_SHM_RING};
  const weft_socket_message_t message = {.data = &note,
                                         .size_bytes = sizeof(note)};
  weft_status_release(weft_socket_send(socket, &message));
}

// --- Receiving --------------------------------------------------------------

void weft_shm_close_received(weft_shm_received_t* received) {
  for (uint32_t i = 0; i < received->message.descriptor_count; i++) {
    weft_sys_close(received->message.descriptors[i]);
  }
  received->message.descriptor_count = 0;
}

static bool has_shape(const weft_shm_received_t* received, uint32_t kind,
                      size_t size_bytes, uint32_t descriptor_count) {
  return received->data.kind == kind &&
         received->message.size_bytes == size_bytes &&
         received->message.descriptor_count == descriptor_count;
}

// A descriptor found no room in this process; its sender does not know.
static bool is_lost(const weft_shm_received_t* received) {
  return received->message.is_cut &&
         has_shape(received, WEFT_SHM_DESCRIPTOR, sizeof(weft_shm_note_t), 0);
}

static weft_status_t check_shape(const weft_shm_received_t* received) {
  if (is_lost(received)) {
    return WEFT_OK;
  }
  if (received->message.is_cut && !weft_sys_may_open(1)) {
    return weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "descriptors that a peer has sent were lost, because this process may "
        "not open any more; raise the limit of open files (ulimit -n)");
  }
  bool is_sound =
      !received->message.is_cut &&
      (has_shape(received, WEFT_SHM_HELLO, sizeof(weft_shm_hello_t),
                 WEFT_SHM_HELLO_DESCRIPTORS) ||
       has_shape(received, WEFT_SHM_DESCRIPTOR, sizeof(weft_shm_note_t), 1) ||
       has_shape(received, WEFT_SHM_RING, sizeof(weft_shm_note_t), 0));
  if (!is_sound) {
    return weft_status_make(
        WEFT_STATUS_DATA_LOSS,
        "a peer sent a message of kind 0x%x with %zu bytes and %u "
        "descriptors%s, which means nothing",
        (unsigned)received->data.kind, received->message.size_bytes,
        (unsigned)received->message.descriptor_count,
        received->message.is_cut ? " and more" : "");
  }
  return WEFT_OK;
}

weft_status_t weft_shm_receive(int socket, weft_shm_received_t* out_received) {
  memset(out_received, 0, sizeof(*out_received));
  out_received->message.data = &out_received->data;
  out_received->message.size_bytes = sizeof(out_received->data);
  weft_status_t status = weft_socket_receive(socket, &out_received->message);
  if (status == WEFT_OK) {
    status = check_shape(out_received);
  }
  if (status != WEFT_OK) {
    weft_shm_close_received(out_received);
  }
  return status;
}

// --- The hello --------------------------------------------------------------

static weft_status_t check_sender(const weft_socket_message_t* message) {
  uint32_t own = weft_sys_user_id();
  if (!message->is_stamped || message->user != own) {
    return weft_status_make(
        WEFT_STATUS_PERMISSION_DENIED,
        "process %u of user %u wants a link to this process of user %u; both "
        "must be of one user",
        (unsigned)message->process,
        (unsigned)(message->is_stamped ? message->user : UINT32_MAX),
        (unsigned)own);
  }
  return WEFT_OK;
}

static weft_status_t check_names(const weft_shm_hello_t* hello,
                                 const weft_shm_hello_t* own) {
  if (hello->version != own->version) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "a peer speaks version %u of the protocol of "
                            "links, this process version %u; use the same "
                            "weft on both sides",
                            (unsigned)hello->version, (unsigned)own->version);
  }
  if (hello->job != own->job) {
    return weft_status_make(
        WEFT_STATUS_FAILED_PRECONDITION,
        "a peer is of job %016llx, this process of job %016llx",
        (unsigned long long)hello->job, (unsigned long long)own->job);
  }
  if (hello->rank != own->peer_rank ||
      hello->incarnation != own->peer_incarnation ||
      hello->peer_rank != own->rank ||
      hello->peer_incarnation != own->incarnation) {
    return weft_status_make(
        WEFT_STATUS_FAILED_PRECONDITION,
        "a peer says that it is rank %u (life %u) and speaks to rank %u (life "
        "%u); this is rank %u (life %u), and expects rank %u (life %u)",
        hello->rank, hello->incarnation, hello->peer_rank,
        hello->peer_incarnation, own->rank, own->incarnation, own->peer_rank,
        own->peer_incarnation);
  }
  return WEFT_OK;
}

weft_status_t weft_shm_check_hello(const weft_shm_received_t* received,
                                   const weft_shm_hello_t* own) {
  const weft_shm_hello_t* hello = &received->data.hello;
  if (hello->kind != WEFT_SHM_HELLO) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "a peer sent something before its hello");
  }
  WEFT_RETURN_IF_ERROR(check_sender(&received->message));
  WEFT_RETURN_IF_ERROR(check_names(hello, own));
  if (!weft_lane_is_size(hello->ring_bytes)) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "a peer has a lane of %llu bytes; it must be a "
                            "power of two from %zu to %zu",
                            (unsigned long long)hello->ring_bytes,
                            WEFT_LANE_BYTES_MIN, WEFT_LANE_BYTES_MAX);
  }
  return WEFT_OK;
}
