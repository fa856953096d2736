"""Simulated hosts hold real leases at real witnesses, and lose their power when they may not hold them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from tegar.agent.gate import Gate, Memory, Order, Report, Verb
from tegar.guard.keys import host_key
from tegar.guard.witness_shell import WitnessConfig, WitnessShell
from tegar.kernel.clock import WallClock
from tegar.model.timing import FAST
from tegar.sim.control import control
from tegar.sim.links import SimLinks
from tegar.sim.things import Machine
from tegar.sim.wardens import Wardens
from tegar.sim.world import World
from tegar.wire.guard import GetGuard, SetGuard, WitnessAt

SECRET = b"s" * 32
PATIENCE_S = 30.0


class Door:
    """A gate whose guests pause at once, or not at all."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._boot, self.stuck = machine, "", False
        self.verbs: list[str] = []

    @property
    def gate(self) -> Gate:
        if self._boot != self._machine.boot_id:
            self._boot = self._machine.boot_id
            self._gate = Gate(Memory(self._boot), guarded=True, keep=lambda _: None)
        return self._gate

    def order(self, number: int, verb: Verb, epoch: int) -> Report:
        assert self._machine.powered
        if self.gate.take(Order(number, verb, epoch)):
            self.verbs.append(verb.value)
        return Report(number, verb is Verb.OPEN or not self.stuck, self.gate.epoch)


class Stage:
    def __init__(self) -> None:
        self.world = World(3)
        self.world.times.boot_s = 0.2
        self.wardens = Wardens(self.world)
        self.shells, self.at = [], []
        for name in ("w1", "w2", "w3"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
            config = WitnessConfig(name, ("127.0.0.1", port), SECRET.hex(), 13.0, first=True)
            self.shells.append(WitnessShell(config, WallClock(), wait_s=0.05))
            self.at.append(WitnessAt(name, "127.0.0.1", port))
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._serve, args=(shell,)) for shell in self.shells]
        for thread in self._threads:
            thread.start()

    def _serve(self, shell: WitnessShell) -> None:
        while not self._over.is_set():
            shell.turn()

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for it in (self.wardens, *self.shells):
            it.close()

    def guarded(self, name: str) -> tuple[Machine, Door]:
        machine = self.world.machine(name)
        door = machine.hands = Door(machine)
        machine.guard = SetGuard(name, host_key(SECRET, name).hex(), tuple(self.at), "fast")
        self.until(lambda: door.gate.is_open)
        return machine, door

    def until(self, holds: Callable[[], bool]) -> float:
        """Let wardens work until it holds; return how long it took."""
        began_s = time.monotonic()
        while not holds():
            assert time.monotonic() - began_s < PATIENCE_S
            self.wardens.turn()
        return time.monotonic() - began_s

    def pass_time(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end_s)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def test_a_host_that_is_cut_off_closes_at_s_and_opens_again_without_a_reset(stage: Stage) -> None:
    machine, door = stage.guarded("h1")
    boot = machine.boot

    control(stage.world, {"host": "h1", "cut": ["*"]})
    took_s = stage.until(lambda: not door.gate.is_open)
    stage.pass_time(2 * FAST.reset_s)  # quiet, so it is petted without a lease
    control(stage.world, {"host": "h1", "cut": []})
    stage.until(lambda: door.gate.is_open)

    assert took_s > FAST.soft_s - FAST.renewal_s - 0.2
    assert machine.boot == boot
    assert door.verbs == ["close", "open", "close", "open"]


def test_one_witness_that_is_cut_off_is_no_matter(stage: Stage) -> None:
    _, door = stage.guarded("h1")

    control(stage.world, {"host": "h1", "cut": ["w2"]})
    stage.pass_time(FAST.soft_s + 1)

    assert door.gate.is_open


def test_a_warden_that_stands_still_costs_the_host_its_power_and_it_boots_again(stage: Stage) -> None:
    machine, door = stage.guarded("h1")
    boot = machine.boot_id

    control(stage.world, {"host": "h1", "hold_warden_s": 60})
    took_s = stage.until(lambda: not machine.powered)
    control(stage.world, {"host": "h1", "hold_warden_s": 0})
    stage.until(lambda: machine.powered and door.gate.is_open)

    assert FAST.reset_s - FAST.renewal_s - 0.2 < took_s < FAST.reset_s + 1
    assert machine.boot_id != boot
    assert any(shell.machine._hosts["h1"].boot == machine.boot_id for shell in stage.shells)


def test_a_host_whose_guests_do_not_pause_is_reset_within_two_w(stage: Stage) -> None:
    machine, door = stage.guarded("h1")

    door.stuck = True
    control(stage.world, {"host": "h1", "cut": ["*"]})
    took_s = stage.until(lambda: not machine.powered)

    assert took_s < 2 * FAST.reset_s


def test_a_host_without_power_says_nothing_and_stays_off(stage: Stage) -> None:
    machine, door = stage.guarded("h1")

    sent = stage.wardens.hosts["h1"].warden._seq
    control(stage.world, {"host": "h1", "power": "off"})
    orders = len(door.verbs)
    stage.pass_time(1.5)

    assert max(shell.machine._hosts["h1"].seq for shell in stage.shells) <= sent
    assert not machine.powered
    assert len(door.verbs) == orders
    assert stage.wardens.hosts == {}


def test_a_host_that_was_switched_off_after_its_reset_stays_off(stage: Stage) -> None:
    machine, _ = stage.guarded("h1")
    stage.world.times.boot_s = 0.5

    stage.world.reset(machine)
    stage.world.power_off("h1")
    stage.pass_time(1.0)

    assert not machine.powered


def test_the_same_again_changes_nothing_and_other_witnesses_restart_the_warden(stage: Stage) -> None:
    machine, door = stage.guarded("h1")
    first = stage.wardens.hosts["h1"]
    assert machine.guard is not None

    machine.guard = replace(machine.guard)
    stage.pass_time(0.3)
    assert stage.wardens.hosts["h1"] is first

    machine.guard = replace(machine.guard, witnesses=tuple(stage.at[:1]))
    stage.until(lambda: stage.wardens.hosts["h1"] is not first)
    stage.until(lambda: door.gate.is_open)

    assert stage.wardens.hosts["h1"].petted_s >= first.petted_s
    assert door.verbs == ["close", "open", "close", "open"]


def test_junk_on_the_socket_is_nothing(stage: Stage) -> None:
    _, door = stage.guarded("h1")
    port = stage.wardens._door.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, suppress(OSError):
        for junk in (b"", b"TG1", b"TG1\xff", b"TG1\x07host:h1" + bytes(60), b"TG1\x02\xff\xfe" + bytes(60)):
            out.sendto(junk, ("127.0.0.1", port))
    stage.pass_time(1.0)

    assert door.gate.is_open


def test_an_agent_that_is_told_to_be_guarded_has_a_lease_soon_and_again_after_a_boot(stage: Stage) -> None:
    link = SimLinks(stage.world).to("http://sim/h2")
    key = host_key(SECRET, "some uuid").hex()

    def leased() -> bool:
        facts = link.ask(GetGuard())
        return facts.verb == "open" and facts.done

    link.ask(SetGuard("some uuid", key, tuple(stage.at), "fast"))
    stage.until(leased)
    boot = link.ask(GetGuard()).boot
    stage.world.power_off("h2")
    stage.world.power_on("h2")
    assert not leased()
    stage.until(leased)

    assert link.ask(GetGuard()).boot != boot
    assert any(shell.machine._hosts["some uuid"].switches == 2 for shell in stage.shells)
