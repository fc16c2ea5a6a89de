#!/usr/bin/env python3
"""Code in README.md and docs/guide is exactly the marked region of a file that is compiled and run."""
import pathlib
import re
import textwrap
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A block of code, and the comment before it that names the file it is taken from.
BLOCK = re.compile(r"(?:<!-- (?P<file>[\w/.]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL)
REGION = re.compile(r"^(?://|#) \[readme\]\n(.*?)^(?://|#) \[/readme\]$", re.DOTALL | re.MULTILINE)
COMPILED = {"cpp", "cmake"}


def blocks(text):
    return [match for match in BLOCK.finditer(text) if match["language"] in COMPILED]


def differences(text, root):
    for block in blocks(text):
        if block["file"] is None:
            yield f"a block of {block['language']} names no file: {block['code'].splitlines()[0]}"
            continue
        regions = REGION.findall((root / block["file"]).read_text(encoding="utf-8"))
        if regions != [block["code"]]:
            yield f"README.md shows other code than the marked region of {block['file']}"


# In the guide: <!-- examples/cpp/guide.cpp#part -->, and in that file `// [guide:part]` … `// [/guide:part]`.
GUIDE_BLOCK = re.compile(r"(?:<!-- (?P<file>[\w/.]+)#(?P<part>[\w-]+) -->\n)?```cpp\n(?P<code>.*?)```", re.DOTALL)


def guide_differences(page, text, root):
    for block in GUIDE_BLOCK.finditer(text):
        if block["file"] is None:
            yield f"{page}: a block of cpp names no part of a file: {block['code'].splitlines()[0]}"
            continue
        source = (root / block["file"]).read_text(encoding="utf-8")
        part = re.escape(block["part"])
        regions = re.findall(rf"^ *// \[guide:{part}\]\n(.*?)^ *// \[/guide:{part}\]$", source, re.DOTALL | re.MULTILINE)
        if [textwrap.dedent(region) for region in regions] != [block["code"]]:
            yield f"{page} shows other code than part {block['part']} of {block['file']}"


class Guide(unittest.TestCase):
    pages = sorted((ROOT / "docs/guide").glob("*.md"))

    def test_code_is_that_of_the_examples(self):
        self.assertTrue(self.pages)
        for page in self.pages:
            self.assertEqual([], list(guide_differences(page.name, page.read_text(encoding="utf-8"), ROOT)))

    def test_a_difference_is_found(self):
        changed = "<!-- examples/cpp/guide.cpp#told -->\n```cpp\nint x;\n```\n```cpp\nint y;\n```\n"
        self.assertEqual(2, len(list(guide_differences("page", changed, ROOT))))

    def test_every_page_is_linked(self):
        index = (ROOT / "docs/guide/README.md").read_text(encoding="utf-8")
        for page in self.pages:
            if page.name != "README.md":
                self.assertIn(f"({page.name})", index)


class Readme(unittest.TestCase):
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    def test_code_is_that_of_the_examples(self):
        self.assertEqual([], list(differences(self.text, ROOT)))

    def test_producer_and_consumer_are_shown(self):
        shown = {block["file"]: block["code"] for block in blocks(self.text)}
        for name in ("examples/cpp/producer.cpp", "examples/cpp/consumer.cpp"):
            self.assertIn(name, shown)
            self.assertLessEqual(shown[name].count("\n"), 27, f"{name}: about twenty lines")

    def test_a_difference_is_found(self):
        changed = self.text.replace("consumer.poll(", "consumer.pull(")
        self.assertEqual(["README.md shows other code than the marked region of examples/cpp/consumer.cpp"],
                         list(differences(changed, ROOT)))

    def test_code_without_a_file_is_found(self):
        self.assertEqual(1, len(list(differences("```cpp\nint x;\n```\n", ROOT))))

    def test_the_first_screen(self):
        first = "\n".join(self.text.splitlines()[:40])
        for word in ("./run demo", "./run test", "docs/images/frame.svg", "adaptive optics"):
            self.assertIn(word, first)


if __name__ == "__main__":
    unittest.main()
