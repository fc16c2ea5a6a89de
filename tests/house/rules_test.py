#!/usr/bin/env python3
"""tools/rules.py: what it collects, and that it fails where it has to."""
import unittest

from support import ROOT, CheckoutTest
import rules

CHAPTER = """# 01 — Shared memory
**SHM-1** MUST — Every integer is little-endian.
## 2 Files
- **SHM-2** MUST NOT — A file is truncated.
- **SHM-3** SHOULD — A file is small.
### 2.1 Names
- **SHM-4** MAY — A file has a name. See **SHM-1** MUST as well.
> Decision: names are free (**SHM-4**).
"""
PROVES = "Proves" ": "


class Rules(CheckoutTest):
    def setUp(self):
        super().setUp()
        self.write("docs/protocol/01-shared-memory.md", CHAPTER)
        self.finish('"all"')
        (self.root / "tests").mkdir()

    def finish(self, sections):
        self.write("docs/protocol/finished.toml", f'[finished]\n"01-shared-memory.md" = {sections}\n')

    def defer(self, *rows):
        lines = ["| rules | reason | waits for |", "|---|---|---|", *rows]
        self.write("docs/protocol/deferred.md", "\n".join(lines) + "\n")

    def prove(self, ids, name="tests/unit/shm/a_test.cpp"):
        self.write(name, f"// {PROVES}{ids}\nTEST(Layout, IsLittleEndian) {{}}\n")

    def problems(self):
        return rules.run(self.root)[2]

    def test_collects_both_forms_and_no_mention(self):
        found, _, _ = rules.run(self.root)
        self.assertEqual({"SHM-1": "MUST", "SHM-2": "MUST NOT", "SHM-3": "SHOULD", "SHM-4": "MAY"},
                         {rule.id: rule.level for rule in found.values()})
        self.assertEqual("2", found["SHM-4"].section)

    def test_a_must_in_neither_place_is_a_problem(self):
        problems = self.problems()
        self.assertEqual(2, len(problems), problems)
        self.assertIn("SHM-1 MUST is neither", problems[0])
        self.assertIn("SHM-2 MUST NOT is neither", problems[1])

    def test_proved_and_deferred_rules_are_accounted_for(self):
        self.prove("SHM-1")
        self.defer("| SHM-2 | nothing truncates yet | the recorder |")
        self.assertEqual([], self.problems())
        found, _, _ = rules.run(self.root)
        self.assertEqual(["tests/unit/shm/a_test.cpp:1 Layout.IsLittleEndian"], found["SHM-1"].proofs)

    def test_a_line_above_no_test_proves_nothing(self):
        self.write("tests/unit/shm/a_test.cpp", f"// {PROVES}SHM-1\nint helper();\n")
        problems = self.problems()
        self.assertTrue(any("stands above no test" in p for p in problems), problems)
        self.assertTrue(any("SHM-1 MUST is neither" in p for p in problems), problems)

    def test_a_fuzz_target_is_a_test(self):
        self.write("tests/fuzz/a_fuzz.cpp", f'// {PROVES}SHM-1\nextern "C" int LLVMFuzzerTestOneInput(const int* data) {{}}\n')
        found, _, _ = rules.run(self.root)
        self.assertEqual(["tests/fuzz/a_fuzz.cpp:1 LLVMFuzzerTestOneInput"], found["SHM-1"].proofs)

    def test_only_finished_sections_count(self):
        self.finish('["2"]')
        self.assertEqual(1, len(self.problems()))
        self.prove("SHM-2")
        self.assertEqual([], self.problems())

    def test_unknown_rules_in_tests_are_a_problem(self):
        self.prove("SHM-1, SHM-2, SHM-99")
        self.assertEqual(["tests/unit/shm/a_test.cpp:1: there is no rule SHM-99"], self.problems())

    def test_unknown_rules_in_deferred_are_a_problem(self):
        self.prove("SHM-1, SHM-2")
        self.defer("| SHM-98 | because | something |")
        self.assertEqual(["deferred.md:3: there is no rule SHM-98"], self.problems())

    def test_ranges_in_deferred(self):
        self.defer("| SHM-1..SHM-2 | because | something |")
        self.assertEqual([], self.problems())

    def test_deferred_needs_a_reason(self):
        self.defer("| SHM-1..SHM-2 | | something |")
        self.assertIn("a reason", self.problems()[0])

    def test_more_than_six_rules_per_test_are_a_problem(self):
        self.prove("SHM-1, SHM-2, SHM-3, SHM-4, SHM-1, SHM-2, SHM-3")
        self.assertIn("more than 6", "".join(self.problems()))

    def test_two_lines_above_one_test_count_together(self):
        four = "SHM-1, SHM-2, SHM-3, SHM-4"
        self.write("tests/a_test.cpp", f"// {PROVES}{four}\n// {PROVES}{four}\nTEST(A, B) {{}}\n")
        self.assertIn("more than 6", "".join(self.problems()))

    def test_a_line_that_cannot_be_read_is_a_problem(self):
        self.prove("SHM-1 to SHM-2")
        self.assertIn("cannot read", "".join(self.problems()))

    def test_python_and_shell_tests_count(self):
        self.write("tests/a.py", f"# {PROVES}SHM-1\ndef test_it(): pass\n")
        self.write("tests/b.sh", f"# {PROVES}SHM-2\n")
        self.assertEqual([], self.problems())

    def test_a_rule_defined_twice_is_a_problem(self):
        self.prove("SHM-1, SHM-2, SHM-9")
        self.write("docs/protocol/02-messages.md", "**SHM-9** MAY — x\n**SHM-9** MAY — y\n")
        self.assertEqual(["02-messages.md:2: SHM-9 is defined twice"], self.problems())

    def test_a_finished_section_without_rules_is_a_problem(self):
        self.prove("SHM-1, SHM-2")
        self.finish('["2", "7"]')
        self.assertIn("no rules in a section 7", "".join(self.problems()))

    def test_the_table_has_every_rule(self):
        self.prove("SHM-1")
        found, chapters, _ = rules.run(self.root)
        rules.write_table(self.root / "build/rules.md", found, chapters)
        text = (self.root / "build/rules.md").read_text(encoding="utf-8")
        self.assertEqual(4, text.count("| SHM-"))
        self.assertIn("| SHM-1 | MUST | 01 | proved | tests/unit/shm/a_test.cpp:1", text)


class TheReference(unittest.TestCase):
    def test_every_chapter_has_rules_and_the_finished_sections_exist(self):
        problems = []
        found = rules.collect_rules(ROOT / "docs/protocol", problems)
        rules.read_finished(ROOT / "docs/protocol/finished.toml", found, problems)
        self.assertEqual([], problems)
        self.assertEqual(11, len({rule.chapter for rule in found.values()}))


if __name__ == "__main__":
    unittest.main()
