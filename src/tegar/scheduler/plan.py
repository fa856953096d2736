"""Can a cluster still lose n hosts?  Proven by packing, without touching anything.

**Sound**: a proof names a host for every HA VM of the lost hosts such that all fit at once – memory, CPU,
cores, tags, hypervisor, strict affinity – so what it claims is true of the picture it was shown.

**Not complete**: packing is hard, and this tries three orders.  A cluster that is almost full may be refused
although a cleverer packing exists; with guests of one size it is exact.  Beyond ``COMBINATIONS`` sets of hosts
(only when n is 2 or more) a bound takes the place of trying all: see ``tegar.scheduler.slots``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

from tegar.scheduler import slots
from tegar.scheduler.board import CPU, MEMORY, Board, Bundle, Packed
from tegar.scheduler.picture import NOWHERE, Guest, Picture, tolerated, with_hosts, with_vm, without

COMBINATIONS = 500


@dataclass(frozen=True)
class Move:
    """A VM that is restarted, and where."""

    guest: Guest
    host_id: int


@dataclass(frozen=True)
class Plan:
    """What happens when these hosts are lost."""

    lost: frozenset[int]
    packed: Packed

    def moves(self) -> list[Move]:
        """Return which VM restarts where, in the order of restart."""
        found = [Move(guest, host_id) for item, host_id in self.packed.moves for guest in item.guests]
        return sorted(found, key=lambda m: (m.guest.priority, m.guest.id))


@dataclass(frozen=True)
class Shortfall:
    """Why the loss of these hosts cannot be survived.

    ``guest`` is the first VM without a place; ``lacks_*`` is how much more the host that comes nearest would
    have to have free for it, and ``left_over`` how many VMs find none.
    """

    lost: frozenset[int]
    names: tuple[str, ...]
    guest: str
    left_over: int
    lacks_memory_bytes: int = 0
    lacks_cpu_mhz: int = 0
    why: str = ""

    def __str__(self) -> str:
        """Return the sentence for operators."""
        lost = f"host {self.names[0]}" if len(self.names) == 1 else f"the hosts {', '.join(self.names)}"
        when = f"if {lost} were lost" if self.names else "already now"
        if self.why:
            return f"{when}, {self.why}"
        lacks = []
        if self.lacks_memory_bytes:
            lacks.append(f"{self.lacks_memory_bytes} bytes of memory")
        if self.lacks_cpu_mhz:
            lacks.append(f"{self.lacks_cpu_mhz} MHz of CPU")
        whom = f"{self.left_over} HA VMs" if self.left_over > 1 else "1 HA VM"
        return f"{when}, {whom} could not be restarted: {' and '.join(lacks)} are lacking for VM {self.guest}"


def lose(picture: Picture, lost: Collection[int]) -> Plan | Shortfall:
    """Return what would happen if these hosts were lost now, besides those that are lost already."""
    return _lose(Board(picture), frozenset(lost), spread=True)


def rather(picture: Picture, lost: Collection[int]) -> list[Move]:
    """Return where the VMs of lost hosts go when these are lost now; if not all fit, the urgent ones that do."""
    board, gone = Board(picture), frozenset(lost) | picture.lost
    found = _lose(board, frozenset(lost), spread=True)
    if isinstance(found, Shortfall):
        items = sorted(
            board.bundles(gone), key=lambda b: (b.priority, -b.needs[board.scarce], b.guests[0].id)
        )
        found = Plan(frozenset(lost), board.pack(gone, items, board.scarce))
    return found.moves()


def survive(picture: Picture, n: int) -> Shortfall | None:
    """Return None when the cluster can lose any n of its guarded hosts, else the first loss that it cannot survive.

    No more is asked than can be promised: one host must be left.
    """
    return check(Board(picture), tolerated(picture, n))


def check(board: Board, n: int, *, first: Iterable[frozenset[int]] = ()) -> Shortfall | None:
    """As ``survive``, with n as given.

    Args:
        board: the cluster.
        n: how many hosts; 0 asks only for the room of VMs that wait for their restart already.
        first: losses to look at first; who tries several boards gives what the last one failed at.
    """
    if n <= 0:
        found = _lose(board, frozenset()) if NOWHERE in board.picture.lost else None
        return found if isinstance(found, Shortfall) else None
    mine = _losable(board)
    n = min(n, len(mine))
    if n > 1 and comb(len(mine), n) > COMBINATIONS:
        bad = next((found for lost in first if isinstance(found := _lose(board, lost), Shortfall)), None)
        return bad or _bound(board, mine, n)
    for lost in _each(first, map(frozenset, combinations(mine, n))):
        found = _lose(board, lost)
        if isinstance(found, Shortfall):
            return found
    return None


def homeless(board: Board) -> Shortfall | None:
    """Return None when all guests of hosts that are lost or suspect find room, else how many find none."""
    found = _lose(board, board.picture.suspect) if board.picture.awaited else None
    return found if isinstance(found, Shortfall) else None


def evacuate(picture: Picture, host_id: int, load: Sequence[Guest]) -> Picture | Shortfall:
    """Return the picture when all VMs of a host, HA or not, have moved to others and nothing comes to it."""
    closed = with_hosts(picture, {h.id: replace(h, enabled=False) for h in picture.hosts if h.id == host_id})
    moving = replace(closed, guests=tuple(load))
    found = _lose(Board(replace(moving, lost=frozenset())), frozenset({host_id}))
    if isinstance(found, Shortfall):
        return found
    ha = {g.id for g in picture.guests}
    for move in found.moves():
        closed = with_vm(without(closed, move.guest), move.guest, move.host_id, ha=move.guest.id in ha)
    return closed


def _each(first: Iterable[frozenset[int]], rest: Iterable[frozenset[int]]) -> Iterator[frozenset[int]]:
    yield from first
    yield from rest


def _losable(board: Board) -> list[int]:
    """Return the hosts whose loss matters: guarded, not lost yet, with guests or with room for others'."""
    picture = board.picture
    hosts = [h.id for h in picture.hosts if h.id in picture.guarded - picture.lost]
    return [h for h in hosts if board.on.get(h) or h in board.free]


def _bound(board: Board, mine: list[int], n: int) -> Shortfall | None:
    worst = slots.worst(board, mine, n)
    if worst is None:
        return None
    names = tuple(sorted(board.picture.name(h) for h in worst.lost))
    return Shortfall(frozenset(worst.lost), names, "", 0, why=worst.why)


def _lose(board: Board, lost: frozenset[int], *, spread: bool = False) -> Plan | Shortfall:
    gone = lost | board.picture.lost
    items = board.bundles(gone)
    for widely in (True, False) if spread else (False,):
        packed = board.pack(gone, items, board.scarce, spread=widely)
        if not packed.left_over:
            return _plan(lost, packed)
    other = 1 - board.scarce
    packed = board.pack(gone, sorted(items, key=lambda b: (-b.needs[other], b.guests[0].id)), other)
    if not packed.left_over:
        return _plan(lost, packed)
    items.sort(key=lambda b: (b.priority, -b.needs[board.scarce], b.guests[0].id))
    packed = board.pack(gone, items, board.scarce)
    return _shortfall(board, lost, gone, packed) if packed.left_over else _plan(lost, packed)


def _plan(lost: frozenset[int], packed: Packed) -> Plan:
    return Plan(lost, packed)


def _shortfall(board: Board, lost: frozenset[int], gone: frozenset[int], packed: Packed) -> Shortfall:
    item = packed.left_over[0]
    names = tuple(sorted(board.picture.name(h) for h in (lost or gone) - {NOWHERE}))
    whom, count = item.guests[0].name, sum(len(b.guests) for b in packed.left_over)
    lacks = [_lack(item, packed.free[h]) for h in board.allowed(gone, item)]
    lacks = [lack for lack in lacks if lack != (0, 0)]
    if not lacks:
        why = f"no host that is left suits VM {whom}: its tags, size and strict affinity groups leave none"
        return Shortfall(lost, names, whom, count, why=why)
    least = min(
        lacks,
        key=lambda lack: lack[MEMORY] / max(item.needs[MEMORY], 1) + lack[CPU] / max(item.needs[CPU], 1),
    )
    return Shortfall(lost, names, whom, count, least[MEMORY], least[CPU])


def _lack(item: Bundle, room: tuple[int, int]) -> tuple[int, int]:
    return max(0, item.needs[MEMORY] - room[MEMORY]), max(0, item.needs[CPU] - room[CPU])
