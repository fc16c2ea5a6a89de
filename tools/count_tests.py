#!/usr/bin/env python3
"""Prints "N passed, N failed[, N skipped]" from the results that ctest wrote (--output-junit).

Exit code 1 when a test failed, when none ran, or when there is no readable results file.
"""
import sys
import xml.etree.ElementTree as xml


def outcome(case):
    """A test that says so itself is skipped; one whose program is missing has failed."""
    if case.get("status") == "run":
        return "passed"
    reason = case.find("skipped")
    message = "" if reason is None else reason.get("message", "")
    if case.get("status") == "disabled" or message.startswith("SKIP_"):
        return "skipped"
    return "failed"


def count(path):
    outcomes = [outcome(case) for case in xml.parse(path).getroot().iter("testcase")]
    return tuple(outcomes.count(name) for name in ("passed", "failed", "skipped"))


def main(path):
    try:
        passed, failed, skipped = count(path)
    except (OSError, xml.ParseError) as error:
        print(f"count_tests: {path}: {error}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
