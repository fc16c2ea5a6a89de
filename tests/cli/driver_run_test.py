"""A running tp_driver: readiness, its log, media drivers, signals, and a second one in the same place."""
import json
import os
import select
import signal
import socket
import subprocess
import time
import unittest

from driver_program import DEMO, DRIVER, PATIENCE_S, SMALL, Case


class Running(Case):
    def setUp(self):
        super().setUp()
        self.config = self.file(SMALL)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(self.folder + "/notify")
        self.manager.settimeout(PATIENCE_S)

    def driver(self, *arguments, log="json", **variables):
        variables.setdefault("POLICIES_SHUTDOWN_TIMEOUT_MS", "50")
        variables["NOTIFY_SOCKET"] = self.folder + "/notify"
        return self.start(DRIVER, "--log", log, self.config, *arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          text=True, env=self.environment(variables))

    def told(self, word):
        """The next message to the service manager that has the word."""
        while True:
            message = self.manager.recv(4096).decode()
            if word in message.split("\n"):
                return message

    def events(self, process):
        """The rest of the log of a driver that ends by itself."""
        _, log = process.communicate(timeout=PATIENCE_S)
        return [json.loads(line) for line in log.splitlines()]

    def media_driver(self):
        process = self.start(DEMO, "media-driver", "--aeron-dir", self.aeron, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        self.assertEqual(json.loads(process.stdout.readline())["kind"], "ready")
        return process

    def test_from_start_to_end(self):
        driver = self.driver()
        self.assertIn("STATUS=running", self.told("READY=1"))
        driver.send_signal(signal.SIGTERM)
        self.told("STOPPING=1")
        events = self.events(driver)
        self.assertEqual(driver.returncode, 0, events)
        names = [event["event"] for event in events]
        # Each change once, in this order.
        expected = ["starting", "media_driver_started", "media_driver_connected", "ready", "signal", "draining", "stopped",
                    "ended"]
        self.assertEqual([name for name in names if name in expected], expected)
        for event in events:
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertIn(event["level"], ("info", "warning"))
        self.assertFalse(os.path.exists(self.aeron), "the media driver's directory goes with it")

    def test_the_log_as_text(self):
        driver = self.driver(log="text", POLICIES_REUSE_EXISTING_SHM="true")
        self.told("READY=1")
        driver.send_signal(signal.SIGINT)
        _, log = driver.communicate(timeout=PATIENCE_S)
        self.assertEqual(driver.returncode, 0, log)
        self.assertRegex(log, r"(?m)^\d{4}-\d\d-\d\dT\S+Z warning configuration: policies.reuse_existing_shm = true: ")
        self.assertRegex(log, r"(?m)Z info starting: driver driver-01 of ")

    def test_a_second_signal_ends_the_wait(self):
        driver = self.driver(POLICIES_SHUTDOWN_TIMEOUT_MS="86400000")
        self.told("READY=1")
        driver.send_signal(signal.SIGTERM)
        self.told("STOPPING=1")
        self.assertIsNone(driver.poll())
        driver.send_signal(signal.SIGTERM)
        events = self.events(driver)
        self.assertEqual(driver.returncode, 0, events)
        self.assertEqual(events[-1]["event"], "ended")

    def test_never_waits_for_a_media_driver(self):
        driver = self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="never")
        self.told("STATUS=starting")
        # The driver is up, and not ready.
        while json.loads(driver.stderr.readline())["event"] != "starting":
            pass
        self.assertEqual(select.select([self.manager], [], [], 0)[0], [])
        self.assertFalse(os.path.exists(self.aeron))
        media_driver = self.media_driver()
        self.told("READY=1")
        driver.send_signal(signal.SIGTERM)
        self.events(driver)
        self.assertEqual(driver.returncode, 0)
        self.assertIsNone(media_driver.poll())

    def test_a_signal_while_it_waits(self):
        driver = self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="never")
        while json.loads(driver.stderr.readline())["event"] != "starting":
            pass
        driver.send_signal(signal.SIGTERM)
        self.events(driver)
        self.assertEqual(driver.returncode, 0)

    def test_auto_uses_one_that_is_alive(self):
        media_driver = self.media_driver()
        driver = self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="auto")
        self.told("READY=1")
        driver.send_signal(signal.SIGTERM)
        self.assertNotIn("media_driver_started", [event["event"] for event in self.events(driver)])
        self.assertIsNone(media_driver.poll())

    def test_always_wants_its_own(self):
        media_driver = self.media_driver()
        driver = self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="always")
        events = self.events(driver)
        self.assertEqual(driver.returncode, 1, events)
        self.assertEqual(events[-1]["event"], "failed")
        self.assertIn(str(media_driver.pid), events[-1]["text"])
        self.assertEqual(os.listdir(self.base), [])

    def test_the_media_driver_is_lost_and_found(self):
        media_driver = self.media_driver()
        driver = self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="never")
        self.told("READY=1")
        media_driver.kill()
        media_driver.wait(PATIENCE_S)
        self.media_driver()
        seen = []
        deadline = time.monotonic() + 2 * PATIENCE_S
        while seen.count("media_driver_connected") < 2 and time.monotonic() < deadline:
            seen.append(json.loads(driver.stderr.readline())["event"])
        self.assertEqual(seen.count("media_driver_connected"), 2, seen)
        self.assertEqual(seen.count("media_driver_lost"), 1, seen)
        driver.send_signal(signal.SIGTERM)
        self.events(driver)
        self.assertEqual(driver.returncode, 0)

    def test_a_second_driver_says_who_is_there(self):
        driver = self.driver()
        self.told("READY=1")
        second = self.run_driver("--log", "json", self.config)
        self.assertEqual(second.returncode, 1, second.stderr)
        last = json.loads(second.stderr.splitlines()[-1])
        self.assertEqual(last["event"], "failed")
        self.assertIn(str(driver.pid), last["text"])
        self.assertIsNone(driver.poll())

    def test_a_service_manager_that_is_not_there_is_a_warning(self):
        driver = self.start(DRIVER, "--log", "json", self.config, stderr=subprocess.PIPE, text=True,
                            env=self.environment({"NOTIFY_SOCKET": self.folder + "/none", "POLICIES_SHUTDOWN_TIMEOUT_MS": "0"}))
        seen = []
        while not seen or seen[-1]["event"] != "ready":
            seen.append(json.loads(driver.stderr.readline()))
        self.assertEqual([event["level"] for event in seen if event["event"] == "service_manager_unreachable"], ["warning"])
        driver.send_signal(signal.SIGTERM)
        self.events(driver)
        self.assertEqual(driver.returncode, 0)


if __name__ == "__main__":
    unittest.main()
