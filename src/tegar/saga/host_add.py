"""Add a host: it must answer, be what was said and reach the cluster's storage before it is listed.

The row is made, disabled, when all of that is known; it takes VMs when the host knows where to
report.  Pools are opened until the pools of the cluster are those that were opened: one that is
added at the same moment is opened too, here or by whoever adds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY
from tegar.kernel.db import by_uuid, fire, live
from tegar.kernel.errors import Fenced, NotYet, Refused, TegarError, Unreachable
from tegar.kernel.saga import Run, Saga, SagaRow, Step
from tegar.kernel.secret import digest, token
from tegar.model.host import Event, Resource
from tegar.saga.env import Env
from tegar.saga.reach import cannot
from tegar.store import pools
from tegar.store.hosts import Host, HostUse, Pulse
from tegar.store.pools import Pool
from tegar.store.serial import alone
from tegar.store.zones import Cluster, Pod, Zone
from tegar.wire.host import GetFacts, HostFacts, SetReportTo


@dataclass(frozen=True)
class AddHost:
    """Where the host answers, what it shall be, and the uuid its row will have.

    ``cluster_id`` None: the cluster of that name; when it is missing, one is made with ``cluster_uuid``.
    """

    uuid: str
    url: str
    zone_id: int
    pod_id: int
    cluster_id: int | None
    cluster_name: str
    cluster_uuid: str
    hypervisor: str
    tags: str
    enabled: bool


Add = Run[Env, AddHost]


@dataclass(eq=False)
class NoAgent(Unreachable):
    """Nothing that we trust answers at the address."""

    says = (
        "No agent answers at {peer} ({why}). Is the host on, and has it joined this cloud? "
        "On the host, run: tegar host join"
    )


def look(run: Add) -> HostFacts:
    """Ask the host what it is."""
    want = run.params
    try:
        facts = run.env.links.to(want.url, run.fence).ask(GetFacts(), timeout_s=15)
    except Unreachable as e:
        raise NoAgent(want.url, e.why or "no answer") from e
    if facts.hypervisor.lower() != want.hypervisor.lower():
        raise Refused(f"Host {facts.name} runs {facts.hypervisor}, not {want.hypervisor} as the cluster does")
    run.env.db.read(lambda s: _is_new(s, want, facts))
    return facts


def _is_new(s: Session, want: AddHost, facts: HostFacts) -> None:
    twin = s.scalars(
        select(Host).where(Host.host_uuid == facts.uuid, live(Host), Host.uuid != want.uuid)
    ).first()
    if twin:
        raise Refused(f"The machine at {want.url} is in the cloud already, as host {twin.name} ({twin.uuid})")


def nothing(run: Add) -> None:
    """Looking changes nothing."""


def record(run: Add) -> None:
    """Open the cluster's pools and write the row, disabled, once all are open."""
    facts, opened = run.result(look), set[int]()
    via = run.env.links.to(run.params.url, run.fence)
    while missing := run.env.db.tx(lambda s: _record(s, run, facts, opened)):
        for pool in missing:
            try:
                PRIMARY[pool.kind].open(pool.spec(), via)
            except NotYet:
                raise
            except TegarError as e:
                raise cannot(e, facts.name, f"storage pool {pool.name}") from e
            opened.add(pool.id)


def _record(s: Session, run: Add, facts: HostFacts, opened: set[int]) -> list[Pool]:
    """Write the row, or return the pools that must be opened first."""
    alone(s)
    want = run.params
    if by_uuid(s, Host, want.uuid):
        return []
    _is_new(s, want, facts)
    cluster = _cluster(s, want)
    known = pools.reached_from(s, zone_id=want.zone_id, cluster_id=cluster.id if cluster else 0)
    missing = [p for p in known if p.id not in opened]
    if missing:
        return missing
    cluster = cluster or _new_cluster(s, want)
    row = _row(want, cluster, facts)
    s.add(row)
    s.flush()
    s.add(HostUse(host_id=row.id, cpu_mhz=0, memory_bytes=0))
    s.add(Pulse(host_id=row.id, seen_s=run.env.clock.now_s(), boot_id=facts.boot_id))
    return []


def _cluster(s: Session, want: AddHost) -> Cluster | None:
    """Return the cluster, None when it must be made.

    Raises:
        Refused: zone, pod or cluster were deleted meanwhile, or the name is of another hypervisor.
    """
    zone, pod = s.get_one(Zone, want.zone_id), s.get_one(Pod, want.pod_id)
    if zone.removed_s or pod.removed_s:
        raise Refused(f"Pod {pod.name} was deleted while the host was added")
    if want.cluster_id is not None:
        cluster: Cluster | None = s.get_one(Cluster, want.cluster_id)
    else:
        mine = (Cluster.pod_id == pod.id, Cluster.name == want.cluster_name, live(Cluster))
        cluster = s.scalars(select(Cluster).where(*mine)).first()
    if cluster and cluster.removed_s:
        raise Refused(f"Cluster {cluster.name} was deleted while the host was added")
    if cluster and cluster.hypervisor != want.hypervisor:
        raise Refused(f"Cluster {cluster.name} is for {cluster.hypervisor}, not {want.hypervisor}")
    return cluster


def _new_cluster(s: Session, want: AddHost) -> Cluster:
    made = Cluster(
        uuid=want.cluster_uuid,
        zone_id=want.zone_id,
        pod_id=want.pod_id,
        name=want.cluster_name,
        hypervisor=want.hypervisor,
    )
    s.add(made)
    s.flush()
    return made


def _row(want: AddHost, cluster: Cluster, facts: HostFacts) -> Host:
    parts = urlsplit(want.url)
    simulated = want.hypervisor == "Simulator"
    return Host(
        uuid=want.uuid,
        zone_id=want.zone_id,
        pod_id=want.pod_id,
        cluster_id=cluster.id,
        name=facts.name,
        url=want.url,
        address=parts.path.strip("/") if simulated else (parts.hostname or ""),
        migration_address=facts.migration_address,
        hypervisor=want.hypervisor,
        hypervisor_version=facts.hypervisor_version,
        agent_version=facts.version,
        host_uuid=facts.uuid,
        accel=facts.accel,
        can=",".join(facts.can),
        resource_state=Resource.DISABLED,
        cpus=facts.cpus,
        cpu_mhz=facts.cpu_mhz,
        memory_bytes=facts.memory_bytes,
        tags=want.tags,
    )


def forget(run: Add) -> None:
    """Remove the row, and the cluster that was made for it if nothing else is in it."""

    def work(s: Session) -> None:
        alone(s)
        row = by_uuid(s, Host, run.params.uuid)
        if row is None or row.removed_s:
            return
        now_s = run.env.clock.now_s()
        fire(s, row, Event.REMOVE)
        row.removed_s = now_s
        s.execute(delete(HostUse).where(HostUse.host_id == row.id))
        s.execute(delete(Pulse).where(Pulse.host_id == row.id))
        cluster = s.get_one(Cluster, row.cluster_id)
        s.flush()
        if cluster.uuid == run.params.cluster_uuid and not _holds_anything(s, cluster):
            cluster.removed_s = now_s

    run.env.db.tx(work)


def _holds_anything(s: Session, cluster: Cluster) -> bool:
    return any(
        s.scalars(select(k.id).where(k.cluster_id == cluster.id, live(k)).limit(1)).first()
        for k in (Host, Pool)
    )


def report(run: Add) -> None:
    """Tell the host where to report, and let it take VMs.

    Each try makes a new secret; an owner that was taken over meanwhile must not write its own, for
    the host may have heard the newer one already.
    """
    secret = token()
    via = run.env.links.to(run.params.url, run.fence)
    via.ask(SetReportTo(run.params.uuid, run.env.report_urls, secret))

    def work(s: Session) -> None:
        if s.get_one(SagaRow, run.saga_id).fence != run.fence.number:
            raise Fenced(f"saga {run.fence.saga}")
        row = by_uuid(s, Host, run.params.uuid)
        assert row is not None, "the step before wrote it"
        row.report_digest = digest(secret)
        if run.params.enabled:
            row.resource_state = Resource.ENABLED

    run.env.db.tx(work)


def disable(run: Add) -> None:
    """Take no VMs any more; what the host reports is refused once its row is gone."""

    def work(s: Session) -> None:
        row = by_uuid(s, Host, run.params.uuid)
        if row is not None:
            row.resource_state, row.report_digest = Resource.DISABLED, None

    run.env.db.tx(work)


ADD_HOST = Saga[Env, AddHost](
    "host.add",
    AddHost,
    Step(look, undo=nothing, patience_s=4),
    Step(record, undo=forget, patience_s=8),
    Step(report, undo=disable, patience_s=8),
)
