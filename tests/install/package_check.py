#!/usr/bin/env python3
"""Debian packages as ./run package made them: what they say, what they hold, and that it runs unpacked.

Usage: package_check.py FOLDER_OF_DEBS

Unpacked with dpkg -x into an empty folder; nothing is installed on this machine, and the maintainer scripts
(ldconfig) do not run. The libraries that they depend on come from this machine.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

FOLDER = pathlib.Path()
DEADLINE_S = 60


def run(*command, **keywords):
    result = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=DEADLINE_S, check=False, **keywords)
    if result.returncode != 0:
        raise AssertionError(f"{command}\nexit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="tensorpool package ")
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        cls.debs = {run("dpkg-deb", "--field", deb, "Package").strip(): deb for deb in sorted(FOLDER.glob("*.deb"))}
        for deb in cls.debs.values():
            run("dpkg-deb", "--extract", deb, cls.root)
        cls.library = next(name for name in cls.debs if re.fullmatch(r"libtensorpool[\d.]+", name))

    def field(self, package, name):
        return run("dpkg-deb", "--field", self.debs[package], name).strip()

    def test_three_packages(self):
        self.assertEqual({self.library, "libtensorpool-dev", "tensorpool-tools"}, set(self.debs))
        for package in self.debs:
            for name in ("Version", "Architecture", "Maintainer", "Description", "Section"):
                self.assertTrue(self.field(package, name), f"{package} has no {name}")

    def test_the_library_is_named_as_its_package(self):
        dynamic = run("readelf", "-d", next((self.root / "usr/lib").glob("libtensorpool.so.*.*.*")))
        soname = re.search(r"SONAME.*\[libtensorpool\.so\.(.*)\]", dynamic).group(1)
        self.assertEqual(f"libtensorpool{soname}", self.library)
        control = self.root / "control"
        run("dpkg-deb", "--control", self.debs[self.library], control)
        self.assertIn(f"libtensorpool {soname} {self.library}", (control / "shlibs").read_text(encoding="utf-8"))
        self.assertIn("ldconfig", (control / "postinst").read_text(encoding="utf-8"))

    def test_dependencies(self):
        for package in (self.library, "tensorpool-tools"):
            depends = self.field(package, "Depends")
            for name in ("libc6 (>= ", "libstdc++6 (>= ", "libfmt", "libbsd0", "libuuid1"):
                self.assertIn(name, depends, package)
        self.assertIn("libpng16-16", self.field("tensorpool-tools", "Depends"))
        self.assertIn(f"{self.library} (= ", self.field("libtensorpool-dev", "Depends"))
        self.assertIn("libexpected-dev", self.field("libtensorpool-dev", "Depends"))

    def test_files_are_where_debian_looks(self):
        for name in ("bin/tp", "bin/tp_demo", "bin/tp_driver", "lib/systemd/system/tensorpool-driver.service",
                     "lib/libtensorpool.so", "lib/libtensorpool.a", "include/tensorpool/tensorpool.hpp",
                     "lib/cmake/tensorpool/tensorpool-config.cmake", "lib/pkgconfig/tensorpool.pc"):
            self.assertTrue((self.root / "usr" / name).exists(), name)
        files = run("dpkg-deb", "--contents", self.debs[self.library])
        self.assertNotIn("libtensorpool.so ->", files)  # that name is for building

    def test_the_command_line_runs(self):
        environment = dict(os.environ, LD_LIBRARY_PATH=str(self.root / "usr/lib"))
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tp-package-") as place:
            text = run(self.root / "usr/bin/tp", "publish", "--count", "5", "--rate", "0", "--aeron-dir", f"{place}/aeron",
                       "--base-dir", place, "--mode", "direct", "--json", env=environment)
        self.assertIn('"balanced":true', text)

    def test_the_demo_finds_the_driver(self):
        environment = dict(os.environ, LD_LIBRARY_PATH=str(self.root / "usr/lib"))
        text = run(self.root / "usr/bin/tp_demo", "--seconds", "2", "--json", env=environment)
        self.assertIn('"ok":true', text.splitlines()[-1])

    def test_the_library_loads(self):
        library = next((self.root / "usr/lib").glob("libtensorpool.so.*.*.*"))
        run(sys.executable, "-c", "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], os.RTLD_NOW)", library)


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
