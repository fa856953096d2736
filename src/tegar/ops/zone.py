"""Zones."""

from __future__ import annotations

import ipaddress

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter
from tegar.model.errors import Exists, InUse
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.images import ImageStore
from tegar.store.networks import Network
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.zones import PhysicalNetwork, Pod, Zone


def ip(name: str, text: str | None) -> str | None:
    """Return an IP address as it is written best, None for none.

    Raises:
        BadParameter: it is not one.
    """
    if not text:
        return None
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise BadParameter(name, f"{text!r} is not an IP address, such as 10.1.1.1") from None


def cidr(name: str, text: str | None) -> str | None:
    """Return a network in CIDR form, None for none.

    Raises:
        BadParameter: it is not one.
    """
    if not text:
        return None
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise BadParameter(name, f"{text!r} is not a network, such as 10.1.0.0/16") from None


def create(ctx: Ctx, zone: Zone) -> Zone:
    """Make a zone; disabled until it is told otherwise.

    Raises:
        Exists: the name is taken.
    """
    _name_is_free(ctx, zone.name)
    ctx.s.add(zone)
    ctx.s.flush()
    ctx.note("ZONE.CREATE", f"Zone {zone.name} created", zone)
    return zone


def rename(ctx: Ctx, zone: Zone, name: str) -> None:
    """Give a zone another name.

    Raises:
        Exists: the name is taken.
    """
    if name != zone.name:
        _name_is_free(ctx, name)
        zone.name = name


def _name_is_free(ctx: Ctx, name: str) -> None:
    if ctx.s.scalars(select(Zone.id).where(Zone.name == name, live(Zone))).first():
        raise Exists("zone", name)


def delete(ctx: Ctx, zone: Zone) -> None:
    """Remove an empty zone.

    Raises:
        InUse: something is in it; says what.
    """
    for kind, what in (
        (Vm, "virtual machines"), (Network, "networks"), (Host, "hosts"), (Pool, "storage pools"),
        (PhysicalNetwork, "physical networks"), (Pod, "pods"), (ImageStore, "image stores"),
    ):  # fmt: skip
        if ctx.s.scalars(select(kind.id).where(kind.zone_id == zone.id, live(kind)).limit(1)).first():
            raise InUse(f"Zone {zone.name}", f"it still has {what}")
    zone.removed_s = ctx.now_s
    ctx.note("ZONE.DELETE", f"Zone {zone.name} deleted", zone)
