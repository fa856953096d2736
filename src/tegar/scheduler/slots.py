"""A bound for the loss of many hosts at once: count equal slots, each large enough for the largest guest.

A host has as many slots as the largest memory and the largest CPU need of any guest fit into what is free on
it.  Losing a set of hosts takes their slots and asks one for each of their guests; the worst set is that of the
hosts for which the sum of both is largest.  When the slots of all hosts cover it, every set of n can be survived.
It never says so when it is not true; it refuses much that would fit when guests differ in size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tegar.scheduler.board import CPU, MEMORY, Board


@dataclass(frozen=True)
class Worst:
    """The hosts whose loss the bound cannot cover, and the sentence that says why."""

    lost: tuple[int, ...]
    why: str


def worst(board: Board, mine: Sequence[int], n: int) -> Worst | None:
    """Return None when any n of these hosts can be lost, else the worst set of n."""
    guests = [item.guests[0] for found in board.on.values() for item in found]
    if not guests:
        return None
    down = sum(len(board.on.get(h, ())) for h in board.picture.lost)
    if any(guest.apart or guest.together for guest in guests):
        return Worst(
            tuple(mine[:n]), "it cannot be proven for so many hosts: HA VMs are in strict affinity groups"
        )
    need = max(g.memory_bytes for g in guests), max(g.cpus * g.cpu_mhz for g in guests)
    slots: dict[int, int] = {}
    for host_id, room in board.free.items():
        suits = all(host_id in good for g in guests if (good := board.suited(g)) is not None)
        here = min(room[kind] // max(need[kind], 1) for kind in (MEMORY, CPU))
        slots[host_id] = max(0, here) if suits else 0
    asked = sorted(mine, key=lambda h: -(len(board.on.get(h, ())) + slots.get(h, 0)))[:n]
    wanted = down + sum(len(board.on.get(h, ())) + slots.get(h, 0) for h in asked)
    lacks = wanted - sum(slots.values())
    if lacks <= 0:
        return None
    size = f"{need[MEMORY]} bytes and {need[CPU]} MHz"
    return Worst(tuple(asked), f"{lacks} slots of the size of the largest HA VM ({size}) are lacking")
