// SPDX-License-Identifier: Apache-2.0
//
// Values that are not here yet: an await runs when somebody first wants its
// value, a fork at once; others are built on them, and waiting is the last
// thing one does.

#include <stdio.h>
#include <weft/weft.h>

// A function that can be awaited: width · height.
static weft_status_t area(weft_runtime_t* runtime, void* user,
                          const weft_value_t* arguments, weft_value_t* out) {
  int64_t width = 0;
  int64_t height = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &width));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[1], &height));
  if (width < 0 || height < 0) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE, "a negative length");
  }
  printf("  area runs: %lld x %lld\n", (long long)width, (long long)height);
  *out = weft_int64(width * height);
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {
    {"width", WEFT_KIND_INT64},
    {"height", WEFT_KIND_INT64},
};
static const weft_function_t area_function = {
    .name = "area",
    .run = area,
    .parameters = parameters,
    .parameter_count = 2,
};

// What follows a value: its double.
static weft_status_t twice(void* user, weft_status_t status, weft_value_t value,
                           weft_value_t* out) {
  *out = weft_int64(2 * value.as.int64);
  return WEFT_OK;
}

// Waits, prints, and gives the future back.
static weft_status_t show(const char* what, weft_future_t* future) {
  char text[256];
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
  weft_future_release(future);
  WEFT_RETURN_IF_ERROR(status);
  weft_value_format(value, text, sizeof(text));
  weft_value_release(value);
  printf("%s: %s\n", what, text);
  return WEFT_OK;
}

// Lazy: nothing happens before `show` waits. Arguments by name.
static weft_status_t await_it(weft_runtime_t* runtime) {
  const weft_named_value_t named[] = {{"height", weft_int64(3)},
                                      {"width", weft_int64(4)}};
  weft_arguments_t arguments = {.named = named, .named_count = 2};
  weft_future_t* lazy = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_await_create(runtime, &area_function, &arguments, &lazy));
  puts("the await has not run yet");
  return show("awaited", lazy);
}

// Eager: both forks run at once; what follows them is said before.
static weft_status_t fork_two(weft_runtime_t* runtime) {
  weft_future_t* forks[2] = {NULL, NULL};
  weft_future_t* all = NULL;
  weft_future_t* doubled = NULL;
  weft_continuation_t next = {.run = twice};
  weft_status_t status =
      weft_async_run(runtime, NULL, &area_function,
                     WEFT_ARGUMENTS(weft_int64(5), weft_int64(6)), &forks[0]);
  if (weft_status_is_ok(status)) {
    status = weft_async_run(runtime, NULL, &area_function,
                            WEFT_ARGUMENTS(weft_int64(-1), weft_int64(1)),
                            &forks[1]);
  }
  if (weft_status_is_ok(status)) {
    status = weft_future_map(forks[0], &next, &doubled);
  }
  if (weft_status_is_ok(status)) {
    status = weft_future_all(runtime, forks, 2, &all);
  }
  weft_future_release(forks[0]);
  weft_future_release(forks[1]);
  if (weft_status_is_ok(status)) {
    status = show("twice the first", doubled);
    doubled = NULL;
  }
  weft_future_release(doubled);
  WEFT_RETURN_IF_ERROR(status);
  return show("both outcomes", all);
}

// A wait that times out loses nothing; a cancel ends the future for all.
static weft_status_t give_up(weft_runtime_t* runtime) {
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_promise_create(runtime, &promise, &future));
  weft_status_t status =
      weft_future_wait(future, weft_deadline_after(runtime, 1000000));
  printf("after 1 ms: %s\n", weft_status_code_name(weft_status_ignore(status)));
  weft_future_cancel(future);
  printf("the promise knows: %s\n",
         weft_promise_is_cancelled(promise) ? "cancelled" : "still wanted");
  weft_promise_release(promise);
  status = show("cancelled", future);
  printf("then: %s\n", weft_status_code_name(weft_status_code(status)));
  return weft_status_ignore(status) == WEFT_STATUS_CANCELLED
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_INTERNAL, "not cancelled");
}

static weft_status_t run(weft_runtime_t* runtime, void* user) {
  WEFT_RETURN_IF_ERROR(await_it(runtime));
  WEFT_RETURN_IF_ERROR(fork_two(runtime));
  return give_up(runtime);
}

int main(void) {
  return weft_runtime_main(NULL, run, NULL);
}
