#!/usr/bin/env python3
"""The report of a fixed run: well-formed, complete, and of the fixed run's numbers.

Usage: report_test.py FOLDER_OF_THE_KIT
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

KIT = pathlib.Path(sys.argv.pop(1))
FIXED = pathlib.Path(__file__).with_name("report.json")
HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"

sys.dont_write_bytecode = True
sys.path.insert(0, str(KIT))
import report as kit_report  # noqa: E402
import report_aims  # noqa: E402
import report_svg  # noqa: E402


def fixed():
    return json.loads(FIXED.read_text())


def text_of(element):
    return " ".join("".join(element.itertext()).split())


class Page(unittest.TestCase):
    def setUp(self):
        source = kit_report.html(fixed())
        self.page = ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>"))
        self.text = text_of(self.page)

    def section(self, name):
        """Everything from the heading of a workload to the next one."""
        found, inside = [], False
        for element in self.page.find(f".//{HTML}main"):
            if element.tag == HTML + "h2":
                inside = element.get("id") == name
            elif inside:
                found.append(element)
        return found

    def test_needs_no_other_file(self):
        for element in self.page.iter():
            self.assertNotIn(element.tag, (HTML + "script", HTML + "img", HTML + "link"))
            self.assertFalse((element.get("href") or "#").startswith("http"))

    def test_every_workload_has_a_plot_and_a_row_for_each_subject(self):
        for part in fixed()["workloads"]:
            elements = self.section(part["name"])
            rows = [text_of(row.find(f"{HTML}td")) for element in elements for row in element.iter(HTML + "tr")
                    if row.find(f"{HTML}td") is not None]
            self.assertEqual(rows, [row["label"] for row in part["rows"]])
            self.assertTrue(any(True for element in elements for _ in element.iter(SVG + "svg")), part["name"])

    def test_bound_without_payload_is_in_the_plot_of_each_size(self):
        lines = [title.text for element in self.section("closed-loop") for title in element.iter(SVG + "title")]
        self.assertEqual(lines, ["tensorpool", "ring", "aeron"])

    def test_shows_numbers_spread_and_quotients(self):
        rows = text_of(self.section("closed-loop")[-1])
        self.assertIn("181 ns180 ns … 182 ns1.2 × aeron", rows)

    def test_says_what_is_noisy(self):
        tags = [text_of(tag) for element in self.section("closed-loop") for tag in element.iter(HTML + "span")
                if tag.get("class") == "tag"]
        self.assertEqual(tags, ["noisy"] * 4)  # three figures and one quotient

    def test_hides_no_frame(self):
        self.assertIn("2,000 sent3 overwritten4 lost", text_of(self.section("copy-in")[-1]))

    def test_says_what_was_not_measured_and_what_failed(self):
        missing = text_of(self.section("missing")[0])
        self.assertIn("zeromqnot built: ./run bench --with zeromq", missing)
        self.assertIn("failed: round 1: broke <badly>", missing)

    def test_shows_environment_advice_and_subjects(self):
        for what in ("A <fast> CPU & more", "powersave", "cpupower", "aeron 1.54.0", "direct mode", "not said"):
            self.assertIn(what, self.text)

    def test_the_top_leads_to_every_section(self):
        links = [link.get("href") for link in self.page.find(f".//{HTML}nav")]
        self.assertEqual(links, ["#" + heading.get("id") for heading in self.page.iter(HTML + "h2")])
        self.assertTrue({"#glance", "#aims", "#instructions", "#advice", "#subjects"} <= set(links), links)

    def test_a_quick_run_warns(self):
        quick = {**fixed(), "quick": True}
        self.assertNotIn("mean nothing", self.text)
        self.assertIn("mean nothing", kit_report.html(quick))

    def test_says_when_nothing_was_pinned(self):
        self.assertIn("senders on CPU 0, readers on CPU 1", self.text)
        self.assertIn("not pinned", kit_report.html({**fixed(), "pinned_to": [-1, -1]}))

    def test_what_takes_worth_from_all_numbers_stands_on_top(self):
        for change, text in (({"pinned_to": [-1, -1]}, "Nothing was pinned"), ({"pinned_to": [0, 0]}, "One CPU"),
                             ({"line_ns": {"alike": False, "low": 50, "high": 200, "measurements_moved": 3}}, "The CPUs moved")):
            self.assertNotIn(text, self.text)
            page = ElementTree.fromstring(kit_report.html({**fixed(), **change}).removeprefix("<!DOCTYPE html>"))
            on_top = [text_of(found) for found in page.iter(HTML + "p") if found.get("class") == "warning"]
            self.assertTrue(any(text in found for found in on_top), on_top)

    def test_at_a_glance_ours_stands_first_and_others_beside_it(self):
        titles, labels = [], []
        for plot in self.section("glance")[-1]:
            texts = [text_of(text) for text in plot.iter(SVG + "text")]
            titles.append(texts[0])
            labels.append(texts[1::2])
        self.assertEqual(titles[0], "One way, 64 KiB untouched: median (less is better)")
        self.assertEqual(labels[0], ["tensorpool", "ring", "aeron"])
        self.assertIn("136 ns, 0.75 × ours", text_of(self.section("glance")[-1]))

    def test_remarks_and_wrong_bytes_show(self):
        changed = fixed()
        changed["workloads"][0]["rows"][0]["remark"] = "a stranger <holds> it up"
        changed["workloads"][0]["rows"][0]["books"]["wrong"] = 7
        page = text_of(ElementTree.fromstring(kit_report.html(changed).removeprefix("<!DOCTYPE html>")))
        self.assertIn("a stranger <holds> it up", page)
        self.assertIn("7 wrong", page)

    def test_without_any_workload(self):
        empty = {**fixed(), "workloads": [], "not_measured": []}
        empty.pop("instructions")
        ElementTree.fromstring(kit_report.html(empty).removeprefix("<!DOCTYPE html>"))


class Aims(unittest.TestCase):
    def setUp(self):
        self.aims = {aim["what"]: aim for aim in report_aims.aims(fixed())}

    def verdict(self, what):
        return next(aim["verdict"] for name, aim in self.aims.items() if name.startswith(what))

    def test_only_those_that_were_measured(self):
        self.assertFalse([what for what in self.aims if "8 MiB" in what or "iceoryx2" in what or "wake-up" in what])

    def test_what_cannot_be_compared_has_no_answer(self):
        moved = fixed()
        for part in moved["workloads"]:
            for row in part["rows"]:
                row["line_ns"] = [None] * len(row["figures"][0]["rounds"])
        verdicts = {aim["what"]: aim for aim in report_aims.aims(moved)}
        aim = verdicts["one-way median, 64 KiB, of raw Aeron's"]
        self.assertIn("no answer", aim["verdict"])
        self.assertFalse(aim["met"])
        self.assertEqual(verdicts["idle process with a waiting consumer"]["verdict"], "met, not in all rounds")

    def test_met_missed_and_both(self):
        self.assertEqual(self.verdict("one-way median, 64 KiB, of raw Aeron"), "met")
        self.assertEqual(self.verdict("instructions per frame, producer"), "met")
        self.assertEqual(self.verdict("instructions per frame, consumer, limit 10"), "not met")
        self.assertEqual(self.verdict("instructions per frame, added by wake_waiters when nobody waits"), "not met")
        self.assertEqual(self.verdict("copy-in, 64 KiB"), "met")
        self.assertEqual(self.verdict("idle process"), "met, not in all rounds")


class Plots(unittest.TestCase):
    def points(self, svg):
        return [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
                for line in ElementTree.fromstring(svg).iter(SVG + "polyline")]

    def test_percentiles_rise_to_the_right_and_stay_inside(self):
        rows = [("ours", "tensorpool", [[0, 100], [50, 200], [99, 4e3], [99.999, 5e6], [100, 6e6]])]
        (line,) = self.points(report_svg.percentiles("t", rows))
        self.assertEqual(len(line), 4)  # 100 % has no place on the axis
        self.assertEqual([x for x, _ in line], sorted(x for x, _ in line))
        self.assertEqual([y for _, y in line], sorted((y for _, y in line), reverse=True))
        for x, y in line:
            self.assertTrue(0 <= x <= report_svg.WIDTH and 0 <= y <= report_svg.HEIGHT)

    def test_nothing_to_draw(self):
        self.assertEqual(report_svg.percentiles("t", [("ours", "tensorpool", [])]), "")
        self.assertEqual(report_svg.bars("t", [], "ns"), "")
        ElementTree.fromstring(report_svg.bars("t", [("a", "ring", 0, 0, 0, "")], "x"))

    def test_names_at_the_ends_do_not_overlap(self):
        places = report_svg.spread_labels([100, 101, 102, 30], 20, 110)
        heights = sorted(places.values())
        self.assertTrue(all(b - a >= 14 for a, b in zip(heights, heights[1:])), heights)
        self.assertLessEqual(max(heights), 110)

    def test_texts(self):
        for value, text in ((0.5, "0.5 ns"), (999, "999 ns"), (1234, "1.23 us"), (2e9, "2 s")):
            self.assertEqual(report_svg.time_text(value), text)
        for value, text in ((0, "0"), (0.0123, "0.0123"), (12345.6, "12,346"), (100, "100")):
            self.assertEqual(report_svg.round_text(value), text)


class Program(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([sys.executable, "-B", KIT / "report.py", *arguments], capture_output=True, text=True,
                              check=False)

    def test_page_lies_beside_the_json(self):
        with tempfile.TemporaryDirectory() as name:
            copy = pathlib.Path(name, "report.json")
            copy.write_text(FIXED.read_text())
            done = self.run_it(copy)
            self.assertEqual(done.stdout.strip(), str(copy.with_name("report.html")))
            self.assertTrue(copy.with_name("report.html").exists())

    def test_readme(self):
        with tempfile.TemporaryDirectory() as name:
            plot = pathlib.Path(name, "plot.svg")
            done = self.run_it("--readme", plot, FIXED)
            self.assertEqual(done.returncode, 0, done.stderr)
            root = ElementTree.fromstring(plot.read_text())
            self.assertEqual(len(list(root.iter(SVG + "polyline"))), 3)
            self.assertIn("prefers-color-scheme", plot.read_text())
        lines = done.stdout.splitlines()
        self.assertEqual(len({line.count("|") for line in lines}), 1)
        self.assertRegex(done.stdout, re.compile(r"^\| \*\*tensorpool\*\* \| 181 ns / 480 ns \(noisy\) / 1.09 us \| 62 MiB/s", re.M))
        self.assertRegex(done.stdout, re.compile(r"^\| bound: raw Aeron, 48 bytes \| 151 ns", re.M))

    def test_a_quick_run_does_not_get_into_the_readme(self):
        with tempfile.TemporaryDirectory() as name:
            quick = pathlib.Path(name, "report.json")
            quick.write_text(json.dumps({**fixed(), "quick": True}))
            plot = pathlib.Path(name, "plot.svg")
            done = self.run_it("--readme", plot, quick)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is of a quick run", done.stderr)
            self.assertFalse(plot.exists())

    def test_bad_files(self):
        with tempfile.TemporaryDirectory() as name:
            for text in ("", "{", "[]", '{"rounds": 1}'):
                file = pathlib.Path(name, "report.json")
                file.write_text(text)
                done = self.run_it(file)
                self.assertEqual(done.returncode, 1)
                self.assertIn("is no report of the kit", done.stderr)
                self.assertNotIn("Traceback", done.stderr)
            done = self.run_it(pathlib.Path(name, "nothing.json"))
            self.assertIn("No such file", done.stderr)


if __name__ == "__main__":
    unittest.main()
