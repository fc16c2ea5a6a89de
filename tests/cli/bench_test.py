"""tp bench: that it measures, says what stands in the way, and cleans up. It looks at no time that was measured."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

TP = sys.argv.pop(1)
PATIENCE = 300


def run(*arguments, **options):
    return subprocess.run([TP, "bench", *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)


def children(pid):
    """Processes below `pid`, with all that is below them."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += [int(child), *children(int(child))]
        except OSError:  # it ended
            pass
    return found


def places(pid):
    """Folders of a bench that this process has mapped files of."""
    try:
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return set()
    return set(re.findall(r"/dev/shm/tensorpool-bench-\w+", maps))


class Bench(unittest.TestCase):
    def check(self, report, sizes=(("64 B", "640 KiB"), ("64 KiB", "8 MiB"))):
        """Everything is there, and no frame went astray or changed on its way."""
        rows = {work["name"]: {row["label"]: row for row in work["rows"]} for work in report["workloads"]}
        self.assertEqual(set(rows["closed-loop"]), {"aeron"} | {f"tensorpool, {size}" for size in sizes[0]})
        self.assertEqual(set(rows["copy-in"]), {f"{who}, {size}" for who in ("memcpy", "tensorpool") for size in sizes[1]})
        self.assertEqual({row["subject"] for row in rows["wake-up"].values()}, {"futex", "tensorpool"})
        for work in rows.values():
            for label, row in work.items():
                with self.subTest(row=label):
                    for figure in row["figures"]:
                        self.assertGreaterEqual(figure["median"], 0)
                        self.assertEqual(len(figure["rounds"]), report["rounds"])
                    self.assertGreater(row["figures"][0]["median"], 0)
                    self.assertEqual(row["books"]["wrong"], 0)
                    for name in ("lost", "overwritten"):
                        self.assertIn(name, row["books"])
        self.assertEqual(report["not_measured"], [])

    def test_measures_everything_once_and_says_where(self):
        result = run("--seconds", "1", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual((report["kind"], report["rounds"]), ("bench", 1))
        self.check(report)
        self.assertTrue(report["environment"]["kernel"].startswith("Linux"))
        for advice in report["advice"]:
            self.assertEqual(set(advice), {"what", "found", "why", "how"})

    def test_people_read_the_same_and_choose_sizes(self):
        result = run("--seconds", "1", "--size", "4KiB")
        self.assertEqual(result.returncode, 0, result.stderr)
        for word in ("aeron", "memcpy, 4 KiB", "tensorpool, 4 KiB", "futex", "p99.9", "lost 0, overwritten 0", "1 round in",
                     "stands in the way", "/dev/shm"):
            self.assertIn(word, result.stdout)
        self.assertNotIn("\x1b", result.stdout)
        self.assertNotIn("tensorpool, 8 MiB", result.stdout)

    def test_describes_the_machine_without_measuring(self):
        result = run("--machine", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertNotIn("workloads", report)
        self.assertEqual(report["environment"]["cpus"], sorted(os.sched_getaffinity(0)))
        text = run("--machine")
        self.assertEqual(text.returncode, 0, text.stderr)
        self.assertIn("clock source", text.stdout)
        self.assertNotIn("One way", text.stdout)

    def test_one_cpu_is_said_and_measured_all_the_same(self):
        one = min(os.sched_getaffinity(0))
        result = run("--seconds", "1", "--size", "64", "--json", preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.check(report, (("64 B",), ("64 B",)))
        self.assertTrue(report["one_cpu"])
        self.assertIn("CPUs", [advice["what"] for advice in report["advice"]])

    def with_shared_memory_of(self, size):
        small = f"mount -t tmpfs -o size={size} tmpfs /dev/shm && exec \"$@\""
        command = ["unshare", "--mount", "sh", "-c", small, "sh"]
        try:
            possible = subprocess.run([*command, "true"], capture_output=True).returncode == 0
        except FileNotFoundError:
            possible = False
        if not possible:
            self.skipTest("needs to mount a /dev/shm of its own")
        return command

    def test_where_not_even_a_media_driver_fits_the_machine_is_described_all_the_same(self):
        result = subprocess.run([*self.with_shared_memory_of("16m"), TP, "bench", "--seconds", "1", "--json"],
                                capture_output=True, text=True, timeout=PATIENCE)
        report = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(any("/dev/shm" in hole["why"] for hole in report["not_measured"]), report["not_measured"])
        self.assertIn("/dev/shm", [advice["what"] for advice in report["advice"]])

    def test_what_does_not_fit_into_shared_memory_is_said_and_the_rest_is_measured(self):
        command = self.with_shared_memory_of("400m")
        result = subprocess.run([*command, TP, "bench", "--seconds", "1", "--size", "64,64MiB", "--json"],
                                capture_output=True, text=True, timeout=PATIENCE)
        report = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(any("/dev/shm" in hole["why"] and "64 MiB" in hole["what"] for hole in report["not_measured"]),
                        report["not_measured"])
        self.assertIn("tensorpool, 64 B", [row["label"] for work in report["workloads"] for row in work["rows"]])
        self.assertIn("/dev/shm", [advice["what"] for advice in report["advice"]])

    def test_wrong_command_lines(self):
        for arguments, word in {("--seconds", "0"): "--seconds", ("--seconds", "long"): "--seconds",
                                ("--size", "3"): "--size", ("--size", "many"): "--size", ("--size", "64GiB"): "--size",
                                ("more",): "more"}.items():
            with self.subTest(arguments=arguments):
                result = run(*arguments)
                self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
                self.assertIn(word, result.stderr)

    def stopped_by(self, number):
        bench = processes.start(self, [TP, "bench", "--seconds", "3600"], text=True)
        seen = set()

        def measuring():
            for child in children(bench.pid):
                seen.update(places(child))
            return bool(seen) and len(children(bench.pid)) > 1

        self.assertTrue(processes.eventually(measuring))
        below = children(bench.pid)
        bench.send_signal(number)
        _, said = bench.communicate(timeout=PATIENCE)
        return bench.returncode, said, seen, below

    def gone(self, seen, below):
        self.assertTrue(processes.eventually(lambda: not any(os.path.exists(place) for place in seen)), seen)
        self.assertTrue(processes.eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in below)), below)

    def test_ctrl_c_leaves_no_process_and_no_file(self):
        code, said, seen, below = self.stopped_by(signal.SIGINT)
        self.assertEqual(code, 130)
        self.assertIn("interrupted", said)
        self.gone(seen, below)

    def test_a_kill_leaves_no_process_and_no_file(self):
        _, _, seen, below = self.stopped_by(signal.SIGKILL)
        self.gone(seen, below)


if __name__ == "__main__":
    unittest.main()
