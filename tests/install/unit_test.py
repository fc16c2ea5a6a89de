#!/usr/bin/env python3
"""The driver's systemd unit is one: systemd-analyze finds nothing in it. Skipped where systemd's tools are not there.

Usage: unit_test.py UNIT DRIVER
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

UNIT, DRIVER = pathlib.Path(sys.argv.pop(1)), sys.argv.pop(1)
DEADLINE_S = 60


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
class Unit(unittest.TestCase):
    def findings(self, text):
        with tempfile.TemporaryDirectory(prefix="tensorpool-unit-") as folder:
            unit = pathlib.Path(folder) / UNIT.name
            unit.write_text(text, encoding="utf-8")
            done = subprocess.run(["systemd-analyze", "verify", str(unit)], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=DEADLINE_S, check=False)
        # Other units of this machine may have faults of their own.
        said = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
        return said + ([f"exit code {done.returncode}"] if said and done.returncode else [])

    def setUp(self):
        self.text = UNIT.read_text(encoding="utf-8")
        self.assertIn("ExecStart=tp_driver ", self.text)
        # Where it is installed, tp_driver is on systemd's path.
        self.text = self.text.replace("ExecStart=tp_driver ", f'ExecStart="{DRIVER}" ')

    def test_nothing_is_wrong_with_it(self):
        self.assertEqual([], self.findings(self.text))

    def test_what_is_wrong_is_found(self):
        self.assertNotEqual([], self.findings(self.text.replace("UMask=0007", "UMusk=0007")))
        self.assertNotEqual([], self.findings(self.text.replace("Type=notify", "Type=notifies")))


if __name__ == "__main__":
    unittest.main()
