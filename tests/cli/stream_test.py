"""Frames from tp publish to tp watch, and the demo: real processes, real Aeron, real photographs."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

TP, DEMO, PHOTOS = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
HAVE_PHOTOS = os.path.isdir(PHOTOS)


class Stream(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-cli-")
        self.addCleanup(self.folder.cleanup)
        self.places = ["--aeron-dir", self.folder.name + "/aeron", "--base-dir", self.folder.name, "--json"]

    def start(self, *arguments, **keywords):
        process = subprocess.Popen([TP, *arguments, *self.places], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, **keywords)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def end(self, process, number=signal.SIGINT):
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        return json.loads(out.splitlines()[-1])

    def watch(self, *arguments):
        result = subprocess.run([TP, "watch", *arguments, "--timeout", "30", *self.places],
                                capture_output=True, text=True, timeout=120)
        self.assertTrue(result.stdout, result.stderr)
        return result.returncode, json.loads(result.stdout.splitlines()[-1])

    def check_summary(self, summary, count):
        self.assertEqual(summary["kind"], "summary")
        self.assertEqual(summary["delivered"], count)
        self.assertTrue(summary["balanced"])
        self.assertEqual(summary["latency_from"], "publish")
        self.assertGreater(summary["latency_ns"]["count"], 0)

    def test_every_frame_is_equal_to_its_source(self):
        source = PHOTOS if HAVE_PHOTOS else "stars"
        publisher = self.start("publish", "--input", source, "--loop", "--rate", "200")
        code, summary = self.watch("--expect", source, "--count", "300")
        self.assertEqual(code, 0, summary)
        self.check_summary(summary, 300)
        self.assertEqual((summary["equal"], summary["mismatched"]), (300, 0))
        sent = self.end(publisher)
        self.assertTrue(sent["balanced"])
        self.assertEqual(sent["open"], 0)

    @unittest.skipUnless(HAVE_PHOTOS, "no photographs: tools/get_photos.sh has not been run")
    def test_another_source_is_noticed(self):
        self.start("publish", "--input", PHOTOS, "--loop", "--rate", "200")
        code, summary = self.watch("--expect", "stars", "--count", "5")
        self.assertEqual(code, 1)
        self.assertEqual(summary["mismatched"], summary["delivered"])

    def test_saved_frames_are_the_source(self):
        target = pathlib.Path(self.folder.name, "saved")
        self.start("publish", "--input", "pattern:32x16:u8", "--rate", "100")
        code, summary = self.watch("--save", str(target), "--count", "3")
        self.assertEqual(code, 0, summary)
        files = sorted(target.glob("*.npy"))
        self.assertEqual(len(files), 3)
        self.assertTrue(files[0].read_bytes().startswith(b"\x93NUMPY"))

    def test_raw_frames_from_a_pipe(self):
        publisher = self.start("publish", "--input", "-", "--dtype", "u8", "--shape", "4x4",
                               "--rate", "0", stdin=subprocess.PIPE)
        out, err = publisher.communicate(b"x" * 160, timeout=60)
        self.assertEqual(publisher.returncode, 0, err)
        self.assertEqual(json.loads(out.splitlines()[-1])["claimed"], 11)  # the last found the end

    def test_sigterm_ends_watch_with_a_summary(self):
        watcher = self.start("watch")
        watcher.stdout.readline()
        summary = self.end(watcher, signal.SIGTERM)
        self.assertEqual(summary["delivered"], 0)


class Demo(unittest.TestCase):
    def test_demo(self):
        source = PHOTOS if HAVE_PHOTOS else "stars"
        before = set(os.listdir("/dev/shm"))
        result = subprocess.run([DEMO, "--seconds", "6", "--json", "--input", source],
                                capture_output=True, text=True, timeout=200)
        summary = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual(result.returncode, 0, (summary.get("reasons"), result.stderr))
        self.assertTrue(summary["ok"])
        self.assertGreater(summary["processes"]["slow consumer"]["overwritten"], 0)
        left = {name for name in set(os.listdir("/dev/shm")) - before if name.startswith("tp-demo-")}
        self.assertEqual(left, set())


if __name__ == "__main__":
    unittest.main()
