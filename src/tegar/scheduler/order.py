"""In which order lost VMs are started again: which may start now, which wait, and for whom.

Three gates, each with a named reason:

- **priority**: nobody starts while somebody of a more urgent level could still be started, or was started and
  is neither ready nor past its patience;
- **dependencies**: nobody starts before what it needs is ready, or past its patience;
- **room at the host**: so many starts at once on each host.

Who is *blocked* – no proof yet, no room anywhere – holds nobody's gate but those who need it, and those only as
long as its patience lasts; so nothing waits for ever.  What is needed by somebody urgent is as urgent itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STARTS_PER_HOST = 4
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Waiting:
    """A VM to be restarted.

    Args:
        vm_id: its id.
        name: for the reasons of others.
        host_id: where it is to start.
        priority: 0 is most urgent.
        needs: the VMs that must be ready before.
        since_s: when it began to wait.
        patience_s: how long others wait for it when it is blocked, or not ready.
        blocked: why it cannot be started now, whatever the order; empty when it can.
    """

    vm_id: int
    name: str
    host_id: int
    priority: int = 2
    needs: tuple[int, ...] = ()
    since_s: float = 0.0
    patience_s: float = PATIENCE_S
    blocked: str = ""


@dataclass(frozen=True)
class Started:
    """A VM that was started again, or runs and is needed by one that waits.

    Args:
        vm_id: its id.
        name: for the reasons of others.
        host_id: where it is.
        priority: 0 is most urgent.
        running: its start has ended.
        ready: it passed its readiness gate.
        since_s: when its start began.
        patience_s: how long others wait for it to be ready.
    """

    vm_id: int
    name: str
    host_id: int
    priority: int = 2
    running: bool = False
    ready: bool = False
    since_s: float = 0.0
    patience_s: float = PATIENCE_S

    def settled(self, now_s: float) -> bool:
        """Return whether nobody waits for it any more."""
        return self.ready or now_s - self.since_s >= self.patience_s


@dataclass(frozen=True)
class Due:
    """Who starts now, in this order, and why the others wait, by VM id."""

    start: list[int] = field(default_factory=list)
    held: dict[int, str] = field(default_factory=dict)


def due(
    waiting: Sequence[Waiting], started: Sequence[Started], now_s: float, per_host: int = STARTS_PER_HOST
) -> Due:
    """Say who may start now.

    Args:
        waiting: all that are still to be started, blocked ones too.  Gates hold among those given, so
            give those of one cluster.
        started: those of this failure that were started already, and the running VMs that *waiting* need.
            A needed VM that is in neither is not coming: nobody waits for it.
        now_s: the time, of the same clock as ``since_s``.
        per_host: starts at once on one host.
    """
    urgency = _urgency(waiting)
    up = {vm.vm_id: vm for vm in started}
    mine = {vm.vm_id: vm for vm in waiting}
    loops = _loops(mine)
    starting = Counter(vm.host_id for vm in started if not vm.running)
    gate, guardian = _gate(waiting, started, urgency, now_s)
    found = Due()
    for vm in sorted(waiting, key=lambda v: (urgency[v.vm_id], v.since_s, v.vm_id)):
        why = vm.blocked or _needs(vm, mine, up, loops, now_s)
        if not why and urgency[vm.vm_id] > gate:
            why = f"waits for {guardian}, of priority {gate}"
        if not why and starting[vm.host_id] >= per_host:
            why = f"waits for one of the {per_host} starts at once on its host"
        if why:
            found.held[vm.vm_id] = why
        else:
            found.start.append(vm.vm_id)
            starting[vm.host_id] += 1
    return found


def _urgency(waiting: Sequence[Waiting]) -> dict[int, int]:
    """Return the priority of each, raised to that of those who need it."""
    urgency = {vm.vm_id: vm.priority for vm in waiting}
    needs = {vm.vm_id: vm.needs for vm in waiting}
    agenda = sorted(urgency, key=lambda id: urgency[id])
    for first in agenda:  # the most urgent first: what it needs is not raised again
        stack = [first]
        while stack:
            id = stack.pop()
            for need in needs.get(id, ()):
                if need in urgency and urgency[need] > urgency[first]:
                    urgency[need] = urgency[first]
                    stack.append(need)
    return urgency


def _gate(
    waiting: Sequence[Waiting], started: Sequence[Started], urgency: Mapping[int, int], now_s: float
) -> tuple[int, str]:
    """Return the least urgent level that may start, and who keeps those below waiting."""
    levels = [
        (urgency[vm.vm_id], vm.vm_id, f"VM {vm.name}, which is to start") for vm in waiting if not vm.blocked
    ]
    levels += [
        (vm.priority, vm.vm_id, f"VM {vm.name}, which is not ready")
        for vm in started
        if not vm.settled(now_s)
    ]
    level, _, who = min(levels, default=(max(urgency.values(), default=0), 0, ""))
    return level, who


def _needs(
    vm: Waiting,
    mine: Mapping[int, Waiting],
    up: Mapping[int, Started],
    loops: frozenset[int],
    now_s: float,
) -> str:
    """Return for whom of those it needs a VM waits; empty when for nobody."""
    for need in vm.needs:
        if need in up:
            if not up[need].settled(now_s):
                return f"waits for VM {up[need].name}, which it needs, to be ready"
        elif need in mine and not (need in loops and vm.vm_id in loops):
            other = mine[need]
            if not other.blocked:
                return f"waits for VM {other.name}, which it needs, to start"
            if now_s - other.since_s < other.patience_s:
                return f"waits for VM {other.name}, which it needs and which {other.blocked}"
    return ""


def _loops(mine: Mapping[int, Waiting]) -> frozenset[int]:
    """Return those that need each other in a circle, or lie between two circles: they do not wait for each other."""
    left = set(mine)
    needs = {id: set(vm.needs) & left for id, vm in mine.items() if vm.needs}
    wanted: dict[int, set[int]] = defaultdict(set)
    for id, others in needs.items():
        for other in others:
            wanted[other].add(id)
    for forth, back in ((needs, wanted), (wanted, needs)):
        free = [id for id in left if not forth.get(id, set()) & left]
        while free:
            left.remove(done := free.pop())
            free += [id for id in back.get(done, set()) & left if not forth.get(id, set()) & left]
        if not left:
            break
    return frozenset(left)
