// SPDX-License-Identifier: Apache-2.0
//
// The *structure* of a value: all of it but its data. Values with the same
// structure have lists of the same lengths, maps with the same keys in the same
// order, and in each place a tensor of the same dtype and shape, or another
// value of the same kind. A structure is a value itself, and holds no data:
//
//   {"step": 7, "x": float32[2, 3]}  -->  {"step": the kind int64,
//                                          "x": float32[2, 3], declared}

#ifndef WEFT_VALUE_STRUCTURE_H_
#define WEFT_VALUE_STRUCTURE_H_

#include "value/path.h"
#include "weft/tensor.h"

// Gives what stands in place of a part that is no list and no map. `path` is
// for errors. Owns: hands over a reference.
typedef weft_status_t (*weft_part_fn_t)(void* user, const weft_path_t* path,
                                        weft_value_t part,
                                        weft_value_t* out_part);

// Makes a value like another with other parts, which are asked for in its
// order. A list or map whose parts all stay is retained as it is.
// Errors: RESOURCE_EXHAUSTED; those of `replace`.
weft_status_t weft_value_replace(const weft_allocator_t* allocator,
                                 weft_value_t value, weft_part_fn_t replace,
                                 void* user, weft_value_t* out_value);

// How many tensors are in a value; and whether one of them is such.
size_t weft_value_tensor_count(weft_value_t value);
bool weft_value_has_tensor(weft_value_t value,
                           bool (*is_such)(const weft_tensor_t* tensor));

// Errors: FAILED_PRECONDITION for a tensor that is not sized;
// RESOURCE_EXHAUSTED.
weft_status_t weft_structure_create(const weft_allocator_t* allocator,
                                    weft_value_t value,
                                    weft_value_t* out_structure);

// The kind of value that stands where `structure` has something.
static inline weft_kind_t weft_structure_kind(weft_value_t structure) {
  return structure.kind == WEFT_KIND_INT64 ? (weft_kind_t)structure.as.int64
                                           : (weft_kind_t)structure.kind;
}

// Errors: INVALID_ARGUMENT for a value with another structure: the message has
// the path, what is there, and what should be.
weft_status_t weft_structure_check(weft_value_t structure, weft_value_t value);

#endif  // WEFT_VALUE_STRUCTURE_H_
