"""The proof of the failover promise: plain data in, plain data out; whatever it claims is replayed by the filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.properties import tried
from tegar.model.affinity import Kind
from tegar.model.units import GIB
from tegar.scheduler import plan
from tegar.scheduler.board import Board
from tegar.scheduler.filters import FILTERS
from tegar.scheduler.picture import Guest, Picture, tolerated, with_hosts, with_vm, without
from tegar.scheduler.plan import Plan, Shortfall, check, evacuate, lose, rather, survive
from tegar.scheduler.view import GroupView, HostView, Mate, Request

LIKE_HOST = HostView(
    id=0, name="h0", hypervisor="KVM", up=True, enabled=True, cluster_enabled=True, core_mhz=2000, cores=8,
    free_cpu_mhz=16000, free_memory_bytes=8 * GIB, memory_bytes=8 * GIB,
)  # fmt: skip


def host(id: int, free: int = 8, **other: object) -> HostView:
    """Return a host with so many GiB free."""
    return replace(LIKE_HOST, id=id, name=f"h{id}", free_memory_bytes=free * GIB, **other)  # type: ignore[arg-type]


def vm(id: int, at: int, size: int = 1, **other: object) -> Guest:
    """Return an HA VM of so many GiB on a host."""
    guest = Guest(id, f"v{id}", (at,), cpus=1, cpu_mhz=500, memory_bytes=size * GIB, hypervisor="KVM")
    return replace(guest, **other)  # type: ignore[arg-type]


def picture(hosts: list[HostView], guests: list[Guest], **other: object) -> Picture:
    """Return a cluster all of whose hosts are guarded; the groups are those of the guests."""
    mates: dict[int, set[tuple[int, int]]] = {}
    for guest in guests:
        for group in guest.apart | guest.together:
            mates.setdefault(group, set()).update((guest.id, at) for at in guest.host_ids)
    found = Picture(tuple(hosts), tuple(guests), {g: frozenset(m) for g, m in mates.items()},
                    guarded=frozenset(h.id for h in hosts))  # fmt: skip
    return replace(found, **other)  # type: ignore[arg-type]


def fails(found: Plan | Shortfall | None) -> str:
    """Return the sentence of a shortfall."""
    assert isinstance(found, Shortfall)
    return str(found)


def test_what_fits_elsewhere_survives() -> None:
    assert survive(picture([host(1, 2), host(2, 2)], [vm(1, 1), vm(2, 1), vm(3, 2)]), 1) is None


def test_the_first_host_whose_loss_cannot_be_survived_is_named_with_what_is_lacking() -> None:
    found = survive(picture([host(1, 3), host(2, 1)], [vm(1, 1, 3), vm(2, 2, 3)]), 1)

    assert fails(found) == (
        f"if host h1 were lost, 1 HA VM could not be restarted: {2 * GIB} bytes of memory are lacking for VM v1"
    )


def test_cpu_can_be_what_is_lacking() -> None:
    found = survive(picture([host(1), host(2, free_cpu_mhz=300)], [vm(1, 1)]), 1)

    assert "200 MHz of CPU are lacking for VM v1" in fails(found)


def test_one_host_promises_nothing_and_is_never_refused() -> None:
    alone = picture([host(1, 0)], [vm(1, 1)])

    assert tolerated(alone, 1) == 0
    assert survive(alone, 1) is None
    assert survive(picture([host(1, 0), host(2, 0, enabled=False)], [vm(1, 1)]), 1) is None


@pytest.mark.parametrize(
    "change", [{"up": False}, {"enabled": False}, {"cluster_enabled": False}, {"cores": 0}]
)
def test_hosts_that_cannot_be_used_take_nothing(change: dict[str, object]) -> None:
    found = lose(picture([host(1), replace(host(2), **change)], [vm(1, 1)]), {1})  # type: ignore[arg-type]

    assert "no host that is left suits VM v1" in fails(found)


def test_hosts_without_a_lease_or_in_quarantine_take_nothing() -> None:
    two = picture([host(1), host(2)], [vm(1, 1)])

    assert isinstance(lose(two, {1}), Plan)
    assert isinstance(lose(replace(two, guarded=frozenset({1})), {1}), Shortfall)
    assert isinstance(lose(replace(two, closed=frozenset({2})), {1}), Shortfall)


def test_the_loss_of_a_host_without_a_lease_is_not_promised() -> None:
    three = picture([host(1, 0), host(2, 0), host(3, 0)], [vm(1, 1)])

    assert isinstance(survive(three, 1), Shortfall)
    assert survive(replace(three, guarded=frozenset({2, 3})), 1) is None


def test_vms_of_dead_hosts_that_have_not_come_back_need_their_room_too() -> None:
    three = picture([host(1, 0, up=False), host(2, 1), host(3, 1)], [vm(1, 1), vm(2, 2)])

    assert survive(three, 1) is None
    assert isinstance(survive(replace(three, lost=frozenset({1})), 1), Shortfall)


def test_a_disabled_host_can_still_be_lost() -> None:
    three = picture([host(1, enabled=False), host(2, 0), host(3, 0)], [vm(1, 1)])

    assert "if host h1 were lost" in fails(survive(three, 1))


def test_tags_are_obeyed() -> None:
    tagged = vm(1, 1, host_tags=frozenset({"ssd"}))

    assert "tags" in fails(lose(picture([host(1), host(2)], [tagged]), {1}))
    assert isinstance(lose(picture([host(1), host(2, tags=frozenset({"ssd"}))], [tagged]), {1}), Plan)


def test_strict_groups_stay_apart_also_from_vms_without_ha() -> None:
    apart = frozenset({7})
    guests = [vm(1, 1, apart=apart), vm(2, 2, apart=apart)]
    three = picture([host(1), host(2), host(3)], guests)

    found = lose(three, {1})
    assert isinstance(found, Plan)
    assert [(m.guest.id, m.host_id) for m in found.moves()] == [(1, 3)]
    taken = replace(three, mates={7: three.mates[7] | {(99, 3)}})
    assert isinstance(lose(taken, {1}), Shortfall)
    on_the_lost = replace(three, mates={7: three.mates[7] | {(99, 1)}})
    assert isinstance(lose(on_the_lost, {1}), Plan)


def test_strict_groups_stay_together() -> None:
    together = frozenset({7})
    guests = [vm(1, 1, 3, together=together), vm(2, 1, 3, together=together)]

    assert isinstance(lose(picture([host(1), host(2, 5), host(3, 5)], guests), {1}), Shortfall)
    found = lose(picture([host(1), host(2, 5), host(3, 6)], guests), {1})
    assert isinstance(found, Plan)
    assert {m.host_id for m in found.moves()} == {3}


def test_guests_that_must_be_together_and_apart_have_no_place() -> None:
    both = {"together": frozenset({7}), "apart": frozenset({8})}
    three = picture([host(1), host(2), host(3)], [vm(1, 1, **both), vm(2, 1, **both)])

    assert "no host that is left suits VM v1" in fails(lose(three, {1}))
    assert rather(three, {1}) == []


def test_a_plan_is_in_the_order_of_priority() -> None:
    found = lose(picture([host(1), host(2)], [vm(1, 1, 3), vm(2, 1, priority=0), vm(3, 1, priority=4)]), {1})

    assert isinstance(found, Plan)
    assert [m.guest.id for m in found.moves()] == [2, 1, 3]


def test_the_urgent_are_not_those_left_over() -> None:
    found = lose(picture([host(1), host(2, 3)], [vm(1, 1, 3, priority=4), vm(2, 1, 1, priority=0)]), {1})

    assert isinstance(found, Shortfall)
    assert (found.guest, found.left_over) == ("v1", 1)


def test_a_vm_that_moves_is_restarted_when_either_of_its_hosts_is_lost() -> None:
    moving = replace(vm(1, 1, 2), host_ids=(1, 2))

    assert isinstance(lose(picture([host(1), host(2, 0), host(3, 2)], [moving]), {1}), Plan)
    assert isinstance(lose(picture([host(1), host(2, 0), host(3, 1)], [moving]), {1}), Shortfall)


def test_two_hosts_can_be_lost_at_once() -> None:
    guests = [vm(n, n, 2) for n in range(1, 5)]

    assert survive(picture([host(n, 2) for n in range(1, 5)], guests), 2) is None
    found = survive(picture([host(n, 1) for n in range(1, 5)], guests), 2)
    assert "if the hosts h1, h2 were lost, 2 HA VMs" in fails(found)


def test_beyond_what_can_be_tried_a_bound_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "COMBINATIONS", 0)
    guests = [vm(n, n, 2) for n in range(1, 5)]

    assert survive(picture([host(n, 2) for n in range(1, 5)], guests), 2) is None
    found = fails(survive(picture([host(n, 1) for n in range(1, 5)], guests), 2))
    assert f"2 slots of the size of the largest HA VM ({2 * GIB} bytes and 500 MHz) are lacking" in found
    grouped = [replace(g, apart=frozenset({1})) for g in guests]
    assert "strict affinity" in fails(survive(picture([host(n, 2) for n in range(1, 5)], grouped), 2))


def test_a_board_can_be_asked_what_if_a_vm_were_there_too() -> None:
    board = Board(picture([host(1, 2), host(2, 2)], [vm(1, 1, 2)]))
    one = vm(2, 0)

    assert check(board, 1) is None
    assert "if host h1 were lost" in str(check(board.holding(one, 2, ha=False), 1))
    assert check(board.holding(one, 1, ha=False), 1) is None
    assert "if host h1 were lost" in str(check(board.holding(one, 1, ha=True), 1))
    assert check(board, 1) is None


def test_an_evacuation_is_packed_like_a_loss_and_closes_the_host() -> None:
    plain, ha = vm(2, 1, 2), vm(1, 1, 1)
    three = picture([host(1, 5), host(2, 3), host(3, 3)], [ha])

    after = evacuate(three, 1, [plain, ha])

    assert isinstance(after, Picture)
    assert [h.free_memory_bytes // GIB for h in after.hosts] == [8, 0, 3]
    assert [g.host_ids for g in after.guests] == [(2,)]
    assert not after.takes(after.hosts[0])
    assert isinstance(evacuate(three, 1, [vm(2, 1, 4)]), Shortfall)


# ── properties ──

SIZES = st.integers(0, 6)


@st.composite
def pictures(draw: st.DrawFn, *, hosts: int = 5, groups: bool = True) -> Picture:
    count = draw(st.integers(2, hosts))
    views = [
        host(n, draw(SIZES), free_cpu_mhz=500 * draw(SIZES), up=draw(st.integers(0, 5)) > 0,
             enabled=draw(st.integers(0, 5)) > 0, tags=frozenset(draw(st.sets(st.sampled_from("ab")))))
        for n in range(1, count + 1)
    ]  # fmt: skip
    guests = []
    for id in range(1, draw(st.integers(0, 7)) + 1):
        at = draw(st.integers(1, count))
        places = (at,) if draw(st.integers(0, 4)) else tuple({at, draw(st.integers(1, count))})
        own = frozenset(draw(st.sets(st.integers(1, 3), max_size=2))) if groups else frozenset()
        guests.append(
            vm(id, at, draw(st.integers(1, 4)), host_ids=places, cpus=draw(st.integers(1, 2)),
               priority=draw(st.integers(0, 4)), apart=own & {1, 2}, together=own & {3},
               host_tags=frozenset("a") if draw(st.integers(0, 5)) == 0 else frozenset())
        )  # fmt: skip
    all_ids = st.sets(st.integers(1, count), max_size=1)
    found = picture(views, guests)
    if groups and draw(st.booleans()):
        others = frozenset((90 + n, draw(st.integers(1, count))) for n in range(2))
        found = replace(found, mates={**found.mates, draw(st.integers(1, 3)): others})
    return replace(found, lost=frozenset(draw(all_ids)), closed=frozenset(draw(all_ids)))


def replay(found: Plan, shown: Picture) -> None:
    """Hold that each move passes the filters of placement, one after the other, the room really going down."""
    gone = found.lost | shown.lost
    views = {h.id: h for h in shown.hosts}
    moving = {m.guest.id for m in found.moves()}
    assert moving == {g.id for g in shown.guests if set(g.host_ids) & gone}
    places = {(vm, at) for mates in shown.mates.values() for vm, at in mates if at not in gone}
    where = {id: {at for vm, at in places if vm == id} - gone for id in {vm for vm, _ in places} - moving}
    names = {g.id: g for g in shown.guests}
    for move in found.moves():
        assert move.host_id not in gone | shown.closed
        assert move.host_id in shown.guarded
        guest, view = move.guest, views[move.host_id]
        groups = []
        for group in guest.apart | guest.together:
            kind = Kind.APART if group in guest.apart else Kind.TOGETHER
            members = {vm for vm, _ in shown.mates.get(group, ())} - {guest.id}
            mates = [Mate(str(id), at) for id in members for at in where.get(id, ())]
            groups.append(GroupView(str(group), kind, tuple(mates)))
        want = Request(guest.cpus, guest.cpu_mhz, guest.memory_bytes, guest.hypervisor, guest.host_tags,
                       groups=tuple(groups))  # fmt: skip
        assert [why for f in FILTERS if (why := f(want, view))] == []
        where[guest.id] = {move.host_id}
        views[view.id] = replace(
            view, free_memory_bytes=view.free_memory_bytes - guest.memory_bytes,
            free_cpu_mhz=view.free_cpu_mhz - guest.cpus * guest.cpu_mhz,
        )  # fmt: skip
    assert names.keys() >= moving


@tried(400)
@given(pictures(), st.sets(st.integers(1, 5), max_size=2))
def test_a_plan_is_feasible_by_the_filters_of_placement(shown: Picture, lost: set[int]) -> None:
    found = lose(shown, lost)

    if isinstance(found, Plan):
        replay(found, shown)
    else:
        assert str(found)


@tried(200)
@given(pictures(), st.integers(1, 3))
def test_a_promise_has_a_plan_for_every_set_of_hosts_and_fewer(shown: Picture, n: int) -> None:
    if survive(shown, n) is not None:
        return
    n = tolerated(shown, n)
    for count in range(1, n + 1):
        for lost in combinations(sorted(shown.guarded - shown.lost), count):
            found = lose(shown, lost)
            if count == n:
                assert isinstance(found, Plan)
                replay(found, shown)


@tried(200)
@given(pictures(groups=False), st.integers(2, 3))
def test_the_bound_promises_nothing_that_is_not_so(shown: Picture, n: int) -> None:
    n = tolerated(shown, n)
    kept, plan.COMBINATIONS = plan.COMBINATIONS, 0
    try:
        bounded = check(Board(shown), n)
    finally:
        plan.COMBINATIONS = kept
    if n > 1 and bounded is None and len(Board(shown).free) > n:
        assert possible_all(shown, n)


def possible_all(shown: Picture, n: int) -> bool:
    mine = sorted(shown.guarded - shown.lost)
    return all(possible(shown, lost) for lost in combinations(mine, min(n, len(mine))))


def possible(shown: Picture, lost: Collection[int]) -> bool:
    """Return whether there is any packing at all, by trying all; without groups."""
    gone = set(lost) | shown.lost
    items = [g for g in shown.guests if set(g.host_ids) & gone]
    rooms = {
        h.id: (h.free_memory_bytes, h.free_cpu_mhz)
        for h in shown.hosts
        if shown.takes(h) and h.id not in gone
    }
    suited = {h.id: h for h in shown.hosts}

    def put(rest: list[Guest], rooms: dict[int, tuple[int, int]]) -> bool:
        if not rest:
            return True
        guest = rest[0]
        need = guest.memory_bytes, guest.cpus * guest.cpu_mhz
        return any(
            put(rest[1:], {**rooms, id: (memory - need[0], mhz - need[1])})
            for id, (memory, mhz) in rooms.items()
            if memory >= need[0] and mhz >= need[1] and guest.host_tags <= suited[id].tags
        )

    return put(items, rooms)


@tried(200)
@given(pictures(groups=False), st.integers(1, 4), st.sets(st.integers(1, 5), min_size=1, max_size=2))
def test_with_guests_of_one_size_nothing_that_fits_is_refused(
    shown: Picture, size: int, lost: set[int]
) -> None:
    same = tuple(replace(g, memory_bytes=size * GIB, cpus=1, host_tags=frozenset()) for g in shown.guests)
    shown = replace(shown, guests=same)

    assert isinstance(lose(shown, lost), Plan) == possible(shown, lost)


@tried(200)
@given(pictures(groups=False), st.integers(1, 4), st.integers(1, 5), st.integers(1, 4))
def test_with_guests_of_one_size_less_room_never_turns_a_refusal_into_a_promise(
    shown: Picture, size: int, which: int, less: int
) -> None:
    same = tuple(replace(g, memory_bytes=size * GIB, cpus=1, host_tags=frozenset()) for g in shown.guests)
    shown = replace(shown, guests=same)
    view = next((h for h in shown.hosts if h.id == which), shown.hosts[0])
    poorer = with_hosts(
        shown, {view.id: replace(view, free_memory_bytes=view.free_memory_bytes - less * GIB)}
    )

    if survive(poorer, 1) is None:
        assert survive(shown, 1) is None


@tried(200)
@given(pictures(hosts=2), st.integers(1, 4))
def test_with_one_host_left_it_is_exact_so_less_room_never_helps(shown: Picture, less: int) -> None:
    poorer = with_hosts(
        shown, {h.id: replace(h, free_memory_bytes=h.free_memory_bytes - less * GIB) for h in shown.hosts}
    )

    for lost in ({1}, {2}):
        if isinstance(lose(poorer, lost), Plan):
            assert isinstance(lose(shown, lost), Plan)


@tried(150)
@given(
    pictures(), st.integers(1, 5), st.integers(1, 4), st.booleans(), st.sets(st.integers(1, 3), max_size=1)
)
def test_holding_is_as_if_it_had_been_drawn_so(
    shown: Picture, at: int, size: int, ha: bool, groups: set[int]
) -> None:
    host_id = min(at, len(shown.hosts))
    one = vm(50, 0, size, apart=frozenset(groups - {3}), together=frozenset(groups & {3}), host_ids=())
    held, drawn = Board(shown).holding(one, host_id, ha=ha), with_vm(shown, one, host_id, ha=ha)

    assert str(check(held, 1)) == str(check(Board(drawn), 1)) or held.scarce != Board(drawn).scarce


@tried(100)
@given(pictures(groups=False))
def test_what_leaves_and_comes_back_changes_nothing(shown: Picture) -> None:
    for guest in shown.guests:
        if len(guest.host_ids) == 1:
            back = with_vm(without(shown, guest), guest, guest.host_ids[0], ha=True)
            assert back.hosts == shown.hosts
            assert set(back.guests) == set(shown.guests)
            assert {g: m for g, m in back.mates.items() if m} == {g: m for g, m in shown.mates.items() if m}


def test_restarts_are_spread_evenly_although_one_host_is_empty() -> None:
    shown = picture([host(1), host(2, 40), host(3, 8), host(4, 8)], [vm(n, 1) for n in range(1, 10)])

    moves = plan.rather(shown, {1})

    assert Counter(move.host_id for move in moves) == {2: 3, 3: 3, 4: 3}


def test_those_of_one_priority_are_spread_evenly_among_themselves() -> None:
    guests = [vm(n, 1, priority=0 if n % 3 == 0 else 2) for n in range(1, 10)]

    moves = plan.rather(picture([host(1), host(2, 40), host(3, 8), host(4, 8)], guests), {1})

    urgent = Counter(move.host_id for move in moves if move.guest.priority == 0)
    assert urgent == {2: 1, 3: 1, 4: 1}
