#!/usr/bin/env python3
"""Ends the kit in the middle, by Ctrl-C and by kill -9: no process and no file may stay behind.

Usage: interrupt_test.py TP_BENCH
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

PATIENCE_S = 60
PLACE = re.compile(r"/dev/shm/tensorpool-bench-\w+")


def wait_until(what, condition):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting until {what}")
        time.sleep(0.02)
    return found


def children(pid):
    """All processes below one, as (pid, start time): a number alone could be taken again."""
    found = []
    try:
        direct = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in map(int, direct):
        found += [(child, start_time(child)), *children(child)]
    return found


def start_time(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def places(processes):
    """Folders in /dev/shm of which they have something mapped."""
    found = set()
    for pid, _ in processes:
        try:
            found |= set(PLACE.findall(pathlib.Path(f"/proc/{pid}/maps").read_text()))
        except OSError:
            pass
    return found


def end_in_the_middle(program, how):
    command = [program, "--workload", "no-touch", "--subject", "tensorpool", "--rounds", "1000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as bench:
        # The media driver and both workers.
        wait_until("there are workers", lambda: len(children(bench.pid)) >= 3 and places(children(bench.pid)))
        below = children(bench.pid)
        folders = places(below)
        if how == signal.SIGINT:
            os.killpg(bench.pid, how)  # as a terminal does
        else:
            bench.kill()
        code = bench.wait(PATIENCE_S)
    wait_until("all processes are gone", lambda: all(start_time(pid) != start for pid, start in below))
    wait_until(f"{folders} are removed", lambda: not any(map(os.path.exists, folders)))
    return code


def main():
    code = end_in_the_middle(sys.argv[1], signal.SIGINT)
    if code != 130:
        sys.exit(f"Ctrl-C: exit code {code}")
    end_in_the_middle(sys.argv[1], signal.SIGKILL)


if __name__ == "__main__":
    main()
