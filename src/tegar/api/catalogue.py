"""What the protocol's catalogue says of our commands: parameter names, result key, types of fields."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

VERSION = "4.22.0.0"  # the protocol's version that clients are told


@cache
def facts() -> dict[str, Any]:
    """Return the facts by command name."""
    found: dict[str, Any] = json.loads(files("tegar.api").joinpath("catalogue.json").read_text())
    return found


def of(name: str) -> dict[str, Any]:
    """Return the facts of one command; empty for a command of our own."""
    found: dict[str, Any] = facts().get(name, {})
    return found


@cache
def known(name: str) -> frozenset[str]:
    """Return the names of all parameters that the protocol has for a command, in lower case."""
    return frozenset(of(name).get("params", ()))


def result_key(name: str) -> str:
    """Return the key of the object or list in a command's answer."""
    key: str = of(name).get("key", "")
    return key
