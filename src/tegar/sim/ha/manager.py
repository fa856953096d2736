"""The HA manager of the simulated world: the real decisions, and a model of what carries them out.

It follows ``ha/manager.py``: one leader, made anew with each term, whose transactions are fenced.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from tegar.guard import datagram, survey
from tegar.guard.datagram import Answer, AnswerMany, AskMany
from tegar.ha import decide
from tegar.ha.decide import Decider, Effect, Facts, HostFacts, LeaseId
from tegar.ha.facts import EVERY_EPOCH
from tegar.ha.manager import FRESH_S
from tegar.ha.quarantine import ALARMS
from tegar.model.lease import Proof
from tegar.sim.ha.agent import Look
from tegar.sim.ha.sagas import Unanswered, lose
from tegar.sim.ha.sql import Away, LeaseRow, SagaRow, Tables, VmRow

if TYPE_CHECKING:
    from tegar.sim.ha.server import Server, Work

TICK_S = decide.TICK_S
RIPE_LATE_S = 1e-4
LOOK_S = 5.0  # how often hosts are compared with the rows
SALT = b"salt"


class Manager:
    """Look, prove, hand over, ask; once a tick."""

    decider: type[Decider] = Decider

    def __init__(self, server: Server) -> None:
        """Begin, knowing nothing."""
        self.server, self.world, self.sql = server, server.world, server.world.sql
        self.decide = self.decider()
        self._facts = Facts({}, {})
        self._read_s = self._looked_s = -1e9
        self._asked: dict[tuple[str, int], AskMany] = {}
        self._reminding = False
        server.do(self._tick)

    def now_s(self) -> float:
        """Return the reading of the server's clock."""
        return self.server.now_s()

    @property
    def over(self) -> bool:
        """Whether its term is."""
        return self.server.dead or (self.server.manager is not self and self.server.manager is not None)

    # ── hearing, looking, asking ──────────────────────────────────────────────────────────────────

    def hear(self, sender: str, message: Answer | AnswerMany) -> None:
        """Take an answer, or many."""
        asked_s = message.nonce / 1e6
        if isinstance(message, Answer):
            self._carry_out(self.decide.hear(self.now_s(), sender, message, asked_s))
            return
        asked = self._asked.pop((sender, message.nonce), None)
        if asked is not None:
            now_s = self.now_s()
            for answer in survey.answers(asked, message):
                self._carry_out(self.decide.hear(now_s, sender, answer, asked_s))

    def _tick(self) -> None:
        if self.over:
            return
        self.server.later(TICK_S, self._tick)
        now_s = self.now_s()
        if now_s - self._read_s >= FRESH_S:
            self._read()
            self._hand_over()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            for host in self.world.hosts:
                self.server.spawn(self.server.sagas.look(host))
        self._carry_out(self.decide.look(now_s, self._facts))
        self._carry_out(self.decide.questions(now_s, self._facts))
        if self.decide.blank and not self._reminding:
            self._reminding = True
            self.server.spawn(self._remind(dict(self.decide.blank)))

    def _read(self) -> None:
        self._facts = self.sql.tx(self.server.uuid, self._facts_of)
        self._read_s = self.now_s()
        self.decide.facts = self._facts

    def _facts_of(self, t: Tables) -> Facts:
        """Return what SQL says, and which hosts reported that their storage hangs."""
        hosts = {
            name: HostFacts(
                0,
                armed=t.armed,
                bmc=host.bmc != "none",
                force_off_s=host.timing.force_off_s,
                lease=t.leases[name].lease if name in t.leases else None,
                stalled=self.world.says_stalled(host),
            )
            for name, host in self.world.hosts.items()
        }
        leases = {place.lease for row in t.vms.values() for place in row.places}
        leases |= {row.lease for row in t.leases.values()}
        floors: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for (host_name, boot), epoch in t.deaths.items():
            floors[host_name].append((boot, decide.NEVER if epoch >= EVERY_EPOCH else epoch + 1))
        return Facts(
            hosts,
            {0: tuple(self.world.witnesses)},
            frozenset(lease for lease in leases if not t.is_dead(lease)),
            {name: tuple(known) for name, known in floors.items()},
        )

    # ── effects ───────────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, effects: list[Effect]) -> None:
        if not effects:
            return
        say, net, asked = self.world.engine.say, self.world.net, defaultdict(list)
        name = self.server.name
        for effect in effects:
            match effect:
                case decide.Ask(witness, lease, promise):
                    if promise:
                        self.world.promise_asked(lease.host)
                        net.send(name, witness, datagram.Ask(self.server.nonce(), *lease, promise))
                    else:
                        asked[witness].append(lease)
                case decide.Teach(witness, incarnation, host, floors):
                    net.send(name, witness, datagram.Teach(incarnation, host, floors))
                case decide.Later(lease, in_s):
                    self.server.later(in_s + RIPE_LATE_S, self._ripe, lease)
                case decide.Current(lease, before, _):
                    self._current(lease, before)
                case decide.Suspect(lease):
                    if self._turned(lease, "suspect"):
                        say(f"{name}: {lease.host} suspect")
                case decide.HeardAgain(lease):
                    say(f"{name}: {lease.host} is heard again")
                    self._turned(lease, "live")
                case decide.Brake(_, hosts):
                    say(f"{name}: brake, {len(hosts)} hosts suspect at once")
                case decide.ForceOff(lease):
                    self._force_off(lease)
                case decide.ReadPower(lease):
                    self.server.later(0.3, self._read_power, lease)
                case decide.Proven(lease, kind, evidence):
                    self.server.reach("proven")
                    self.server.do(self._record, lease, kind, evidence)
        for witness, leases in asked.items():
            for question in survey.questions(leases, self.server.nonce(), SALT):
                self._asked[witness, question.nonce] = question
                net.send(name, witness, question)
        while len(self._asked) > 100:
            del self._asked[next(iter(self._asked))]

    def _ripe(self, lease: LeaseId) -> None:
        if not self.over:
            self.server.reach("ripe")
            self.server.do(lambda: self._carry_out(self.decide.ripe(lease)))

    def _current(self, lease: LeaseId, before: LeaseId | None) -> None:
        def work(t: Tables) -> None:
            known = t.leases.get(lease.host)
            t.leases[lease.host] = replace(known, lease=lease, state="live") if known else LeaseRow(lease)

        self.server.lead_tx(work)
        self._read()
        if before is not None and before.boot != lease.boot:
            self.server.spawn(self._seek_reboot(lease, before))
        if before is None:
            self._begin_vms()

    def _begin_vms(self) -> None:
        """VMs that never ran are started, as by a user: once, when there are hosts enough."""

        def work(t: Tables) -> None:
            if len(t.leases) < len(self.world.hosts) and self.world.engine.now_s < 3:
                return
            for vm, row in list(t.vms.items()):
                if (
                    row.epoch == 0
                    and row.state == "starting"
                    and not any(saga.vm == vm for saga in t.sagas.values())
                ):
                    lose(self.server, t, vm, row)

        self.server.lead_tx(work)

    def _turned(self, lease: LeaseId, state: str) -> bool:
        def work(t: Tables) -> bool:
            row = t.leases.get(lease.host)
            if row is None or row.state in (state, "dead") or row.lease != lease:
                return False
            if state == "live":
                row = replace(row, flaps=row.flaps + 1)
                if row.flaps >= ALARMS and not row.quarantined:
                    row = replace(row, quarantined=True)
                    self.world.engine.say(f"{self.server.name}: {lease.host} flaps: no new VMs for it")
            t.leases[lease.host] = replace(row, state=state)  # type: ignore[arg-type]
            return True

        turned: bool = self.server.lead_tx(work)
        return turned

    def _record(self, lease: LeaseId, kind: str, evidence: str) -> None:
        if self.over:
            return

        def work(t: Tables) -> bool:
            if t.is_dead(lease):
                return False
            t.deaths[lease.host, lease.boot] = lease.epoch
            row = t.leases.get(lease.host)
            if row is not None and row.lease.boot == lease.boot and row.lease.epoch <= lease.epoch:
                t.leases[lease.host] = replace(row, state="dead")
            return True

        if self.server.lead_tx(work):
            self.sql.proofs.setdefault(lease, f"{kind}, {evidence}")
            what = "all" if lease.epoch == EVERY_EPOCH else str(lease.epoch)
            self.world.engine.say(f"{self.server.name}: proof for {lease.boot} {what}: {kind}, {evidence}")
        self._hand_over()
        self._read()
        self._carry_out(self.decide.recorded(lease))

    def _hand_over(self) -> None:
        """Let go of all that ran on the dead.  What a saga is at work on is left to it."""

        def work(t: Tables) -> None:
            for vm, row in list(t.vms.items()):
                place = row.at(row.host)
                if row.state == "running" and place is not None and t.is_dead(place.lease):
                    lose(self.server, t, vm, row)

        self.server.lead_tx(work)

    def _force_off(self, lease: LeaseId) -> None:
        """P1: force off, then read; only what was read counts."""
        host, engine = self.world.hosts[lease.host], self.world.engine
        self.world.power_asked(host)
        engine.say(f"{self.server.name}: {host.name}: power off asked for")
        if host.bmc == "works":
            boot = lease.boot
            engine.after(
                engine.rng.uniform(0.3, 2), lambda: host.power_off("power off") if host.boot == boot else None
            )
        self.server.later(2.5, self._read_power, lease)

    def _read_power(self, lease: LeaseId) -> None:
        host = self.world.hosts[lease.host]
        if self.over:
            return
        off = host.bmc != "dead" and not host.powered
        self._carry_out(self.decide.power(lease, "read Off" if off else ""))
        if off:
            self.world.engine.after(4, host.power_on)

    def _seek_reboot(self, lease: LeaseId, before: LeaseId) -> Work:
        """P4: hear from the host itself, now, that it has booted again."""
        try:
            seen = yield from self.server.ask(lease.host, Look())
        except Unanswered:
            return
        if seen.boot == lease.boot and not self.over:
            old = LeaseId(before.host, before.boot, EVERY_EPOCH)
            self._record(old, Proof.REBOOT, f"the host says that its boot is {seen.boot}")

    def _remind(self, blank: dict[str, int]) -> Work:
        """Tell witnesses that restarted of every VM; see ``ha/remind.py``."""
        try:
            for vm in self.sql.vms:
                row = self.sql.tx(self.server.uuid, lambda t, vm=vm: t.vms[vm])  # type: ignore[misc]
                yield from self.server.record(vm, row.epoch, row.epoch_owner, blank)
            for witness, incarnation in blank.items():
                self.world.net.send(self.server.name, witness, datagram.Whole(incarnation))
        except (Away, Unanswered):
            pass
        yield 0.5
        self._reminding = False

    # ── for the end of a run ──────────────────────────────────────────────────────────────────────

    def why(self, vm: str) -> str:
        """Return why a VM does not run, empty when nobody knows."""
        row = self.sql.tables.vms[vm]
        held = [place.lease for place in row.places if not self.sql.tables.is_dead(place.lease)]
        if any(self.decide.braked(lease) for lease in held):
            return f"brake: many hosts were suspect with {held[0].host}"
        mine = [saga for saga in self.sql.tables.sagas.values() if saga.vm == vm]
        if row == VmRow() and not mine:
            return "the database lost the request that asked for it"
        return self.world.why.get(vm, "") if any(not saga.done for saga in mine) else ""


__all__ = ["Manager", "SagaRow"]
