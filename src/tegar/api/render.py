"""Answers in the envelopes that clients expect, as JSON or XML (protocol.md, section 4)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from tegar.api import catalogue
from tegar.api.commands.base import Plain, Success
from tegar.kernel.command import Command
from tegar.kernel.errors import TegarError, UnknownCommand
from tegar.kernel.page import Page
from tegar.kernel.saga import SagaRow
from tegar.ops.ctx import Ctx

INTERNAL = "Internal error executing command, please contact your system administrator"


def key_of(command: type[Command]) -> str:
    """Return the name of the object or list in a command's answer."""
    return command.envelope or catalogue.result_key(command.name)


def one(ctx: Ctx, command: type[Command], row: Any) -> dict[str, Any]:
    """Return ``{"zone": {…}}``."""
    return {key_of(command): command.view(ctx, [row])[0]}


def body(ctx: Ctx, command: type[Command], result: Any) -> dict[str, Any]:
    """Return what stands under the envelope's key."""
    if isinstance(result, Plain):
        return result.body
    if isinstance(result, Success):
        return {"success": True, "displaytext": result.text or None}
    if isinstance(result, SagaRow) and command.is_async:
        fact = catalogue.of(command.name)
        return {"id": result.instance_uuid if fact.get("create") else None, "jobid": result.uuid}
    if isinstance(result, Page):
        if not result.rows:
            return {}
        return {"count": result.total, key_of(command): command.view(ctx, result.rows)}
    return one(ctx, command, result)


def outcome(ctx: Ctx, command: type[Command], saga: SagaRow) -> dict[str, Any]:
    """Return what a finished job shows: the object as it is now, or success."""
    if command.entity is None or not saga.instance_uuid:
        return {"success": True}
    row = command.find(ctx, saga.instance_uuid)
    return one(ctx, command, row) if row is not None else {"success": True}


def failure(error: TegarError, *, is_admin: bool) -> dict[str, Any]:
    """Return the error record; what only admins should read is left out for others."""
    text = error.detail() if is_admin else str(error)
    if error.code == 530 and error.cs_code == 4250 and not is_admin:
        text = INTERNAL
    return {"uuidList": [], "errorcode": error.code, "cserrorcode": error.cs_code, "errortext": text}


def envelope(name: str, error: TegarError | None = None) -> str:
    """Return the one key of the answer."""
    if isinstance(error, UnknownCommand) or not name:
        return "errorresponse"
    return f"{name.lower()}response"


def _clean(value: Any) -> Any:
    """Leave out what is None."""
    if isinstance(value, Mapping):
        return {k: _clean(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_clean(v) for v in value]
    return value


def as_json(key: str, inner: Mapping[str, Any]) -> bytes:
    """Return ``{"listzonesresponse": {…}}``."""
    return json.dumps({key: _clean(inner)}, ensure_ascii=False, separators=(",", ":")).encode()


def as_xml(key: str, inner: Mapping[str, Any]) -> bytes:
    """Return the same as XML: lists are repeated elements."""
    root = ElementTree.Element(key, {"cloud-stack-version": catalogue.VERSION})
    _grow(root, _clean(inner))
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root)


_NOT_IN_NAMES = re.compile(r"^[^A-Za-z_]|[^A-Za-z0-9_.-]")  # keys of details come from callers


def _grow(parent: ElementTree.Element, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            for each in item if isinstance(item, list) else [item]:
                _grow(ElementTree.SubElement(parent, _NOT_IN_NAMES.sub("_", name) or "_"), each)
    elif isinstance(value, bool):
        parent.text = "true" if value else "false"
    else:
        parent.text = str(value)
