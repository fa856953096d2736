"""A cloud to talk to: a fresh SQLite database, the API in front of it, signed requests."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from tegar.api import catalogue, render
from tegar.api.serve import Answer, Api, Request
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.ops.bootstrap import admin_keys, bootstrap
from tegar.ops.ctx import World
from tegar.store.schema import METADATA

PASSWORD = "correct horse"
VAULT = Vault(b"k" * 32)


def sign(params: Mapping[str, str], secret: str, *, algorithm: str = "sha1") -> dict[str, str]:
    """Sign as cmk and cloudstack-go do."""
    pairs = sorted(params.items())
    text = "&".join(f"{k}={quote(v, safe='*')}" for k, v in pairs).lower()
    made = hmac.new(secret.encode(), text.encode(), algorithm).digest()
    return {**params, "signature": base64.b64encode(made).decode()}


class Refusal(Exception):
    """The API answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


@dataclass
class Caller:
    """Somebody with keys."""

    api: Api
    api_key: str
    secret: str

    def answer(self, command: str, **params: object) -> Answer:
        """Send a command; ``name_`` and ``id_`` lose the underscore."""
        sent = {"command": command, "response": "json", "apiKey": self.api_key}
        for name, value in params.items():
            sent[name.rstrip("_")] = str(value).lower() if isinstance(value, bool) else str(value)
        return self.api.answer(Request(sign(sent, self.secret)))

    def raw(self, params: Mapping[str, str]) -> Answer:
        """Send parameters with names that Python cannot spell."""
        sent = {"response": "json", "apiKey": self.api_key, **params}
        return self.api.answer(Request(sign(sent, self.secret)))

    def __call__(self, command: str, **params: object) -> dict[str, Any]:
        """Send a command; return what stands in the envelope."""
        answer = self.answer(command, **params)
        assert answer.key == f"{command.lower()}response"
        inner = render._clean(answer.inner)
        if answer.status != 200:
            raise Refusal(answer.status, inner["errortext"])
        follows_types(command, inner)
        return inner


@dataclass
class SmallCloud:
    """A database, the API and its first administrator."""

    db: Db
    api: Api
    clock: ManualClock
    vault: Vault
    admin: Caller

    def account(self, name: str, *, accounttype: int = 0, **params: object) -> Caller:
        """Make an account and keys for its user."""
        made = self.admin(
            "createAccount",
            username=name,
            password=PASSWORD,
            email=f"{name}@example.org",
            firstname=name,
            lastname="Test",
            accounttype=accounttype,
            **params,
        )
        keys = self.admin("registerUserKeys", id=made["account"]["user"][0]["id"])["userkeys"]
        return Caller(self.api, keys["apikey"], keys["secretkey"])


def small_cloud(directory: Path) -> SmallCloud:
    """Return a cloud that has just been installed, on SQLite."""
    file = directory / "tegar.db"
    file.write_bytes(_installed())
    clock = ManualClock()
    return _of(Db(f"sqlite:///{file}", clock), clock)


@cache
def _installed() -> bytes:
    """Return the database of a cloud that has just been installed, made once."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "tegar.db"
        db = Db(f"sqlite:///{file}", ManualClock())
        METADATA.create_all(db.engine)
        cloud_on(db)
        db.close()
        return file.read_bytes()


def cloud_on(db: Db) -> SmallCloud:
    """Return a cloud that has just been installed in a database with all tables."""
    clock = db.clock if isinstance(db.clock, ManualClock) else ManualClock()
    db.tx(lambda s: bootstrap(s, VAULT, clock.now_s(), admin_password=PASSWORD))
    return _of(db, clock)


def _of(db: Db, clock: ManualClock) -> SmallCloud:
    api = Api(db, World(clock, VAULT, "11111111-2222-3333-4444-555555555555"))
    return SmallCloud(db, api, clock, VAULT, Caller(api, *db.read(lambda s: admin_keys(s, VAULT))))


_CHECKS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "bool": bool,
    "int": int,
    "int64": int,
    "float64": (int, float),
}
DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$")


def follows_types(command: str, inner: Mapping[str, Any]) -> None:
    """Check every field of an answer against what strictly typed clients expect, and that none is null."""
    fields, key = catalogue.of(command).get("fields", {}), catalogue.result_key(command)
    found = inner.get(key)
    for record in found if isinstance(found, list) else [found] if isinstance(found, dict) else []:
        for name, value in record.items():
            assert value is not None, f"{command}: {name} is null"
            wanted = _CHECKS.get(fields.get(name, ""))
            if wanted:
                right = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
                assert right, f"{command}: {name} is {value!r}, not {fields[name]}"
            if fields.get(name, "").startswith("[]"):
                assert isinstance(value, list)
            if name in ("created", "completed"):
                assert DATE.match(value)


def signed(small: SmallCloud, command: str, **params: str) -> dict[str, str]:
    """Return the administrator's request, signed."""
    sent = {"command": command, "response": "json", "apiKey": small.admin.api_key, **params}
    return sign(sent, small.admin.secret)


def only(answer: Any) -> tuple[str, dict[str, Any]]:
    """Return the one key of an answer and what stands under it."""
    ((key, inner),) = answer.json().items()
    return key, inner
