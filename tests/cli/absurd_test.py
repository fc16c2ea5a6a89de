"""Absurd command lines and environments of tp and tp_demo: one clear message and exit code 2 (or 1 where the
line is right and the world is not), never an abort, never a page of text, never a file left behind."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TP, DEMO = sys.argv.pop(1), sys.argv.pop(1)
LONG = "x" * 100_000
NOT_UTF8 = os.fsdecode(b"\xff\xfe\x80")
# What no number option takes.
NO_NUMBERS = ["", "nan", "-inf", "1e999", "-1", "0x", "1 2", NOT_UTF8, "1" * 100_000, LONG]


class Absurd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-absurd-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {**os.environ, "AERON_DIR": folder.name + "/aeron"}

    def run_program(self, program, arguments, environment=None):
        if arguments[:1] in (["publish"], ["watch"]) and "--base-dir" not in arguments:
            arguments = [*arguments, "--base-dir", str(self.folder)]  # should it run after all
        if arguments[:1] in (["publish"], ["watch"]) and "--mode" not in arguments:
            arguments = [*arguments, "--mode", "direct"]
        try:
            return subprocess.run([program, *arguments], capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                                  env={**self.environment, **(environment or {})})
        except subprocess.TimeoutExpired:
            for left in self.folder.iterdir():
                shutil.rmtree(left, ignore_errors=True)
            self.fail("it did not end")

    def check(self, code, arguments, word=None, program=TP, environment=None):
        """The program ends by itself with `code` and a short message on standard error that holds `word`."""
        shown = [argument if len(argument) < 60 else argument[:60] + "…" for argument in arguments]
        with self.subTest(arguments=shown, environment=environment):
            result = self.run_program(program, arguments, environment)
            text = (result.stdout + result.stderr).decode(errors="replace")
            self.assertEqual(result.returncode, code, text[:2000])
            self.assertTrue(text.strip(), "it said nothing")
            self.assertLess(len(text), 2000)
            self.assertLess(len(text.splitlines()), 8)
            for sign in ("terminate called", "what():", "Sanitizer", "std::", "basic_string"):
                self.assertNotIn(sign, text)
            if word is not None:
                self.assertIn(word, text)
            self.assertEqual(os.listdir(self.folder), [])

    def test_numbers(self):
        for option in ("--rate", "--count", "--stream", "--slots", "--pools"):
            for number in NO_NUMBERS:
                self.check(2, ["publish", option, number])
        for option in ("--count", "--stream", "--timeout", "--slow-ms", "--slow-every"):
            for number in NO_NUMBERS:
                self.check(2, ["watch", option, number])
        for number in NO_NUMBERS:
            self.check(2, ["--seconds", number], program=DEMO)

    def test_numbers_that_are_out_of_range(self):
        for option, number in (("--stream", "0"), ("--stream", "4294967295"), ("--stream", "4294977296"),
                               ("--slots", "3"), ("--slots", "33554432"), ("--slots", "4294967296"),
                               ("--slots", "4294967312"), ("--pools", "0"), ("--pools", "63"),
                               ("--pools", "4294967360"), ("--pools", "64,"), ("--pools", ","),
                               ("--pools", ",".join(["640000"] * 17)), ("--rate", "1e8"),
                               ("--count", "18446744073709551616"), ("--count", "1.5")):
            self.check(2, ["publish", option, number])
        self.check(2, ["watch", "--slow-every", "0"], "--slow-every")
        self.check(2, ["watch", "--timeout", "1e10"], "--timeout")
        self.check(2, ["--seconds", "1"], "--seconds", program=DEMO)

    def test_sources(self):
        for source in ("pattern:0x0", "pattern:0x5", "pattern:-1x4:u8", "pattern:4x4:", "pattern:4x4:u8:u8",
                       "pattern:1000000x1000000:f64", "pattern:99999999999x1:u8", "pattern:nanxnan",
                       "pattern:" + LONG):
            self.check(2, ["publish", "--input", source])
            if "1000000x1000000" not in source:  # what a watcher never sees it need not refuse
                self.check(2, ["watch", "--expect", source, "--timeout", "0.5"])
        self.check(1, ["publish", "--input", ""])
        for shape in ("", "0", "-1", "4x", "x4", "1x1x1x1x1x1x1x1x1", "4294967296", "65536x65536x65536", "nan", LONG):
            self.check(2, ["publish", "--input", "-", "--dtype", "u8", "--shape", shape])
        for dtype in ("", "u7", "U8", "object", NOT_UTF8, LONG):
            self.check(2, ["publish", "--input", "-", "--dtype", dtype, "--shape", "4"])
        for name in ("/nonexistent/a.png", "/nonexistent", LONG, str(self.folder)):
            self.check(1, ["publish", "--input", name])
            self.check(1, ["--input", name], program=DEMO)

    def test_names_and_places(self):
        for name in ("", "..", "a/b", "../x", "a b", "x" * 256, NOT_UTF8, LONG):
            self.check(2, ["publish", "--namespace", name], "namespace")
        for place in ("", "relative", "./x"):
            self.check(2, ["publish", "--base-dir", place], "--base-dir")
        for place in ("relative", "./x", "/" + LONG, "/" + "a/" * 200):
            self.check(2, ["publish", "--aeron-dir", place])
            self.check(2, ["watch", "--aeron-dir", place])
        for name in ("/dev/null", "/proc/self/mem"):
            self.check(2, ["publish", "--input", name], "--dtype")
        for option in ("--media-driver", "--mode"):
            for word in ("", "AUTO", "driver ", NOT_UTF8, LONG):
                self.check(2, ["publish", option, word], option)
        self.check(2, ["watch", "--format", LONG], "--format")

    def test_options(self):
        self.check(2, ["publish", "--rate", "1", "--rate", "2"], "--rate")
        self.check(2, ["watch", "--stream", "1", "--stream", "2"], "--stream")
        self.check(2, ["--seconds", "2", "--seconds", "3"], "--seconds", program=DEMO)
        for program, command in ((TP, []), (TP, ["publish"]), (TP, ["watch"]), (TP, ["inspect"]), (DEMO, [])):
            for option in ("--unknown", "-", "---", "-z", "--=", "--rate=", "extra", NOT_UTF8, LONG, "--" + LONG,
                           "\n\n\n", "%s%n%d", "{}{0}"):
                if command == ["inspect"] and (option == "---" or not option.startswith("--")):
                    continue  # a target of that name
                self.check(2, [*command, option], program=program)
        self.check(2, ["publish"] + ["--no-timestamps", "extra"] * 5000)
        self.check(2, ["publish", "watch"])
        self.check(2, ["publish", "--expect", "stars"], "--expect")

    def test_environment(self):
        file = self.folder.parent / (self.folder.name + ".file")
        file.write_text("x")
        self.addCleanup(file.unlink)
        for place in ("relative", "/" + LONG[:1000], NOT_UTF8, "."):
            self.check(2, ["publish", "--count", "1"], environment={"AERON_DIR": place})
            self.check(2, ["watch", "--timeout", "1"], environment={"AERON_DIR": place})
        self.check(2, ["watch", "--timeout", "1"], file.name, environment={"AERON_DIR": str(file)})
        for place in ("/proc/nowhere/aeron", "/dev/null/aeron"):
            result = self.run_program(TP, ["watch", "--timeout", "1"], {"AERON_DIR": place})
            self.assertIn(result.returncode, (1, 2))
            self.assertIn(place.encode(), result.stderr)
        nothing = str(self.folder / "nothing")
        self.check(1, ["watch", "--timeout", "0.5", "--media-driver", "never"], nothing,
                   environment={"AERON_DIR": nothing})
        self.check(1, ["watch", "--timeout", "0.5", "--media-driver", "never", "--aeron-dir", str(file)], file.name)

    def test_the_timeout_of_watch_counts_for_the_media_driver(self):
        nothing = str(self.folder / "nothing")
        usual = 30  # seconds that it waits where no timeout is given
        for timeout in ("0.001", "0.2", "2"):
            start = time.monotonic()
            self.check(1, ["watch", "--timeout", timeout, "--media-driver", "never", "--aeron-dir", nothing],
                       f"no media driver serves {nothing}")
            self.assertLess(time.monotonic() - start, usual / 2)


if __name__ == "__main__":
    unittest.main()
