"""Help, and command lines that are wrong: a clear message and exit code 2."""
import subprocess
import sys
import unittest

TP = sys.argv.pop(1)


def run(*arguments):
    return subprocess.run([TP, *arguments], capture_output=True, text=True, timeout=60)


class Usage(unittest.TestCase):
    def test_help_has_examples_and_exit_codes(self):
        for command in ([], ["publish"], ["watch"], ["inspect"], ["decode"], ["subscribers"], ["bench"]):
            with self.subTest(command=command):
                result = run(*command, "--help")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(" ".join(["tp", *command]), result.stdout)
                self.assertIn("xit codes", result.stdout)
                self.assertNotIn("\x1b", result.stdout)

    def test_wrong_command_lines(self):
        cases = {
            (): "subcommand",
            ("frobnicate",): "frobnicate",
            ("publish", "--rate", "fast"): "--rate",
            ("publish", "--rate", "-1"): "--rate",
            ("publish", "--stream", "0"): "--stream",
            ("publish", "--mode", "auto"): "--mode",
            ("publish", "--media-driver", "maybe"): "--media-driver",
            ("publish", "--input", "-"): "--dtype",
            ("publish", "--input", "-", "--dtype", "u7", "--shape", "4"): "u7",
            ("publish", "--input", "-", "--dtype", "u8", "--shape", "4x"): "shape",
            ("publish", "--input", "pattern:12"): "WIDTHxHEIGHT",
            ("watch", "--format", "bmp"): "--format",
            ("watch", "--expect", "-"): "--dtype",
            ("watch", "--timeout", "-3"): "--timeout",
            ("inspect",): "target",
            ("inspect", "x", "--slots", "many"): "--slots",
            ("decode",): "files",
            ("decode", "-", "-"): "standard input",
        }
        for arguments, word in cases.items():
            with self.subTest(arguments=arguments):
                result = run(*arguments)
                self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
                self.assertIn(word, result.stdout + result.stderr)

    def test_unreadable_input_is_a_failure(self):
        result = run("publish", "--input", "/nonexistent/photos")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent/photos", result.stderr)


if __name__ == "__main__":
    unittest.main()
