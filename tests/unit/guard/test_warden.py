"""The warden's ladder, a tick before, at, and after each timer."""

import pytest

from tegar.guard.datagram import Ack, Challenge, Moved
from tegar.guard.warden import Effect, Heard, Input, Order, Pet, Report, Send, Verb, Warden
from tegar.model.timing import DEFAULT

TICK = 1e-6
S = DEFAULT.soft_s


class Bench:
    """A warden, and hands that do at once what they are told unless told not to."""

    def __init__(self, *, hands: bool = True) -> None:
        self.warden = Warden("h1", "b1", ("w1", "w2", "w3"), DEFAULT)
        self.hands = hands
        self.effects: list[Effect] = []
        self.step(100.0)

    def step(self, now_s: float, *inputs: Input) -> list[Effect]:
        """Step; return all effects, those after the hands' reports too."""
        got = self.warden.step(now_s, inputs)
        order = next((it for it in got if isinstance(it, Order)), None)
        if order is not None and self.hands:
            got = got + self.step(now_s, Report(order.number, True, order.epoch))
        self.effects = got
        return got

    def ack(self, now_s: float, seq: int, *witnesses: str, epoch: int = 0) -> list[Effect]:
        return self.step(now_s, *(Heard(w, Ack("h1", "b1", epoch, seq)) for w in witnesses))

    def sent(self) -> int:
        return max(it.message.seq for it in self.effects if isinstance(it, Send))

    def leased(self) -> None:
        """Get the first lease, sent at 100."""
        self.ack(100.001, self.sent(), "w1", "w2")


def pets(effects: list[Effect]) -> int:
    return sum(isinstance(it, Pet) for it in effects)


def verbs(effects: list[Effect]) -> list[Verb]:
    return [it.verb for it in effects if isinstance(it, Order)]


def test_the_first_pet_follows_the_first_quiet_and_comes_before_the_first_send() -> None:
    b = Bench(hands=False)
    assert pets(b.effects) == 0
    assert not any(isinstance(it, Send) for it in b.effects)

    effects = b.step(100.1, Report(b.warden.order.number, True, 0))

    assert isinstance(effects[0], Pet)
    assert all(isinstance(it, Send) for it in effects[1:])


def test_nothing_is_opened_before_a_majority_acked() -> None:
    b = Bench()
    seq = b.sent()

    assert verbs(b.ack(100.001, seq, "w1")) == []
    assert verbs(b.ack(100.002, seq, "w2")) == [Verb.OPEN]


def test_one_majority_is_one_pet() -> None:
    b = Bench()
    b.leased()
    seq = max(it.message.seq for it in b.step(100.6) if isinstance(it, Send))

    assert pets(b.ack(100.601, seq, "w1", "w2")) == 1
    assert pets(b.ack(100.602, seq, "w1", "w2", "w3")) == 0
    assert pets(b.step(100.7)) == 0


def test_acks_of_what_was_sent_before_the_last_pet_do_not_count() -> None:
    b = Bench()
    first = b.sent()
    assert pets(b.step(100.4)) == 1  # quiet, so petted without a lease

    assert verbs(b.ack(100.401, first, "w1", "w2", "w3")) == []


@pytest.mark.parametrize("late_s, closes", [(-TICK, False), (TICK, True), (2 * TICK, True)])
def test_guests_are_paused_at_s(late_s: float, closes: bool) -> None:
    b = Bench()
    b.leased()
    for at_s in (100.5, 100.9, 101.3, 101.7):
        b.step(at_s)

    assert (Verb.CLOSE in verbs(b.step(100.0 + S + late_s))) is closes


def test_a_host_that_is_not_quiet_is_not_petted() -> None:
    b = Bench()
    b.leased()
    b.hands = False

    assert sum(pets(b.step(100.5 + i * 0.2)) for i in range(100)) == 0


def test_a_quiet_host_is_petted_without_a_lease_and_at_once() -> None:
    b = Bench()
    b.leased()

    assert pets(b.step(100.0 + S)) == 1
    assert pets(b.step(100.0 + S + 0.4)) == 1


def test_guests_resume_before_the_pet_of_that_round() -> None:
    b = Bench()
    b.leased()
    b.step(102.0)
    seq = b.sent()
    b.hands = False

    effects = b.ack(102.001, seq, "w1", "w2")
    assert verbs(effects) == [Verb.OPEN]
    assert pets(effects) == 0
    assert pets(b.step(102.3)) == 0  # not reported to run yet
    assert pets(b.step(102.31, Report(b.warden.order.number, True, 0))) == 1


def test_a_moved_epoch_destroys_and_begins_anew() -> None:
    b = Bench()
    b.leased()
    b.step(102.0)

    one = b.step(103.0, Heard("w1", Moved("h1", "b1", 1)))
    assert Verb.CLEAR not in verbs(one)
    assert Verb.CLEAR in verbs(b.step(103.1, Heard("w2", Moved("h1", "b1", 1))))
    assert b.warden.epoch == 1 or b.step(103.2) is not None
    assert b.warden.epoch == 1


def test_a_token_is_sent_to_the_witness_that_gave_it() -> None:
    b = Bench()
    effects = b.step(101.0, Heard("w2", Challenge("h1", "b1", b"t")))

    tokens = {it.witness: it.message.token for it in effects if isinstance(it, Send)}
    assert tokens == {"w1": b"", "w2": b"t", "w3": b""}


def test_acks_for_others_are_ignored() -> None:
    b = Bench()
    seq = b.sent()
    others = [Ack("h2", "b1", 0, seq), Ack("h1", "b0", 0, seq), Ack("h1", "b1", 7, seq)]
    effects = b.step(100.01, *(Heard(w, ack) for w in ("w1", "w2", "w3") for ack in others))

    assert verbs(effects) == []
    assert verbs(b.ack(100.02, seq, "x1", "x2", "x3")) == []
