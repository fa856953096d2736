"""A management server's talk with the witnesses: one UDP socket, questions out, answers to whoever waits."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tegar.guard import datagram, survey
from tegar.guard.datagram import (
    LONGEST_BYTES,
    Answer,
    AnswerMany,
    AnyMessage,
    AskMany,
    Record,
    Recorded,
    Whole,
)
from tegar.guard.keys import manager_key
from tegar.guard.tally import Tally
from tegar.kernel import log
from tegar.kernel.clock import Clock
from tegar.kernel.errors import Unavailable

TRY_S, TRIES = 0.3, 4
ASKED_KEPT = 20_000  # questions whose answers may still come
Address = tuple[str, int]


@dataclass
class Waiting:
    """A record that waits for a verdict, and for answers of some that must know of it."""

    tally: Tally
    must_hear: frozenset[str] = frozenset()
    done: threading.Event = field(default_factory=threading.Event)

    def take(self, witness: str, said: Recorded, now_s: float) -> None:
        """Count an answer."""
        self.tally.take(witness, said)
        if self.must_hear.issubset(self.tally.said) and self.tally.verdict(now_s) is not None:
            self.done.set()


class Witnesses:
    """All witnesses of the cloud, by cluster.

    Args:
        secret: what keys follow from.
        of_cluster: returns the addresses of a cluster's witnesses by name; asked for each record.
        clock: time.
    """

    def __init__(
        self, secret: bytes, of_cluster: Callable[[int], Mapping[str, Address]], clock: Clock
    ) -> None:
        self._key, self._of_cluster, self._clock = manager_key(secret), of_cluster, clock
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._lock = threading.Lock()
        self._last_nonce = 0
        self._salt = secrets.token_bytes(8)
        self._me = f"manager-{secrets.token_hex(8)}"  # an answer to another, or to us before, is not for us
        self._asked: dict[tuple[str, int], AskMany] = {}
        self._waiting: dict[int, Waiting] = {}
        self._begun: dict[str, int] = {}  # incarnations that are known to answer
        self.on_answer: Callable[[str, Answer], None] = lambda _witness, _answer: None
        self._closed = False
        self._thread = threading.Thread(target=self._listen, name="witnesses", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._socket.settimeout(1.0)
        self._socket.bind(("", 0))
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._closed = True

    def nonce(self) -> int:
        """Return a number that grows; it is the time of the question in microseconds of our clock."""
        with self._lock:
            self._last_nonce = max(self._last_nonce + 1, int(self._clock.mono_s() * 1e6))
            return self._last_nonce

    def send(self, witness: str, address: Address, message: AnyMessage) -> None:
        """Send a datagram; no route or a full buffer is a lost one."""
        with suppress(OSError):
            self._socket.sendto(datagram.encode(self._key, self._me, witness, message), address)

    def ask(self, witness: str, address: Address, leases: Sequence[survey.Lease]) -> None:
        """Ask about many leases; the answers come as if each had been asked about alone."""
        for question in survey.questions(leases, self.nonce(), self._salt):
            self._asked[witness, question.nonce] = question
            while len(self._asked) > ASKED_KEPT:
                del self._asked[next(iter(self._asked))]
            self.send(witness, address, question)
            with self._lock:
                self._last_nonce = max(self._last_nonce, question.nonce)

    def record(self, cluster_id: int, vm_uuid: str, epoch: int, owner: str) -> bool:
        """Raise a VM's epoch at a majority; see ``saga.env.Quorum``."""
        circle = self._of_cluster(cluster_id)
        return not circle or self._record(circle, vm_uuid, epoch, owner, frozenset())

    def remind(self, cluster_id: int, vm_uuid: str, epoch: int, owner: str, blank: Mapping[str, int]) -> bool:
        """Tell restarted witnesses of a VM; see ``saga.env.Quorum``."""
        circle = self._of_cluster(cluster_id)
        return not circle or self._record(circle, vm_uuid, epoch, owner, frozenset(blank) & frozenset(circle))

    def say_whole(self, cluster_id: int, blank: Mapping[str, int]) -> None:
        """Tell restarted witnesses that they know of every VM."""
        circle = self._of_cluster(cluster_id)
        for witness in blank.keys() & circle.keys():
            self.send(witness, circle[witness], Whole(blank[witness]))

    def _record(
        self, circle: Mapping[str, Address], vm_uuid: str, epoch: int, owner: str, must_hear: frozenset[str]
    ) -> bool:
        with self._lock:
            tally = Tally(circle, self._begun, self._clock.mono_s())
        waiting = Waiting(tally, must_hear)
        nonces = [self.nonce() for _ in range(TRIES)]
        with self._lock:
            self._waiting |= dict.fromkeys(nonces, waiting)
        try:
            for nonce in nonces:
                for witness, address in circle.items():
                    if witness not in tally.said:
                        self.send(witness, address, Record(nonce, vm_uuid, epoch, owner))
                if self._clock.wait(waiting.done, TRY_S):
                    break
        finally:
            with self._lock:
                for nonce in nonces:
                    del self._waiting[nonce]
            agreed = tally.verdict(self._clock.mono_s()) if waiting.done.is_set() else None
        if agreed is None:
            blank = sum(it.blank for it in tally.said.values())
            why = f"{len(tally.said)} of {len(circle)} answered in time, {blank} of them restarted lately"
            raise Unavailable("The witnesses", why)
        for witness, incarnation in tally.blank().items() if agreed else ():
            self.send(witness, circle[witness], Record(self.nonce(), vm_uuid, epoch, owner, incarnation))
        return agreed

    def _listen(self) -> None:
        while not self._closed:
            try:
                data, _ = self._socket.recvfrom(LONGEST_BYTES + 1)
            except TimeoutError:
                continue
            except OSError as e:
                log.get("ha").warning("cannot hear witnesses", error=str(e))
                continue
            said = datagram.decode(self._key_of, self._me, data)
            if said is not None:
                self._take(*said)
        self._socket.close()

    def _key_of(self, name: str) -> bytes | None:
        return self._key if name == "manager" else None

    def _take(self, witness: str, message: AnyMessage) -> None:
        if isinstance(message, Answer):
            self._answered(witness, message)
        elif isinstance(message, AnswerMany):
            asked = self._asked.get((witness, message.nonce))
            for answer in survey.answers(asked, message) if asked else ():
                self._answered(witness, answer)
        elif isinstance(message, Recorded):
            with self._lock:
                self._begun[witness] = max(message.incarnation, self._begun.get(witness, 0))
                waiting = self._waiting.get(message.nonce)
                if waiting is not None:
                    waiting.take(witness, message, self._clock.mono_s())

    def _answered(self, witness: str, answer: Answer) -> None:
        if answer.ready and answer.incarnation > self._begun.get(witness, 0):
            self._begun[witness] = answer.incarnation
        self.on_answer(witness, answer)
