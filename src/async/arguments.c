// SPDX-License-Identifier: Apache-2.0
//
// Fitting what a caller gives to what a function declares.

#include <string.h>

#include "async/future_internal.h"

// The result of a search for a name that is not there.
#define NOWHERE UINT32_MAX

static const char* plural(size_t count) {
  return count == 1 ? "" : "s";
}

weft_status_t weft_argument_check(const char* what,
                                  const weft_parameter_t* parameter,
                                  weft_value_t value) {
  if (parameter->kind == WEFT_KIND_ANY || value.kind == WEFT_KIND_FUTURE ||
      value.kind == (uint8_t)parameter->kind) {
    return WEFT_OK;
  }
  return weft_status_make(
      WEFT_STATUS_INVALID_ARGUMENT,
      "parameter '%s' of %s takes %s, %s was given", parameter->name, what,
      weft_kind_name(parameter->kind), weft_kind_name(weft_value_kind(value)));
}

static uint32_t find(const weft_parameter_t* parameters, uint32_t count,
                     const char* name) {
  for (uint32_t i = 0; i < count; i++) {
    if (strcmp(parameters[i].name, name) == 0) {
      return i;
    }
  }
  return NOWHERE;
}

static weft_status_t check_counts(const char* what, uint32_t parameter_count,
                                  const weft_arguments_t* arguments) {
  if (parameter_count > WEFT_PARAMETER_LIMIT) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%s declares %u parameters, the limit is %d", what,
                            parameter_count, WEFT_PARAMETER_LIMIT);
  }
  if (arguments->positional_count > parameter_count) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%s takes %u argument%s, %zu were given", what,
                            parameter_count, plural(parameter_count),
                            arguments->positional_count);
  }
  return WEFT_OK;
}

// Puts named arguments where they belong. Bits of `given` tell which places
// are taken.
static weft_status_t place_named(const char* what,
                                 const weft_parameter_t* parameters,
                                 uint32_t parameter_count,
                                 const weft_arguments_t* arguments,
                                 weft_value_t* ordered, uint32_t* given) {
  for (size_t i = 0; i < arguments->named_count; i++) {
    const weft_named_value_t* named = &arguments->named[i];
    if (named->name == NULL) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "a named argument of %s has no name", what);
    }
    uint32_t place = find(parameters, parameter_count, named->name);
    if (place == NOWHERE) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "%s has no parameter '%s'", what, named->name);
    }
    if ((*given & (UINT32_C(1) << place)) != 0) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "parameter '%s' of %s was given twice",
                              named->name, what);
    }
    *given |= UINT32_C(1) << place;
    ordered[place] = named->value;
  }
  return WEFT_OK;
}

static weft_status_t check_all(const char* what,
                               const weft_parameter_t* parameters,
                               uint32_t parameter_count,
                               const weft_value_t* ordered, uint32_t given) {
  for (uint32_t i = 0; i < parameter_count; i++) {
    if ((given & (UINT32_C(1) << i)) == 0) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "%s needs parameter '%s' (%s), which was not "
                              "given",
                              what, parameters[i].name,
                              weft_kind_name(parameters[i].kind));
    }
    WEFT_RETURN_IF_ERROR(weft_argument_check(what, &parameters[i], ordered[i]));
  }
  return WEFT_OK;
}

weft_status_t weft_arguments_order(const char* what,
                                   const weft_parameter_t* parameters,
                                   uint32_t parameter_count,
                                   const weft_arguments_t* arguments,
                                   weft_value_t* out_ordered) {
  static const weft_arguments_t none = {.positional = NULL};
  if (arguments == NULL) {
    arguments = &none;
  }
  WEFT_RETURN_IF_ERROR(check_counts(what, parameter_count, arguments));
  uint32_t given = 0;
  for (size_t i = 0; i < arguments->positional_count; i++) {
    out_ordered[i] = arguments->positional[i];
    given |= UINT32_C(1) << i;
  }
  WEFT_RETURN_IF_ERROR(place_named(what, parameters, parameter_count, arguments,
                                   out_ordered, &given));
  return check_all(what, parameters, parameter_count, out_ordered, given);
}
