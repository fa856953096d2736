"""The figures of a drill, and its report."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from tegar.main.drill.marks import FAULT, START, STORY, Mark, Run, percentile, summary
from tegar.main.drill.report import page

MARKS = (
    Mark(1000.0, FAULT, "h1 loses its power"),
    Mark(1006.5, STORY, "proof P2 <lease> & more"),
    Mark(1007.25, START, "drill1 starts on h2"),
)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 21)]

    assert percentile(values, 50) == 10.0
    assert percentile(values, 99) == 20.0
    assert percentile([3.0], 99) == 3.0


def test_a_drill_passes_when_all_was_well_and_in_time() -> None:
    runs = [Run(n, 1000.0, 7.0 + n / 10, marks=MARKS) for n in range(1, 11)]

    found = summary("host-power-loss", {"p50": 8.0, "p99": 9.0}, runs)

    assert found["passed"]
    assert found["seconds"] == {"p50": 7.5, "p99": 8.0, "max": 8.0}
    assert not summary("host-power-loss", {"p99": 7.9}, runs)["passed"]
    assert not summary("host-power-loss", {}, [])["passed"]


def test_one_lost_write_one_double_run_or_one_failure_fails_it() -> None:
    good = Run(1, 1000.0, 1.0)
    for bad in (
        Run(2, 1000.0, 1.0, lost=1),
        Run(2, 1000.0, 1.0, double_runs=1),
        Run(2, 1000.0, None, failure="drill1 was not started again"),
    ):
        assert not summary("x", {"max": 5.0}, [good, bad])["passed"]


def test_the_report_is_one_page_without_anything_outside_and_escaped() -> None:
    runs = [Run(1, 1000.0, 7.25, marks=MARKS, failure="<script>", facts={"answers_s": 12.0})]
    text = page("host-power-loss", summary("host-power-loss", {"p99": 9.0}, runs), runs)

    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "P2 &lt;lease&gt; &amp; more" in text
    assert "http" not in text
    assert " src=" not in text
    drawing = text[text.index("<svg") : text.index("</svg>") + 6]
    assert len(list(ElementTree.fromstring(drawing).iter("circle"))) == 3
    json.dumps(summary("x", {}, runs))
