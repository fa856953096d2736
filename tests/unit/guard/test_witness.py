"""A witness accepts, promises and forgets safely."""

from tegar.guard import survey
from tegar.guard.datagram import (
    Ack,
    Answer,
    AnyMessage,
    Ask,
    AskMany,
    Challenge,
    Moved,
    Record,
    Recorded,
    Renew,
    Teach,
    Whole,
)
from tegar.guard.witness import HOSTS_KEPT, Witness

D = 6.5
TICK = 0.001


def witness(*, first: bool = True, incarnation: int = 1) -> Witness:
    return Witness(
        "w1",
        ["h1"],
        now_s=0,
        incarnation=incarnation,
        secret=bytes([incarnation]) * 8,
        longest_dead_s=13,
        first=first,
    )


def renew(w: Witness, now_s: float, seq: int, boot: str = "b1", epoch: int = 0) -> AnyMessage | None:
    """Renew, answering a challenge."""
    said = w.take(now_s, Renew("h1", boot, epoch, seq, D, b""))
    if isinstance(said, Challenge):
        said = w.take(now_s, Renew("h1", boot, epoch, seq, D, said.token))
    return said


def ask(w: Witness, now_s: float, boot: str = "b1", epoch: int = 0, *, promise: bool = True) -> Answer:
    answer = w.take(now_s, Ask(1, "h1", boot, epoch, promise))
    assert isinstance(answer, Answer)
    return answer


def test_a_renewal_is_acked_once() -> None:
    w = witness()

    assert renew(w, 1, 5) == Ack("h1", "b1", 0, 5)
    assert renew(w, 1, 5) is None
    assert renew(w, 1, 4) is None


def test_a_promise_is_given_at_d_and_not_a_tick_before() -> None:
    w = witness()
    renew(w, 1, 1)

    assert not ask(w, 1 + D - TICK).promised
    assert ask(w, 1 + D + TICK).promised
    assert renew(w, 8, 2) == Moved("h1", "b1", 1)
    assert renew(w, 8, 3, epoch=1) == Ack("h1", "b1", 1, 3)
    assert ask(w, 9).promised


def test_a_renewal_one_tick_before_the_promise_keeps_the_lease() -> None:
    w = witness()
    renew(w, 1, 1)
    renew(w, 1 + D - TICK, 2)

    assert not ask(w, 1 + D).promised


def test_an_old_boot_cannot_be_replayed() -> None:
    w = witness()
    old = w.take(1, Renew("h1", "b1", 0, 1, D, b""))
    assert isinstance(old, Challenge)
    recorded = [Renew("h1", "b1", 0, seq, D, old.token) for seq in (1, 2, 3)]
    w.take(1, recorded[0])
    renew(w, 2, 1, boot="b2")

    assert all(not isinstance(w.take(3, it), Ack) for it in recorded)
    assert ask(w, 3, promise=False).now_boot == "b2"


def test_a_recording_is_worth_nothing_to_a_restarted_witness() -> None:
    token = witness().take(1, Renew("h1", "b1", 0, 1, D, b""))
    assert isinstance(token, Challenge)
    again = witness(incarnation=2)

    assert isinstance(again.take(1, Renew("h1", "b1", 0, 1, D, token.token)), Challenge)


def test_a_restarted_witness_says_nothing_for_d_and_until_it_is_taught() -> None:
    w = witness(first=False)

    assert renew(w, 14, 1) is None  # D is over; what it promised before it does not know
    assert not ask(w, 40).ready
    w.take(41, Teach(7, "h1", ()))  # meant for another incarnation
    assert renew(w, 41, 2) is None
    w.take(41, Teach(1, "h1", (("b1", 1),)))
    assert renew(w, 41, 3) == Moved("h1", "b1", 1)
    assert renew(w, 41, 4, epoch=1) == Ack("h1", "b1", 1, 4)


def test_taught_early_it_still_waits_for_d() -> None:
    w = witness(first=False)
    w.take(1, Teach(1, "h1", ()))

    assert renew(w, 13 - TICK, 1) is None
    assert isinstance(renew(w, 13, 1), Ack)


def test_silence_counts_from_when_it_could_hear() -> None:
    w = witness(first=False)
    w.take(1, Teach(1, "h1", ()))

    assert not ask(w, 13 + TICK).promised
    assert not ask(w, 26 - TICK).promised  # it knows no D of this lease, so the longest
    assert ask(w, 26 + TICK).promised


def test_a_host_is_learned_from_its_first_renewal() -> None:
    w = witness()

    assert isinstance(w.take(1, Renew("h9", "b", 0, 1, D, b"")), Challenge)


def test_a_host_learned_after_a_restart_waits_for_the_manager_to_teach() -> None:
    w = witness(first=False)
    renewal = Renew("h9", "b1", 0, 1, D, b"")
    assert w.take(50, renewal) is None  # it may have promised something about h9 before it restarted
    answer = w.take(51, Ask(1, "h9", "b1", 0, True))
    assert isinstance(answer, Answer)
    assert not answer.ready

    w.take(52, Teach(1, "h9", (("b1", 1),)))

    assert w.take(53, renewal) == Moved("h9", "b1", 1)


def test_silence_of_a_host_counts_from_when_it_became_known() -> None:
    w = witness()

    assert w.take(100, Ask(1, "h9", "b1", 0, True)) == Answer(
        1, 1, "h9", "b1", 0, True, False, 0.0, 13, "", 0, 0.0
    )


def test_a_witness_that_is_full_is_silent_about_more_hosts_and_forgets_none() -> None:
    w = witness()
    for i in range(HOSTS_KEPT):
        w.take(1, Ask(1, f"x{i}", "b", 0, False))

    assert w.full
    assert w.take(1, Ask(1, "one more", "b", 0, False)) is None
    assert w.take(1, Renew("one more", "b", 0, 1, D, b"")) is None
    assert renew(w, 1, 1) == Ack("h1", "b1", 0, 1)


def test_unsafe_leases_get_no_ack() -> None:
    assert witness().take(1, Renew("h1", "b", 0, 1, 13.1, b"")) is None


def test_a_survey_says_what_single_questions_say() -> None:
    w = witness()
    renew(w, 1, 1)
    renew(w, 2, 1, boot="b2", epoch=3)
    ask(w, 30, boot="b2", epoch=3)  # promises
    leases = [("h1", "b1", 0), ("h1", "b2", 3), ("h1", "b3", 0), ("h7", "b", 0)]

    (question,) = survey.questions(leases, 7, b"salt")
    (said,) = w.survey(31, question)

    assert survey.answers(question, said) == [w.take(31, Ask(7, *lease, False)) for lease in leases]


def test_a_survey_promises_nothing() -> None:
    w = witness()
    renew(w, 1, 1)
    (question,) = survey.questions([("h1", "b1", 0)], 1, b"s")
    w.survey(100, question)

    assert renew(w, 101, 2) == Ack("h1", "b1", 0, 2)


def test_a_survey_leaves_out_what_there_is_no_memory_for() -> None:
    w = witness()
    for i in range(HOSTS_KEPT):
        w.take(1, Ask(1, f"x{i}", "b", 0, False))

    assert w.survey(1, AskMany(1, b"s", (("one more", "b", 0),))) == []


def test_memory_of_boots_is_bounded() -> None:
    w = witness()
    for i in range(100):
        renew(w, i, 1, boot=f"b{i}")

    assert len(w._hosts["h1"].floors) <= 16


def test_the_epoch_of_a_vm_only_grows_and_has_one_owner() -> None:
    w = witness()

    assert w.take(1, Record(1, "vm", 2, "a")) == Recorded(1, 1, "vm", 2, "a", True)
    assert w.take(1, Record(2, "vm", 2, "a")) == Recorded(1, 2, "vm", 2, "a", True)  # an answer was lost
    assert w.take(1, Record(3, "vm", 2, "b")) == Recorded(1, 3, "vm", 2, "a", False)
    assert w.take(1, Record(4, "vm", 3, "b")) == Recorded(1, 4, "vm", 3, "b", True)
    assert w.take(1, Record(5, "vm", 2, "a")) == Recorded(1, 5, "vm", 3, "b", False)
    assert witness(first=False).take(1, Record(6, "vm", 9, "a")) is None


def record(w: Witness, epoch: int, owner: str, agreed: int = 0, vm: str = "vm") -> Recorded:
    said = w.take(20, Record(1, vm, epoch, owner, agreed))
    assert isinstance(said, Recorded)
    return said


def test_a_restarted_witness_grants_blankly_until_it_is_told_what_a_majority_agreed_to() -> None:
    w = witness(first=False, incarnation=7)

    assert record(w, 2, "a") == Recorded(7, 1, "vm", 2, "a", True, True)
    assert record(w, 2, "a", agreed=6).blank  # that was before it restarted again
    assert not record(w, 2, "a", agreed=7).blank
    assert not record(w, 3, "b").blank
    assert record(w, 1, "c", vm="other").blank


def test_a_blank_witness_that_knows_a_later_epoch_believes_that_an_older_one_was_agreed_to() -> None:
    w = witness(first=False, incarnation=7)
    record(w, 4, "b")

    assert record(w, 4, "a", agreed=7).blank  # of that name it may have forgotten a grant
    assert record(w, 3, "a", agreed=7) == Recorded(7, 1, "vm", 4, "b", False, False)


def test_a_witness_that_was_told_of_every_vm_is_blank_for_those_in_dispute_only() -> None:
    w = witness(first=False, incarnation=7)
    record(w, 1, "in dispute", vm="old")
    w.take(20, Whole(6))
    assert record(w, 1, "a", vm="new").blank
    assert not ask(w, 21).whole

    w.take(20, Whole(7))
    assert not record(w, 1, "a", vm="newer").blank
    assert record(w, 1, "in dispute", vm="old").blank
    assert ask(w, 21).whole
