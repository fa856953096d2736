"""Requests as clients send them: signed with a user's keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import quote


def _wire(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def flat(params: dict[str, Any]) -> dict[str, str]:
    """Return parameters as the wire has them: maps as ``name[0].key``, lists with commas; None is not sent."""
    out: dict[str, str] = {}
    for name, value in params.items():
        name = name.rstrip("_")
        if isinstance(value, dict):
            out |= {f"{name}[0].{key}": _wire(item) for key, item in value.items()}
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            out |= {f"{name}[{n}].{k}": _wire(v) for n, item in enumerate(value) for k, v in item.items()}
        elif value is not None:
            out[name] = _wire(value)
    return out


def sign(params: dict[str, str], api_key: str, secret: str) -> dict[str, str]:
    """Return the parameters with key and signature."""
    whole = {**params, "apiKey": api_key, "response": "json"}
    text = "&".join(
        f"{k}={quote(v, safe='*')}" for k, v in sorted(whole.items(), key=lambda kv: kv[0].lower())
    )
    made = hmac.new(secret.encode(), text.lower().encode(), hashlib.sha1).digest()
    return {**whole, "signature": base64.b64encode(made).decode()}
