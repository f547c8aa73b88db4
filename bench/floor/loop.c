// SPDX-License-Identifier: Apache-2.0
//
// The floors of `actor`: what a C programmer writes who needs objects that
// send each other numbers, and nothing else.
//
// One thread runs everything, yet the mailboxes are those that a second
// thread could send to: a queue of many producers, and an atomic depth that
// bounds it and tells who must put the object on the list of the ready. (A
// loop that gives this up needs no mailbox at all, and measures a function
// call.) Messages are taken from and given back to a list of free ones.
//
//   send:   take a message, push it, depth + 1; was it 0 -> ready list
//   loop:   take the first ready object, handle what its mailbox holds now,
//           depth - handled; is it not 0 -> ready list
//
// What an object sends to itself in its turn waits for its next one, so that
// a producer which meets a full mailbox lets the consumer run.

#include "bench/floor/loop.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "bench/floor/floor.h"

#define BOUND 1024
// One producer's numbers, another's, and the messages to themselves.
#define MESSAGE_COUNT (BOUND + 8)

typedef struct message {
  // Links it into a mailbox or the list of free ones.
  weft_mpsc_node_t node;
  int64_t number;
} message_t;

struct weft_loop {
  weft_loop_object_t* first_ready;
  weft_loop_object_t* last_ready;
  weft_mpsc_node_t* free;
  uint64_t sent;
  uint64_t handled;
  weft_loop_object_t objects[3];
  message_t messages[MESSAGE_COUNT];
};

// Relaxed, in both: one thread takes and gives back.
static message_t* take_message(weft_loop_t* loop) {
  weft_mpsc_node_t* node = loop->free;
  loop->free = atomic_load_explicit(&node->next, memory_order_relaxed);
  return (message_t*)node;
}

static void give_back(weft_loop_t* loop, message_t* message) {
  atomic_store_explicit(&message->node.next, loop->free, memory_order_relaxed);
  loop->free = &message->node;
}

static void make_ready(weft_loop_t* loop, weft_loop_object_t* object) {
  object->next_ready = NULL;
  if (loop->first_ready == NULL) {
    loop->first_ready = object;
  } else {
    loop->last_ready->next_ready = object;
  }
  loop->last_ready = object;
}

// False when the mailbox is full.
static bool send_number(weft_loop_t* loop, weft_loop_object_t* target,
                        int64_t number) {
  // Relaxed: a bound, not a lock; the sends of others may be missed.
  if (atomic_load_explicit(&target->depth, memory_order_relaxed) >= BOUND) {
    return false;
  }
  message_t* message = take_message(loop);
  message->number = number;
  weft_mpsc_push(&target->mailbox, &message->node);
  loop->sent++;
  // Acquire-release: pairs with the subtraction in `take_turn`, so that
  // whoever makes the object ready sees what its last turn left.
  if (atomic_fetch_add_explicit(&target->depth, 1, memory_order_acq_rel) == 0) {
    make_ready(loop, target);
  }
  return true;
}

static void take_turn(weft_loop_t* loop, weft_loop_object_t* object) {
  // Acquire: pairs with the addition in `send_number`.
  uint32_t turn = atomic_load_explicit(&object->depth, memory_order_acquire);
  uint32_t handled = 0;
  weft_mpsc_node_t* node;
  while (handled < turn && (node = weft_mpsc_pop(&object->mailbox)) != NULL) {
    message_t* message = (message_t*)node;
    int64_t number = message->number;
    give_back(loop, message);
    handled++;
    object->handler(loop, object, number);
  }
  loop->handled += handled;
  // Acquire-release: pairs with the addition in `send_number`.
  if (atomic_fetch_sub_explicit(&object->depth, handled,
                                memory_order_acq_rel) != handled) {
    make_ready(loop, object);
  }
}

static void run_until_idle(weft_loop_t* loop) {
  while (loop->first_ready != NULL) {
    weft_loop_object_t* object = loop->first_ready;
    loop->first_ready = object->next_ready;
    take_turn(loop, object);
  }
}

// --- Handlers ---------------------------------------------------------------

static void handle_ball(weft_loop_t* loop, weft_loop_object_t* self,
                        int64_t number) {
  if (number > 0) {
    (void)send_number(loop, self->peer, number - 1);
  }
}

static void handle_add(weft_loop_t* loop, weft_loop_object_t* self,
                       int64_t number) {
  (void)loop;
  self->sum += number;
}

// Sends until the mailbox is full, then goes on in a later turn.
static void handle_produce(weft_loop_t* loop, weft_loop_object_t* self,
                           int64_t number) {
  while (self->left > 0) {
    if (!send_number(loop, self->peer, 1)) {
      (void)send_number(loop, self, number);
      return;
    }
    self->left--;
  }
}

// --- Cases ------------------------------------------------------------------

static weft_loop_t* create_loop(void) {
  weft_loop_t* loop = calloc(1, sizeof(*loop));
  for (size_t i = 0; loop != NULL && i < MESSAGE_COUNT; i++) {
    give_back(loop, &loop->messages[i]);
  }
  return loop;
}

static void* create_pingpong(void) {
  weft_loop_t* loop = create_loop();
  if (loop != NULL) {
    weft_loop_object_init(&loop->objects[0], handle_ball);
    weft_loop_object_init(&loop->objects[1], handle_ball);
    loop->objects[0].peer = &loop->objects[1];
    loop->objects[1].peer = &loop->objects[0];
  }
  return loop;
}

static void run_pingpong(void* state, uint64_t count) {
  weft_loop_t* loop = state;
  (void)send_number(loop, &loop->objects[0], (int64_t)count - 1);
  run_until_idle(loop);
}

static void* create_producers(void) {
  weft_loop_t* loop = create_loop();
  if (loop != NULL) {
    weft_loop_object_init(&loop->objects[0], handle_add);
    for (size_t i = 1; i <= 2; i++) {
      weft_loop_object_init(&loop->objects[i], handle_produce);
      loop->objects[i].peer = &loop->objects[0];
    }
  }
  return loop;
}

static void run_producers(weft_loop_t* loop, uint64_t count,
                          size_t producer_count) {
  for (size_t i = 1; i <= producer_count; i++) {
    loop->objects[i].left = count / producer_count;
    (void)send_number(loop, &loop->objects[i], 0);
  }
  run_until_idle(loop);
}

static void run_counting(void* state, uint64_t count) {
  run_producers(state, count, 1);
}

static void run_fanin_2(void* state, uint64_t count) {
  run_producers(state, count, 2);
}

const weft_floor_t weft_floor_pingpong = {create_pingpong, run_pingpong, free,
                                          NULL, NULL};
const weft_floor_t weft_floor_counting = {create_producers, run_counting, free,
                                          NULL, NULL};
const weft_floor_t weft_floor_fanin_2 = {create_producers, run_fanin_2, free,
                                         NULL, NULL};
