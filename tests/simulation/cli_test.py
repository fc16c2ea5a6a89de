#!/usr/bin/env python3
"""tp_simulate as its users meet it: what it prints, what it returns, and that it repeats itself.

Usage: cli_test.py PROGRAM
"""
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)


def simulate(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=100)


class Simulate(unittest.TestCase):
    def test_the_last_line_counts_the_seeds(self):
        result = simulate("--seeds", "3", "--steps", "2000")
        self.assertEqual((0, "3 passed, 0 failed"), (result.returncode, result.stdout.splitlines()[-1]))

    def test_a_seed_is_run_in_the_mode_that_is_asked_for_and_in_both_otherwise(self):
        hashes = {}
        for mode in (["--mode", "direct"], ["--mode", "driver"], []):
            lines = simulate("--seeds", "1", "--steps", "500", "--trace", *mode).stdout.splitlines()
            self.assertEqual("1 passed, 0 failed", lines[-1])
            hashes[" ".join(mode)] = [line for line in lines if line.startswith("seed 1: hash ")]
        self.assertEqual(hashes["--mode direct"] + hashes["--mode driver"], hashes[""])
        self.assertEqual(2, len(set(hashes[""])))

    def test_several_processes_come_to_the_same(self):
        alone = simulate("--seeds", "6", "--steps", "500", "--jobs", "1", "--probes").stdout
        self.assertEqual(alone, simulate("--seeds", "6", "--steps", "500", "--jobs", "4", "--probes").stdout)

    def test_a_trace_repeats_itself_and_another_seed_gives_another(self):
        once = simulate("--seeds", "1", "--seed", "5", "--steps", "2000", "--trace")
        self.assertEqual(0, once.returncode, once.stdout[-2000:])
        self.assertGreater(once.stdout.count("\n"), 2000)
        self.assertEqual(once.stdout, simulate("--seeds", "1", "--seed", "5", "--steps", "2000", "--trace").stdout)
        self.assertNotEqual(once.stdout, simulate("--seeds", "1", "--seed", "6", "--steps", "2000", "--trace").stdout)

    def test_the_probes_are_named(self):
        result = simulate("--seeds", "1", "--probes")
        self.assertRegex(result.stdout, r"\d+ killed between commit word and descriptor\n")

    def test_nonsense_is_refused(self):
        for arguments in (["--seeds", "0"], ["--seeds", "many"], ["--sed", "1"], ["now"], ["--mode", "none"]):
            self.assertNotEqual(0, simulate(*arguments).returncode, arguments)


if __name__ == "__main__":
    unittest.main()
