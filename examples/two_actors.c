// SPDX-License-Identifier: Apache-2.0
// One actor makes a tensor, another adds it up and then meets an error.
#include <stdio.h>
#include <weft/weft.h>

static weft_status_t make(weft_context_t* context, void* state,
                          const weft_value_t* arguments, weft_value_t* out) {
  weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_from_data(
      NULL, WEFT_FLOAT64, 1, (int64_t[]){3}, (double[]){1, 2, 3.5}, &tensor));
  *out = weft_tensor_into_value(tensor);
  return WEFT_OK;
}

static weft_status_t add(weft_context_t* context, void* state,
                         const weft_value_t* arguments, weft_value_t* out) {
  const weft_tensor_t* t = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(arguments[0], &t));
  WEFT_RETURN_IF_ERROR(weft_tensor_expect(t, WEFT_FLOAT64, 1, (int64_t[]){3}));
  const double* numbers = weft_tensor_data(t);
  printf("the sum is %g\n", numbers[0] + numbers[1] + numbers[2]);
  return WEFT_OK;
}

enum { MAKE, ADD };
static const weft_parameter_t input = {"tensor", WEFT_KIND_TENSOR};
static const weft_endpoint_t endpoints[] = {{"make", make, NULL, 0},
                                            {"add", add, &input, 1}};
static const weft_class_t worker = {"worker", 1, NULL, NULL, endpoints, 2};

// Has something added up, and waits until that is done.
static weft_status_t ask(weft_runtime_t* rt, weft_actor_t to, weft_value_t of) {
  weft_future_t* done = NULL;
  weft_value_t nothing;
  WEFT_RETURN_IF_ERROR(weft_call(rt, to, ADD, WEFT_ARGUMENTS(of), NULL, &done));
  weft_status_t status = weft_future_get(done, WEFT_TIME_INFINITE, &nothing);
  weft_future_release(done);
  return status;
}

static weft_status_t run(weft_runtime_t* rt, void* user) {
  weft_actor_t maker, adder;
  weft_future_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_spawn(rt, &worker, weft_none(), NULL, &maker));
  WEFT_RETURN_IF_ERROR(weft_spawn(rt, &worker, weft_none(), NULL, &adder));
  WEFT_RETURN_IF_ERROR(weft_call(rt, maker, MAKE, NULL, NULL, &tensor));
  weft_status_t status = ask(rt, adder, weft_future_lend(tensor));
  weft_future_release(tensor);
  // A number where a tensor should be: an error that says so.
  weft_status_report(ask(rt, adder, weft_float64(6.5)));
  return status;
}

int main(void) {
  static const weft_class_t* const classes[] = {&worker};
  weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  setlinebuf(stdout);  // So that each line is seen when it is printed.
  return weft_runtime_main(&options, run, NULL);
}
