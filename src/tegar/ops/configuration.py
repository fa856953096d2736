"""Configuration: reading all settings at once, and changing one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from tegar.kernel.db import Row
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.settings import Setting, SettingRow
from tegar.model.settings import SETTINGS
from tegar.ops.ctx import Ctx


@dataclass(frozen=True)
class Scope:
    """Where a value holds: everywhere, or for one zone, cluster and so on."""

    name: str = "global"
    id: int = 0


@dataclass(frozen=True)
class Value:
    """A setting and the value in force in a scope."""

    setting: Setting[Any]
    text: str


def text_of(value: object) -> str:
    """Return a value as the protocol writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def scope_of(**rows: Row | None) -> Scope:
    """Return the scope that at most one of the rows, by the scope's name, says.

    Raises:
        Refused: two scopes at once.
    """
    given = [(name, row) for name, row in rows.items() if row is not None]
    if len(given) > 1:
        raise Refused("Give only one of zoneid, clusterid, storageid, domainid and accountid")
    return Scope(given[0][0], given[0][1].id) if given else Scope()


def values(ctx: Ctx, settings: Sequence[Setting[Any]], scope: Scope) -> list[Value]:
    """Return the values in force: of the scope, else the global ones, else the defaults."""
    rows = select(SettingRow).where(SettingRow.name.in_([x.name for x in settings]))
    kept = {(r.name, r.scope, r.scope_id): r.value for r in ctx.s.scalars(rows)}
    found = []
    for setting in settings:
        text = kept.get((setting.name, scope.name, scope.id), kept.get((setting.name, "global", 0)))
        found.append(Value(setting, text_of(setting.default) if text is None else text))
    return found


def update(ctx: Ctx, name: str, scope: Scope, text: str) -> Value:
    """Set a value.

    Raises:
        Refused: no such setting, or not one of that scope.
        BadParameter: not of the setting's type, or out of range.
    """
    setting = SETTINGS.get(name)
    if setting is None:
        raise Refused(f"Config parameter with name {name} doesn't exist")
    if scope.name not in ("global", setting.scope):
        where = "" if setting.scope == "global" else f", or for one {setting.scope}"
        raise Refused(f"{name} can be set for the whole cloud{where}, not for one {scope.name}")
    value = setting.parse(text)
    if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
        raise BadParameter("value", f"{name} must be 0 or more")
    same = (SettingRow.name == name, SettingRow.scope == scope.name, SettingRow.scope_id == scope.id)
    row = ctx.s.scalars(select(SettingRow).where(*same)).one_or_none()
    if row is None:
        row = SettingRow(name=name, scope=scope.name, scope_id=scope.id)
        ctx.s.add(row)
    row.value = text_of(value)
    ctx.s.flush()
    about = "" if scope.name == "global" else f" for {scope.name} {scope.id}"
    ctx.note("CONFIGURATION.VALUE.EDIT", f"{name} is now {row.value}{about}", row)
    return Value(setting, row.value)
