"""Volumes, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import date, load, path_of, uuid_of
from tegar.model.volume import Kind, State
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.images import Template
from tegar.store.offerings import DiskOffering, ServiceOffering
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Zone


class VolumeView(TypedDict, total=False):
    """A volume; sizes in bytes."""

    id: str
    name: str
    zoneid: str | None
    zonename: str | None
    type: str
    deviceid: int | None
    virtualmachineid: str | None
    vmname: str | None
    vmdisplayname: str | None
    vmstate: str | None
    vmtype: str | None
    templateid: str | None
    templatename: str | None
    templatedisplaytext: str | None
    provisioningtype: str
    size: int
    physicalsize: int | None
    virtualsize: int | None
    created: str | None
    state: str
    account: str | None
    domainid: str | None
    domain: str | None
    domainpath: str | None
    storagetype: str
    hypervisor: str | None
    diskofferingid: str | None
    diskofferingname: str | None
    diskofferingdisplaytext: str | None
    serviceofferingid: str | None
    serviceofferingname: str | None
    serviceofferingdisplaytext: str | None
    storage: str | None
    storageid: str | None
    attached: str | None
    destroyed: bool
    isextractable: bool
    displayvolume: bool
    path: str | None
    quiescevm: bool
    supportsstoragesnapshot: bool
    deleteprotection: bool
    tags: list[dict[str, Any]]


def volumes(ctx: Ctx, rows: Sequence[Volume]) -> list[VolumeView]:
    """Return volumes; only operators learn where their files are."""
    s = ctx.s
    accounts, domains = (
        load(s, Account, (r.account_id for r in rows)),
        load(s, Domain, (r.domain_id for r in rows)),
    )
    zones, machines = load(s, Zone, (r.zone_id for r in rows)), load(s, Vm, (r.vm_id for r in rows))
    templates = load(s, Template, (r.template_id for r in rows))
    disks = load(s, DiskOffering, (r.offering_id for r in rows))
    services = load(s, ServiceOffering, (v.offering_id for v in machines.values()))
    pools = load(s, Pool, (r.pool_id for r in rows)) if ctx.is_admin else {}
    views: list[VolumeView] = []
    for r in rows:
        vm, domain = machines.get(r.vm_id or 0), domains[r.domain_id]
        template, disk = templates.get(r.template_id or 0), disks.get(r.offering_id or 0)
        service = services.get(vm.offering_id) if vm and r.kind == Kind.ROOT else None
        pool = pools.get(r.pool_id or 0)
        ready = r.state == State.READY
        views.append(
            {
                "id": r.uuid,
                "name": r.name,
                "zoneid": zones[r.zone_id].uuid,
                "zonename": zones[r.zone_id].name,
                "type": r.kind.value,
                "deviceid": r.device_id,
                "virtualmachineid": uuid_of(machines, r.vm_id),
                "vmname": vm.name if vm else None,
                "vmdisplayname": vm.display_name if vm else None,
                "vmstate": vm.state.value if vm else None,
                "vmtype": "User" if vm else None,
                "templateid": uuid_of(templates, r.template_id),
                "templatename": template.name if template else None,
                "templatedisplaytext": template.display_text if template else None,
                "provisioningtype": "thin",
                "size": r.size_bytes,
                "physicalsize": r.physical_bytes if ready else None,
                "virtualsize": r.size_bytes if ready else None,
                "created": date(r.created_s),
                "state": r.state.value,
                "account": accounts[r.account_id].name,
                "domainid": domain.uuid,
                "domain": domain.name,
                "domainpath": path_of(domain),
                "storagetype": "shared",
                "hypervisor": vm.hypervisor if vm else None,
                "diskofferingid": disk.uuid if disk else None,
                "diskofferingname": disk.name if disk else None,
                "diskofferingdisplaytext": disk.display_text if disk else None,
                "serviceofferingid": service.uuid if service else None,
                "serviceofferingname": service.name if service else None,
                "serviceofferingdisplaytext": service.display_text if service else None,
                "storage": pool.name if pool else None,
                "storageid": pool.uuid if pool else None,
                "attached": date(r.attached_s),
                "destroyed": r.state in (State.DESTROY, State.EXPUNGING, State.EXPUNGED),
                "isextractable": False,
                "displayvolume": r.display_volume,
                "path": r.uuid if pool else None,
                "quiescevm": False,
                "supportsstoragesnapshot": False,
                "deleteprotection": False,
                "tags": [],
            }
        )
    return views
