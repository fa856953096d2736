"""What physical networks carry, changed and ended."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.saga import SagaRow
from tegar.model.errors import InUse
from tegar.model.network import Traffic
from tegar.ops import job
from tegar.ops.ctx import Ctx
from tegar.ops.physical_network import bridge
from tegar.store.networks import Network, VlanRange
from tegar.store.serial import alone
from tegar.store.zones import TrafficType


def relabel(ctx: Ctx, row: TrafficType, label: str) -> SagaRow:
    """Let another bridge of the hosts carry a kind of traffic.

    Raises:
        BadParameter: no such bridge can be.
        InUse: networks, or public addresses, are on the bridge there is.
    """
    if bridge(label) != row.kvm_label:
        alone(ctx.s)
        _must_be_unused(ctx, row)
    row.kvm_label = label
    ctx.note("TRAFFIC.TYPE.UPDATE", f"{row.traffic.value} traffic is on {label}", row)
    return job.done(ctx, row)


def delete(ctx: Ctx, row: TrafficType) -> SagaRow:
    """Let a physical network carry a kind of traffic no more.

    Raises:
        InUse: networks, or public addresses, need it.
    """
    alone(ctx.s)
    _must_be_unused(ctx, row)
    row.removed_s = ctx.now_s
    ctx.note("TRAFFIC.TYPE.DELETE", f"{row.traffic.value} traffic is carried no more", row)
    return job.done(ctx, row)


def _must_be_unused(ctx: Ctx, row: TrafficType) -> None:
    here = row.physical_network_id
    users = {
        Traffic.GUEST: select(Network.name).where(Network.physical_network_id == here, live(Network)),
        Traffic.PUBLIC: select(VlanRange.start_ip).where(
            VlanRange.physical_network_id == here, VlanRange.for_virtual_network.is_(True), live(VlanRange)
        ),
    }
    found = ctx.s.scalars(users[row.traffic].limit(1)).first() if row.traffic in users else None
    if found is not None:
        raise InUse(f"{row.traffic.value} traffic", f"{found} is on it")
