"""Let hosts filter the NICs of VMs as desired: the whole state of each VM, and a note of the version they have.

Not a saga of its own but what others share.  A start carries the filters of its moment; what changed since is told
right after, so that of two who act at once the later one always knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.errors import TegarError
from tegar.kernel.saga import Run
from tegar.kernel.wire import Fence
from tegar.model.spec import DomainSpec
from tegar.model.vm import HOLDS_HOST
from tegar.saga.env import Env
from tegar.saga.spec import nic_specs, nics_of_domains
from tegar.store import security_groups
from tegar.store.hosts import Host
from tegar.store.vms import Vm
from tegar.wire.net import SetNicFilters, VmNics

P = TypeVar("P")
ASK_S = 15.0
ASK_SOON_S = 5.0  # who asks goes on without the answer


@dataclass(frozen=True)
class Told:
    """What a host is told: the VMs' NICs, and the version of each VM by its uuid."""

    host: Host
    ask: SetNicFilters
    versions: dict[str, tuple[int, int]]  # uuid -> id of the VM, version


def obey(
    env: Env, vm_ids: Collection[int] | None = None, fence: Fence | None = None, *, timeout_s: float = ASK_S
) -> None:
    """Let the hosts that are up filter as is desired now, for these VMs or for all.

    A host that is away is told when it is back.  All hosts are asked, whatever one says.

    Raises:
        Unreachable: a host that is up does not answer; the others have obeyed.
        AgentRefused: a host cannot; the others have obeyed.
    """
    complaint: TegarError | None = None
    for host_id, some in env.db.read(lambda s: security_groups.behind(s, vm_ids)).items():
        try:
            tell(env, host_id, some, fence, timeout_s=timeout_s)
        except TegarError as e:
            log.get("saga").warning("filters are not as desired", host_id=host_id, error=str(e))
            complaint = complaint or e
    if complaint is not None:
        raise complaint


def obey_later(run: Run[Env, P], vm_ids: Collection[int]) -> None:
    """Let hosts filter as desired if they answer soon; if not, the loop that repairs filters will."""
    try:
        obey(run.env, vm_ids, run.fence, timeout_s=ASK_SOON_S)
    except TegarError as e:
        if not e.retry:
            raise


def addresses_changed(run: Run[Env, P], vm_id: int) -> None:
    """Let the hosts of VMs that let this one in, by a group of its own, hear which addresses it has now.

    Told before others can have one that it gave up.  A host that does not answer is told by the loop that repairs.
    """
    if not run.env.db.read(lambda s: security_groups.of_vm(s, vm_id)):
        return
    told = run.env.db.tx(lambda s: security_groups.addresses_change(s, vm_id))
    if told:
        obey_later(run, told)


def tell(
    env: Env, host_id: int, vm_ids: Collection[int], fence: Fence | None = None, *, timeout_s: float = ASK_S
) -> None:
    """Tell a host the filters of VMs, and note which it has; VMs that are not there are passed over."""
    told = env.db.read(lambda s: _told(s, host_id, vm_ids))
    absent = set(env.links.to(told.host.url, fence).ask(told.ask, timeout_s=timeout_s).absent)
    have: dict[int, list[int]] = defaultdict(list)
    for uuid, (vm_id, version) in told.versions.items():
        if uuid not in absent:
            have[version].append(vm_id)

    def note(s: Session) -> None:
        for version, some in sorted(have.items()):
            security_groups.note_applied(s, some, host_id, version)

    env.db.tx(note)


def _told(s: Session, host_id: int, vm_ids: Collection[int]) -> Told:
    versions = security_groups.wanted(s, vm_ids)  # first: rules may be newer than it says, and never older
    stmt = select(Vm).where(Vm.id.in_(vm_ids), Vm.state.in_(HOLDS_HOST)).order_by(Vm.id)
    vms = {vm.id: vm for vm in s.scalars(stmt)}
    nics = nics_of_domains(s, vms)
    specs = {nic.nic_uuid: nic for nic in nic_specs(s, [nic for some in nics.values() for nic in some])}
    ask = SetNicFilters(
        tuple(VmNics(vm.uuid, tuple(specs[nic.uuid] for nic in nics[vm.id])) for vm in vms.values())
    )
    return Told(
        s.get_one(Host, host_id), ask, {vm.uuid: (vm.id, versions.get(vm.id, 0)) for vm in vms.values()}
    )


def started(run: Run[Env, P], vm_id: int, host_id: int, spec: DomainSpec) -> None:
    """Note which filters a VM has that was started, and tell its host what changed meanwhile."""
    version = max((nic.filter.version for nic in spec.nics if nic.filter), default=0)
    if not version:
        return

    def note(s: Session) -> bool:
        security_groups.note_applied(s, [vm_id], host_id, version)
        return security_groups.wanted(s, [vm_id]).get(vm_id, 0) > version

    if run.env.db.tx(note):
        arrived(run, vm_id, host_id)


def arrived(run: Run[Env, P], vm_id: int, host_id: int) -> None:
    """Tell a host the filters of a VM that runs there now; if it does not answer, it is told later."""
    if not run.env.db.read(lambda s: security_groups.wanted(s, [vm_id])):
        return
    try:
        tell(run.env, host_id, [vm_id], run.fence)
    except TegarError as e:
        if not e.retry:
            raise
