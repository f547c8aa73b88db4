// SPDX-License-Identifier: Apache-2.0

#include "conform/stage.h"

static const weft_opaque_type_t state_type = {"state", NULL};

static void on_warning(void* user, weft_status_t warning) {
  stage_t* stage = user;
  (void)warning;
  // Relaxed: read when the runtime has stopped, or as a hint.
  atomic_fetch_add_explicit(&stage->warnings, 1, memory_order_relaxed);
}

void stage_open(stage_t* stage, const weft_class_t* actor_class) {
  weft_kit_allocator_init(&stage->memory);
  atomic_init(&stage->warnings, 0);
  const weft_runtime_options_t options = {
      .allocator = &stage->memory.allocator,
      .classes = &actor_class,
      .class_count = actor_class != NULL ? 1 : 0,
      .worker_count = 4,
      .on_warning = on_warning,
      .warning_user = stage,
  };
  weft_kit_assert_ok(weft_runtime_create(&options, &stage->runtime));
}

void stage_close(stage_t* stage) {
  weft_runtime_destroy(stage->runtime);
  weft_kit_allocator_deinit(&stage->memory);
}

weft_status_t stage_state(stage_t* stage, void* state,
                          weft_value_t* out_value) {
  return weft_opaque_create(&stage->memory.allocator, &state_type, state,
                            out_value);
}

weft_actor_t stage_spawn(stage_t* stage, const weft_class_t* actor_class,
                         void* state, const weft_spawn_options_t* options) {
  weft_actor_t actor = {0};
  weft_value_t init = weft_none();
  weft_kit_assert_ok(stage_state(stage, state, &init));
  weft_kit_assert_ok(
      weft_spawn(stage->runtime, actor_class, init, options, &actor));
  weft_value_release(init);
  return actor;
}

weft_status_t stage_init(weft_context_t* context, weft_value_t init,
                         void** out_state) {
  (void)context;
  return weft_value_as_opaque(init, &state_type, out_state);
}

weft_status_t stage_ask(stage_t* stage, weft_actor_t actor, uint32_t endpoint,
                        const weft_arguments_t* arguments,
                        weft_value_t* out_value) {
  weft_future_t* future = NULL;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(
      weft_call(stage->runtime, actor, endpoint, arguments, NULL, &future));
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, out_value);
  weft_future_release(future);
  return status;
}

weft_status_code_t stage_code_of(weft_future_t* future) {
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
  weft_value_release(value);
  return weft_status_ignore(status);
}

void latch_init(latch_t* latch) {
  pthread_mutex_init(&latch->lock, NULL);
  pthread_cond_init(&latch->changed, NULL);
  latch->count = 0;
}

void latch_deinit(latch_t* latch) {
  pthread_cond_destroy(&latch->changed);
  pthread_mutex_destroy(&latch->lock);
}

void latch_count(latch_t* latch) {
  pthread_mutex_lock(&latch->lock);
  ++latch->count;
  pthread_cond_broadcast(&latch->changed);
  pthread_mutex_unlock(&latch->lock);
}

void latch_await(latch_t* latch, uint32_t count) {
  pthread_mutex_lock(&latch->lock);
  while (latch->count < count) {
    pthread_cond_wait(&latch->changed, &latch->lock);
  }
  pthread_mutex_unlock(&latch->lock);
}
