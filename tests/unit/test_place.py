"""Placement: plain data in, plain data out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tegar.model.errors import NoCapacity
from tegar.model.units import GIB
from tegar.scheduler.place import place
from tegar.scheduler.pools import place_disks
from tegar.scheduler.view import DiskWant, HostView, PoolView, Request

DISK = DiskWant(volume_id=7, size_bytes=10 * GIB)
WANT = Request(cpus=1, cpu_mhz=500, memory_bytes=GIB, hypervisor="KVM")


def pool(id: int, free: int = 100 * GIB, *, up: bool = True, tags: str = "") -> PoolView:
    return PoolView(id, f"p{id}", up, free, frozenset(tags.split()))


def host(id: int, *, free: int = 8 * GIB, **other: object) -> HostView:
    """Return a host that would do, unless told otherwise."""
    view = HostView(
        id=id, name=f"h{id}", hypervisor="KVM", up=True, enabled=True, cluster_enabled=True, core_mhz=2000,
        cores=8, free_cpu_mhz=16000, free_memory_bytes=free, memory_bytes=8 * GIB, pools=(pool(1),),
    )  # fmt: skip
    return replace(view, **other)  # type: ignore[arg-type]


def first(request: Request, hosts: list[HostView]) -> int:
    return place(request, hosts)[0].host_id


def test_the_emptiest_host_wins() -> None:
    assert first(WANT, [host(1, free=2 * GIB), host(2)]) == 2


def test_equal_hosts_are_chosen_by_lowest_id() -> None:
    assert first(WANT, [host(2), host(1)]) == 1


def test_of_nearly_equal_hosts_the_last_one_wins() -> None:
    assert first(replace(WANT, last_host_id=2), [host(1), host(2)]) == 2


def test_all_hosts_that_fit_are_returned_best_first() -> None:
    hosts = [host(1, free=2 * GIB), host(2), host(3, free=4 * GIB)]

    assert [p.host_id for p in place(WANT, hosts)] == [2, 3, 1]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"up": False}, "is not up"),
        ({"enabled": False}, "is disabled or in maintenance"),
        ({"cluster_enabled": False}, "its cluster is disabled"),
        ({"hypervisor": "Simulator"}, "runs Simulator, not KVM"),
        ({"cores": 0}, "has 0 cores of the 1 wanted"),
        ({"core_mhz": 400}, "its cores run at 400 MHz of the 500 wanted"),
        ({"free_cpu_mhz": 499}, "lacks 1 MHz of CPU"),
        ({"free": GIB - 1}, "lacks 1 bytes of memory"),
        ({"pools": ()}, "reaches no pool"),
        ({"pools": (pool(1, free=GIB),)}, f"pool p1 lacks {9 * GIB} bytes"),
        ({"pools": (pool(1, up=False),)}, "pool p1 is not up"),
    ],
)
def test_a_refusal_names_the_host_and_its_reason(fault: dict[str, object], reason: str) -> None:
    with pytest.raises(NoCapacity) as e:
        place(replace(WANT, disks=(DISK,)), [host(1, **fault)])  # type: ignore[arg-type]

    assert e.value.refusals == {"h1": reason}


def test_users_read_how_many_were_looked_at_and_operators_read_why() -> None:
    with pytest.raises(NoCapacity) as e:
        place(replace(WANT, memory_bytes=4 * GIB), [host(1, up=False), host(2, free=GIB)])

    assert str(e.value) == "No host has room (2 looked at)"
    assert (
        e.value.detail()
        == f"No host has room (2 looked at): h1: is not up; h2: lacks {3 * GIB} bytes of memory"
    )


def test_a_vm_that_leaves_a_host_does_not_come_back_to_it() -> None:
    assert first(replace(WANT, not_host_id=1), [host(1), host(2, free=2 * GIB)]) == 2


def test_a_host_that_was_asked_for_is_the_only_one() -> None:
    with pytest.raises(NoCapacity):
        place(replace(WANT, only_host_id=1), [host(1, up=False), host(2)])


def test_tags_of_the_offering_must_all_be_there() -> None:
    wanted = replace(WANT, host_tags=frozenset({"ssd", "gpu"}))

    assert first(wanted, [host(1, tags=frozenset({"ssd"})), host(2, tags=frozenset({"ssd", "gpu"}))]) == 2


def test_a_disk_that_has_a_pool_keeps_it() -> None:
    wanted = replace(WANT, disks=(replace(DISK, pool_id=2),))

    placements = place(wanted, [host(1), host(2, free=2 * GIB, pools=(pool(1), pool(2)))])

    assert [(p.host_id, p.pools) for p in placements] == [(2, {7: 2})]


def test_disks_of_one_vm_share_what_is_left_of_a_pool() -> None:
    wants = [DISK, replace(DISK, volume_id=8)]

    assert place_disks(wants, [pool(1, free=15 * GIB), pool(2, free=12 * GIB)]) == ({7: 1, 8: 2}, None)
    assert place_disks(wants, [pool(1, free=15 * GIB)]) == ({}, f"pool p1 lacks {5 * GIB} bytes")
