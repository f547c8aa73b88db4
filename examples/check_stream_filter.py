#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what `stream_filter` promises: check_stream_filter.py PROGRAM WEFT

What comes out is the same in one process and in several, with few slots and
with a slow stage; frames are lent to other processes, each once for every
channel that crosses, and nothing is copied; what the stages do is shown while
it runs.
"""

import re
import subprocess
import sys

PROGRAM, WEFT = sys.argv[1:3]
FRAME_BYTES = 96 * 96
STAGES = ("source", "blur", "edges", "threshold", "sink")
RATES = re.compile(r"\s+".join(rf"{stage} +\d+/s" for stage in STAGES) + r"\s*")
END = re.compile(r"(\d+) frames .*; digest (\w{16})\n"
                 r"(\d+) processes; ([\d.]+) MB lent to others, "
                 r"(\d+) bytes copied\n$")


def run(ranks, crossings, *arguments, frames=200):
    """Gives the digest, and how often the rates were shown."""
    command = [PROGRAM, f"--frames={frames}", *arguments]
    if ranks > 1:
        command = [WEFT, "run", "-n", str(ranks), *command]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          text=True)
    end = END.search(done.stdout)
    assert end is not None, done
    shown = done.stdout[:end.start()].splitlines()
    assert all(RATES.fullmatch(line) for line in shown), shown
    assert int(end[1]) == frames and int(end[3]) == ranks, end[0]
    lent = f"{frames * crossings * FRAME_BYTES / 1e6:.1f}"
    assert end[4] == lent, f"{end[4]} MB lent, not {lent}"
    assert end[5] == "0", end[0]
    return end[2], len(shown)


def main():
    runs = [run(1, 0), run(2, 2), run(4, 4), run(5, 4),
            run(4, 4, "--slots=1"), run(1, 0, "--slots=1")]
    digests = {digest for digest, _ in runs}
    assert len(digests) == 1, f"other frames: {runs}"
    # A second at least, so there is time to show what is done.
    slow = [run(ranks, crossings, "--slow=2", frames=500)
            for ranks, crossings in ((1, 0), (4, 4))]
    assert slow[0][0] == slow[1][0], f"other frames: {slow}"
    assert all(count > 0 for _, count in slow), f"no rates are shown: {slow}"
    print(f"digest {digests.pop()}")


main()
