// SPDX-License-Identifier: Apache-2.0
//
// The thread that watches sockets: those of links, where a hang-up is a death,
// and others that it is asked to. See sleep.c for when it wakes by itself.

#include "link/shm/shm_internal.h"

// The low bit of a tag: a watch; its number is above. Else it is a link.
#define WATCH_BIT 1u

uint64_t weft_shm_link_tag(weft_shm_link_t* link) {
  return (uint64_t)(uintptr_t)link;
}

// --- Watches ----------------------------------------------------------------

static weft_shm_watch_t** find_locked(weft_shm_service_t* service,
                                      uint64_t id) {
  weft_shm_watch_t** place = &service->watches;
  while (*place != NULL && (*place)->id != id) {
    place = &(*place)->next;
  }
  return place;
}

static void call_watch(weft_shm_service_t* service, uint64_t id) {
  weft_mutex_lock(&service->watch_lock);
  weft_shm_watch_t* watch = *find_locked(service, id);
  service->running_id = watch != NULL ? id : 0;
  weft_mutex_unlock(&service->watch_lock);
  if (watch == NULL) {
    return;
  }
  // It may be gone after this.
  watch->ready(watch);
  weft_mutex_lock(&service->watch_lock);
  service->running_id = 0;
  bool is_awaited = service->remover_count > 0;
  // Relaxed: the removers look again under the lock.
  atomic_fetch_add_explicit(&service->call_ended, 1, memory_order_relaxed);
  weft_mutex_unlock(&service->watch_lock);
  if (is_awaited) {
    weft_futex_wake(&service->call_ended, UINT32_MAX);
  }
}

weft_status_t weft_shm_add_watch(weft_shm_t* shm, weft_shm_watch_t* watch) {
  weft_shm_service_t* service = &shm->service;
  watch->id = 0;
  weft_mutex_lock(&shm->lock);
  weft_status_t status =
      shm->is_stopped
          ? weft_status_make(WEFT_STATUS_CLOSED,
                             "the runtime stops: nothing can be watched")
          : weft_shm_service_start_locked(shm);
  weft_mutex_unlock(&shm->lock);
  if (status != WEFT_OK) {
    return status;
  }
  weft_mutex_lock(&service->watch_lock);
  watch->id = ++service->last_watch_id;
  watch->next = service->watches;
  service->watches = watch;
  status = weft_epoll_add(&service->epoll, watch->descriptor, WEFT_EPOLL_READ,
                          watch->id << 1 | WATCH_BIT);
  if (status != WEFT_OK) {
    service->watches = watch->next;
    watch->id = 0;
  }
  weft_mutex_unlock(&service->watch_lock);
  return status;
}

static bool is_service_thread(weft_shm_service_t* service) {
  // Relaxed: a thread looks for its own number only.
  return atomic_load_explicit(&service->thread_id, memory_order_relaxed) ==
         weft_sys_thread_id();
}

void weft_shm_remove_watch(weft_shm_t* shm, weft_shm_watch_t* watch) {
  weft_shm_service_t* service = &shm->service;
  weft_mutex_lock(&service->watch_lock);
  uint64_t id = watch->id;
  weft_shm_watch_t** place = find_locked(service, id);
  if (*place != NULL) {
    *place = watch->next;
    weft_epoll_remove(&service->epoll, watch->descriptor);
  }
  service->remover_count++;
  // One that has removed itself keeps its number, so that others can wait here.
  while (id != 0 && service->running_id == id && !is_service_thread(service)) {
    // Relaxed: changed under the lock.
    uint32_t seen =
        atomic_load_explicit(&service->call_ended, memory_order_relaxed);
    weft_mutex_unlock(&service->watch_lock);
    weft_futex_wait(&service->call_ended, seen, WEFT_TIME_INFINITE);
    weft_mutex_lock(&service->watch_lock);
  }
  service->remover_count--;
  weft_mutex_unlock(&service->watch_lock);
}

// --- The thread -------------------------------------------------------------

static void note_link_event(weft_shm_link_t* link, uint32_t events) {
  uint32_t bits = WEFT_SHM_SOCKET;
  if ((events & WEFT_EPOLL_WRITE) != 0) {
    bits |= WEFT_SHM_WRITABLE;
    weft_epoll_change(&link->shm->service.epoll, link->socket,
                      WEFT_EPOLL_READ | WEFT_EPOLL_EDGE,
                      weft_shm_link_tag(link));
  }
  // Release: pairs with the acquire of who polls.
  atomic_fetch_or_explicit(&link->attention, bits, memory_order_release);
}

static void note_events(weft_shm_t* shm, const weft_epoll_event_t* events,
                        size_t count) {
  for (size_t i = 0; i < count; i++) {
    if ((events[i].tag & WATCH_BIT) != 0) {
      call_watch(&shm->service, events[i].tag >> 1);
    } else {
      note_link_event((weft_shm_link_t*)(uintptr_t)events[i].tag,
                      events[i].events);
    }
  }
}

static void serve(void* user) {
  weft_shm_t* shm = user;
  weft_shm_service_t* service = &shm->service;
  // Relaxed, both: a thread looks for its own number only; the wake-up that
  // follows the order to stop makes this look again.
  atomic_store_explicit(&service->thread_id, weft_sys_thread_id(),
                        memory_order_relaxed);
  int timeout_ms = weft_shm_service_rest(shm, -1, false);
  while (!atomic_load_explicit(&service->is_stopping, memory_order_relaxed)) {
    weft_epoll_event_t events[WEFT_EPOLL_EVENT_LIMIT];
    bool timed_out;
    size_t count =
        weft_epoll_wait(&service->epoll, timeout_ms, events, &timed_out);
    weft_shm_service_wakes(shm);
    note_events(shm, events, count);
    if (!timed_out) {
      weft_shm_progress_all(shm);
    }
    timeout_ms = weft_shm_service_rest(shm, timeout_ms, timed_out);
  }
}

void weft_shm_service_kick(weft_shm_t* shm) {
  weft_epoll_wake(&shm->service.epoll);
}

// --- The beginning and the end ----------------------------------------------

weft_status_t weft_shm_service_init(weft_shm_service_t* service) {
  weft_mutex_init(&service->watch_lock);
  return weft_epoll_open(&service->epoll);
}

weft_status_t weft_shm_service_start_locked(weft_shm_t* shm) {
  if (shm->service.thread.started) {
    return WEFT_OK;
  }
  weft_mutex_lock(&shm->place_lock);
  shm->is_ticking = true;
  weft_mutex_unlock(&shm->place_lock);
  return weft_sys_thread_start(&shm->service.thread, "weft-link", serve, shm);
}

void weft_shm_service_stop(weft_shm_t* shm) {
  // Relaxed: the wake-up orders it.
  atomic_store_explicit(&shm->service.is_stopping, true, memory_order_relaxed);
  weft_shm_service_kick(shm);
  weft_sys_thread_join(&shm->service.thread);
}

void weft_shm_service_deinit(weft_shm_service_t* service) {
  weft_epoll_close(&service->epoll);
  weft_mutex_deinit(&service->watch_lock);
}
