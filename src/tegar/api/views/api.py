"""The commands themselves, as the API shows them (protocol.md, section 8)."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from inspect import cleandoc
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

from tegar.kernel.command import Command, Field
from tegar.kernel.db import Row


class ParamView(TypedDict, total=False):
    """A parameter."""

    name: str
    description: str
    type: str
    length: int
    required: bool
    related: str


class ResponseView(TypedDict, total=False):
    """A field of an answer; a list of records says what is in them."""

    name: str
    description: str
    type: str
    response: list[dict[str, Any]]


class SuccessView(TypedDict, total=False):
    """What commands answer that have nothing to show."""

    success: bool
    displaytext: str


class ApiView(TypedDict, total=False):
    """A command."""

    name: str
    description: str
    isasync: bool
    related: str
    params: list[ParamView]
    response: list[ResponseView]


@cache
def apis(role: str) -> tuple[ApiView, ...]:
    """Return the commands of a role by name.  Only code decides what they are, so one look is enough."""
    from tegar.api import registry  # it lists this module's command too

    mine = {name: c for name, c in sorted(registry.COMMANDS.items()) if role in c.roles}
    return tuple(_api(command, mine, role) for command in mine.values())


def _api(command: type[Command], mine: Mapping[str, type[Command]], role: str) -> ApiView:
    fields = sorted((f for f in command.fields() if role in f.spec.roles), key=lambda f: f.wire)
    return {
        "name": command.name,
        "description": _help(command),
        "isasync": command.is_async,
        "related": _related(command.response, mine, but=command.name),
        "params": [_param(f, mine) for f in fields],
        "response": _fields(command.response if is_typeddict(command.response) else SuccessView),
    }


def _help(command: type[Command]) -> str:
    return " ".join(cleandoc(command.__doc__ or command.name).split("\n\n")[0].split())


def _related(response: Any, mine: Mapping[str, type[Command]], *, but: str = "") -> str:
    """Return the commands that answer with the same record, lists first: cmk completes ids with those."""
    if response is None:
        return ""
    names = [name for name, c in mine.items() if c.response is response and name != but]
    return ",".join(sorted(names, key=lambda name: (not name.startswith("list"), name)))


def _param(f: Field, mine: Mapping[str, type[Command]]) -> ParamView:
    view: ParamView = {
        "name": f.wire,
        "description": f.spec.help,
        "type": f.type_name,
        "length": f.spec.max_length,
        "required": f.required,
    }
    kind = f.item if f.kind is list else f.kind
    if isinstance(kind, type) and issubclass(kind, Row):
        for name, command in mine.items():
            if name.startswith("list") and any(x.wire == "id" and x.kind is kind for x in command.fields()):
                view["related"] = _related(command.response, mine)
                break
    return view


_NAMES: dict[Any, str] = {
    str: "string", int: "integer", float: "float", bool: "boolean", list: "list", tuple: "list", dict: "map",
}  # fmt: skip


def _fields(view: Any) -> list[ResponseView]:
    return [_field(name, hint) for name, hint in get_type_hints(view).items()]


def _field(name: str, hint: Any) -> ResponseView:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(a for a in get_args(hint) if a is not type(None))
    kind = get_origin(hint) or hint
    if is_typeddict(kind):
        return {"name": name, "description": _doc(kind), "type": "map", "response": _nested(kind)}
    view: ResponseView = {"name": name, "description": "", "type": _NAMES.get(kind, "string")}
    item = get_args(hint)[0] if kind in (list, tuple) and get_args(hint) else None
    if is_typeddict(item):
        view["description"], view["response"] = _doc(item), _nested(item)
    return view


def _nested(view: Any) -> list[dict[str, Any]]:
    return [dict(field) for field in _fields(view)]


def _doc(view: Any) -> str:
    return str(view.__doc__ or "").split("\n", 1)[0]
