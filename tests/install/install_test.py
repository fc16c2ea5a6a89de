#!/usr/bin/env python3
"""What `cmake --install` leaves is enough for an outside project, wherever the prefix is moved.

Usage: install_test.py --build FOLDER --cmake PROGRAM --cxx PROGRAM --libdir NAME
"""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PUBLIC_HEADERS = {path.name for path in (HERE.parents[1] / "include/tensorpool").glob("*.hpp")}
DEADLINE_S = 240
OPTIONS = argparse.Namespace()

# Public classes that have code of their own in the library.
CLASSES = ("Client", "Consumer", "Driver", "Error", "Frame", "FrameInfo", "FrameView", "MediaDriver", "Pending",
           "Producer", "Slot")
# tensorpool::Name…, tensorpool::name(…), and the one function that a public header calls out of line.
PUBLIC_SYMBOL = re.compile(r"(?:(?:typeinfo|typeinfo name|vtable) for )?tensorpool::(?:[A-Z]\w*|[a-z]\w*\(|detail::check_view\()")


def is_public(symbol):
    return PUBLIC_SYMBOL.match(symbol) is not None


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        folder = tempfile.TemporaryDirectory(prefix="tensorpool install ", dir=place)
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        cls.prefix = cls.root / "a prefix"
        cls.run_program(OPTIONS.cmake, "--install", OPTIONS.build, "--prefix", cls.prefix)
        cls.outside = cls.root / "an outside project"
        shutil.copytree(HERE / "outside", cls.outside)
        # The protocol's URIs know no spaces, so that regions cannot lie below a path that has one.
        regions = tempfile.TemporaryDirectory(prefix="tensorpool-install-", dir=place)
        cls.addClassCleanup(regions.cleanup)
        cls.regions = pathlib.Path(regions.name)
        cls.runs = 0

    @staticmethod
    def run_program(*command, **keywords):
        result = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=DEADLINE_S, check=False, **keywords)
        if result.returncode != 0:
            raise AssertionError(f"{command}\nexit code {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def libdir(self):
        return self.prefix / OPTIONS.libdir

    def exchange_frames(self, program, shared):
        """The program in a media driver directory of its own."""
        type(self).runs += 1
        place = self.regions / f"run-{self.runs}"
        (place / "regions").mkdir(parents=True)
        environment = dict(os.environ)
        environment.pop("LD_LIBRARY_PATH", None)
        if shared:
            environment["LD_LIBRARY_PATH"] = str(self.libdir())
        text = self.run_program(program, place / "aeron", place / "regions", env=environment)
        self.assertRegex(text, r"received \d+, wrong 0")

    def build_with_cmake(self, name, *options):
        # A fresh folder for every build: nothing of an old prefix is remembered.
        build = self.root / f"{name} build"
        environment = {key: value for key, value in os.environ.items() if not key.endswith(("_ROOT", "_DIR"))}
        self.run_program(OPTIONS.cmake, "-G", "Ninja", "-S", self.outside, "-B", build, f"-DCMAKE_CXX_COMPILER={OPTIONS.cxx}",
                         f"-DCMAKE_PREFIX_PATH={self.prefix}", *options, env=environment)
        self.run_program(OPTIONS.cmake, "--build", build)
        return build / "outside"

    def build_with_pkg_config(self, name):
        environment = dict(os.environ, PKG_CONFIG_PATH=str(self.libdir() / "pkgconfig"))
        flags = shlex.split(self.run_program("pkg-config", "--cflags", "--libs", "tensorpool", env=environment))
        program = self.root / name
        self.run_program(OPTIONS.cxx, "-std=c++20", self.outside / "main.cpp", "-o", program, *flags)
        return program

    def needed(self, file):
        return re.findall(r"\(NEEDED\).*\[(.*)\]", self.run_program("readelf", "-d", file))

    def test_1_only_public_headers(self):
        headers = {str(path.relative_to(self.prefix / "include")) for path in (self.prefix / "include").rglob("*")
                   if path.is_file()}
        self.assertEqual({f"tensorpool/{name}" for name in PUBLIC_HEADERS}, headers)

    def test_1_only_public_symbols(self):
        lines = self.run_program("nm", "-D", "--defined-only", "--demangle", self.libdir() / "libtensorpool.so").splitlines()
        symbols = [line.split(" ", 2)[2] for line in lines]
        self.assertEqual([], [symbol for symbol in symbols if not is_public(symbol)])
        for name in CLASSES:
            self.assertTrue(any(symbol.startswith((f"tensorpool::{name}::", f"tensorpool::{name}<")) for symbol in symbols),
                            f"nothing of {name} can be linked")

    def test_1_what_counts_as_public(self):
        for symbol in ("tensorpool::Client::close()", "typeinfo for tensorpool::Error", "tensorpool::name(tensorpool::Code)"):
            self.assertTrue(is_public(symbol), symbol)
        for symbol in ("aeron_init", "fmt::v9::vformat(int)", "tensorpool::shm::map(int)", "tensorpool::detail::Core::go()",
                       "std::vector<tensorpool::Error>::clear()", "vtable for tensorpool::agents::Conductor"):
            self.assertFalse(is_public(symbol), symbol)

    def test_1_the_library_names_its_version(self):
        text = self.run_program("readelf", "-d", self.libdir() / "libtensorpool.so")
        soname = re.search(r"SONAME.*\[(.*)\]", text).group(1)
        self.assertRegex(soname, r"^libtensorpool\.so\.\d+\.\d+$")
        self.assertTrue((self.libdir() / soname).exists())
        self.assertEqual([], [name for name in self.needed(self.libdir() / soname) if "aeron" in name])

    def test_1_another_minor_version_is_refused(self):
        project = self.root / "too new"
        project.mkdir()
        (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\n"
                                                "find_package(tensorpool 0.999 CONFIG REQUIRED)\n", encoding="utf-8")
        with self.assertRaisesRegex(AssertionError, "0.999"):
            self.run_program(OPTIONS.cmake, "-G", "Ninja", "-S", project, "-B", project / "build",
                             f"-DCMAKE_CXX_COMPILER={OPTIONS.cxx}", f"-DCMAKE_PREFIX_PATH={self.prefix}")

    def test_1_the_command_line_runs(self):
        self.assertIn("publish", self.run_program(self.prefix / "bin/tp", "--help"))

    def test_2_an_outside_project(self):
        shared = self.build_with_cmake("shared")
        self.assertIn("libtensorpool.so", " ".join(self.needed(shared)))
        self.exchange_frames(shared, shared=False)  # CMake's own run path
        static = self.build_with_cmake("static", "-DSTATIC=ON")
        self.assertNotIn("tensorpool", " ".join(self.needed(static)))
        self.exchange_frames(static, shared=False)
        plain = self.build_with_pkg_config("plain")
        self.exchange_frames(plain, shared=True)

    def test_3_a_prefix_that_was_moved(self):
        moved = self.root / "moved elsewhere" / "prefix"
        moved.parent.mkdir()
        self.prefix.rename(moved)
        type(self).prefix = moved
        self.exchange_frames(self.build_with_cmake("moved shared"), shared=False)
        self.exchange_frames(self.build_with_pkg_config("moved plain"), shared=True)
        # Nothing tells where the library was built or first installed.
        for path in (*(self.libdir() / "cmake").rglob("*.cmake"), *(self.libdir() / "pkgconfig").glob("*.pc")):
            text = path.read_text(encoding="utf-8")
            for place in (str(self.root), OPTIONS.build):
                self.assertNotIn(place, text, path.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--build", "--cmake", "--cxx", "--libdir"):
        parser.add_argument(option, required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
