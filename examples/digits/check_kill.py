#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what is left when a process is killed: check_kill.py PROGRAM WEFT

In the middle of the training a trainer is killed, or rank 0, or the launcher.
The job ends by itself, says what failed and who waited for it, once, and
leaves nothing behind: no process, no shared memory, no socket.
"""

import os
import re
import signal
import subprocess
import sys

PROGRAM, WEFT = sys.argv[1:3]
RANKS = 4
RANK_ENDED = r"weft run: rank (\d+) \(process (\d+)\) (.*)\n"
# What the dead process did last: shown once, and nothing to check here.
FLIGHT = re.compile(r"^flight recorder of .*\n(?:thread .*\n|  #.*\n)*", re.M)


class Job:
    """A job that trains, for ever as it were."""

    def __init__(self):
        command = [WEFT, "run", "-n", str(RANKS), PROGRAM, "--epochs=100000"]
        self.launcher = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2):
            line = self.launcher.stdout.readline()
            assert line.startswith("epoch"), self.launcher.communicate()
        self.processes = self.find_ranks()
        self.sockets = self.find_sockets()
        assert self.sockets, "the job cannot be found"
        for process in self.processes:
            with open(f"/proc/{process}/maps") as maps:
                assert "/dev/shm/" not in maps.read(), "memory has a name"

    def find_ranks(self):
        """The process of each rank."""
        pid = self.launcher.pid
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            processes = [int(word) for word in children.read().split()]
        by_rank = {}
        for process in processes:
            with open(f"/proc/{process}/environ") as environ:
                variables = environ.read().split("\0")
            named = dict(v.split("=", 1) for v in variables if "=" in v)
            by_rank[int(named["RANK"])] = process
        return [by_rank[rank] for rank in range(RANKS)]

    def find_sockets(self):
        """Abstract sockets that the launcher or a rank has open."""
        inodes = set()
        for process in [self.launcher.pid, *self.processes]:
            for name in os.listdir(f"/proc/{process}/fd"):
                try:
                    target = os.readlink(f"/proc/{process}/fd/{name}")
                except FileNotFoundError:
                    continue
                inodes.update(re.findall(r"^socket:\[(\d+)\]$", target))
        with open("/proc/net/unix") as table:
            rows = [line.split() for line in table]
        return {r[7] for r in rows if len(r) == 8 and r[6] in inodes}

    def kill(self, process):
        """Kills one process of the job; what is said until nobody is left."""
        os.kill(process, signal.SIGKILL)
        # To the end of the streams: all who could write have ended.
        _, errors = self.launcher.communicate()
        for rank in self.processes:
            while os.path.exists(f"/proc/{rank}") and not is_zombie(rank):
                os.sched_yield()
        with open("/proc/net/unix") as table:
            text = table.read()
        assert not any(socket in text for socket in self.sockets), text
        flights = FLIGHT.findall(errors)
        assert len(flights) == (process in self.processes), errors
        return FLIGHT.sub("", errors)


def is_zombie(process):
    """Ended; whoever adopted it has not looked yet."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def a_trainer_is_killed():
    job = Job()
    victim = job.processes[2]
    errors = job.kill(victim)
    assert job.launcher.returncode == 128 + signal.SIGKILL, errors
    how = rf"rank 2 \(process {victim}\) was killed by signal 9 \(Killed\)"
    waited = r"a thread of rank 0 (waited for|cannot reach) trainer#\d+"
    assert re.search(rf"^weft run: {how}$", errors, re.M), errors
    assert re.search(
        rf"^digits: peer died: {waited}\.gradient: rank 2 is gone .*\n"
        rf"  because: peer died: {how} ",
        errors,
        re.M,
    ), errors
    # Rank 0, which could not go on, and nobody else.
    ended = {int(rank) for rank, _, _ in re.findall(RANK_ENDED, errors)}
    assert ended == {0, 2} and "\n[" not in errors, errors


def rank_0_is_killed():
    job = Job()
    victim = job.processes[0]
    errors = job.kill(victim)
    assert job.launcher.returncode == 128 + signal.SIGKILL, errors
    says = f"rank 0 (process {victim}) was killed by signal 9 (Killed)"
    assert errors == f"weft run: {says}\n", errors


def the_launcher_is_killed():
    job = Job()
    errors = job.kill(job.launcher.pid)
    assert "the launcher of the job is gone" in errors, errors


def main():
    before = {name for name in os.listdir("/dev/shm") if "weft" in name}
    a_trainer_is_killed()
    rank_0_is_killed()
    the_launcher_is_killed()
    after = {name for name in os.listdir("/dev/shm") if "weft" in name}
    assert after <= before, after - before


main()
