"""What wardens, witnesses and the HA manager say to each other, and its shape on the wire.

A datagram is ``TG1``, the length and name of a key, a tag of 32 bytes (HMAC-SHA256) and a MessagePack
array ``[from, to, message]``.  The tag is checked before anything is parsed.  Sender and receiver are
under the tag, so that nothing can be sent back to where it came from, and a host's key speaks only
about that host.  What is old is refused by the machines: renewals by boot,
sequence and the token of the boot; answers by their nonce.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

MAGIC = b"TG1"
TAG_BYTES = 32
LONGEST_BYTES = 1400  # never a fragment
BLOCK_BYTES = 64  # of SHA-256
KEYS_KEPT = 32_768

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
    whole: bool = True  # it knows of every VM what it ever granted; see Whole


class Teach(Message, frozen=True):
    """The HA manager tells a restarted witness which leases of a host were proven dead."""

    incarnation: Count
    host: Name
    floors: tuple[tuple[Name, Count], ...]  # boot, lowest epoch that may still live


class AskMany(Message, frozen=True):
    """The HA manager asks about many leases and wants no promise; see ``survey``.

    The salt is random, and new with every start of the manager: nonces are times since the boot of
    its machine, and an answer names leases only by their place in the question.
    """

    nonce: Count
    salt: Token
    leases: tuple[tuple[Name, Name, Count], ...]  # host, boot, epoch


class State(msgspec.Struct, frozen=True, array_like=True):
    """What a witness knows about one lease of a question; the fields of an Answer, without its names."""

    place: Count  # in the question
    ready: bool
    promised: bool
    age_s: Seconds
    dead_s: Seconds
    now_boot: str | None  # None: the boot that was asked about
    now_epoch: Count
    now_age_s: Seconds
    whole: bool = True


class AnswerMany(Message, frozen=True):
    """What a witness knows about some of the leases of a question."""

    incarnation: Count
    nonce: Count
    salt: Token
    states: tuple[State, ...]


class Record(Message, frozen=True):
    """The HA manager raises the epoch of a VM, in the name of somebody who may repeat it.

    Epoch 0 of no name is that of a VM that never ran.
    """

    nonce: Count
    vm: Name
    epoch: Count
    owner: Annotated[str, Meta(max_length=64)]
    agreed: Count = 0  # a majority agreed to it after this incarnation of the witness had begun; 0: unknown


class Recorded(Message, frozen=True):
    """Whether the VM has that epoch now, in that name; and which it has, in whose name."""

    incarnation: Count
    nonce: Count
    vm: Name
    epoch: Count
    owner: str
    granted: bool
    blank: bool = False  # it restarted, and may have forgotten a later epoch of the VM


class Whole(Message, frozen=True):
    """The HA manager told a restarted witness of every VM: of one it does not know it forgot nothing."""

    incarnation: Count


AnyMessage = (
    Renew | Ack | Moved | Challenge | Ask | Answer | AskMany | AnswerMany | Teach | Record | Recorded | Whole
)
_OF_A_HOST = (Renew, Ack, Moved, Challenge)  # a tuple: isinstance asks ten thousands of times a second
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[Name, Name, AnyMessage])


def key_name(message: AnyMessage) -> str:
    """Return the name of the key that such a message must be made with."""
    if isinstance(message, _OF_A_HOST):
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
    name, tag, body_at = parts
    key, body = key_of(name), data[body_at:]
    if key is None or not hmac.compare_digest(tag, _tag(key, data[len(MAGIC) : body_at - TAG_BYTES], body)):
        return None
    try:
        sender, receiver, message = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if receiver != me or key_name(message) != name or not _finite(message):
        return None
    return sender, message


def _split(data: bytes) -> tuple[str, bytes, int] | None:
    """Return the key's name, the tag, and where the body begins."""
    if not len(MAGIC) < len(data) <= LONGEST_BYTES or not data.startswith(MAGIC):
        return None
    tag_at = len(MAGIC) + 1 + data[len(MAGIC)]
    body_at = tag_at + TAG_BYTES
    if len(data) <= body_at:
        return None
    try:
        name = data[len(MAGIC) + 1 : tag_at].decode()
    except UnicodeDecodeError:
        return None
    return name, data[tag_at:body_at], body_at


def _tag(key: bytes, head: bytes, body: bytes) -> bytes:
    """Return the HMAC-SHA256 of both."""
    inner, outer = _halves(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(head + body)
    outer.update(inner.digest())
    tag: bytes = outer.digest()
    return tag


@lru_cache(KEYS_KEPT)
def _halves(key: bytes) -> tuple[Any, Any]:
    """Return HMAC's two hashes, fed with the key and nothing else: half of the work of a short tag."""
    block = (key if len(key) <= BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(BLOCK_BYTES, b"\0")
    return hashlib.sha256(bytes(b ^ 0x36 for b in block)), hashlib.sha256(bytes(b ^ 0x5C for b in block))


def _finite(message: AnyMessage) -> bool:
    if isinstance(message, Renew):
        return math.isfinite(message.dead_s)
    if isinstance(message, Answer):
        return _all_finite(message)
    if isinstance(message, AnswerMany):
        return all(map(_all_finite, message.states))
    return True


def _all_finite(it: Answer | State) -> bool:
    return all(map(math.isfinite, (it.age_s, it.dead_s, it.now_age_s)))
