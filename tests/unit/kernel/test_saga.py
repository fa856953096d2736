"""The engine of sagas: order, retries, unwinding, sticking, taking over and being taken over."""

from __future__ import annotations

import threading

import pytest
from little import FORWARD, LITTLE, Bench, Params, notes

from tegar.kernel.db import Db
from tegar.kernel.engine import settle
from tegar.kernel.errors import NotYet, Refused, Unavailable
from tegar.kernel.saga import Saga, SagaRow, State, Step, poke_with


def fail_times(count: int, error: Exception):  # type: ignore[no-untyped-def]
    """Return an order that fails so many times."""
    left = [count]

    def order() -> None:
        if left[0] > 0:
            left[0] -= 1
            raise error

    return order


def test_steps_run_in_order_and_see_earlier_results(db: Db) -> None:
    bench = Bench(db)
    saga_id = bench.submit()

    settle(bench.engine, saga_id)

    assert bench.state(saga_id) == State.DONE
    assert notes(db) == ["one", "three", "two"]
    assert bench.log(saga_id) == [
        "one begin", "one done", "two begin", "two done", "three begin", "three done",
    ]  # fmt: skip


def test_a_failure_unwinds_backwards_and_the_caller_reads_why(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["three"] = fail_times(9, Refused("three would not"))
    saga_id = bench.submit()

    settle(bench.engine, saga_id)

    row = db.read(lambda s: s.get_one(SagaRow, saga_id))
    assert (row.state, row.code, row.error, row.owner) == (State.FAILED, 431, "three would not", None)
    assert notes(db) == []
    assert bench.log(saga_id)[-5:] == ["three fail", "two undo", "two undone", "one undo", "one undone"]


def test_a_failed_step_is_undone_too_for_it_may_have_taken_effect(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["two"] = fail_times(9, Refused("two would not"))
    saga_id = bench.submit()

    settle(bench.engine, saga_id)

    assert "two undone" in bench.log(saga_id)


def test_an_error_that_says_retry_is_repeated_before_anything_is_unwound(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["two"] = fail_times(4, Unavailable("The host", "busy"))
    saga_id = bench.submit()
    began_s = bench.clock.mono_s()

    settle(bench.engine, saga_id)

    assert bench.state(saga_id) == State.DONE
    assert bench.log(saga_id).count("two retry") == 4
    assert bench.clock.mono_s() - began_s == pytest.approx(0.5 + 1 + 2 + 4)


def test_patience_ends(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["two"] = fail_times(10_000, Unavailable("The host", "away"))
    saga_id = bench.submit()
    began_s = bench.clock.mono_s()

    settle(bench.engine, saga_id)

    assert bench.state(saga_id) == State.FAILED
    assert 20 < bench.clock.mono_s() - began_s < 27


def test_not_yet_is_waited_for_much_longer_and_not_logged(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["two"] = fail_times(1000, NotYet("The copy", 5.0))
    saga_id = bench.submit()

    settle(bench.engine, saga_id, limit_s=10_000)

    assert bench.state(saga_id) == State.DONE
    assert "two retry" not in bench.log(saga_id)


def test_an_unexpected_error_unwinds_and_tells_the_caller_nothing_of_it(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["two"] = fail_times(1, ZeroDivisionError("secret detail"))
    saga_id = bench.submit()

    settle(bench.engine, saga_id)

    row = db.read(lambda s: s.get_one(SagaRow, saga_id))
    assert row.state == State.FAILED
    assert "secret" not in (row.error or "")
    assert "secret" in (row.detail or "")


def test_an_undo_that_cannot_succeed_leaves_the_saga_stuck_and_somebody_is_told(db: Db) -> None:
    told: list[int] = []
    bench = Bench(db, on_stuck=lambda s, row: told.append(row.id))
    bench.env.orders["three"] = fail_times(1, Refused("no"))
    bench.env.orders["not_two"] = fail_times(1, Refused("cannot undo"))
    saga_id = bench.submit()

    settle(bench.engine, saga_id)
    assert bench.state(saga_id) == State.STUCK
    assert notes(db) == ["one", "two"]
    assert bench.engine.reopen(saga_id)
    settle(bench.engine, saga_id)

    assert bench.state(saga_id) == State.FAILED
    assert notes(db) == []
    assert told == [saga_id]


def test_an_undo_is_repeated_while_its_error_says_retry(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["three"] = fail_times(1, Refused("no"))
    bench.env.orders["not_two"] = fail_times(6, Unavailable("The host", "away"))
    saga_id = bench.submit()

    settle(bench.engine, saga_id)

    assert bench.state(saga_id) == State.FAILED


def test_a_saga_that_only_goes_forward_sticks_and_goes_on_where_it_stood(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["three"] = fail_times(1, Refused("no"))
    saga_id = bench.submit(FORWARD)

    settle(bench.engine, saga_id)
    assert (bench.state(saga_id), notes(db)) == (State.STUCK, ["one"])
    assert bench.engine.reopen(saga_id)
    settle(bench.engine, saga_id)

    assert (bench.state(saga_id), notes(db)) == (State.DONE, ["one", "three"])
    assert bench.log(saga_id).count("one begin") == 1


def test_only_one_of_two_owners_claims(db: Db) -> None:
    a, b = Bench(db), Bench(db, owner="b")
    saga_id = a.submit()

    assert not b.engine.claim(saga_id)
    assert b.engine.drive(saga_id) is None
    assert a.engine.drive(saga_id) is None
    assert a.state(saga_id) == State.DONE


def test_a_saga_is_taken_over_where_its_dead_owner_left_it(db: Db) -> None:
    a, b = Bench(db), Bench(db, owner="b")
    a.env.orders["two"] = fail_times(1, KeyboardInterrupt())
    saga_id = a.submit()
    with pytest.raises(KeyboardInterrupt):
        a.engine.drive(saga_id)

    assert b.engine.claim(saga_id, dead_owner="a")
    settle(b.engine, saga_id)

    assert a.state(saga_id) == State.DONE
    assert a.log(saga_id).count("one begin") == 1


@pytest.mark.parametrize("step", ["one", "two", "three", "not_two", "not_one"])
def test_an_owner_that_slept_while_it_was_taken_over_changes_nothing(db: Db, step: str) -> None:
    """A stops just before the step's work; B takes over and unwinds it all; A goes on."""
    a, b = Bench(db), Bench(db, owner="b")
    b.env.orders["three"] = fail_times(9, Refused("no"))
    saga_id = a.submit()
    seen: list[list[str]] = []

    def take_over() -> None:
        assert b.engine.claim(saga_id, dead_owner="a")
        settle(b.engine, saga_id)
        seen.append(notes(db))

    def sleep() -> None:
        other = threading.Thread(target=take_over)
        other.start()
        other.join()

    a.env.orders["three"] = fail_times(9, Refused("no"))
    a.env.orders[step] = sleep
    assert a.engine.drive(saga_id) is None

    assert a.state(saga_id) == State.FAILED
    assert seen == [[]]
    assert notes(db) == []
    assert a.log(saga_id).count("three fail") == 1


def test_a_saga_exists_if_and_only_if_its_request_commits(db: Db) -> None:
    woken: list[tuple[int, str]] = []
    poke_with(lambda saga_id, name: woken.append((saga_id, name)))
    try:
        with pytest.raises(ZeroDivisionError):
            db.tx(lambda s: LITTLE.submit(s, Params()).id / 0)
        assert db.read(lambda s: s.query(SagaRow).count()) == 0
        assert woken == []
        saga_id = db.tx(lambda s: LITTLE.submit(s, Params()).id)
        assert woken == [(saga_id, LITTLE.name)]
    finally:
        poke_with(None)


def test_two_steps_of_one_name_are_refused() -> None:
    step = LITTLE.steps[0]

    with pytest.raises(ValueError, match="one name"):
        Saga("twice", Params, step, Step(step.do))


def test_patience_with_one_undo_does_not_count_against_another_of_the_same_function(db: Db) -> None:
    bench = Bench(db)
    bench.env.orders["three"] = fail_times(1, Refused("no"))
    bench.env.orders["not_two"] = fail_times(3, Unavailable("The host", "away"))
    saga_id = bench.submit()

    settle(bench.engine, saga_id)

    assert bench.state(saga_id) == State.FAILED
    assert bench.engine._first_try_s == {}
    assert bench.engine._tries == {}
