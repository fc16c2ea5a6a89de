#!/usr/bin/env python3
"""Fails on a relative link in a Markdown file that leads nowhere.

Usage: tools/house/links.py [ROOT]. Prints one line per finding; exit code 1 when there is one.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from house import sources  # noqa: E402

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|(?:src|href)=\"([^\"]+)\"")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    seen = {}
    for heading in HEADING.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = seen.get(anchor, 0)
        seen[anchor] = number + 1
        yield anchor if number == 0 else f"{anchor}-{number}"


def check(root):
    root = pathlib.Path(root)
    for name in sources.own_files(root, ".md"):
        text = sources.read(root, name)
        code_free = CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
        for match in LINK.finditer(code_free):
            target = match.group(1) or match.group(2)
            if re.match(r"[a-z]+:", target):
                continue
            line = code_free.count("\n", 0, match.start()) + 1
            path, _, anchor = target.partition("#")
            page = (root / name).parent / path if path else root / name
            if not page.exists():
                yield f"{name}:{line}: {target} leads nowhere"
            elif anchor and page.suffix == ".md" and anchor not in set(anchors(page.read_text(encoding="utf-8"))):
                yield f"{name}:{line}: {target}: the page has no such heading"


if __name__ == "__main__":
    base = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    findings = list(check(base))
    print("\n".join(findings) if findings else "links: every relative link leads somewhere")
    sys.exit(1 if findings else 0)
