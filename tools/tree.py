# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the files of the tree, and C without comments."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
C_FOLDERS = ("include", "src", "cli", "examples", "bench", "tests")

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*suffixes):
    """Paths relative to the root, sorted; all files if no suffix is given."""
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        top = relative.parts[0]
        if top == ".git" or top == "build" or top.startswith("build-"):
            continue
        if "__pycache__" in relative.parts or not path.is_file():
            continue
        if not suffixes or path.suffix in suffixes:
            yield relative


def c_files():
    return (f for f in files(".c", ".h") if f.parts[0] in C_FOLDERS)


def read(path):
    """The text of a file; empty if it is no text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def code_only(text):
    """Blanks comments and literals; lines and columns stay where they are."""
    return _TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def report(faults):
    """Prints (path, line, what) and returns the exit status."""
    count = 0
    for path, line, what in faults:
        print(f"{path}:{line}: {what}")
        count += 1
    return 1 if count else 0
