"""What every power driver does, on real BMC programs: OpenIPMI's and sushy-tools'."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bmcs import KINDS, PASSWORD, Bench, udp_port

from support.until import until
from tegar.driver.power.proof import power_off_proven, power_on_seen
from tegar.kernel.clock import WallClock
from tegar.kernel.errors import TegarError, Unreachable
from tegar.kernel.secret import Secret
from tegar.model.errors import NotProven, WrongPassword
from tegar.model.power import Can, Power


@pytest.fixture(scope="module", params=sorted(KINDS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    if request.param == "ipmitool" and not (shutil.which("ipmi_sim") and shutil.which("ipmitool")):
        pytest.skip("packages openipmi and ipmitool are not installed")
    with KINDS[request.param](tmp_path_factory.mktemp("bmc")) as bench:
        yield bench


@pytest.fixture
def bench(made: Bench) -> Bench:
    made.wires.lit, made.wires.lies = True, False
    made.wires.orders.clear()
    return made


def read(bench: Bench) -> Power:
    return bench.driver.read(bench.spec, within_s=10)


def test_it_can_do_all_that_its_kind_can(bench: Bench) -> None:
    assert bench.driver.caps == frozenset(Can)


def test_power_is_read(bench: Bench) -> None:
    assert read(bench) == Power.ON
    bench.wires.lit = False
    assert read(bench) == Power.OFF


def test_a_host_is_turned_off_and_on(bench: Bench) -> None:
    bench.driver.force_off(bench.spec, within_s=10)
    assert (bench.wires.lit, read(bench)) == (False, Power.OFF)

    bench.driver.on(bench.spec, within_s=10)
    assert (bench.wires.lit, read(bench)) == (True, Power.ON)


def test_off_when_off_and_on_when_on_are_successes(bench: Bench) -> None:
    bench.driver.on(bench.spec, within_s=10)
    bench.driver.force_off(bench.spec, within_s=10)
    bench.driver.force_off(bench.spec, within_s=10)

    assert read(bench) == Power.OFF


@pytest.mark.parametrize("what", ["reset", "cycle"])
def test_a_host_is_reset_or_cycled(bench: Bench, what: str) -> None:
    getattr(bench.driver, what)(bench.spec, within_s=15)

    until(lambda: bench.wires.orders == ["off", "on"], "it is on again")
    assert read(bench) == Power.ON


def test_the_button_is_pressed(bench: Bench) -> None:
    bench.driver.soft_off(bench.spec, within_s=10)

    assert bench.wires.orders == ["off"]


def test_off_is_proven_by_a_reading(bench: Bench) -> None:
    began_s = time.monotonic()
    evidence = power_off_proven(bench.driver, bench.spec, 10, WallClock())

    print(f"{type(bench.driver).__name__}: {time.monotonic() - began_s:.3f} s: {evidence}")
    assert "read Off at" in evidence
    assert "after order 1" in evidence
    assert not bench.wires.lit


def test_a_host_that_is_off_needs_no_order(bench: Bench) -> None:
    bench.wires.lit = False

    assert "before any order" in power_off_proven(bench.driver, bench.spec, 10, WallClock())
    assert bench.wires.orders == []


def test_on_is_seen(bench: Bench) -> None:
    bench.wires.lit = False

    assert "read On at" in power_on_seen(bench.driver, bench.spec, 10, WallClock())


def test_a_bmc_that_lies_proves_nothing(bench: Bench) -> None:
    bench.wires.lies = True

    with pytest.raises(NotProven) as e:
        power_off_proven(bench.driver, bench.spec, 1.5, WallClock())

    assert "it reads On" in str(e.value)
    assert "off" in bench.wires.orders


@pytest.mark.parametrize("wrong", ["wrong-horse-9", PASSWORD + "x", "x"])
def test_a_wrong_password_is_an_error_that_tells_no_password(bench: Bench, wrong: str) -> None:
    spec = bench.spec.with_password(Secret(wrong))

    for call in (bench.driver.read, bench.driver.force_off, bench.driver.cycle):
        with pytest.raises(WrongPassword) as e:
            call(spec, within_s=10)
        told = f"{e.value} {e.value.detail()} {e.value.facts()} {e.value!r} {e.value.__context__!r}"
        assert len(wrong) < 3 or wrong not in told
    with pytest.raises(WrongPassword):
        power_off_proven(bench.driver, spec, 10, WallClock())
    assert bench.wires.lit


def test_a_user_that_is_not_there_is_as_a_wrong_password(bench: Bench) -> None:
    with pytest.raises(WrongPassword):
        bench.driver.read(replace(bench.spec, username="nobody"), within_s=10)


def test_a_dead_bmc_is_given_up_in_time(bench: Bench) -> None:
    spec = replace(bench.spec, port=udp_port())

    for call in (bench.driver.read, bench.driver.force_off, bench.driver.on):
        began_s = time.monotonic()
        with pytest.raises(Unreachable):
            call(spec, within_s=1)
        assert time.monotonic() - began_s < 3
    with pytest.raises(NotProven):
        power_off_proven(bench.driver, spec, 2, WallClock())


def test_the_password_is_changed_and_the_old_one_ends(bench: Bench) -> None:
    new = "an-other-horse-8"
    bench.driver.set_password(bench.spec, new, within_s=40)

    changed = bench.spec.with_password(Secret(new))
    assert bench.driver.read(changed, within_s=10) == Power.ON
    with pytest.raises(WrongPassword):
        read(bench)

    bench.driver.set_password(changed, PASSWORD, within_s=40)
    assert read(bench) == Power.ON


def test_a_password_is_not_changed_without_the_old_one(bench: Bench) -> None:
    with pytest.raises(WrongPassword):
        bench.driver.set_password(bench.spec.with_password(Secret("wrong")), "new-password", within_s=10)

    assert read(bench) == Power.ON


def test_many_are_asked_at_once_and_dead_ones_hold_up_no_other(bench: Bench) -> None:
    from concurrent.futures import ThreadPoolExecutor

    dead = [replace(bench.spec, port=udp_port()) for _ in range(6)]

    def ask(spec: object) -> str:
        try:
            return bench.driver.read(spec, within_s=8)  # type: ignore[arg-type]
        except TegarError as e:
            return type(e).__name__

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(ask, [*([bench.spec] * 6), *dead]))

    assert found == ["On"] * 6 + ["Unreachable"] * 6


def test_specs_hide_their_password(bench: Bench) -> None:
    assert PASSWORD not in f"{bench.spec} {bench.spec!r}"


def test_the_home_of_a_bmc_is_private(bench: Bench) -> None:
    file: Path = bench.account.file

    assert file.stat().st_mode & 0o077 == 0
