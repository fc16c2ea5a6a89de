#!/usr/bin/env python3
"""Makes the report of a run of the kit from its report.json, as often as one likes.

Usage: report.py FOLDER/report.json             writes FOLDER/report.html: one file that needs no other
       report.py --readme PLOT.svg report.json  writes a plot, and prints a table in Markdown
"""
import argparse
import json
import math
import pathlib
import re
import sys
from html import escape

from report_aims import aims, figure_of, row_of
from report_svg import PLOT_CSS, bars, colour_css, percentiles, round_text, time_text, value_text

CSS = """
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0}
main{max-width:1080px;margin:0 auto;padding:24px 20px 80px}
h1{font-size:26px;margin:8px 0 4px}h2{font-size:19px;margin:44px 0 6px;padding-top:10px;border-top:1px solid var(--line)}
p{max-width:80ch}p.about,.soft{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:12px 0;font-size:13px}
th,td{padding:5px 12px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft);white-space:nowrap}td.number{white-space:nowrap;font-variant-numeric:tabular-nums}
td .soft{font-size:12px}tr.ours td:first-child{font-weight:600}
.tag{display:inline-block;padding:0 6px;border-radius:8px;font-size:11px;border:1px solid var(--line);color:var(--soft)}
.odd,.unsure{color:#9a6700}.unsure{border-color:#9a6700}.bad{color:#b42318;border-color:#b42318}.good{color:#18794e;border-color:#18794e}
@media (prefers-color-scheme:dark){.odd,.unsure{color:#d9a441}.unsure{border-color:#d9a441}.bad{color:#ff9b8f;border-color:#ff9b8f}.good{color:#6fd3a2;border-color:#6fd3a2}}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:14px}
.plots svg{width:100%;max-width:760px;height:auto;background:var(--shade);border-radius:8px}
nav a{margin-right:14px;white-space:nowrap}a{color:var(--tensorpool)}
.warning{border-left:4px solid #b42318;padding:6px 14px;background:var(--shade)}
"""

# What a reader wants to know first: (title, workload, payload bytes or None, figure, which way is better).
FEW = [
    ("One way, 64 KiB untouched: median", "closed-loop", 64 << 10, "p50", "less"),
    ("One way, 64 KiB untouched: p99.9", "closed-loop", 64 << 10, "p99.9", "less"),
    ("Copied in, read in full, 640 KiB", "copy-in", 640 << 10, "bytes", "more"),
    ("Filled in place, read in full, 4 KiB", "in-place", 4 << 10, "rate", "more"),
    ("Waking a sleeping reader: median", "wake-up", None, "p50", "less"),
    ("CPU time of a process that waits", "idle-cpu", None, "reader's process", "less"),
]
LONGEST = 6  # times ours: bars are cut off there, so that one that is very long leaves something to see of the others
KINDS = {"ours": 0, "bound": 1, "rival": 2}  # the order of rows
# In the README, where nobody explains them.
NAMES = {"ring": "bound: bare shared-memory ring", "aeron": "bound: raw Aeron, 48 bytes", "futex": "bound: bare futex",
         "memcpy": "bound: memcpy, one CPU", "socket": "Unix socket + shared memory", "zeromq": "ZeroMQ over ipc"}

METHOD = """Every subject runs the same workload behind the same virtual calls, in processes of its own that are
pinned where that is allowed. Rounds are interleaved (A B C, A B C, …), each begins anew with fresh processes and
memory, and warms up first. A figure is the median over rounds with the lowest and highest round; times of all rounds
together make the plots and the .hgrm files. A quotient is made round by round. "noisy" beside a figure: the middle half of
its rounds lies further apart than 10 % of the median (50 % for tails and other figures of few samples), so do not quote
it. "noisy" beside a quotient: the middle half of the rounds lies on both sides of 1, so this run cannot tell the two
apart. With fewer than four rounds all of them count instead of the middle half. Beside every round the time of one
cache line from one CPU to the other is measured; rounds in which it differs by half or more are not compared, because
the CPUs were moved (virtual machines)."""


def figure_cell(row, figure):
    """Median, spread, and how it stands to others."""
    unit = figure["unit"]
    text = f"{value_text(figure['median'], unit)}"
    if len(figure["rounds"]) > 1:
        low, high = (value_text(figure[key], unit) for key in ("low", "high"))
        text += f'<br/><span class="soft">{escape(low)} … {escape(high)}</span>'
    if figure["noisy"]:
        text += ' <span class="tag">noisy</span>'
    for reference, compared in row["compared"].items():
        for one in compared:
            if one["name"] != figure["name"]:
                continue
            mark = ' <span class="tag">noisy</span>' if one["verdict"] == "noisy" else ""
            text += f'<br/><span class="soft">{round_text(one["median"])} × {escape(reference)}</span>{mark}'
    return f'<td class="number">{text}</td>'


def books_cell(books):
    """What became of the frames; whatever was not delivered is named."""
    if not books["sent"]:
        return "<td></td>"
    text = f"{books['sent']:,} sent"
    for name, count in books.items():
        if name not in ("sent", "delivered") and count:
            text += f'<br/><span class="{"bad" if name == "wrong" else "odd"}">{count:,} {escape(name)}</span>'
    return f'<td class="number soft">{text}</td>'


def table(part):
    names = list(dict.fromkeys(figure["name"] for row in part["rows"] for figure in row["figures"]))
    lines = ["<tr><th></th>" + "".join(f"<th>{escape(name)}</th>" for name in names) + "<th>frames</th></tr>"]
    for row in part["rows"]:
        cells = ""
        for name in names:
            figure = figure_of(row, name)
            cells += figure_cell(row, figure) if figure else "<td></td>"
        said = f'<br/><span class="odd">{escape(row["remark"])}</span>' if row.get("remark") else ""
        lines.append(f'<tr class="{row["kind"]}"><td>{escape(row["label"])}{said}</td>{cells}{books_cell(row["books"])}</tr>')
    return '<div class="wide"><table>' + "".join(lines) + "</table></div>"


def groups(part):
    """Rows that belong into one plot: the same size, rate and numbers; a bound without payload is in each size."""
    def key(row):
        return (row["frame_bytes"], row["rate_hz"], row["receivers"], row["links"])

    found = {}
    for row in part["rows"]:
        found.setdefault(key(row), []).append(row)
    sized = {place: rows for place, rows in found.items() if place[0]}
    for place, rows in found.items():
        for other, members in sized.items():
            if not place[0] and other[1:] == place[1:]:
                members.extend(rows)
    return list((sized or found).values())


def group_title(rows):
    """The label of a row without its subject and its variant."""
    first = next((row for row in rows if row["frame_bytes"]), rows[0])
    text = first["label"].removeprefix(first["subject"]).removesuffix(first["variant"])
    return text.strip(", ") or "all sizes"


def short(row):
    return row["subject"] + (", " + row["variant"] if row["variant"] else "")


def plots(part):
    found = []
    for rows in groups(part):
        title = group_title(rows)
        timed = [(short(row), row["subject"], row["percentiles_ns"]) for row in rows if "percentiles_ns" in row]
        if timed:
            found.append(percentiles(title, timed))
            continue
        first = rows[0]["figures"][0]
        drawn = [(short(row), row["subject"], figure["median"], figure["low"], figure["high"], noisy_text(figure))
                 for row in rows if (figure := figure_of(row, first["name"]))]
        found.append(bars(f"{title}: {first['name']}", drawn, first["unit"]))
    return '<div class="plots">' + "".join(found) + "</div>"


def times_text(quotient):
    return (f"{quotient:.2f}" if quotient < 10 else f"{quotient:,.0f}") + " ×"


def noisy_text(figure):
    return " (noisy)" if figure["noisy"] else ""


def glance(report):
    """The few figures that say most, with all subjects beside each other."""
    found = []
    for title, workload, size, name, better in FEW:
        part = next((part for part in report["workloads"] if part["name"] == workload), {"rows": []})
        rows = [row for row in part["rows"] if size is None or row["frame_bytes"] in (size, 0)]
        rows = sorted((row for row in rows if figure_of(row, name)), key=lambda row: KINDS[row["kind"]])
        ours = next((figure_of(row, name)["median"] for row in rows if row["kind"] == "ours"), 0)
        drawn = []
        for row in rows:
            figure = figure_of(row, name)
            times = f", {times_text(figure['median'] / ours)} ours" if ours and row["kind"] != "ours" else ""
            drawn.append((short(row), row["subject"], figure["median"], figure["low"], figure["high"],
                          times + noisy_text(figure)))
        if drawn:
            longest = LONGEST * ours if ours and better == "less" else math.inf
            found.append(bars(f"{title} ({better} is better)", drawn, figure_of(rows[0], name)["unit"], longest))
    if not found:
        return ""
    return ('<h2 id="glance">At a glance</h2><p class="about">Medians over rounds, whiskers from the lowest to the highest round. Bounds '
            f'are pale: no middleware, or no payload.</p><div class="plots">{"".join(found)}</div>')


def aims_table(report):
    lines = ["<tr><th>figure</th><th>aim</th><th>found</th><th>rounds</th><th></th></tr>"]
    for aim in aims(report):
        tag = "unsure" if aim["verdict"].endswith("rounds") else "good" if aim["met"] else "bad"
        lines.append(f"<tr><td>{escape(aim['what'])}</td>" +
                     "".join(f'<td class="number">{escape(aim[key])}</td>' for key in ("aim", "found", "rounds")) +
                     f'<td><span class="tag {tag}">{escape(aim["verdict"])}</span></td></tr>')
    if len(lines) == 1:
        return ""
    met = sum(aim["met"] for aim in aims(report))
    return (f'<h2 id="aims">Aims: {met} of {len(lines) - 1} met</h2><div class="wide"><table>' + "".join(lines) +
            "</table></div>")


def value_of(value):
    if isinstance(value, list):
        return ", ".join(value_of(one) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_of(one)}" for name, one in value.items())
    return "not said" if value in ("", None) else str(value)


def pairs_table(pairs):
    return '<div class="wide"><table>' + "".join(
        f"<tr><th>{escape(str(name).replace('_', ' '))}</th><td>{escape(value_of(value))}</td></tr>"
        for name, value in pairs) + "</table></div>"


def advice_section(report):
    """What on this machine stands in the way, as the kit found it."""
    found = report.get("advice", [])
    if not found:
        return ""
    rows = "".join("<tr>" + "".join(f"<td>{escape(str(one.get(key, '')))}</td>" for key in ("what", "found", "why", "how")) +
                   "</tr>" for one in found)
    return ('<h2 id="advice">What stands in the way here</h2><div class="wide"><table><tr><th></th><th>found</th>'
            f"<th>what it does</th><th>what changes it</th></tr>{rows}</table></div>")


def missing_section(report):
    if not report["not_measured"]:
        return ""
    rows = "".join(f"<tr><td>{escape(hole['workload'])}</td><td>{escape(hole['what'])}</td><td>"
                   f"{'<b>failed:</b> ' if hole['failed'] else ''}{escape(hole['why'])}</td></tr>"
                   for hole in report["not_measured"])
    return f'<h2 id="missing">Not measured</h2><div class="wide"><table>{rows}</table></div>'


def instructions_section(report):
    counted = report.get("instructions")
    if not counted:
        return ""
    return ('<h2 id="instructions">Instructions per frame</h2><p class="about">Counted by callgrind on frames of 64 B, in '
            f"one process with a fixed schedule.</p>{pairs_table(counted.items())}")


def pinned_text(cpus):
    return "not pinned" if cpus[0] < 0 else f"senders on CPU {cpus[0]}, readers on CPU {cpus[1]}"


def warnings(report):
    """What takes worth from every number of the run."""
    if report["quick"]:
        yield "A quick run: it shows that everything works; the numbers mean nothing."
    first, second = report["pinned_to"]
    if first < 0:
        yield "Nothing was pinned: tails are the scheduler's."
    elif first == second:
        yield "One CPU: workers take turns on it, so latencies are the scheduler's."
    line = report.get("line_ns", {"alike": True})
    if not line["alike"]:
        yield (f"The CPUs moved: a cache line took {line['low']:.0f} to {line['high']:.0f} ns from one to the other, and "
               f"{line['measurements_moved']} measurements saw that change. Medians and spreads show it; quotients are made of "
               "rounds with the CPUs in alike places only.")
    failed = sum(hole["failed"] for hole in report["not_measured"])
    if failed:
        yield f"Measurements that failed: {failed}. Which and why is below, under what was not measured."


def html(report):
    environment = report["environment"]
    cpu = environment.get("cpu") or environment.get("cpu_model") or "this machine"
    warning = "".join(f'<p class="warning">{escape(text)}</p>' for text in warnings(report))
    body = [glance(report), aims_table(report)]
    for part in report["workloads"]:
        body.append(f'<h2 id="{part["name"]}">{escape(part["title"])}</h2><p class="about">{escape(part["about"])}</p>')
        body.append(plots(part) + table(part))
    body += [instructions_section(report), missing_section(report), advice_section(report)]
    subjects = [(" ".join([one["name"], one.get("version", "")]).strip(), one["why_not"] or one["setup"])
                for one in report["subjects"]]
    body.append(f'<h2 id="subjects">Subjects</h2>{pairs_table(subjects)}')
    body.append(f'<h2 id="environment">Environment</h2>{pairs_table(environment.items())}')
    body.append(f'<h2 id="method">Method</h2><p>{escape(METHOD)}</p>')
    links = " ".join(f'<a href="#{name}">{name}</a>' for name in re.findall('<h2 id="([^"]+)"', "".join(body)))
    body.insert(0, f"<h1>tensorpool, measured</h1><p class='soft'>{escape(str(cpu))}, {report['rounds']} interleaved rounds, "
                   f"{pinned_text(report['pinned_to'])}</p>{warning}<nav>{links}</nav>")
    return ('<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><meta charset="utf-8"/>'
            '<meta name="viewport" content="width=device-width,initial-scale=1"/><title>tensorpool, measured</title>'
            f"<style>{colour_css()}{CSS}{PLOT_CSS}</style></head><body><main>{''.join(body)}</main></body></html>\n")


def readme_table(report):
    """A row for each subject, a column for each question; empty where a subject has no part in it."""
    size = 64 << 10
    kinds = {row["subject"]: row["kind"] for part in report["workloads"] for row in part["rows"]}
    columns = ["64 KiB untouched, one way: p50 / p99 / p99.9", "copied in and read, 64 KiB", "640 KiB",
               "wake-up, p50", "waiting process"]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]

    def cell(workload, subject, bytes_, name):
        figure = figure_of(row_of(report, workload, subject, bytes_), name)
        if not figure:
            return ""
        return value_text(figure["median"], figure["unit"]) + noisy_text(figure)

    for subject, kind in sorted(kinds.items(), key=lambda one: KINDS[one[1]]):
        latency = row_of(report, "closed-loop", subject, size) or row_of(report, "closed-loop", subject, 0)
        figures = [figure_of(latency, name) for name in ("p50", "p99", "p99.9")] if latency else []
        cells = [" / ".join(time_text(figure["median"]) + noisy_text(figure) for figure in figures),
                 cell("copy-in", subject, size, "bytes"), cell("copy-in", subject, 640 << 10, "bytes"),
                 cell("wake-up", subject, None, "p50"), cell("idle-cpu", subject, None, "reader's process")]
        if any(cells):
            name = f"**{subject}**" if kind == "ours" else NAMES.get(subject, subject)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def readme_plot(report):
    """The closed loop with 64 KiB: the one plot that says most."""
    part = next((part for part in report["workloads"] if part["name"] == "closed-loop"), None)
    rows = [row for row in part["rows"] if row["frame_bytes"] in (0, 64 << 10)] if part else []
    if not rows:
        sys.exit("report.py: --readme needs the workload closed-loop with 64 KiB")
    return percentiles("One-way latency of a 64 KiB frame, closed loop, untouched",
                       [(short(row), row["subject"], row["percentiles_ns"]) for row in rows], standalone=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=pathlib.Path, help="report.json of a run")
    parser.add_argument("--readme", metavar="PLOT.svg", type=pathlib.Path, help="write a plot, print a table in Markdown")
    arguments = parser.parse_args()
    try:
        report = json.loads(arguments.report.read_text())
        if arguments.readme:
            if report["quick"]:
                sys.exit(f"report.py: {arguments.report} is of a quick run, whose numbers mean nothing: --readme needs a full one")
            arguments.readme.write_text(readme_plot(report) + "\n")
            print(readme_table(report), end="")
            return
        page = arguments.report.with_name("report.html")
        page.write_text(html(report))
        print(page)
    except OSError as error:
        sys.exit(f"report.py: {error}")
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"report.py: {arguments.report} is no report of the kit: {error!r}")


if __name__ == "__main__":
    main()
