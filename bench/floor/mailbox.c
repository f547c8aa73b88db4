// SPDX-License-Identifier: Apache-2.0
//
// The floors of `mailbox`: the queue alone, one thread, messages reused.

#include <stdlib.h>

#include "bench/floor/floor.h"
#include "bench/floor/mpsc.h"

#define BATCH 64

typedef struct mailbox {
  weft_mpsc_t queue;
  weft_mpsc_node_t messages[BATCH];
} mailbox_t;

static void* create_mailbox(void) {
  mailbox_t* mailbox = calloc(1, sizeof(*mailbox));
  if (mailbox != NULL) {
    weft_mpsc_init(&mailbox->queue);
  }
  return mailbox;
}

static void run_push_pop(void* state, uint64_t count) {
  mailbox_t* mailbox = state;
  weft_mpsc_node_t* message = &mailbox->messages[0];
  for (uint64_t i = 0; i < count; i++) {
    weft_mpsc_push(&mailbox->queue, message);
    message = weft_mpsc_pop(&mailbox->queue);
  }
}

static void run_push_pop_64(void* state, uint64_t count) {
  mailbox_t* mailbox = state;
  for (uint64_t done = 0; done < count; done += BATCH) {
    for (size_t i = 0; i < BATCH; i++) {
      weft_mpsc_push(&mailbox->queue, &mailbox->messages[i]);
    }
    while (weft_mpsc_pop(&mailbox->queue) != NULL) {
    }
  }
}

const weft_floor_t weft_floor_push_pop = {create_mailbox, run_push_pop, free,
                                          NULL, NULL};
const weft_floor_t weft_floor_push_pop_64 = {create_mailbox, run_push_pop_64,
                                             free, NULL, NULL};
