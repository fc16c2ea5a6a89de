#!/usr/bin/env python3
"""Reads `llvm-cov export --summary-only` on stdin and prints line coverage by folder of src.

Fails where a folder has less than it must have. Usage: tools/coverage_table.py ROOT
"""
import collections
import json
import pathlib
import sys

LEAST_PERCENT = {"src/protocol": 90, "src/shm": 90, "src/wire": 90, "src": 80}


def by_folder(export, root):
    """Folder below root: [lines covered, lines]."""
    folders = collections.defaultdict(lambda: [0, 0])
    for file in export["data"][0]["files"]:
        try:
            path = pathlib.Path(file["filename"]).resolve().relative_to(root)
        except ValueError:
            continue
        if path.parts[0] not in ("src", "include", "apps"):
            continue
        lines = file["summary"]["lines"]
        folder = "/".join(path.parts[:2])
        for name in {folder, "src"} if path.parts[0] == "src" else {folder}:
            folders[name][0] += lines["covered"]
            folders[name][1] += lines["count"]
    return folders


def main():
    folders = by_folder(json.load(sys.stdin), pathlib.Path(sys.argv[1]).resolve())
    print(f"{'folder':<24}{'lines':>8}{'covered':>9}")
    code = 0
    for folder, (covered, count) in sorted(folders.items()):
        percent = 100 * covered / max(count, 1)
        least = LEAST_PERCENT.get(folder, 0)
        note = f"  below {least} %" if percent < least else ""
        print(f"{folder:<24}{count:>8}{percent:>8.1f}%{note}")
        code = 1 if note else code
    missing = sorted(set(LEAST_PERCENT) - set(folders))
    if missing:
        print(f"nothing was counted in {', '.join(missing)}")
    return 1 if missing else code


if __name__ == "__main__":
    sys.exit(main())
