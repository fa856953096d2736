"""Guest VLANs that only one account's networks, or one domain's, get."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.saga import SagaRow
from tegar.model import vlan as vlans
from tegar.model.errors import InUse
from tegar.ops import access, job
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.networks import Network
from tegar.store.segments import DedicatedRange, SegmentUse
from tegar.store.serial import alone
from tegar.store.zones import PhysicalNetwork


def dedicate(
    ctx: Ctx, physical: PhysicalNetwork, text: str, *, account: str | None, domain: Domain | None
) -> DedicatedRange:
    """Keep a range of a physical network's ids for one account, or one domain.

    Raises:
        Refused: it is not in the physical network's ranges, dedicated already, or for nobody.
        InUse: somebody else's network has one of the ids.
        BadParameter: it is no range.
    """
    spans = vlans.spans(vlans.ranges(text, "vlanrange", most=vlans.highest(physical.isolation)))
    if len(spans) != 1:
        raise Refused("vlanrange is one range, such as 100-110; dedicate several one after the other")
    if account is None and domain is None:
        raise Refused("Give account and domainid, or domainid alone: for whom the range is")
    owner = access.owner(ctx, account, domain) if account else None
    ((first, last),) = spans
    alone(ctx.s)
    if not any(a <= first and last <= b for a, b in vlans.spans(physical.vlan or "")):
        raise Refused(
            f"{first}-{last} is not in the ranges of physical network {physical.name}: {physical.vlan}"
        )
    _must_be_nobodys(ctx, physical, first, last)
    made = DedicatedRange(
        physical_network_id=physical.id,
        account_id=owner.id if owner else None,
        domain_id=owner.domain_id if owner else (domain or ctx.domain).id,
        first=first,
        last=last,
    )
    _must_not_be_used(ctx, made)
    ctx.s.add(made)
    ctx.s.flush()
    ctx.note("GUESTVLANRANGE.DEDICATE", f"VLANs {first}-{last} of {physical.name} dedicated", made)
    return made


def _must_be_nobodys(ctx: Ctx, physical: PhysicalNetwork, first: int, last: int) -> None:
    stmt = select(DedicatedRange).where(
        DedicatedRange.physical_network_id == physical.id,
        DedicatedRange.first <= last,
        DedicatedRange.last >= first,
        live(DedicatedRange),
    )
    other = ctx.s.scalars(stmt).first()
    if other is not None:
        raise Refused(f"VLANs {other.first}-{other.last} are dedicated already")


def _must_not_be_used(ctx: Ctx, made: DedicatedRange) -> None:
    stmt = (
        select(Network.name, Network.account_id, Network.domain_id, SegmentUse.tag)
        .join(SegmentUse, SegmentUse.network_id == Network.id)
        .where(SegmentUse.physical_network_id == made.physical_network_id)
        .where(SegmentUse.tag >= made.first, SegmentUse.tag <= made.last)
    )
    for name, account_id, domain_id, tag in ctx.s.execute(stmt):
        if made.account_id not in (None, account_id) or (
            made.account_id is None and made.domain_id != domain_id
        ):
            raise InUse(f"VLAN {tag}", f"network {name} of somebody else has it")


def release(ctx: Ctx, row: DedicatedRange) -> SagaRow:
    """Let everybody's networks have the ids again."""
    row.removed_s = ctx.now_s
    ctx.note("GUESTVLANRANGE.RELEASE", f"VLANs {row.first}-{row.last} released", row)
    return job.done(ctx, row)
