"""tp watch --preview on a terminal (a pty), with and without colours, and where there is none."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

TP = sys.argv.pop(1)
PATIENCE_S = 60
COLUMNS, ROWS = 60, 20
UP = re.compile(rb"\r\x1b\[(\d+)A")
BLOCK = "\u2580".encode()
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


class Terminal:
    """A program whose standard output is a terminal of 60x20 cells."""

    def __init__(self, case, *arguments, **environment):
        self.case = case
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLORTERM", "TERM", "LC_ALL")}
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE,
                                        env=clean | {"LC_ALL": "C.UTF-8"} | environment)
        os.close(slave)
        self.master, self.text = master, b""
        case.addCleanup(self.end)

    def read(self):
        if not select.select([self.master], [], [], 0.2)[0]:
            return True
        try:
            some = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += some
        return bool(some)

    def read_until(self, done):
        deadline = time.monotonic() + PATIENCE_S
        while not done(self.text):
            self.case.assertLess(time.monotonic(), deadline, self.text[-2000:])
            if not self.read():
                break
        self.case.assertTrue(done(self.text), (self.text[-2000:], self.process.poll()))

    def wait_for_state(self, letter):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat")
        self.case.assertTrue(processes.eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == letter))

    def finish(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.read():
            self.case.assertLess(time.monotonic(), deadline)
        errors = self.process.stderr.read().decode()
        return self.process.wait(timeout=PATIENCE_S), errors

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)


class Preview(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-preview-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.places = ["--aeron-dir", str(self.root / "aeron"), "--base-dir", str(self.root), "--mode", "direct"]

    def publish(self, source="pattern:64x48:u8"):
        publisher = subprocess.Popen([TP, "publish", "--input", str(source), "--loop", "--rate", "200", *self.places, "--json"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            publisher.kill()
            publisher.wait()

        self.addCleanup(end)

    def watch(self, *arguments, **environment):
        return Terminal(self, TP, "watch", "--preview", *self.places, *arguments, **environment)

    def test_pictures_are_drawn_over_each_other_and_not_too_often(self):
        self.publish()
        start = time.monotonic()
        terminal = self.watch(TERM="xterm", COLORTERM="truecolor")
        terminal.read_until(lambda text: len(UP.findall(text)) >= 8 and b"frames/s" in text)
        terminal.process.send_signal(signal.SIGINT)
        code, errors = terminal.finish()
        seconds = time.monotonic() - start
        self.assertEqual(0, code, errors)
        text = terminal.text
        pictures = len(UP.findall(text)) + 1
        self.assertLessEqual(pictures, 10 * seconds + 2)
        # 64x48 in 59x17 cells: 34 rows of points, two to a cell, 45 columns.
        self.assertEqual({b"17"}, set(UP.findall(text)))
        self.assertGreaterEqual(text.count(BLOCK), pictures * 17 * 45)
        self.assertIn(b"\x1b[38;2;", text)
        delivered = int(re.search(rb"delivered (\d+)", text).group(1))
        self.assertGreater(delivered, pictures)  # all others were watched as ever
        self.assertIn(b"the books balance", text)

    def test_the_cursor_comes_back(self):
        self.publish()
        terminal = self.watch(TERM="xterm-256color")
        terminal.read_until(lambda text: BLOCK in text)
        self.assertIn(b"\x1b[38;5;", terminal.text)
        self.assertNotIn(b"\x1b[38;2;", terminal.text)
        terminal.process.send_signal(signal.SIGTERM)
        terminal.finish()
        self.assertEqual(1, terminal.text.count(HIDE))
        self.assertLess(terminal.text.index(HIDE), terminal.text.index(SHOW))
        self.assertLess(terminal.text.index(SHOW), terminal.text.index(b"seen "))

    def test_the_cursor_comes_back_after_a_second_signal(self):
        self.publish()
        for _ in range(10):
            terminal = self.watch(TERM="xterm", COLORTERM="truecolor")
            terminal.read_until(lambda text: BLOCK in text)
            # Stopped, so that the second one comes before the first has had its effect.
            terminal.process.send_signal(signal.SIGSTOP)
            terminal.wait_for_state("T")
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
                terminal.process.send_signal(number)
            code, _ = terminal.finish()
            self.assertIn(code, (-signal.SIGINT, -signal.SIGTERM, 0))
            self.assertIn(SHOW, terminal.text)
            # Two threads may take the two, and the one with the second may get a processor too late.
            if b"seen " not in terminal.text:
                self.assertNotEqual(code, 0)
                return
        self.fail("ten times the first signal ended it before the second came")

    def test_without_colours_it_is_letters(self):
        self.publish()
        for environment in ({"NO_COLOR": "1", "TERM": "xterm", "COLORTERM": "truecolor"}, {"TERM": "vt100"},
                            {"TERM": "xterm", "COLORTERM": "truecolor", "LC_ALL": "C"}):
            with self.subTest(environment=environment):
                terminal = self.watch("--count", "40", **environment)
                code, errors = terminal.finish()
                self.assertEqual(0, code, errors)
                self.assertNotIn(BLOCK, terminal.text)
                self.assertNotIn(b"\x1b[38", terminal.text)
                self.assertGreater(len(re.findall(rb"\n\x1b\[K[ .:\-=+*#%@]{45}\r", terminal.text)), 10)

    def test_where_there_is_no_terminal_one_picture_and_no_escapes(self):
        self.publish()
        result = subprocess.run([TP, "watch", "--preview", "--count", "100", "--timeout", "50", *self.places],
                                capture_output=True, timeout=PATIENCE_S, check=True,
                                env=os.environ | {"COLUMNS": "41", "LINES": "30", "COLORTERM": "truecolor", "TERM": "xterm"})
        self.assertNotIn(b"\x1b", result.stdout)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(15, sum(re.fullmatch(r"[ .:\-=+*#%@]{40}", line) is not None for line in lines), lines)

    def test_a_shape_that_cannot_be_shown_is_said_once_and_ends_nothing(self):
        header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 16), }".ljust(117) + "\n"
        path = self.root / "line.npy"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(48))
        self.publish(path)
        terminal = self.watch("--count", "200", TERM="xterm", COLORTERM="truecolor")
        code, errors = terminal.finish()
        self.assertEqual(0, code, errors)
        self.assertEqual(1, errors.count("no preview of u8 16"), errors)
        self.assertIn(SHOW, terminal.text)

    def test_json_and_pictures_exclude_each_other(self):
        result = subprocess.run([TP, "watch", "--preview", "--json"], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(2, result.returncode)
        self.assertIn("--preview", result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
