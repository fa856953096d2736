"""Guest operating systems, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict
from uuid import NAMESPACE_URL, uuid5

from tegar.ops.ctx import Ctx
from tegar.store.images import OsType


class OsTypeView(TypedDict, total=False):
    """A guest operating system; a category's id is made of its name."""

    id: str
    name: str
    description: str
    oscategoryid: str
    oscategoryname: str
    isuserdefined: bool
    fordisplay: bool


def category_uuid(name: str) -> str:
    """Return the id of a category."""
    return str(uuid5(NAMESPACE_URL, f"tegar:os-category:{name}"))


def os_types(ctx: Ctx, rows: Sequence[OsType]) -> list[OsTypeView]:
    """Return guest operating systems."""
    return [
        {
            "id": r.uuid,
            "name": r.description,
            "description": r.description,
            "oscategoryid": category_uuid(r.category),
            "oscategoryname": r.category,
            "isuserdefined": False,
            "fordisplay": True,
        }
        for r in rows
    ]
