"""The process ``tegar witness``: a datagram in, at most one out (a survey: a few)."""

from __future__ import annotations

import argparse
import secrets
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tegar.guard import datagram
from tegar.guard.datagram import LONGEST_BYTES, AnyMessage, AskMany
from tegar.guard.keys import Keyring
from tegar.guard.shell import Address, steady, udp
from tegar.guard.witness import Witness
from tegar.kernel import log
from tegar.kernel.clock import Clock, WallClock
from tegar.kernel.errors import TegarError

SO_RCVBUFFORCE = 33
BUFFER_BYTES = 16 * 1024 * 1024  # a second of 10,000 hosts, should the process not run for one
SHORTEST_SECRET_BYTES = 16


@dataclass(eq=False)
class UnsafeWitness(TegarError):
    """A configuration with which a witness must not begin."""

    says = "The witness cannot begin: {why}"

    why: str


class WitnessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a witness is told; every key follows from the secret."""

    name: str
    listen: Address
    secret: str  # hexadecimal
    longest_dead_s: float
    first: bool = False  # the cluster is new: there is nothing this witness may have forgotten

    def check(self) -> WitnessConfig:
        """Return it.

        Raises:
            UnsafeWitness: the secret is none, or no lease could be as short as the longest.
        """
        try:
            secret = bytes.fromhex(self.secret)
        except ValueError:
            raise UnsafeWitness("the secret is not hexadecimal") from None
        if len(secret) < SHORTEST_SECRET_BYTES:
            raise UnsafeWitness(f"the secret must have {SHORTEST_SECRET_BYTES} bytes or more")
        if not 0 < self.longest_dead_s < 3600:
            raise UnsafeWitness(f"longest_dead_s is {self.longest_dead_s}")
        return self


class WitnessShell:
    """The machine between two calls of the kernel."""

    def __init__(self, config: WitnessConfig, clock: Clock, *, wait_s: float = 1.0) -> None:
        """Open the socket; a turn waits so long for something to do."""
        self._clock, self._name = clock, config.check().name
        self._keys = Keyring(bytes.fromhex(config.secret))
        self._udp = udp(config.listen)
        _widen(self._udp)
        _patience(self._udp, wait_s)
        self._said_full = False
        self.machine = Witness(
            config.name,
            now_s=clock.mono_s(),
            incarnation=int(clock.now_s() * 1e6),
            secret=secrets.token_bytes(32),
            longest_dead_s=config.longest_dead_s,
            first=config.first,
        )

    def turn(self) -> None:
        """Wait for a datagram and answer it.

        It is timed after it was taken from the socket, so an accept is never dated before its send.
        """
        try:
            data, address = self._udp.recvfrom(LONGEST_BYTES + 1)
        except BlockingIOError:
            return
        self._hear(data, address)

    def close(self) -> None:
        """Close the socket."""
        self._udp.close()

    def _hear(self, data: bytes, address: Any) -> None:
        said = datagram.decode(self._keys.get, self._name, data)
        if said is None:
            return
        sender, message = said
        key = self._keys.keep(datagram.key_name(message))  # the answer's, too
        now_s = self._clock.mono_s()
        answers: Sequence[AnyMessage]
        if isinstance(message, AskMany):
            answers = self.machine.survey(now_s, message)
        else:
            answer = self.machine.take(now_s, message)
            answers = () if answer is None else (answer,)
        for answer in answers:
            with suppress(OSError):  # a full buffer or no route is a lost datagram
                data = datagram.encode(key, self._name, sender, answer)
                self._udp.sendto(data, socket.MSG_DONTWAIT, address)
        if not answers and self.machine.full and not self._said_full:
            self._said_full = True
            log.get("guard").error("no memory for more hosts", witness=self._name)


def main_witness(argv: Sequence[str]) -> int:
    """Run a witness until it is killed."""
    parser = argparse.ArgumentParser("tegar witness", description="Keep the leases of hosts, in memory.")
    parser.add_argument("--config", type=Path, required=True, help="JSON: name, listen, secret, …")
    given = parser.parse_args(list(argv))
    config = msgspec.json.decode(given.config.read_bytes(), type=WitnessConfig)
    config = msgspec.structs.replace(config, first=config.first and first_time(given.config))
    shell = WitnessShell(config, WallClock())
    log.get("guard").info(
        "witness",
        name=config.name,
        first=config.first,
        incarnation=shell.machine.incarnation,
        lacking=steady(),
    )
    while True:
        shell.turn()


def first_time(config: Path) -> bool:
    """Whether no witness began with this file before: a restarted one is never the first.

    A mark beside the file remembers; where none can be made, nobody is the first.
    """
    try:
        config.with_name(f"{config.name}.began").open("x").close()
    except OSError:
        return False
    return True


def _widen(door: socket.socket) -> None:
    """Ask for a large buffer; as root, for more than the system would give."""
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    with suppress(OSError):
        door.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)


def _patience(door: socket.socket, seconds: float) -> None:
    """Let the kernel do the waiting: one call for a datagram instead of three."""
    door.setblocking(True)
    whole = int(seconds)
    door.setsockopt(
        socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", whole, int((seconds - whole) * 1e6))
    )
