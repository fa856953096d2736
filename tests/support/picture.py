"""The whole state of a cloud as plain data, to be compared: rows of the database and the simulated world."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import select

from support.cloud import Cloud
from tegar.sim.page import picture as world_picture
from tegar.store.schema import METADATA

Picture = dict[str, Any]

NOT_STATE = {"saga", "saga_log", "event", "alert", "lease", "tx_mark", "pulse", "vm_stat", "login"}
NOT_COLUMNS = {
    "version",
    "epoch",  # of VMs: it only grows, also with what is undone
    "epoch_name",
    "applied",
    "base",  # of filters: it only grows
    "desired",  # of routers: it only grows, also with what is undone
    "updated_s",
    "password_hash",
    "api_key",
    "secret_key_sealed",
    "told",
    "report_digest",
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def take(cloud: Cloud) -> Picture:
    """Return the state; moments are only said to be there or not."""

    def read(s: Any) -> Picture:
        found: Picture = {}
        for table in METADATA.sorted_tables:
            if table.name not in NOT_STATE:
                key = list(table.primary_key.columns)
                rows = s.execute(select(table).order_by(*key)).mappings()
                found[table.name] = {
                    _name(table.name, row, key): {
                        name: _plain(name, value) for name, value in row.items() if name not in NOT_COLUMNS
                    }
                    for row in rows
                }
        for name, row in found["guest_address"].items():
            if ":" in name:
                del row["id"]
        return found

    return {"db": cloud.db.read(read), "world": json.loads(json.dumps(world_picture(cloud.world)))}


def _name(table: str, row: Any, key: list[Any]) -> str:
    """Return a row's name: its key, but for addresses that have a row only while they are taken, whose number is nobody's."""
    if table == "guest_address" and not row["range_id"]:
        return f"{row['network_id']}:{row['ip']}"
    return "/".join(str(row[c]) for c in key)


def _plain(name: str, value: Any) -> Any:
    if name.endswith("_s") and value is not None:
        return "a moment"
    if name.endswith("_sealed") and value is not None:
        return "a secret"
    return str(value) if value is not None and not isinstance(value, (int, str, bool, float)) else value


def nameless(picture: Picture) -> Picture:
    """Return the picture with uuids numbered in the order of the database, so that two clouds compare."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"uuid-{len(numbers)}")

    text = UUID.sub(number, json.dumps(picture["db"]))
    world = UUID.sub(number, json.dumps(picture["world"]))
    return {"db": json.loads(text), "world": _sorted(json.loads(world))}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return sorted((_sorted(v) for v in value), key=json.dumps)
    return value


def differences(before: Any, after: Any, at: str = "") -> list[str]:
    """Return each place where two pictures differ, in words."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            if key not in before:
                found.append(f"{at}/{key} is new: {after[key]}")
            elif key not in after:
                found.append(f"{at}/{key} is gone: {before[key]}")
            else:
                found += differences(before[key], after[key], f"{at}/{key}")
        return found
    return [] if before == after else [f"{at}: {before!r} became {after!r}"]
