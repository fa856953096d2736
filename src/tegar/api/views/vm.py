"""Virtual machines, as the API shows them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import select

from tegar.api.views.affinity import GroupOfVm, groups_of_vms
from tegar.api.views.base import date, load, path_of, uuid_of
from tegar.api.views.nic import NicView, nic_view
from tegar.api.views.security_group import SecurityGroupOfVm, security_groups_of_vms
from tegar.kernel.db import live
from tegar.model.vm import HOLDS_HOST
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain, User
from tegar.store.hosts import Host
from tegar.store.images import OsType, Template
from tegar.store.networks import Network, Nic
from tegar.store.nic_addresses import of_nics
from tegar.store.offerings import ServiceOffering
from tegar.store.vms import Vm, VmStat
from tegar.store.zones import Zone

MIB = 1024 * 1024


class VmView(TypedDict, total=False):
    """A virtual machine."""

    id: str
    name: str
    displayname: str
    account: str | None
    userid: str | None
    username: str | None
    domainid: str | None
    domain: str | None
    domainpath: str | None
    created: str | None
    lastupdated: str | None
    state: str
    haenable: bool
    group: str | None
    zoneid: str | None
    zonename: str | None
    hostid: str | None
    hostname: str | None
    hostcontrolstate: str | None
    templateid: str | None
    templatename: str | None
    templatedisplaytext: str | None
    templatetype: str | None
    templateformat: str | None
    passwordenabled: bool
    serviceofferingid: str | None
    serviceofferingname: str | None
    cpunumber: int
    cpuspeed: int
    memory: int
    cpuused: str | None
    networkkbsread: int | None
    networkkbswrite: int | None
    diskkbsread: int | None
    diskkbswrite: int | None
    diskioread: int | None
    diskiowrite: int | None
    memorykbs: int | None
    guestosid: str | None
    ostypeid: str | None
    osdisplayname: str | None
    rootdeviceid: int
    rootdevicetype: str
    securitygroup: list[SecurityGroupOfVm]
    affinitygroup: list[GroupOfVm]
    nic: list[NicView]
    ipaddress: str | None
    hypervisor: str
    instancename: str | None
    details: dict[str, str]
    keypairs: str | None
    displayvm: bool
    isdynamicallyscalable: bool
    deleteprotection: bool
    arch: str | None
    userdata: str | None
    vmtype: str
    tags: list[dict[str, Any]]


def _nics(ctx: Ctx, rows: Sequence[Vm]) -> dict[int, list[NicView]]:
    found: dict[int, list[NicView]] = defaultdict(list)
    stmt = (
        select(Nic, Network, Vm.uuid)
        .join(Network, Network.id == Nic.network_id)
        .join(Vm, Vm.id == Nic.vm_id)
        .where(Nic.vm_id.in_([r.id for r in rows]), live(Nic))
        .order_by(Nic.device_id)
    )
    all_nics = ctx.s.execute(stmt).all()
    secondary = of_nics(ctx.s, [nic.id for nic, _, _ in all_nics])
    for nic, network, vm_uuid in all_nics:
        found[nic.vm_id or 0].append(nic_view(nic, network, vm_uuid, secondary.get(nic.id, ())))
    return found


def _main_ip(nics: Sequence[NicView]) -> str | None:
    """Return the address of the default NIC."""
    return next((nic.get("ipaddress") for nic in nics if nic.get("isdefault")), None)


def _stats(ctx: Ctx, rows: Sequence[Vm]) -> dict[int, VmStat]:
    stmt = select(VmStat).where(VmStat.vm_id.in_([r.id for r in rows]))
    return {stat.vm_id: stat for stat in ctx.s.scalars(stmt)}


def _counters(vm: Vm, stat: VmStat | None) -> VmView:
    if stat is None or vm.state not in HOLDS_HOST:
        return {}
    return {
        "cpuused": f"{stat.cpu_used * 100:.2f}%",
        "networkkbsread": stat.net_read_bytes // 1024,
        "networkkbswrite": stat.net_write_bytes // 1024,
        "diskkbsread": stat.disk_read_bytes // 1024,
        "diskkbswrite": stat.disk_write_bytes // 1024,
        "diskioread": stat.disk_read_ops,
        "diskiowrite": stat.disk_write_ops,
        "memorykbs": stat.memory_bytes // 1024,
    }


def _host(ctx: Ctx, host: Host | None) -> VmView:
    """Only operators learn where a VM runs."""
    if host is None or not ctx.is_admin:
        return {}
    return {"hostid": host.uuid, "hostname": host.name, "hostcontrolstate": host.resource_state.value}


def vms(ctx: Ctx, rows: Sequence[Vm]) -> list[VmView]:
    """Return VMs with their NICs and counters; a fixed number of queries."""
    s = ctx.s
    accounts, domains = (
        load(s, Account, (r.account_id for r in rows)),
        load(s, Domain, (r.domain_id for r in rows)),
    )
    users, zones = load(s, User, (r.user_id for r in rows)), load(s, Zone, (r.zone_id for r in rows))
    templates = load(s, Template, (r.template_id for r in rows))
    offerings = load(s, ServiceOffering, (r.offering_id for r in rows))
    systems = load(s, OsType, (t.os_type_id for t in templates.values()))
    hosts = load(s, Host, (r.host_id for r in rows)) if ctx.is_admin else {}
    nics, stats = _nics(ctx, rows), _stats(ctx, rows)
    groups, security = groups_of_vms(ctx, rows), security_groups_of_vms(ctx, rows)
    views: list[VmView] = []
    for r in rows:
        domain, template, offering = domains[r.domain_id], templates[r.template_id], offerings[r.offering_id]
        system = systems.get(template.os_type_id or 0)
        view: VmView = {
            "id": r.uuid,
            "name": r.name,
            "displayname": r.display_name,
            "account": accounts[r.account_id].name,
            "userid": uuid_of(users, r.user_id),
            "username": users[r.user_id].username if r.user_id in users else None,
            "domainid": domain.uuid,
            "domain": domain.name,
            "domainpath": path_of(domain),
            "created": date(r.created_s),
            "lastupdated": date(r.updated_s),
            "state": r.state.value,
            "haenable": r.ha,
            "group": r.group,
            "zoneid": zones[r.zone_id].uuid,
            "zonename": zones[r.zone_id].name,
            "templateid": template.uuid,
            "templatename": template.name,
            "templatedisplaytext": template.display_text,
            "templatetype": "USER",
            "templateformat": template.format,
            "passwordenabled": template.password_enabled,
            "serviceofferingid": offering.uuid,
            "serviceofferingname": offering.name,
            "cpunumber": r.cpus,
            "cpuspeed": r.cpu_mhz,
            "memory": r.memory_bytes // MIB,
            "guestosid": system.uuid if system else None,
            "ostypeid": system.uuid if system else None,
            "osdisplayname": system.description if system else None,
            "rootdeviceid": 0,
            "rootdevicetype": "ROOT",
            "securitygroup": security[r.id],
            "affinitygroup": groups[r.id],
            "nic": nics[r.id],
            "ipaddress": _main_ip(nics[r.id]),
            "hypervisor": r.hypervisor,
            "instancename": r.instance_name if ctx.is_admin else None,
            "details": json.loads(r.details),
            "keypairs": r.key_names or None,
            "displayvm": r.display_vm,
            "isdynamicallyscalable": False,
            "deleteprotection": r.delete_protection,
            "arch": template.arch,
            "vmtype": "User",
            "tags": [],
        }
        view.update(_host(ctx, hosts.get(r.host_id or 0)))
        view.update(_counters(r, stats.get(r.id)))
        views.append(view)
    return views
