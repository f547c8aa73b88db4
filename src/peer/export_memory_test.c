// SPDX-License-Identifier: Apache-2.0
//
// Futures that are shared, and asked for, while memory runs out: they are
// refused, or come to their end; nobody waits for ever. Rank 0 is a runtime;
// the others are played.

#include "peer/peer_kit.h"

enum { CALL_ID = 99, ID = 7, NUMBER = 41 };

typedef struct scene {
  weft_peer_kit_t kit;
  weft_promise_t* promise;
  weft_future_t* future;
} scene_t;

static void open_scene(scene_t* scene) {
  weft_peer_kit_t* kit = &scene->kit;
  weft_peer_kit_open_linked(kit);
  weft_kit_assert_ok(weft_promise_create(kit->members[0].runtime,
                                         &scene->promise, &scene->future));
}

// The future has a value; nothing is left of it.
static void close_scene(scene_t* scene) {
  weft_peer_kit_run(&scene->kit);
  assert_int_equal(weft_peers_of(scene->kit.members[0].runtime)->exports.used,
                   0);
  weft_promise_release(scene->promise);
  weft_future_release(scene->future);
  weft_peer_kit_close(&scene->kit);
}

static void set(scene_t* scene) {
  weft_kit_assert_ok(weft_promise_set(scene->promise, weft_int64(NUMBER)));
}

static void expect_outcome(scene_t* scene, uint32_t at) {
  const weft_frame_t* frame =
      weft_peer_kit_expect(&scene->kit, at, 0, WEFT_FRAME_VALUE);
  assert_int_equal(frame->flags, WEFT_FRAME_SCALARS);
}

// Runs `once` while the first, second, ... allocation fails, alone and with all
// after it, until none does.
static void sweep(bool (*once)(uint64_t after, uint64_t count)) {
  uint64_t after = 0;
  while (!once(after, 1)) {
    (void)once(after, UINT64_MAX);
    after++;
  }
  assert_true(after > 0);
}

// --- The owner --------------------------------------------------------------

// A call to rank 2 is shared with rank 1, and asked for at rank 2.
static bool share_once(uint64_t after, uint64_t count) {
  scene_t scene;
  open_scene(&scene);
  weft_peer_kit_t* kit = &scene.kit;
  kit->call = scene.future;
  kit->call_origin = (weft_origin_name_t){weft_peer_kit_peer(kit, 0, 2),
                                          WEFT_ORIGIN_CALL, CALL_ID};
  weft_kit_allocator_fail(&kit->memory, after, count);
  weft_status_t status = weft_peer_kit_post(
      kit, 0, 1, WEFT_ARGUMENTS(weft_future_lend(scene.future)));
  bool has_failed = kit->memory.failed > 0;
  weft_kit_allocator_fail(&kit->memory, 0, 0);
  if (status == WEFT_OK) {
    weft_peer_kit_expect(kit, 1, 0, WEFT_FRAME_CALL);
    const weft_frame_t* frame =
        weft_peer_kit_expect(kit, 2, 0, WEFT_FRAME_SUBSCRIBE);
    const int64_t* words = (const int64_t*)(const void*)(frame + 1);
    const weft_frame_t answer = {.type = WEFT_FRAME_ACCEPT,
                                 .endpoint = WEFT_ACCEPT_NO,
                                 .id = (uint64_t)words[3]};
    weft_peer_kit_tell(kit, 2, 0, &answer);
    set(&scene);
    expect_outcome(&scene, 1);
  } else {
    assert_true(has_failed);
    weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED, status);
    set(&scene);
  }
  assert_null(weft_peer_kit_take(kit, 1, 0));
  assert_null(weft_peer_kit_take(kit, 2, 0));
  close_scene(&scene);
  return !has_failed;
}

static void sharing_without_memory_fails_or_ends(void** state) {
  (void)state;
  sweep(share_once);
}

// --- The maker --------------------------------------------------------------

// Rank 1 asks for a reply to be sent to rank 2 as its future. The frame is
// dealt with at once: only what this runtime needs may fail.
static void ask(weft_peer_kit_t* kit, uint64_t after, uint64_t count) {
  struct {
    weft_frame_t head;
    uint64_t words[4];
  } frame = {
      .head = {.size_bytes = sizeof(frame),
               .type = WEFT_FRAME_SUBSCRIBE,
               .id = CALL_ID,
               .timeout_ns = INT64_MAX},
  };
  const weft_value_t values[] = {
      weft_int64(WEFT_ORIGIN_CALL), weft_int64(weft_holder_make(2, 1)),
      weft_int64(weft_holder_make(1, 1)), weft_int64(ID)};
  weft_peer_t* peer = weft_peer_kit_peer(kit, 0, 1);
  weft_frame_put_scalars(&frame.head, frame.words, values, 4);
  weft_kit_allocator_fail(&kit->memory, after, count);
  peer->sink.vtable->frame(&peer->sink, &frame, sizeof(frame));
}

static bool serve_once(uint64_t after, uint64_t count) {
  scene_t scene;
  open_scene(&scene);
  weft_peer_kit_t* kit = &scene.kit;
  kit->served = scene.future;
  kit->served_id = CALL_ID;
  ask(kit, after, count);
  bool has_failed = kit->memory.failed > 0;
  weft_kit_allocator_fail(&kit->memory, 0, 0);
  // An answer needs no memory.
  const weft_frame_t* answer =
      weft_peer_kit_expect(kit, 1, 0, WEFT_FRAME_ACCEPT);
  bool is_accepted = answer->endpoint == WEFT_ACCEPT_YES;
  assert_true(is_accepted || has_failed);
  set(&scene);
  const weft_frame_t* frame = weft_peer_kit_take(kit, 2, 0);
  assert_int_equal(frame != NULL, is_accepted);
  assert_true(frame == NULL || frame->type == WEFT_FRAME_VALUE);
  close_scene(&scene);
  return !has_failed;
}

static void asking_without_memory_is_answered(void** state) {
  (void)state;
  sweep(serve_once);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sharing_without_memory_fails_or_ends),
      cmocka_unit_test(asking_without_memory_is_answered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
