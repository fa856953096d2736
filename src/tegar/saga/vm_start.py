"""Start a VM: room on a host, disks, networks, the domain.  Deploying is the same with other ends."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY
from tegar.kernel.db import fire, live
from tegar.kernel.errors import Refused
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.spec import PoolSpec, StoreSpec
from tegar.model.vm import Event, State
from tegar.model.volume import Event as DiskEvent
from tegar.model.volume import Kind
from tegar.model.volume import State as DiskState
from tegar.saga import hold, network_implement, place, promise
from tegar.saga.env import Env, link
from tegar.saga.place import HostLost
from tegar.saga.spec import domain_spec
from tegar.store import hosts, volumes
from tegar.store.images import Copy, ImageStore, Template
from tegar.store.pools import Pool, Seed
from tegar.store.vms import Vm
from tegar.store.volumes import Volume


@dataclass(frozen=True)
class StartVm:
    """Which VM, and the only host allowed (None: the scheduler chooses)."""

    vm_id: int
    host_id: int | None = None


Start = Run[Env, StartVm]


def accepted(run: Start) -> None:
    """Begin: the request made the VM Starting."""


def back_to_stopped(run: Start) -> None:
    """The VM is Stopped again."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state == State.STARTING:
            fire(s, vm, Event.START_FAILED)

    run.env.db.tx(work)


@dataclass(frozen=True)
class Held:
    """Where the VM will run, and which of its disks have no file yet: those this start makes."""

    host_id: int
    fresh: list[int]


def hold_host(run: Start) -> Held:
    """Choose a host, and pools for disks that have none, and take the room.

    Raises:
        Disputed: the database has lost commits, and a copy of the VM may run that it does not know of.
    """
    place.confirmed(run, run.params.vm_id)

    def work(s: Session) -> Held:
        vm = s.get_one(Vm, run.params.vm_id)
        fresh = [v.id for v in volumes.of_vm(s, vm.id) if v.state == DiskState.ALLOCATED]
        if vm.host_id is None:
            wanted = hold.request(s, vm, only_host_id=run.params.host_id)
            keeps = promise.keeping(s, vm, run.env.clock.now_s())
            vm.host_id = hold.take(s, vm, wanted, keeps, now_s=run.env.clock.now_s()).host_id
            s.flush()
        return Held(vm.host_id, fresh)

    return run.env.db.tx(work)


def free_host(run: Start) -> None:
    """Give the room back; disks that were never made give up their pool."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        hosts.release(s, vm_id=vm.id)
        vm.host_id = None
        for volume in volumes.of_vm(s, vm.id):
            if volume.state == DiskState.ALLOCATED:
                volumes.release(s, volume)
                volume.pool_id = None

    run.env.db.tx(work)


@dataclass(frozen=True)
class SeedPlan:
    """A template to be cached on a pool, from a store; ``ready`` when it is there already."""

    ready: bool
    template_id: int
    template_uuid: str
    pool_id: int
    pool: PoolSpec
    store: StoreSpec | None


def seed_template(run: Start) -> None:
    """Cache the template on the pool of the root disk, once for all VMs made from it."""
    plan = run.env.db.read(lambda s: _seed_plan(s, run.params.vm_id))
    if plan is None or plan.ready:
        return
    if plan.store is None:
        raise Refused("The template is on no image store of the zone")
    via = link(run, run.result(hold_host).host_id)
    facts = PRIMARY[plan.pool.kind].seed(plan.pool, plan.template_uuid, plan.store, via)

    def note(s: Session) -> None:
        where = (Seed.template_id == plan.template_id, Seed.pool_id == plan.pool_id)
        seed = s.scalars(select(Seed).where(*where)).one_or_none()
        if seed is None:
            seed = Seed(template_id=plan.template_id, pool_id=plan.pool_id)
            s.add(seed)
        seed.ready, seed.physical_bytes = True, facts.physical_bytes

    run.env.db.tx(note)


def _seed_plan(s: Session, vm_id: int) -> SeedPlan | None:
    root = next((v for v in volumes.of_vm(s, vm_id) if v.kind == Kind.ROOT), None)
    if (
        root is None
        or root.state not in (DiskState.ALLOCATED, DiskState.CREATING)
        or root.template_id is None
    ):
        return None
    pool, template = s.get_one(Pool, root.pool_id), s.get_one(Template, root.template_id)
    seeded = s.scalars(
        select(Seed).where(Seed.template_id == template.id, Seed.pool_id == pool.id)
    ).one_or_none()
    near = or_(ImageStore.zone_id == root.zone_id, ImageStore.zone_id.is_(None))
    kept = (
        select(ImageStore).join(Copy, Copy.store_id == ImageStore.id).where(Copy.template_id == template.id)
    )
    store = s.scalars(kept.where(near, live(ImageStore))).first()
    ready = bool(seeded and seeded.ready)
    return SeedPlan(ready, template.id, template.uuid, pool.id, pool.spec(), store.spec() if store else None)


def keep_seed(run: Start) -> None:
    """A cached template is of use to the next VM: it stays."""


@dataclass(frozen=True)
class DiskPlan:
    """A disk to be made."""

    volume_id: int
    volume_uuid: str
    size_bytes: int
    pool: PoolSpec
    base_uuid: str


def make_disks(run: Start) -> None:
    """Make the disks that do not exist yet."""
    plans = run.env.db.tx(lambda s: _disk_plans(s, run.params.vm_id))
    for plan in plans:
        via = link(run, run.result(hold_host).host_id)
        facts = PRIMARY[plan.pool.kind].create(
            plan.pool, plan.volume_uuid, plan.size_bytes, plan.base_uuid, via
        )
        run.env.db.tx(lambda s, p=plan, f=facts: _made(s, p.volume_id, f.physical_bytes))  # type: ignore[misc]


def _disk_plans(s: Session, vm_id: int) -> list[DiskPlan]:
    """Mark the disks that must be made as being made, and return them."""
    plans = []
    for volume in volumes.of_vm(s, vm_id):
        if volume.state == DiskState.ALLOCATED:
            fire(s, volume, DiskEvent.CREATE)
        if volume.state == DiskState.CREATING:
            pool = s.get_one(Pool, volume.pool_id)
            base = s.get_one(Template, volume.template_id).uuid if volume.template_id else ""
            plans.append(DiskPlan(volume.id, volume.uuid, volume.size_bytes, pool.spec(), base))
    return plans


def _made(s: Session, volume_id: int, physical_bytes: int) -> None:
    volume = s.get_one(Volume, volume_id)
    volume.physical_bytes = physical_bytes
    if volume.state == DiskState.CREATING:
        fire(s, volume, DiskEvent.CREATED)


def drop_disks(run: Start) -> None:
    """Remove the disks that this start made; there is nothing on them yet."""
    plans = run.env.db.read(lambda s: _existing(s, run.result(hold_host).fresh))
    for plan in plans:
        via = link(run, run.result(hold_host).host_id)
        PRIMARY[plan.pool.kind].delete(plan.pool, plan.volume_uuid, via)
        run.env.db.tx(lambda s, p=plan: _unmade(s, p.volume_id))  # type: ignore[misc]


def _existing(s: Session, ids: list[int]) -> list[DiskPlan]:
    found = []
    for volume in s.scalars(select(Volume).where(Volume.id.in_(ids))):
        if volume.state in (DiskState.CREATING, DiskState.READY):
            pool = s.get_one(Pool, volume.pool_id)
            found.append(DiskPlan(volume.id, volume.uuid, volume.size_bytes, pool.spec(), ""))
    return found


def _unmade(s: Session, volume_id: int) -> None:
    volume = s.get_one(Volume, volume_id)
    volume.physical_bytes = 0
    if volume.state == DiskState.CREATING:
        fire(s, volume, DiskEvent.CREATE_FAILED)
    elif volume.state == DiskState.READY:
        fire(s, volume, DiskEvent.UNMADE)


def connect_networks(run: Start) -> None:
    """Let the routers of the VM's networks know it, so that it gets its address and user data."""
    network_implement.implement_in(run, network_implement.networks_of(run.env.db, run.params.vm_id))


def leave_networks(run: Start) -> None:
    """The VM keeps its addresses, so its routers go on knowing it."""


def start_domain(run: Start) -> int:
    """Run the domain; return the port of its display.

    When its host dies now, a VM with HA counts as having run: whoever restarts those takes over.
    """
    try:
        return place.start(run, run.params.vm_id, run.result(hold_host).host_id, domain_spec)
    except HostLost:
        if not run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id).ha):
            raise
        return 0


def destroy_domain(run: Start) -> None:
    """End the domain, should it run."""
    vm = run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id))
    place.stop(run, vm, run.result(hold_host).host_id, 0)


def say_running(run: Start) -> None:
    """The VM is Running."""

    def work(s: Session) -> None:
        vm = s.get_one(Vm, run.params.vm_id)
        if vm.state != State.STARTING:
            return
        now_s = run.env.clock.now_s()
        vm.vnc_port, vm.last_host_id, vm.updated_s = run.result(start_domain), vm.host_id, now_s
        fire(s, vm, Event.STARTED)
        for volume in volumes.of_vm(s, vm.id):
            volume.attached_s = volume.attached_s or now_s

    run.env.db.tx(work)


STEPS = (
    Step(hold_host, undo=free_host),
    Step(seed_template, undo=keep_seed, patience_s=60),
    Step(make_disks, undo=drop_disks),
    Step(connect_networks, undo=leave_networks),
    Step(start_domain, undo=destroy_domain),
    Step(say_running),
)

START_VM = Saga[Env, StartVm]("vm.start", StartVm, Step(accepted, undo=back_to_stopped, nothing=True), *STEPS)
