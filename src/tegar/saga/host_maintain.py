"""Empty a host for maintenance: its routers leave first, then its VMs migrate live, a few at once.

Each move is a saga of its own.  This one submits them and looks again until all have ended; what
moved stays moved, whatever becomes of the rest.  Should the preparation itself fail, the host is
used again as before.  When only some VMs cannot move, they are named and the host stays out of use
until the operator tries again or cancels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import fire, live
from tegar.kernel.errors import NotYet, Refused
from tegar.kernel.saga import OPEN, Job, Run, Saga, SagaRow, Step
from tegar.kernel.saga import State as SagaState
from tegar.model.errors import InUse
from tegar.model.host import RESOURCE, Resource, Wish
from tegar.model.network import State as NetworkState
from tegar.model.vm import Event, State
from tegar.saga.env import Env, link
from tegar.saga.network_implement import obey_later
from tegar.saga.router_obey import obey, others
from tegar.saga.vm_migrate import MIGRATE_VM, MigrateVm
from tegar.store import events, hosts, vms
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.routers import Router
from tegar.store.vms import Vm

AT_ONCE = 4  # a migration fills a link by itself
TRIES = 2  # room that others held at that moment may be free the next
LOOK_S = 0.3


@dataclass(frozen=True)
class MaintainHost:
    """Which host, and whether it was disabled and is so again should the preparation fail."""

    host_id: int
    disabled: bool


@dataclass
class Left:
    """What is still on the host: VMs to move, how many wait for other work, and why the rest cannot go."""

    movable: list[Vm] = field(default_factory=list)
    busy: dict[str, str] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # why -> whom


Maintain = Run[Env, MaintainHost]


def prepares(s: Session, host: Host) -> bool:
    """Return whether a preparation of a host is under way, or is being undone."""
    mine = select(SagaRow.id).where(SagaRow.instance_uuid == host.uuid, SagaRow.name == MAINTAIN_HOST.name)
    return s.scalars(mine.where(SagaRow.state.in_([*OPEN, SagaState.STUCK]))).first() is not None


def accepted(run: Maintain) -> None:
    """Begin: since the request nothing new is placed on the host."""


def used_again(run: Maintain) -> None:
    """The host is used as before, unless the operator or the end of the preparation said otherwise."""

    def work(s: Session) -> None:
        host = s.get_one(Host, run.params.host_id)
        if host.resource_state == Resource.PREPARE_FOR_MAINTENANCE:
            host.resource_state = RESOURCE.after(host.resource_state, Wish.CANCEL_MAINTENANCE)
            if run.params.disabled:
                host.resource_state = RESOURCE.after(host.resource_state, Wish.DISABLE)

    run.env.db.tx(work)


def move_routers(run: Maintain) -> None:
    """Let routers run on other hosts, if there is one: gone here first, for there must not be two."""

    def read(s: Session) -> list[Router]:
        host = s.get_one(Host, run.params.host_id)
        return list(_routers(s, host.id)) if others(s, host) else []

    for router in run.env.db.read(read):
        ROUTERS["VirtualRouter"].remove(router.uuid, link(run, run.params.host_id))
        obey(run.env, router.group_id, run.fence)


def routers_stay(run: Maintain) -> None:
    """Let routers that are still of this host run here, if it answers; if not, the loop that repairs them does."""
    used_again(run)  # first, or they would leave

    def work(s: Session) -> list[int]:
        mine = _routers(s, run.params.host_id)
        for router in mine:
            router.applied = 0
        return [router.group_id for router in mine]

    obey_later(run, run.env.db.tx(work))


def _routers(s: Session, host_id: int) -> Sequence[Router]:
    """Return the routers of a host; not those of networks on their way out."""
    served = select(Network.group_id).where(Network.state == NetworkState.IMPLEMENTED, live(Network))
    return s.scalars(
        select(Router).where(Router.host_id == host_id, live(Router), Router.group_id.in_(served))
    ).all()


def evacuate(run: Maintain) -> None:
    """Start moves as long as there are VMs to move, and wait for all that is under way on the host.

    Raises:
        NotYet: something is.
        Refused: the operator cancelled; moves that began end by themselves.
    """

    def work(s: Session) -> str | None:
        host = s.get_one(Host, run.params.host_id)
        hosts.settle_use(s, host.id)
        if host.resource_state != Resource.PREPARE_FOR_MAINTENANCE:
            raise Refused(f"The preparation of host {host.name} for maintenance was cancelled")
        left, under_way = _look(s, run), len(_open_moves(s, run))
        for vm in left.movable[: max(0, AT_ONCE - under_way)]:
            _move(s, run, host, vm)
        return host.name if left.movable or left.busy or under_way else None

    unfinished = run.env.db.tx(work)
    if unfinished is not None:
        raise NotYet(f"The evacuation of host {unfinished}", after_s=LOOK_S)


def let_moves_end(run: Maintain) -> None:
    """Wait for moves under way; what moved stays where it is.

    Raises:
        NotYet: some are.
    """
    if run.env.db.read(lambda s: _open_moves(s, run)):
        raise NotYet("The last migration of the evacuation", after_s=LOOK_S)


def _move_uuid(run: Maintain, vm_uuid: str, number: int) -> str:
    """Return the uuid of a move's saga: made of what it is, so that it is found again and never made twice."""
    return str(uuid5(UUID(run.fence.saga), f"{vm_uuid}/{number}"))


def _moves(s: Session, run: Maintain, found: Sequence[Vm]) -> dict[str | None, list[SagaRow]]:
    """Return the moves of VMs that this preparation submitted, in their order, by the VM's uuid."""
    uuids = [_move_uuid(run, vm.uuid, number) for vm in found for number in range(TRIES)]
    moves: dict[str | None, list[SagaRow]] = defaultdict(list)
    for row in s.scalars(select(SagaRow).where(SagaRow.uuid.in_(uuids)).order_by(SagaRow.id)):
        moves[row.instance_uuid].append(row)
    return moves


def _open_moves(s: Session, run: Maintain) -> list[int]:
    stmt = select(SagaRow).where(SagaRow.state.in_(OPEN), SagaRow.name == MIGRATE_VM.name)
    return [
        row.id
        for row in s.scalars(stmt)
        if row.uuid in {_move_uuid(run, row.instance_uuid or "", number) for number in range(TRIES)}
    ]


def _look(s: Session, run: Maintain) -> Left:
    """Sort what is on the host, or on its way to it."""
    left, found = Left(), vms.at_host(s, run.params.host_id)
    all_moves = _moves(s, run, found)
    for vm in found:
        moves = all_moves[vm.uuid]
        if vm.state == State.RUNNING and vm.host_id == run.params.host_id:
            if moves and moves[-1].state in OPEN:
                left.busy[vm.name] = "its migration is being undone"
            elif len(moves) < TRIES:
                left.movable.append(vm)
            else:
                left.refused[moves[-1].detail or moves[-1].error or "it came back"].append(f"VM {vm.name}")
        elif stuck := _stuck(s, vm):
            left.refused[f"{stuck.name} of it is stuck: {stuck.error}"].append(f"VM {vm.name}")
        else:
            left.busy[vm.name] = f"it is {vm.state.value}"
    return left


def _stuck(s: Session, vm: Vm) -> SagaRow | None:
    return s.scalars(
        select(SagaRow).where(SagaRow.instance_uuid == vm.uuid, SagaRow.state == SagaState.STUCK)
    ).first()


def _move(s: Session, run: Maintain, host: Host, vm: Vm) -> None:
    """Submit a VM's next move, as the operator's job."""
    mine = s.get_one(SagaRow, run.saga_id)
    number = len(_moves(s, run, [vm])[vm.uuid])
    fire(s, vm, Event.MIGRATE)
    job = Job("migrateVirtualMachine", mine.user_id or 0, mine.account_id or 0, "Vm", vm.uuid)
    MIGRATE_VM.submit(s, MigrateVm(vm.id, host.id), job).uuid = _move_uuid(run, vm.uuid, number)
    events.note(
        s,
        "VM.MIGRATE",
        f"Migrating VM {vm.name}: its host {host.name} is prepared for maintenance",
        account_id=vm.account_id,
        user_id=job.user_id,
        resource_type="Vm",
        resource_uuid=vm.uuid,
        state="Started",
    )


def say_emptied(run: Maintain) -> None:
    """The host is in Maintenance, or, when something is left, in ErrorInMaintenance.

    Raises:
        InUse: something is left; it is named with the reason.
        Refused: the operator cancelled.
    """

    def work(s: Session) -> tuple[str, str]:
        host = s.get_one(Host, run.params.host_id)
        if host.resource_state == Resource.MAINTENANCE:
            return host.name, ""  # done already
        if host.resource_state not in (Resource.PREPARE_FOR_MAINTENANCE, Resource.ERROR_IN_MAINTENANCE):
            raise Refused(f"The preparation of host {host.name} for maintenance was cancelled")
        why = _whats_left(s, run)
        if host.resource_state == Resource.PREPARE_FOR_MAINTENANCE:
            host.resource_state = RESOURCE.after(
                host.resource_state, Wish.NOT_EMPTIED if why else Wish.EMPTIED
            )
            if why:
                events.alert(s, "ALERT.HOST", f"Host {host.name} could not be emptied for maintenance", why)
        return host.name, why

    name, why = run.env.db.tx(work)
    if why:
        raise InUse(f"Host {name}", why)


def _whats_left(s: Session, run: Maintain) -> str:
    """Return a sentence that names what is on the host with the reasons; empty when nothing is."""
    left = _look(s, run)
    for vm in left.movable:
        left.refused["it came at the last moment; try again"].append(f"VM {vm.name}")
    for name, why in left.busy.items():
        left.refused[why].append(f"VM {name}")
    for router in _routers(s, run.params.host_id):
        served = s.scalars(select(Network.name).where(Network.group_id == router.group_id, live(Network)))
        whom = f"the router of {', '.join(served)}"
        left.refused["no other host of the zone is up and enabled"].append(whom)
    return "; ".join(f"{', '.join(whom)} cannot leave: {why}" for why, whom in left.refused.items())


MAINTAIN_HOST = Saga[Env, MaintainHost](
    "host.maintain",
    MaintainHost,
    Step(accepted, undo=used_again, nothing=True),
    Step(move_routers, undo=routers_stay),
    Step(evacuate, undo=let_moves_end),
    Step(say_emptied),
)
