// SPDX-License-Identifier: Apache-2.0
//
// Bench `mailbox`: the queue of an actor alone, looked at from inside the
// library. What is timed is what a message costs there: is there room, put
// in, take out, count as finished, and go idle when nothing is left. One
// thread, nodes reused.

#include "actor/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

#define BATCH 64
#define BOUND WEFT_MAILBOX_BOUND_DEFAULT

// A message is a multiple of 64 bytes, and a mailbox relies on that.
typedef struct message {
  _Alignas(64) weft_mailbox_node_t node;
} message_t;

typedef struct mailbox {
  _Alignas(64) weft_mailbox_in_t in;
  _Alignas(64) weft_mailbox_out_t out;
  // Nodes that are not in the queue. One more than a batch: the node that was
  // taken last stays in the queue until the next is.
  weft_mailbox_node_t* free[BATCH + 1];
  size_t free_count;
  // How often the consumer was idle when a message came.
  uint64_t posted;
  message_t messages[BATCH + 1];
} mailbox_t;

static weft_status_t put(mailbox_t* mailbox) {
  weft_mailbox_node_t* node = mailbox->free[--mailbox->free_count];
  switch (weft_mailbox_push(&mailbox->in, node, false)) {
    case WEFT_MAILBOX_PUSHED_FIRST:
      mailbox->posted++;
      return WEFT_OK;
    case WEFT_MAILBOX_PUSHED:
      return WEFT_OK;
    case WEFT_MAILBOX_IS_FULL:
    case WEFT_MAILBOX_IS_CLOSED:
    default:
      return weft_status_make(WEFT_STATUS_INTERNAL,
                              "the mailbox does not take a message");
  }
}

// One turn of the consumer: takes all, then goes idle.
static uint32_t take_turn(mailbox_t* mailbox) {
  uint32_t taken = 0;
  weft_mailbox_node_t* passed = NULL;
  while (weft_mailbox_pop(&mailbox->out, &passed) != NULL) {
    mailbox->free[mailbox->free_count++] = passed;
    taken++;
  }
  weft_mailbox_finish(&mailbox->in, taken);
  (void)weft_mailbox_try_idle(&mailbox->in, &mailbox->out);
  return taken;
}

static weft_status_t create_mailbox(uint32_t workers, void** out_state) {
  (void)workers;
  mailbox_t* mailbox = aligned_alloc(64, sizeof(*mailbox));
  if (mailbox == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a mailbox");
  }
  memset(mailbox, 0, sizeof(*mailbox));
  weft_mailbox_init_dead(&mailbox->in);
  weft_mailbox_open(&mailbox->in, &mailbox->out, BOUND);
  for (size_t i = 0; i <= BATCH; i++) {
    mailbox->free[i] = &mailbox->messages[i].node;
  }
  mailbox->free_count = BATCH + 1;
  // The first message takes the place of the queue's own node, which is not
  // to be used again.
  weft_status_t status = put(mailbox);
  if (status != WEFT_OK || take_turn(mailbox) != 1) {
    free(mailbox);
    return status != WEFT_OK
               ? status
               : weft_status_make(WEFT_STATUS_INTERNAL, "a message was lost");
  }
  mailbox->free_count--;
  *out_state = mailbox;
  return WEFT_OK;
}

static weft_status_t run_batches(mailbox_t* mailbox, uint64_t count,
                                 uint64_t batch) {
  mailbox->posted = 0;
  for (uint64_t done = 0; done < count; done += batch) {
    for (uint64_t i = 0; i < batch; i++) {
      WEFT_RETURN_IF_ERROR(put(mailbox));
    }
    if (take_turn(mailbox) != batch) {
      return weft_status_make(WEFT_STATUS_INTERNAL, "messages were lost");
    }
  }
  if (mailbox->posted != count / batch) {
    return weft_status_make(WEFT_STATUS_INTERNAL,
                            "the consumer was not told of every batch");
  }
  return WEFT_OK;
}

static weft_status_t run_push_pop(void* state, uint64_t count) {
  return run_batches(state, count, 1);
}

static weft_status_t run_push_pop_64(void* state, uint64_t count) {
  return run_batches(state, count, BATCH);
}

static const weft_bench_subject_t push_pop = {
    .create = create_mailbox,
    .run = run_push_pop,
    .destroy = free,
};
static const weft_bench_subject_t push_pop_64 = {
    .create = create_mailbox,
    .run = run_push_pop_64,
    .destroy = free,
};

static const weft_bench_case_t cases[] = {
    {.bench = "mailbox",
     .name = "push_pop",
     .what = "one message into a bounded mailbox and out again",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 1.6,
     .subject = &push_pop,
     .floor = &weft_floor_push_pop},
    {.bench = "mailbox",
     .name = "push_pop_64",
     .what = "64 messages into a bounded mailbox, then 64 out; a message",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 1.6,
     .subject = &push_pop_64,
     .floor = &weft_floor_push_pop_64},
};

const weft_bench_group_t weft_bench_mailbox = {
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
};
