// SPDX-License-Identifier: Apache-2.0

#include "sim/errand.h"

const weft_opaque_type_t errand_type = {"errand", NULL};

// --- The handler ------------------------------------------------------------

static void must(errand_t* errand, bool holds, const char* what) {
  if (!holds && errand->wrong == NULL) {
    errand->wrong = what;
  }
}

static int64_t earlier(int64_t a, int64_t b) {
  return a < b ? a : b;
}

weft_status_t errand_call(task_t* task, int64_t caller_due_ns,
                          weft_future_t** out_future) {
  errand_t* errand = task->errand;
  const weft_call_options_t options = {.timeout_ns = task->timeout_ns};
  task->due_ns = caller_due_ns;
  if (task->timeout_ns != 0) {
    task->due_ns = earlier(
        caller_due_ns, weft_deadline_after(errand->runtime, task->timeout_ns));
  }
  int64_t index = task - errand->tasks;
  return weft_call(errand->runtime, errand->actors[task->actor], 0,
                   WEFT_ARGUMENTS(weft_int64(index)), &options, out_future);
}

static weft_status_t take_one(weft_future_t* future, int64_t* sum) {
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
  *sum += weft_value_kind(value) == WEFT_KIND_INT64 ? value.as.int64 : 0;
  weft_value_release(value);
  weft_future_release(future);
  return status;
}

static weft_status_t call_one_by_one(task_t* task, int64_t* sum) {
  weft_status_t status = WEFT_OK;
  for (uint32_t i = 0; i < task->child_count && status == WEFT_OK; ++i) {
    weft_future_t* future = NULL;
    status = errand_call(&task->errand->tasks[task->children[i]], task->due_ns,
                         &future);
    if (status == WEFT_OK) {
      status = take_one(future, sum);
    }
  }
  return status;
}

static weft_status_t call_all(task_t* task, weft_future_t** futures,
                              uint32_t* count) {
  weft_status_t status = WEFT_OK;
  while (*count < task->child_count && status == WEFT_OK) {
    status = errand_call(&task->errand->tasks[task->children[*count]],
                         task->due_ns, &futures[*count]);
    *count += status == WEFT_OK ? 1 : 0;
  }
  return status;
}

static weft_status_t call_at_once(task_t* task, int64_t* sum) {
  weft_future_t* futures[CHILDREN] = {NULL};
  uint32_t count = 0;
  weft_status_t status = call_all(task, futures, &count);
  for (uint32_t i = 0; i < count; ++i) {
    if (status == WEFT_OK) {
      status = take_one(futures[i], sum);
    } else {
      weft_future_release(futures[i]);
    }
  }
  return status;
}

static weft_status_t add_up(void* user, weft_status_t status,
                            weft_value_t value, weft_value_t* out_value) {
  (void)user;
  const weft_value_t* values = NULL;
  size_t count = 0;
  int64_t sum = 1;
  if (status != WEFT_OK) {
    return weft_status_retain(status);
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_list(value, &values, &count));
  for (size_t i = 0; i < count; ++i) {
    sum += values[i].as.int64;
  }
  *out_value = weft_int64(sum);
  return WEFT_OK;
}

// The sum of a list of futures, given to whoever waits for the reply.
static weft_status_t promise_sum(errand_t* errand, weft_promise_t* promise,
                                 weft_future_t* const* futures,
                                 uint32_t count) {
  weft_future_t* list = NULL;
  weft_future_t* sum = NULL;
  const weft_continuation_t next = {.run = add_up};
  weft_status_t status =
      weft_future_join(errand->runtime, futures, count, &list);
  if (status == WEFT_OK) {
    status = weft_future_map(list, &next, &sum);
  }
  if (status == WEFT_OK) {
    status = weft_promise_forward(promise, sum);
  }
  if (weft_status_code(status) == WEFT_STATUS_ALREADY_EXISTS) {
    // The caller has given up.
    weft_status_release(status);
    status = WEFT_OK;
  }
  weft_future_release(list);
  weft_future_release(sum);
  return status;
}

static weft_status_t defer(weft_context_t* context, task_t* task) {
  weft_promise_t* promise = NULL;
  weft_future_t* futures[CHILDREN] = {NULL};
  uint32_t count = 0;
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &promise));
  weft_status_t status = call_all(task, futures, &count);
  if (status == WEFT_OK) {
    status = promise_sum(task->errand, promise, futures, count);
  }
  if (status != WEFT_OK) {
    weft_status_ignore(weft_promise_fail(promise, weft_status_retain(status)));
    weft_status_release(status);
  }
  for (uint32_t i = 0; i < count; ++i) {
    weft_future_release(futures[i]);
  }
  weft_promise_release(promise);
  return WEFT_OK;
}

// A wait for what never comes ends at the deadline of the work, to the
// nanosecond, if no sooner one was asked for.
static weft_status_t rest(task_t* task, int64_t until_ns) {
  errand_t* errand = task->errand;
  weft_status_t status = weft_future_wait(errand->never, until_ns);
  weft_status_code_t code = weft_status_code(status);
  int64_t due_ns = earlier(until_ns, task->due_ns);
  if (code == WEFT_STATUS_DEADLINE_EXCEEDED) {
    must(errand, weft_runtime_now_ns(errand->runtime) >= due_ns,
         "a wait ended before its deadline");
    bool is_mine = until_ns < task->due_ns;
    if (is_mine) {
      weft_status_release(status);
      status = WEFT_OK;
    }
    return status;
  }
  must(errand,
       errand->is_over ||
           (code == WEFT_STATUS_CANCELLED && weft_work_is_cancelled()),
       "a wait for what never comes ended");
  return status;
}

static weft_status_t do_task(weft_context_t* context, task_t* task,
                             weft_value_t* out_result) {
  errand_t* errand = task->errand;
  int64_t sum = 1;
  weft_status_t status = WEFT_OK;
  switch (task->deed) {
    case DEED_ONE_BY_ONE:
      status = call_one_by_one(task, &sum);
      break;
    case DEED_AT_ONCE:
      status = call_at_once(task, &sum);
      break;
    case DEED_DEFER:
      return defer(context, task);
    case DEED_FAIL:
      return weft_status_make(WEFT_STATUS_FAILED, "task %d",
                              (int)(task - errand->tasks));
    case DEED_NAP:
      status = rest(task, weft_deadline_after(errand->runtime, 20));
      break;
    default:
      status = rest(task, WEFT_TIME_INFINITE);
  }
  *out_result = status == WEFT_OK ? weft_int64(sum) : weft_none();
  return status;
}

static weft_status_t work(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  errand_t* errand = state;
  task_t* task = &errand->tasks[arguments[0].as.int64];
  ++task->entered;
  must(errand, task->entered == 1, "a call was delivered twice");
  must(errand,
       weft_context_deadline_ns(context) == task->due_ns &&
           weft_work_deadline_ns() == task->due_ns,
       "a handler has not what is left of its caller's deadline");
  must(errand,
       task->parent == NOBODY ||
           weft_actor_equal(weft_context_sender(context),
                            errand->actors[errand->tasks[task->parent].actor]),
       "a call has another sender");
  weft_status_t status = do_task(context, task, out_result);
  ++task->left;
  return status;
}

static weft_status_t errand_init(weft_context_t* context, weft_value_t init,
                                 void** out_state) {
  (void)context;
  return weft_value_as_opaque(init, &errand_type, out_state);
}

static const weft_parameter_t parameters[] = {{"task", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[] = {{"work", work, parameters, 1}};
const weft_class_t errand_class = {
    "worker", 1, errand_init, NULL, endpoints, 1,
};
