"""What the HA manager decides: from answers of witnesses and facts of SQL, nothing else."""

from __future__ import annotations

from dataclasses import replace

from tegar.guard.datagram import Answer
from tegar.ha import decide
from tegar.ha.decide import (
    Ask,
    Brake,
    Current,
    Decider,
    Effect,
    Facts,
    ForceOff,
    HeardAgain,
    HostFacts,
    Later,
    LeaseId,
    Proven,
    Suspect,
    Teach,
)
from tegar.model.lease import Proof

D_S = 6.5
WITNESSES = ("w1", "w2", "w3")


class Case:
    """A decider with hosts, and witnesses that answer as they are told."""

    def __init__(self, *hosts: str, facts: HostFacts = HostFacts(1)) -> None:
        self.decider = Decider()
        self.facts = Facts(dict.fromkeys(hosts, facts), {1: WITNESSES})
        self.nonce = 0
        for host in hosts:
            self.say(0.0, host, age_s=0.1)
        self.look(0.1)
        self.worth(*(LeaseId(host, "b1", 0) for host in hosts))

    def worth(self, *leases: LeaseId) -> None:
        self.facts = replace(self.facts, unproven=frozenset(leases))

    def say(
        self, now_s: float, host: str, *, age_s: float, promised: bool = False, ready: bool = True, boot: str = "b1",
        now: tuple[str, float] | None = None, by: tuple[str, ...] = WITNESSES,
    ) -> list[Effect]:  # fmt: skip
        found: list[Effect] = []
        now_boot, now_age_s = now or (boot, age_s)
        for witness in by:
            self.nonce += 1
            answer = Answer(1, self.nonce, host, boot, 0, ready, promised, age_s, D_S, now_boot, 0, now_age_s)
            found += self.decider.hear(now_s, witness, answer, now_s)
        return found

    def look(self, now_s: float) -> list[Effect]:
        return [*self.decider.look(now_s, self.facts), *self.decider.questions(now_s, self.facts)]


def kinds(effects: list[Effect], kind: type) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_a_majority_makes_a_lease_current() -> None:
    case = Case()
    case.facts = Facts({"h1": HostFacts(1)}, {1: WITNESSES})
    case.decider.facts = case.facts
    case.say(0.0, "h1", age_s=9.0, boot="unknown", now=("b1", 0.2), by=("w1",))
    assert not kinds(case.look(0.1), Current)

    case.say(0.2, "h1", age_s=9.0, boot="unknown", now=("b1", 0.1), by=("w2",))
    assert kinds(case.look(0.3), Current) == [Current(LeaseId("h1", "b1", 0), None, D_S)]


def test_a_host_is_suspect_when_a_majority_says_so_and_not_before() -> None:
    case = Case("h1")
    case.say(3.0, "h1", age_s=1.4)
    assert not kinds(case.look(3.0), Suspect)

    case.say(3.2, "h1", age_s=1.6, by=("w1",))
    assert not kinds(case.look(3.2), Suspect)

    case.say(3.3, "h1", age_s=1.6, by=("w1", "w2"))
    assert kinds(case.look(3.3), Suspect) == [Suspect(LeaseId("h1", "b1", 0))]


def test_a_manager_that_hears_no_witness_suspects_nobody() -> None:
    case = Case("h1")

    assert not kinds(case.look(60.0), Suspect)


def test_a_host_that_is_heard_again_was_a_false_alarm() -> None:
    case = Case("h1")
    case.say(3.0, "h1", age_s=1.6)
    case.look(3.0)
    case.say(3.5, "h1", age_s=0.1)

    assert kinds(case.look(3.5), HeardAgain) == [HeardAgain(LeaseId("h1", "b1", 0))]


def test_promises_are_asked_for_when_d_is_about_to_pass() -> None:
    case = Case("h1", "h2")
    case.say(6.0, "h1", age_s=6.0)
    assert not kinds(case.look(6.0), Later)

    case.say(6.3, "h1", age_s=6.4)
    later = kinds(case.look(6.3), Later)

    assert len(later) == 1
    lease = LeaseId("h1", "b1", 0)
    assert case.decider.ripe(lease) == [Ask(w, lease, True) for w in WITNESSES]


def test_a_proof_is_given_the_moment_the_majority_has_promised() -> None:
    case = Case("h1", "h2")
    case.say(6.5, "h1", age_s=6.5)
    case.look(6.5)
    assert not kinds(case.say(6.6, "h1", age_s=6.6, promised=True, by=("w1",)), Proven)

    proven = kinds(case.say(6.6, "h1", age_s=6.6, promised=True, by=("w2",)), Proven)

    assert [p.kind for p in proven if isinstance(p, Proven)] == [Proof.LEASE]


def test_too_many_suspects_put_the_brake_on_and_nothing_is_proven_by_silence() -> None:
    case = Case("h1", "h2", "h3", "h4")
    for host in ("h1", "h2", "h3"):
        case.say(3.0, host, age_s=1.6)
    assert kinds(case.look(3.0), Brake) == [Brake(1, ("h1", "h2", "h3"))]

    for host in ("h1", "h2", "h3"):
        case.say(7.0, host, age_s=7.0)
    assert not kinds(case.look(7.0), Later)
    assert not kinds(case.say(7.1, "h1", age_s=7.0, promised=True), Proven)


def test_the_brake_cuts_nobodys_power() -> None:
    case = Case("h1", "h2", "h3", "h4", facts=HostFacts(1, bmc=True, force_off_s=3.0))
    for host in ("h1", "h2", "h3"):
        case.say(3.5, host, age_s=3.5)
    case.say(3.5, "h4", age_s=0.1)
    found = case.look(3.5)

    assert kinds(found, Brake)
    assert not kinds(found, ForceOff)
    assert not kinds(case.look(3.8), ForceOff)


def test_disarmed_hosts_are_not_proven_dead() -> None:
    case = Case("h1", facts=HostFacts(1, armed=False, bmc=True))
    case.say(9.0, "h1", age_s=9.0)

    assert not kinds(case.look(9.0), Later)
    assert not kinds(case.look(9.1), ForceOff)


def test_nobody_is_fenced_while_storage_hangs_for_more_than_half() -> None:
    case = Case("h1", "h2", "h3", facts=HostFacts(1, bmc=True, stalled=True))
    case.say(9.0, "h1", age_s=9.0)
    found = case.look(9.0)

    assert not kinds(found, Later)
    assert not kinds(found, ForceOff)


def test_power_is_cut_once_and_only_after_w() -> None:
    case = Case("h1", "h2", facts=HostFacts(1, bmc=True, force_off_s=3.0))
    case.say(2.9, "h1", age_s=2.9)
    assert not kinds(case.look(2.9), ForceOff)

    case.say(3.1, "h1", age_s=3.1)
    lease = LeaseId("h1", "b1", 0)
    assert kinds(case.look(3.1), ForceOff) == [ForceOff(lease)]
    case.say(3.3, "h1", age_s=3.3)
    assert not kinds(case.look(3.3), ForceOff)

    assert case.decider.power(lease, "") == []
    assert case.decider.power(lease, "read Off") == [Proven(lease, Proof.POWER, "read Off")]


def test_power_is_not_cut_when_a_newer_boot_of_the_host_is_heard() -> None:
    case = Case("h1", "h2", facts=HostFacts(1, bmc=True))
    case.say(5.0, "h1", age_s=5.0, now=("b2", 0.1))

    assert not kinds(case.look(5.0), ForceOff)


def test_a_witness_that_has_forgotten_is_taught() -> None:
    case = Case("h1")
    case.decider.facts = replace(case.facts, floors={"h1": (("b0", decide.NEVER),)})

    assert case.say(4.0, "h1", age_s=0.0, ready=False, by=("w2",)) == [
        Teach("w2", 1, "h1", (("b0", decide.NEVER),))
    ]


def test_a_new_leader_begins_with_the_lease_that_sql_knows() -> None:
    lease = LeaseId("h1", "b1", 0)
    case = Case()
    case.facts = Facts({"h1": HostFacts(1, lease=lease)}, {1: WITNESSES}, frozenset({lease}))
    case.look(100.0)
    case.say(100.1, "h1", age_s=2.0)

    assert kinds(case.look(100.2), Suspect) == [Suspect(lease)]


def test_nobody_is_proven_dead_by_silence_while_all_are_silent_nor_soon_after() -> None:
    case = Case("h1", "h2")
    for now_s in (3.0, 7.0, 20.0):
        for host in ("h1", "h2"):
            case.say(now_s, host, age_s=now_s)
        assert not kinds(case.look(now_s), Later)

    case.say(20.5, "h1", age_s=0.1)
    case.say(20.5, "h2", age_s=20.5)
    assert not kinds(case.look(20.5), Later)

    case.say(30.4, "h1", age_s=0.1)
    case.say(30.4, "h2", age_s=30.4)
    assert kinds(case.look(30.4), Later) == [Later(LeaseId("h2", "b1", 0), 0.0)]


def test_an_operators_word_lifts_the_brake_of_one_host() -> None:
    case = Case("h1", "h2", "h3", "h4")
    for host in ("h1", "h2", "h3"):
        case.say(3.0, host, age_s=1.6)
    case.look(3.0)
    case.facts = replace(case.facts, hosts={**case.facts.hosts, "h1": HostFacts(1, given_up=True)})
    for host in ("h1", "h2", "h3"):
        case.say(7.0, host, age_s=7.0)

    assert kinds(case.look(7.0), Later) == [Later(LeaseId("h1", "b1", 0), 0.0)]


def test_under_the_brake_power_is_read_and_not_cut() -> None:
    case = Case("h1", "h2", "h3", "h4", facts=HostFacts(1, bmc=True))
    for host in ("h1", "h2", "h3"):
        case.say(4.0, host, age_s=4.0)
    found = case.look(4.0)

    assert not kinds(found, ForceOff)
    assert {e.lease.host for e in found if isinstance(e, decide.ReadPower)} == {"h1", "h2", "h3"}
    lease = LeaseId("h1", "b1", 0)
    assert case.decider.power(lease, "") == []
    for host in ("h1", "h2", "h3"):
        case.say(4.5, host, age_s=4.5)
    assert not kinds(case.look(4.5), decide.ReadPower)

    assert case.decider.power(lease, "read Off") == [Proven(lease, Proof.POWER, "read Off")]


def test_what_a_proof_ended_is_taught_to_every_witness() -> None:
    case = Case("h1", "h2")
    case.decider.facts = replace(case.facts, floors={"h1": (("b1", 1),)})

    assert case.decider.recorded(LeaseId("h1", "b1", 0)) == [
        Teach(witness, 1, "h1", (("b1", 1),)) for witness in WITNESSES
    ]
