// SPDX-License-Identifier: Apache-2.0

#include "job/protocol.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "sys/unix_socket.h"

// What all versions have in common.
#define PREAMBLE_BYTES 8

weft_job_message_t weft_job_message(weft_job_type_t type) {
  return (weft_job_message_t){
      .magic = WEFT_JOB_MAGIC,
      .version = WEFT_JOB_VERSION,
      .type = (uint16_t)type,
  };
}

// --- Statuses ---------------------------------------------------------------

void weft_job_message_set_status(weft_job_message_t* message,
                                 weft_status_t status) {
  message->code = (uint32_t)weft_status_code(status);
  (void)snprintf(message->text, sizeof(message->text), "%s",
                 weft_status_message(status));
  // What was cut may end in half a character.
  size_t length = strlen(message->text);
  message->text[weft_utf8_prefix((const uint8_t*)message->text, length)] = '\0';
}

weft_status_t weft_job_message_status(const weft_job_message_t* message) {
  weft_status_code_t code = (weft_status_code_t)message->code;
  if (code == WEFT_STATUS_OK || message->text[0] == '\0') {
    return weft_status_from_code(code);
  }
  return weft_status_make(code, "%s", message->text);
}

// --- On the socket ----------------------------------------------------------

weft_status_t weft_job_message_send(int socket,
                                    const weft_job_message_t* message,
                                    int descriptor) {
  weft_job_message_t copy = *message;
  weft_socket_message_t carrier = {
      .data = &copy,
      .size_bytes = sizeof(copy),
      .descriptors = {descriptor},
      .descriptor_count = descriptor >= 0 ? 1 : 0,
      .is_stamped = true,
  };
  return weft_socket_send(socket, &carrier);
}

// Text of others is printed on terminals: nothing but characters.
static bool is_text(const char* text) {
  const char* end = memchr(text, '\0', WEFT_JOB_TEXT_BYTES);
  if (end == NULL) {
    return false;
  }
  size_t length = (size_t)(end - text);
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)text[i];
    if ((byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f) {
      return false;
    }
  }
  return weft_utf8_prefix((const uint8_t*)text, length) == length;
}

static weft_status_t check_sender(const weft_socket_message_t* carrier) {
  if (carrier->is_stamped && carrier->user == weft_sys_user_id()) {
    return WEFT_OK;
  }
  return weft_status_make(WEFT_STATUS_PERMISSION_DENIED,
                          "a message of user %u came over the control socket "
                          "of a job of user %u: a job is of one user",
                          carrier->user, weft_sys_user_id());
}

static weft_status_t check_version(const weft_job_message_t* message,
                                   size_t size_bytes) {
  if (size_bytes < PREAMBLE_BYTES || message->magic != WEFT_JOB_MAGIC) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "%zu bytes that are no message of a job came over "
                            "its control socket",
                            size_bytes);
  }
  if (message->version != WEFT_JOB_VERSION) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the other side speaks version %u of the protocol "
                            "of jobs, this one %d: use one version of weft "
                            "for launcher and programs",
                            message->version, WEFT_JOB_VERSION);
  }
  return WEFT_OK;
}

static weft_status_t check_content(const weft_job_message_t* message,
                                   const weft_socket_message_t* carrier) {
  uint32_t wanted =
      message->type == WEFT_JOB_PEER || message->type == WEFT_JOB_FLIGHT ? 1
                                                                         : 0;
  bool is_sound = carrier->size_bytes == sizeof(*message) &&
                  message->type != 0 && message->type < WEFT_JOB_TYPE_LIMIT &&
                  message->code < WEFT_STATUS_CODE_COUNT &&
                  message->rank < WEFT_JOB_RANK_LIMIT &&
                  carrier->descriptor_count <= wanted && is_text(message->text);
  if (!is_sound) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "a damaged message (type %u, %zu bytes) came over "
                            "the control socket of a job",
                            message->type, carrier->size_bytes);
  }
  if (carrier->descriptor_count < wanted) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "the socket to rank %u was lost: this process may "
                            "not open one more file; raise the limit "
                            "(ulimit -n)",
                            message->rank);
  }
  return WEFT_OK;
}

static weft_status_t check(const weft_job_message_t* message,
                           const weft_socket_message_t* carrier) {
  WEFT_RETURN_IF_ERROR(check_sender(carrier));
  WEFT_RETURN_IF_ERROR(check_version(message, carrier->size_bytes));
  return check_content(message, carrier);
}

weft_status_t weft_job_message_receive(int socket,
                                       weft_job_message_t* out_message,
                                       int* out_descriptor) {
  // One byte more, to see that a message is too long.
  struct {
    weft_job_message_t message;
    char rest[1];
  } room = {0};
  const weft_job_message_t* message = &room.message;
  *out_message = room.message;
  *out_descriptor = -1;
  weft_socket_message_t carrier = {
      .data = &room,
      .size_bytes = sizeof(*message) + 1,
  };
  WEFT_RETURN_IF_ERROR(weft_socket_receive(socket, &carrier));
  weft_status_t status = check(message, &carrier);
  if (status != WEFT_OK) {
    for (uint32_t i = 0; i < carrier.descriptor_count; i++) {
      weft_sys_close(carrier.descriptors[i]);
    }
    // Whose rank the lost socket was is told to whoever waits for it.
    out_message->type = message->type;
    out_message->rank = message->rank;
    out_message->incarnation = message->incarnation;
    return status;
  }
  *out_message = *message;
  out_message->process = carrier.process;
  *out_descriptor = carrier.descriptor_count > 0 ? carrier.descriptors[0] : -1;
  return WEFT_OK;
}
