"""SetGuard: what the warden's configuration says, and when the warden is told."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from qemus import BOOT, Bench, bench

from tegar.agent.config import Config, load
from tegar.agent.gate import Verb
from tegar.agent.guard import FileGuard, timing_of
from tegar.guard.warden_shell import WardenConfig
from tegar.kernel.errors import BadParameter
from tegar.model.timing import FAST, UnsafeTiming
from tegar.wire.guard import SetGuard, WitnessAt

ASK = SetGuard("host-1", "00" * 32, (WitnessAt("w1", "10.0.0.2", 8255),))


@pytest.fixture
def host() -> Iterator[Bench]:
    with bench() as made:
        yield made


def guard(host: Bench, state_dir: Path, **settings: object) -> FileGuard:
    """Return the port."""
    config = Config(state_dir, address="10.0.0.9", run_dir=host.paths.run_dir, **settings)  # type: ignore[arg-type]
    return FileGuard(config, host.start_hands(guarded=False))


def test_the_warden_is_told_what_it_must_know(host: Bench, tmp_path: Path) -> None:
    facts = guard(host, tmp_path, watchdog="lab:/run/dog").set(ASK)

    file = tmp_path / "guard.json"
    told = msgspec.json.decode(file.read_bytes(), type=WardenConfig)
    assert (told.host, told.key, told.listen, told.watchdog) == (
        "host-1",
        "00" * 32,
        ("10.0.0.9", 0),
        "lab:/run/dog",
    )
    assert told.witnesses == {"w1": ("10.0.0.2", 8255)}
    assert (told.hands, told.reports) == (str(host.paths.orders), str(host.paths.reports))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (facts.configured, facts.boot, facts.verb, facts.lacking) == (True, BOOT, "", ())
    assert facts.dead_s == pytest.approx(6.5, abs=0.01)


def test_the_same_again_disturbs_nobody_and_a_change_restarts_the_warden(host: Bench, tmp_path: Path) -> None:
    it = guard(host, tmp_path)
    it.set(ASK)
    before = (tmp_path / "guard.json").stat()
    it.set(ASK)
    assert (tmp_path / "guard.json").stat().st_ino == before.st_ino

    facts = it.set(replace(ASK, timing="fast"))

    assert facts.dead_s == FAST.dead_s
    said = [json.loads(host.ear.recv(4096)) for _ in range(4)]
    while {"restart": True} not in said[-3:]:
        said.append(json.loads(host.ear.recv(4096)))


def test_a_guarded_host_shows_its_lease(host: Bench, tmp_path: Path) -> None:
    it = guard(host, tmp_path)
    it.set(ASK)
    host.done(Verb.OPEN, 6)

    facts = it.facts()
    assert (facts.epoch, facts.verb, facts.done) == (6, "open", True)
    assert 0 <= facts.order_age_s < 20
    assert facts.lacking == ("no watchdog is named in agent.toml",)


def test_a_host_has_numbers_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('watchdog = "/dev/watchdog"\n[timing]\nstages = 2\n')
    config = load(tmp_path)

    assert config.timing == {"stages": 2.0}
    assert timing_of("default", config.timing)["stages"] == 2
    with pytest.raises(BadParameter):
        timing_of("default", {"stage": 2})
    with pytest.raises(BadParameter):
        timing_of("hasty", {})
    with pytest.raises(UnsafeTiming):
        timing_of("default", {"soft_s": 2.9})


def test_what_the_warden_of_this_boot_lacks_is_shown(host: Bench, tmp_path: Path) -> None:
    it = guard(host, tmp_path, watchdog="/dev/watchdog")
    it.set(ASK)
    says = {
        "watchdog": "/dev/watchdog (iTCO_wdt)",
        "watchdog_s": 6.0,
        "dead_s": 12.5,
        "lacking": ["SCHED_RR"],
    }

    host.paths.warden.write_text(json.dumps({"boot": "another", **says}))
    assert it.facts().lacking == ()

    host.paths.warden.write_text(json.dumps({"boot": BOOT, **says}))
    facts = it.facts()
    assert (facts.watchdog, facts.watchdog_s, facts.dead_s) == ("/dev/watchdog (iTCO_wdt)", 6.0, 12.5)
    assert facts.lacking == ("SCHED_RR",)
