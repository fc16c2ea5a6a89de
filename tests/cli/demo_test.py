"""The demo: seven processes, and what becomes of the others when one of them is killed."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

DEMO, PHOTOS = sys.argv.pop(1), sys.argv.pop(1)
SOURCE = PHOTOS if os.path.isdir(PHOTOS) else "stars"
CONSUMERS = ("consumer a", "consumer b", "slow consumer")
PRODUCERS = ("producer", "small producer")
PATIENCE_S = 300


class Case(unittest.TestCase):
    def start(self, *arguments, **keywords):
        # What a driver would read from the environment must not reach the demo's.
        environment = dict(os.environ, SHM_BASE_DIR="/nonexistent", DRIVER_CONTROL_STREAM_ID="77", TP_LOG_LEVEL="0",
                           AERON_DIR="/nonexistent/aeron")
        return processes.start(self, [DEMO, *arguments], text=True, env=environment, stdin=subprocess.DEVNULL, **keywords)

    def end(self, process):
        """Exit code, all lines of standard output, standard error; nothing is left behind."""
        out, err = process.communicate(timeout=PATIENCE_S)
        mine = [name for name in os.listdir("/dev/shm") if name.startswith(f"tp-demo-{process.pid}-")]
        self.assertEqual(mine, [])
        return process.returncode, out.splitlines(), err

    def check_books(self, summary):
        for name in PRODUCERS:
            process = summary["processes"][name]
            self.assertGreater(process["published"], 0)
            self.assertTrue(process["balanced"])
            self.assertEqual((process["mode"], process["open"]), ("driver", 0))
        for name in CONSUMERS:
            process = summary["processes"][name]
            self.assertGreater(process["delivered"], 0)
            self.assertEqual((process["equal"], process["mismatched"]), (process["delivered"], 0))
            self.assertTrue(process["balanced"])
        self.assertGreater(summary["processes"]["slow consumer"]["overwritten"], 0)


class Run(Case):
    @staticmethod
    def child(process, word):
        for pid in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if word in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
        raise AssertionError(f"the demo has no child '{word}'")

    def test_demo(self):
        code, out, err = self.end(self.start("--json", "--seconds", "6", "--input", SOURCE))
        summary = json.loads(out[-1])
        self.assertEqual(code, 0, (summary.get("reasons"), err))
        self.assertEqual((summary["ok"], summary["kills"], err), (True, [], ""))
        self.check_books(summary)

    def test_a_child_that_dies_is_a_failure_at_once(self):
        for word, name in (("--slow-ms", "slow consumer"), ("driver.toml\0", "driver")):
            demo = self.start("--json", "--seconds", "600")
            demo.stdout.readline()
            os.kill(self.child(demo, word), signal.SIGKILL)
            code, out, _ = self.end(demo)
            summary = json.loads(out[-1])
            self.assertEqual((code, summary["ok"]), (1, False))
            self.assertTrue(any(reason.startswith(name + ": ") for reason in summary["reasons"]), summary["reasons"])

    def test_ctrl_c_ends_with_a_summary(self):
        demo = self.start("--json", "--seconds", "600")
        for _ in range(2):
            demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        code, out, err = self.end(demo)
        summary = json.loads(out[-1])
        self.assertEqual(summary["kind"], "summary", err)
        self.assertEqual(code, 0 if summary["ok"] else 1)
        self.assertGreater(summary["processes"]["consumer a"]["delivered"], 0)

    def test_ctrl_c_before_the_kill_is_no_success(self):
        demo = self.start("--json", "--seconds", "600", "--kill", "driver")
        demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        code, out, _ = self.end(demo)
        self.assertEqual(code, 1)
        self.assertIn("ended before everybody had got over every kill", json.loads(out[-1])["reasons"])

    def test_text_fits_a_terminal(self):
        code, out, err = self.end(self.start("--seconds", "2", "--kill", "consumer"))
        self.assertEqual(code, 0, "\n".join(out) + err)
        self.assertLessEqual(max(map(len, out)), 80)
        text = "\n".join(out)
        self.assertRegex(text, r"(?m)^killed consumer a \(pid \d+\) at \d+\.\d s$")
        self.assertRegex(text, r"(?m)^frames again after \d+\.\d s$")
        self.assertIn("all books balance", text)

    def test_wrong_command_lines(self):
        for arguments in (["--kill", "nobody"], ["--kill", ""], ["--kill"], ["--kill", "driver", "producer"],
                          ["--seconds", "0"], ["--seconds", "1.9"], ["--mode", "direct"]):
            code, out, err = self.end(self.start(*arguments))
            self.assertEqual((code, out), (2, []), arguments)
            self.assertEqual(len(err.splitlines()), 1, err)

    def test_wrong_input_is_said_once(self):
        code, out, err = self.end(self.start("--input", "/nonexistent"))
        self.assertEqual((code, out), (1, []))
        self.assertEqual(len(err.splitlines()), 1, err)

    def test_without_the_driver_beside_it(self):
        with tempfile.TemporaryDirectory(prefix="tp-demo-alone-") as folder:
            alone = shutil.copy(DEMO, folder)
            result = subprocess.run([alone, "--seconds", "2"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr, rf"^tp: .*{re.escape(folder)}/tp_driver: the driver belongs beside this program.*\n$")


class Kill(Case):
    def killed(self, role):
        code, out, err = self.end(self.start("--json", "--seconds", "3", "--kill", role))
        lines = [json.loads(line) for line in out]
        summary = lines[-1]
        self.assertEqual(code, 0, (summary.get("reasons"), summary.get("kills"), err))
        self.check_books(summary)
        told = [line for line in lines if line["kind"] in ("killed", "recovered")]
        self.assertEqual([line["kind"] for line in told], ["killed", "recovered"])
        self.assertEqual((told[0]["killed"], told[0]["recovered_after_ms"]), (role, None))
        self.assertEqual(summary["kills"], [{name: value for name, value in told[1].items() if name != "kind"}])
        self.assertGreater(summary["kills"][0]["recovered_after_ms"], 0)
        return summary["processes"]

    def test_producer(self):
        seen = self.killed("producer")
        for name in ("consumer a", "consumer b"):
            self.assertGreaterEqual(seen[name]["sessions"], 2)
            self.assertEqual(seen[name]["epoch"], seen["producer"]["epoch"])

    def test_consumer(self):
        self.killed("consumer")

    def test_driver(self):
        seen = self.killed("driver")
        for name in (*PRODUCERS, *CONSUMERS):
            self.assertGreaterEqual(seen[name]["sessions"], 2)

    def test_media_driver(self):
        self.killed("media-driver")


if __name__ == "__main__":
    unittest.main()
