// SPDX-License-Identifier: Apache-2.0

#include "base/assert.h"
#include "kit/kit.h"

typedef struct crew {
  pthread_barrier_t start;
  void (*body)(size_t index, void* user);
  void* user;
} crew_t;

typedef struct member {
  crew_t* crew;
  size_t index;
  pthread_t thread;
} member_t;

static void* member_main(void* argument) {
  member_t* member = argument;
  pthread_barrier_wait(&member->crew->start);
  member->crew->body(member->index, member->crew->user);
  return NULL;
}

void weft_kit_run_threads(size_t count, void (*body)(size_t index, void* user),
                          void* user) {
  weft_assert(count > 0 && count <= WEFT_KIT_THREAD_LIMIT);
  crew_t crew = {.body = body, .user = user};
  member_t members[WEFT_KIT_THREAD_LIMIT];
  pthread_barrier_init(&crew.start, NULL, (unsigned)count);
  for (size_t i = 0; i < count; ++i) {
    members[i] = (member_t){.crew = &crew, .index = i};
    int error =
        pthread_create(&members[i].thread, NULL, member_main, &members[i]);
    weft_assert(error == 0);
  }
  for (size_t i = 0; i < count; ++i) {
    pthread_join(members[i].thread, NULL);
  }
  pthread_barrier_destroy(&crew.start);
}
