#!/usr/bin/env python3
"""What the kit says to arguments that make no sense and on machines that lack something. Looks at no time.

Usage: hostile_test.py TP_BENCH
"""
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1)
PATIENCE_S = 300
SHORT = ["--pace", "0.005", "--rounds", "1"]
# One quick workload that every machine can run.
ONE = [*SHORT, "--workload", "no-touch", "--subject", "tensorpool"]


def run(*arguments, before=(), **options):
    return subprocess.run([*before, PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                          **options)


def works(command):
    """Whether this machine lets us take something away from a process."""
    return shutil.which(command[0]) is not None and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class Arguments(Folder):
    def refused(self, *arguments, says):
        done = run(*arguments)
        self.assertEqual(done.returncode, 2, f"{arguments}: {done.stdout}{done.stderr}")
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertNotIn("round 1", done.stderr)  # nothing was measured

    def test_names_that_nobody_has(self):
        self.refused("--workload", "closed-lop", says=["'closed-lop'", "closed-loop, open-loop"])
        self.refused("--subject", "aron", says=["'aron'", "tensorpool, ring, aeron"])
        self.refused("drive", says=["drive"])

    def test_numbers_that_make_no_sense(self):
        for option, values in {"--size": ["0", "-4096", "1e12", "4q", "", "12"], "--rate": ["0", "-1", "1e12", "4q", "nan"],
                               "--rounds": ["0", "-1", "1e12", "many"], "--pace": ["0", "-1", "1e12", "fast"]}.items():
            for value in values:
                self.refused(f"{option}={value}", says=[option])

    def test_a_media_driver_that_does_not_run(self):
        self.refused("--aeron-dir", str(self.folder), says=[f"--aeron-dir '{self.folder}'", "no media driver"])

    def test_units_people_write(self):
        done = run(*ONE, "--size", "4k")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("tensorpool, 4 KiB", done.stdout)

    def test_results_that_cannot_be_written_are_refused_before_anything_is_measured(self):
        file = self.folder / "file"
        file.write_text("kept")
        self.refused("--out", str(file), says=["--out", str(file)])
        self.refused("--out", "/proc/none/of/this", says=["--out '/proc/none/of/this'"])
        self.refused("--out", "/proc/self", says=["cannot be written"])
        self.refused("--json", str(self.folder / "no" / "file.json"), says=["--json", "No such file"])
        self.assertEqual(file.read_text(), "kept")
        self.assertEqual([one.name for one in self.folder.iterdir()], ["file"])


class Machines(Folder):
    def report(self, done):
        self.assertNotIn("terminate called", done.stderr)
        return json.loads((self.folder / "out" / "report.json").read_text())

    def out(self):
        return ["--out", str(self.folder / "out")]

    def test_a_rival_that_is_not_built_is_named_and_the_rest_runs(self):
        absent = [name for name in ("iceoryx2", "zeromq", "socket") if f"bench --with {name}" in run("--list").stdout]
        if not absent:
            self.skipTest("all rivals are built")
        done = run(*SHORT, "--workload", "no-touch", "--subject", f"tensorpool,{absent[0]}", *self.out())
        self.assertEqual(done.returncode, 0, done.stderr)
        holes = self.report(done)["not_measured"]
        self.assertEqual([(hole["what"], hole["failed"]) for hole in holes], [(absent[0], False)])
        self.assertIn(f"{absent[0]}: not built: ./run bench --with {absent[0]}", done.stdout)
        done = run("--subject", absent[0])
        self.assertEqual(done.returncode, 2)
        self.assertIn("not built", done.stderr)

    def test_one_cpu(self):
        one = min(os.sched_getaffinity(0))
        done = run(*ONE, *self.out(), preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ONE CPU", done.stdout)
        self.assertEqual(self.report(done)["pinned_to"], [one, one])

    def test_who_may_not_lock_memory_measures_without(self):
        # Root may, whatever the limit is, unless it is taken from it.
        before = [] if os.geteuid() != 0 else ["setpriv", "--bounding-set", "-ipc_lock"]
        if before and not works(before):
            self.skipTest("needs setpriv")
        nothing = lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))  # noqa: E731
        done = run(*ONE, "--lock", *self.out(), before=before, preexec_fn=nothing)
        self.assertEqual(done.returncode, 0, done.stderr)
        (hole,) = [hole for hole in self.report(done)["not_measured"] if hole["what"] == "--lock"]
        self.assertIn("ulimit -l", hole["why"])
        self.assertFalse(hole["failed"])

    def test_too_little_shared_memory(self):
        small = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=16m tmpfs /dev/shm && exec "$@"', "sh"]
        if not works(small):
            self.skipTest("needs to mount a /dev/shm of its own")
        done = run(*SHORT, "--workload", "no-touch,copy-in", "--subject", "tensorpool,memcpy", "--size", "64KiB", *self.out(),
                   before=small)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = self.report(done)
        self.assertEqual({row["label"] for part in report["workloads"] for row in part["rows"]}, {"memcpy, 64 KiB"})
        whys = [hole["why"] for hole in report["not_measured"] if hole["what"] == "tensorpool, 64 KiB"]
        self.assertEqual(len(whys), 2, report["not_measured"])
        for why in whys:
            self.assertRegex(why, r"needs \d+ MiB in /dev/shm, \d+ MiB are free")


if __name__ == "__main__":
    unittest.main()
