#!/usr/bin/env python3
"""Each mutant must be noticed by the simulation within its number of seeds; the unbroken program must not be.

Usage: mutants_test.py NAME PROGRAM
"""
import re
import subprocess
import sys

import mutate


def main(name, program):
    seeds = mutate.MUTATIONS[name][3]
    result = subprocess.run([program, "--first", "--seeds", str(seeds), "--mode", mutate.mode_of(name)], capture_output=True, text=True, check=False)
    failure = re.search(r"^seed (\d+) failed; again with: (.+)\n(.+)", result.stdout, re.MULTILINE)
    if result.returncode == 0 or failure is None:
        sys.exit(f"mutation '{name}' was not noticed within {seeds} seeds:\n{result.stdout}{result.stderr}")
    print(f"{name}: noticed by seed {failure[1]} of {seeds}: {failure[3].strip()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
