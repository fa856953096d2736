"""Records to JSON and back: the saga log and the wire.  Strict: a wrong type is an error, not a guess."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def encode(value: object) -> str:
    """Return a record (or plain data) as JSON text."""
    return msgspec.json.encode(value).decode()


def decode(kind: type[T] | Any, text: str | bytes) -> T:
    """Return the record of type *kind* that the text holds.

    Raises:
        ValueError: the text is not JSON or does not have that shape.
    """
    value: T = msgspec.json.decode(text, type=kind)
    return value
