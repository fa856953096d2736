"""Leases: who has one, how a dead holder is noticed, and what the holder learns when it wakes."""

from __future__ import annotations

import threading

from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db
from tegar.kernel.lease import TTL_S, Lease, Leases


def test_a_lease_has_one_holder(db: Db) -> None:
    leases = Leases(db, ManualClock())

    assert leases.take("ha", "a") == 1
    assert leases.take("ha", "b") is None


def watch(clock: ManualClock, *observers: Leases) -> None:
    """Let time pass until a lease that nobody renews is dead, while observers look."""
    began_s = clock.mono_s()
    while clock.mono_s() - began_s <= TTL_S:
        clock.sleep(0.5)
        for observer in observers:
            observer.look("")


def test_an_observer_that_was_away_calls_nobody_dead(db: Db) -> None:
    clock = ManualClock()
    observer = Leases(db, clock)
    observer.take("ha", "a")
    observer.look("ha")

    clock.sleep(TTL_S * 10)  # the database was away, say: nobody could beat and nobody could look
    assert observer.look("ha") == []
    assert observer.take("ha", "b") is None

    watch(clock, observer)
    assert observer.take("ha", "b") is not None


def test_a_holder_that_beats_keeps_its_lease(db: Db) -> None:
    clock = ManualClock()
    observer = Leases(db, clock)
    fence = observer.take("ha", "a")
    assert fence

    for _ in range(20):
        clock.sleep(TTL_S * 0.9)
        assert Leases(db, clock).beat("ha", "a", fence)
        assert observer.look("ha") == []
        assert observer.take("ha", "b") is None


def test_a_holder_that_stopped_loses_its_lease_and_learns_it(db: Db) -> None:
    clock = ManualClock()
    observer = Leases(db, clock)
    fence = observer.take("ha", "a") or 0
    assert observer.look("ha") == []

    watch(clock, observer)
    assert [s.holder for s in observer.look("ha")] == ["ha"]
    assert observer.take("ha", "b") == fence + 1

    assert not observer.beat("ha", "a", fence)
    assert observer.beat("ha", "b", fence + 1)


def test_an_observer_that_just_came_gives_the_holder_its_full_time(db: Db) -> None:
    clock = ManualClock()
    early = Leases(db, clock)
    early.take("ha", "a")
    early.look("ha")
    watch(clock, early)

    late = Leases(db, clock)

    assert late.look("ha") == []
    assert late.take("ha", "b") is None
    assert early.take("ha", "c") is not None


def test_of_two_observers_that_see_a_death_one_takes_over(db: Db) -> None:
    clock = ManualClock()
    both = [Leases(db, clock), Leases(db, clock)]
    both[0].take("ha", "a")
    for observer in both:
        observer.look("ha")
    watch(clock, *both)
    start, fences = threading.Barrier(2), []

    def race(observer: Leases, name: str) -> None:
        start.wait()
        fences.append(observer.take("ha", name))

    threads = [threading.Thread(target=race, args=(o, f"o{n}")) for n, o in enumerate(both)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(f or 0 for f in fences) == [0, 2]


def test_many_that_want_a_new_lease_at_once_give_one_holder(db: Db) -> None:
    start, fences = threading.Barrier(8), []

    def race(name: str) -> None:
        start.wait()
        fences.append(Leases(db, ManualClock()).take("new", name))

    threads = [threading.Thread(target=race, args=(f"o{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(f or 0 for f in fences) == [0] * 7 + [1]


def test_a_lease_that_was_given_up_is_free_at_once(db: Db) -> None:
    leases = Leases(db, ManualClock())
    fence = leases.take("ha", "a") or 0

    leases.give_up("ha", "a", fence)

    assert (leases.take("ha", "b") or 0) > fence
    assert not leases.beat("ha", "a", fence)


def test_a_holder_that_came_back_before_its_burial_is_not_buried(db: Db) -> None:
    clock = ManualClock()
    observer = Leases(db, clock)
    fence = observer.take("server:a", "a") or 0
    observer.look("server:")
    watch(clock, observer)
    (sight,) = observer.look("server:")

    assert observer.beat("server:a", "a", fence)
    observer.bury("server:a", sight)

    assert db.read(lambda s: s.get(Lease, "server:a")) is not None
    assert observer.beat("server:a", "a", fence)


def test_a_buried_holder_learns_it(db: Db) -> None:
    clock = ManualClock()
    observer = Leases(db, clock)
    fence = observer.take("server:a", "a") or 0
    observer.look("server:")
    watch(clock, observer)
    (sight,) = observer.look("server:")

    observer.bury("server:a", sight)

    assert not observer.beat("server:a", "a", fence)
