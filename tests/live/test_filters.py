"""What guests may send and receive, on both kinds of bridges of a real host: see ``filters_in_host.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegar.lab import cloud, machine
from tegar.lab.cloud import Lab
from tegar.lab.topology import Topology

REASON = cloud.available()
pytestmark = [pytest.mark.live, pytest.mark.skipif(REASON is not None, reason=f"no lab here: {REASON}")]
KINDS = ("linux",) if machine.has_vlan_devices() else ("linux", "ovs")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One host."""
    state_dir = tmp_path_factory.mktemp("lab")
    try:
        yield cloud.up(Topology(state_dir, hosts=1), print)
    finally:
        cloud.down(state_dir, print)


@pytest.mark.parametrize("kind", KINDS)
def test_filters_hold_against_real_packets(lab: Lab, kind: str) -> None:
    inside = Path(__file__).with_name("filters_in_host.py")
    source = str(inside.parents[2] / "src")
    words = [
        "env",
        f"TEGAR_SWITCH={kind}",
        f"PYTHONPATH={source}",
        sys.executable,
        "-m",
        "pytest",
        "-q",
    ]
    words += ["--noconftest", "-c", "/dev/null", "-p", "no:cacheprovider", str(inside)]

    done = lab.hosts["h1"].run(words, timeout_s=300)

    print(done.stdout[-6000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
