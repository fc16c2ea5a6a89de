"""tp publish and tp watch beside a media driver that comes late, is killed and comes again."""
import fcntl
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

TP, DEMO = sys.argv.pop(1), sys.argv.pop(1)


class MediaDriver(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-media-driver-")
        self.addCleanup(folder.cleanup)
        self.aeron = folder.name + "/aeron"
        self.places = ["--aeron-dir", self.aeron, "--base-dir", folder.name, "--mode", "direct", "--media-driver", "never",
                       "--json"]

    def start(self, program, *arguments):
        return processes.start(self, [program, *arguments], stderr=subprocess.DEVNULL)

    def media_driver(self):
        process = self.start(DEMO, "media-driver", "--aeron-dir", self.aeron)
        self.assertEqual(json.loads(process.stdout.readline())["kind"], "ready")
        return process

    def delivered(self, watcher, count):
        """Reads reports until `count` more frames have been delivered."""
        first = None
        while True:
            line = watcher.stdout.readline()
            self.assertTrue(line, "watch ended")
            seen = json.loads(line).get("delivered")
            if seen is None:  # the connection was lost or found
                continue
            first = seen if first is None else first
            if seen >= first + count:
                return

    def test_publish_and_watch_outlive_it(self):
        publisher = self.start(TP, "publish", "--rate", "200", *self.places)
        watcher = self.start(TP, "watch", "--expect", "stars", *self.places)
        driver = self.media_driver()
        self.delivered(watcher, 100)
        for number in (signal.SIGKILL, signal.SIGTERM):
            driver.send_signal(number)
            driver.wait(60)
            driver = self.media_driver()
            self.delivered(watcher, 100)
        for process in (publisher, watcher):
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
            summary = json.loads(out.splitlines()[-1])
            self.assertEqual(process.returncode, 0, summary)
            self.assertTrue(summary["balanced"])
        self.assertEqual((summary["mismatched"], summary["sessions"]), (0, 1))

    def test_a_publisher_outlives_its_death_between_claim_and_commit(self):
        driver = self.media_driver()
        size = 16
        publisher = processes.start(self, [TP, "publish", "--input", "-", "--dtype", "u8", "--shape", "4x4", "--rate", "0",
                                           *self.places], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def unread():
            return struct.unpack("i", fcntl.ioctl(publisher.stdin, termios.FIONREAD, b"\0" * 4))[0]

        def feed():
            """One more frame, which the open claim waits for; True once it was taken."""
            publisher.stdin.write(bytes(size))
            publisher.stdin.flush()
            return processes.eventually(lambda: unread() == 0, seconds=8)

        self.assertTrue(processes.eventually(feed))
        driver.kill()
        driver.wait(60)
        # Until it rests: the frame before was filled in and could not be committed.
        self.assertTrue(processes.eventually(lambda: not feed()))
        self.media_driver()
        self.assertTrue(processes.eventually(lambda: unread() == 0), publisher.poll())
        out, _ = publisher.communicate(bytes(size), timeout=60)
        summary = json.loads(out.splitlines()[-1])
        self.assertEqual(publisher.returncode, 0, summary)
        self.assertTrue(summary["balanced"])
        self.assertGreaterEqual(summary["aborted"], 2)  # that one, and the last, which found the end

    def test_a_second_one_says_who_is_there(self):
        driver = self.media_driver()
        second = subprocess.run([DEMO, "media-driver", "--aeron-dir", self.aeron], capture_output=True, text=True,
                                timeout=60)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"(process {driver.pid}) is already running in {self.aeron}", second.stderr)
        self.assertTrue(os.path.exists(self.aeron + "/cnc.dat"))


if __name__ == "__main__":
    unittest.main()
