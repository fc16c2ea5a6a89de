#!/usr/bin/env python3
"""mutate.py: what it writes, and that a text which is not there exactly once stops it."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import mutate

SCRIPT = pathlib.Path(mutate.__file__)
SOURCE = SCRIPT.resolve().parents[2] / "src"


class Mutate(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.overlay = pathlib.Path(folder.name) / "overlay"
        self.source = pathlib.Path(folder.name) / "src"
        self.header = self.source / "agents/consumer_port.hpp"
        self.header.parent.mkdir(parents=True)

    def mutate(self, name, source):
        return subprocess.run([sys.executable, str(SCRIPT), name, str(source), str(self.overlay)], capture_output=True,
                              text=True, check=False)

    def test_every_mutation_changes_its_file_and_nothing_else(self):
        for name, (file, old, new, _) in mutate.MUTATIONS.items():
            self.assertEqual(0, self.mutate(name, SOURCE).returncode, name)
            text = (SOURCE / file).read_text(encoding="utf-8")
            broken = (self.overlay / file).read_text(encoding="utf-8")
            self.assertNotEqual(text, broken)
            self.assertEqual(len(text) - len(old) + len(new), len(broken), name)

    def test_a_text_that_is_gone_or_stands_twice_stops_it(self):
        old = mutate.MUTATIONS["no_proof"][1]
        for count in (0, 2):
            self.header.write_text(old * count, encoding="utf-8")
            result = self.mutate("no_proof", self.source)
            self.assertEqual(1, result.returncode)
            self.assertIn(f"agents/consumer_port.hpp and finds it {count} times", result.stderr)
            self.assertFalse(self.overlay.exists())

    def test_an_unknown_mutation_is_refused(self):
        self.assertEqual(1, self.mutate("no_such", SOURCE).returncode)


if __name__ == "__main__":
    unittest.main()
