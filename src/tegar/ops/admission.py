"""Admission: what would break a cluster's promise to survive the loss of hosts is refused when it is asked.

Placement looks again when it takes the room (``saga/promise.py``), for much can happen in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tegar.model.errors import NoCapacity, PromiseBroken
from tegar.model.host import Resource, State
from tegar.model.settings import HA_ADMISSION_OVERRIDE
from tegar.ops.ctx import Ctx
from tegar.saga import promise
from tegar.saga.hold import host_views, words
from tegar.scheduler import plan
from tegar.scheduler.board import Board
from tegar.scheduler.picture import Picture, tolerated, with_hosts
from tegar.scheduler.place import place
from tegar.scheduler.plan import Shortfall
from tegar.scheduler.view import HostView, Request
from tegar.store import events, hosts, vms
from tegar.store.hosts import Host
from tegar.store.offerings import ServiceOffering
from tegar.store.vms import Vm
from tegar.store.zones import Cluster

Change = Callable[[Picture], "Picture | Shortfall"]


def start(ctx: Ctx, vm: Vm, on: Host | None) -> None:
    """Refuse the start of an HA VM when no place for it would keep the promise.

    What else may be in its way – no room at all, pools, groups – is left to placement.

    Raises:
        PromiseBroken, RoomHeld: it would be broken wherever there is room, or the room is held for others.
    """
    if not vm.ha:
        return
    s = ctx.s
    tags = words(s.get_one(ServiceOffering, vm.offering_id).host_tags)
    wanted = Request(vm.cpus, vm.cpu_mhz, vm.memory_bytes, vm.hypervisor, tags, on.id if on else None)
    try:
        places = place(wanted, [replace(h, pools=()) for h in host_views(s, vm.zone_id, now_s=ctx.now_s)])
    except NoCapacity:
        return
    keeper, bad = promise.Keeper(s, vm, ctx.now_s, locks=False), None
    for placement in places:
        refused = keeper.refuses(placement.host_id)
        if refused is None:
            return
        bad = bad or refused
    if bad is not None:
        raise bad.error(f"Starting VM {vm.name}")


def enable_ha(ctx: Ctx, vm: Vm) -> None:
    """Refuse to restart a VM that runs already when its host fails, if there would be no room for it.

    Raises:
        PromiseBroken: there would not be.
    """
    held = tuple(hosts.held_by(ctx.s, vm.id))
    if not held:
        return  # it is asked when it starts
    cluster = ctx.s.get_one(Cluster, ctx.s.get_one(Host, held[0]).cluster_id)
    me = promise.guest(ctx.s, vm, held)

    def after(shown: Picture) -> Picture:
        return replace(shown, guests=(*shown.guests, me))

    _check(ctx, cluster, f"High availability of VM {vm.name}", after)


def disable_host(ctx: Ctx, host: Host) -> None:
    """Refuse to keep VMs away from a host that the promise needs; those on it stay.

    Raises:
        PromiseBroken: it does.
    """
    if host.resource_state == Resource.ENABLED and host.state == State.UP:
        _change(ctx, host, f"Disabling host {host.name}", enabled=False)


def change_tags(ctx: Ctx, host: Host, tags: str) -> None:
    """Refuse other tags of a host when HA VMs need the old ones.

    Raises:
        PromiseBroken: they do.
    """
    if words(host.tags) - words(tags):
        _change(ctx, host, f"Taking tags from host {host.name}", tags=words(tags))


def _change(ctx: Ctx, host: Host, what: str, **change: object) -> None:
    def after(shown: Picture) -> Picture:
        view = next(h for h in shown.hosts if h.id == host.id)
        changed: HostView = replace(view, **change)  # type: ignore[arg-type]
        return with_hosts(shown, {host.id: changed})

    _check(ctx, ctx.s.get_one(Cluster, host.cluster_id), what, after)


def empty_host(ctx: Ctx, host: Host) -> None:
    """Refuse to empty a host when the others could not take its VMs and still keep the promise.

    Raises:
        PromiseBroken: they could not.
    """
    cluster = ctx.s.get_one(Cluster, host.cluster_id)
    load = [promise.guest(ctx.s, vm, (host.id,)) for vm in vms.on_host(ctx.s, host.id)]
    _check(ctx, cluster, f"Emptying host {host.name}", lambda shown: plan.evacuate(shown, host.id, load))


def _check(ctx: Ctx, cluster: Cluster, what: str, change: Change) -> None:
    """Refuse a change of a cluster after which its promise could not be kept; say so when it promises less.

    An override lets it pass, and is an event.
    """
    wanted = promise.promised(ctx.s, cluster)
    if not wanted:
        return
    promise.settle(ctx.s, cluster.id)
    before = promise.picture(ctx.s, cluster, ctx.now_s)
    after = change(before)
    if isinstance(after, Shortfall):
        promises = tolerated(before, wanted + 1) > 1  # also when one host less takes VMs of others
        bad: Shortfall | None = after if promises else None
    else:
        kept = tolerated(after, wanted)
        bad = plan.check(Board(after), kept)
        if kept < tolerated(before, wanted):
            text = f"Cluster {cluster.name} can lose {kept} of the {wanted} hosts that it should survive"
            events.alert(ctx.s, "ALERT.HA", text, f"{what}: too few hosts are left that take VMs of others")
    if bad is None:
        return
    if not HA_ADMISSION_OVERRIDE.of(ctx.s, "cluster", cluster.id):
        raise PromiseBroken(what, cluster.name, str(bad))
    ctx.note(
        "HA.ADMISSION.OVERRIDE", f"{what} is allowed although, in cluster {cluster.name}, {bad}", cluster
    )
