"""The process ``tegar warden``: waits for its orders from the agent, then keeps lease and watchdog."""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from tegar.guard import datagram
from tegar.guard.shell import Address, drain, steady, udp
from tegar.guard.warden import Effect, Heard, Input, Pet, Report, Send, Warden
from tegar.guard.watchdog import Watchdog, about, watchdog
from tegar.kernel import log
from tegar.kernel.clock import Clock, WallClock
from tegar.kernel.errors import TegarError
from tegar.model.timing import DEFAULT, FAST, Timing, UnsafeTiming
from tegar.wire.boot import boot_id

CONFIG = "guard.json"
STATUS = "warden.json"
LOOK_S = 0.2
RETRY_S = 10.0
TIMINGS = {"default": DEFAULT, "fast": FAST}


class WardenConfig(msgspec.Struct, frozen=True):
    """What a warden is told by the agent.  Fields that only a newer agent knows are ignored.

    The boot is not among them: the file outlives it.
    """

    host: str
    key: str  # hexadecimal
    listen: Address
    witnesses: dict[str, Address]
    hands: str  # the Unix datagram socket of what speaks to QEMU
    reports: str  # ours, for its reports; ``{"restart": true}`` ends us, to be started again
    watchdog: str = ""
    timing: str | dict[str, int | float] = "default"  # a name, or what differs from the default


class WardenShell:
    """Strictly one effect after the other; nothing here waits but :meth:`wait`."""

    def __init__(
        self, config: WardenConfig, boot: str, dog: Watchdog, clock: Clock, timing: Timing | None = None
    ) -> None:
        """Open the sockets."""
        self._config, self._dog, self._clock = config, dog, clock
        timing = timing or timing_of(config)
        self.machine = Warden(config.host, boot, tuple(config.witnesses), timing)
        self.told_to_restart = False
        self._key = bytes.fromhex(config.key)
        self._keys = {f"host:{config.host}": self._key}
        self._udp = udp(config.listen)
        Path(config.reports).parent.mkdir(parents=True, exist_ok=True)
        Path(config.reports).unlink(missing_ok=True)
        self._unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._unix.bind(config.reports)
        self._unix.setblocking(False)

    def turn(self) -> None:
        """Hear, step, carry out, wait.

        Raises:
            NoWatchdog: the first pet found none; nothing of this lease was opened.
        """
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
            data = datagram.encode(self._key, self._config.host, effect.witness, effect.message)
            with suppress(OSError):  # a full buffer or no route is a lost datagram
                self._udp.sendto(data, self._config.witnesses[effect.witness])
        else:
            order = {"number": effect.number, "verb": effect.verb.value, "epoch": effect.epoch}
            with suppress(OSError):  # repeated until it is reported done
                self._unix.sendto(json.dumps(order).encode(), socket.MSG_DONTWAIT, self._config.hands)

    def _heard(self) -> list[Input]:
        heard: list[Input] = []
        for data, _ in drain(self._udp):
            said = datagram.decode(self._keys.get, self._config.host, data)
            if said is not None:
                heard.append(Heard(*said))
        return heard

    def _reports(self) -> list[Input]:
        reports: list[Input] = []
        for data, _ in drain(self._unix):
            with suppress(msgspec.MsgspecError, ValueError):
                said = msgspec.json.decode(data, type=dict[str, Any])
                if said.get("restart") is True:
                    self.told_to_restart = True
                else:
                    reports.append(msgspec.convert(said, Report))
        return reports


def timing_of(config: WardenConfig) -> Timing:
    """Return the timers of a configuration.  A watchdog of two stages has two, whatever is written.

    Raises:
        UnsafeTiming: they are unknown, or break an inequality.
    """
    try:
        timing = (
            TIMINGS[config.timing] if isinstance(config.timing, str) else replace(DEFAULT, **config.timing)  # type: ignore[arg-type]
        )
    except (KeyError, TypeError) as e:
        raise UnsafeTiming(f"timing {config.timing!r} is not known: {e}") from e
    return replace(timing, stages=max(timing.stages, about(config.watchdog).stages)).check()


def main_warden(argv: Sequence[str]) -> int:
    """Wait for the agent's orders, then run until told to restart."""
    parser = argparse.ArgumentParser("tegar warden", description="Keep this host's lease and its watchdog.")
    parser.add_argument("--state-dir", type=Path, default=Path("/var/lib/tegar"), help=f"holds {CONFIG}")
    parser.add_argument("--run-dir", type=Path, default=Path("/run/tegar"), help=f"{STATUS} goes there")
    given = parser.parse_args(list(argv))
    return keep(given.state_dir / CONFIG, given.run_dir / STATUS, WallClock())


def keep(config_file: Path, status_file: Path, clock: Clock) -> int:
    """Keep the lease; return when told to restart, or when it cannot be kept, after saying why."""
    data = _awaited(config_file, clock)
    status: dict[str, Any] = {"watchdog": "", "watchdog_s": 0.0, "dead_s": 0.0, "boot": boot_id()}
    lacking = steady()
    petted = False
    try:
        config = msgspec.json.decode(data, type=WardenConfig)
        timing, found = timing_of(config), about(config.watchdog)
        lacking += found.lacking
        status |= {"watchdog": found.what, "watchdog_s": timing.reset_s, "dead_s": timing.dead_s}
        _write(status_file, status | {"lacking": lacking})
        dog = watchdog(config.watchdog, timing.watchdog_s)
        shell = WardenShell(config, status["boot"], dog, clock, timing)
        log.get("guard").info("warden", host=config.host, lacking=lacking, **status)
        while not shell.told_to_restart:
            shell.turn()
            petted = petted or shell.machine.armed
    except (msgspec.MsgspecError, TegarError, ValueError, OSError) as e:
        _write(status_file, status | {"lacking": [*lacking, str(e)]})
        log.get("guard").error("the lease cannot be kept", why=str(e))
        if not petted:  # else at once, for a timer runs
            _changed(config_file, data, clock)
        return 1
    log.get("guard").info("the warden restarts")
    return 0


def _awaited(file: Path, clock: Clock) -> bytes:
    """Return the file's content, as soon as there is one; until then the host is not guarded."""
    if not file.exists():
        log.get("guard").info("this host is not guarded yet", waits_for=str(file))
    while True:
        with suppress(OSError):
            if data := file.read_bytes():
                return data
        clock.sleep(LOOK_S)


def _changed(file: Path, data: bytes, clock: Clock) -> None:
    """Wait for other orders, or until it is time to try the same ones again."""
    until_s = clock.mono_s() + RETRY_S
    while clock.mono_s() < until_s:
        with suppress(OSError):
            if file.read_bytes() != data:
                return
        clock.sleep(LOOK_S)


def _write(file: Path, status: dict[str, Any]) -> None:
    """Let the agent read how the host is guarded."""
    file.parent.mkdir(parents=True, exist_ok=True)
    spare = file.with_name(f"{file.name}.new")
    spare.write_text(json.dumps(status))
    os.replace(spare, file)
