"""Hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from sqlalchemy import Select, false, select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import Job, SagaRow
from tegar.model.errors import InUse
from tegar.model.host import RESOURCE, Resource, State, Wish
from tegar.ops import admission, job
from tegar.ops import cluster as clusters
from tegar.ops.ctx import Ctx
from tegar.saga.host_add import ADD_HOST, AddHost
from tegar.saga.host_delete import DELETE_HOST, DeleteHost
from tegar.saga.host_maintain import MAINTAIN_HOST, MaintainHost, prepares
from tegar.store import vms
from tegar.store.hosts import Host
from tegar.store.vms import Vm
from tegar.store.zones import Cluster, Pod, Zone

AGENT_PORT = 8250
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


def agent_url(text: str, hypervisor: str) -> str:
    """Return the address of a host's agent: ``https://<host>:8250``, or ``http://sim/<name>`` as it is.

    Raises:
        BadParameter: it is not an address of a host.
    """
    parts = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
    name = parts.path.strip("/")
    if hypervisor == "Simulator":
        if parts.scheme != "http" or parts.netloc != "sim" or not _NAME.fullmatch(name):
            raise BadParameter("url", f"{text[:80]!r} is not a simulated host, such as http://sim/h1")
        return f"http://sim/{name}"
    try:
        port = parts.port or AGENT_PORT
    except ValueError:
        raise BadParameter("url", f"{text[:80]!r} has no good port") from None
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    if parts.scheme not in ("http", "https") or not _NAME.fullmatch(host) or name or parts.query:
        raise BadParameter("url", f"{text[:80]!r} is not the address of a host, such as http://10.1.0.11")
    return f"https://{host.lower()}:{port}"


def tags(words: Sequence[str] | None) -> str:
    """Return tags as they are kept."""
    return ",".join(dict.fromkeys(word.strip() for word in words or () if word.strip()))


def add(
    ctx: Ctx,
    *,
    zone: Zone,
    pod: Pod,
    cluster: Cluster | None,
    cluster_name: str,
    hypervisor: str,
    url: str,
    host_tags: str,
    enabled: bool,
) -> SagaRow:
    """Ask for a host to join a cluster; its row appears when the host has shown that it can.

    Raises:
        Refused: the places do not belong together, or a host answers at that address already.
    """
    clusters.must_lie_in(pod, zone)
    if (cluster is None) == (not cluster_name):
        raise Refused("Give clusterid or clustername, one of them")
    found = cluster or clusters.named(ctx.s, pod.id, cluster_name)
    if found and found.pod_id != pod.id:
        raise Refused(f"Cluster {found.name} is not in pod {pod.name}")
    if found and found.hypervisor != hypervisor:
        raise Refused(f"Cluster {found.name} is for {found.hypervisor}, not {hypervisor}")
    address = agent_url(url, hypervisor)
    twin = ctx.s.scalars(select(Host).where(Host.url == address, live(Host))).first()
    if twin:
        raise Refused(f"The host at {address} is in the cloud already, as {twin.name} ({twin.uuid})")
    params = AddHost(
        uuid=str(uuid4()),
        url=address,
        zone_id=zone.id,
        pod_id=pod.id,
        cluster_id=found.id if found else None,
        cluster_name=cluster_name,
        cluster_uuid=str(uuid4()),
        hypervisor=hypervisor,
        tags=host_tags,
        enabled=enabled,
    )
    ctx.note("HOST.ADD", f"Adding the host at {address}", state="Scheduled")
    return ADD_HOST.submit(ctx.s, params, _about(ctx, params.uuid))


def _about(ctx: Ctx, uuid: str) -> Job:
    return Job(ctx.command, ctx.user.id, ctx.account.id, "Host", uuid)


def change(ctx: Ctx, host: Host, *, enabled: bool | None, name: str | None, host_tags: str | None) -> Host:
    """Change what an operator says of a host.

    Raises:
        Refused: it is in maintenance or degraded.
        PromiseBroken: HA VMs of other hosts need it as it is.
    """
    wanted = {None: host.resource_state, True: Resource.ENABLED, False: Resource.DISABLED}[enabled]
    if host.resource_state != wanted:
        wish = Wish.ENABLE if enabled else Wish.DISABLE
        if not RESOURCE.can(host.resource_state, wish):
            raise Refused(f"Host {host.name} is {host.resource_state.value}; cancel that first")
        if not enabled:
            admission.disable_host(ctx, host)
        host.resource_state = RESOURCE.after(host.resource_state, wish)
    if host_tags is not None:
        admission.change_tags(ctx, host, host_tags)
    host.name = name or host.name
    host.tags = host.tags if host_tags is None else host_tags
    ctx.note("HOST.EDIT", f"Host {host.name} changed", host)
    return host


def can_take(ctx: Ctx, statement: Select[Any], vm: Vm) -> Select[Any]:
    """Narrow a statement to hosts that a running VM can migrate to: up, enabled, of its cluster, another."""
    here = ctx.s.get(Host, vm.host_id) if vm.host_id else None
    if here is None:
        return statement.where(false())
    return statement.where(
        Host.cluster_id == here.cluster_id,
        Host.id != here.id,
        Host.state == State.UP,
        Host.resource_state == Resource.ENABLED,
    )


def prepare(ctx: Ctx, host: Host) -> SagaRow:
    """Ask for a host to be emptied: its routers and VMs move elsewhere, and no new ones come.

    Raises:
        BadTransition: it is in maintenance, on its way there, or degraded.
        Refused: it does not answer, and what runs on it cannot be moved live.
        InUse: the last preparation, which was cancelled, has not ended yet.
        PromiseBroken: the others could not take its VMs and still survive the loss of one.
    """
    was = host.resource_state
    RESOURCE.after(was, Wish.PREPARE)
    if host.state != State.UP:
        raise Refused(
            f"Host {host.name} is {host.state.value}: nothing can be moved live from a host that does not answer; "
            "declareHostAsDegraded keeps new VMs away from it"
        )
    if prepares(ctx.s, host):
        raise InUse(f"Host {host.name}", "its last preparation is about to end; try again in a moment")
    admission.empty_host(ctx, host)
    host.resource_state = RESOURCE.after(was, Wish.PREPARE)
    ctx.note("MAINT.PREPARE", f"Preparing host {host.name} for maintenance", host, state="Started")
    return MAINTAIN_HOST.submit(ctx.s, MaintainHost(host.id, was == Resource.DISABLED), ctx.job(host))


def cancel_maintenance(ctx: Ctx, host: Host) -> SagaRow:
    """Use a host again; VMs that left it stay where they are.  A preparation under way sees it and ends.

    Raises:
        BadTransition: it is not in maintenance, nor on its way there.
    """
    return _declare(ctx, host, Wish.CANCEL_MAINTENANCE, "MAINT.CANCEL", f"Host {host.name} is enabled again")


def declare_degraded(ctx: Ctx, host: Host) -> SagaRow:
    """Give a silent host no work any more, even when it answers again; its VMs are left alone.

    Raises:
        Refused: it is up.
        BadTransition: it is in maintenance, or degraded already.
    """
    if host.state == State.UP:
        raise Refused(
            f"Host {host.name} is Up; only one that is Disconnected or in Alert is declared degraded"
        )
    there = len(vms.on_host(ctx.s, host.id))
    text = f"Host {host.name} is degraded; its VMs ({there}) are left where they are until it is proven dead"
    return _declare(ctx, host, Wish.DEGRADE, "HOST.DECLARE.DEGRADED", text)


def cancel_degraded(ctx: Ctx, host: Host) -> SagaRow:
    """Enable a degraded host again.

    Raises:
        BadTransition: it is not degraded.
    """
    text = f"Host {host.name} is no longer degraded"
    return _declare(ctx, host, Wish.CANCEL_DEGRADED, "HOST.CANCEL.DEGRADED", text)


def _declare(ctx: Ctx, host: Host, wish: Wish, type: str, text: str) -> SagaRow:
    host.resource_state = RESOURCE.after(host.resource_state, wish)
    ctx.note(type, text, host)
    return job.done(ctx, host)


def delete(ctx: Ctx, host: Host, *, forced: bool) -> SagaRow:
    """Ask for a host to be forgotten.

    Raises:
        InUse: it is enabled, or being emptied, or VMs are on it and it is up, or nobody said that it is dead.
    """
    if host.resource_state == Resource.ENABLED:
        raise InUse(
            f"Host {host.name}", "it is enabled; disable it first: updateHost allocationstate=Disable"
        )
    if host.resource_state == Resource.PREPARE_FOR_MAINTENANCE:
        raise InUse(f"Host {host.name}", "it is being prepared for maintenance; wait for that, or cancel it")
    found = vms.on_host(ctx.s, host.id)
    if found and host.state == State.UP:
        raise InUse(f"Host {host.name}", f"{len(found)} VMs run on it; migrate or stop them first")
    if found and not forced:
        raise InUse(
            f"Host {host.name}",
            f"{len(found)} VMs were on it when it was last heard; only if it is surely off, say forced=true",
        )
    ctx.note("HOST.DELETE", f"Deleting host {host.name}", host, state="Scheduled")
    return DELETE_HOST.submit(ctx.s, DeleteHost(host.id, forced), ctx.job(host))
