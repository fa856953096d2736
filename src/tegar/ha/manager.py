"""The HA manager: one leader's rounds.  It asks the decider what is due, and carries it out.

Everything it must not lose is in SQL; each of its transactions first checks that it still leads.  It
runs in one thread: answers of witnesses and results of what takes long come through ``inbox``.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.guard import datagram
from tegar.guard.datagram import Answer
from tegar.ha import decide, due, facts, lost, quarantine, ready, remind, stage
from tegar.ha.decide import TICK_S, Decider, Effect, Facts, LeaseId
from tegar.ha.facts import EVERY_EPOCH, Picture
from tegar.ha.ways import NoPower, Power, Ways
from tegar.kernel import log
from tegar.kernel.errors import Fenced, TegarError
from tegar.kernel.lease import Lease
from tegar.model.lease import Proof
from tegar.saga.env import Env
from tegar.store import events
from tegar.store.hosts import Hold, Host
from tegar.store.leases import HostLease
from tegar.store.zones import Cluster
from tegar.wire.guard import GetGuard

LEASE = "ha"
HELD_S = 0.5  # who may start next is asked so often while somebody waits
FRESH_S = 1.0  # what SQL says is read again after so long
REMIND_S = 1.0  # witnesses that restarted are told of every VM, again after so long if that failed
READY_S, READY_LATE_S = 1.0, 10.0  # each VM is asked so often whether it is ready; an answer is given up
T = TypeVar("T")


@dataclass
class Leading:
    """As whom the manager leads."""

    holder: str
    fence: int


@dataclass
class Manager:
    """A leader's rounds.  Made anew with each term, for it must begin knowing nothing."""

    env: Env
    ways: Ways
    leading: Leading
    power: Power = field(default_factory=NoPower)
    decider: Decider = field(default_factory=Decider)
    _picture: Picture = field(default_factory=lambda: Picture(Facts({}, {}), {}, {}))
    _read_s: float = -1e9
    _due: list[tuple[float, LeaseId]] = field(default_factory=list)
    _looked_s: float = -1e9
    _handed_s: float = -1e9
    _waiting: bool = False
    _asked_ready_s: float = -1e9
    _asking_ready: bool = False
    _stalled: frozenset[int] = frozenset()
    _remind_at_s: float = -1e9

    # ── what wakes it ─────────────────────────────────────────────────────────────────────────────

    def hear(self, witness: str, answer: Answer) -> None:
        """Take a witness's answer."""
        asked_s = answer.nonce / 1e6
        self._carry_out(self.decider.hear(self.env.clock.mono_s(), witness, answer, asked_s))

    def due_s(self) -> float:
        """Return when to call :meth:`turn` next, on the monotonic clock."""
        tick_s = self._looked_s + TICK_S
        return min(tick_s, self._due[0][0]) if self._due else tick_s

    def turn(self) -> None:
        """Do what is due now."""
        now_s = self.env.clock.mono_s()
        while self._due and self._due[0][0] <= now_s:
            self._carry_out(self.decider.ripe(heapq.heappop(self._due)[1]))
        if now_s - self._looked_s >= TICK_S:
            self._looked_s = now_s
            self._look(now_s)

    def _look(self, now_s: float) -> None:
        if now_s - self._read_s >= FRESH_S:
            self._read()
            self._hand_over()
        elif self._waiting and now_s - self._handed_s >= HELD_S:
            self._hand_over()
        self._ask_ready(now_s)
        self._carry_out(self.decider.look(now_s, self._picture.facts))
        self._carry_out(self.decider.questions(self.env.clock.mono_s(), self._picture.facts))
        if self.decider.blank and now_s >= self._remind_at_s:
            self._remind(dict(self.decider.blank))

    def _read(self) -> None:
        now_s = self.env.clock.now_s()

        def work(s: Session) -> Picture:
            return facts.read(s, bmcs=self.power.hosts(s), stalled=facts.stalled(s, now_s))

        self._picture = self.env.db.read(work)
        self._read_s = self.env.clock.mono_s()
        self.decider.facts = self._picture.facts
        before, self._stalled = self._stalled, frozenset(filter(self.decider.stalled, self._clusters()))
        if self._stalled - before:
            self._tx(lambda s: _warn_of_stalls(s, self._stalled - before))

    def _clusters(self) -> set[int]:
        return {known.cluster_id for known in self._picture.hosts.values()}

    # ── effects ───────────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, effects: list[Effect]) -> None:
        asked: dict[str, list[LeaseId]] = defaultdict(list)
        for effect in effects:
            match effect:
                case decide.Ask(witness, lease, promise):
                    if promise:
                        self._say(witness, datagram.Ask(self.ways.nonce(), *lease, promise))
                    else:
                        asked[witness].append(lease)
                case decide.Teach(witness, incarnation, host, floors):
                    self._say(witness, datagram.Teach(incarnation, host, floors))
                case decide.Later(lease, in_s):
                    heapq.heappush(self._due, (self.env.clock.mono_s() + in_s + 1e-3, lease))
                case decide.Current(lease, before, dead_s):
                    self._current(lease, before, dead_s)
                case decide.Suspect(lease):
                    self._turned(lease, "suspect")
                    self._stage(lease)
                case decide.HeardAgain(lease):
                    self._turned(lease, "live")
                case decide.Brake(cluster, hosts):
                    self._brake(cluster, hosts)
                case decide.ForceOff(lease):
                    self._power(lease, self.power.off)
                case decide.ReadPower(lease):
                    self._power(lease, self.power.reads_off)
                case decide.Proven(lease, kind, evidence):
                    self._proven(lease, kind, evidence)
        for witness, leases in asked.items():
            address = self._picture.addresses.get(witness)
            if address is not None:
                self.ways.ask(witness, address, leases)

    def _say(self, witness: str, message: datagram.AnyMessage) -> None:
        address = self._picture.addresses.get(witness)
        if address is not None:
            self.ways.say(witness, address, message)

    def _tx(self, work: Callable[[Session], T]) -> T:
        """Run a transaction as leader.

        Raises:
            Fenced: another server leads by now.
        """

        def fenced(s: Session) -> T:
            mine = (
                Lease.name == LEASE,
                Lease.holder == self.leading.holder,
                Lease.fence == self.leading.fence,
            )
            if s.scalars(select(Lease.name).where(*mine).with_for_update(read=True)).first() is None:
                raise Fenced("high availability")
            return work(s)

        return self.env.db.tx(fenced)

    def _host_id(self, name: str) -> int | None:
        known = self._picture.hosts.get(name)
        return known.host_id if known else None

    def _current(self, lease: LeaseId, before: LeaseId | None, dead_s: float) -> None:
        """A lease is accepted: VMs may run under it.  What ran under an older boot needs a proof still."""
        host_id = self._host_id(lease.host)
        if host_id is None:
            return

        def work(s: Session) -> None:
            row = s.get(HostLease, host_id)
            if row is None:
                return
            if not row.boot:  # what ran here unguarded runs under its first lease now
                adopt = update(Hold).where(Hold.host_id == host_id, Hold.boot == "")
                s.execute(adopt.values(boot=lease.boot, epoch=lease.epoch))
            row.boot, row.epoch, row.dead_s = lease.boot, lease.epoch, dead_s
            row.state, row.since_s, row.braked = "live", self.env.clock.now_s(), False

        self._tx(work)
        log.get("ha").info("lease", host=self._name(lease), boot=lease.boot, epoch=lease.epoch, dead_s=dead_s)
        self._read()
        if before is not None and before.boot != lease.boot:
            self._seek_reboot(lease, before)

    def _turned(self, lease: LeaseId, state: str) -> None:
        host_id = self._host_id(lease.host)

        def work(s: Session) -> None:
            row, now_s = s.get(HostLease, host_id), self.env.clock.now_s()
            if row is None or row.state in (state, "dead") or (row.boot, row.epoch) != lease[1:]:
                return
            if state == "live" and row.state == "suspect":
                quarantine.false_alarm(s, row, now_s)
            row.state, row.since_s, row.braked = state, now_s, False

        self._tx(work)
        log.get("ha").warning("host " + state, host=self._name(lease), boot=lease.boot, epoch=lease.epoch)

    def _brake(self, cluster: int, hosts: tuple[str, ...]) -> None:
        ids = [known.host_id for host in hosts if (known := self._picture.hosts.get(host))]

        def work(s: Session) -> None:
            s.execute(update(HostLease).where(HostLease.host_id.in_(ids)).values(braked=True))
            names = s.scalars(select(Host.name).where(Host.id.in_(ids)).order_by(Host.name)).all()
            events.alert(
                s,
                "ALERT.HA.BRAKE",
                f"{len(ids)} hosts fell silent at once: VMs stay where they are",
                f"{', '.join(names)}; silence alone proves nothing now. It goes on when power is read as Off, "
                "when the hosts are heard again, or when an operator says so.",
            )

        self._tx(work)
        log.get("ha").error("brake", cluster=cluster, hosts=len(ids))

    def _proven(self, lease: LeaseId, kind: str, evidence: str) -> None:
        host_id = self._host_id(lease.host)
        if host_id is None:
            return
        now_s = self.env.clock.now_s()
        self._tx(lambda s: lost.record(s, host_id, lease.boot, lease.epoch, kind, evidence, now_s).id)
        self._hand_over()
        self._read()
        self._carry_out(self.decider.recorded(lease))

    def _hand_over(self) -> None:
        """Let go of all that ran on the dead, and start what is due."""
        now_s = self.env.clock.now_s()
        while True:
            more = self._tx(lambda s: lost.hand_over(s, now_s)) == lost.AT_ONCE
            turn = self._tx(lambda s: due.submit(s, now_s))
            if not more and turn.started < due.AT_ONCE:
                break
        self._waiting, self._handed_s = turn.waiting > 0, self.env.clock.mono_s()

    def _ask_ready(self, now_s: float) -> None:
        """While somebody waits, ask those that run whether they are ready."""
        since_s = now_s - self._asked_ready_s
        if not self._waiting or since_s < (READY_LATE_S if self._asking_ready else READY_S):
            return
        wanted = self.env.db.read(ready.gates)
        self._asked_ready_s, self._asking_ready = now_s, bool(wanted)
        if not wanted:
            return

        def work() -> Callable[[], None]:
            found = ready.ask(self.env, wanted)
            return lambda: self._ready(found)

        self.ways.apart(work)

    def _ready(self, found: list[ready.Gate]) -> None:
        self._asking_ready = False
        if found:
            self._tx(lambda s: ready.passed(s, found))
            log.get("ha").info("ready", vms=len(found))
            self._hand_over()

    def _power(self, lease: LeaseId, ask: Callable[[int], str]) -> None:
        host_id = self._host_id(lease.host)
        if host_id is None:
            return
        log.get("ha").warning("power is asked", host=self._name(lease), how=ask.__name__)

        def work() -> Callable[[], None]:
            try:
                evidence = ask(host_id)
            except TegarError as e:
                log.get("ha").warning("power does not read Off", host_id=host_id, error=str(e))
                evidence = ""
            return lambda: self._carry_out(self.decider.power(lease, evidence))

        self.ways.apart(work)

    def _stage(self, lease: LeaseId) -> None:
        host_id = self._host_id(lease.host)

        def work() -> Callable[[], None]:
            if host_id is not None:
                stage.prepare(self.env, host_id)
            return lambda: None

        self.ways.apart(work)

    def _seek_reboot(self, lease: LeaseId, before: LeaseId) -> None:
        """P4: hear from the host itself, now, that it has booted again."""
        known = self._picture.hosts[lease.host]

        def work() -> Callable[[], None]:
            try:
                said = self.env.links.to(known.url).ask(GetGuard(), timeout_s=5)
            except TegarError as e:
                log.get("ha").info("reboot not confirmed", host=known.name, error=str(e))
                return lambda: None
            if said.boot != lease.boot:
                return lambda: None
            old = LeaseId(before.host, before.boot, EVERY_EPOCH)
            return lambda: self._proven(old, Proof.REBOOT, f"the host says that its boot is {said.boot}")

        self.ways.apart(work)

    def _remind(self, blank: dict[str, int]) -> None:
        """Tell witnesses that restarted of every VM."""
        self._remind_at_s = float("inf")

        def work() -> Callable[[], None]:
            try:
                vms = remind.remind(self.env, blank)
                log.get("ha").info("witnesses know every VM again", witnesses=sorted(blank), vms=vms)
            except TegarError as e:
                log.get("ha").warning("witnesses do not know every VM", witnesses=sorted(blank), error=str(e))
            return again

        def again() -> None:
            self._remind_at_s = self.env.clock.mono_s() + REMIND_S

        self.ways.apart(work)

    def _name(self, lease: LeaseId) -> str:
        known = self._picture.hosts.get(lease.host)
        return known.name if known else lease.host


def _warn_of_stalls(s: Session, cluster_ids: frozenset[int]) -> None:
    for name in s.scalars(select(Cluster.name).where(Cluster.id.in_(cluster_ids)).order_by(Cluster.name)):
        events.alert(
            s,
            "ALERT.HA.BRAKE",
            f"The storage of cluster {name} hangs: no host of it is fenced",
            "More than half of its hosts see a pool hang. VMs wait where they are and go on when it is back.",
        )
        log.get("ha").error("storage hangs", cluster=name)
