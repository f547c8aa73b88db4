// SPDX-License-Identifier: Apache-2.0
// One actor makes a tensor, another adds it up and then meets an error.
#include <stdio.h>
#include <weft/weft.h>

static weft_status_t make(weft_context_t* context, void* state,
                          const weft_value_t* arguments, weft_value_t* out) {
  const double numbers[] = {1, 2, 3.5};
  weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_tensor_from_data(
      NULL, WEFT_FLOAT64, 1, (const int64_t[]){3}, numbers, &tensor));
  *out = weft_tensor_into_value(tensor);
  return WEFT_OK;
}

static weft_status_t add(weft_context_t* context, void* state,
                         const weft_value_t* arguments, weft_value_t* out) {
  const weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(arguments[0], &tensor));
  WEFT_RETURN_IF_ERROR(
      weft_tensor_expect(tensor, WEFT_FLOAT64, 1, (const int64_t[]){3}));
  const double* numbers = weft_tensor_data(tensor);
  *out = weft_float64(numbers[0] + numbers[1] + numbers[2]);
  return WEFT_OK;
}

enum { MAKE, ADD };
static const weft_parameter_t input = {"tensor", WEFT_KIND_TENSOR};
static const weft_endpoint_t endpoints[] = {{"make", make, NULL, 0},
                                            {"add", add, &input, 1}};
static const weft_class_t worker = {"worker", 1, NULL, NULL, endpoints, 2};

static weft_status_t run(weft_runtime_t* rt, void* user) {
  weft_actor_t maker, adder;
  weft_future_t *tensor = NULL, *sum = NULL;
  weft_value_t value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_spawn(rt, &worker, weft_none(), NULL, &maker));
  WEFT_RETURN_IF_ERROR(weft_spawn(rt, &worker, weft_none(), NULL, &adder));
  WEFT_RETURN_IF_ERROR(weft_call(rt, maker, MAKE, NULL, NULL, &tensor));
  weft_status_t status = weft_call(
      rt, adder, ADD, WEFT_ARGUMENTS(weft_future_lend(tensor)), NULL, &sum);
  if (weft_status_is_ok(status)) {
    status = weft_future_get(sum, WEFT_TIME_INFINITE, &value);
  }
  weft_future_release(tensor);
  weft_future_release(sum);
  WEFT_RETURN_IF_ERROR(status);
  printf("the sum is %g\n", value.as.float64);
  // A number where a tensor should be.
  return weft_call(rt, adder, ADD, WEFT_ARGUMENTS(value), NULL, &sum);
}

int main(void) {
  static const weft_class_t* const classes[] = {&worker};
  weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  // Meant to end with an error, which is reported: all is well if it does.
  return weft_runtime_main(&options, run, NULL) == 1 ? 0 : 1;
}
