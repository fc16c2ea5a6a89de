"""Frames from tp publish to tp watch: real processes, real Aeron, real photographs."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

TP, PHOTOS = sys.argv.pop(1), sys.argv.pop(1)
HAVE_PHOTOS = os.path.isdir(PHOTOS)


class Stream(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-cli-")
        self.addCleanup(self.folder.cleanup)
        self.places = ["--aeron-dir", self.folder.name + "/aeron", "--base-dir", self.folder.name, "--mode", "direct", "--json"]

    def start(self, *arguments, **keywords):
        return processes.start(self, [TP, *arguments, *self.places], **keywords)

    def end(self, process, number=signal.SIGINT):
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        return json.loads(out.splitlines()[-1])

    def watch(self, *arguments):
        result = subprocess.run([TP, "watch", *arguments, "--timeout", "60", *self.places],
                                capture_output=True, text=True, timeout=200)
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

    def test_an_array_arrives_frame_by_frame(self):
        path = pathlib.Path(self.folder.name, "movie.npy")
        header = "{'descr': '<u2', 'fortran_order': False, 'shape': (5, 4, 6), }".ljust(117) + "\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
                         + os.urandom(5 * 4 * 6 * 2))
        self.start("publish", "--input", str(path), "--loop", "--rate", "500")
        code, summary = self.watch("--expect", str(path), "--count", "20", "--save",
                                   self.folder.name + "/png", "--format", "png")
        self.assertEqual(code, 0, summary)
        self.assertEqual((summary["equal"], summary["saved"]), (20, 20))
        self.assertEqual((summary["dtype"], summary["shape"]), ("u16", [4, 6]))
        saved = sorted(pathlib.Path(self.folder.name, "png").glob("*.png"))
        self.assertEqual(len(saved), 20)
        self.assertTrue(saved[0].read_bytes().startswith(b"\x89PNG"))

    def test_pools_that_are_too_small_are_refused_before_anything_starts(self):
        publisher = self.start("publish", "--input", "pattern:64x64:u8", "--pools", "64")
        out, err = publisher.communicate(timeout=60)
        self.assertEqual((publisher.returncode, out), (2, b""), err)
        self.assertIn(b"4096", err)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_waiting_for_a_media_driver_is_said_and_can_be_ended(self):
        publisher = self.start("publish", "--media-driver", "never")
        self.assertIn(b"waiting for a media driver", publisher.stderr.readline())
        publisher.send_signal(signal.SIGINT)
        out, err = publisher.communicate(timeout=60)
        self.assertEqual(publisher.returncode, 1, err)

    def test_an_empty_source_is_an_error(self):
        publisher = self.start("publish", "--input", "-", "--dtype", "u8", "--shape", "4x4", stdin=subprocess.DEVNULL)
        _, err = publisher.communicate(timeout=60)
        self.assertEqual(publisher.returncode, 1, err)
        self.assertIn(b"held no whole frame", err)

    def test_watch_says_why_a_stream_is_refused(self):
        publisher = self.start("publish", "--rate", "50")
        publisher.stdout.readline()
        elsewhere = pathlib.Path(self.folder.name, "elsewhere")
        elsewhere.mkdir()
        watcher = processes.start(self, [TP, "watch", "--count", "1", *self.places[:2], "--base-dir", str(elsewhere),
                                         "--mode", "direct", "--json"])
        lines = iter(watcher.stderr.readline, b"")
        self.assertTrue(any(b"outside every allowed base directory" in line for line in lines))
        watcher.send_signal(signal.SIGINT)
        out, _ = watcher.communicate(timeout=60)
        self.assertEqual(watcher.returncode, 1, out)

    def test_numbers_that_are_none_are_refused(self):
        for arguments in (["publish", "--rate", "nan"], ["watch", "--timeout", "nan"], ["watch", "--slow-ms", "1e300"]):
            result = subprocess.run([TP, *arguments, *self.places], capture_output=True, text=True, timeout=60)
            self.assertEqual(result.returncode, 2, arguments)

    def test_sigterm_ends_watch_with_a_summary(self):
        watcher = self.start("watch")
        watcher.stdout.readline()
        summary = self.end(watcher, signal.SIGTERM)
        self.assertEqual(summary["delivered"], 0)


if __name__ == "__main__":
    unittest.main()
