"""Plots of a report as SVG text: percentiles of latency, and bars of rates with their spread.

Colours belong to subjects, not to places in a plot; bounds are dashed. Both are drawn with CSS variables, so that they
follow the page's light or dark scheme; alone (standalone=True) a plot brings its own.
"""
import math
from xml.sax.saxutils import escape

# light, dark; chosen to stay apart for colour-blind readers, beside the dashes and the labels
COLOURS = {
    "tensorpool": ("#1f6feb", "#6aa5ff"),
    "ring": ("#6b7280", "#a3abb8"),
    "aeron": ("#9a6700", "#d9a441"),
    "futex": ("#6b7280", "#a3abb8"),
    "memcpy": ("#374151", "#cbd2dc"),
    "iceoryx2": ("#c2410c", "#ff8f5a"),
    "zeromq": ("#0f7b5f", "#4cc9a4"),
    "socket": ("#8b3fb0", "#cf8cf0"),
}
OTHER = ("#b0226b", "#ff7ab8")
DASHED = {"ring", "aeron", "futex", "memcpy"}

WIDTH, HEIGHT = 620, 320
BARS_WIDTH = 560  # two beside each other on a page
LEFT, RIGHT, TOP, BOTTOM = 64, 124, 34, 44


def colour_css():
    """The CSS variables that plots use, for light and dark pages."""
    names = {**COLOURS, "other": OTHER}
    light = "".join(f"--{name}:{pair[0]};" for name, pair in names.items())
    dark = "".join(f"--{name}:{pair[1]};" for name, pair in names.items())
    return (":root{" + light + "--ink:#1b1f24;--soft:#5b6470;--line:#dfe3e8;--paper:#ffffff;--shade:#f5f7f9}"
            "@media (prefers-color-scheme:dark){:root{" + dark +
            "--ink:#e6e9ee;--soft:#a0a8b4;--line:#343b45;--paper:#15181d;--shade:#1d2229}}")


PLOT_CSS = ("svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg .title{fill:var(--ink);font-weight:600;"
            "font-size:13px}svg .grid{stroke:var(--line)}svg .ours{fill:var(--ink);font-weight:600}"
            "svg .cut{fill:none;stroke:var(--shade);stroke-width:3}")


def colour(subject):
    return f"var(--{subject if subject in COLOURS else 'other'})"


def time_text(ns):
    """1234 → "1.23 us"."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{round_text(ns / size)} {unit}"
    return f"{round_text(ns)} ns"


def round_text(value):
    """Three digits, or all before the point."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def value_text(value, unit):
    return time_text(value) if unit == "ns" else f"{round_text(value)} {unit}".strip()


def wrap(body, width, height, title, standalone):
    style = f"<style>{colour_css()}{PLOT_CSS}</style>" if standalone else ""
    paper = '<rect width="100%" height="100%" fill="var(--paper)"/>' if standalone else ""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{escape(title, {chr(34): "&quot;"})}">{style}{paper}'
            f'<text class="title" x="12" y="20">{escape(title)}</text>{"".join(body)}</svg>')


def spread_labels(wanted, low, high, gap=14):
    """Heights of labels near the wanted ones that do not overlap, in the same order."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = []
    for i in order:
        placed.append(max(wanted[i], placed[-1] + gap) if placed else max(wanted[i], low))
    for k in range(len(placed) - 1, -1, -1):
        limit = high if k == len(placed) - 1 else placed[k + 1] - gap
        placed[k] = min(placed[k], limit)
    return dict(zip(order, placed))


def nines_of(percentile):
    """99 → 2, 99.9 → 3: where a percentile lies on the axis."""
    return -math.log10(1 - percentile / 100)


def ticks(bottom, top):
    """Times between two powers of ten: 1, 2 and 5 of each decade, or only 1 where that would be many."""
    digits = (1, 2, 5) if top - bottom < 2.5 else (1,)
    candidates = (digit * 10.0**power for power in range(math.floor(bottom), math.ceil(top) + 1) for digit in digits)
    return [time for time in candidates if bottom <= math.log10(time) <= top]


def percentiles(title, rows, standalone=False):
    """rows: (label, subject, [(percentile, ns), …]). x: 1/(1 − percentile), both axes logarithmic."""
    rows = [(label, subject, [p for p in points if p[0] < 100 and p[1] > 0]) for label, subject, points in rows]
    rows = [row for row in rows if len(row[2]) > 1]
    if not rows:
        return ""
    nines = max(1, min(6, max(math.floor(nines_of(row[2][-1][0]) + 1e-9) for row in rows)))
    rows = [(label, subject, [p for p in points if nines_of(p[0]) <= nines + 1e-9]) for label, subject, points in rows]
    times = [ns for row in rows for _, ns in row[2]]
    bottom, top = math.log10(min(times) / 1.15), math.log10(max(times) * 1.15)
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(percentile):
        return LEFT + width * min(nines, nines_of(percentile)) / nines

    def y(ns):
        return TOP + height * (top - math.log10(ns)) / (top - bottom)

    body = []
    for time in ticks(bottom, top):
        at = y(time)
        body.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + width}" y1="{at:.1f}" y2="{at:.1f}"/>'
                    f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{time_text(time)}</text>')
    for tick in [0, 50, *(100 - 100 / 10**k for k in range(1, nines + 1))]:
        at = x(tick)
        body.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{TOP + height}"/>'
                    f'<text x="{at:.1f}" y="{TOP + height + 18}" text-anchor="middle">{f"{tick:.6g} %" if tick else ""}</text>')
    body.append(f'<text x="{LEFT + width / 2}" y="{HEIGHT - 6}" text-anchor="middle">of frames took at most this long (both scales '
                "logarithmic)</text>")
    ends = []
    for label, subject, points in rows:
        path = " ".join(f"{x(p):.1f},{y(ns):.1f}" for p, ns in points)
        dashes = ' stroke-dasharray="6 4"' if subject in DASHED else ""
        body.append(f'<polyline fill="none" stroke="{colour(subject)}" stroke-width="2"{dashes} points="{path}">'
                    f"<title>{escape(label)}</title></polyline>")
        ends.append(y(points[-1][1]))
    places = spread_labels(ends, TOP + 6, TOP + height)
    for i, (label, subject, _) in enumerate(rows):
        body.append(f'<text class="{"ours" if subject == "tensorpool" else "name"}" x="{LEFT + width + 8}" y="{places[i] + 4:.1f}" '
                    f'style="fill:{colour(subject)}">{escape(label)}</text>')
    return wrap(body, WIDTH, HEIGHT, title, standalone)


def bars(title, rows, unit, longest=math.inf, standalone=False):
    """rows: (label, subject, median, low, high, note); whiskers from low to high. The longest bar is the largest value, at most
    `longest`: those above it are cut off, and drawn so."""
    if not rows:
        return ""
    def room(texts):
        return 7 * max(map(len, texts)) + 20

    step = 26
    left = room([row[0] for row in rows])
    width = max(80, BARS_WIDTH - left - room([value_text(row[2], unit) + row[5] for row in rows]))
    largest = min(longest, max(row[4] for row in rows)) or 1
    body = [f'<line class="grid" x1="{left}" x2="{left}" y1="{TOP}" y2="{TOP + len(rows) * step - 4}"/>']
    for i, (label, subject, median, low, high, note) in enumerate(rows):
        top = TOP + i * step
        fill = f'fill="{colour(subject)}"' + (' fill-opacity="0.45"' if subject in DASHED else "")
        body.append(f'<text class="{"ours" if subject == "tensorpool" else "name"}" x="{left - 8}" y="{top + 14}" text-anchor="end">'
                    f"{escape(label)}</text>"
                    f'<rect x="{left}" y="{top + 3}" width="{max(1, width * min(1, median / largest)):.1f}" '
                    f'height="16" rx="2" {fill}/>')
        if median > largest:
            at = left + width - 14
            body.append(f'<path class="cut" d="M{at} {top + 21}l6 -20m5 0l-6 20"/>')
        elif high > low:
            a, b = left + width * low / largest, left + width * min(1, high / largest)
            body.append(f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{top + 11}" y2="{top + 11}" stroke="var(--ink)"/>'
                        f'<line x1="{a:.1f}" x2="{a:.1f}" y1="{top + 7}" y2="{top + 15}" stroke="var(--ink)"/>'
                        f'<line x1="{b:.1f}" x2="{b:.1f}" y1="{top + 7}" y2="{top + 15}" stroke="var(--ink)"/>')
        body.append(f'<text x="{left + width * min(1, max(median, high) / largest) + 8:.1f}" y="{top + 15}">'
                    f"{escape(value_text(median, unit))}{escape(note)}</text>")
    return wrap(body, BARS_WIDTH, TOP + len(rows) * step + 8, title, standalone)
