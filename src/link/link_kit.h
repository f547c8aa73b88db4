// SPDX-License-Identifier: Apache-2.0
//
// What every backend of links must do: tests that run over a table of a
// backend's. A backend's own test program lists `WEFT_LINK_SUITE` beside its
// own tests, with its table as their initial state:
//
//   static weft_link_backend_t backend = {...};
//   const struct CMUnitTest tests[] = {WEFT_LINK_SUITE(&backend), ...};
//
// A sink that takes notes is here, too: every callback is checked against the
// contract, and what came is kept.

#ifndef WEFT_LINK_LINK_KIT_H_
#define WEFT_LINK_LINK_KIT_H_

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "kit/kit.h"
#include "link/link.h"

// --- A sink that takes notes ------------------------------------------------

#define WEFT_NOTES_DESCRIPTOR_LIMIT 64

typedef struct weft_notes weft_notes_t;
struct weft_notes {
  weft_link_sink_t sink;
  pthread_mutex_t lock;
  // All frames, each after its size as a uint32_t.
  unsigned char* bytes;
  size_t size_bytes;
  size_t capacity;
  // Where the next frame to be read by `weft_notes_next` is.
  size_t read_bytes;
  uint64_t frame_count;
  uint32_t room_count;
  uint32_t descriptor_count;
  int descriptors[WEFT_NOTES_DESCRIPTOR_LIMIT];
  uint64_t tags[WEFT_NOTES_DESCRIPTOR_LIMIT];
  // Frames that had come before each of them.
  uint64_t descriptor_after[WEFT_NOTES_DESCRIPTOR_LIMIT];
  uint32_t closed_count;
  weft_status_t reason;
  // What is wrong with the calls; NULL: nothing.
  const char* fault;
  // Called for each frame, with no lock of the notes held.
  void (*on_frame)(weft_notes_t* notes, const void* data, size_t size_bytes);
  void* user;
};

// Sets what is called for each frame, while frames may come.
static inline void weft_notes_answer(weft_notes_t* notes,
                                     void (*on_frame)(weft_notes_t* notes,
                                                      const void* data,
                                                      size_t size_bytes),
                                     void* user) {
  pthread_mutex_lock(&notes->lock);
  notes->on_frame = on_frame;
  notes->user = user;
  pthread_mutex_unlock(&notes->lock);
}

static inline void weft_notes_frame(weft_link_sink_t* sink, const void* data,
                                    size_t size_bytes) {
  weft_notes_t* notes = WEFT_CONTAINER_OF(sink, weft_notes_t, sink);
  pthread_mutex_lock(&notes->lock);
  if (notes->closed_count > 0) {
    notes->fault = "a frame after closed";
  }
  if (size_bytes == 0 || size_bytes > WEFT_LINK_FRAME_LIMIT) {
    notes->fault = "a frame of a wrong size";
  }
  if ((uintptr_t)data % 8 != 0) {
    notes->fault = "a frame that is not aligned";
  }
  void (*on_frame)(weft_notes_t*, const void*, size_t) = notes->on_frame;
  if (on_frame == NULL) {
    size_t needed = notes->size_bytes + sizeof(uint32_t) + size_bytes;
    if (needed > notes->capacity) {
      notes->capacity = 2 * needed;
      notes->bytes = realloc(notes->bytes, notes->capacity);
    }
    uint32_t size = (uint32_t)size_bytes;
    memcpy(notes->bytes + notes->size_bytes, &size, sizeof(size));
    memcpy(notes->bytes + notes->size_bytes + sizeof(size), data, size_bytes);
    notes->size_bytes = needed;
  }
  notes->frame_count++;
  pthread_mutex_unlock(&notes->lock);
  if (on_frame != NULL) {
    on_frame(notes, data, size_bytes);
  }
}

static inline void weft_notes_descriptor(weft_link_sink_t* sink, uint64_t tag,
                                         int descriptor) {
  weft_notes_t* notes = WEFT_CONTAINER_OF(sink, weft_notes_t, sink);
  pthread_mutex_lock(&notes->lock);
  if (notes->closed_count > 0) {
    notes->fault = "a descriptor after closed";
  }
  uint32_t i = notes->descriptor_count++;
  if (i < WEFT_NOTES_DESCRIPTOR_LIMIT) {
    notes->descriptors[i] = descriptor;
    notes->tags[i] = tag;
    notes->descriptor_after[i] = notes->frame_count;
  } else {
    (void)close(descriptor);
  }
  pthread_mutex_unlock(&notes->lock);
}

static inline void weft_notes_room(weft_link_sink_t* sink) {
  weft_notes_t* notes = WEFT_CONTAINER_OF(sink, weft_notes_t, sink);
  pthread_mutex_lock(&notes->lock);
  if (notes->closed_count > 0) {
    notes->fault = "room after closed";
  }
  notes->room_count++;
  pthread_mutex_unlock(&notes->lock);
}

static inline void weft_notes_closed(weft_link_sink_t* sink,
                                     weft_status_t reason) {
  weft_notes_t* notes = WEFT_CONTAINER_OF(sink, weft_notes_t, sink);
  pthread_mutex_lock(&notes->lock);
  if (notes->closed_count > 0) {
    notes->fault = "closed twice";
  }
  if (reason == WEFT_OK) {
    notes->fault = "closed without a reason";
  }
  notes->closed_count++;
  weft_status_release(notes->reason);
  notes->reason = reason;
  pthread_mutex_unlock(&notes->lock);
}

static inline void weft_notes_init(weft_notes_t* notes) {
  static const weft_link_sink_vtable_t vtable = {
      .frame = weft_notes_frame,
      .descriptor = weft_notes_descriptor,
      .room = weft_notes_room,
      .closed = weft_notes_closed,
  };
  memset(notes, 0, sizeof(*notes));
  notes->sink.vtable = &vtable;
  pthread_mutex_init(&notes->lock, NULL);
}

// Checks that nothing was wrong.
static inline void weft_notes_deinit(weft_notes_t* notes) {
  for (uint32_t i = 0; i < notes->descriptor_count; i++) {
    (void)close(notes->descriptors[i]);
  }
  if (notes->fault != NULL) {
    fail_msg("%s", notes->fault);
  }
  weft_status_release(notes->reason);
  free(notes->bytes);
  pthread_mutex_destroy(&notes->lock);
}

// A copy of a count, for a thread that waits for it.
static inline uint64_t weft_notes_frames(weft_notes_t* notes) {
  pthread_mutex_lock(&notes->lock);
  uint64_t count = notes->frame_count;
  pthread_mutex_unlock(&notes->lock);
  return count;
}

static inline uint32_t weft_notes_descriptors(weft_notes_t* notes) {
  pthread_mutex_lock(&notes->lock);
  uint32_t count = notes->descriptor_count;
  pthread_mutex_unlock(&notes->lock);
  return count;
}

static inline uint32_t weft_notes_rooms(weft_notes_t* notes) {
  pthread_mutex_lock(&notes->lock);
  uint32_t count = notes->room_count;
  pthread_mutex_unlock(&notes->lock);
  return count;
}

static inline bool weft_notes_is_closed(weft_notes_t* notes) {
  pthread_mutex_lock(&notes->lock);
  bool is_closed = notes->closed_count > 0;
  pthread_mutex_unlock(&notes->lock);
  return is_closed;
}

// The next frame that came; false when there is none.
static inline bool weft_notes_next(weft_notes_t* notes, unsigned char* out_data,
                                   uint32_t* out_size_bytes) {
  pthread_mutex_lock(&notes->lock);
  bool is_there = notes->read_bytes < notes->size_bytes;
  if (is_there) {
    memcpy(out_size_bytes, notes->bytes + notes->read_bytes, sizeof(uint32_t));
    memcpy(out_data, notes->bytes + notes->read_bytes + sizeof(uint32_t),
           *out_size_bytes);
    notes->read_bytes += sizeof(uint32_t) + *out_size_bytes;
  }
  pthread_mutex_unlock(&notes->lock);
  return is_there;
}

// --- Two ends ---------------------------------------------------------------

typedef struct weft_link_backend {
  // Makes two ends that are connected. Whatever fails fails the test.
  void* (*open)(weft_link_sink_t* const sinks[2], weft_link_t* out_links[2]);
  // Lets what is on its way arrive, or some of it. Called again and again.
  void (*pump)(void* state);
  // Frees the state; the links have been destroyed.
  void (*close)(void* state);
  // False for a backend that cannot pass descriptors.
  bool has_descriptors;
} weft_link_backend_t;

typedef struct weft_link_pair {
  const weft_link_backend_t* backend;
  void* state;
  weft_link_t* links[2];
  weft_notes_t notes[2];
} weft_link_pair_t;

static inline weft_link_pair_t* weft_pair_open(void** state) {
  weft_link_pair_t* pair = calloc(1, sizeof(*pair));
  pair->backend = *state;
  weft_notes_init(&pair->notes[0]);
  weft_notes_init(&pair->notes[1]);
  weft_link_sink_t* const sinks[2] = {&pair->notes[0].sink,
                                      &pair->notes[1].sink};
  pair->state = pair->backend->open(sinks, pair->links);
  return pair;
}

// Pumps until `condition` holds; fails the test when it never does.
#define weft_pair_await(pair, condition)                             \
  do {                                                               \
    int64_t weft_give_up_s = weft_pair_now_s() + 60;                 \
    while (!(condition)) {                                           \
      (pair)->backend->pump((pair)->state);                          \
      (void)sched_yield();                                           \
      if (weft_pair_now_s() > weft_give_up_s) {                      \
        fail_msg("%s:%d: %s does not come true", __FILE__, __LINE__, \
                 #condition);                                        \
      }                                                              \
    }                                                                \
  } while (0)

static inline int64_t weft_pair_now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

// Ends both, however far they are, and checks what the sinks heard.
static inline void weft_pair_close(weft_link_pair_t* pair) {
  for (int i = 0; i < 2; i++) {
    if (pair->links[i] != NULL) {
      weft_link_close(pair->links[i], WEFT_OK);
    }
  }
  for (int i = 0; i < 2; i++) {
    if (pair->links[i] != NULL) {
      weft_pair_await(pair, weft_notes_is_closed(&pair->notes[i]));
      weft_link_destroy(pair->links[i]);
    }
  }
  pair->backend->close(pair->state);
  weft_notes_deinit(&pair->notes[0]);
  weft_notes_deinit(&pair->notes[1]);
  free(pair);
}

// A frame whose bytes its number and size determine.
static inline void weft_pair_fill(unsigned char* data, size_t size_bytes,
                                  uint64_t number) {
  for (size_t i = 0; i < size_bytes; i++) {
    data[i] = (unsigned char)(number * 131 + i * 7 + size_bytes);
  }
}

// Writes it, without a flush. The status of `reserve`.
static inline weft_status_t weft_pair_try_write(weft_link_pair_t* pair, int end,
                                                size_t size_bytes,
                                                uint64_t number,
                                                weft_link_room_t room) {
  void* data;
  weft_status_t status =
      weft_link_reserve(pair->links[end], size_bytes, room, &data);
  if (status == WEFT_OK) {
    assert_non_null(data);
    assert_int_equal(0, (uintptr_t)data % 8);
    weft_pair_fill(data, size_bytes, number);
    weft_link_commit(pair->links[end], size_bytes);
  } else {
    assert_null(data);
  }
  return status;
}

static inline void weft_pair_write(weft_link_pair_t* pair, int end,
                                   size_t size_bytes, uint64_t number) {
  weft_kit_assert_ok(
      weft_pair_try_write(pair, end, size_bytes, number, WEFT_LINK_ORDINARY));
}

// Waits for the next frame at `end`; it must be this one.
static inline void weft_pair_expect(weft_link_pair_t* pair, int end,
                                    size_t size_bytes, uint64_t number) {
  static unsigned char came[WEFT_LINK_FRAME_LIMIT];
  static unsigned char wanted[WEFT_LINK_FRAME_LIMIT];
  uint32_t came_bytes = 0;
  weft_pair_await(pair, weft_notes_next(&pair->notes[end], came, &came_bytes));
  assert_int_equal(size_bytes, came_bytes);
  weft_pair_fill(wanted, size_bytes, number);
  assert_memory_equal(wanted, came, size_bytes);
}

// Fills the link up; the number of frames that found room.
static inline uint64_t weft_pair_fill_up(weft_link_pair_t* pair, int end,
                                         size_t size_bytes, uint64_t number,
                                         weft_link_room_t room) {
  uint64_t first = number;
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK) {
    status = weft_pair_try_write(pair, end, size_bytes, number, room);
    number += status == WEFT_OK;
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, status);
  return number - first;
}

// --- What every backend does ------------------------------------------------

static inline void suite_frames_arrive_whole_and_in_order(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  static const size_t sizes[] = {1,    7,     8,     48,
                                 55,   56,    57,    63,
                                 64,   65,    128,   1000,
                                 4096, 8191,  100,   4097,
                                 9999, 16320, 16383, WEFT_LINK_FRAME_LIMIT};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    for (int end = 0; end < 2; end++) {
      weft_pair_write(pair, end, sizes[i], i);
      weft_link_flush(pair->links[end]);
    }
    weft_pair_expect(pair, 1, sizes[i], i);
    weft_pair_expect(pair, 0, sizes[i], i);
  }
  weft_pair_close(pair);
}

static inline void random_burst(weft_kit_random_t* random, void* user) {
  weft_link_pair_t* pair = user;
  size_t sizes[100];
  uint64_t number = weft_kit_random_next(random);
  size_t count = 1 + weft_kit_random_below(random, 100);
  size_t limit = weft_kit_random_below(random, 2) ? 100 : 5000;
  size_t sent = 0;
  size_t came = 0;
  while (came < count) {
    weft_status_t status = WEFT_OK;
    while (sent < count && status == WEFT_OK) {
      sizes[sent] = 1 + weft_kit_random_below(random, limit);
      status = weft_pair_try_write(pair, 0, sizes[sent], number + sent,
                                   WEFT_LINK_ORDINARY);
      sent += status == WEFT_OK;
    }
    weft_status_release(status);
    weft_link_flush(pair->links[0]);
    while (came < sent) {
      weft_pair_expect(pair, 1, sizes[came], number + came);
      came++;
    }
  }
}

static inline void suite_bursts_arrive_whole_and_in_order(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  weft_kit_for_some_seeds(300, random_burst, pair);
  weft_pair_close(pair);
}

static inline void suite_less_may_be_committed_than_reserved(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  for (uint64_t i = 0; i < 100; i++) {
    void* data;
    weft_kit_assert_ok(weft_link_reserve(pair->links[0], WEFT_LINK_FRAME_LIMIT,
                                         WEFT_LINK_ORDINARY, &data));
    weft_pair_fill(data, 1 + i, i);
    weft_link_commit(pair->links[0], 1 + i);
    weft_link_flush(pair->links[0]);
    weft_pair_expect(pair, 1, 1 + i, i);
  }
  weft_pair_close(pair);
}

static inline void suite_a_reservation_may_be_forgotten(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  for (uint64_t i = 0; i < 100; i++) {
    void* data;
    weft_kit_assert_ok(
        weft_link_reserve(pair->links[0], 5000, WEFT_LINK_ORDINARY, &data));
    memset(data, 0xff, 5000);
    weft_link_flush(pair->links[0]);
    weft_pair_write(pair, 0, 100, i);
    weft_link_flush(pair->links[0]);
    weft_pair_expect(pair, 1, 100, i);
  }
  weft_pair_close(pair);
}

static inline void suite_a_full_link_says_when_there_is_room(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  uint64_t sent = 0;
  uint64_t came = 0;
  for (int round = 0; round < 5; round++) {
    // Before the link is full: another thread may make room at once.
    uint32_t rooms = weft_notes_rooms(&pair->notes[0]);
    sent += weft_pair_fill_up(pair, 0, 1000, sent, WEFT_LINK_ORDINARY);
    weft_link_flush(pair->links[0]);
    while (came < sent) {
      weft_pair_expect(pair, 1, 1000, came++);
    }
    weft_pair_await(pair, weft_notes_rooms(&pair->notes[0]) > rooms);
    weft_pair_write(pair, 0, 1000, sent++);
  }
  weft_pair_close(pair);
}

static inline void suite_a_full_link_has_room_for_replies(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  uint64_t sent = 0;
  for (int end = 0; end < 2; end++) {
    sent = weft_pair_fill_up(pair, end, 500, 0, WEFT_LINK_ORDINARY);
    // Half of it for what the last frames may have left at the ring's end.
    for (int i = 0; i < WEFT_LINK_RESERVE_BYTES / 2 / 512; i++) {
      weft_kit_assert_ok(
          weft_pair_try_write(pair, end, 500, sent++, WEFT_LINK_RESERVED));
    }
    weft_link_flush(pair->links[end]);
    for (uint64_t i = 0; i < sent; i++) {
      weft_pair_expect(pair, 1 - end, 500, i);
    }
  }
  weft_pair_close(pair);
}

static inline void suite_both_directions_may_be_full(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  uint64_t sent[2];
  for (int end = 0; end < 2; end++) {
    sent[end] = weft_pair_fill_up(pair, end, 3000, 0, WEFT_LINK_ORDINARY);
    sent[end] +=
        weft_pair_fill_up(pair, end, 3000, sent[end], WEFT_LINK_RESERVED);
    weft_link_flush(pair->links[end]);
  }
  for (int end = 0; end < 2; end++) {
    for (uint64_t i = 0; i < sent[end]; i++) {
      weft_pair_expect(pair, 1 - end, 3000, i);
    }
    weft_pair_await(pair, weft_notes_rooms(&pair->notes[end]) > 0);
  }
  weft_pair_close(pair);
}

// Answers each frame with the same.
static inline void echo(weft_notes_t* notes, const void* data,
                        size_t size_bytes) {
  weft_link_t* link = notes->user;
  void* answer;
  weft_status_t status =
      weft_link_reserve(link, size_bytes, WEFT_LINK_RESERVED, &answer);
  if (status == WEFT_OK) {
    memcpy(answer, data, size_bytes);
    weft_link_commit(link, size_bytes);
    weft_link_flush(link);
  } else {
    notes->fault = "no room for an answer";
    weft_status_release(status);
  }
}

static inline void suite_a_sink_may_write(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  weft_notes_answer(&pair->notes[1], echo, pair->links[1]);
  for (uint64_t i = 0; i < 2000; i++) {
    weft_pair_write(pair, 0, 8 + i % 100, i);
    weft_link_flush(pair->links[0]);
    weft_pair_expect(pair, 0, 8 + i % 100, i);
  }
  weft_pair_close(pair);
}

static inline int open_something(void) {
  int descriptor = memfd_create("kit", MFD_CLOEXEC);
  assert_true(descriptor >= 0);
  return descriptor;
}

static inline bool is_same_file(int a, int b) {
  struct stat first;
  struct stat second;
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static inline void suite_a_descriptor_comes_before_later_frames(void** state) {
  const weft_link_backend_t* backend = *state;
  if (!backend->has_descriptors) {
    skip();
  }
  weft_link_pair_t* pair = weft_pair_open(state);
  for (uint64_t i = 0; i < 50; i++) {
    int descriptor = open_something();
    weft_pair_write(pair, 0, 10, 2 * i);
    weft_link_flush(pair->links[0]);
    weft_status_t status = WEFT_OK;
    do {
      weft_status_release(status);
      status = weft_link_send_descriptor(pair->links[0], 100 + i, descriptor);
      pair->backend->pump(pair->state);
    } while (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK);
    weft_kit_assert_ok(status);
    weft_pair_write(pair, 0, 11, 2 * i + 1);
    weft_link_flush(pair->links[0]);
    weft_pair_expect(pair, 1, 10, 2 * i);
    weft_pair_expect(pair, 1, 11, 2 * i + 1);
    assert_int_equal(i + 1, pair->notes[1].descriptor_count);
    assert_int_equal(100 + i, pair->notes[1].tags[i]);
    assert_true(pair->notes[1].descriptor_after[i] <= 2 * i + 1);
    assert_true(is_same_file(descriptor, pair->notes[1].descriptors[i]));
    (void)close(descriptor);
  }
  weft_pair_close(pair);
}

static inline void suite_descriptors_that_find_no_room_do_later(void** state) {
  const weft_link_backend_t* backend = *state;
  if (!backend->has_descriptors) {
    skip();
  }
  weft_link_pair_t* pair = weft_pair_open(state);
  int descriptor = open_something();
  for (uint64_t sent = 0; sent < WEFT_NOTES_DESCRIPTOR_LIMIT;) {
    uint32_t rooms = weft_notes_rooms(&pair->notes[0]);
    weft_status_t status =
        weft_link_send_descriptor(pair->links[0], sent, descriptor);
    if (status == WEFT_OK) {
      sent++;
      continue;
    }
    weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, status);
    weft_pair_await(pair, weft_notes_rooms(&pair->notes[0]) > rooms);
  }
  weft_pair_write(pair, 0, 10, 1);
  weft_link_flush(pair->links[0]);
  weft_pair_expect(pair, 1, 10, 1);
  assert_int_equal(WEFT_NOTES_DESCRIPTOR_LIMIT,
                   pair->notes[1].descriptor_count);
  (void)close(descriptor);
  weft_pair_close(pair);
}

static inline void suite_close_comes_after_the_last_frame(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  for (uint64_t i = 0; i < 50; i++) {
    weft_pair_write(pair, 0, 100, i);
  }
  // Without a flush: close does that.
  weft_link_close(pair->links[0], WEFT_OK);
  weft_link_close(pair->links[0], weft_status_from_code(WEFT_STATUS_INTERNAL));
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[0]));
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[1]));
  for (int end = 0; end < 2; end++) {
    assert_int_equal(WEFT_STATUS_CLOSED,
                     weft_status_code(pair->notes[end].reason));
    weft_kit_assert_status(
        WEFT_STATUS_CLOSED,
        weft_pair_try_write(pair, end, 10, 0, WEFT_LINK_RESERVED));
  }
  assert_int_equal(50, pair->notes[1].frame_count);
  for (uint64_t i = 0; i < 50; i++) {
    weft_pair_expect(pair, 1, 100, i);
  }
  weft_pair_close(pair);
}

static inline void suite_who_closes_gives_both_its_reason(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  weft_link_close(pair->links[1],
                  weft_status_make(WEFT_STATUS_DATA_LOSS, "no sense at all"));
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[0]));
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[1]));
  assert_int_equal(WEFT_STATUS_CLOSED, weft_status_code(pair->notes[0].reason));
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, "no sense at all",
      weft_status_retain(weft_status_root(pair->notes[0].reason)));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "no sense at all",
                              weft_status_retain(pair->notes[1].reason));
  weft_pair_close(pair);
}

#define SUITE_NOTHING_LOST 40

// Also what this side has not looked at, with all that belongs to it.
static inline void suite_who_closes_hears_first_what_was_sent(void** state) {
  const weft_link_backend_t* backend = *state;
  if (!backend->has_descriptors) {
    skip();
  }
  weft_link_pair_t* pair = weft_pair_open(state);
  int descriptor = open_something();
  weft_status_t status = WEFT_OK;
  uint32_t sent = 0;
  while (sent < SUITE_NOTHING_LOST && status == WEFT_OK) {
    status = weft_link_send_descriptor(pair->links[0], sent, descriptor);
    sent += status == WEFT_OK ? 1 : 0;
  }
  // Some links have room for a few.
  weft_status_release(status);
  assert_true(sent > 0);
  for (uint64_t i = 0; i < SUITE_NOTHING_LOST; i++) {
    weft_pair_write(pair, 0, 100, i);
  }
  weft_link_flush(pair->links[0]);
  weft_link_close(pair->links[1],
                  weft_status_make(WEFT_STATUS_PEER_DIED, "as others say"));
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[1]));
  assert_int_equal(sent, pair->notes[1].descriptor_count);
  assert_int_equal(SUITE_NOTHING_LOST, pair->notes[1].frame_count);
  (void)close(descriptor);
  weft_pair_close(pair);
}

static inline void close_own(weft_notes_t* notes, const void* data,
                             size_t size_bytes) {
  (void)data;
  (void)size_bytes;
  weft_link_close(notes->user, WEFT_OK);
}

static inline void suite_a_sink_may_close(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  weft_notes_answer(&pair->notes[1], close_own, pair->links[1]);
  weft_pair_write(pair, 0, 10, 0);
  weft_link_flush(pair->links[0]);
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[0]));
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[1]));
  weft_pair_close(pair);
}

static inline void suite_a_link_may_be_destroyed_unused(void** state) {
  weft_link_pair_t* pair = weft_pair_open(state);
  weft_link_destroy(pair->links[0]);
  pair->links[0] = NULL;
  weft_pair_await(pair, weft_notes_is_closed(&pair->notes[1]));
  weft_pair_close(pair);
}

#define WEFT_LINK_SUITE(backend)                                             \
  WEFT_LINK_TEST(suite_frames_arrive_whole_and_in_order, backend),           \
      WEFT_LINK_TEST(suite_bursts_arrive_whole_and_in_order, backend),       \
      WEFT_LINK_TEST(suite_less_may_be_committed_than_reserved, backend),    \
      WEFT_LINK_TEST(suite_a_reservation_may_be_forgotten, backend),         \
      WEFT_LINK_TEST(suite_a_full_link_says_when_there_is_room, backend),    \
      WEFT_LINK_TEST(suite_a_full_link_has_room_for_replies, backend),       \
      WEFT_LINK_TEST(suite_both_directions_may_be_full, backend),            \
      WEFT_LINK_TEST(suite_a_sink_may_write, backend),                       \
      WEFT_LINK_TEST(suite_a_descriptor_comes_before_later_frames, backend), \
      WEFT_LINK_TEST(suite_descriptors_that_find_no_room_do_later, backend), \
      WEFT_LINK_TEST(suite_close_comes_after_the_last_frame, backend),       \
      WEFT_LINK_TEST(suite_who_closes_gives_both_its_reason, backend),       \
      WEFT_LINK_TEST(suite_who_closes_hears_first_what_was_sent, backend),   \
      WEFT_LINK_TEST(suite_a_sink_may_close, backend),                       \
      WEFT_LINK_TEST(suite_a_link_may_be_destroyed_unused, backend)

#define WEFT_LINK_TEST(test, backend) \
  { #test, test, NULL, NULL, (backend) }

#endif  // WEFT_LINK_LINK_KIT_H_
