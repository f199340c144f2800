#!/usr/bin/env python3
"""Draws what `figures.py RELAY hour` printed: latency, memory and disk over time, as SVG.

    python3 tests/bench/chart.py LINES > docs/steady.svg"""

import json
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 780, 150, 82, 750, 26, 44
COLOURS = ("#2563eb", "#d97706")
STYLE = (
    "text{font:12px sans-serif;fill:#555}.title{font-weight:600}.end{text-anchor:end}"
    ".middle{text-anchor:middle}.grid{stroke:#ccc;stroke-width:.5}"
    "polyline{fill:none;stroke-width:1.5}")


def ceiling(value):
    """The next of 1, 2, 5 times a power of ten."""
    step = 10 ** len(str(int(value)))
    return min(step / by for by in (1, 2, 5, 10, 20, 50) if step / by >= value)


def panel(top, title, unit, seconds, series, by_tens=False):
    """One set of lines over time; `by_tens` has 1 at the foot and each power of ten above it."""
    most = ceiling(max(max(values) for _, values in series))
    tens = math.ceil(math.log10(most))
    ticks = [10 ** n for n in range(tens + 1)] if by_tens else [0, most / 2, most]

    def share_of(value):
        return math.log10(max(value, 1)) / tens if by_tens else value / most

    parts = [f'<text x="{LEFT}" y="{top - 8}" class="title">{title}</text>']
    for tick in ticks:
        y = top + HEIGHT * (1 - share_of(tick))
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" class="grid"/>')
        label = f"{tick:,.10g} {unit}"
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="end">{label}</text>')
    for number, (name, values) in enumerate(series):
        points = " ".join(
            f"{LEFT + (RIGHT - LEFT) * at / seconds[-1]:.1f},"
            f"{top + HEIGHT * (1 - share_of(value)):.1f}"
            for at, value in zip(seconds, values))
        colour, x = COLOURS[number], RIGHT - 60 * (len(series) - number - 1)
        parts.append(f'<polyline points="{points}" stroke="{colour}"/>')
        parts.append(f'<text x="{x}" y="{top - 8}" class="end" style="fill:{colour}">{name}</text>')
    return parts


def main():
    lines = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
    seconds = [line["seconds"] for line in lines]
    latency = [(name, [line["latency_ms"][name] for line in lines]) for name in ("p50", "p99")]
    panels = [
        ("From accept to receiver", "ms", latency, True),
        ("Resident memory", "MiB", [("", [line["VmRSS"] for line in lines])], False),
        ("Data folder", "MiB", [("", [line["disk"] for line in lines])], False),
    ]
    parts = []
    for number, (title, unit, series, by_tens) in enumerate(panels):
        top = TOP + number * (HEIGHT + GAP)
        parts += panel(top, title, unit, seconds, series, by_tens)
    bottom = TOP + len(panels) * (HEIGHT + GAP) - GAP
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, label = LEFT + (RIGHT - LEFT) * share, f"{seconds[-1] * share / 60:.0f} min"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" class="middle">{label}</text>')
    box = f'viewBox="0 0 {WIDTH} {bottom + 28}"'
    print(f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="Steady load">')
    print(f'<rect width="100%" height="100%" fill="#fff"/><style>{STYLE}</style>')
    print("\n".join(parts))
    print("</svg>")


main()
