"""Datagrams: what was sent arrives, and nothing else is believed."""

from hypothesis import given
from hypothesis import strategies as st

from tegar.guard.datagram import (
    LONGEST_BYTES,
    Ack,
    Answer,
    AnswerMany,
    AnyMessage,
    Ask,
    AskMany,
    Record,
    Recorded,
    Renew,
    State,
    Teach,
    decode,
    encode,
    key_name,
)
from tegar.guard.keys import Keyring, host_key, key_of

KEYS = {"host:h1": b"1" * 32, "host:h2": b"2" * 32, "manager": b"m" * 32}
RENEW = Renew("h1", "b", 3, 7, 6.5, b"token")
MESSAGES: list[AnyMessage] = [
    RENEW,
    Ack("h1", "b", 3, 7),
    Ask(1, "h1", "b", 3, True),
    Answer(9, 1, "h1", "b", 3, True, False, 0.1, 6.5, "b", 3, 0.1),
    Teach(9, "h1", (("a", 1), ("b", 2))),
    AskMany(1, b"salt", (("h1", "b", 3), ("h2", "c", 0))),
    AnswerMany(9, 1, b"salt", (State(1, True, False, 0.1, 6.5, None, 3, 0.1),)),
    Record(1, "vm", 2, "server1"),
    Recorded(9, 1, "vm", 2, "server1", True),
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
        said = AnswerMany(9, 1, b"s", (State(0, True, True, bad, 6.5, None, 3, 0.1),))
        assert decode(KEYS.get, "m", encode(KEYS["manager"], "w1", "m", said)) is None


def test_the_tag_is_hmac_sha256() -> None:
    import hmac

    for key in (b"k", b"k" * 64, b"k" * 200):
        data = encode(key, "h1", "w1", RENEW)
        head, tag, body = data[3:11], data[11:43], data[43:]

        assert tag == hmac.digest(key, head + body, "sha256")


def test_a_hosts_key_cannot_speak_as_the_manager_nor_as_a_name_that_contains_it() -> None:
    ring = Keyring(b"secret")
    mine = host_key(b"secret", "h1")
    for claimed in ("manager", "host:h2", "host:h1/x", "host:", ""):
        name = claimed.encode()
        for message in MESSAGES:
            data = encode(mine, "h1", "w1", message)
            start = 4 + data[3]
            forged = b"TG1" + bytes([len(name)]) + name + data[start:]
            assert decode(ring.get, "w1", forged) is None


def test_truncated_and_oversized_datagrams_are_refused() -> None:
    data = encode(KEYS["host:h1"], "h1", "w1", RENEW)

    assert all(decode(KEYS.get, "w1", data[:n]) is None for n in range(len(data)))
    assert decode(KEYS.get, "w1", data + b"x") is None
    assert decode(KEYS.get, "w1", data.ljust(LONGEST_BYTES + 1, b"x")) is None


def test_keys_of_strangers_take_no_memory() -> None:
    ring = Keyring(b"secret")
    for i in range(100):
        decode(ring.get, "w1", b"TG1\x04x" + str(i).zfill(3).encode() + bytes(60))
    assert ring._kept == {}

    ring.keep("host:h1")

    assert ring._kept == {"host:h1": host_key(b"secret", "h1")}
    assert ring.get("host:h1") == key_of(b"secret", "host:h1")
