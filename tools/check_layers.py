#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who may include what.

- A folder of src/ uses only itself and those above it in LAYERS.
- The operating system is behind src/sys: elsewhere the library includes only
  headers of the C standard, and those that FOREIGN names. Tests (x_test.c,
  x_kit.h) are free.
- A public header includes only public headers and C headers that C++ has too.
- The command, examples and benchmarks use what a user of weft can use, but
  for what INSIDE names: benchmarks of parts, and the launcher of jobs.
"""

import re
import sys

import tree

LAYERS = ("base sys trace job async value wire memory link peer channel actor "
          "object stream rpc graph runtime").split()
STANDARD = set("assert.h ctype.h float.h inttypes.h limits.h math.h "
               "stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h "
               "stdio.h stdlib.h stdnoreturn.h string.h".split())
# Layer, and how the names of foreign headers begin that it may include.
FOREIGN = {"wire": "msgpack/"}
PUBLIC_STANDARD = set("limits.h stdarg.h stdbool.h stddef.h stdint.h".split())
INSIDE = {"bench/job.c", "bench/link_shm.c", "bench/mailbox.c",
          "cli/list.h", "cli/run.h", "cli/run_test.c"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def resolve(path, name):
    """Where a quoted include leads, relative to the root; None if nowhere."""
    for base in (path.parent, "src", "include", "", "tests"):
        target = (tree.ROOT / base / name).resolve()
        if target.is_file():
            return target.relative_to(tree.ROOT)
    return None


def is_test(path):
    is_beside = path.name.endswith(("_test.c", "_kit.h"))
    return is_beside or path.parts[0] == "tests"


def fault_public(name, kind, target):
    if kind == "<":
        if name not in PUBLIC_STANDARD:
            return f"a public header may not include <{name}>"
    elif target is None or target.parts[0] != "include":
        return f'a public header may not include "{name}"'
    return None


def fault_source(path, name, kind, target):
    layer = path.parts[1]
    if layer not in LAYERS:
        return f"src/{layer} is not in the list of layers (check_layers.py)"
    if kind == "<":
        if layer == "sys" or is_test(path) or name in STANDARD:
            return None
        if layer in FOREIGN and name.startswith(FOREIGN[layer]):
            return None
        return f"<{name}> belongs behind src/sys"
    if target is None:
        return f'"{name}" is not found'
    if target.parts[0] == "include" or is_test(target) and is_test(path):
        return None
    if target.parts[0] != "src" or is_test(target):
        return f'the library may not include "{name}"'
    if LAYERS.index(target.parts[1]) > LAYERS.index(layer):
        return f"src/{layer} may not use src/{target.parts[1]}, a later layer"
    return None


def fault_user(path, name, target):
    inside = target is not None and target.parts[0] == "src"
    if inside and str(path) not in INSIDE:
        return f'"{name}" is inside the library: use public headers'
    return None


def faults():
    for path in tree.c_files():
        text = tree.read(path)
        for match in INCLUDE.finditer(text):
            kind, name = match.groups()
            target = resolve(path, name) if kind == '"' else None
            if path.parts[0] == "include":
                what = fault_public(name, kind, target)
            elif path.parts[0] == "src":
                what = fault_source(path, name, kind, target)
            elif path.parts[0] == "tests":
                what = None
            else:
                what = fault_user(path, name, target)
            if what:
                yield path, tree.line_of(text, match.start()), what


sys.exit(tree.report(faults()))
