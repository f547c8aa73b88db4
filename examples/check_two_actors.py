#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the first program of README.md: check_two_actors.py ONE TWO WEFT

ONE is the program as it is, TWO with the one line changed that moves an actor
to another process. Both print the sum and the error, and end well.
"""

import subprocess
import sys

ONE, TWO, WEFT = sys.argv[1:4]
ERROR = ": invalid argument: parameter 'tensor' of worker.add takes tensor, "


def check(command, prefix):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert done.stdout == f"{prefix}the sum is 6.5\n", done
    assert ERROR in done.stderr and done.stderr.count("\n") == 1, done


def main():
    check([ONE], "")
    check([WEFT, "run", "-n", "1", ONE], "")
    check([WEFT, "run", "-n", "2", ONE], "")
    check([WEFT, "run", "-n", "2", TWO], "[1] ")
    # Without a second process it says what to do.
    done = subprocess.run([TWO], capture_output=True, text=True)
    assert done.returncode == 1, done
    assert "there is no rank 1" in done.stderr, done
    assert "`weft run`" in done.stderr, done


main()
