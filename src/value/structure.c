// SPDX-License-Identifier: Apache-2.0
//
// Recursion is bounded by the depth that lists and maps may have.

#include "value/structure.h"

#include "value/tensor_internal.h"
#include "value/value_internal.h"

// Lists and maps of up to this many cells are made on the stack.
#define FEW 8

static bool is_container(weft_value_t value) {
  return value.kind == WEFT_KIND_LIST || value.kind == WEFT_KIND_MAP;
}

static size_t count_of(weft_value_t container) {
  return ((const weft_container_t*)(const void*)container.as.object)->count;
}

// --- Values with other parts ------------------------------------------------

typedef struct replacing {
  const weft_allocator_t* allocator;
  weft_part_fn_t replace;
  void* user;
} replacing_t;

static weft_status_t replace_any(const replacing_t* replacing,
                                 const weft_path_t* path, weft_value_t value,
                                 weft_value_t* out_value);

// The values of a list, or the keys and values of a map.
typedef struct cells {
  const weft_value_t* old;
  weft_value_t* values;
  size_t count;
  // So many of them are replaced.
  size_t done;
  weft_value_t few[FEW];
} cells_t;

_Static_assert(sizeof(weft_map_entry_t) == 2 * sizeof(weft_value_t),
               "an entry is a key and a value");

static weft_status_t cells_init(cells_t* cells,
                                const weft_allocator_t* allocator,
                                weft_value_t container) {
  bool is_map = container.kind == WEFT_KIND_MAP;
  const void* entries = weft_value_map(container)->entries;
  cells->old = is_map ? entries : weft_value_list(container)->values;
  cells->count = count_of(container) * (is_map ? 2 : 1);
  cells->done = 0;
  cells->values = cells->few;
  if (cells->count <= FEW) {
    return WEFT_OK;
  }
  cells->values =
      weft_memory_allocate(allocator, cells->count * sizeof(weft_value_t));
  return cells->values != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "no memory for %zu values", cells->count);
}

// Accepts any prefix of what is above.
static void cells_deinit(cells_t* cells, const weft_allocator_t* allocator) {
  for (size_t i = 0; i < cells->done; ++i) {
    weft_value_release(cells->values[i]);
  }
  if (cells->values != cells->few && cells->values != NULL) {
    weft_memory_free(allocator, cells->values,
                     cells->count * sizeof(weft_value_t));
  }
}

static weft_status_t cells_replace(cells_t* cells, const replacing_t* replacing,
                                   const weft_path_t* parent, bool is_map) {
  weft_path_t path = {.parent = parent};
  for (; cells->done < cells->count; ++cells->done) {
    weft_value_t old = cells->old[cells->done];
    weft_value_t* place = &cells->values[cells->done];
    path.index = cells->done;
    if (is_map && cells->done % 2 == 0) {
      path.text = weft_value_string(old)->data;
      *place = weft_value_retain(old);
    } else {
      WEFT_RETURN_IF_ERROR(replace_any(replacing, &path, old, place));
    }
  }
  return WEFT_OK;
}

static weft_status_t make_container(const cells_t* cells,
                                    const weft_allocator_t* allocator,
                                    weft_value_t old, weft_value_t* out_value) {
  bool is_same = memcmp(cells->old, cells->values,
                        cells->count * sizeof(weft_value_t)) == 0;
  if (is_same) {
    *out_value = weft_value_retain(old);
    return WEFT_OK;
  }
  const void* entries = cells->values;
  return old.kind == WEFT_KIND_MAP
             ? weft_map_create(allocator, entries, cells->count / 2, out_value)
             : weft_list_create(allocator, cells->values, cells->count,
                                out_value);
}

static weft_status_t replace_container(const replacing_t* replacing,
                                       const weft_path_t* path,
                                       weft_value_t value,
                                       weft_value_t* out_value) {
  cells_t cells;
  weft_status_t status = cells_init(&cells, replacing->allocator, value);
  if (status == WEFT_OK) {
    status =
        cells_replace(&cells, replacing, path, value.kind == WEFT_KIND_MAP);
  }
  if (status == WEFT_OK) {
    status = make_container(&cells, replacing->allocator, value, out_value);
  }
  cells_deinit(&cells, replacing->allocator);
  return status;
}

static weft_status_t replace_any(const replacing_t* replacing,
                                 const weft_path_t* path, weft_value_t value,
                                 weft_value_t* out_value) {
  *out_value = weft_none();
  return is_container(value)
             ? replace_container(replacing, path, value, out_value)
             : replacing->replace(replacing->user, path, value, out_value);
}

weft_status_t weft_value_replace(const weft_allocator_t* allocator,
                                 weft_value_t value, weft_part_fn_t replace,
                                 void* user, weft_value_t* out_value) {
  const replacing_t replacing = {weft_allocator_or_system(allocator), replace,
                                 user};
  const weft_path_t root = {.parent = NULL};
  return replace_any(&replacing, &root, value, out_value);
}

// --- Looking at tensors -----------------------------------------------------

static weft_value_t part_at(weft_value_t container, size_t index) {
  return container.kind == WEFT_KIND_LIST
             ? weft_value_list(container)->values[index]
             : weft_value_map(container)->entries[index].value;
}

size_t weft_value_tensor_count(weft_value_t value) {
  size_t count = value.kind == WEFT_KIND_TENSOR ? 1 : 0;
  for (size_t i = 0; is_container(value) && i < count_of(value); ++i) {
    count += weft_value_tensor_count(part_at(value, i));
  }
  return count;
}

bool weft_value_has_tensor(weft_value_t value,
                           bool (*is_such)(const weft_tensor_t* tensor)) {
  bool has =
      value.kind == WEFT_KIND_TENSOR && is_such(weft_value_tensor(value));
  for (size_t i = 0; is_container(value) && i < count_of(value) && !has; ++i) {
    has = weft_value_has_tensor(part_at(value, i), is_such);
  }
  return has;
}

// --- Structures -------------------------------------------------------------

static weft_status_t declare(void* user, const weft_path_t* path,
                             weft_value_t part, weft_value_t* out_part) {
  const weft_allocator_t* allocator = user;
  weft_tensor_t* declared = NULL;
  if (part.kind != WEFT_KIND_TENSOR) {
    *out_part = weft_int64(part.kind);
    return WEFT_OK;
  }
  const weft_tensor_t* tensor = weft_value_tensor(part);
  const weft_tensor_layout_t* layout = &tensor->layout;
  WEFT_RETURN_IF_ERROR(
      weft_path_located(path, weft_tensor_expect_sized(tensor)));
  WEFT_RETURN_IF_ERROR(weft_tensor_declare(
      allocator, NULL, layout->dtype, layout->ndim, layout->shape, &declared));
  *out_part = weft_tensor_into_value(declared);
  return WEFT_OK;
}

weft_status_t weft_structure_create(const weft_allocator_t* allocator,
                                    weft_value_t value,
                                    weft_value_t* out_structure) {
  return weft_value_replace(allocator, value, declare,
                            (void*)(uintptr_t)allocator, out_structure);
}

// --- Comparing --------------------------------------------------------------

static weft_status_t check_any(weft_value_t structure, const weft_path_t* path,
                               weft_value_t value);

static weft_status_t check_count(weft_value_t structure, weft_value_t value) {
  size_t is = count_of(value);
  size_t agreed = count_of(structure);
  return is == agreed ? WEFT_OK
                      : weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                         "the %s has %zu values, not %zu",
                                         weft_kind_name(weft_value_kind(value)),
                                         is, agreed);
}

static weft_status_t check_list(weft_value_t structure,
                                const weft_path_t* parent, weft_value_t value) {
  weft_path_t path = {.parent = parent};
  for (; path.index < count_of(value); ++path.index) {
    WEFT_RETURN_IF_ERROR(
        check_any(weft_value_list(structure)->values[path.index], &path,
                  weft_value_list(value)->values[path.index]));
  }
  return WEFT_OK;
}

static weft_status_t check_key(weft_value_t structure, weft_value_t key) {
  const weft_string_object_t* is = weft_value_string(key);
  const weft_string_object_t* agreed = weft_value_string(structure);
  return weft_string_equal(is, agreed)
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                "the map has the key \"%.100s\" where \"%.100s"
                                "\" should be",
                                is->data, agreed->data);
}

static weft_status_t check_map(weft_value_t structure,
                               const weft_path_t* parent, weft_value_t value) {
  weft_path_t path = {.parent = parent};
  for (size_t i = 0; i < count_of(value); ++i) {
    const weft_map_entry_t* agreed = &weft_value_map(structure)->entries[i];
    const weft_map_entry_t* is = &weft_value_map(value)->entries[i];
    WEFT_RETURN_IF_ERROR(
        weft_path_located(parent, check_key(agreed->key, is->key)));
    path.text = weft_value_string(is->key)->data;
    WEFT_RETURN_IF_ERROR(check_any(agreed->value, &path, is->value));
  }
  return WEFT_OK;
}

static weft_status_t check_kind(weft_value_t structure, weft_value_t value) {
  weft_kind_t agreed = weft_structure_kind(structure);
  return weft_value_kind(value) == agreed
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                "the value is of kind %s, not %s",
                                weft_kind_name(weft_value_kind(value)),
                                weft_kind_name(agreed));
}

static weft_status_t check_tensor(weft_value_t structure, weft_value_t value) {
  const weft_tensor_t* tensor = weft_value_tensor(value);
  const weft_tensor_layout_t* agreed = &weft_value_tensor(structure)->layout;
  WEFT_RETURN_IF_ERROR(weft_tensor_expect_sized(tensor));
  return weft_tensor_expect(tensor, agreed->dtype, agreed->ndim, agreed->shape);
}

static weft_status_t check_any(weft_value_t structure, const weft_path_t* path,
                               weft_value_t value) {
  WEFT_RETURN_IF_ERROR(weft_path_located(path, check_kind(structure, value)));
  if (value.kind == WEFT_KIND_TENSOR) {
    return weft_path_located(path, check_tensor(structure, value));
  }
  if (!is_container(value)) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_path_located(path, check_count(structure, value)));
  return value.kind == WEFT_KIND_LIST ? check_list(structure, path, value)
                                      : check_map(structure, path, value);
}

weft_status_t weft_structure_check(weft_value_t structure, weft_value_t value) {
  const weft_path_t root = {.parent = NULL};
  return check_any(structure, &root, value);
}
