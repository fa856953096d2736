"""A drill's report: one page, with nothing outside of it, and a line of time for each run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from html import escape

from tegar.main.drill.marks import ANSWER, END, FAULT, GUARD, PAUSE, START, STORY, Mark, Run

COLOURS = {
    FAULT: "#c0392b", GUARD: "#d35400", PAUSE: "#8e44ad", END: "#7f8c8d", STORY: "#2980b9",
    START: "#27ae60", ANSWER: "#145a32",
}  # fmt: skip
WORDS = {
    FAULT: "fault, mending", GUARD: "watchdog", PAUSE: "computes no more", END: "process gone",
    STORY: "said by the cloud", START: "new process", ANSWER: "answers",
}  # fmt: skip
WIDTH, LEFT, LINE, TOP = 1100, 20, 14, 26
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse } td, th { padding: .15em .8em .15em 0; text-align: left; vertical-align: top }
.bad { color: #c0392b; font-weight: 600 } .good { color: #1e8449; font-weight: 600 }
svg { background: #fafafa; border: 1px solid #ddd; max-width: 100% } details { margin: .3em 0 1.5em }
svg text { font: 11px system-ui, sans-serif } td.n { text-align: right; font-variant-numeric: tabular-nums }
"""


def page(name: str, found: Mapping[str, object], runs: Sequence[Run]) -> str:
    """Return the report as HTML."""
    verdict = '<span class="good">passed</span>' if found["passed"] else '<span class="bad">failed</span>'
    rows = "".join(
        f"<tr><th>{escape(key)}</th><td>{escape(_shown(value))}</td></tr>"
        for key, value in found.items()
        if key not in {"drill", "passed"}
    )
    legend = " ".join(
        f'<span style="color:{colour}">&#9632;</span> {escape(WORDS[kind])}'
        for kind, colour in COLOURS.items()
    )
    body = "".join(_run(run) for run in runs)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(name)}: {verdict}</h1>"
        f"<p>{time.strftime('%Y-%m-%d %H:%M:%S %Z')}</p><table>{rows}</table><p>{legend}</p>{body}</body></html>\n"
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _run(run: Run) -> str:
    seconds = "no figure" if run.seconds is None else f"{run.seconds:.3f} s"
    bad = "; ".join(
        words
        for words, true in (
            (run.failure, run.failure),
            (f"{run.lost} acknowledged writes lost", run.lost),
            (f"{run.double_runs} VMs ran twice", run.double_runs),
        )
        if true
    )
    facts = ", ".join(f"{name} {value:.2f}" for name, value in run.facts.items())
    table = "".join(
        f'<tr><td class="n">{mark.at_s - run.began_s:+.3f} s</td>'
        f'<td style="color:{COLOURS[mark.kind]}">{escape(mark.what)}</td></tr>'
        for mark in run.marks
    )
    warning = f'<p class="bad">{escape(bad)}</p>' if bad else ""
    return (
        f"<h2>Run {run.number}: {escape(seconds)}</h2><p>{escape(facts)}</p>{warning}{_drawing(run)}"
        f"<details><summary>{len(run.marks)} marks</summary><table>{table}</table></details>"
    )


def _drawing(run: Run) -> str:
    """Return the marks on one line of time, their words below each other where they start."""
    marks = [mark for mark in run.marks if mark.at_s >= run.began_s - 1]
    if not marks:
        return ""
    first_s, last_s = -1.0, max(max(m.at_s for m in marks) - run.began_s, 1.0)
    scale = (WIDTH - 2 * LEFT) / (last_s - first_s)

    def x(at_s: float) -> float:
        return round(LEFT + (at_s - first_s) * scale, 1)

    height = TOP + LINE * (len(marks) + 1)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if (last_s - first_s) / s <= 20)
    ruler = "".join(
        f'<line x1="{x(t)}" y1="0" x2="{x(t)}" y2="{height}" stroke="#e3e3e3"/>'
        f'<text x="{x(t) + 2}" y="10" fill="#888">{t} s</text>'
        for t in range(0, int(last_s) + 1, step)
    )
    words = "".join(_word(mark, x(mark.at_s - run.began_s), TOP + LINE * i) for i, mark in enumerate(marks))
    return f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">{ruler}{words}</svg>'


def _word(mark: Mark, x: float, y: int) -> str:
    colour, right = COLOURS[mark.kind], x > WIDTH * 0.6
    anchor, shift = ("end", -7) if right else ("start", 7)
    text = mark.what if len(mark.what) <= 110 else mark.what[:109] + "…"
    return (
        f'<line x1="{x}" y1="14" x2="{x}" y2="{y}" stroke="{colour}" stroke-opacity=".35"/>'
        f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>'
        f'<text x="{x + shift}" y="{y + 4}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
