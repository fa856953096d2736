"""Packing: guests of lost hosts onto those that are left.  Sound: what it packs fits; it may miss a packing.

Guests of one strict affinity group that are lost together are packed as one, or not at all if they must be
apart as well.  The larger a guest, the earlier; each goes where it leaves the least room of the scarcer resource,
so that wide gaps stay for large ones.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from tegar.scheduler.picture import Guest, Picture, with_mate
from tegar.scheduler.view import HostView

MEMORY, CPU = 0, 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """Guests that go to one host; ``needs`` is bytes of memory and MHz.  A ``plain`` one goes to any with room."""

    guests: tuple[Guest, ...]
    needs: tuple[int, int]
    priority: int
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Packed:
    """Where bundles go, and those for which there was no room; ``free`` is what was left then, by host id."""

    moves: list[tuple[Bundle, int]]
    left_over: list[Bundle]
    free: dict[int, tuple[int, int]]


class Board:
    """A cluster laid out for packing: the free room of hosts that take guests, and the guests of each host."""

    def __init__(self, picture: Picture) -> None:
        """Lay out a picture."""
        self.picture = picture
        self.takers: dict[int, HostView] = {h.id: h for h in picture.hosts if picture.takes(h)}
        self.free = {h.id: (h.free_memory_bytes, h.free_cpu_mhz) for h in self.takers.values()}
        self._suited: dict[tuple[int, int, frozenset[str], str], frozenset[int] | None] = {}
        alone = [self._alone(guest) for guest in picture.guests]
        self.scarce = _scarcer(alone, self.free.values())
        alone.sort(key=_size(self.scarce))
        by_host: dict[int, list[Bundle]] = {}
        for item in alone:
            for host_id in item.guests[0].host_ids:
                by_host.setdefault(host_id, []).append(item)
        self.on: dict[int, tuple[Bundle, ...]] = {host_id: tuple(found) for host_id, found in by_host.items()}
        self._rooms: dict[int, list[tuple[int, int]]] = {}

    def _alone(self, guest: Guest) -> Bundle:
        plain = not guest.apart and not guest.together and self.suited(guest) is None
        needs = (guest.memory_bytes, guest.cpus * guest.cpu_mhz)
        return Bundle((guest,), needs, guest.priority, plain)

    def rooms(self, by: int) -> list[tuple[int, int]]:
        """Return what is free of one resource and the host's id, least first."""
        if by not in self._rooms:
            self._rooms[by] = sorted((room[by], host_id) for host_id, room in self.free.items())
        return self._rooms[by]

    def holding(self, vm: Guest, host_id: int, *, ha: bool) -> Board:
        """Return the board when a VM that is nowhere holds room on a host; one without HA is not restarted."""
        other = object.__new__(Board)
        other.__dict__.update(self.__dict__)
        if host_id in self.free:
            memory, mhz = self.free[host_id]
            other.free = {**self.free, host_id: (memory - vm.memory_bytes, mhz - vm.cpus * vm.cpu_mhz)}
            other._rooms = {}
        if vm.apart or vm.together:
            other.picture = replace(self.picture, mates=with_mate(self.picture, vm, host_id))
        if ha:
            items = sorted((*self.on.get(host_id, ()), self._alone(vm)), key=_size(self.scarce))
            other.on = {**self.on, host_id: tuple(items)}
        return other

    def bundles(self, lost: Collection[int]) -> list[Bundle]:
        """Return what must go elsewhere when hosts are lost, each guest once, those that need most first."""
        if len(lost) == 1:
            items = list(self.on.get(next(iter(lost)), ()))
        else:
            items = list({b.guests[0].id: b for host_id in lost for b in self.on.get(host_id, ())}.values())
            items.sort(key=_size(self.scarce))
        if any(not b.plain and b.guests[0].together for b in items):
            items = sorted(_joined(items), key=_size(self.scarce))
        return items

    def suited(self, guest: Guest) -> frozenset[int] | None:
        """Return the hosts that suit a guest apart from room and groups; None: all of them do."""
        key = (guest.cpus, guest.cpu_mhz, guest.host_tags, guest.hypervisor)
        if key not in self._suited:
            good = frozenset(h.id for h in self.takers.values() if suits(guest, h))
            self._suited[key] = None if len(good) == len(self.takers) else good
        return self._suited[key]

    def pack(
        self, lost: Collection[int], items: Sequence[Bundle], by: int, *, spread: bool = False
    ) -> Packed:
        """Put bundles, in their order, onto hosts that are not lost: where the least of *by* stays free.

        ``spread``: where the fewest go of its priority, and of all, instead.  A host starts few at once, so the
        emptiest one must not get them all; but large bundles that come late may find no room.
        """
        rooms = [room for room in self.rooms(by) if room[1] not in lost]
        other = {host_id: room[1 - by] for host_id, room in self.free.items()}
        groups = Groups(self.picture, lost, {g.id for item in items if not item.plain for g in item.guests})
        moves: list[tuple[Bundle, int]] = []
        left_over: list[Bundle] = []
        starts = Counter[tuple[int, int | None]]()  # by host and priority, and by host in all

        def calmest(n: int) -> tuple[int, int, int]:
            room, host_id = rooms[n]
            return starts[host_id, item.priority], starts[host_id, None], -room

        for item in items:
            need, more = item.needs[by], item.needs[1 - by]
            allowed = None if item.plain else self._allowed(item, groups)
            fit = range(bisect_left(rooms, (need, -1)), len(rooms))
            for n in sorted(fit, key=calmest) if spread else fit:
                room, host_id = rooms[n]
                if other[host_id] >= more and (allowed is None or host_id in allowed):
                    del rooms[n]
                    insort(rooms, (room - need, host_id))
                    other[host_id] -= more
                    starts.update(((host_id, item.priority), (host_id, None)))
                    if not item.plain:
                        groups.put(item, host_id)
                    moves.append((item, host_id))
                    break
            else:
                left_over.append(item)
        if not left_over:
            return Packed(moves, left_over, {})
        free = {h: (room, other[h]) if by == MEMORY else (other[h], room) for room, h in rooms}
        return Packed(moves, left_over, free)

    def _allowed(self, item: Bundle, groups: Groups) -> Collection[int] | None:
        allowed: set[int] | None = None
        for guest in item.guests:
            suited = self.suited(guest)
            if suited is not None:
                allowed = set(suited) if allowed is None else allowed & suited
        return groups.narrow(item, allowed, self.free)

    def allowed(self, lost: Collection[int], item: Bundle) -> set[int]:
        """Return the hosts that are left and would do if they had the room."""
        groups = Groups(self.picture, lost, {g.id for g in item.guests})
        found = self._allowed(item, groups)
        return {h for h in self.free if h not in lost and (found is None or h in found)}


class Groups:
    """Where VMs of strict groups are while guests are packed."""

    def __init__(self, picture: Picture, lost: Collection[int], moving: Collection[int]) -> None:
        """Begin with those that stay; VMs that run on lost hosts only are gone, or among the *moving*."""
        self._mates = picture.mates
        self._lost, self._moving = lost, moving
        self._at: dict[int, set[int]] = {}

    def _where(self, group: int) -> set[int]:
        if group not in self._at:
            mates = self._mates.get(group, ())
            self._at[group] = {at for vm, at in mates if at not in self._lost and vm not in self._moving}
        return self._at[group]

    def narrow(self, item: Bundle, allowed: set[int] | None, hosts: Iterable[int]) -> set[int] | None:
        """Return which of the allowed hosts (None: all) the item's groups leave."""
        if _contradicts_itself(item):
            return set()
        for guest in item.guests:
            for group in guest.apart:
                taken = self._where(group)
                if taken:
                    allowed = (set(hosts) if allowed is None else allowed) - taken
            for group in guest.together:
                where = self._where(group)
                if where:
                    only = where if len(where) == 1 else set()
                    allowed = set(only) if allowed is None else allowed & only
        return allowed

    def put(self, item: Bundle, host_id: int) -> None:
        """Remember where an item went."""
        for guest in item.guests:
            for group in guest.apart | guest.together:
                self._where(group).add(host_id)


def _contradicts_itself(item: Bundle) -> bool:
    """Return whether guests that must be together must also be apart, so that no host will do."""
    apart = [group for guest in item.guests for group in guest.apart]
    return len(set(apart)) < len(apart)


def _size(by: int) -> Callable[[Bundle], tuple[int, int, int]]:
    """Return the order in which bundles are packed: what needs most of a resource first."""
    return lambda item: (-item.needs[by], -item.needs[1 - by], item.guests[0].id)


def _scarcer(items: Sequence[Bundle], rooms: Collection[tuple[int, int]]) -> int:
    """Return which resource is wanted most, measured by what is free of it."""
    memory, mhz = sum(item.needs[MEMORY] for item in items), sum(item.needs[CPU] for item in items)
    free = [sum(room[kind] for room in rooms) for kind in (MEMORY, CPU)]
    return CPU if mhz * max(free[MEMORY], 1) > memory * max(free[CPU], 1) else MEMORY


def suits(guest: Guest, host: HostView) -> bool:
    """Return whether a host suits a guest, room and groups aside."""
    return (
        host.hypervisor == guest.hypervisor
        and host.cores >= guest.cpus
        and host.core_mhz >= guest.cpu_mhz
        and guest.host_tags <= host.tags
    )


def _joined(items: Iterable[Bundle]) -> list[Bundle]:
    """Return bundles such that guests of one strict affinity group are in one."""
    joined: list[tuple[set[int], list[Guest]]] = []
    for item in items:
        (guest,) = item.guests
        groups, members = set(guest.together), [guest]
        rest = []
        for other_groups, other in joined:
            if groups & other_groups:
                groups |= other_groups
                members = other + members
            else:
                rest.append((other_groups, other))
        joined = [*rest, (groups, members)]
    return [_as_one(members) for _, members in joined]


def _as_one(guests: Sequence[Guest]) -> Bundle:
    needs = sum(g.memory_bytes for g in guests), sum(g.cpus * g.cpu_mhz for g in guests)
    return Bundle(tuple(guests), needs, min(g.priority for g in guests))
