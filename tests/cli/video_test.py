"""Videos: the programs ffprobe and ffmpeg, real ones where they are installed and fakes everywhere."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

TP = sys.argv.pop(1)
HAVE_FFMPEG = shutil.which("ffmpeg") is not None and shutil.which("ffprobe") is not None
PATIENCE_S = 60
SIZE = (6, 4)  # width, height of what the fakes play


class VideoCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-video-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.places = ["--aeron-dir", str(self.root / "aeron"), "--base-dir", str(self.root), "--mode", "direct",
                       "--json"]
        self.environment = dict(os.environ)

    def start(self, *arguments, **keywords):
        return processes.start(self, [TP, *arguments, *self.places], env=self.environment, stdin=subprocess.DEVNULL,
                               text=True, **keywords)

    def finish(self, process, code=0):
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(code, process.returncode, out + err)
        return (json.loads(out.splitlines()[-1]) if out else {}), err

    def publish(self, path, *arguments, code=0):
        return self.finish(self.start("publish", "--input", str(path), *arguments), code)

    def saved(self, path, count, *arguments):
        """Publishes in a loop; the arrays that a consumer saved, raw, with their headers' shape."""
        publisher = self.start("publish", "--input", str(path), "--loop", *arguments)
        folder = self.root / "saved"
        summary, _ = self.finish(self.start("watch", "--count", str(count), "--save", str(folder), "--timeout", "50"))
        publisher.send_signal(signal.SIGINT)
        sent, _ = self.finish(publisher)
        self.assertTrue(sent["balanced"])
        return summary, [path.read_bytes() for path in sorted(folder.glob("*.npy"))]


class Fakes(VideoCase):
    """What tp makes of what the two programs say and do."""

    def setUp(self):
        super().setUp()
        self.bin = self.root / "bin"
        self.bin.mkdir()
        self.calls = self.root / "calls"
        self.environment["PATH"] = f"{self.bin}:{self.environment['PATH']}"
        self.video = self.root / "movie.mp4"
        self.video.write_bytes(b"whatever")
        self.answer()
        self.decoder("play(3)")

    def fake(self, name, body):
        program = self.bin / name
        program.write_text(f"#!{sys.executable}\n" + textwrap.dedent(f"""
            import json, os, signal, sys, time
            with open({str(self.calls)!r}, "a") as calls:
                calls.write(json.dumps([{name!r}, *sys.argv[1:]]) + chr(10))
            def play(count, size={SIZE[0] * SIZE[1]}):
                for k in range(count):
                    sys.stdout.buffer.write(bytes([k]) * size)
                sys.stdout.flush()
            """) + textwrap.dedent(body) + "\n", encoding="utf-8")
        program.chmod(0o755)

    def answer(self, **changes):
        stream = {"codec_type": "video", "width": SIZE[0], "height": SIZE[1], "pix_fmt": "gray",
                  "avg_frame_rate": "500/1"} | changes
        self.fake("ffprobe", f"print({json.dumps(json.dumps({'streams': [stream]}))})")

    def decoder(self, body):
        self.fake("ffmpeg", body)

    def called(self, name):
        calls = [json.loads(line) for line in self.calls.read_text(encoding="utf-8").splitlines()]
        return [call for call in calls if call[0] == name]

    def test_all_frames_once(self):
        summary, _ = self.publish(self.video)
        self.assertEqual((4, 1), (summary["claimed"], summary["aborted"]))  # the last claim found the end

    def test_a_loop_begins_again_without_a_gap(self):
        summary, arrays = self.saved(self.video, 10)
        self.assertEqual((0, "u8", [SIZE[1], SIZE[0]]), (summary["lost"], summary["dtype"], summary["shape"]))
        first = [array[-1] for array in arrays]
        self.assertEqual([(first[0] + k) % 3 for k in range(10)], first)
        self.assertGreater(len(self.called("ffmpeg")), 1)

    def test_how_pixels_are_asked_for(self):
        cases = {"gray": ("gray", 1), "monow": ("gray", 1), "gray16be": ("gray16le", 2), "gray10le": ("gray10le", 2),
                 "yuv420p": ("rgb24", 3), "grayf32le": ("rgb24", 3), "gray32le": ("rgb24", 3)}
        for stored, (asked, times) in cases.items():
            with self.subTest(stored=stored):
                self.answer(pix_fmt=stored)
                self.decoder(f"play(2, {SIZE[0] * SIZE[1] * times})")
                summary, _ = self.publish(self.video)
                self.assertEqual(3, summary["claimed"])
                call = self.called("ffmpeg")[-1]
                self.assertEqual(asked, call[call.index("-pix_fmt") + 1])
                self.assertEqual(f"{SIZE[0]}x{SIZE[1]}", call[call.index("-s") + 1])

    def test_the_files_own_rate_unless_another_is_given(self):
        self.decoder("play(10)")
        self.answer(avg_frame_rate="20/1")
        summary, _ = self.publish(self.video)
        self.assertLess(summary["fps"], 40)
        self.answer(avg_frame_rate="1/60")  # at which ten frames take ten minutes
        summary, _ = self.publish(self.video, "--rate", "0")
        self.assertEqual(11, summary["claimed"])

    def test_names_are_never_commands_or_options(self):
        for name in ("-y.mp4", "$(touch pwned).mp4", "a;b 'c\".mp4", "concat:x|y.mp4"):
            with self.subTest(name=name):
                path = self.root / name
                path.write_bytes(b"x")
                self.publish(path)
                for program in ("ffprobe", "ffmpeg"):
                    self.assertIn(f"file:{path}", self.called(program)[-1])
        self.assertFalse(pathlib.Path("pwned").exists())

    def test_a_missing_program_names_its_package(self):
        for missing in ("ffprobe", "ffmpeg"):
            with self.subTest(missing=missing):
                (self.bin / missing).rename(self.root / "away")
                self.environment["PATH"] = str(self.bin)
                _, err = self.publish(self.video, code=1)
                self.assertIn(f"'{missing}' is not on PATH", err)
                self.assertIn("apt-get install ffmpeg", err)
                (self.root / "away").rename(self.bin / missing)

    def test_what_is_no_video(self):
        bodies = {"sys.stderr.write('first\\nInvalid data found\\n'); sys.exit(1)": "exit code 1: Invalid data found",
                  "print('{\"streams\": []}')": "holds no video stream",
                  "print('{\"streams\": [3]}')": "holds no video stream",
                  "print('[')": "not what was asked for",
                  "print('{\"streams\": [{\"width\": 4, \"height\": 4}]}')": "how its pixels are stored",
                  "print('{\"streams\": [{\"width\": -4, \"height\": \"x\", \"pix_fmt\": \"gray\"}]}')": "are no frame",
                  "print('x' * 2000000)": "too much"}
        for body, words in bodies.items():
            with self.subTest(body=body):
                self.fake("ffprobe", body)
                _, err = self.publish(self.video, code=1)
                self.assertIn(words, err)
                self.assertIn("movie.mp4", err)

    def test_a_decoder_that_dies_is_named_with_its_last_words(self):
        deaths = {"play(2); sys.stderr.write('one\\ntwo\\n'); sys.exit(3)": "exit code 3 after 2 whole frames: two",
                  "play(1); os.kill(os.getpid(), signal.SIGKILL)": "signal 9 (Killed) after 1 whole frames",
                  "play(1); os.close(1); signal.pause()": "would not end by itself) after 1 whole frames",
                  "play(1); play(1, 7)": "exit code 0 after 1 whole frames and 7 of 24 bytes of one more",
                  "play(1); sys.stderr.write('bad\\x1b[2Jdata'); sys.exit(1)": ": bad?[2Jdata"}
        for body, words in deaths.items():
            with self.subTest(body=body):
                self.decoder(body)
                _, err = self.publish(self.video, code=1)
                self.assertIn(words, err)

    def test_a_decoder_that_complains_without_end_is_not_stuck(self):
        self.decoder("play(1); sys.stderr.write('complaint\\n' * 100000); sys.stderr.flush(); play(2)")
        summary, _ = self.publish(self.video)
        self.assertEqual(4, summary["claimed"])

    def test_an_empty_video_in_a_loop_ends(self):
        self.decoder("pass")
        _, err = self.publish(self.video, "--loop", code=1)
        self.assertIn("held no whole frame", err)

    def test_exit_codes_are_seen_where_children_are_ignored(self):
        publisher = self.start("publish", "--input", str(self.video),
                               preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        summary, _ = self.finish(publisher)
        self.assertEqual(4, summary["claimed"])

    def test_ctrl_c_ends_one_that_is_stuck_inside_a_frame(self):
        pid = self.root / "pid"
        self.answer(avg_frame_rate="100000/1")
        # More whole frames than a pipe holds: when they are written, publishing has begun.
        self.decoder(f"play(1, 24 * 10000)\nplay(1, 7)\n"
                     f"open({str(pid)!r}, 'w').write(str(os.getpid()) + '.')\nsignal.pause()")
        publisher = self.start("publish", "--input", str(self.video))
        self.assertTrue(processes.eventually(lambda: pid.exists() and pid.read_text().endswith(".")))
        publisher.send_signal(signal.SIGINT)
        self.finish(publisher)
        self.assertFalse(pathlib.Path(f"/proc/{pid.read_text()[:-1]}").exists())

    def test_ctrl_c_ends_the_decoder_too(self):
        self.decoder(f"open({str(self.root / 'pid')!r}, 'w').write(str(os.getpid()))\nwhile True: play(2)")
        publisher = self.start("publish", "--input", str(self.video))
        self.finish(self.start("watch", "--timeout", "50", "--count", "1"))
        pid = int((self.root / "pid").read_text())
        publisher.send_signal(signal.SIGINT)
        publisher.communicate(timeout=PATIENCE_S)
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())


@unittest.skipUnless(HAVE_FFMPEG, "no videos: ffmpeg is not installed")
class Videos(VideoCase):
    def make(self, name, *options):
        path = self.root / name
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=2",
                        *options, str(path)], check=True, timeout=PATIENCE_S)
        return path

    def test_colour(self):
        path = self.make("colour.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0")
        summary, arrays = self.saved(path, 5, "--rate", "200")
        self.assertEqual(("u8", [48, 64, 3]), (summary["dtype"], summary["shape"]))
        expected = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt",
                                   "rgb24", "pipe:1"], check=True, capture_output=True, timeout=PATIENCE_S).stdout
        size = 48 * 64 * 3
        frames = {expected[k:k + size] for k in range(0, len(expected), size)}
        self.assertEqual(50, len(expected) // size)
        for array in arrays:
            self.assertIn(array[-size:], frames)

    def test_deep_grey(self):
        path = self.make("grey.mkv", "-c:v", "ffv1", "-pix_fmt", "gray10le")
        summary, arrays = self.saved(path, 2, "--rate", "200")
        self.assertEqual(("u16", [48, 64]), (summary["dtype"], summary["shape"]))
        top = max(max(array[-48 * 64 * 2:][1::2]) for array in arrays)
        self.assertEqual(3, top)  # the high byte of 10 bits

    def test_all_frames_and_the_rate(self):
        summary, _ = self.publish(self.make("movie.mp4", "-pix_fmt", "yuv420p"))
        self.assertEqual(51, summary["claimed"])
        self.assertLess(summary["fps"], 40)

    def test_a_file_that_is_no_video(self):
        path = self.root / "text.mp4"
        path.write_text("hello")
        _, err = self.publish(path, code=1)
        self.assertIn("no video", err)


if __name__ == "__main__":
    unittest.main()
