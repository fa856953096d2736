"""Between suspicion and proof: make ready on other hosts what the suspect's VMs will stand on.

Nothing here needs undoing: segments and reachable pools are shared with others and stay.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import HYPERVISORS
from tegar.kernel import log
from tegar.kernel.db import live
from tegar.kernel.errors import TegarError
from tegar.model.host import Resource, State
from tegar.model.spec import DomainSpec
from tegar.saga.env import Env
from tegar.saga.spec import domain_spec
from tegar.store import vms
from tegar.store.hosts import Host

AT_ONCE = 8
VMS_LOOKED_AT = 500


def prepare(env: Env, host_id: int) -> None:
    """Ask every other host of the cluster to build the segments and reach the pools; one that fails is let be."""
    kind, specs, others = env.db.read(lambda s: _what(s, host_id))
    if not specs or not others:
        return

    def ready(other: Host) -> None:
        for spec in specs:
            try:
                HYPERVISORS[kind].prepare(spec, env.links.to(other.url))
            except TegarError as e:
                log.get("ha").info("not prepared", host=other.name, error=str(e))
                return

    with ThreadPoolExecutor(min(AT_ONCE, len(others)), thread_name_prefix="stage") as pool:
        list(pool.map(ready, others))


def _what(s: Session, host_id: int) -> tuple[str, list[DomainSpec], list[Host]]:
    """Return one VM for each combination of networks and pools, and the hosts that may get them."""
    host = s.get_one(Host, host_id)
    found: dict[tuple[frozenset[object], frozenset[object]], DomainSpec] = {}
    for vm in vms.on_host(s, host_id)[:VMS_LOOKED_AT]:
        if vm.ha:
            spec = domain_spec(s, vm)
            key = (frozenset(n.network for n in spec.nics), frozenset(d.pool for d in spec.disks))
            found.setdefault(key, spec)
    stmt = select(Host).where(
        Host.cluster_id == host.cluster_id,
        Host.id != host_id,
        Host.state == State.UP,
        Host.resource_state == Resource.ENABLED,
        live(Host),
    )
    return host.hypervisor, list(found.values()), list(s.scalars(stmt))
