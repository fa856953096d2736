"""Affinity groups in placement: plain data in, plain data out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tegar.model.affinity import Kind
from tegar.model.errors import NoCapacity
from tegar.model.units import GIB
from tegar.scheduler.place import place
from tegar.scheduler.view import GroupView, HostView, Mate, Request

WANT = Request(cpus=1, cpu_mhz=500, memory_bytes=GIB, hypervisor="KVM")


def host(id: int, *, free: int = 8 * GIB) -> HostView:
    """Return a host that would do."""
    return HostView(
        id=id, name=f"h{id}", hypervisor="KVM", up=True, enabled=True, cluster_enabled=True, core_mhz=2000,
        cores=8, free_cpu_mhz=16000, free_memory_bytes=free, memory_bytes=8 * GIB,
    )  # fmt: skip


def order(kind: Kind, mates: list[int], hosts: list[HostView]) -> list[int]:
    """Return where a VM of a group can go, best first, when others of it are on these hosts."""
    group = GroupView("web", kind, tuple(Mate(f"v{at}", at) for at in mates))
    return [p.host_id for p in place(replace(WANT, groups=(group,)), hosts)]


def test_apart_leaves_only_hosts_without_the_group() -> None:
    assert order(Kind.APART, [1, 3], [host(1), host(2, free=2 * GIB), host(3)]) == [2]


def test_together_leaves_only_the_host_of_the_group() -> None:
    assert order(Kind.TOGETHER, [2, 2], [host(1), host(2, free=2 * GIB), host(3)]) == [2]


@pytest.mark.parametrize("kind", Kind)
def test_the_first_of_a_group_goes_anywhere(kind: Kind) -> None:
    assert order(kind, [], [host(1, free=2 * GIB), host(2)]) == [2, 1]


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        (
            Kind.APART,
            {
                "h1": "has VM v1 of host anti-affinity group web",
                "h2": "has VM v2 of host anti-affinity group web",
            },
        ),
        (
            Kind.TOGETHER,
            {
                "h1": "is not where VM v2 of host affinity group web is",
                "h2": "is not where VM v1 of host affinity group web is",
            },
        ),
    ],
)
def test_a_refusal_names_the_group_and_the_vm_in_the_way(kind: Kind, reasons: dict[str, str]) -> None:
    with pytest.raises(NoCapacity) as e:
        order(kind, [1, 2], [host(1), host(2)])

    assert e.value.refusals == reasons
    assert str(e.value) == "No host has room (2 looked at)"  # users read no names


def test_while_one_of_a_group_moves_both_its_hosts_are_its() -> None:
    assert order(Kind.APART, [1, 2], [host(1), host(2), host(3)]) == [3]
    with pytest.raises(NoCapacity):
        order(Kind.TOGETHER, [1, 2], [host(1), host(2), host(3)])


def test_rather_apart_prefers_hosts_with_fewer_of_the_group_and_refuses_none() -> None:
    assert order(Kind.RATHER_APART, [1, 1, 2], [host(1), host(2), host(3, free=GIB)]) == [3, 2, 1]


def test_rather_together_prefers_hosts_with_more_of_the_group_and_refuses_none() -> None:
    assert order(Kind.RATHER_TOGETHER, [1, 2, 2], [host(1), host(2, free=GIB), host(3)]) == [2, 1, 3]


def test_a_full_host_is_no_company() -> None:
    assert order(Kind.RATHER_TOGETHER, [1], [host(1, free=0), host(2)]) == [2]


def test_all_groups_of_a_vm_are_obeyed() -> None:
    apart = GroupView("web", Kind.APART, (Mate("a", 1),))
    together = GroupView("shop", Kind.TOGETHER, (Mate("b", 1),))

    with pytest.raises(NoCapacity) as e:
        place(replace(WANT, groups=(apart, together)), [host(1), host(2)])

    assert e.value.refusals == {
        "h1": "has VM a of host anti-affinity group web",
        "h2": "is not where VM b of host affinity group shop is",
    }
