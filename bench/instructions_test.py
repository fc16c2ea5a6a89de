#!/usr/bin/env python3
"""The instruction gate: what it compares, what it says, when it fails.

Usage: instructions_test.py TP_BENCH [--counted]   (with --counted also under callgrind, when it is installed)
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv[1]
COUNTED = "--counted" in sys.argv[2:] and shutil.which("valgrind") is not None
FIGURES = {"claim": 100.0, "commit": 200.0}
NAMES = ["claim", "commit", "producer", "poll", "proof", "consumer_ten", "consumer_one", "consumer_single",
         "producer_two_shapes", "consumer_two_shapes", "producer_bell"]


class Gate(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.baseline = self.folder / "baseline.json"

    def run_gate(self, *arguments, **environment):
        run = subprocess.run(
            [PROGRAM, "instructions", "--baseline", str(self.baseline), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={**os.environ, **environment})
        return run.returncode, run.stdout

    def gate(self, figures, *arguments):
        file = self.folder / "figures.json"
        file.write_text(json.dumps(figures))
        return self.run_gate("--figures", str(file), *arguments)

    def test_unknown_build_passes_with_a_notice(self):
        code, said = self.gate(FIGURES)
        self.assertEqual(code, 0, said)
        self.assertIn("no baseline for", said)
        self.assertFalse(self.baseline.exists())

    def test_up_to_three_percent_are_tolerated(self):
        self.assertEqual(self.gate(FIGURES, "--update-baseline")[0], 0)
        code, said = self.gate({"claim": 103.0, "commit": 195.0})
        self.assertEqual(code, 0, said)
        self.assertNotIn("better", said)

    def test_a_slow_down_fails_and_says_which_figure_and_what_to_do(self):
        self.gate(FIGURES, "--update-baseline")
        output = self.folder / "out.json"
        code, said = self.gate({"claim": 103.2, "commit": 200.0}, "--json", str(output))
        self.assertEqual(code, 1, said)
        self.assertIn("worse: claim: 100.0 in the baseline, 103.2 now (+3.2 %", said)
        self.assertNotIn("worse: commit", said)
        self.assertIn("--update-baseline", said)
        report = json.loads(output.read_text())
        self.assertFalse(report["passed"])
        self.assertEqual([row["judged"] for row in report["instructions_per_frame"]], ["worse", "same"])

    def test_a_speed_up_passes_and_says_how_to_record_it(self):
        self.gate(FIGURES, "--update-baseline")
        code, said = self.gate({"claim": 90.0, "commit": 200.0})
        self.assertEqual(code, 0, said)
        self.assertIn("better than the baseline", said)
        self.assertIn("--update-baseline", said)

    def test_a_figure_that_is_not_counted_any_more_fails(self):
        self.gate(FIGURES, "--update-baseline")
        code, said = self.gate({"claim": 100.0})
        self.assertEqual(code, 1, said)
        self.assertIn("worse: commit", said)

    def test_when_required_every_figure_needs_a_baseline(self):
        self.assertEqual(self.gate(FIGURES, "--required")[0], 1)
        self.gate(FIGURES, "--update-baseline")
        code, said = self.gate(FIGURES, "--required")
        self.assertEqual(code, 0, said)
        code, said = self.gate({**FIGURES, "poll": 50.0}, "--required")
        self.assertEqual(code, 1, said)
        self.assertIn("--required: poll: there is no baseline", said)
        self.assertEqual(self.gate({**FIGURES, "poll": 50.0})[0], 0)

    def test_when_required_no_baseline_is_too_high(self):
        self.gate(FIGURES, "--update-baseline")
        code, said = self.gate({"claim": 96.9, "commit": 200.0}, "--required")
        self.assertEqual(code, 1, said)
        self.assertIn("--required: claim: the baseline is too high", said)
        self.assertNotIn("--required: commit", said)
        self.assertEqual(self.gate({"claim": 97.0, "commit": 200.0}, "--required")[0], 0)

    def test_other_builds_keep_their_baselines(self):
        self.baseline.write_text(json.dumps({"another build": {"claim": 1.0}}))
        self.assertEqual(self.gate(FIGURES, "--update-baseline")[0], 0)
        kept = json.loads(self.baseline.read_text())
        self.assertEqual(kept["another build"], {"claim": 1.0})
        self.assertEqual(len(kept), 2)

    def test_a_baseline_that_is_no_json_is_named(self):
        self.baseline.write_text("[")
        code, said = self.gate(FIGURES)
        self.assertEqual(code, 1)
        self.assertIn(str(self.baseline), said)

    def test_without_valgrind_nothing_is_counted(self):
        code, said = self.run_gate(PATH=str(self.folder))
        self.assertEqual(code, 0, said)
        self.assertIn("not counted: valgrind is not installed", said)
        self.assertEqual(self.run_gate("--required", PATH=str(self.folder))[0], 1)

    @unittest.skipUnless(COUNTED, "needs valgrind")
    def test_counts_repeat_and_a_deliberate_slow_down_fails(self):
        self.assertEqual(self.run_gate("--required", "--update-baseline")[0], 0)
        (figures,) = json.loads(self.baseline.read_text()).values()
        self.assertEqual(sorted(figures), sorted(NAMES))
        self.assertTrue(all(value > 0 for value in figures.values()), figures)
        code, said = self.run_gate("--required")
        self.assertEqual(code, 0, said)
        code, said = self.run_gate("--required", "--waste", "100")
        self.assertEqual(code, 1, said)
        for name in NAMES:
            self.assertIn(f"worse: {name}:", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
