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
from tegar.model.host import Resource, State
from tegar.ops import cluster as clusters
from tegar.ops.ctx import Ctx
from tegar.saga.host_add import ADD_HOST, AddHost
from tegar.saga.host_delete import DELETE_HOST, DeleteHost
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
        Refused: it is in maintenance.
    """
    if enabled is not None:
        if host.resource_state == Resource.MAINTENANCE:
            raise Refused(f"Host {host.name} is in maintenance; cancel that first")
        host.resource_state = Resource.ENABLED if enabled else Resource.DISABLED
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


def delete(ctx: Ctx, host: Host, *, forced: bool) -> SagaRow:
    """Ask for a host to be forgotten.

    Raises:
        InUse: it is enabled, or VMs are on it and it is up, or nobody said that it is dead.
    """
    if host.resource_state == Resource.ENABLED:
        raise InUse(
            f"Host {host.name}", "it is enabled; disable it first: updateHost allocationstate=Disable"
        )
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
