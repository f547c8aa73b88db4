// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <stdlib.h>

#include "sim/wharf.h"

// Who uses a channel, and who is there.
static void tell(const wharf_t* wharf, uint32_t pipe) {
  for (uint32_t i = 0; i < wharf->job.size; i++) {
    const job_member_t* member = &wharf->job.members[i];
    (void)fprintf(stderr, "rank %u: %s%s%s\n", i,
                  member->is_dead ? "dead" : "there",
                  member->is_suspect ? ", suspected" : "",
                  member->is_stopped ? ", stopped" : "");
  }
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    const use_t* use = &wharf->uses[i];
    if (use->pipe == pipe) {
      (void)fprintf(
          stderr, "use %u of end %u at rank %u: %s%s, next %llu\n", i, use->end,
          use->rank,
          use->reader == NULL && use->writer == NULL ? "left" : "there",
          use->has_ended ? ", ended" : "", (unsigned long long)use->next);
    }
  }
  for (uint32_t i = 0; i < wharf->copy_count; i++) {
    const copy_t* copy = &wharf->copies[i];
    if (copy->value.kind != WEFT_KIND_NONE && copy->pipe == pipe) {
      (void)fprintf(stderr, "a copy of end %u at rank %u\n", copy->end,
                    copy->rank);
    }
  }
}

void wharf_must(const use_t* use, const wharf_t* wharf, bool holds,
                const char* what) {
  if (!holds) {
    const pipe_t* pipe = &wharf->pipes[use->pipe];
    tell(wharf, use->pipe);
    (void)fprintf(
        stderr,
        "use %u of end %u of channel %u (made at rank %u, %u readers, "
        "%u slots, %llu written, finish %d) at rank %u, next %llu, "
        "%u openings: %s\n",
        use->index, use->end, use->pipe, pipe->creator, pipe->reader_count,
        pipe->slot_count, (unsigned long long)pipe->written, (int)pipe->finish,
        use->rank, (unsigned long long)use->next, pipe->ends[use->end].openings,
        what);
    abort();
  }
}

bool wharf_is_dead(const wharf_t* wharf, uint32_t rank) {
  return wharf->job.members[rank].is_dead;
}

static pipe_t* pipe_of(wharf_t* wharf, const use_t* use) {
  return &wharf->pipes[use->pipe];
}

static bool is_disturbed(const wharf_t* wharf) {
  bool is_disturbed = wharf->job.dead_count > 0;
  for (uint32_t i = 0; i < wharf->job.size; i++) {
    is_disturbed |= wharf->job.members[i].is_suspect;
  }
  return is_disturbed;
}

// --- Values -----------------------------------------------------------------

typedef enum form { FORM_NUMBER, FORM_TENSOR, FORM_ERROR, FORM_TEXT } form_t;

static form_t form_of(const use_t* use, uint64_t sequence) {
  uint64_t mixed = sequence * 7 + (uint64_t)use->pipe * 3;
  return mixed % 8 < 4 ? (form_t)(mixed % 4) : FORM_NUMBER;
}

static int64_t number_of(const use_t* use, uint64_t sequence) {
  return (int64_t)use->pipe * 1000000 + (int64_t)sequence;
}

static weft_value_t make_tensor(weft_runtime_t* runtime, int64_t number) {
  const int64_t shape[] = {200};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create_shared(runtime, WEFT_INT64, 1, shape, &tensor));
  int64_t* data = NULL;
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, (void**)&data));
  for (int i = 0; i < 200; i++) {
    data[i] = number;
  }
  return weft_tensor_into_value(tensor);
}

static weft_value_t make_value(wharf_t* wharf, const use_t* use, form_t form,
                               int64_t number) {
  weft_runtime_t* runtime = wharf->job.members[use->rank].runtime;
  weft_value_t value;
  char text[128];
  if (form == FORM_TENSOR) {
    return make_tensor(runtime, number);
  }
  if (form == FORM_TEXT) {
    int length = snprintf(text, sizeof(text), "%0100lld", (long long)number);
    weft_kit_assert_ok(weft_string_create(weft_runtime_allocator(runtime), text,
                                          (size_t)length, &value));
    return value;
  }
  return weft_int64(number);
}

static int64_t read_number(weft_value_t value) {
  const weft_tensor_t* tensor;
  const char* text;
  size_t length_bytes;
  switch (weft_value_kind(value)) {
    case WEFT_KIND_TENSOR:
      weft_kit_assert_ok(weft_value_as_tensor(value, &tensor));
      return ((const int64_t*)weft_tensor_data(tensor))[199];
    case WEFT_KIND_STRING:
      weft_kit_assert_ok(weft_value_as_string(value, &text, &length_bytes));
      return strtoll(text, NULL, 10);
    default:
      return weft_value_kind(value) == WEFT_KIND_INT64 ? value.as.int64 : -1;
  }
}

static void check_lease(wharf_t* wharf, use_t* use, const weft_lease_t* lease) {
  wharf_must(use, wharf, lease->sequence == use->next, "out of order");
  if (lease->status == WEFT_OK) {
    wharf_must(use, wharf,
               read_number(lease->value) == number_of(use, use->next),
               "another value");
    return;
  }
  bool is_written = form_of(use, use->next) == FORM_ERROR &&
                    weft_status_code(lease->status) == WEFT_STATUS_OUT_OF_RANGE;
  wharf_must(use, wharf,
             is_written || (is_disturbed(wharf) &&
                            job_is_death(&wharf->job, lease->status)),
             "another error in place of a value");
}

// --- How it ends ------------------------------------------------------------

static void must_say(wharf_t* wharf, const use_t* use, bool holds,
                     weft_status_t status) {
  if (!holds) {
    char text[2048];
    (void)weft_status_format(status, text, sizeof(text));
    wharf_must(use, wharf, false, text);
  }
}

// Another has opened the same end, and was first.
static bool is_rivalled(wharf_t* wharf, const use_t* use,
                        weft_status_code_t code) {
  const pipe_end_t* end = &pipe_of(wharf, use)->ends[use->end];
  return end->openings > 1 && end->owner != use->index &&
         (code == WEFT_STATUS_ALREADY_EXISTS || code == WEFT_STATUS_CLOSED ||
          code == WEFT_STATUS_FAILED_PRECONDITION);
}

static bool is_disturbance(const wharf_t* wharf, weft_status_t status) {
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  return is_disturbed(wharf) &&
         (code == WEFT_STATUS_PEER_DIED || code == WEFT_STATUS_CLOSED ||
          code == WEFT_STATUS_ABANDONED || code == WEFT_STATUS_ALREADY_EXISTS);
}

// What says that a reader gets nothing more.
static bool is_right_end(wharf_t* wharf, const use_t* use,
                         weft_status_t status) {
  const pipe_t* pipe = pipe_of(wharf, use);
  bool has_all = use->next == pipe->written;
  switch (weft_status_code(weft_status_root(status))) {
    case WEFT_STATUS_CLOSED:
      return has_all && pipe->finish == FINISH_CLOSED;
    case WEFT_STATUS_ABANDONED:
      return has_all && pipe->finish == FINISH_LEFT;
    case WEFT_STATUS_DATA_LOSS:
      return pipe->finish == FINISH_ERROR;
    default:
      return false;
  }
}

static bool has_live_end(const wharf_t* wharf, uint32_t pipe, uint32_t end) {
  // Copies of an end that is used, or was, are of no use.
  bool is_new = wharf->pipes[pipe].ends[end].openings == 0;
  bool is_live = is_new && wharf->pipes[pipe].ends[end].on_their_way > 0;
  for (uint32_t i = 0; i < wharf->copy_count && !is_live; i++) {
    const copy_t* copy = &wharf->copies[i];
    is_live = is_new && copy->value.kind != WEFT_KIND_NONE &&
              copy->pipe == pipe && copy->end == end &&
              !wharf_is_dead(wharf, copy->rank);
  }
  for (uint32_t i = 0; i < wharf->use_count && !is_live; i++) {
    const use_t* use = &wharf->uses[i];
    is_live = use->pipe == pipe && use->end == end && !use->has_ended &&
              (use->reader != NULL || use->writer != NULL) &&
              !wharf_is_dead(wharf, use->rank);
  }
  return is_live;
}

// A writer that nobody has any more, and nobody used.
static void note_lost_writers(wharf_t* wharf) {
  for (uint32_t i = 0; i < wharf->pipe_count; i++) {
    pipe_t* pipe = &wharf->pipes[i];
    if (pipe->finish == FINISH_NONE && !has_live_end(wharf, i, WHARF_READERS)) {
      pipe->finish = FINISH_LEFT;
    }
  }
}

static bool has_leases(const use_t* use) {
  bool has = false;
  for (int i = 0; i < WHARF_LEASES; i++) {
    has |= use->leases[i].reader != NULL;
  }
  return has;
}

static uint64_t first_held(const use_t* use) {
  uint64_t first = use->next;
  for (int i = 0; i < WHARF_LEASES; i++) {
    if (use->leases[i].reader != NULL && use->leases[i].sequence < first) {
      first = use->leases[i].sequence;
    }
  }
  return first;
}

// Somebody who is there has not released what stands in the next slot.
static bool is_full(wharf_t* wharf, uint32_t index) {
  const pipe_t* pipe = &wharf->pipes[index];
  bool is_full = false;
  if (pipe->written < pipe->slot_count) {
    return false;
  }
  uint64_t oldest = pipe->written - pipe->slot_count;
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    const use_t* use = &wharf->uses[i];
    if (use->pipe == index && use->end < WHARF_READERS &&
        !wharf_is_dead(wharf, use->rank)) {
      is_full |=
          use->reader != NULL ? first_held(use) <= oldest : has_leases(use);
    }
  }
  for (uint32_t i = 0; i < pipe->reader_count; i++) {
    is_full |= pipe->ends[i].openings == 0 && has_live_end(wharf, index, i);
  }
  return is_full;
}

// --- Using ------------------------------------------------------------------

static void own(wharf_t* wharf, const use_t* use) {
  pipe_end_t* end = &pipe_of(wharf, use)->ends[use->end];
  wharf_must(use, wharf, end->owner == WHARF_USES || end->owner == use->index,
             "two use one end");
  end->owner = use->index;
}

static void check_write(wharf_t* wharf, use_t* use, weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  pipe_t* pipe = pipe_of(wharf, use);
  if (code == WEFT_STATUS_WOULD_BLOCK) {
    return;
  }
  bool has_readers = false;
  for (uint32_t i = 0; i < pipe->reader_count; i++) {
    has_readers |= has_live_end(wharf, use->pipe, i);
  }
  use->has_ended = true;
  must_say(wharf, use,
           is_rivalled(wharf, use, code) || is_disturbance(wharf, status) ||
               (code == WEFT_STATUS_CLOSED && !has_readers),
           status);
}

bool wharf_write(wharf_t* wharf, use_t* use) {
  pipe_t* pipe = pipe_of(wharf, use);
  form_t form = form_of(use, pipe->written);
  int64_t number = number_of(use, pipe->written);
  weft_status_t status;
  if (form == FORM_ERROR) {
    weft_status_t error = weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                                           "value %lld", (long long)number);
    status = weft_writer_fail(use->writer, error, WEFT_TIME_NOW);
    weft_status_release(error);
  } else {
    weft_value_t value = make_value(wharf, use, form, number);
    status = weft_writer_write(use->writer, value, WEFT_TIME_NOW);
    weft_value_release(value);
  }
  job_note(&wharf->job, weft_status_code(status));
  bool is_written = status == WEFT_OK;
  if (is_written) {
    own(wharf, use);
    pipe->written++;
  } else {
    check_write(wharf, use, status);
  }
  weft_status_release(status);
  return is_written;
}

static weft_lease_t* free_lease(use_t* use) {
  weft_lease_t* found = NULL;
  for (int i = 0; i < WHARF_LEASES && found == NULL; i++) {
    found = use->leases[i].reader == NULL ? &use->leases[i] : NULL;
  }
  return found;
}

bool wharf_read(wharf_t* wharf, use_t* use) {
  weft_lease_t* lease = free_lease(use);
  if (lease == NULL) {
    return false;
  }
  weft_status_t status = weft_reader_read(use->reader, WEFT_TIME_NOW, lease);
  weft_status_code_t code = weft_status_code(status);
  job_note(&wharf->job, code);
  if (status == WEFT_OK) {
    own(wharf, use);
    check_lease(wharf, use, lease);
    use->next++;
  } else if (code != WEFT_STATUS_WOULD_BLOCK) {
    use->has_ended = true;
    note_lost_writers(wharf);
    must_say(wharf, use,
             is_right_end(wharf, use, status) ||
                 is_rivalled(wharf, use, code) || is_disturbance(wharf, status),
             status);
  }
  weft_status_release(status);
  return code == WEFT_STATUS_OK;
}

void wharf_release_leases(use_t* use) {
  for (int i = 0; i < WHARF_LEASES; i++) {
    weft_lease_release(&use->leases[i]);
  }
}

void wharf_leave(wharf_t* wharf, use_t* use) {
  pipe_t* pipe = pipe_of(wharf, use);
  // An end stays while anybody at the member has it.
  for (uint32_t i = 0; i < wharf->copy_count; i++) {
    copy_t* copy = &wharf->copies[i];
    if (copy->value.kind != WEFT_KIND_NONE && copy->rank == use->rank &&
        copy->pipe == use->pipe && copy->end == use->end) {
      weft_value_t value = copy->value;
      copy->value = weft_none();
      weft_value_release(value);
    }
  }
  if (use->writer != NULL && pipe->finish == FINISH_NONE &&
      pipe->ends[use->end].openings == 1) {
    pipe->finish = FINISH_LEFT;
  }
  weft_writer_release(use->writer);
  weft_reader_release(use->reader);
  use->writer = NULL;
  use->reader = NULL;
}

// --- When nothing is left to run --------------------------------------------

static void check_reader(wharf_t* wharf, use_t* use) {
  const pipe_t* pipe = pipe_of(wharf, use);
  bool has_room = free_lease(use) != NULL;
  bool got = wharf_read(wharf, use);
  if (got || use->has_ended || !has_room) {
    return;
  }
  bool is_winner = pipe->ends[use->end].openings == 1 ||
                   pipe->ends[use->end].owner == use->index;
  wharf_must(use, wharf, !is_winner || use->next == pipe->written,
             "it waits for what was written");
  wharf_must(use, wharf,
             pipe->finish == FINISH_NONE &&
                 has_live_end(wharf, use->pipe, WHARF_READERS),
             "it waits for a writer that is gone");
}

static void check_writer(wharf_t* wharf, use_t* use) {
  if (!wharf_write(wharf, use) && !use->has_ended) {
    wharf_must(use, wharf, is_full(wharf, use->pipe),
               "it waits for a slot that nobody holds");
  }
}

static bool is_waiting(const wharf_t* wharf, const use_t* use) {
  return !wharf_is_dead(wharf, use->rank) && !use->has_ended;
}

void wharf_check(wharf_t* wharf) {
  if (is_disturbed(wharf)) {
    // Messages to the dead and from them are lost.
    for (uint32_t i = 0; i < wharf->pipe_count; i++) {
      for (uint32_t end = 0; end < WHARF_ENDS; end++) {
        wharf->pipes[i].ends[end].on_their_way = 0;
      }
    }
  }
  note_lost_writers(wharf);
  // What is written now comes later: so readers first.
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    use_t* use = &wharf->uses[i];
    if (use->reader != NULL && is_waiting(wharf, use)) {
      check_reader(wharf, use);
    }
  }
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    use_t* use = &wharf->uses[i];
    if (use->writer != NULL && is_waiting(wharf, use) &&
        wharf->pipes[use->pipe].finish == FINISH_NONE) {
      check_writer(wharf, use);
    }
  }
}
