#!/usr/bin/env python3
"""One case of misuse: `check.py CASE.cpp -- COMPILER ARGUMENTS`.

The file must compile as it is, and must not with -DMISUSE; then one of the patterns of its `// Refused:` line (Python
regular expressions, one for each wording of a compiler, with " || " between them) must be found in what the compiler
says, so that a case cannot fail for the wrong reason.
"""
import os
import re
import subprocess
import sys


def compile_case(command, source, *more):
    environment = dict(os.environ, LC_ALL="C")
    return subprocess.run([*command, *more, source], capture_output=True, text=True, env=environment, check=False)


def check(source, command):
    """The reason why this case does not prove anything, or None."""
    with open(source, encoding="utf-8") as file:
        text = file.read()
    refused = re.search(r"^// Refused: (.+)$", text, re.MULTILINE)
    if refused is None or "#ifdef MISUSE" not in text:
        return "the file names no reason (// Refused: …) or has no #ifdef MISUSE"
    good = compile_case(command, source)
    if good.returncode != 0:
        return f"does not compile without its offending line:\n{good.stderr}"
    bad = compile_case(command, source, "-DMISUSE")
    if bad.returncode == 0:
        return "compiles with its offending line"
    errors = "\n".join(line for line in bad.stderr.splitlines() if "error:" in line or "error :" in line)
    if not any(re.search(pattern, errors) for pattern in refused.group(1).split(" || ")):
        return f"is refused for another reason than {refused.group(1)!r}:\n{bad.stderr}"
    return None


def main(arguments):
    if len(arguments) < 3 or arguments[1] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    problem = check(arguments[0], arguments[2:])
    if problem is not None:
        print(f"{arguments[0]}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
