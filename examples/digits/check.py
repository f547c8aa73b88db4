#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what `digits` promises: check.py PROGRAM

The same seed gives the same parameters, bit for bit, with any number of
workers; another seed gives others; nothing is copied; and a whole run
recognises at least 95 of 100 test images.
"""

import json
import subprocess
import sys


def run(*arguments):
    command = [sys.argv[1], "--json", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def main():
    short = [run("--epochs=2", f"--workers={n}") for n in (1, 2, 2, 5)]
    digests = {result["digest"] for result in short}
    assert len(digests) == 1, f"same seed, different results: {short}"
    other = run("--epochs=2", "--seed=2")
    assert other["digest"] not in digests, "the seed changes nothing"
    whole = run()
    assert whole["accuracy"] >= 0.95, f"accuracy {whole['accuracy']}"
    assert whole["bytes_copied"] == 0, f"copied {whole['bytes_copied']} bytes"
    assert whole["bytes_passed"] > 0 and whole["messages"] > 0
    print(f"digest {digests.pop()}, accuracy {whole['accuracy']}")


main()
