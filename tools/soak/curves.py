"""Curves of a soak as one SVG file, without a library: small panels, one below the other, one time axis."""
from html import escape

WIDTH, PANEL, LEFT, TOP = 960, 150, 64, 28
COLOURS = ("#1b6ca8", "#c8553d", "#2d8a5f", "#8a5fb0", "#b08a2d", "#555555", "#d1495b", "#3c91a6", "#222255")


def rounded(value):
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def panel(title, series, seconds, top):
    """`series`: name -> list of (second, value)."""
    parts = [f'<g transform="translate({LEFT},{top})">',
             f'<text x="0" y="-8" class="title">{escape(title)}</text>',
             f'<rect width="{WIDTH - LEFT - 180}" height="{PANEL - 50}" class="frame"/>']
    width, height = WIDTH - LEFT - 180, PANEL - 50
    highest = max((value for points in series.values() for _, value in points), default=0) or 1
    for y, value in ((0, highest), (height, 0)):
        parts.append(f'<text x="-6" y="{y + 4}" class="axis" text-anchor="end">{rounded(value)}</text>')
    for k, (name, points) in enumerate(series.items()):
        colour = COLOURS[k % len(COLOURS)]
        line = " ".join(f"{width * at / seconds:.1f},{height - height * value / highest:.1f}" for at, value in points)
        parts.append(f'<polyline points="{line}" stroke="{colour}"/>')
        last = f" {rounded(points[-1][1])}" if points else ""
        parts.append(f'<text x="{width + 10}" y="{10 + 13 * k}" class="key" fill="{colour}">{escape(name)}{last}</text>')
    parts.append("</g>")
    return "\n".join(parts)


def marks(events, seconds, height):
    """Vertical lines where something was killed (solid) or frozen (dashed)."""
    width = WIDTH - LEFT - 180
    lines = []
    for event in events:
        x = LEFT + width * event["at"] / seconds
        kind = "kill" if event["what"] == "kill" else "freeze"
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 24}" class="{kind}">'
                     f'<title>{escape(event["what"])} {escape(event["name"])}</title></line>')
    return "\n".join(lines)


def draw(panels, events, seconds):
    """`panels`: title -> series. Gives the text of an SVG file."""
    height = TOP + PANEL * len(panels) + 20
    body = [panel(title, series, seconds, TOP + PANEL * k) for k, (title, series) in enumerate(panels.items())]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">
<style>
.title {{ font-size: 13px; font-weight: bold }} .axis, .key {{ font-size: 11px }}
.frame {{ fill: none; stroke: #ccc }} polyline {{ fill: none; stroke-width: 1.4 }}
.kill {{ stroke: #c8553d; stroke-opacity: 0.25 }} .freeze {{ stroke: #1b6ca8; stroke-opacity: 0.25; stroke-dasharray: 3 3 }}
</style>
<rect width="100%" height="100%" fill="white"/>
{marks(events, seconds, height)}
{chr(10).join(body)}
<text x="{LEFT}" y="{height - 8}" class="axis">0 to {seconds:.0f} s; red lines: kill -9, dashed blue lines: SIGSTOP</text>
</svg>
"""
