#!/usr/bin/env python3
"""./run without its environment: missing Debian packages, unknown commands, and how results are counted."""
import os
import pathlib
import subprocess
import unittest

from support import ROOT, CheckoutTest
import count_tests


class Packages(CheckoutTest):
    """tools/run/packages.sh beside fakes of dpkg-query, apt-get, sudo and id."""

    def setUp(self):
        super().setUp()
        self.calls = self.root / "calls"
        self.fake("dpkg-query", 'printf "there installed\\n"')
        self.fake("apt-get", f'printf "apt-get %s\\n" "$*" >>"{self.calls}"')
        self.be("0")

    def fake(self, name, body):
        path = self.write(f"bin/{name}", f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def be(self, user):
        self.fake("id", f"echo {user}")

    def ensure(self, *packages):
        script = f'source "{ROOT}/tools/run/common.sh"; source "{ROOT}/tools/run/packages.sh"; ensure_packages "$@"'
        environment = dict(os.environ, PATH=f"{self.root}/bin:/usr/bin:/bin")
        return subprocess.run(["bash", "-euo", "pipefail", "-c", script, "run", *packages], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def called(self):
        return self.calls.read_text(encoding="utf-8") if self.calls.exists() else ""

    def test_nothing_happens_when_nothing_is_missing(self):
        result = self.ensure("there")
        self.assertEqual((0, "", ""), (result.returncode, result.stderr, self.called()))

    def test_root_installs_only_what_is_missing(self):
        result = self.ensure("there", "absent")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn("installing Debian packages: absent", result.stderr)
        self.assertIn(" absent", self.called())
        self.assertNotIn("there", self.called())

    def test_package_lists_are_refreshed_after_a_failure(self):
        self.fake("apt-get", f'printf "apt-get %s\\n" "$*" >>"{self.calls}"; '
                             f'[ "$1" = update ] || [ "$(grep -c install "{self.calls}")" -gt 1 ]')
        result = self.ensure("absent")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(["install", "update", "install"], [line.split()[1] for line in self.called().splitlines()])

    def test_others_use_sudo(self):
        self.be("1000")
        self.fake("sudo", f'printf "sudo " >>"{self.calls}"; [ "$1" = -n ] || "$@"')
        result = self.ensure("absent")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn("sudo apt-get install", self.called())

    def test_without_root_or_sudo_the_command_is_printed_and_nothing_is_done(self):
        self.be("1000")
        self.fake("sudo", "exit 1")
        result = self.ensure("absent", "there")
        self.assertEqual(1, result.returncode)
        self.assertRegex(result.stderr, r"apt-get install [^\n]*--no-remove absent\n")
        self.assertEqual("", self.called())


class Commands(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([ROOT / "run", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)

    def test_help_names_every_command(self):
        result = self.run_it("help")
        self.assertEqual(0, result.returncode)
        for command in "setup build test demo bench tp fmt lint codecs rules fuzz coverage clean help".split():
            self.assertRegex(result.stdout, rf"(?m)^  {command} ")

    def test_an_unknown_command_fails(self):
        result = self.run_it("biuld")
        self.assertEqual(1, result.returncode)
        self.assertIn("biuld", result.stderr)

    def test_an_unknown_preset_fails(self):
        result = self.run_it("build", "nonesuch")
        self.assertEqual(1, result.returncode)
        self.assertIn("nonesuch", result.stderr)


class Counting(CheckoutTest):
    def count(self, *cases):
        path = self.write("results.xml", f"<testsuite>{''.join(cases)}</testsuite>")
        return count_tests.count(path)

    def test_each_outcome(self):
        self.assertEqual((2, 2, 1), self.count(
            '<testcase name="a" status="run"/>', '<testcase name="b" status="run"/>',
            '<testcase name="c" status="fail"><failure message=""/></testcase>',
            '<testcase name="d" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>',
            '<testcase name="e" status="notrun"><skipped message="Unable to find executable: x"/></testcase>'))

    def test_no_test_at_all_is_a_failure(self):
        path = self.write("results.xml", "<testsuite/>")
        self.assertEqual(1, self.exit_code(path))

    def test_no_results_are_a_failure(self):
        self.assertEqual(1, self.exit_code(pathlib.Path(self.root / "gone.xml")))

    def exit_code(self, path):
        script = ROOT / "tools/count_tests.py"
        return subprocess.run(["python3", script, path], capture_output=True, check=False).returncode


if __name__ == "__main__":
    unittest.main()
