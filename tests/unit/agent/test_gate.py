from __future__ import annotations

import pytest

from tegar.agent.gate import Gate, Memory, Order, Verb
from tegar.kernel.errors import AgentRefused, Unavailable
from tegar.model.lease import Permit

VM = "11111111-1111-4111-8111-111111111111"
BOOT = "boot.1"


def gate(*, epoch: int = 0, guarded: bool = True, verb: Verb | None = Verb.OPEN) -> Gate:
    """Return a gate that was ordered so."""
    made = Gate(Memory(BOOT), guarded=guarded, keep=lambda _: None)
    if verb:
        made.take(Order(1, Verb.OPEN, epoch))
        made.take(Order(2, verb, epoch))
    return made


def test_a_permit_of_this_boot_and_lease_is_admitted_again_and_again() -> None:
    for _ in range(2):
        gate(epoch=4).check(VM, Permit(BOOT, 4, 7))


@pytest.mark.parametrize("verb", [None, Verb.CLOSE, Verb.CLEAR])
def test_without_a_lease_a_start_may_be_asked_for_later(verb: Verb | None) -> None:
    with pytest.raises(Unavailable, match="no lease at the moment"):
        gate(verb=verb).check(VM, Permit(BOOT, 0, 7))


def test_a_lease_that_the_hands_have_not_opened_for_is_waited_for() -> None:
    with pytest.raises(Unavailable):
        gate(epoch=4).check(VM, Permit(BOOT, 5, 7))


@pytest.mark.parametrize(
    ("permit", "why"),
    [
        (None, "only with a permit"),
        (Permit("boot.0", 4, 7), "another boot"),
        (Permit(BOOT, 3, 7), "of lease 3, and the host has 4"),
    ],
)
@pytest.mark.parametrize("verb", [Verb.OPEN, Verb.CLOSE])
def test_what_will_never_do_is_refused_for_good(permit: Permit | None, why: str, verb: Verb) -> None:
    with pytest.raises(AgentRefused, match=why):
        gate(epoch=4, verb=verb).check(VM, permit)


def test_an_older_placement_is_refused_once_a_newer_was_seen() -> None:
    it = gate()
    it.check(VM, Permit(BOOT, 0, 7))

    with pytest.raises(AgentRefused, match="VM epoch 6 is over"):
        it.check(VM, Permit(BOOT, 0, 6))
    it.check("another", Permit(BOOT, 0, 6))


def test_a_late_order_starts_nothing_where_a_vm_has_moved_away_from() -> None:
    it = gate()
    it.check(VM, Permit(BOOT, 0, 7))
    it.left(VM)

    with pytest.raises(AgentRefused, match="VM epoch 7 is over"):
        it.check(VM, Permit(BOOT, 0, 7))
    it.check(VM, Permit(BOOT, 0, 8))  # brought back


def test_a_host_that_nobody_guards_admits_all_until_it_is_guarded() -> None:
    it = gate(guarded=False, verb=None)
    it.check(VM, None)
    it.check(VM, Permit("whatever", 9, 9))
    it.guard()

    with pytest.raises(AgentRefused):
        it.check(VM, None)


def test_what_follows_from_an_epoch_is_kept_before() -> None:
    kept: list[tuple[int, dict[str, int]]] = []
    it = Gate(Memory(BOOT), guarded=True, keep=lambda m: kept.append((m.epoch, dict(m.vms))))
    it.take(Order(1, Verb.OPEN, 2))
    it.check(VM, Permit(BOOT, 2, 5))

    assert kept == [(2, {}), (2, {VM: 5})]


def test_orders_with_lower_numbers_are_void() -> None:
    it = gate(verb=Verb.CLOSE)

    assert not it.take(Order(1, Verb.OPEN, 0))
    assert not it.take(Order(2, Verb.OPEN, 0))
    assert not it.is_open


def test_what_was_ended_starts_no_more_and_who_is_late_ends_nothing() -> None:
    kept: list[dict[str, int]] = []
    it = Gate(Memory(BOOT), guarded=True, keep=lambda memory: kept.append(dict(memory.ended)))
    it.take(Order(1, Verb.OPEN, 0))
    it.check(VM, Permit(BOOT, 0, 7))
    with pytest.raises(AgentRefused, match="VM epoch 6 is over: 7 was seen here"):
        it.ends(VM, 6)
    it.ends(VM, None)  # a server of an older version
    it.check(VM, Permit(BOOT, 0, 7))

    it.ends(VM, 7)
    it.ends(VM, 7)
    with pytest.raises(AgentRefused, match="VM epoch 7 is over: it was ended here"):
        it.check(VM, Permit(BOOT, 0, 7))
    it.check(VM, Permit(BOOT, 0, 8))
    assert kept[-1] == {VM: 7}
