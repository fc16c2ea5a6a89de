"""The soak's processes: how each is started, what it says, what it takes of the machine."""
import json
import os
import pathlib
import signal
import subprocess
import threading


class Process:
    """One program under soak. Its JSON lines are read by a thread; it is restarted under the same name."""

    def __init__(self, name, command, log):
        self.name, self.command = name, command
        self.log = log
        self.popen = None
        self.reader = None
        self.stopped = False  # by SIGSTOP
        self.starts = 0
        self.delivered_before = 0  # by earlier lives of this name
        self.lines = []
        self.last = {}
        self.problems = []

    @property
    def pid(self):
        return self.popen.pid if self.popen else 0

    def start(self):
        self._keep_totals()
        self.starts += 1
        self.stopped = False
        self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=self.log, text=True)
        self.reader = threading.Thread(target=self._read, args=(self.popen.stdout,), daemon=True)
        self.reader.start()

    def _keep_totals(self):
        self.delivered_before += self.last.get("delivered", 0)
        self.last = {}

    def _read(self, pipe):
        for line in pipe:
            try:
                said = json.loads(line)
            except ValueError:
                self.problems.append(f"{self.name}: no JSON: {line.strip()[:200]}")
                continue
            if "role" not in said:
                continue
            if said.get("mismatched", 0) != 0:
                self.problems.append(f"{self.name}: WRONG BYTES: {said.get('first_mismatch')}")
            if not said.get("balanced", True):
                self.problems.append(f"{self.name}: the books do not balance: {line.strip()[:400]}")
            self.last = said

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def kill(self):
        self.popen.kill()
        self._collect()

    def freeze(self, frozen):
        self.popen.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)
        self.stopped = frozen

    def _collect(self):
        code = self.popen.wait()
        self.reader.join(timeout=10)
        self.popen.stdout.close()
        return code

    def finish(self, timeout):
        """Asks it to end and gives its exit code; None when it had to be killed."""
        if self.stopped:
            self.freeze(False)
        self.popen.send_signal(signal.SIGINT)
        try:
            self.popen.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        return self._collect()

    def delivered(self):
        return self.delivered_before + self.last.get("delivered", 0)


def usage(pid):
    """What a process takes: private memory in KiB, descriptors, threads, mappings. None when it is gone."""
    folder = pathlib.Path("/proc", str(pid))
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        return {
            "private_kib": int(status["RssAnon"].split()[0]),
            "threads": int(status["Threads"]),
            "descriptors": len(os.listdir(folder / "fd")),
            "mappings": (folder / "maps").read_text().count("\n"),
        }
    except (OSError, KeyError, ValueError):
        return None


def files_below(folder):
    """How many files there are, and how many MiB they take."""
    count = size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(where, name)).st_blocks * 512
                count += 1
            except OSError:
                pass  # gone meanwhile
    return {"files": count, "mib": round(size / 1048576, 1)}
