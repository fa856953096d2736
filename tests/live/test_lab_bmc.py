"""BMCs of lab hosts: a host really loses its power by IPMI and by Redfish, and a dark BMC says nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.until import until
from tegar.driver.power.proof import power_off_proven
from tegar.driver.registry import POWER
from tegar.kernel.clock import WallClock
from tegar.kernel.errors import TegarError
from tegar.kernel.secret import Secret
from tegar.lab import bmc as lab_bmcs
from tegar.lab import cloud
from tegar.lab.account import USERNAME, Account
from tegar.lab.bmc import LabBmc
from tegar.lab.cloud import Lab
from tegar.lab.machine import missing_packages
from tegar.lab.topology import Topology
from tegar.model.errors import NotProven
from tegar.model.power import BmcSpec, Power, parse_address

REASON = cloud.available()
pytestmark = [pytest.mark.live, pytest.mark.skipif(REASON is not None, reason=f"no lab here: {REASON}")]


@pytest.fixture(scope="module", params=["ipmi", "redfish"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if missing := missing_packages(bmc=request.param):
        pytest.skip(f"packages are missing: {missing}")
    state_dir = tmp_path_factory.mktemp("lab") / "state"
    built = cloud.up(Topology(state_dir, hosts=2, bmc=request.param), print)
    yield built
    cloud.down(state_dir, print)
    assert lab_bmcs.pids(built.topology) == []
    assert not state_dir.exists()


def spec(bmc: LabBmc) -> BmcSpec:
    address, trust = parse_address(bmc.given_address)
    return BmcSpec(address, bmc.port, USERNAME, Secret(Account(bmc.home / "account.json").password), trust)


def test_a_host_loses_its_power_and_gets_it_back(lab: Lab) -> None:
    host, bmc, clock = lab.hosts["h1"], lab.bmcs["h1"], WallClock()
    driver = POWER[bmc.driver]
    assert driver.read(spec(bmc), within_s=10) == Power.ON
    init = host.init_pid
    assert init

    times_s = []
    for _ in range(5):
        began_s = time.monotonic()
        evidence = power_off_proven(driver, spec(bmc), 20, clock)
        times_s.append(time.monotonic() - began_s)
        assert not host.powered()
        assert host.node.processes() == []
        print(evidence)
        driver.on(spec(bmc), within_s=10)
        until(
            lambda: host.powered() and driver.read(spec(bmc), within_s=10) == Power.ON,
            "it boots",
            within_s=90,
        )
        until(lambda: host.run(["virsh", "uri"]).returncode == 0, "libvirt answers", within_s=90)
    print(f"{bmc.driver}: Off read after {', '.join(f'{t:.2f}' for t in times_s)} s")

    assert host.init_pid not in (None, init)
    assert lab.hosts["h2"].powered()
    assert max(times_s) < 10


def test_a_power_cut_is_read_by_the_bmc(lab: Lab) -> None:
    host, bmc = lab.hosts["h2"], lab.bmcs["h2"]
    host.power_off()

    assert "before any order" in power_off_proven(POWER[bmc.driver], spec(bmc), 10, WallClock())
    host.power_on()
    assert POWER[bmc.driver].read(spec(bmc), within_s=10) == Power.ON


def test_a_dark_bmc_says_nothing_and_its_host_lives(lab: Lab) -> None:
    host, bmc = lab.hosts["h2"], lab.bmcs["h2"]
    known = spec(bmc)
    bmc.darken()
    bmc.darken()

    assert host.powered()
    assert not bmc.lives()
    with pytest.raises(TegarError):
        POWER[bmc.driver].read(known, within_s=1)
    with pytest.raises(NotProven):
        power_off_proven(POWER[bmc.driver], known, 2, WallClock())
    assert host.powered()
    bmc.light()
    assert POWER[bmc.driver].read(known, within_s=10) == Power.ON


def test_a_changed_password_outlives_the_dark(lab: Lab) -> None:
    bmc = lab.bmcs["h2"]
    old, new = spec(bmc), "an-other-word-9"
    POWER[bmc.driver].set_password(old, new, within_s=20)
    until(lambda: Account(bmc.home / "account.json").password == new, "it has written the password down")
    bmc.darken()
    bmc.light()

    assert POWER[bmc.driver].read(old.with_password(Secret(new)), within_s=10) == Power.ON


def test_secrets_of_bmcs_are_private_and_hosts_do_not_see_bmc_processes(lab: Lab) -> None:
    bmc = lab.bmcs["h1"]
    for name in ("account.json", "bmc.key"):
        assert (bmc.home / name).stat().st_mode & 0o077 == 0
    spaces = {os.readlink(f"/proc/{pid}/ns/pid") for pid in lab_bmcs.pids(lab.topology)}
    assert spaces == {os.readlink("/proc/self/ns/pid")}
    assert shutil.which("ipmi_sim") or bmc.driver == "redfish"


def test_a_lab_that_is_completed_keeps_its_bmcs(lab: Lab) -> None:
    before = lab_bmcs.pids(lab.topology)

    again = cloud.up(Topology(Path(lab.topology.state_dir), hosts=2), print)

    assert sorted(again.bmcs) == ["h1", "h2"]
    assert lab_bmcs.pids(lab.topology) == before
