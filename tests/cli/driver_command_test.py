"""tp driver beside a tp_driver with clients, beside a driver that has nothing but messages, and with wrong input."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from driver_program import DEMO, DRIVER, PATIENCE_S, SMALL, Case  # takes its two arguments

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import processes  # noqa: E402

TP, PEER = sys.argv.pop(1), sys.argv.pop(1)
STREAM = 10000
TOKEN = "open sesame"
# For the windows of listening: twice and more of what is said every second, on a crowded machine.
WINDOW = "--seconds=4"


class Places(Case):
    def tp(self, command, *arguments, **variables):
        """Exit code, standard output and error of `tp driver COMMAND`."""
        run = subprocess.run([TP, "driver", command, "--aeron-dir", self.aeron, *arguments], capture_output=True, text=True,
                             errors="replace", timeout=PATIENCE_S, check=False, stdin=subprocess.DEVNULL,
                             env=self.environment(variables))
        return run.returncode, run.stdout, run.stderr

    def objects(self, command, *arguments, code=0, **variables):
        """What it prints with --json, of one kind after the other."""
        got, out, err = self.tp(command, "--json", *arguments, **variables)
        self.assertEqual(got, code, out + err)
        return [json.loads(line) for line in out.splitlines()]

    def driver(self, **variables):
        process = self.start(DRIVER, "--log", "json", self.file(SMALL), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                             text=True, env=self.environment({"POLICIES_SHUTDOWN_TIMEOUT_MS": "50", **variables}))
        line = "{}"
        while json.loads(line).get("event") != "ready":
            line = process.stderr.readline()
        return process

    def peer(self, role, stream=STREAM):
        process = self.start(PEER, role, self.aeron, self.base, str(stream), stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def start(self, program, *arguments, **keywords):
        keywords.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen([program, *arguments], **keywords)
        self.addCleanup(self.stop, process)
        return process

    def media_driver(self):
        process = self.start(DEMO, "media-driver", "--aeron-dir", self.aeron, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        self.assertEqual(json.loads(process.stdout.readline())["kind"], "ready")
        return process


class WithDriver(Places):
    def status(self, *arguments, code=0):
        (status,) = self.objects("status", *arguments, code=code)
        return status

    def test_status_shows_what_the_driver_counts(self):
        driver = self.driver(DRIVER_INSTANCE_ID="the one")
        self.peer("produce")
        self.peer("consume")

        def leases():
            found = self.status()["leases"]
            return found["producers"], found["consumers"]
        self.assertTrue(processes.eventually(lambda: leases() == (1, 1)), leases())
        status = self.status("--instance", "the one")
        self.assertEqual(status["instance"], "the one")
        self.assertEqual(status["process_id"], driver.pid)
        self.assertIs(status["process_alive"], True)
        self.assertIs(status["connected"], True)
        self.assertEqual(status["state"], "running")
        self.assertEqual(status["attaches"]["granted"], 2)
        self.assertEqual(status["attaches"]["refused"]["REJECTED"], 0)
        files = pathlib.Path(self.base).rglob("*.*")
        sizes = sum(file.stat().st_size for file in files if file.suffix in (".ring", ".pool") and file.is_file())
        self.assertLessEqual(status["streams"]["bytes_reserved"], sizes)
        self.assertGreater(status["streams"]["bytes_reserved"], 8 * 4096)
        self.assertGreater(status["longest_cycle_ns"], 0)
        code, out, err = self.tp("status")
        self.assertEqual(code, 0, err)
        self.assertIn("driver the one: running, connected", out)
        self.assertIn(f"({status['streams']['bytes_reserved']} bytes)", out)

    def test_an_instance_that_is_not_there(self):
        self.driver()
        code, out, err = self.tp("status", "--instance", "other")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("'driver-01'", err)

    def test_a_driver_that_was_killed(self):
        self.media_driver()
        driver = self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="never")
        self.assertTrue(processes.eventually(lambda: self.status()["streams"]["known"] == 1))
        driver.kill()
        driver.wait(PATIENCE_S)
        status = self.objects("status", "--seconds=0.1", code=1)[0]
        # After ten seconds the media driver frees the counters of a client that is gone.
        self.assertIn(status.get("process_alive"), (False, None))

    def test_two_drivers_and_one_of_them(self):
        self.media_driver()
        self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="never", DRIVER_INSTANCE_ID="a")
        self.driver(DRIVER_EMBEDDED_MEDIA_DRIVER="never", DRIVER_INSTANCE_ID="b", SHM_NAMESPACE="b", DRIVER_CONTROL_STREAM_ID="1010")
        self.assertTrue(processes.eventually(lambda: len(self.objects("status")) == 2))
        self.assertEqual([s["instance"] for s in self.objects("status")], ["a", "b"])
        self.assertEqual(self.status("--instance", "b")["control_stream"], 1010)

    def test_streams_and_their_files(self):
        self.driver()
        self.peer("produce")
        (stream,) = self.objects("streams", WINDOW)
        self.assertEqual(stream["stream_id"], STREAM)
        self.assertGreater(stream["producer_id"], 0)
        self.assertEqual((stream["slots"], stream["layout_version"]), (8, 1))
        self.assertEqual([(p["pool_id"], p["stride_bytes"]) for p in stream["pools"]], [(1, 4096)])
        self.assertEqual(stream["faults"], [])
        self.assertEqual(stream["clock_domain"], "MONOTONIC")
        path = stream["header_region_uri"].removeprefix("shm:file?path=")
        self.assertTrue(os.path.isfile(path), path)
        code, out, err = self.tp("streams", WINDOW, "--verbose")
        self.assertEqual(code, 0, err)
        self.assertIn(stream["header_region_uri"], out)
        os.rename(path, path + ".away")
        (stream,) = self.objects("streams", WINDOW)
        self.assertEqual(stream["faults"], [f"cannot be seen from here: {path}: No such file or directory"])

    def test_streams_tells_every_change(self):
        self.driver()
        watch = self.start(TP, "driver", "streams", "--watch", "--json", "--aeron-dir", self.aeron, stdout=subprocess.PIPE)
        producer = self.peer("produce")
        first = json.loads(watch.stdout.readline())
        while first["producer_id"] is None:
            first = json.loads(watch.stdout.readline())
        producer.terminate()  # its lease expires
        after = json.loads(watch.stdout.readline())
        self.assertIsNone(after["producer_id"])
        self.assertGreater(after["epoch"], first["epoch"])

    def test_leases_of_those_who_keep_them(self):
        self.driver()
        self.peer("produce")
        self.peer("consume")
        *leases, summary = self.objects("leases", WINDOW)
        self.assertEqual(sorted(lease["role"] for lease in leases), ["CONSUMER", "PRODUCER"])
        for lease in leases:
            self.assertEqual(lease["stream_id"], STREAM)
            self.assertGreater(lease["keepalives"], 0)
            self.assertIsNone(lease["ended"])
        self.assertEqual((summary["heard"], summary["leases_counted"], summary["leases_silent"]), (2, 2, 0))

    def test_a_lease_that_says_nothing_is_in_the_count_only(self):
        self.driver(POLICIES_LEASE_EXPIRY_GRACE_INTERVALS="1000")
        consumer = self.peer("consume")
        consumer.send_signal(signal.SIGSTOP)
        *leases, summary = self.objects("leases", "--seconds=0.5")
        consumer.send_signal(signal.SIGCONT)
        self.assertEqual(summary["leases_silent"], 1 - len(leases), summary)

    def test_shutdown_with_the_token(self):
        driver = self.driver(POLICIES_SHUTDOWN_TOKEN=TOKEN)
        (told,) = self.objects("shutdown", "--token", TOKEN, "--reason", "error", "--text", "enough")
        self.assertEqual(told, {"kind": "shutdown", "ended": True, "reason": "ERROR", "text": "enough"})
        self.assertEqual(driver.wait(PATIENCE_S), 0)

    def test_the_token_of_a_file_and_of_the_environment(self):
        for source in ("file", "environment"):
            driver = self.driver(POLICIES_SHUTDOWN_TOKEN=TOKEN)
            arguments = ["--token-file", self.file(TOKEN + "\n", "token")] if source == "file" else []
            variables = {} if source == "file" else {"POLICIES_SHUTDOWN_TOKEN": TOKEN}
            code, out, err = self.tp("shutdown", *arguments, **variables)
            self.assertEqual((code, err), (0, ""))
            self.assertIn("the driver has ended: ADMIN", out)
            self.assertEqual(driver.wait(PATIENCE_S), 0)
            self.assertTrue(processes.eventually(lambda: not os.path.exists(self.aeron)))

    def test_a_wrong_token_ends_nothing(self):
        driver = self.driver(POLICIES_SHUTDOWN_TOKEN=TOKEN)
        code, out, err = self.tp("shutdown", "--token", "wrong horse", "--timeout", "60")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("the driver ignored the request", err)
        self.assertNotIn("horse", err)
        (status,) = self.objects("status")
        self.assertEqual((status["state"], status["messages"]["shutdown_requests_ignored"]), ("running", 1))
        self.assertIsNone(driver.poll())

    # Proves: DRV-213
    def test_shutdown_waits_for_no_reply(self):
        driver = self.driver(POLICIES_SHUTDOWN_TOKEN=TOKEN)
        (told,) = self.objects("shutdown", "--token", TOKEN, "--timeout", "0")
        self.assertEqual(told, {"kind": "shutdown", "ended": None})
        self.assertEqual(driver.wait(PATIENCE_S), 0)

    def test_a_driver_that_takes_its_time(self):
        driver = self.driver(POLICIES_SHUTDOWN_TOKEN=TOKEN, POLICIES_SHUTDOWN_TIMEOUT_MS="86400000")
        code, _, err = self.tp("shutdown", "--token", TOKEN, "--timeout", "1")
        self.assertEqual(code, 1)
        self.assertIn("no driver ended within 1 s: it is draining", err)
        self.assertEqual(self.objects("status")[0]["state"], "draining")
        self.assertIsNone(driver.poll())


class Foreign(Places):
    """A driver that has no counters: only what the wire tells."""

    def setUp(self):
        super().setUp()
        self.media_driver()
        self.other = self.peer("foreign", 20000)

    def test_status_tells_what_is_heard(self):
        heard, malformed = self.objects("status", WINDOW)
        self.assertEqual(heard["kind"], "heard")
        self.assertIs(heard["driver"], True)
        self.assertEqual((heard["streams"], heard["streams_without_producer"]), (1, 1))
        self.assertGreater(heard["keepalives"], 0)
        self.assertEqual(malformed["kind"], "malformed")
        code, out, err = self.tp("status", WINDOW)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("a driver without counters is there", out)

    def test_streams_names_what_is_wrong(self):
        stream, malformed = self.objects("streams", WINDOW)
        self.assertEqual((stream["stream_id"], stream["producer_id"], stream["epoch"]), (20000, None, 5))
        self.assertEqual(len(stream["faults"]), 2)
        self.assertIn("/nowhere/header.ring: No such file", stream["faults"][0])
        self.assertGreater(malformed["messages"], 0)
        self.assertIn("20001", next(iter(malformed["reasons"])))
        code, out, _ = self.tp("streams", WINDOW)
        self.assertEqual(code, 0)
        self.assertIn("producer none", out)
        self.assertIn("malformed messages", out)

    def test_leases_that_nobody_counts(self):
        code, out, err = self.tp("leases", WINDOW)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"lease 77 +client 4242 +CONSUMER of stream 20000 +\d+ keepalives")
        self.assertIn("ended: EXPIRED (late?)", out)
        self.assertIn("no driver counts its leases here", out)
        self.assertNotIn("\x1b", out)
        _, ended, summary, _ = self.objects("leases", WINDOW)
        self.assertEqual((ended["lease_id"], ended["ended"]), (78, "EXPIRED"))
        self.assertIsNone(summary["leases_counted"])

    def test_shutdown(self):
        code, _, err = self.tp("shutdown", "--token", "wrong", "--timeout", "1")
        self.assertEqual(code, 1)
        self.assertIn("no driver ended within 1 s: the token may be wrong", err)
        self.assertEqual(self.tp("shutdown", "--token", "foreign")[0], 0)
        self.assertEqual(self.other.wait(PATIENCE_S), 0)


class WithoutDriver(Places):
    def test_no_media_driver(self):
        for command in ("status", "streams", "leases"):
            code, out, err = self.tp(command)
            self.assertEqual((code, out), (1, ""))
            self.assertIn(f"no media driver serves {self.aeron}", err)
        self.assertEqual(self.tp("shutdown", "--token", "x")[0], 1)
        self.assertFalse(os.path.exists(self.aeron))

    def test_nobody_to_be_heard(self):
        self.media_driver()
        for command, words in (("status", "no driver: none has counters here, and nothing was heard"),
                               ("streams", "no stream was announced on streams 1000 and 1001"),
                               ("leases", "no driver and no client of one was heard on stream 1000")):
            code, _, err = self.tp(command, "--seconds", "0.2")
            self.assertEqual(code, 1, command)
            self.assertIn(words, err)
        code, _, err = self.tp("shutdown", "--token", "x", "--timeout", "0.2")
        self.assertEqual(code, 1)
        self.assertIn("no driver ended within 0.2 s", err)

    def test_wrong_command_lines(self):
        for arguments in (["status", "--seconds", "nan"], ["status", "--seconds", "0"], ["status", "--control-stream", "0"],
                          ["status", "--control-channel", "ipc"], ["streams", "--announce-stream", "-1"],
                          ["streams", "--seconds", "1e9"], ["leases", "--seconds", ""], ["leases", "more"],
                          ["shutdown"], ["shutdown", "--token", ""], ["shutdown", "--token", "t", "--token-file", "f"],
                          ["shutdown", "--token", "t", "--reason", "because"], ["shutdown", "--token", "t", "--timeout", "-1"],
                          ["shutdown", "--token", "t", "--text", "a\nb"], ["shutdown", "--token", "t" * 1025],
                          ["statuss"]):
            code, out, err = self.tp(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertTrue(err.startswith("tp: "), err)
        bare = subprocess.run([TP, "driver"], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        self.assertEqual(bare.returncode, 2)
        self.assertIn("status, streams, leases or shutdown", bare.stderr)

    def test_a_token_file_that_is_not_there(self):
        code, _, err = self.tp("shutdown", "--token-file", self.folder + "/none")
        self.assertEqual(code, 1)
        self.assertIn("No such file", err)


if __name__ == "__main__":
    unittest.main()
