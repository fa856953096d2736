"""Many leases in few datagrams, none of which is ever too long."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tegar.guard.datagram import LONGEST_BYTES, AnswerMany, State, encode
from tegar.guard.survey import Lease, answers, parcels, questions
from tegar.guard.witness import Witness

KEY = b"k" * 32
LONG = "w" * 64
names = st.text(min_size=1, max_size=64)
leases = st.lists(st.tuples(names, names, st.integers(0, 2**63 - 1)), max_size=60)


def uuid(n: int) -> str:
    return str(UUID(int=n))


@given(leases, st.binary(min_size=16, max_size=16))
def test_every_lease_is_asked_about_once_in_datagrams_that_fit(some: list[Lease], salt: bytes) -> None:
    asked = questions(some, 2**62, salt)

    assert [lease for question in asked for lease in question.leases] == some
    assert len({question.nonce for question in asked}) == len(asked)
    assert all(len(encode(KEY, LONG, LONG, question)) <= LONGEST_BYTES for question in asked)


@given(st.lists(st.none() | names, max_size=60))
def test_states_are_parcelled_into_datagrams_that_fit(boots: list[str | None]) -> None:
    big = 2**63 - 1
    states = [State(big, True, True, 1e9, 1e9, boot, big, 1e9) for boot in boots]

    parts = parcels(states)

    assert [state for part in parts for state in part] == states
    assert all(
        len(encode(KEY, LONG, LONG, AnswerMany(big, big, b"s" * 16, part))) <= LONGEST_BYTES for part in parts
    )


def test_a_thousand_hosts_take_some_eighty_datagrams_each_way() -> None:
    leases = [(uuid(i), f"{uuid(i)}.123456", 1) for i in range(1000)]
    witness = Witness("w1", now_s=0, incarnation=1, secret=b"s", longest_dead_s=13, first=True)

    asked = questions(leases, 1, b"salt")
    said = [part for question in asked for part in witness.survey(1, question)]

    assert len(asked) < 90
    assert len(said) == len(asked)


def test_an_answer_counts_only_beside_its_question() -> None:
    (asked,) = questions([("h1", "b1", 0)], 5, b"salt")
    state = State(0, True, True, 60.0, 6.5, None, 0, 60.0)

    assert answers(asked, AnswerMany(1, 5, b"salt", (state,)))[0].boot == "b1"
    assert answers(asked, AnswerMany(1, 5, b"tlas", (state,))) == []
    assert answers(asked, AnswerMany(1, 6, b"salt", (state,))) == []
    assert answers(asked, AnswerMany(1, 5, b"salt", (State(1, True, True, 60, 6.5, None, 0, 60),))) == []
