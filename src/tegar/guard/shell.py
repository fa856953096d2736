"""The processes ``warden`` and ``witness``: sockets in, the pure machine's effects out, nothing more."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import secrets
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tegar.guard import datagram
from tegar.guard.datagram import LONGEST_BYTES, AnyMessage
from tegar.guard.timing import Timing
from tegar.guard.warden import Effect, Heard, Input, Pet, Report, Send, Warden
from tegar.guard.watchdog import Watchdog, watchdog
from tegar.guard.witness import Witness
from tegar.kernel import log
from tegar.kernel.boot import boot_id
from tegar.kernel.clock import Clock, WallClock

MCL_CURRENT_AND_FUTURE = 3
PRIORITY = 50
BATCH = 256
Address = tuple[str, int]


class WardenConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a warden is told."""

    host: str
    key: str  # hexadecimal
    listen: Address
    witnesses: dict[str, Address]
    hands: str  # the Unix datagram socket of what speaks to QEMU
    reports: str  # ours, for its reports
    watchdog: str = ""
    timing: dict[str, float] = {}


class WitnessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a witness is told."""

    name: str
    listen: Address
    keys: dict[str, str]  # of hosts, hexadecimal
    manager_key: str
    longest_dead_s: float
    first: bool = False  # only when the cluster is made


def steady() -> list[str]:
    """Lock memory, take real-time priority, stop the garbage collector; return what was not allowed."""
    lacking = []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE) != 0:
        lacking.append(f"mlockall: {os.strerror(ctypes.get_errno())}")
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError as e:
        lacking.append(f"SCHED_RR: {e.strerror}")
    gc.collect()
    gc.freeze()
    gc.disable()
    return lacking


class WardenShell:
    """Strictly one effect after the other; nothing here waits but :meth:`wait`."""

    def __init__(self, config: WardenConfig, boot: str, dog: Watchdog, clock: Clock) -> None:
        """Open the sockets."""
        timing = Timing(**config.timing) if config.timing else Timing()  # type: ignore[arg-type]
        self._config, self._dog, self._clock = config, dog, clock
        self.machine = Warden(config.host, boot, tuple(config.witnesses), timing)
        self._keys = {f"host:{config.host}": bytes.fromhex(config.key)}
        self._udp = _udp(config.listen)
        Path(config.reports).unlink(missing_ok=True)
        self._unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._unix.bind(config.reports)
        self._unix.setblocking(False)

    def turn(self) -> None:
        """Hear, step, carry out, wait."""
        for effect in self.machine.step(self._clock.mono_s(), [*self._heard(), *self._reports()]):
            self._carry_out(effect)
        self.wait()

    def wait(self) -> None:
        """Sleep until something comes or the machine wants its next step."""
        left_s = max(0.0, self.machine.wake_s - self._clock.mono_s())
        select.select([self._udp, self._unix], [], [], left_s)

    def close(self) -> None:
        """Close the sockets; the watchdog goes on."""
        self._udp.close()
        self._unix.close()

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Pet):
            self._dog.pet()
        elif isinstance(effect, Send):
            key = self._keys[f"host:{self._config.host}"]
            data = datagram.encode(key, self._config.host, effect.witness, effect.message)
            with suppress(OSError):  # a full buffer or no route is a lost datagram
                self._udp.sendto(data, self._config.witnesses[effect.witness])
        else:
            order = {"number": effect.number, "verb": effect.verb.value, "epoch": effect.epoch}
            with suppress(OSError):  # repeated until it is reported done
                self._unix.sendto(json.dumps(order).encode(), socket.MSG_DONTWAIT, self._config.hands)

    def _heard(self) -> list[Input]:
        heard: list[Input] = []
        for data, _ in _drain(self._udp):
            said = datagram.decode(self._keys.get, self._config.host, data)
            if said is not None:
                heard.append(Heard(*said))
        return heard

    def _reports(self) -> list[Input]:
        reports: list[Input] = []
        for data, _ in _drain(self._unix):
            with suppress(msgspec.MsgspecError, ValueError):
                reports.append(msgspec.json.decode(data, type=Report))
        return reports


class WitnessShell:
    """A datagram in, at most one out."""

    def __init__(self, config: WitnessConfig, clock: Clock) -> None:
        """Open the socket."""
        self._clock, self._name = clock, config.name
        self._keys = {f"host:{host}": bytes.fromhex(key) for host, key in config.keys.items()}
        self._keys["manager"] = bytes.fromhex(config.manager_key)
        self._udp = _udp(config.listen)
        self.machine = Witness(
            config.name,
            config.keys,
            now_s=clock.mono_s(),
            incarnation=int(clock.now_s() * 1e6),
            secret=secrets.token_bytes(32),
            longest_dead_s=config.longest_dead_s,
            first=config.first,
        )

    def turn(self, timeout_s: float = 1.0) -> None:
        """Wait for datagrams and answer them."""
        select.select([self._udp], [], [], timeout_s)
        for data, address in _drain(self._udp):
            said = datagram.decode(self._keys.get, self._name, data)
            if said is not None:
                self._answer(*said, address)

    def close(self) -> None:
        """Close the socket."""
        self._udp.close()

    def _answer(self, sender: str, message: AnyMessage, address: Any) -> None:
        answer = self.machine.take(self._clock.mono_s(), message)
        if answer is not None:
            key = self._keys[datagram.key_name(answer)]
            with suppress(OSError):
                self._udp.sendto(datagram.encode(key, self._name, sender, answer), address)


def main_warden(argv: Sequence[str]) -> int:
    """Run the warden of this host until it is killed: ``warden CONFIG.json``."""
    config = msgspec.json.decode(Path(argv[0]).read_bytes(), type=WardenConfig)
    timing = Timing(**config.timing) if config.timing else Timing()  # type: ignore[arg-type]
    shell = WardenShell(config, boot_id(), watchdog(config.watchdog, timing.watchdog_s), WallClock())
    log.get("guard").info("warden", host=config.host, dead_s=timing.dead_s, lacking=steady())
    while True:
        shell.turn()


def main_witness(argv: Sequence[str]) -> int:
    """Run a witness until it is killed: ``witness CONFIG.json``."""
    config = msgspec.json.decode(Path(argv[0]).read_bytes(), type=WitnessConfig)
    shell = WitnessShell(config, WallClock())
    log.get("guard").info("witness", name=config.name, hosts=len(config.keys), lacking=steady())
    while True:
        shell.turn()


def _udp(listen: Address) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(tuple(listen))
    made.setblocking(False)
    return made


def _drain(door: socket.socket) -> list[tuple[bytes, Any]]:
    """Return what has come, at most a batch, without waiting."""
    came: list[tuple[bytes, Any]] = []
    with suppress(OSError):
        while len(came) < BATCH:
            came.append(door.recvfrom(LONGEST_BYTES + 1))
    return came
