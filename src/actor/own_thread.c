// SPDX-License-Identifier: Apache-2.0

#include "actor/own_thread.h"

#include "base/memory.h"

struct weft_own_thread {
  // First, so that the thread is an executor.
  weft_executor_t executor;
  weft_sys_thread_t thread;
  // The task that was posted; the only one that can be.
  _Atomic(weft_task_t*) task;
  // 1 when a task was posted or the thread is to end; what it sleeps on.
  _Atomic uint32_t word;
  // The thread ends after the task that it runs. Its own.
  bool is_ending;
  // Among the ended; guarded by the layer's thread lock.
  weft_own_thread_t* next;
};

static void wake(weft_own_thread_t* thread) {
  // Release: pairs with the acquire in `serve`. The thread may end, and be
  // freed, as soon as it has run the task; a wake-up of a word that is gone
  // wakes nobody.
  _Atomic uint32_t* word = &thread->word;
  atomic_store_explicit(word, 1, memory_order_release);
  weft_futex_wake(word, 1);
}

static void post(weft_executor_t* executor, weft_task_t* task) {
  weft_own_thread_t* thread = (weft_own_thread_t*)(void*)executor;
  // Relaxed: the word publishes it.
  atomic_store_explicit(&thread->task, task, memory_order_relaxed);
  wake(thread);
}

static const weft_executor_vtable_t own_thread_vtable = {.post = post};

static void serve(void* user) {
  weft_own_thread_t* thread = user;
  while (!thread->is_ending) {
    // Acquire: pairs with the release in `wake`.
    if (atomic_exchange_explicit(&thread->word, 0, memory_order_acquire) == 0) {
      weft_futex_wait(&thread->word, 0, WEFT_TIME_INFINITE);
      continue;
    }
    // Relaxed: published by the word.
    weft_task_t* task =
        atomic_exchange_explicit(&thread->task, NULL, memory_order_relaxed);
    if (task != NULL) {
      task->run(task);
    }
  }
}

static void destroy(weft_actor_layer_t* layer, weft_own_thread_t* thread) {
  weft_sys_thread_join(&thread->thread);
  weft_memory_free(layer->runtime->allocator, thread, sizeof(*thread));
}

weft_status_t weft_own_thread_start(weft_actor_layer_t* layer,
                                    const weft_class_t* actor_class,
                                    weft_own_thread_t** out_thread) {
  *out_thread = NULL;
  weft_own_thread_join_ended(layer);
  weft_own_thread_t* thread =
      weft_memory_allocate_zeroed(layer->runtime->allocator, sizeof(*thread));
  if (thread == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the thread of an actor");
  }
  thread->executor.vtable = &own_thread_vtable;
  atomic_init(&thread->task, NULL);
  atomic_init(&thread->word, 0);
  weft_status_t status =
      weft_sys_thread_start(&thread->thread, actor_class->name, serve, thread);
  if (status != WEFT_OK) {
    weft_memory_free(layer->runtime->allocator, thread, sizeof(*thread));
    return status;
  }
  *out_thread = thread;
  return WEFT_OK;
}

weft_executor_t* weft_own_thread_executor(weft_own_thread_t* thread) {
  return &thread->executor;
}

// A task that ends the thread it runs on.
typedef struct end_task {
  weft_task_t task;
  weft_own_thread_t* thread;
} end_task_t;

static void run_end(weft_task_t* task) {
  WEFT_CONTAINER_OF(task, end_task_t, task)->thread->is_ending = true;
}

void weft_own_thread_cancel(weft_actor_layer_t* layer,
                            weft_own_thread_t* thread) {
  if (thread != NULL) {
    end_task_t end = {.task = {.run = run_end}, .thread = thread};
    post(&thread->executor, &end.task);
    destroy(layer, thread);
  }
}

void weft_own_thread_end(weft_actor_entry_t* entry) {
  if (!entry->has_own_thread) {
    return;
  }
  weft_actor_layer_t* layer = entry->layer;
  // Relaxed, both: the consumer's own until the mailbox is left.
  weft_own_thread_t* thread = (weft_own_thread_t*)(void*)atomic_load_explicit(
      &entry->executor, memory_order_relaxed);
  atomic_store_explicit(&entry->executor, layer->executor,
                        memory_order_relaxed);
  entry->has_own_thread = false;
  thread->is_ending = true;
  weft_mutex_lock(&layer->thread_lock);
  thread->next = layer->ended_threads;
  layer->ended_threads = thread;
  weft_mutex_unlock(&layer->thread_lock);
}

void weft_own_thread_join_ended(weft_actor_layer_t* layer) {
  weft_mutex_lock(&layer->thread_lock);
  weft_own_thread_t* thread = layer->ended_threads;
  layer->ended_threads = NULL;
  weft_mutex_unlock(&layer->thread_lock);
  while (thread != NULL) {
    weft_own_thread_t* next = thread->next;
    destroy(layer, thread);
    thread = next;
  }
}
