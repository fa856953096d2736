"""A class is an API command: its annotations are the parameters, its docstring the help.

    class StartVirtualMachine(Command):
        \"\"\"Start a stopped virtual machine.\"\"\"

        name = "startVirtualMachine"
        is_async = True
        response = VmView

        id: Vm = param("the virtual machine to start")
        host_id: Host | None = param("start it on this host", roles=ADMIN, default=None)

An annotation that is a row type means "a uuid the caller may see".  ``host_id`` is ``hostid``
on the wire.  A parameter of the protocol that is not declared here is refused by name when the
catalogue knows it, and ignored otherwise, for clients send parameters of their own.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from tegar.kernel.db import Row, by_uuid
from tegar.kernel.errors import BadParameter, Malformed, MissingParameter, NoSuchEntity, Refused

ADMIN = frozenset({"admin"})
ADMINS = frozenset({"admin", "domain-admin"})
EVERYBODY = frozenset({"admin", "domain-admin", "user"})

_NOTHING: Any = object()

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


@dataclass(frozen=True)
class Param:
    """One parameter, as declared."""

    help: str
    default: Any
    roles: frozenset[str]
    wire: str
    max_length: int
    choices: tuple[str, ...]
    low: int | None
    high: int | None
    secret: bool


def param(
    help: str,
    *,
    default: Any = _NOTHING,
    roles: frozenset[str] = EVERYBODY,
    wire: str = "",
    max_length: int = 255,
    choices: Sequence[str] = (),
    low: int | None = None,
    high: int | None = None,
    secret: bool = False,
) -> Any:
    """Declare a parameter.

    Args:
        help: one phrase for the docs and ``listApis``.
        default: what it is when not sent; without one the parameter is required.
        roles: for others it does not exist and is ignored.
        wire: its name in requests when not the attribute's name without underscores.
        max_length: of text, in characters.
        choices: the only texts allowed, compared without case.
        low: the least number allowed.
        high: the greatest number allowed.
        secret: never logged.
    """
    return Param(help, default, roles, wire, max_length, tuple(choices), low, high, secret)


@dataclass(frozen=True)
class Field:
    """A parameter with its types worked out: ``kind`` is the plain type, ``item`` what a list holds."""

    attribute: str
    wire: str
    spec: Param
    kind: Any
    item: Any
    optional: bool

    @property
    def required(self) -> bool:
        """Whether a request without it is refused."""
        return self.spec.default is _NOTHING

    @property
    def type_name(self) -> str:
        """The type as ``listApis`` says it."""
        kind = self.kind
        if isinstance(kind, type) and issubclass(kind, Row):
            return "uuid"
        names = {str: "string", int: "integer", float: "float", bool: "boolean", list: "list", dict: "map"}
        return names[kind]


class Command:
    """One API command.  Subclasses declare; ``bind`` fills an instance from a request."""

    name: ClassVar[str]
    is_async: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = EVERYBODY
    response: ClassVar[Any] = None
    envelope: ClassVar[str] = ""
    writes: ClassVar[bool] = True
    entity: ClassVar[type[Row] | None] = None
    view: ClassVar[Callable[..., Any]]
    _fields: ClassVar[tuple[Field, ...] | None] = None

    def run(self, ctx: Any) -> Any:
        """Do it: return a record, a page, a saga or a plain dict."""
        raise NotImplementedError

    @classmethod
    def find(cls, ctx: Any, uuid: str) -> Any:
        """Return the row that a finished job of this command shows; removed ones too."""
        return by_uuid(ctx.s, cls.entity, uuid) if cls.entity else None

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """Return the parameters, those of base classes last."""
        if "_fields" not in cls.__dict__:
            hints = get_type_hints(cls)
            found = {}
            for owner in cls.__mro__:
                for attribute, spec in vars(owner).items():
                    if isinstance(spec, Param) and attribute not in found:
                        found[attribute] = _field(attribute, spec, hints[attribute])
            cls._fields = tuple(found.values())
        return cls._fields or ()


def _field(attribute: str, spec: Param, hint: Any) -> Field:
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        optional, hint = True, rest[0]
    item: Any = None
    kind = get_origin(hint) or hint
    if kind in (list, dict):
        item = get_args(hint)[0] if kind is list else get_args(hint)[1]
        item = get_origin(item) or item
    return Field(attribute, spec.wire or attribute.replace("_", ""), spec, kind, item, optional)


See = Callable[[type[Row], str], "Row | None"]

_INDEXED = re.compile(r"^([a-z0-9_.]+)\[(\d+)\](?:\.(.+))?$", re.IGNORECASE)


def unfold(raw: Mapping[str, str]) -> tuple[dict[str, str], dict[str, dict[int, dict[str, str]]]]:
    """Split a request into plain parameters and the indexed ones, names in lower case.

    Raises:
        Malformed: brackets that are not ``name[number]`` or ``name[number].key``.
    """
    plain: dict[str, str] = {}
    maps: dict[str, dict[int, dict[str, str]]] = {}
    for name, value in raw.items():
        if "[" not in name and "]" not in name:
            plain[name.lower()] = value
            continue
        found = _INDEXED.match(name)
        if not found:
            raise Malformed(name)
        base, index, key = found.groups()
        maps.setdefault(base.lower(), {}).setdefault(int(index), {})[key or ""] = value
    return plain, maps


def bind(
    command: type[Command], raw: Mapping[str, str], role: str, see: See, known: frozenset[str] = frozenset()
) -> Command:
    """Fill a command from a request's parameters.

    Args:
        command: the class.
        raw: decoded names and values.
        role: the caller's; parameters of other roles do not exist for them.
        see: finds the row of a uuid that the caller may see, else None.
        known: the protocol's own parameter names for this command, in lower case; those not
            declared by the class are refused when sent, never quietly ignored.

    Raises:
        MissingParameter: a required one was not sent.
        BadParameter: a value is not of its type.
        NoSuchEntity: an id that is not there, or not there for the caller.
        Refused: the protocol knows the parameter and this cloud does not support it.
    """
    plain, maps = unfold(raw)
    made = command()
    declared = set()
    for f in command.fields():
        declared.add(f.wire)
        value: Any = None
        if role in f.spec.roles:
            value = _read(command, f, plain, maps, see)
        if value is None:
            if f.required:
                raise MissingParameter(command.name.lower(), f.wire)
            value = f.spec.default
        setattr(made, f.attribute, value)
    for name in (set(plain) | set(maps)) & known - declared:
        if plain.get(name, "x") != "":
            raise Refused(f"{command.name} does not support the parameter {name} in this cloud")
    return made


def _read(command: type[Command], f: Field, plain: dict[str, str], maps: Any, see: See) -> Any:
    if f.kind is dict:
        return _map(maps[f.wire]) if f.wire in maps else None
    if f.kind is list and f.item is dict:
        return [_one(m) for _, m in sorted(maps[f.wire].items())] if f.wire in maps else None
    if f.kind is list and f.wire in maps:
        items = [m.get("", next(iter(m.values()))) for _, m in sorted(maps[f.wire].items())]
    elif f.wire not in plain:
        return None
    elif f.kind is list:
        items = [part.strip() for part in plain[f.wire].split(",") if part.strip()]
        if not items:
            return None
    else:
        return _value(command, f, f.kind, plain[f.wire], see)
    return [_value(command, f, f.item, item, see) for item in items]


def _map(indexed: dict[int, dict[str, str]]) -> dict[str, str]:
    """Merge both forms of a map: ``x[0].a=1`` and ``x[0].key=a&x[0].value=1``."""
    merged: dict[str, str] = {}
    for _, entry in sorted(indexed.items()):
        if "key" in entry and set(entry) <= {"key", "value"}:
            merged[entry["key"]] = entry.get("value", "")
        else:
            merged.update(entry)
    return merged


def _one(entry: dict[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in entry.items()}


def _value(command: type[Command], f: Field, kind: Any, text: str, see: See) -> Any:
    if isinstance(kind, type) and issubclass(kind, Row):
        if text == "":
            return None
        row = see(kind, text) if UUID.match(text) else None
        if row is None:
            raise NoSuchEntity(command.name.lower(), f.wire, text)
        return row
    if kind is str:
        return _text(f, text)
    if kind is bool:
        return text.strip().lower() == "true" if text != "" else None
    if text.strip() == "":
        return None
    try:
        number = kind(text.strip())
    except ValueError:
        raise BadParameter(f.wire, f"{text[:40]!r} is not a number") from None
    if (f.spec.low is not None and number < f.spec.low) or (f.spec.high is not None and number > f.spec.high):
        raise BadParameter(f.wire, f"{number} is not between {f.spec.low} and {f.spec.high or 'any'}")
    return number


def _text(f: Field, text: str) -> str:
    if len(text) > f.spec.max_length:
        raise BadParameter(f.wire, f"longer than {f.spec.max_length} characters")
    if any((ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 for c in text):
        raise BadParameter(f.wire, "it contains control characters")
    if f.spec.choices and text:
        for choice in f.spec.choices:
            if choice.lower() == text.lower():
                return choice
        raise BadParameter(f.wire, f"{text[:40]!r} is none of {', '.join(f.spec.choices)}")
    return text
