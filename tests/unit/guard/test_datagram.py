"""Datagrams: what was sent arrives, and nothing else is believed."""

from hypothesis import given
from hypothesis import strategies as st

from tegar.guard.datagram import (
    LONGEST_BYTES,
    Ack,
    Answer,
    AnyMessage,
    Ask,
    Renew,
    Teach,
    decode,
    encode,
    key_name,
)

KEYS = {"host:h1": b"1" * 32, "host:h2": b"2" * 32, "manager": b"m" * 32}
RENEW = Renew("h1", "b", 3, 7, 6.5, b"token")
MESSAGES: list[AnyMessage] = [
    RENEW,
    Ack("h1", "b", 3, 7),
    Ask(1, "h1", "b", 3, True),
    Answer(9, 1, "h1", "b", 3, True, False, 0.1, 6.5, "b", 3, 0.1),
    Teach(9, "h1", (("a", 1), ("b", 2))),
]


def test_every_message_survives() -> None:
    for message in MESSAGES:
        data = encode(KEYS[key_name(message)], "a", "b", message)

        assert decode(KEYS.get, "b", data) == ("a", message)
        assert len(data) < LONGEST_BYTES


def test_nothing_is_believed_that_is_for_somebody_else_or_made_with_another_key() -> None:
    assert decode(KEYS.get, "w2", encode(KEYS["host:h1"], "h1", "w1", RENEW)) is None
    assert decode(KEYS.get, "w1", encode(KEYS["host:h2"], "h1", "w1", RENEW)) is None
    assert decode(lambda _: None, "w1", encode(KEYS["host:h1"], "h1", "w1", RENEW)) is None


def test_a_hosts_key_speaks_only_about_that_host() -> None:
    data = encode(KEYS["host:h2"], "h1", "w1", RENEW)
    forged = data.replace(b"host:h1", b"host:h2", 1)

    assert decode(KEYS.get, "w1", forged) is None


@given(st.binary(max_size=2000))
def test_any_bytes_are_refused_without_a_crash(data: bytes) -> None:
    assert decode(KEYS.get, "w1", data) is None
    assert decode(KEYS.get, "w1", b"TG1\x07host:h1" + data) is None


@given(st.integers(0, 150), st.integers(1, 255))
def test_one_changed_byte_is_one_too_many(place: int, by: int) -> None:
    data = bytearray(encode(KEYS["host:h1"], "h1", "w1", RENEW))
    data[place % len(data)] ^= by

    assert decode(KEYS.get, "w1", bytes(data)) is None


@given(st.binary(max_size=600))
def test_bytes_of_somebody_who_has_the_key_do_not_crash_either(body: bytes) -> None:
    import hmac

    head = b"\x07host:h1"
    tag = hmac.digest(KEYS["host:h1"], head + body, "sha256")

    assert decode(KEYS.get, "w1", b"TG1" + head + tag + body) is None


def test_numbers_that_are_none_are_refused() -> None:
    for bad in (float("nan"), float("inf")):
        message = Renew("h1", "b", 3, 7, bad, b"")
        assert decode(KEYS.get, "w1", encode(KEYS["host:h1"], "h1", "w1", message)) is None
