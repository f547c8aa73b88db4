// SPDX-License-Identifier: Apache-2.0
//
// Both ends in one process: the suite that all links pass.

#include "link/shm/shm_kit.h"

typedef struct two_sides {
  weft_shm_side_t sides[2];
} two_sides_t;

static void* open_two(weft_link_sink_t* const sinks[2],
                      weft_link_t* out_links[2]) {
  two_sides_t* two = calloc(1, sizeof(*two));
  int sockets[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  for (uint16_t i = 0; i < 2; i++) {
    weft_side_init(&two->sides[i], i, 0);
    out_links[i] =
        weft_side_open(&two->sides[i], sockets[i], (uint16_t)(1 - i), sinks[i]);
  }
  return two;
}

static void pump_two(void* state) {
  two_sides_t* two = state;
  weft_side_poll(&two->sides[0]);
  weft_side_poll(&two->sides[1]);
}

// Leaves it all to the service threads.
static void pump_none(void* state) {
  (void)state;
}

static void close_two(void* state) {
  two_sides_t* two = state;
  weft_side_deinit(&two->sides[0]);
  weft_side_deinit(&two->sides[1]);
  free(two);
}

static weft_link_backend_t polled = {
    .open = open_two,
    .pump = pump_two,
    .close = close_two,
    .has_descriptors = true,
};
static weft_link_backend_t served = {
    .open = open_two,
    .pump = pump_none,
    .close = close_two,
    .has_descriptors = true,
};

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_LINK_SUITE(&polled),
      WEFT_LINK_SUITE(&served),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
