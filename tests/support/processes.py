"""Processes of a test: with pipes, and gone with it however it ends."""
import subprocess


def start(case, command, **keywords):
    process = subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords})
    case.addCleanup(stop, process)
    return process


def stop(process):
    if process.poll() is None:
        process.kill()
    process.communicate()
