"""Configuration, as the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.ops.configuration import Value, text_of
from tegar.ops.ctx import Ctx


class ConfigurationView(TypedDict, total=False):
    """A setting: its value here and without any change."""

    name: str
    value: str
    defaultvalue: str
    description: str
    displaytext: str
    category: str
    group: str
    subgroup: str
    scope: str
    component: str
    type: str
    isdynamic: bool


_TYPES: dict[type, str] = {bool: "Boolean", int: "Number", float: "Decimal", str: "String"}
_SCOPES = {"storagepool": "StoragePool"}


def configurations(ctx: Ctx, rows: Sequence[Value]) -> list[ConfigurationView]:
    """Return settings; they all take effect at once, so all are dynamic."""
    return [
        {
            "name": v.setting.name,
            "value": v.text,
            "defaultvalue": text_of(v.setting.default),
            "description": v.setting.help,
            "displaytext": v.setting.name.replace(".", " ").capitalize(),
            "category": v.setting.category,
            "group": "Miscellaneous",
            "subgroup": "Others",
            "scope": _SCOPES.get(v.setting.scope, v.setting.scope.capitalize()),
            "component": "management-server",
            "type": _TYPES[type(v.setting.default)],
            "isdynamic": True,
        }
        for v in rows
    ]
