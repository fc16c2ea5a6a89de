#!/usr/bin/env python3
"""Code in README.md is exactly the marked region of a file that is compiled and run."""
import pathlib
import re
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
