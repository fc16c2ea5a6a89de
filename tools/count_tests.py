#!/usr/bin/env python3
"""Prints "N passed, N failed[, N skipped]" from the results that ctest wrote (--output-junit), and before it each
test that failed with the end of what it printed.

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


SHOWN_TESTS, SHOWN_LINES = 10, 15


def cases(path):
    return list(xml.parse(path).getroot().iter("testcase"))


def count(found):
    outcomes = [outcome(case) for case in found]
    return tuple(outcomes.count(name) for name in ("passed", "failed", "skipped"))


def show(failures):
    for case in failures[:SHOWN_TESTS]:
        print(f"failed: {case.get('name')} after {float(case.get('time', 0)):.1f} s")
        lines = (case.findtext("system-out") or "").rstrip().splitlines()
        print("".join(f"    {line}\n" for line in lines[-SHOWN_LINES:]), end="")
    if len(failures) > SHOWN_TESTS:
        print(f"failed: {len(failures) - SHOWN_TESTS} more")


def main(path):
    try:
        found = cases(path)
    except (OSError, xml.ParseError) as error:
        print(f"count_tests: {path}: {error}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    passed, failed, skipped = count(found)
    show([case for case in found if outcome(case) == "failed"])
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
