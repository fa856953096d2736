"""A drill, once, from the command line to its report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tegar.lab import cloud

REASON = cloud.available()
pytestmark = [pytest.mark.live, pytest.mark.skipif(REASON is not None, reason=f"no lab here: {REASON}")]


def test_a_drill_leaves_a_line_a_report_and_no_cloud(tmp_path: Path) -> None:
    words = ["drill", "libvirtd-death", "--runs", "1", "--json", "--dir", str(tmp_path)]

    done = subprocess.run(
        [sys.executable, "-m", "tegar.main", *words], capture_output=True, text=True, timeout=550
    )

    found = json.loads(done.stdout.splitlines()[-1])
    print(done.stderr[-2000:])
    assert found["drill"] == "libvirtd-death"
    assert found["runs"] == 1
    assert (found["lost"], found["double_runs"]) == (0, 0)
    assert found["seconds"]["max"] > 0
    assert "<svg" in Path(found["report"]).read_text()
    assert not (tmp_path / "lab").exists()
