"""Processes of a test: with pipes, and gone with it however it ends."""
import select
import subprocess
import time

PATIENCE_S = 60


def start(case, command, **keywords):
    process = subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords})
    case.addCleanup(stop, process)
    return process


def stop(process):
    if process.poll() is None:
        process.kill()
    process.communicate()


def eventually(condition, seconds=PATIENCE_S):
    """True once `condition()` holds, False when that takes longer. As tests/support/eventually.hpp."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], 0.002)
    return True
