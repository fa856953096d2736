"""What wardens, witnesses and the HA manager say to each other, and its shape on the wire.

A datagram is ``TG1``, the length and name of a key, a tag of 32 bytes (HMAC-SHA256) and a MessagePack
array ``[from, to, message]``.  The tag is checked before anything is parsed.  Sender and receiver are
under the tag, so that nothing can be sent back to where it came from, and a host's key speaks only
about that host.  What is old is refused by the machines: renewals by boot,
sequence and the token of the boot; answers by their nonce.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

MAGIC = b"TG1"
TAG_BYTES = 32
LONGEST_BYTES = 1400  # never a fragment

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Token = Annotated[bytes, Meta(max_length=16)]
Seconds = Annotated[float, Meta(ge=0)]


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Anything that is said."""


class Renew(Message, frozen=True):
    """A host asks a witness to accept its lease until further notice."""

    host: Name
    boot: Name
    epoch: Count
    seq: Count
    dead_s: Seconds  # D of this host: what its watchdog and clocks make of it
    token: Token  # shows that the boot is not a replay; see Challenge


class Ack(Message, frozen=True):
    """The witness accepted the renewal."""

    host: Name
    boot: Name
    epoch: Count
    seq: Count


class Moved(Message, frozen=True):
    """The witness accepts no renewal of this boot below the epoch."""

    host: Name
    boot: Name
    epoch: Count


class Challenge(Message, frozen=True):
    """The witness does not know this boot: renewals must show the token."""

    host: Name
    boot: Name
    token: Token


class Ask(Message, frozen=True):
    """The HA manager asks about a lease, and perhaps for the promise to accept no more of it."""

    nonce: Count
    host: Name
    boot: Name
    epoch: Count
    promise: bool


class Answer(Message, frozen=True):
    """What a witness knows about the lease that was asked about, and about the host now."""

    incarnation: Count  # of the witness: another one has forgotten everything
    nonce: Count
    host: Name
    boot: Name
    epoch: Count
    ready: bool  # started D ago and taught
    promised: bool
    age_s: Seconds  # since it last accepted this lease, or since it started
    dead_s: Seconds  # D of the lease, or the longest D when it never heard the lease
    now_boot: str  # the host's boot as the witness knows it; empty: none
    now_epoch: Count
    now_age_s: Seconds


class Teach(Message, frozen=True):
    """The HA manager tells a restarted witness which leases of a host were proven dead."""

    incarnation: Count
    host: Name
    floors: tuple[tuple[Name, Count], ...]  # boot, lowest epoch that may still live


class Record(Message, frozen=True):
    """The HA manager raises the epoch of a VM."""

    nonce: Count
    vm: Name
    epoch: Count
    owner: Name = "-"  # who raises it; the same again is granted again


class Recorded(Message, frozen=True):
    """Whether the epoch was raised, and what it is now."""

    incarnation: Count
    nonce: Count
    vm: Name
    epoch: Count
    granted: bool


AnyMessage = Renew | Ack | Moved | Challenge | Ask | Answer | Teach | Record | Recorded
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[Name, Name, AnyMessage])


def key_name(message: AnyMessage) -> str:
    """Return the name of the key that such a message must be made with."""
    if isinstance(message, Renew | Ack | Moved | Challenge):
        return f"host:{message.host}"
    return "manager"


def encode(key: bytes, sender: str, receiver: str, message: AnyMessage) -> bytes:
    """Return the datagram, made with the key that :func:`key_name` names."""
    name = key_name(message).encode()
    body = _ENCODER.encode((sender, receiver, message))
    head = bytes([len(name)]) + name
    return MAGIC + head + _tag(key, head, body) + body


def decode(key_of: Callable[[str], bytes | None], me: str, data: bytes) -> tuple[str, AnyMessage] | None:
    """Return the sender and what it said, or None when the datagram is not for us to believe.

    Any bytes may come; none raise.

    Args:
        key_of: the key of a name, None when there is none.
        me: whom it must be addressed to.
        data: what came from the network.
    """
    parts = _split(data)
    if parts is None:
        return None
    name, head, tag, body = parts
    key = key_of(name)
    if key is None or not hmac.compare_digest(tag, _tag(key, head, body)):
        return None
    try:
        sender, receiver, message = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if receiver != me or key_name(message) != name or not _finite(message):
        return None
    return sender, message


def _split(data: bytes) -> tuple[str, bytes, bytes, bytes] | None:
    """Return the key's name, the head that holds it, the tag and the body."""
    if not len(MAGIC) < len(data) <= LONGEST_BYTES or not data.startswith(MAGIC):
        return None
    start = len(MAGIC) + 1 + data[len(MAGIC)]
    if len(data) <= start + TAG_BYTES:
        return None
    head = data[len(MAGIC) : start]
    try:
        name = head[1:].decode()
    except UnicodeDecodeError:
        return None
    return name, head, data[start : start + TAG_BYTES], data[start + TAG_BYTES :]


def _tag(key: bytes, head: bytes, body: bytes) -> bytes:
    return hmac.digest(key, head + body, "sha256")


def _finite(message: AnyMessage) -> bool:
    if isinstance(message, Renew):
        return math.isfinite(message.dead_s)
    if isinstance(message, Answer):
        return all(map(math.isfinite, (message.age_s, message.dead_s, message.now_age_s)))
    return True
