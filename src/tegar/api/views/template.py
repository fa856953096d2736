"""Templates, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import date, load
from tegar.model.template import State
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.images import OsType, Template
from tegar.store.zones import Zone


class TemplateView(TypedDict, total=False):
    """A template; sizes in bytes."""

    id: str
    name: str
    displaytext: str
    created: str | None
    removed: str | None
    account: str
    accountid: str
    domain: str
    domainid: str
    domainpath: str
    zoneid: str | None
    zonename: str | None
    crossZones: bool
    ostypeid: str | None
    ostypename: str | None
    isready: bool
    status: str | None
    size: int | None
    physicalsize: int | None
    format: str
    hypervisor: str
    arch: str
    bits: int
    checksum: str | None
    templatetype: str
    templatetag: str | None
    url: str | None
    ispublic: bool
    isfeatured: bool
    isextractable: bool
    isdynamicallyscalable: bool
    passwordenabled: bool
    sshkeyenabled: bool
    requireshvm: bool
    bootable: bool
    directdownload: bool
    deployasis: bool
    forcks: bool
    details: dict[str, str]
    tags: list[dict[str, Any]]


def templates(ctx: Ctx, rows: Sequence[Template]) -> list[TemplateView]:
    """Return templates with their owners; where one came from, only for the owner and admins."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    systems = load(ctx.s, OsType, (r.os_type_id for r in rows))
    views: list[TemplateView] = []
    for r in rows:
        zone, system, domain = zones.get(r.zone_id or 0), systems.get(r.os_type_id or 0), domains[r.domain_id]
        view = _facts(r, mine=ctx.is_admin or r.account_id == ctx.account.id)
        view["account"], view["accountid"] = accounts[r.account_id].name, accounts[r.account_id].uuid
        view["domain"], view["domainid"] = domain.name, domain.uuid
        view["domainpath"] = "ROOT" + domain.path.rstrip("/")
        view["zoneid"], view["zonename"] = (zone.uuid, zone.name) if zone else (None, None)
        view["ostypeid"] = system.uuid if system else None
        view["ostypename"] = system.description if system else "Other Linux (64-bit)"
        views.append(view)
    return views


def _status(r: Template) -> str:
    if r.state == State.FAILED:
        return r.why or "Failed"
    return "Not Downloaded" if r.state == State.FETCHING else "Download Complete"


def _facts(r: Template, *, mine: bool) -> TemplateView:
    return {
        "id": r.uuid,
        "name": r.name,
        "displaytext": r.display_text,
        "created": date(r.created_s),
        "removed": date(r.removed_s),
        "crossZones": r.zone_id is None,
        "isready": r.state == State.READY,
        "status": _status(r) if mine or r.state == State.READY else None,
        "size": r.size_bytes or None,
        "physicalsize": r.physical_bytes or None,
        "format": r.format,
        "hypervisor": r.hypervisor,
        "arch": r.arch,
        "bits": r.bits,
        "checksum": r.checksum,
        "templatetype": "USER",
        "templatetag": r.tag,
        "url": r.url if mine else None,
        "ispublic": r.public,
        "isfeatured": r.featured,
        "isextractable": r.extractable,
        "isdynamicallyscalable": r.dynamically_scalable,
        "passwordenabled": r.password_enabled,
        "sshkeyenabled": r.ssh_key_enabled,
        "requireshvm": r.requires_hvm,
        "bootable": True,
        "directdownload": False,
        "deployasis": False,
        "forcks": False,
        "details": {},
        "tags": [],
    }
