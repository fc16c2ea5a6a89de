#!/usr/bin/env python3
"""./run without its environment: missing Debian packages, unknown commands, and how results are counted."""
import json
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


class Clean(CheckoutTest):
    """In a folder of its own: what clean removes is not ours to lose."""

    def clean(self, *arguments):
        self.write("build/a", "")
        self.write(".deps/a", "")
        script = f'root={self.root}; source "{ROOT}/tools/run/common.sh"; run_clean "$@"'
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", script, "run", *arguments], capture_output=True,
                                text=True, check=False)
        return result.returncode, (self.root / "build").exists(), (self.root / ".deps").exists()

    def test_clean_removes_the_builds(self):
        self.assertEqual((0, False, True), self.clean())

    def test_clean_all_removes_the_dependencies_too(self):
        self.assertEqual((0, False, False), self.clean("--all"))

    def test_anything_else_removes_nothing(self):
        self.assertEqual((1, True, True), self.clean("--al"))


class Commands(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([ROOT / "run", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)

    def test_help_names_every_command(self):
        result = self.run_it("help")
        self.assertEqual(0, result.returncode)
        for command in "setup build test demo driver bench tp fmt lint codecs rules fuzz coverage clean help".split():
            self.assertRegex(result.stdout, rf"(?m)^  {command} ")

    def test_an_unknown_command_fails(self):
        result = self.run_it("biuld")
        self.assertEqual(1, result.returncode)
        self.assertIn("biuld", result.stderr)

    def test_without_a_command_it_explains_itself(self):
        result = self.run_it()
        self.assertEqual((0, self.run_it("help").stdout), (result.returncode, result.stdout))

    def test_an_unknown_preset_fails_before_anything_is_done(self):
        for command in ("build", "test"):
            result = self.run_it(command, "nonesuch")
            self.assertEqual(1, result.returncode)
            self.assertRegex(result.stderr, rf"^run: there is no preset 'nonesuch' to {command}; there are: dev release ")

    def test_a_preset_without_tests_of_its_own_cannot_be_tested(self):
        for preset in ("fuzz", "tidy"):
            self.assertIn(f"no preset '{preset}' to test", self.run_it("test", preset).stderr)

    def test_a_name_in_the_place_of_the_preset_is_told_where_it_belongs(self):
        self.assertIn("./run test -R NAME", self.run_it("test", "Seqlock").stderr)

    def test_presets_are_those_of_cmake(self):
        text = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
        named = {preset["name"] for preset in text["configurePresets"] if not preset.get("hidden")}
        told = self.run_it("build", "nonesuch").stderr.split("there are: ")[1].split()
        self.assertEqual(named, set(told))
        tested = {preset["name"] for preset in text["testPresets"] if not preset.get("hidden")}
        told = self.run_it("test", "nonesuch").stderr.split("there are: ")[1].split(";")[0].split()
        self.assertEqual(tested, set(told))

    def test_an_unknown_rival_fails_before_anything_is_done(self):
        for arguments in (["--with", "zeromqq"], ["--with=socket,,zeromq"], ["--with", "socket zeromq"]):
            result = self.run_it("bench", *arguments)
            self.assertEqual(1, result.returncode)
            self.assertRegex(result.stderr, r"^run: --with '[^\n]*': there is no such rival; there are: iceoryx2 zeromq socket\n$")

    def test_arguments_that_a_command_does_not_take(self):
        for command in (["fuzz", "--second", "3"], ["fuzz", "--seconds"], ["fuzz", "--seconds", "many"]):
            result = self.run_it(*command)
            self.assertEqual(1, result.returncode, command)
            self.assertRegex(result.stderr, r"^run: ", command)


class Counting(CheckoutTest):
    def count(self, *cases):
        path = self.write("results.xml", f"<testsuite>{''.join(cases)}</testsuite>")
        return count_tests.count(count_tests.cases(path))

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

    def test_each_failure_is_shown_with_the_end_of_its_output_before_the_count(self):
        said = "\n".join(f"line {number}" for number in range(100))
        path = self.write("results.xml", "<testsuite>"
                          '<testcase name="well" status="run" time="1"><system-out>fine</system-out></testcase>'
                          f'<testcase name="torn" status="fail" time="2.25"><system-out>{said}</system-out></testcase>'
                          "</testsuite>")
        lines = self.run_script(path).stdout.splitlines()
        self.assertEqual("failed: torn after 2.2 s", lines[0])
        self.assertEqual(["    line 98", "    line 99", "1 passed, 1 failed"], lines[-3:])
        self.assertNotIn("fine", lines)

    def exit_code(self, path):
        return self.run_script(path).returncode

    def run_script(self, path):
        script = ROOT / "tools/count_tests.py"
        return subprocess.run(["python3", script, path], capture_output=True, check=False, text=True)


if __name__ == "__main__":
    unittest.main()
