"""The page for troubleshooting knows every public error code, and no other."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/guide/troubleshooting.md"
HEADER = ROOT / "include/tensorpool/error.hpp"


def codes(header):
    body = re.search(r"enum class Code[^{]*\{(.*?)\};", header, re.S).group(1)
    return re.findall(r"^\s*(\w+)\s*=\s*\d+,", body, re.M)


def codes_named(page):
    """Codes at the start of a cell: `code`: text, or `code`, `code`."""
    named = set()
    for line in page.splitlines():
        if line.startswith("| `"):
            cell = line.split("|")[1]
            named.update(re.findall(r"`([a-z_]+)`", cell))
    return named


class Troubleshooting(unittest.TestCase):
    def test_the_codes_are_found(self):
        found = codes(HEADER.read_text())
        self.assertGreater(len(found), 30)
        self.assertIn("too_large", found)
        self.assertEqual(codes("enum class Code : int {\n  ok = 0,\n  // gone = 1,\n  late = 2,  // x\n};"), ["ok", "late"])

    def test_every_code_has_a_row(self):
        self.assertEqual(sorted(set(codes(HEADER.read_text())) - codes_named(PAGE.read_text())), [])

    def test_no_row_names_a_code_that_is_none(self):
        self.assertEqual(sorted(codes_named(PAGE.read_text()) - set(codes(HEADER.read_text()))), [])


if __name__ == "__main__":
    unittest.main()
