"""tp_driver --check, --print, --version and wrong input: every refusal names place, key, value and rule."""
import os
import pathlib
import re
import unittest

from driver_program import SMALL, Case

REFERENCE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def keys_of_the_reference():
    """(Path, type, variable) of every key that has a variable. A test of the library compares the page with its keys."""
    keys, table = [], ""
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            table = line.strip("#` []").replace("<name>", "s" if "streams" in line else "p")
        elif line.startswith("| `"):
            name, kind, _, _, variables = [cell.strip() for cell in line.split("|")[1:6]]
            found = re.search(r"`([A-Z_<>]+)`", variables)
            if found:
                letter = "S" if table.startswith("streams") else "P"
                keys.append((f"{table}.{name.strip('`')}", kind, found[1].replace("<NAME>", letter)))
    return keys


class CommandLine(Case):
    def test_help_and_version(self):
        help_text = self.run_driver("--help")
        self.assertEqual(help_text.returncode, 0)
        for word in ("--check", "--print", "--log", "Exit codes", "3 invalid configuration"):
            self.assertIn(word, help_text.stdout)
        version = self.run_driver("--version")
        self.assertEqual((version.returncode, version.stderr), (0, ""))
        self.assertRegex(version.stdout, r"^tp_driver \d+\.\d+\.\d+\n$")

    def test_wrong_command_lines(self):
        for arguments, word in ((("--chek",), "--chek"), (("a.toml", "b.toml"), "b.toml"),
                                (("--log", "xml"), "xml"), (("--check", "--print"), "--check"), (("--log",), "--log")):
            with self.subTest(arguments=arguments):
                result = self.run_driver(*arguments)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(word, result.stderr)
                self.assertEqual(result.stdout, "")


class Valid(Case):
    def test_without_a_file(self):
        result = self.run_driver("--check")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, "built-in defaults: the configuration is valid\n")
        printed = self.run_driver("--print").stdout
        for line in ('stream_id_range = "10000-19999"  # built-in defaults:2', "allow_dynamic_streams = true  #",
                     f'base_dir = "{self.base}"  # environment variable SHM_BASE_DIR', "header_nslots = 32  #",
                     "stride_bytes = 65536  #", "stride_bytes = 1048576  #", "stride_bytes = 8388608  #"):
            self.assertIn(line, printed)

    # Proves: CFG-11, CFG-99
    def test_a_file_and_variables(self):
        path = self.file(SMALL + '[driver]\ncontrol_stream_id = 5\ninstance_id = "from the file"\n')
        result = self.run_driver("--print", path, DRIVER_CONTROL_STREAM_ID="6")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("control_stream_id = 6  # environment variable DRIVER_CONTROL_STREAM_ID\n", result.stdout)
        self.assertIn(f'instance_id = "from the file"  # {path}:9\n', result.stdout)
        self.assertEqual(self.run_driver("--check", path).returncode, 0)
        # What is printed is a configuration that says the same.
        again = self.run_driver("--print", self.file(result.stdout, "again.toml"))
        self.assertEqual([line.split("  #")[0] for line in again.stdout.splitlines()],
                         [line.split("  #")[0] for line in result.stdout.splitlines()])

    # Proves: DRV-103
    def test_interval_and_grace_can_be_looked_up(self):
        result = self.run_driver("--print", self.file(SMALL + "[policies]\nlease_keepalive_interval_ms = 250\n"))
        self.assertIn("lease_keepalive_interval_ms = 250  # ", result.stdout)
        self.assertIn("lease_expiry_grace_intervals = 3  # default\n", result.stdout)

    # Proves: CFG-53, DRV-204
    def test_a_secret_is_never_shown(self):
        for variables, text in (({}, '[policies]\nshutdown_token = "hush-hush"\n'),
                                ({"POLICIES_SHUTDOWN_TOKEN": "hush-hush"}, ""),
                                ({"POLICIES_SHUTDOWN_TOKEN": "hush-hush" * 200}, ""),
                                ({}, '[policies]\nshutdown_token = ["hush-hush"]\n')):
            path = self.file(SMALL + text)
            for flag in ("--print", "--check"):
                result = self.run_driver(flag, path, **variables)
                self.assertNotIn("hush", result.stdout + result.stderr)
        self.assertIn("# shutdown_token is set and hidden",
                      self.run_driver("--print", self.file(SMALL), POLICIES_SHUTDOWN_TOKEN="x").stdout)

    # Proves: CFG-6, CFG-7
    def test_what_is_only_a_warning(self):
        path = self.file(SMALL + "[driver]\ncontrol_steam_id = 1\n[recorder]\nx = 1\n[supervisor]\n[discovery]\n"
                         "[policies]\nreuse_existing_shm = true\n")
        for flag in ("--check", "--print"):
            result = self.run_driver(flag, path)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"tp_driver: warning: {path}:8: driver.control_steam_id: unknown key, ignored; did you mean "
                          "control_stream_id?", result.stderr)
            for table in ("supervisor", "discovery"):
                self.assertIn(f"warning: [{table}]: this version of the driver has none embedded; the table is ignored",
                              result.stderr)
            self.assertIn("policies.reuse_existing_shm = true: has no effect", result.stderr)
            self.assertNotIn("recorder", result.stderr)


class Invalid(Case):
    def refused(self, path, *parts, **variables):
        """With every way of starting, and without leaving a trace."""
        for arguments in ((path,), ("--check", path)):
            result = self.run_driver(*arguments, **variables)
            self.assertEqual(result.returncode, 3, result.stdout + result.stderr)
            self.assertEqual(result.stdout, "")
            for part in parts:
                self.assertIn(part, result.stderr)
            for line in result.stderr.splitlines():
                self.assertTrue(line.startswith("tp_driver: "), line)
        self.assertEqual(os.listdir(self.base), [])
        self.assertFalse(os.path.exists(self.aeron))

    # Proves: CFG-94, CFG-95, CFG-96, CFG-97, CFG-98
    def test_values(self):
        path = self.file(SMALL + '[driver]\ninstance_id = ""\nqos_stream_id = "5"\n')
        self.refused(path, f'{path}:8: driver.instance_id = "": must be 1 to 128 bytes',
                     f'{path}:9: driver.qos_stream_id = "5": must be an integer')
        self.refused(path, "environment variable POLICIES_MAX_LEASES", 'policies.max_leases = "many": must be',
                     POLICIES_MAX_LEASES="many")
        self.refused(self.file(SMALL), "environment variable POLICIES_PREFAULT_SHM", "must be true or false",
                     POLICIES_PREFAULT_SHM="1")

    # Proves: CFG-94, CFG-95, CFG-105, CFG-117
    def test_every_key(self):
        wrong = {"channel": "udp", "bool": "1", "mode string": "666", "array of string": "/dev/shm,relative"}
        wrong_strings = {"driver.instance_id": "", "driver.aeron_dir": "relative", "driver.embedded_media_driver": "maybe",
                         "shm.base_dir": "relative", "shm.namespace": "a b", "policies.default_profile": "q",
                         "policies.announce_clock_domain": "sundial", "policies.shutdown_token": "x" * 1025,
                         "streams.s.profile": "q"}
        path = self.file(SMALL)
        keys = keys_of_the_reference()
        self.assertGreater(len(keys), 38)
        for key, kind, variable in keys:
            with self.subTest(key=key):
                value = wrong_strings[key] if kind == "string" else wrong.get(kind, "x")
                for arguments in (("--check", path), (path,)):  # a value that is taken starts nothing here
                    result = self.run_driver(*arguments, **{variable: value})
                    self.assertEqual(result.returncode, 3, result.stderr)
                    self.assertIn(f"environment variable {variable}: {key}", result.stderr)
                self.assertEqual(os.listdir(self.base), [])
                self.assertFalse(os.path.exists(self.aeron))

    # Proves: CFG-101, CFG-102
    def test_files(self):
        path = self.folder + "/driver.toml"
        self.refused(path, path, "No such file")
        self.refused(self.folder, self.folder, "Is a directory")
        if os.geteuid() != 0:
            os.chmod(self.file(SMALL), 0)
            self.refused(path, path, "Permission denied")
            os.unlink(path)
        for content, line, reason in ((b"[driver]\nx =\n", 2, "not TOML"), (b"a = 1\n\n# \xff\n", 3, "no UTF-8"),
                                      (b"\xef\xbb\xbfa = 1\n", 1, "byte order mark"), (b"a = 1\nb = \0\n", 2, "a NUL byte"),
                                      ("a = 1\nb = ¡\n".encode(), 2, "U+00A1 outside"), (b"\na = " + b"[" * 99, 2, "deeper"),
                                      (b"a = 1979-05-27 0\n", 1, "not TOML"), (b"[=]\n", 1, "not TOML")):
            self.refused(self.file(content), f"{path}:{line}: ", reason)
        self.refused(self.file(b"#" * (4 << 20) + b"\n"), path, "more than 4194304 bytes")
        self.refused("/dev/zero", "/dev/zero", "more than 4194304 bytes")
        # Nothing of a file reaches a terminal as it is.
        self.refused(self.file('shm.namespace = "\\u001B[2J"\n' + SMALL), "\\x1b[2J")

    # Nothing listens before all is checked: there is no media driver and no directory yet.
    # Proves: CFG-36, CFG-40, DRV-192
    def test_directories(self):
        path = self.file(SMALL)
        self.refused(path, "environment variable SHM_BASE_DIR", f'shm.base_dir = "{self.folder}/none"',
                     "must be an existing directory", SHM_BASE_DIR=self.folder + "/none")
        self.refused(path, "must be an existing directory", SHM_BASE_DIR=path)
        other = self.folder + "/other"
        os.mkdir(other)
        self.refused(path, "must be, or lie in, a directory of shm.allowed_base_dirs", SHM_ALLOWED_BASE_DIRS=other)
        spaces = self.folder + "/a b"
        os.mkdir(spaces)
        self.refused(path, "must have no spaces", SHM_BASE_DIR=spaces)

    def test_room(self):
        large = SMALL.replace("8\n", "16777216\n", 1).replace("4096", "4294967232")
        self.refused(self.file(large), f'shm.base_dir = "{self.base}"', "in all, and one epoch of each of the 1 configured "
                     "streams need 65536.0 TiB", "--shm-size=", "emptyDir", "mount -o remount")

    def test_log_level(self):
        for arguments in (("--check", self.file(SMALL)), (self.file(SMALL),)):
            result = self.run_driver(*arguments, TP_LOG_LEVEL="loud")
            self.assertEqual(result.returncode, 3)
            self.assertIn('TP_LOG_LEVEL = "loud": must be 0, 1, 2, 3 or 4', result.stderr)
        self.assertEqual(os.listdir(self.base), [])


if __name__ == "__main__":
    unittest.main()
