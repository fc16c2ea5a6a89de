"""tp publish and tp watch in driver mode, the default: with a tp_driver, with none, and over its end."""
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

TP, DEMO, DRIVER = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
CONTROL, ANNOUNCE = 1810, 1811  # other ids than everybody's, so that each of them has to be told
OTHERS = ("DRIVER_", "SHM_", "POLICIES_", "PROFILES_", "STREAMS_", "TP_", "AERON_", "NOTIFY_")


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-mode-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.base = self.folder + "/base"
        os.mkdir(self.base)
        self.aeron = self.folder + "/aeron"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
        self.config = self.folder + "/driver.toml"
        pathlib.Path(self.config).write_text(f"""
[driver]
aeron_dir = "{self.aeron}"
embedded_media_driver = "never"
control_stream_id = {CONTROL}
announce_stream_id = {ANNOUNCE}
[shm]
base_dir = "{self.base}"
[policies]
announce_period_ms = 300
lease_keepalive_interval_ms = 300
shutdown_timeout_ms = 300
[profiles.p]
header_nslots = 16
payload_pools = [ {{ pool_id = 1, stride_bytes = 4096 }} ]
[streams.s]
stream_id = 10000
profile = "p"
""", encoding="utf-8")

    def start(self, *command, **keywords):
        return processes.start(self, list(command), text=True, stdin=subprocess.DEVNULL, env=self.environment, **keywords)

    def media_driver(self):
        process = self.start(DEMO, "media-driver", "--aeron-dir", self.aeron)
        self.assertEqual(json.loads(process.stdout.readline())["kind"], "ready")
        return process

    def driver(self):
        process = self.start(DRIVER, "--log", "json", self.config, stdout=subprocess.DEVNULL)
        for line in process.stderr:
            if json.loads(line)["event"] == "ready":
                return process
        self.fail("the driver ended")

    def tp(self, command, *arguments):
        source = ["--input", "pattern:64x32:u8", "--rate", "200"] if command == "publish" else []
        return self.start(TP, command, *source, *arguments, "--json", "--report", "0.1")

    def until(self, process, good):
        """The first object that is good, and all that came before it."""
        before = []
        for line in process.stdout:
            said = json.loads(line)
            if good(said):
                return said, before
            before.append(said)
        self.fail(f"it ended: {before[-3:]} {process.stderr.read()}")

    def event(self, process, kind, event):
        return self.until(process, lambda said: said.get("kind") == kind and said.get("event") == event)

    def frames(self, watcher, count):
        """Until so many more have been delivered."""
        first = self.until(watcher, lambda said: "delivered" in said)[0]["delivered"]
        return self.until(watcher, lambda said: said.get("delivered", 0) >= first + count)

    def sends(self, publisher):
        """Until it has claimed a slot."""
        self.until(publisher, lambda said: said.get("claimed", 0) > 0)

    def end(self, process, code=0):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=processes.PATIENCE_S)
        self.assertEqual(process.returncode, code, out[-2000:] + err)
        return json.loads(out.splitlines()[-1])

    def refused(self, code, arguments, *words):
        result = subprocess.run([TP, *arguments], capture_output=True, text=True, timeout=processes.PATIENCE_S,
                                stdin=subprocess.DEVNULL, env=self.environment, check=False)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        return result


class WithDriver(Case):
    def setUp(self):
        super().setUp()
        self.running_media_driver = self.media_driver()
        self.running = self.driver()

    def restart(self, number):
        self.running.send_signal(number)
        self.running.communicate(timeout=processes.PATIENCE_S)
        self.running = self.driver()

    def test_frames_travel_and_leases_are_told(self):
        publisher = self.tp("publish", "--driver-config", self.config)
        attached, _ = self.event(publisher, "lease", "attached")
        self.assertEqual((attached["stream"], attached["again"]), (10000, False))
        watcher = self.tp("watch", "--driver-config", self.config, "--expect", "pattern:64x32:u8")
        self.assertEqual(self.event(watcher, "lease", "attached")[0]["epoch"], attached["epoch"])
        self.frames(watcher, 100)
        sent, seen = self.end(publisher), self.end(watcher)
        self.assertEqual((sent["mode"], sent["balanced"], sent["refused"]), ("driver", True, 0))
        self.assertTrue(seen["balanced"])
        self.assertEqual((seen["mismatched"], seen["equal"]), (0, seen["delivered"]))

    def test_endpoints_and_times_one_by_one(self):
        places = ["--aeron-dir", self.aeron, "--control-stream", str(CONTROL), "--announce-stream", str(ANNOUNCE),
                  "--keepalive-ms", "300", "--announce-period-ms", "300", "--allowed-base-dir", self.base]
        publisher = self.tp("publish", *places, "--keepalive-grace", "3")
        watcher = self.tp("watch", *places)
        self.frames(watcher, 20)
        self.end(publisher)
        self.end(watcher)

    # Proves: CON-42
    def test_over_the_end_of_the_driver(self):
        publisher = self.tp("publish", "--driver-config", self.config)
        watcher = self.tp("watch", "--driver-config", self.config, "--expect", "pattern:64x32:u8")
        self.frames(watcher, 20)
        for number, reasons in ((signal.SIGTERM, ("shutdown",)), (signal.SIGKILL, ("revoked", "driver_lost", "expired"))):
            self.restart(number)
            for process in (publisher, watcher):
                lost, _ = self.event(process, "lease", "lost")
                self.assertIn(lost["why"], reasons)
                again, before = self.event(process, "lease", "attached")
                self.assertTrue(again["again"])
                self.assertFalse([said for said in before if said.get("event") == "lost"], "told once")
            self.frames(watcher, 20)
        sent, seen = self.end(publisher), self.end(watcher)
        self.assertGreater(sent["missed"], 0)
        self.assertGreaterEqual(sent["sessions"], 3)
        self.assertTrue(sent["balanced"] and seen["balanced"])
        self.assertEqual((seen["mismatched"], seen["equal"]), (0, seen["delivered"]))

    def test_over_the_end_of_the_media_driver(self):
        publisher = self.tp("publish", "--driver-config", self.config)
        watcher = self.tp("watch", "--driver-config", self.config)
        self.frames(watcher, 20)
        self.running_media_driver.kill()
        self.running_media_driver.wait(processes.PATIENCE_S)
        self.media_driver()
        for process in (publisher, watcher):
            self.event(process, "connection", "lost")
            self.event(process, "connection", "connected")
        self.frames(watcher, 20)
        self.assertTrue(self.end(publisher)["balanced"] and self.end(watcher)["balanced"])

    def test_a_second_producer_waits_until_the_first_is_gone(self):
        first = self.tp("publish", "--driver-config", self.config)
        self.sends(first)
        second = self.tp("publish", "--driver-config", self.config)
        failed, _ = self.event(second, "lease", "attach_failed")
        self.assertIn("REJECTED", failed["text"])
        self.assertTrue(self.end(first)["balanced"])
        self.sends(second)
        self.end(second)

    def test_a_frame_that_no_pool_of_the_profile_holds(self):
        result = self.refused(1, ["publish", "--driver-config", self.config, "--input", "pattern:100x100:u8"],
                              "too_large", "profile", "stream 10000")
        self.assertIn("books balance", result.stdout)

    def test_regions_outside_what_may_be_mapped(self):
        elsewhere = self.folder + "/elsewhere"
        os.mkdir(elsewhere)
        for option in ("--base-dir", "--allowed-base-dir"):
            watcher = self.tp("watch", "--driver-config", self.config, option, elsewhere)
            publisher = self.tp("publish", "--driver-config", self.config)
            lost, _ = self.event(watcher, "lease", "lost")
            self.assertEqual(lost["why"], "unmappable")
            self.assertIn("outside every allowed base directory", lost["text"])
            self.sends(publisher)
            self.end(publisher)
            watcher.kill()


class WithoutDriver(Case):
    def test_nobody_answers(self):
        self.media_driver()
        hint = f"no driver answered on control stream {CONTROL} of {self.aeron}: start tp_driver there, or use --mode direct"
        said = self.tp("watch", "--driver-config", self.config, "--timeout", "8")
        told = self.start(TP, "publish", "--driver-config", self.config, "--input", "pattern:64x32:u8")
        failed, _ = self.event(said, "lease", "attach_failed")
        self.assertEqual(failed["text"], hint)
        self.assertEqual(told.stderr.readline(), f"tp: {hint}; trying again\n")
        out, err = said.communicate(timeout=processes.PATIENCE_S)
        self.assertEqual(said.returncode, 1, out)
        self.assertIn("no frame for 8 s: " + hint, err)
        # It goes on: a driver that comes later is found.
        self.driver()
        self.assertIn("attached to stream 10000", told.stdout.readline())
        self.assertIn("driver mode", told.stdout.readline())
        told.send_signal(signal.SIGINT)
        out, err = told.communicate(timeout=processes.PATIENCE_S)
        self.assertEqual(told.returncode, 0, out + err)

    def test_no_media_driver_either(self):
        self.refused(1, ["watch", "--driver-config", self.config, "--timeout", "0.5"],
                     f"no media driver serves {self.aeron}", "start it there, or use --mode direct")
        publisher = self.start(TP, "publish", "--driver-config", self.config)
        self.assertIn("tp_driver brings one", publisher.stderr.readline())
        self.assertFalse(os.path.exists(self.aeron), "driver mode starts no media driver of its own")


class CommandLine(Case):
    # Proves: CON-50, CON-51
    def test_what_the_driver_decides_is_refused(self):
        for option, value in (("--slots", "16"), ("--pools", "4096"), ("--namespace", "n"), ("--base-dir", self.base)):
            self.refused(2, ["publish", option, value], f"tp: {option}: the driver decides that", "--mode direct")
            self.refused(2, ["publish", option, value, "--mode", "driver"], option)
        self.assertEqual(os.listdir(self.base), [])

    def test_what_needs_a_driver_is_refused_without_one(self):
        for command in ("publish", "watch"):
            for option, value in (("--driver-config", self.config), ("--keepalive-ms", "5"), ("--keepalive-grace", "5")):
                self.refused(2, [command, "--mode", "direct", option, value], f"tp: {option}: there is neither a driver")
        self.refused(2, ["publish", "--mode", "direct", "--allowed-base-dir", self.base], "--base-dir is where")

    def test_wrong_values(self):
        for option in ("--control-stream", "--announce-stream", "--keepalive-ms", "--keepalive-grace", "--announce-period-ms",
                       "--media-driver-timeout", "--report"):
            for value in ("0", "-1", "nan", "", "1e99", "99999999999"):
                self.refused(2, ["watch", option, value], option)
        for option in ("--control-channel", "--announce-channel"):
            for value in ("", "aeron:ipc with spaces", "x" * 5000):
                self.refused(2, ["watch", option, value], option[2:].replace("-", "."))
        self.refused(2, ["watch", "--base-dir", "relative"], "--base-dir")
        self.refused(2, ["watch", "--base-dir", self.folder + "/none", "--aeron-dir", self.aeron], self.folder + "/none")

    def test_files_that_are_no_configuration(self):
        self.refused(1, ["watch", "--driver-config", self.folder + "/none"], self.folder + "/none")
        self.refused(1, ["watch", "--driver-config", ""], "tp: ")
        wrong = pathlib.Path(self.folder, "wrong.toml")
        wrong.write_text("[driver]\ncontrol_stream_id = 0\n", encoding="utf-8")
        self.refused(2, ["publish", "--driver-config", str(wrong)], f"{wrong}:2: driver.control_stream_id = 0")
        wrong.write_text("[driver\n", encoding="utf-8")
        self.refused(1, ["publish", "--driver-config", str(wrong)], str(wrong))


if __name__ == "__main__":
    unittest.main()
