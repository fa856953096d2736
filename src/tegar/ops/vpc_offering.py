"""VPC offerings."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.model.errors import Exists, InUse
from tegar.ops.ctx import Ctx
from tegar.store.stock import stock_uuid
from tegar.store.vpcs import Vpc, VpcOffering

ROUTER, INTERNAL = "VpcVirtualRouter", "InternalLbVm"
PROVIDERS: dict[str, tuple[str, ...]] = {
    "Dhcp": (ROUTER,),
    "Dns": (ROUTER,),
    "UserData": (ROUTER,),
    "SourceNat": (ROUTER,),
    "StaticNat": (ROUTER,),
    "PortForwarding": (ROUTER,),
    "Lb": (ROUTER, INTERNAL),
    "NetworkACL": (ROUTER,),
    "Gateway": (ROUTER,),
    "Vpn": (ROUTER,),
}
REQUIRED = ("SourceNat",)
PLAIN, REDUNDANT = "Default VPC offering", "Redundant VPC offering"
STOCK = ((PLAIN, False), (REDUNDANT, True))


def pairs(services: str) -> set[tuple[str, str]]:
    """Return services and their providers out of ``Dhcp=VpcVirtualRouter,…``."""
    found = (part.partition("=") for part in services.split(",") if part)
    return {(name, provider) for name, _, provider in found}


def seed(s: Session) -> None:
    """Write the stock offerings that are missing; removed ones do not come back."""
    whole = ",".join(f"{name}={provider}" for name, all_ in PROVIDERS.items() for provider in all_)
    vpcs = [
        VpcOffering(uuid=stock_uuid(VpcOffering, name), name=name, display_text=name, services=whole,
                    redundant=redundant, is_default=True)
        for name, redundant in STOCK
    ]  # fmt: skip
    there = set(s.scalars(select(VpcOffering.uuid)))
    s.add_all(row for row in vpcs if row.uuid not in there)
    s.flush()


def services_of(names: list[str], given: list[dict[str, str]]) -> str:
    """Return services in the form that is kept, out of the protocol's parameters.

    Raises:
        BadParameter: a service or a provider that VPCs do not have here.
    """
    chosen = {entry.get("service", ""): entry.get("provider", "") for entry in given}
    for name in (*names, *chosen):
        if name not in PROVIDERS:
            raise BadParameter(
                "supportedservices", f"VPCs have no service {name[:40]!r}; they have {', '.join(PROVIDERS)}"
            )
    for entry in given:
        if entry.get("provider") not in PROVIDERS[entry.get("service", "")]:
            raise BadParameter(
                "serviceproviderlist",
                f"{entry.get('service')} is provided by {' or '.join(PROVIDERS[entry.get('service', '')])}",
            )
    wanted = dict.fromkeys([*names, *chosen, *REQUIRED] if names or chosen else PROVIDERS)
    mine = {(e.get("service", ""), e.get("provider", "")) for e in given}
    kept = [
        f"{name}={provider}"
        for name in wanted
        for provider in PROVIDERS[name]
        if name not in chosen or (name, provider) in mine
    ]
    return ",".join(kept)


def redundant_of(capabilities: list[dict[str, str]]) -> bool:
    """Return whether a list of capabilities asks for a pair of routers.

    Raises:
        BadParameter: it asks for what VPCs do not have.
    """
    wanted = False
    for entry in capabilities:
        kind, value = entry.get("capabilitytype", ""), entry.get("capabilityvalue", "").lower() == "true"
        if kind.lower() == "redundantrouter":
            wanted = value
        elif value:
            raise BadParameter("servicecapabilitylist", f"{kind[:40]!r} is not supported; RedundantRouter is")
    return wanted


def create(ctx: Ctx, offering: VpcOffering) -> VpcOffering:
    """Write an offering.

    Raises:
        Exists: the name is taken.
    """
    taken = select(VpcOffering.id).where(VpcOffering.name == offering.name, live(VpcOffering))
    if ctx.s.scalars(taken).first():
        raise Exists("VPC offering", offering.name)
    ctx.s.add(offering)
    ctx.s.flush()
    ctx.note("VPC.OFFERING.CREATE", f"VPC offering {offering.name} created", offering)
    return offering


def change(
    ctx: Ctx, offering: VpcOffering, *, name: str | None, text: str | None, state: str | None
) -> VpcOffering:
    """Change what an offering is called and whether it can be used."""
    offering.name, offering.display_text = name or offering.name, text or offering.display_text
    offering.state = state or offering.state
    ctx.note("VPC.OFFERING.UPDATE", f"VPC offering {offering.name} changed", offering)
    return offering


def delete(ctx: Ctx, offering: VpcOffering) -> VpcOffering:
    """Forget an offering.

    Raises:
        Refused: it is a stock offering.
        InUse: a VPC has it.
    """
    if offering.is_default:
        raise Refused(f"VPC offering {offering.name} is a stock offering: disable it with updateVPCOffering")
    if ctx.s.scalars(select(Vpc.id).where(Vpc.offering_id == offering.id, live(Vpc))).first():
        raise InUse(f"VPC offering {offering.name}", "VPCs have it")
    offering.removed_s = ctx.now_s
    ctx.note("VPC.OFFERING.DELETE", f"VPC offering {offering.name} deleted", offering)
    return offering
