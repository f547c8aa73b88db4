#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what `digits` promises: check.py PROGRAM WEFT

The same seed gives the same parameters, bit for bit, with any number of
workers and of processes; another seed gives others; nothing is copied; and a
whole run recognises at least 95 of 100 test images.
"""

import json
import subprocess
import sys

PROGRAM, WEFT = sys.argv[1:3]


def run(*arguments, ranks=None):
    command = [PROGRAM, "--json", *arguments]
    if ranks is not None:
        command = [WEFT, "run", "-n", str(ranks), *command]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    result = json.loads(done.stdout)
    assert result["runtimes"] == (ranks or 1), result
    assert result["startup_seconds"] > 0, result
    assert result["bytes_copied"] == 0, f"copied {result['bytes_copied']} bytes"
    assert result["messages"] > 0, result
    moved = "bytes_lent" if result["runtimes"] > 1 else "bytes_passed"
    assert result[moved] > 0, result
    return result


def main():
    short = [run("--epochs=2", f"--workers={n}") for n in (1, 2, 2, 5)]
    short += [run("--epochs=2", ranks=n) for n in (1, 2, 3, 4, 5)]
    short += [run("--epochs=2", "--workers=1", ranks=4)]
    digests = {result["digest"] for result in short}
    assert len(digests) == 1, f"same seed, different results: {short}"
    other = run("--epochs=2", "--seed=2")
    assert other["digest"] not in digests, "the seed changes nothing"
    whole = run(ranks=4)
    assert whole["accuracy"] >= 0.95, f"accuracy {whole['accuracy']}"
    print(f"digest {digests.pop()}, accuracy {whole['accuracy']}")


main()
