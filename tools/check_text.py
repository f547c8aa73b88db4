#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the text of the tree: check_text.py CHECK

  lengths      80 columns a line, 800 lines a file
  banned       calls and constructs that weft does without, with what to use
  atomics      every atomic operation in src/ has a comment close above it
  documented   every function of a public header has a comment
  words        the tree speaks of the project only, not of some machine
  licence      every source names its licence at its top
  quoted       a program that a page shows whole is the one that is tested

A line that must break a rule of `banned` says so, on it or in the comment
above it:   lint-allow NAME: reason
"""

import re
import sys
from pathlib import Path

import tree

LINE_LIMIT = 80
FILE_LIMIT = 800


def lengths():
    for path in tree.files(".c", ".h", ".py", ".sh", ".build"):
        lines = tree.read(path).splitlines()
        if len(lines) > FILE_LIMIT:
            yield path, FILE_LIMIT, f"{len(lines)} lines; split the file"
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_LIMIT:
                yield path, number, f"{len(line)} columns; break the line"


# --- banned -----------------------------------------------------------------

def everywhere(path):
    return True


def in_library(path):
    is_test = path.name.endswith(("_test.c", "_kit.h"))
    return path.parts[0] == "src" and not is_test


def in_library_but(*prefixes):
    return lambda path: in_library(path) and not str(path).startswith(prefixes)


def call(names):
    """Matches a call of one of the functions, not a member of that name."""
    return rf"(?<![\w.>])(?:{names})\s*\("


# Name, pattern, where it is banned, what to do instead.
BANNED = [
    ("order", call(r"atomic_(?:load|store|exchange|compare_exchange_weak|"
                   r"compare_exchange_strong|fetch_(?:add|sub|or|xor|and)|"
                   r"flag_test_and_set|flag_clear)"),
     everywhere, "name the memory order: use the _explicit form"),
    ("fence", r"\batomic_(?:thread|signal)_fence\b|\b__(?:sync|atomic)_\w+",
     everywhere, "put the order on the atomic operation itself"),
    ("volatile", r"(?<!asm )(?<!asm__ )\bvolatile\b",
     everywhere, "volatile orders nothing: use an atomic"),
    ("prototype", r"^(?:[A-Za-z_]\w*[ *]+)+\w+\(\)",
     everywhere, "write (void)"),
    ("string", call(r"str(?:cpy|cat|ncpy|ncat|tok)|v?sprintf|gets|"
                    r"ato(?:i|l|ll|f)|alloca"),
     everywhere, "use a call that knows sizes and reports errors"),
    ("sleep", call(r"sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep"),
     lambda p: p.parts[0] in ("src", "tests") and p.parts[1] != "sys",
     "wait for the thing itself, not for time to pass"),
    ("end", call(r"abort|exit|_exit|_Exit|quick_exit|raise|kill"),
     in_library, "a library returns a status"),
    ("heap", call(r"malloc|calloc|realloc|free|strn?dup|aligned_alloc|"
                  r"posix_memalign"),
     in_library_but("src/base/allocator"), "use the allocator passed in"),
    ("print", call(r"v?printf|puts|putchar|perror") + r"|\bstd(?:out|err)\b",
     in_library_but("src/sys/", "src/trace/"), "return a status, or log"),
    ("system", call(r"signal|sigaction|getenv|secure_getenv|setenv|strerror")
     + r"|\berrno\b",
     in_library_but("src/sys/"), "go through src/sys"),
    ("todo", r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b",
     everywhere, "do it, or leave it out"),
]


def is_allowed(lines, number, name):
    """True if the line, or the comment just above it, makes an exception."""
    mark = f"lint-allow {name}:"
    if mark in lines[number - 1]:
        return True
    above = number - 2
    while above >= 0 and lines[above].lstrip().startswith("//"):
        if mark in lines[above]:
            return True
        above -= 1
    return False


def banned():
    for path in tree.c_files():
        text = tree.read(path)
        lines = text.splitlines()
        code = tree.code_only(text)
        for name, pattern, applies, advice in BANNED:
            if not applies(path):
                continue
            where = text if name == "todo" else code
            for match in re.finditer(pattern, where, re.M):
                number = tree.line_of(text, match.start())
                if not is_allowed(lines, number, name):
                    found = match.group().strip(" (")
                    yield path, number, f"`{found}` [{name}]: {advice}"


# --- atomics ----------------------------------------------------------------

ATOMIC = re.compile(r"\batomic_\w+_explicit\s*\(")
ATOMIC_COMMENT_LINES = 8


def atomics():
    for path in tree.c_files():
        if not in_library(path):
            continue
        text = tree.read(path)
        lines = text.splitlines()
        for match in ATOMIC.finditer(tree.code_only(text)):
            number = tree.line_of(text, match.start())
            near = lines[max(0, number - 1 - ATOMIC_COMMENT_LINES):number]
            if not any("//" in line for line in near):
                yield (path, number, "say in a comment above which operation "
                       "this one pairs with, or why it needs no order")


# --- documented -------------------------------------------------------------

def documented():
    for path in tree.files(".h"):
        if path.parts[0] != "include":
            continue
        has_comment = False
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            if not line.strip():
                has_comment = False
            elif line.startswith("//") and not line.startswith("// ---"):
                has_comment = True
            elif line.startswith(("WEFT_API", "static inline")):
                if not has_comment:
                    yield path, number, "say what this function does"


# --- words ------------------------------------------------------------------

# Folders that every Linux has; any other absolute path is of one machine.
COMMON_PATHS = set("bin dev etc lib opt proc run sys tmp usr var".split())
ABSOLUTE = re.compile(r"(?:^|[\s\"'`(=:,])/([a-z][\w.-]*)/[\w.]", re.M)
WORDS = [
    (r"(?i)\bissues?\s+#?\d", "say what, not under which number"),
    (r"\b(?:pypi|npmjs|crates|proxy\.golang|deb\.debian)\.(?:org|io|com)\b",
     "name the package, not where it is downloaded"),
]


def words():
    for path in tree.files():
        if path.name == "LICENSE":
            continue
        text = tree.read(path)
        for match in ABSOLUTE.finditer(text):
            if match.group(1) not in COMMON_PATHS:
                number = tree.line_of(text, match.start(1))
                yield path, number, f"/{match.group(1)}/ is of one machine"
        for pattern, advice in WORDS:
            for match in re.finditer(pattern, text):
                number = tree.line_of(text, match.start())
                yield path, number, f"`{match.group()}`: {advice}"


# --- licence ----------------------------------------------------------------

def licence():
    for path in tree.files():
        is_source = path.suffix in (".c", ".h", ".py", ".sh", ".build", ".map")
        if is_source or path.name in ("Makefile", "meson_options.txt"):
            top = tree.read(path).splitlines()[:2]
            if not any("SPDX-License-Identifier: Apache-2.0" in l
                       for l in top):
                yield path, 1, "name the licence: SPDX-License-Identifier"


# --- quoted -----------------------------------------------------------------

QUOTED = re.compile(r"`([\w./]+\.c)`, whole:\s*```c\n(.*?)```", re.S)


def quoted():
    for path in tree.files(".md"):
        text = tree.read(path)
        for match in QUOTED.finditer(text):
            source = Path(match.group(1))
            program = tree.read(source) if source.exists() else None
            if match.group(2) != program:
                yield (path, tree.line_of(text, match.start()),
                       f"does not show {source} as it is")


CHECKS = {check.__name__: check for check in
          (lengths, banned, atomics, documented, words, licence, quoted)}

if len(sys.argv) != 2 or sys.argv[1] not in CHECKS:
    sys.exit(__doc__)
sys.exit(tree.report(CHECKS[sys.argv[1]]()))
