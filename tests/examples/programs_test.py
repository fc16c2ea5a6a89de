#!/usr/bin/env python3
"""The examples in processes of their own: frames travel, are proved, and hold what the camera saw.

Usage: programs_test.py FOLDER_OF_THE_PROGRAMS
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

DEADLINE_S = 60
DRIVER = """
[policies]
cleanup_shm_on_exit = true
shutdown_timeout_ms = 200
[profiles.camera]
header_nslots = 64
payload_pools = [ { pool_id = 1, stride_bytes = 153600 } ]
[streams.camera]
stream_id = 4711
profile = "camera"
"""
FOLDER = pathlib.Path()


class Programs(unittest.TestCase):
    def setUp(self):
        # Aeron's own files and the regions lie in memory, as they would with a user.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        folder = tempfile.TemporaryDirectory(prefix="tensorpool-examples-", dir=place)
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "regions").mkdir()
        self.environment = dict(os.environ, AERON_DIR=str(self.root / "aeron"), SHM_BASE_DIR=str(self.root / "regions"))

    def start(self, name, *arguments):
        return processes.start(self, [FOLDER / f"example_{name}", *arguments], env=self.environment, text=True,
                               stdin=subprocess.DEVNULL)

    def start_port(self, name, count):
        return self.start(name, "--stream", "4711", "--base-dir", str(self.root / "regions"), "--count", str(count))

    def run_port(self, name, count):
        """To its end. The examples wait for ten seconds, which a crowded machine may need: then again."""
        for _ in range(5):
            process = self.start_port(name, count)
            out, err = process.communicate(timeout=DEADLINE_S)
            if process.returncode != 1 or "Pending::wait: timeout" not in err:
                break
        self.assertEqual(0, process.returncode, out + err)
        return out + err

    def first_line(self, process, pipe, word):
        """The first that holds the word."""
        timer = threading.Timer(DEADLINE_S, process.kill)
        timer.start()
        line = next((line for line in pipe if word in line), "")
        timer.cancel()
        self.assertIn(word, line)

    def start_driver(self):
        (self.root / "driver.toml").write_text(DRIVER, encoding="utf-8")
        process = processes.start(self, [FOLDER / "tp_driver", self.root / "driver.toml"], env=self.environment, text=True,
                                  stdin=subprocess.DEVNULL)
        self.first_line(process, process.stderr, "info ready")
        return process

    def finish(self, process, code=0):
        out, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(code, process.returncode, out + err)
        return out + err

    def interrupt(self, process):
        process.send_signal(signal.SIGINT)
        return self.finish(process)

    def books(self, text):
        pairs = re.findall(r"(seen|delivered|overwritten|lost|skipped|ended|claimed|published|wrong) (\d+)|(\d+) (wrong)",
                           text)
        return {a or d: int(b or c) for a, b, c, d in pairs}

    def check_consumer(self, text, count):
        books = self.books(text)
        self.assertGreaterEqual(books["delivered"], count, text)
        self.assertEqual(0, books["wrong"], text)
        self.assertEqual(books["seen"], sum(books[key] for key in
                                            ("delivered", "overwritten", "lost", "skipped", "ended")), text)
        spots = re.findall(r"frame (\d+): spot at row ([\d.]+), column ([\d.]+)", text)
        self.assertTrue(spots, text)
        for seq, row, column in spots:  # told here once more, apart from the program
            self.assertEqual((int(seq) % 224 + 7.5, 3 * int(seq) % 304 + 7.5), (float(row), float(column)), text)

    def test_frames_travel_and_are_proved(self):
        driver = self.start_driver()
        producer = self.start_port("producer", 0)
        consumer = self.start_port("consumer", 60)
        loop = self.start_port("control_loop", 60)
        events = self.start_port("event_loop", 60)
        self.check_consumer(self.finish(consumer), 60)
        self.check_consumer(self.finish(loop), 60)
        self.check_consumer(self.finish(events), 60)
        books = self.books(self.interrupt(producer))
        self.assertGreaterEqual(books["published"], 60)
        self.interrupt(driver)
        left = [path for path in (self.root / "regions").rglob("*") if path.is_file() and path.suffix != ".lock"]
        self.assertEqual([], left)  # a clean end takes the regions along

    def test_the_code_of_the_guide_runs(self):
        self.assertIn("sequence numbers start anew", self.run_port("guide", 0))

    def test_a_driver_inside_a_program(self):
        text = self.run_port("driver", 60)
        books = self.books(text)
        self.assertEqual(60, books["claimed"], text)
        self.assertGreater(books["delivered"], 0, text)
        self.assertEqual(0, books["wrong"], text)
        self.assertIn("1 producer, 1 consumer, ", text)
        words = re.findall(r"driver: (\w+)", text)
        for word in ("media_driver_started", "starting", "ready", "draining", "stopped", "ended"):
            self.assertEqual(2, words.count(word), text)  # in a thread, and invoked
        self.assertEqual(2, words.count("lease_granted"), text)

    def test_a_media_driver_of_ones_own(self):
        process = self.start("media_driver")
        self.first_line(process, process.stdout, str(self.root / "aeron"))
        self.interrupt(process)

    def test_over_a_restart_of_the_driver(self):
        driver = self.start_driver()
        producer = self.start_port("producer", 0)
        consumer = self.start_port("consumer", 0)
        self.first_line(consumer, consumer.stdout, "frame ")
        self.interrupt(driver)
        self.first_line(producer, producer.stderr, "claim: shutdown")
        self.start_driver()
        self.first_line(consumer, consumer.stdout, "frame ")
        self.assertEqual(0, self.books(self.interrupt(producer)).get("wrong", 0))
        self.check_consumer("frame 0: spot at row 7.5, column 7.5\n" + self.interrupt(consumer), 2)

    def test_without_a_driver_the_error_says_so(self):
        self.start("media_driver")
        self.assertIn("no driver answered", self.finish(self.start_port("producer", 1), code=1))

    def test_a_producer_ends_by_itself(self):
        self.start_driver()
        books = self.books(self.run_port("producer", 5))
        self.assertEqual(5, books["claimed"])

    def test_a_consumer_without_a_stream_ends_with_an_interrupt(self):
        self.start_driver()
        consumer = self.start_port("consumer", 1)
        self.assertIn("waiting", consumer.stderr.readline())
        self.assertEqual(0, self.books(self.interrupt(consumer))["seen"])

    def test_a_control_loop_that_waits_for_an_hour_ends_with_an_interrupt(self):
        self.start_driver()
        producer = self.start_port("producer", 0)
        loop = self.start_port("control_loop", 0)
        self.first_line(loop, loop.stdout, "frame ")
        self.interrupt(producer)
        self.assertEqual(0, self.books(self.interrupt(loop))["wrong"])

    def test_without_a_media_driver_the_error_names_its_directory(self):
        text = self.finish(self.start_port("producer", 1), code=1)
        self.assertIn("no_media_driver", text)
        self.assertIn(str(self.root / "aeron"), text)

    def test_arguments_that_are_not_understood(self):
        for arguments in (["--strem", "1"], ["--stream", "0"], ["--count"], ["--base-dir", "relative"]):
            text = self.finish(self.start("producer", *arguments), code=2)
            self.assertIn("not understood: " + arguments[0], text)


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv.pop(1))
    unittest.main()
