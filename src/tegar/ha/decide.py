"""What is due: a pure machine.  What witnesses answer, what SQL says and the manager's own clock go in.

One leader keeps one of these.  It remembers only what it heard, and nothing it could not lose: a new
leader's machine begins empty and knows as much after one answer of a majority.

    live ── silent for 1.5 s ──▶ suspect ── a proof ──▶ dead
      ▲                             │
      └──────── heard again ────────┘

Silence is only what a majority of witnesses *says*, lately: a manager that hears no witness knows
nothing of hosts.  What is worth a proof is decided elsewhere (``Facts.unproven``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tegar.guard import judge
from tegar.guard.datagram import Answer
from tegar.guard.judge import LeaseProof, Seen, majority
from tegar.model.lease import Proof

TICK_S = 0.25
SUSPECT_S = 1.5
STORM_S = 10.0
CURRENT_S = 1.2  # a lease is current when a majority accepted it within so long
HEARD_S = 0.5
CALM_S = 10.0  # after all hosts of a cluster were silent: so long the first to return is no witness of the others' end
READ_EVERY_S = 2.0  # under a brake power is read so often
NEVER = 2**62  # an epoch no lease reaches, as witnesses have it


class LeaseId(NamedTuple):
    """A lease: of a host, in one of its boots, of an epoch."""

    host: str
    boot: str
    epoch: int


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A guarded host as SQL has it.

    ``armed``: nobody disarmed its HA; only then are proofs sought that would end what runs there.
    ``given_up``: an operator declared it degraded, so no brake holds it.
    ``bmc``: its power can be cut.  ``force_off_s``: silence before which it is not.
    ``lease``: the latest that a leader saw.  ``stalled``: it reported that its storage hangs.
    """

    cluster: int
    armed: bool = True
    bmc: bool = False
    force_off_s: float = 3.0
    lease: LeaseId | None = None
    stalled: bool = False
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What SQL says.

    ``witnesses`` by cluster; ``unproven``: leases that are worth a proof and have none; ``floors``: by
    host, boots and the lowest epoch of each that may still live.
    """

    hosts: Mapping[str, HostFacts]
    witnesses: Mapping[int, tuple[str, ...]]
    unproven: Collection[LeaseId] = ()
    floors: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a witness about a lease."""

    witness: str
    lease: LeaseId
    promise: bool


@dataclass(frozen=True, slots=True)
class Teach:
    """Tell a witness what it has forgotten about a host."""

    witness: str
    incarnation: int
    host: str
    floors: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Later:
    """Call :meth:`Decider.ripe` for this lease in so many seconds: D will have passed."""

    lease: LeaseId
    in_s: float


@dataclass(frozen=True, slots=True)
class Current:
    """A majority accepts this lease; ``before`` it was another one (None: none was known)."""

    lease: LeaseId
    before: LeaseId | None
    dead_s: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """A majority has not heard the host for a while."""

    lease: LeaseId


@dataclass(frozen=True, slots=True)
class HeardAgain:
    """It was a false alarm."""

    lease: LeaseId


@dataclass(frozen=True, slots=True)
class Brake:
    """Too many hosts of a cluster are suspect at once: silence alone moves nothing."""

    cluster: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForceOff:
    """Cut the host's power, and tell :meth:`Decider.power` what was read afterwards."""

    lease: LeaseId


@dataclass(frozen=True, slots=True)
class ReadPower:
    """Read the host's power and cut nothing; tell :meth:`Decider.power` what was read."""

    lease: LeaseId


@dataclass(frozen=True, slots=True)
class Proven:
    """Nothing of the lease can write any more: to be recorded."""

    lease: LeaseId
    kind: str
    evidence: str


Effect = Ask | Teach | Later | Current | Suspect | HeardAgain | Brake | ForceOff | ReadPower | Proven


class Decider:
    """Hears answers, looks once a tick, and says what is due."""

    suspect_s = SUSPECT_S

    def __init__(self) -> None:
        """Begin, knowing nothing."""
        self.facts = Facts({}, {})
        self.current: dict[str, LeaseId] = {}
        self.alive_s: dict[str, float] = {}
        self.suspects: dict[str, float] = {}
        self.stormed: set[str] = set()
        self._nobody_s: dict[int, float] = {}
        self._read_s: dict[LeaseId, float] = {}
        self._now_s = 0.0  # of the latest look
        self.incarnations: dict[str, int] = {}
        self.blank: dict[str, int] = {}  # witnesses that restarted and do not know every VM, and incarnations
        self._seen: dict[str, dict[LeaseId, dict[str, Seen]]] = {}
        self._heard_nonce: dict[tuple[LeaseId, str], int] = {}
        self._forcing: set[tuple[str, str]] = set()
        self._waiting: set[LeaseId] = set()

    # ── answers ───────────────────────────────────────────────────────────────────────────────────

    def hear(self, now_s: float, witness: str, answer: Answer, asked_s: float) -> list[Effect]:
        """Take an answer; a promise may complete a proof at once.

        Args:
            now_s: the manager's CLOCK_BOOTTIME.
            witness: who answered.
            answer: what it said.
            asked_s: when the question was put, on the same clock.
        """
        lease = LeaseId(answer.host, answer.boot, answer.epoch)
        if answer.nonce <= self._heard_nonce.get((lease, witness), 0):
            return []
        if answer.incarnation < self.incarnations.get(witness, 0):
            return []
        self._heard_nonce[lease, witness] = answer.nonce
        self.incarnations[witness] = answer.incarnation
        by = self._seen.setdefault(lease.host, {}).setdefault(lease, {})
        by[witness] = Seen(witness, answer, asked_s, now_s)
        if not answer.ready:
            floors = self.facts.floors.get(lease.host, ())
            return [Teach(witness, answer.incarnation, lease.host, floors)]
        if answer.whole:
            self.blank.pop(witness, None)
        else:
            self.blank[witness] = answer.incarnation
        if answer.promised and lease in self.facts.unproven:
            return self._prove(lease, now_s)
        return []

    def seen(self, lease: LeaseId) -> list[Seen]:
        """Return the latest answers about a lease."""
        return list(self._seen.get(lease.host, {}).get(lease, {}).values())

    def silent(self, lease: LeaseId, now_s: float, for_s: float) -> bool:
        """Return whether a majority says, now, that it has not heard the host for so long."""
        return judge.silent(self.seen(lease), self._witnesses(lease.host), now_s, for_s)

    # ── a tick ────────────────────────────────────────────────────────────────────────────────────

    def look(self, now_s: float, facts: Facts) -> list[Effect]:
        """Look at all hosts and at every lease that is worth a proof."""
        self.facts, self._now_s = facts, now_s
        self._forget()
        effects: list[Effect] = []
        for host, known in facts.hosts.items():
            self._find_current(host, known, now_s, effects)
        for host in facts.hosts:
            self._suspect(host, now_s, effects)
        for cluster in facts.witnesses:
            self._brake(cluster, now_s, effects)
        for lease in sorted(facts.unproven):
            effects += self._prove(lease, now_s)
        return effects

    def questions(self, now_s: float, facts: Facts) -> list[Effect]:
        """Ask about every current lease and every one that is worth a proof; note when promises are due."""
        self.facts = facts
        unproven = set(facts.unproven)
        known = {self.current.get(host, LeaseId(host, "unknown", 0)) for host in facts.hosts}
        effects: list[Effect] = []
        for lease in sorted(unproven | known):
            effects += self._ask(lease, promise=False)
        for lease in sorted(unproven - self._waiting):
            left_s = judge.ripe_in_s(self.seen(lease), self._witnesses(lease.host), now_s)
            if left_s < TICK_S and self._may_end(lease):
                self._waiting.add(lease)
                effects.append(Later(lease, left_s))
        for by in self._seen.values():
            for lease in [lease for lease in by if lease not in unproven and lease not in known]:
                del by[lease]
        return effects

    def ripe(self, lease: LeaseId) -> list[Effect]:
        """Ask for promises: D has passed, unless the host was heard meanwhile, which witnesses know."""
        self._waiting.discard(lease)
        if lease not in self.facts.unproven or not self._may_end(lease):
            return []
        return self._ask(lease, promise=True)

    def power(self, lease: LeaseId, evidence: str) -> list[Effect]:
        """Take what was read after the power was cut; empty: it was not read as Off."""
        self._forcing.discard((lease.host, lease.boot))
        return [Proven(lease, Proof.POWER, evidence)] if evidence else []

    def recorded(self, lease: LeaseId) -> list[Effect]:
        """A proof is recorded, and in the facts: no witness may accept the lease again.

        After promises none would.  But power that was read, or a boot, binds no witness; and should the
        BMC be another machine's, a host that lives must not find its old lease acked.
        """
        known, floors = self.facts.hosts.get(lease.host), self.facts.floors.get(lease.host, ())
        circle = self.facts.witnesses.get(known.cluster, ()) if known else ()
        return [Teach(w, self.incarnations[w], lease.host, floors) for w in circle if w in self.incarnations]

    # ── one thing at a time ───────────────────────────────────────────────────────────────────────

    def _witnesses(self, host: str) -> int:
        known = self.facts.hosts.get(host)
        return len(self.facts.witnesses.get(known.cluster, ())) if known else 0

    def _ask(self, lease: LeaseId, *, promise: bool) -> list[Effect]:
        known = self.facts.hosts.get(lease.host)
        if known is None:
            return []
        return [Ask(witness, lease, promise) for witness in self.facts.witnesses.get(known.cluster, ())]

    def _forget(self) -> None:
        """Drop what was heard of hosts that are guarded no more."""
        for host in [host for host in self._seen if host not in self.facts.hosts]:
            del self._seen[host]
            self.current.pop(host, None)
            self.suspects.pop(host, None)
            self.stormed.discard(host)
        circles = {witness for circle in self.facts.witnesses.values() for witness in circle}
        for witness in self.blank.keys() - circles:
            del self.blank[witness]
        for lease in [lease for lease in self._read_s if self.current.get(lease.host) != lease]:
            del self._read_s[lease]
        live = {lease for by in self._seen.values() for lease in by}
        for key in [key for key in self._heard_nonce if key[0] not in live]:
            del self._heard_nonce[key]

    def _find_current(self, host: str, known: HostFacts, now_s: float, effects: list[Effect]) -> None:
        """Find the lease that a majority accepted within the last second; until then SQL's will do."""
        if host not in self.current and known.lease is not None:
            self.current[host], self.alive_s[host] = known.lease, -1.0
        newest: dict[str, Seen] = {}
        for by in self._seen.get(host, {}).values():
            for witness, it in by.items():
                if witness not in newest or it.at_s > newest[witness].at_s:
                    newest[witness] = it
        votes: Counter[LeaseId] = Counter()
        for it in newest.values():
            answer = it.answer
            if answer.ready and answer.now_boot and answer.now_age_s + now_s - it.asked_s < CURRENT_S:
                votes[LeaseId(host, answer.now_boot, answer.now_epoch)] += 1
        for lease, count in votes.items():
            if count >= majority(self._witnesses(host)):
                before = self.current.get(host)
                self.current[host], self.alive_s[host] = lease, now_s
                if lease != before or known.lease != lease:
                    dead_s = max((it.answer.dead_s for it in newest.values()), default=0.0)
                    effects.append(Current(lease, before if before != lease else known.lease, dead_s))

    def _suspect(self, host: str, now_s: float, effects: list[Effect]) -> None:
        lease = self.current.get(host)
        if lease is None:
            return
        if now_s - self.alive_s[host] < HEARD_S:
            if self.suspects.pop(host, None) is not None:
                effects.append(HeardAgain(lease))
            self.stormed.discard(host)
        elif host not in self.suspects and self.silent(lease, now_s, self.suspect_s):
            effects.append(Suspect(lease))
            self.suspects[host] = now_s

    def _brake(self, cluster: int, now_s: float, effects: list[Effect]) -> None:
        hosts = [host for host, known in self.facts.hosts.items() if known.cluster == cluster]
        if hosts and all(host in self.suspects for host in hosts):
            self._nobody_s[cluster] = now_s
        recent = [h for h in hosts if h in self.suspects and now_s - self.suspects[h] < STORM_S]
        if judge.storm(len(recent), len(hosts)) and not self.stormed.issuperset(recent):
            effects.append(Brake(cluster, tuple(recent)))
            self.stormed.update(recent)

    def braked(self, lease: LeaseId) -> bool:
        """Whether it is the current lease of a host that fell silent with too many others, or with all.

        Where all are silent nobody could take what runs there, and the network is the likelier culprit.
        """
        known = self.facts.hosts.get(lease.host)
        if known is None or known.given_up or self.current.get(lease.host, lease) != lease:
            return False
        return lease.host in self.stormed or self._now_s < self._nobody_s.get(known.cluster, -CALM_S) + CALM_S

    def stalled(self, cluster: int) -> bool:
        """Whether more than half of a cluster's hosts see their storage hang: then nobody is fenced."""
        hosts = [known for known in self.facts.hosts.values() if known.cluster == cluster]
        return 2 * sum(known.stalled for known in hosts) > len(hosts)

    def _may_end(self, lease: LeaseId) -> bool:
        """Whether silence alone may end the lease."""
        known = self.facts.hosts.get(lease.host)
        return (
            known is not None and known.armed and not self.braked(lease) and not self.stalled(known.cluster)
        )

    def _prove(self, lease: LeaseId, now_s: float) -> list[Effect]:
        if not self.braked(lease):
            witnesses = self._witnesses(lease.host)
            found = judge.lease_proof(self.seen(lease), self.incarnations, witnesses, now_s)
            if isinstance(found, LeaseProof):
                pairs = zip(found.witnesses, found.silent_s, strict=True)
                silence = ", ".join(f"{witness} {silent_s:.2f}" for witness, silent_s in pairs)
                return [Proven(lease, Proof.LEASE, f"silent s: {silence}")]
        return self._power(lease, now_s)

    def _power(self, lease: LeaseId, now_s: float) -> list[Effect]:
        """P1: only after W, when guests are paused, and only if no boot of the host is heard.

        Under a brake it is only read: what made many hosts silent at once is more likely a switch, which
        only pauses them, than their deaths; cutting their power would make it the outage of all.  But a
        host that reads Off is dead all the same.
        """
        known = self.facts.hosts.get(lease.host)
        if known is None or not (known.bmc and known.armed):
            return []
        if (lease.host, lease.boot) in self._forcing or self.current.get(lease.host, lease) != lease:
            return []
        if not self.silent(lease, now_s, known.force_off_s):
            return []
        held = self.braked(lease) or self.stalled(known.cluster)
        if held and now_s - self._read_s.get(lease, -READ_EVERY_S) < READ_EVERY_S:
            return []
        self._forcing.add((lease.host, lease.boot))
        self._read_s[lease] = now_s
        return [ReadPower(lease) if held else ForceOff(lease)]
