#!/usr/bin/env python3
"""Reads `llvm-cov export --summary-only` on stdin and prints line coverage by folder of src.

Usage: tools/coverage_table.py ROOT
"""
import collections
import json
import pathlib
import sys


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
        folders[folder][0] += lines["covered"]
        folders[folder][1] += lines["count"]
    return folders


def main():
    folders = by_folder(json.load(sys.stdin), pathlib.Path(sys.argv[1]).resolve())
    print(f"{'folder':<24}{'lines':>8}{'covered':>9}")
    total = [0, 0]
    for folder, (covered, count) in sorted(folders.items()):
        total[0] += covered
        total[1] += count
        print(f"{folder:<24}{count:>8}{100 * covered / max(count, 1):>8.1f}%")
    print(f"{'together':<24}{total[1]:>8}{100 * total[0] / max(total[1], 1):>8.1f}%")
    return 0 if total[1] else 1


if __name__ == "__main__":
    sys.exit(main())
