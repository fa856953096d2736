"""Deploying: from a wish to rows of a VM, its volumes, NICs and addresses, and the saga that builds it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

from sqlalchemy import select

from tegar.kernel.db import fire, live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.network import NicState
from tegar.model.template import State as TemplateState
from tegar.model.units import GIB
from tegar.model.vm import Event
from tegar.model.volume import Kind
from tegar.ops import admission, affinity, job, nic, restart_policy, security_group
from tegar.ops.ctx import Ctx
from tegar.ops.nic import NicWish
from tegar.saga.vm_deploy import DEPLOY_VM
from tegar.saga.vm_start import StartVm
from tegar.store.accounts import Account
from tegar.store.affinity import AffinityGroup
from tegar.store.hosts import Host
from tegar.store.images import Template
from tegar.store.keys import SshKey
from tegar.store.offerings import DiskOffering, ServiceOffering
from tegar.store.security_groups import SecurityGroup
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Zone

MAX_USER_DATA = 1024 * 1024
HOST_NAME = re.compile(r"^[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")


@dataclass(frozen=True)
class Wish:
    """All that a caller says of a VM to deploy; sizes are None when the offering decides."""

    owner: Account
    zone: Zone
    template: Template
    offering: ServiceOffering
    nics: list[NicWish]
    name: str | None = None
    display_name: str | None = None
    user_data: str = ""
    keys: list[str] = field(default_factory=list)
    host: Host | None = None
    root_size_bytes: int | None = None
    disk_offering: DiskOffering | None = None
    disk_size_bytes: int | None = None
    details: dict[str, str] = field(default_factory=dict)
    group: str | None = None
    affinity: list[AffinityGroup] = field(default_factory=list)
    security: list[SecurityGroup] = field(default_factory=list)
    start: bool = True


def check_user_data(text: str) -> str:
    """Return user data that is base64, as it was given.

    Raises:
        BadParameter: it is not base64, or larger than 1 MiB.
    """
    if len(text) > MAX_USER_DATA:
        raise BadParameter("userdata", f"longer than {MAX_USER_DATA} characters of base64")
    padded = text.replace("\n", "").replace("\r", "").replace("-", "+").replace("_", "/").replace(" ", "+")
    padded += "=" * (-len(padded) % 4)
    try:
        base64.b64decode(padded, validate=True)
    except binascii.Error:
        raise BadParameter("userdata", "it must be base64") from None
    return padded


def deploy(ctx: Ctx, wish: Wish) -> SagaRow:
    """Ask for a VM.  It and all that belongs to it is listed when this returns, and the job exists.

    Raises:
        Refused: the template is not ready, the zone is disabled, a size is missing, …
        OutOfAddresses: a network has none left.
        Exists: the name is taken in the network.
    """
    restart_policy.needed(ctx, wish.details)  # ids are looked at before anything else
    _check_place(ctx, wish)
    cpus, cpu_mhz, memory_bytes = _sizes(wish)
    vm = Vm(
        name="",
        display_name=wish.display_name or wish.name or "",
        account_id=wish.owner.id,
        domain_id=wish.owner.domain_id,
        user_id=ctx.user.id,
        zone_id=wish.zone.id,
        template_id=wish.template.id,
        offering_id=wish.offering.id,
        cpus=cpus,
        cpu_mhz=cpu_mhz,
        memory_bytes=memory_bytes,
        ha=wish.offering.ha,
        hypervisor=wish.template.hypervisor,
        user_data=check_user_data(wish.user_data) if wish.user_data else None,
        details=json.dumps(wish.details),
        group=wish.group,
        **_keys(ctx, wish),
    )
    ctx.s.add(vm)
    ctx.s.flush()
    vm.instance_name = f"i-{wish.owner.id}-{vm.id}-VM"
    vm.name = wish.name or f"VM-{vm.uuid}"
    vm.display_name = vm.display_name or vm.name
    _add_nics(ctx, vm, wish)
    _add_volumes(ctx, vm, wish)
    affinity.join(ctx, vm, wish.affinity)
    if wish.security:
        security_group.join(ctx, vm, wish.security)
    restart_policy.obey(ctx, vm, wish.details)
    ctx.note("VM.CREATE", f"Deploying VM {vm.name}", vm, state="Started")
    if not wish.start:
        return job.done(ctx, vm)
    admission.start(ctx, vm, wish.host)
    fire(ctx.s, vm, Event.START)
    return DEPLOY_VM.submit(ctx.s, StartVm(vm.id, wish.host.id if wish.host else None), ctx.job(vm))


def _check_place(ctx: Ctx, wish: Wish) -> None:
    template, zone = wish.template, wish.zone
    if zone.allocation != "Enabled" and not ctx.is_admin:
        raise Refused(f"Zone {zone.name} is disabled")
    if template.state != TemplateState.READY:
        raise Refused(f"Template {template.name} is not ready yet; its state is {template.state.value}")
    if template.zone_id is not None and template.zone_id != zone.id:
        raise Refused(f"Template {template.name} is not in zone {zone.name}")
    zone_ids = [z for z in wish.offering.zone_ids.split(",") if z]
    if zone_ids and str(zone.id) not in zone_ids:
        raise Refused(f"Service offering {wish.offering.name} is not offered in zone {zone.name}")
    if wish.name is not None and not HOST_NAME.match(wish.name):
        raise BadParameter(
            "name", "it must be a host name: letters, digits and hyphens, at most 63, beginning with a letter"
        )
    _check_nics(wish)


def _check_nics(wish: Wish) -> None:
    """Refuse networks that are not the owner's to use, are going away, or are named twice, and addresses of none."""
    if not wish.nics:
        raise Refused(f"networkids is missing and zone {wish.zone.name} has no network to choose by itself")
    if len({want.network.id for want in wish.nics}) < len(wish.nics):
        raise Refused("A network is named twice: a VM has one NIC in each of its networks")
    for want in wish.nics:
        nic.must_fit(want, wish.owner, wish.zone)


def _sizes(wish: Wish) -> tuple[int, int, int]:
    """Return CPUs, MHz and bytes of memory; a custom offering takes them from the details."""
    o = wish.offering
    if not o.custom:
        return o.cpus or 0, o.cpu_mhz or 0, o.memory_bytes or 0
    lower = {k.lower(): v for k, v in wish.details.items()}

    def number(key: str, fixed: int | None, low: int | None, high: int | None) -> int:
        if fixed:
            return fixed
        text = lower.get(key.lower(), "")
        if not text.isdigit() or int(text) < 1:
            raise Refused(f"Offering {o.name} is custom: give details[0].{key}, a number above 0")
        if (low and int(text) < low) or (high and int(text) > high):
            raise Refused(
                f"details[0].{key} must be between {low or 1} and {high or 'any'} for offering {o.name}"
            )
        return int(text)

    mib = 1024 * 1024
    memory = number(
        "memory",
        o.memory_bytes and o.memory_bytes // mib,
        o.min_memory_bytes and o.min_memory_bytes // mib,
        o.max_memory_bytes and o.max_memory_bytes // mib,
    )
    cpus = number("cpuNumber", o.cpus, o.min_cpus, o.max_cpus)
    return cpus, number("cpuSpeed", o.cpu_mhz or 1000, None, None), memory * mib


def _keys(ctx: Ctx, wish: Wish) -> dict[str, str]:
    """Return the names and public keys of the key pairs.

    Raises:
        Refused: the account has no key pair of that name.
    """
    if not wish.keys:
        return {}
    stmt = select(SshKey).where(SshKey.account_id == wish.owner.id, SshKey.name.in_(wish.keys), live(SshKey))
    found = {k.name: k.public_key for k in ctx.s.scalars(stmt)}
    for name in wish.keys:
        if name not in found:
            raise Refused(f"A key pair with name '{name}' does not exist for account {wish.owner.name}")
    return {"key_names": ",".join(wish.keys), "public_keys": "\n".join(found[n].strip() for n in wish.keys)}


def _add_nics(ctx: Ctx, vm: Vm, wish: Wish) -> None:
    for device_id, want in enumerate(wish.nics):
        nic.give(ctx, vm, want, device_id=device_id, is_default=device_id == 0, state=NicState.ACTIVE)


def _add_volumes(ctx: Ctx, vm: Vm, wish: Wish) -> None:
    size = max(wish.template.size_bytes, wish.root_size_bytes or wish.offering.root_disk_bytes or 0)
    if wish.root_size_bytes and wish.root_size_bytes < wish.template.size_bytes:
        raise Refused(
            f"rootdisksize is smaller than the template, which has {wish.template.size_bytes} bytes"
        )
    about = {"account_id": vm.account_id, "domain_id": vm.domain_id, "zone_id": vm.zone_id, "vm_id": vm.id}
    root = Volume(
        name=f"ROOT-{vm.id}",
        kind=Kind.ROOT,
        device_id=0,
        size_bytes=size,
        template_id=wish.template.id,
        **about,
    )
    ctx.s.add(root)
    if wish.disk_offering is not None:
        data_bytes = disk_size(wish.disk_offering, wish.disk_size_bytes)
        data = Volume(
            name=f"DATA-{vm.id}",
            kind=Kind.DATADISK,
            device_id=1,
            size_bytes=data_bytes,
            offering_id=wish.disk_offering.id,
            **about,
        )
        ctx.s.add(data)
    ctx.s.flush()


def disk_size(offering: DiskOffering, asked_bytes: int | None) -> int:
    """Return the size of a disk of an offering.

    Raises:
        Refused: a custom offering without a size, or a size for one that is fixed.
    """
    if offering.custom:
        if not asked_bytes:
            raise Refused(f"Disk offering {offering.name} is custom: give size, in GB")
        return asked_bytes
    if asked_bytes and asked_bytes != offering.size_bytes:
        raise Refused(f"Disk offering {offering.name} has a fixed size; leave size out")
    return offering.size_bytes or GIB
