// SPDX-License-Identifier: Apache-2.0
//
// The floor of `actor / spawn_exit`: malloc, fill in, free, for objects of
// the loop beside this. As many live at once as the case of weft spawns in
// one turn, so that the allocator cannot hand out one block again and again.

#include <stdlib.h>

#include "bench/floor/floor.h"
#include "bench/floor/loop.h"

#define BURST 64

typedef struct crowd {
  // Read anew for each object, so that filling it in is not dropped.
  weft_loop_handler_t handler;
  weft_loop_object_t* objects[BURST];
} crowd_t;

static void handle_nothing(weft_loop_t* loop, weft_loop_object_t* self,
                           int64_t number) {
  (void)loop;
  self->sum = number;
}

static void* create_crowd(void) {
  crowd_t* crowd = calloc(1, sizeof(*crowd));
  if (crowd != NULL) {
    crowd->handler = handle_nothing;
  }
  return crowd;
}

static void run_spawn_exit(void* state, uint64_t count) {
  crowd_t* crowd = state;
  for (uint64_t done = 0; done < count; done += BURST) {
    for (size_t i = 0; i < BURST; i++) {
      weft_loop_object_t* object = malloc(sizeof(*object));
      if (object != NULL) {
        weft_loop_object_init(object, crowd->handler);
      }
      crowd->objects[i] = object;
    }
    for (size_t i = 0; i < BURST; i++) {
      free(crowd->objects[i]);
    }
  }
}

const weft_floor_t weft_floor_spawn_exit = {create_crowd, run_spawn_exit, free,
                                            NULL, NULL};
