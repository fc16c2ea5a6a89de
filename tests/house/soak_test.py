#!/usr/bin/env python3
"""The judge of the soak: what must make it fail does."""
import argparse
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/soak"))
import curves     # noqa: E402
import processes  # noqa: E402
import soak       # noqa: E402


def sample(at, **steady):
    used = {"private_kib": 20000, "descriptors": 3, "threads": 3, "mappings": 90, "fps": 100.0, "delivered": 1, **steady}
    return {"at": at, "files": 5, "mib": 10.0, "processes": {"steady consumer": used}}


class Judge(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tp-soak-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        options = argparse.Namespace(seed=1, out=self.folder, bin=self.folder, minutes=1, every=3)
        self.soak = soak.Soak(options, self.folder)
        self.addCleanup(self.soak.log.close)
        self.soak.steady = ["steady consumer"]

    def grown(self, key, by):
        base = sample(0)["processes"]["steady consumer"][key]
        self.soak.samples = [sample(at, **{key: base + (by if at > 60 else 0)}) for at in range(90)]
        self.soak.check_growth()
        return self.soak.problems

    def test_level_curves_are_clean(self):
        self.assertEqual([], self.grown("private_kib", 100))

    def test_what_grows_is_found(self):
        for key, by in (("private_kib", 5000), ("descriptors", 9), ("threads", 1), ("mappings", 40)):
            self.soak.problems.clear()
            self.assertEqual(1, len(self.grown(key, by)), key)
            self.assertIn(key, self.soak.problems[0])

    def test_the_curves_are_well_formed(self):
        self.soak.samples = [sample(at) for at in range(30)]
        text = curves.draw({"a < b": self.soak.series("fps", ["steady consumer"])},
                           [{"at": 3, "what": "kill", "name": "x & y"}], 60)
        self.assertTrue(xml.etree.ElementTree.fromstring(text).tag.endswith("svg"))


class Lines(unittest.TestCase):
    def said(self, *lines):
        process = processes.Process("consumer", [], None)
        process._read(lines)
        return process

    def test_wrong_bytes_and_books_are_problems(self):
        process = self.said('{"role": "consumer", "mismatched": 1, "balanced": true}\n',
                            '{"role": "consumer", "mismatched": 0, "balanced": false}\n', "no json\n")
        self.assertEqual(3, len(process.problems))
        self.assertIn("WRONG BYTES", process.problems[0])

    def test_the_last_line_counts(self):
        process = self.said('{"role": "consumer", "delivered": 3}\n', '{"role": "consumer", "delivered": 7}\n')
        self.assertEqual((7, []), (process.delivered(), process.problems))
        process._keep_totals()
        self.assertEqual(7, process.delivered())


if __name__ == "__main__":
    unittest.main()
