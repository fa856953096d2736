"""The order of restart: plain data in, plain data out, and properties over whole failures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from support.properties import tried
from tegar.scheduler.order import Started, Waiting, due

NOW_S = 1000.0


def vm(
    id: int, priority: int = 2, *, needs: tuple[int, ...] = (), blocked: str = "", host: int = 1
) -> Waiting:
    return Waiting(id, f"v{id}", host, priority, needs, since_s=NOW_S, patience_s=60, blocked=blocked)


def up(
    id: int, priority: int = 2, *, ready: bool = True, running: bool = True, since_s: float = NOW_S
) -> Started:
    return Started(id, f"v{id}", 1, priority, running, ready, since_s, patience_s=60)


def test_the_most_urgent_start_first_and_the_others_say_for_whom_they_wait() -> None:
    found = due([vm(1, 3), vm(2, 0), vm(3, 0)], [], NOW_S)

    assert found.start == [2, 3]
    assert found.held == {1: "waits for VM v2, which is to start, of priority 0"}


def test_the_next_level_waits_until_the_one_before_is_ready_or_out_of_patience() -> None:
    slow = up(2, 0, ready=False)

    assert due([vm(1)], [slow], NOW_S + 59).held == {1: "waits for VM v2, which is not ready, of priority 0"}
    assert due([vm(1)], [slow], NOW_S + 60).start == [1]
    assert due([vm(1)], [replace(slow, ready=True)], NOW_S).start == [1]


def test_what_is_needed_starts_first_and_must_be_ready() -> None:
    assert due([vm(1, needs=(2,)), vm(2)], [], NOW_S).held == {1: "waits for VM v2, which it needs, to start"}
    slow = up(2, ready=False)
    assert due([vm(1, needs=(2,))], [slow], NOW_S).held == {1: "waits for VM v2, which it needs, to be ready"}
    assert due([vm(1, needs=(2,))], [up(2)], NOW_S).start == [1]


def test_nobody_waits_for_what_is_not_coming() -> None:
    assert due([vm(1, needs=(9,))], [], NOW_S).start == [1]


def test_what_somebody_urgent_needs_is_as_urgent() -> None:
    found = due([vm(1, 0, needs=(2,)), vm(2, 4), vm(3, 1)], [], NOW_S)

    assert found.start == [2]
    assert found.held[3] == "waits for VM v1, which is to start, of priority 0"


def test_the_blocked_hold_only_those_who_need_them_and_not_for_ever() -> None:
    waiting = [vm(1, 0, blocked="has no proof yet"), vm(2), vm(3, needs=(1,))]

    early, late = due(waiting, [], NOW_S), due(waiting, [], NOW_S + 60)

    assert (early.start, late.start) == ([2], [2, 3])
    assert early.held == {
        1: "has no proof yet",
        3: "waits for VM v1, which it needs and which has no proof yet",
    }


def test_so_many_start_at_once_on_one_host() -> None:
    waiting = [vm(n) for n in range(1, 6)] + [vm(6, host=2)]

    found = due(waiting, [up(9, running=False, ready=True)], NOW_S, per_host=3)

    assert found.start == [1, 2, 6]
    assert found.held[3] == "waits for one of the 3 starts at once on its host"


def test_a_circle_does_not_wait_for_itself() -> None:
    found = due([vm(1, needs=(2,)), vm(2, needs=(1,)), vm(3, needs=(3,)), vm(4, needs=(1,))], [], NOW_S)

    assert found.start == [1, 2, 3]
    assert found.held == {4: "waits for VM v1, which it needs, to start"}


# ── whole failures ──


@dataclass
class Failure:
    """VMs, how long each takes to start and to be ready (None: it never is), and who is blocked until when."""

    waiting: list[Waiting]
    start_s: dict[int, float]
    ready_s: dict[int, float | None]
    free_s: dict[int, float | None] = field(default_factory=dict)


@st.composite
def failures(draw: st.DrawFn, *, circles: bool = False) -> Failure:
    count = draw(st.integers(1, 12))
    found = Failure([], {}, {})
    for id in range(1, count + 1):
        others = st.integers(1, count) if circles else st.integers(1, id - 1) if id > 1 else st.nothing()
        needs = tuple(draw(st.sets(others, max_size=3))) if circles or id > 1 else ()
        blocked = draw(st.booleans()) and draw(st.booleans())
        if blocked:
            found.free_s[id] = draw(st.none() | st.floats(0, 50))
        found.start_s[id] = draw(st.floats(0.1, 5))
        found.ready_s[id] = draw(st.none() | st.floats(0, 30))
        found.waiting.append(
            Waiting(id, f"v{id}", draw(st.integers(1, 3)), draw(st.integers(0, 4)), needs,
                    patience_s=draw(st.floats(1, 20)), blocked="is blocked" if blocked else "")
        )  # fmt: skip
    return found


def live(failure: Failure, per_host: int, seconds: int = 500) -> tuple[dict[int, float], set[int]]:
    """Let a failure pass, second by second, holding what is always true; return when each began to start."""
    began: dict[int, float] = {}
    mine = {v.vm_id: v for v in failure.waiting}
    for now in range(seconds):
        left = []
        for v in failure.waiting:
            if v.vm_id not in began:
                free = failure.free_s.get(v.vm_id, 0.0)
                left.append(replace(v, blocked="is blocked" if free is None or now < free else ""))
        started = []
        for id, at in began.items():
            ready, took = failure.ready_s[id], failure.start_s[id]
            started.append(Started(id, f"v{id}", mine[id].host_id, mine[id].priority, now >= at + took,
                                   ready is not None and now >= at + took + ready, at, mine[id].patience_s))  # fmt: skip
        found = due(left, started, now, per_host)
        assert set(found.start) | set(found.held) == {v.vm_id for v in left}
        assert all(found.held.values())
        _true_at_once(left, started, found.start, now, per_host)
        began |= {id: float(now) for id in found.start}
    return began, {id for id, free in failure.free_s.items() if free is None}


def _true_at_once(
    left: list[Waiting], started: list[Started], start: list[int], now: float, per_host: int
) -> None:
    blocked = {v.vm_id for v in left if v.blocked}
    assert not blocked & set(start)
    mine = {v.vm_id: v for v in left}
    at = Counter(v.host_id for v in started if not v.running) + Counter(mine[id].host_id for id in start)
    assert not start or max(at[mine[id].host_id] for id in start) <= per_host


@tried(150)
@given(failures(), st.integers(1, 3))
def test_nobody_starts_before_what_it_needs_is_ready_or_out_of_patience(
    failure: Failure, per_host: int
) -> None:
    began, _ = live(failure, per_host)

    for v in failure.waiting:
        for need in v.needs:
            if v.vm_id not in began:
                continue
            other, at, ready = failure.waiting[need - 1], began.get(need), failure.ready_s[need]
            if at is None or at > began[v.vm_id]:
                assert need in failure.free_s  # it was blocked, and patience was over
                assert began[v.vm_id] >= other.patience_s
            else:
                was_ready = ready is not None and began[v.vm_id] >= at + failure.start_s[need] + ready
                assert was_ready or began[v.vm_id] >= at + other.patience_s


@tried(150)
@given(failures() | failures(circles=True), st.integers(1, 3))
def test_everybody_who_is_not_blocked_for_ever_starts(failure: Failure, per_host: int) -> None:
    began, never = live(failure, per_host)

    assert set(began) == {v.vm_id for v in failure.waiting} - never


@tried(150)
@given(failures(), st.integers(1, 3))
def test_levels_start_one_after_the_other_unless_blocked_or_needed(failure: Failure, per_host: int) -> None:
    plain = replace_needs(failure)
    began, never = live(plain, per_host)

    for v in plain.waiting:
        for w in plain.waiting:
            if v.priority < w.priority and v.vm_id not in plain.free_s and w.vm_id in began:
                ready = plain.ready_s[v.vm_id]
                gone = began[v.vm_id] + v.patience_s
                free = gone if ready is None else min(gone, began[v.vm_id] + plain.start_s[v.vm_id] + ready)
                assert began[w.vm_id] >= free
    assert never <= set(plain.free_s)


def replace_needs(failure: Failure) -> Failure:
    """Return the failure without dependencies."""
    return replace(failure, waiting=[replace(v, needs=()) for v in failure.waiting])
