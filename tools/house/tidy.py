#!/usr/bin/env python3
"""House rules that no compiler knows: file length, left-over markers, sleeps in tests, machine paths.

Usage: tools/house/tidy.py [ROOT]. Prints one line per finding; exit code 1 when there is one.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from house import sources  # noqa: E402

MAX_LINES = 600
# Longer, with a reason.
MAY_BE_LONG = {"src/wire/messages.hpp": 650}  # the whole vocabulary of the protocol on one page
MAX_COLUMNS = 120  # clang-format holds C++ at 100; this is for what it does not see
CODE = (".cpp", ".hpp", ".h", ".c", ".py", ".sh", ".cmake", "CMakeLists.txt", "run")

# Spelt in pieces, so that this file does not find itself.
MARKERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b|not impl" r"emented|unimpl" r"emented")
SLEEPS = re.compile(r"sleep" r"_for|sleep" r"_until|\busleep" r"\(|time\.sleep" r"\(|\bnanosleep" r"\(|\bsleep" r"\(")
MACHINE_PATHS = re.compile(r"/wo" r"rk/(main|shared|steering)|/ro" r"ot/|/ho" r"me/[a-z]+/|/fa" r"rm/")
TEXT = (*CODE, ".md", ".toml", ".json", ".xml", ".svg", ".txt", ".yml", ".yaml")


def lines_with(pattern, text):
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group()


def check_file(name, text):
    """Findings in one file, given its path relative to the checkout."""
    if name.endswith(CODE):
        count = text.count("\n")
        most = MAY_BE_LONG.get(name, MAX_LINES)
        if count > most:
            yield f"{name}: {count} lines; at most {most}: is it still one room?"
        for line, word in lines_with(MARKERS, text):
            yield f"{name}:{line}: left-over marker '{word}'"
        if not name.endswith((".py", ".sh", "run")):
            for number, line in enumerate(text.splitlines(), 1):
                if len(line) > MAX_COLUMNS:
                    yield f"{name}:{number}: {len(line)} columns; at most {MAX_COLUMNS}"
    if name.startswith("tests/") and name.endswith(CODE):
        for line, word in lines_with(SLEEPS, text):
            yield f"{name}:{line}: '{word}': wait for a condition with a deadline instead"
    if name.endswith(TEXT):
        for line, word in lines_with(MACHINE_PATHS, text):
            yield f"{name}:{line}: machine path '{word}'"


def check(root):
    for name in sources.own_files(root):
        if not name.endswith(TEXT):
            continue
        yield from check_file(name, sources.read(root, name))


if __name__ == "__main__":
    base = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    findings = list(check(base))
    print("\n".join(findings) if findings else "house rules: nothing found")
    sys.exit(1 if findings else 0)
