"""What the tests of tp_driver share: a place of its own, and an environment without anybody's variables."""
import os
import subprocess
import sys
import tempfile
import unittest

PATIENCE_S = 60
DRIVER, DEMO = sys.argv.pop(1), sys.argv.pop(1)

SMALL = """[profiles.p]
header_nslots = 8
payload_pools = [ { pool_id = 1, stride_bytes = 4096 } ]
[streams.s]
stream_id = 10000
profile = "p"
"""


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-driver-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.base = self.folder + "/base"
        os.mkdir(self.base)
        self.aeron = self.folder + "/aeron"

    def file(self, text, name="driver.toml"):
        path = f"{self.folder}/{name}"
        with open(path, "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        return path

    def environment(self, variables):
        """Of this process, without what the driver reads; with this test's place."""
        mine = {name: value for name, value in os.environ.items()
                if not name.startswith(("DRIVER_", "SHM_", "POLICIES_", "PROFILES_", "STREAMS_", "TP_", "AERON_", "NOTIFY_"))}
        mine.update({"SHM_BASE_DIR": self.base, "DRIVER_AERON_DIR": self.aeron})
        mine.update(variables)
        return {name: value for name, value in mine.items() if value is not None}

    def run_driver(self, *arguments, **variables):
        return subprocess.run([DRIVER, *arguments], capture_output=True, text=True, errors="replace", timeout=PATIENCE_S,
                              check=False, stdin=subprocess.DEVNULL, env=self.environment(variables))

    def start(self, program, *arguments, **keywords):
        """Ended with the test, whatever happens."""
        process = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, **keywords)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.kill()
        process.communicate()
