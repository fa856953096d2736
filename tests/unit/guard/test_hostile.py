"""Hostile datagrams against a real witness's socket: it stays, believes nothing, and learns nobody."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from support.properties import tried
from tegar.guard import datagram
from tegar.guard.datagram import Ack, Ask, AskMany, Challenge, Record, Renew, Teach
from tegar.guard.keys import host_key, manager_key
from tegar.guard.witness_shell import WitnessConfig, WitnessShell
from tegar.kernel.clock import WallClock

SECRET = b"s" * 32
D = 6.5


class Line:
    """A witness and somebody who sends to it."""

    def __init__(self) -> None:
        self._door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._door.bind(("127.0.0.1", 0))
        self._door.setblocking(False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.address = s.getsockname()
        config = WitnessConfig("w1", self.address, SECRET.hex(), 13.0, first=True)
        self.shell = WitnessShell(config, WallClock(), wait_s=0.001)

    def send(self, data: bytes) -> bytes | None:
        """Send and return the answer, None for silence."""
        self._door.sendto(data, self.address)
        self.shell.turn()
        try:
            return self._door.recv(2000)
        except BlockingIOError:
            return None

    def close(self) -> None:
        self._door.close()
        self.shell.close()

    @property
    def hosts(self) -> set[str]:
        return set(self.shell.machine._hosts)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def renewal(host: str, seq: int, token: bytes = b"", *, boot: str = "b1", to: str = "w1") -> bytes:
    return datagram.encode(host_key(SECRET, host), host, to, Renew(host, boot, 0, seq, D, token))


def leased(line: Line, host: str) -> bytes:
    """Get a lease; return the token."""
    said = heard(host, line.send(renewal(host, 1)))
    assert isinstance(said, Challenge)
    assert isinstance(heard(host, line.send(renewal(host, 1, said.token))), Ack)
    return said.token


def heard(host: str, data: bytes | None) -> datagram.AnyMessage:
    assert data is not None
    said = datagram.decode(lambda _: host_key(SECRET, host), host, data)
    assert said is not None
    return said[1]


@tried(200, without=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=3000), st.sampled_from([b"", b"TG1", b"TG1\x07manager", b"TG1\x07host:h1", b"TG1\xff"])
)
def test_any_bytes_are_met_with_silence(line: Line, data: bytes, start: bytes) -> None:
    assert line.send(start + data) is None
    assert line.hosts == set()


@tried(200, without=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=20,
    ),
    st.sampled_from(["Renew", "Ask", "AskMany", "Teach", "Record", "Ack", "State", ""]),
)
def test_a_host_that_went_mad_breaks_nothing(line: Line, body: object, tag: str) -> None:
    words = body if isinstance(body, list) else [body]
    packed = msgspec.msgpack.encode(("h1", "w1", [tag, *words]))
    head = b"\x07host:h1"
    tagged = hmac.digest(host_key(SECRET, "h1"), head + packed, "sha256")

    line.send(b"TG1" + head + tagged + packed)

    assert line.hosts <= {"h1"}


def test_a_host_cannot_speak_of_another_nor_as_the_manager(line: Line) -> None:
    token = leased(line, "h1")
    mine = host_key(SECRET, "h2")
    manager = (
        Ask(1, "h1", "b1", 0, True),
        AskMany(1, b"s", (("h1", "b1", 0),)),
        Teach(line.shell.machine.incarnation, "h1", (("b1", 9),)),
        Record(1, "vm", 9, "me"),
    )

    for message in (Renew("h1", "b1", 5, 9, D, token), *manager):
        data = datagram.encode(mine, "h2", "w1", message)
        assert line.send(data) is None
        assert line.send(data.replace(b"host:h1", b"host:h2", 1)) is None
        assert line.send(data.replace(b"\x07manager", b"\x07host:h2", 1)) is None

    assert isinstance(heard("h1", line.send(renewal("h1", 2, token))), Ack)


def test_what_is_replayed_or_meant_for_another_witness_is_met_with_silence(line: Line) -> None:
    token = leased(line, "h1")
    once = renewal("h1", 2, token)
    assert line.send(once) is not None

    assert line.send(once) is None
    assert line.send(renewal("h1", 1, token)) is None
    assert line.send(renewal("h1", 3, token, to="w2")) is None


def test_a_recorded_boot_cannot_push_the_living_one_away(line: Line) -> None:
    old = renewal("h1", 5, leased(line, "h1"))
    fresh = heard("h1", line.send(renewal("h1", 1, boot="b2")))
    assert isinstance(fresh, Challenge)
    assert isinstance(heard("h1", line.send(renewal("h1", 1, fresh.token, boot="b2"))), Ack)

    assert not isinstance(heard("h1", line.send(old)), Ack)
    assert isinstance(heard("h1", line.send(renewal("h1", 2, fresh.token, boot="b2"))), Ack)


def test_an_answer_of_the_witness_sent_back_to_it_is_nothing(line: Line) -> None:
    question = datagram.encode(manager_key(SECRET), "m", "w1", Ask(1, "h1", "b1", 0, False))
    answer = line.send(question)
    assert answer is not None

    assert line.send(answer) is None
