"""tp subscribers: who reads a stream, seen in the counters of a media driver."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

TP, DEMO = sys.argv.pop(1), sys.argv.pop(1)


class Subscribers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-subscribers-")
        self.addCleanup(folder.cleanup)
        self.aeron = folder.name + "/aeron"
        self.places = ["--aeron-dir", self.aeron, "--base-dir", folder.name, "--mode", "direct", "--media-driver", "never",
                       "--json"]

    def start(self, program, *arguments):
        return processes.start(self, [program, *arguments], stderr=subprocess.DEVNULL)

    def ask(self, *arguments):
        return subprocess.run([TP, "subscribers", "--aeron-dir", self.aeron, *arguments], capture_output=True, text=True,
                              timeout=120)

    def descriptors(self, *arguments):
        """The media driver, and the publications of descriptors."""
        result = self.ask("--stream-id", "1100", "--seconds", "0.3", "--json", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(lines[0]["kind"], "media_driver")
        for line in lines[1:]:
            self.assertEqual((line["kind"], line["stream"]), ("publication", 1100))
        return lines[0], lines[1:]

    def test_without_a_media_driver(self):
        result = self.ask()
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.aeron, result.stderr)
        for wrong in (["--stream-id", "0"], ["--seconds", "0"], ["--seconds", "nan"], ["--seconds", "inf"], ["--aeron-dir", "relative"]):
            with self.subTest(wrong=wrong):
                result = subprocess.run([TP, "subscribers", *wrong], capture_output=True, text=True, timeout=60)
                self.assertEqual(result.returncode, 2)
                self.assertIn(wrong[0], result.stderr)

    def test_who_reads_and_who_stands_still(self):
        driver = self.start(DEMO, "media-driver", "--aeron-dir", self.aeron)
        self.assertEqual(json.loads(driver.stdout.readline())["kind"], "ready")
        publisher = self.start(TP, "publish", "--rate", "500", *self.places)
        watcher = self.start(TP, "watch", *self.places)
        while not json.loads(watcher.stdout.readline()).get("delivered"):
            pass
        seen, publications = self.descriptors()
        self.assertEqual((seen["process_id"], seen["alive"], seen["held_up"]), (driver.pid, True, 0))
        self.assertEqual(len(publications), 1)
        stream = publications[0]
        self.assertEqual((stream["process_id"], stream["held_up"], stream["window"]), (publisher.pid, False, 8 << 20))
        self.assertEqual(len(stream["subscribers"]), 1)
        reader = stream["subscribers"][0]
        self.assertEqual((reader["process_id"], reader["tethered"], reader["holds_up"]), (watcher.pid, False, False))
        # Who does not move falls behind.
        os.kill(watcher.pid, signal.SIGSTOP)
        deadline = time.monotonic() + 60
        while True:
            reader = self.descriptors()[1][0]["subscribers"][0]
            if not reader["moved"] and reader["behind"] > 0:
                break
            self.assertLess(time.monotonic(), deadline, reader)
        text = self.ask("--stream-id", "1100", "--seconds", "0.3").stdout
        self.assertIn(f"process {watcher.pid}, untethered: ", text)
        self.assertIn("stands still", text)
        self.assertEqual(self.descriptors("--held-up")[1], [])
        os.kill(watcher.pid, signal.SIGCONT)

    def test_ended_before_the_second_look(self):
        driver = self.start(DEMO, "media-driver", "--aeron-dir", self.aeron)
        self.assertEqual(json.loads(driver.stdout.readline())["kind"], "ready")
        asker = processes.start(self, [TP, "subscribers", "--aeron-dir", self.aeron, "--seconds", "3000", "--json"],
                                stderr=subprocess.PIPE)

        def catches_the_signal():
            lines = pathlib.Path(f"/proc/{asker.pid}/status").read_text().splitlines()
            caught = next(line for line in lines if line.startswith("SigCgt")).split()[1]
            return int(caught, 16) & 1 << (signal.SIGINT - 1) != 0

        self.assertTrue(processes.eventually(catches_the_signal))
        asker.send_signal(signal.SIGINT)
        out, err = asker.communicate(timeout=60)
        self.assertEqual((asker.returncode, out), (1, b""))
        self.assertIn(b"second look", err)


if __name__ == "__main__":
    unittest.main()
