"""Load balancers on public addresses."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exists, select

from tegar.api.commands.base import List, OwnedList, Plain
from tegar.api.commands.where import only
from tegar.api.views.balancer import InstanceView, LoadBalancerView, load_balancers
from tegar.api.views.vm import vms
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import MissingParameter, NoSuchEntity
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access
from tegar.ops import balancer as ops
from tegar.ops import internal_balancer as internal
from tegar.ops.ctx import Ctx
from tegar.store import balancers as store
from tegar.store.accounts import Account, Domain
from tegar.store.addresses import PublicAddress
from tegar.store.balancers import BalancerMember, LoadBalancer
from tegar.store.internal_balancers import InternalBalancer
from tegar.store.networks import Network, Nic
from tegar.store.vms import Vm
from tegar.store.zones import Zone


class _OnBalancer(Command):
    """An asynchronous command whose job shows a load balancer."""

    is_async = True
    response = LoadBalancerView
    entity = LoadBalancer
    view = staticmethod(load_balancers)


class CreateLoadBalancerRule(_OnBalancer):
    """Let a port of a public address lead to several virtual machines."""

    name = "createLoadBalancerRule"

    name_: str = param("its name", wire="name")
    description: str = param("what it is for", default="", max_length=1024)
    algorithm: str = param("roundrobin, leastconn or source", choices=ops.ALGORITHMS)
    protocol: str = param("tcp, udp, tcp-proxy or ssl", default="tcp", choices=ops.PROTOCOLS)
    public_port: int = param("port of the address")
    private_port: int = param("port of the virtual machines")
    public_ip_id: PublicAddress | None = param("the address", default=None, wire="publicipid")
    network_id: Network | None = param(
        "the network; without publicipid it gets an address of its own", default=None
    )
    zone_id: Zone | None = param("the zone; the network's", default=None)
    cidr_list: list[str] | None = param("for these CIDRs; by default for all", default=None)
    open_firewall: bool | None = param("open the firewall for it; true by default", default=None)
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("for an account of this domain", default=None)
    for_display: bool = param("false: hide it from users", default=True, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        wish = ops.Wish(
            name=self.name_,
            description=self.description,
            algorithm=self.algorithm,
            protocol=self.protocol,
            public_port=self.public_port,
            private_port=self.private_port,
            sources=self.cidr_list,
            open_firewall=self.open_firewall,
            shown=self.for_display,
        )
        wish.ports()
        if self.public_ip_id is not None:
            return ops.create(ctx, self.public_ip_id, self.network_id, wish)
        if self.network_id is None:
            raise MissingParameter(self.name.lower(), "publicipid")
        owner = ctx.s.get_one(Account, self.network_id.account_id)
        if self.account is not None:
            owner = access.owner(ctx, self.account, self.domain_id)
        return ops.create_elastic(ctx, owner, self.network_id, wish)


class UpdateLoadBalancerRule(_OnBalancer):
    """Let a load balancer do it another way."""

    name = "updateLoadBalancerRule"

    id: LoadBalancer = param("the load balancer")
    name_: str | None = param("another name", default=None, wire="name")
    description: str | None = param("what it is for", default=None, max_length=1024)
    algorithm: str | None = param("roundrobin, leastconn or source", default=None, choices=ops.ALGORITHMS)
    protocol: str | None = param("tcp, udp, tcp-proxy or ssl", default=None, choices=ops.PROTOCOLS)
    cidr_list: list[str] | None = param("for these CIDRs", default=None)
    for_display: bool | None = param("whether users see it", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.change(
            ctx,
            self.id,
            name=self.name_,
            description=self.description,
            algorithm=self.algorithm,
            protocol=self.protocol,
            sources=self.cidr_list,
            shown=self.for_display,
        )


class DeleteLoadBalancerRule(Command):
    """Remove a load balancer with its policies; an address that came with it is given back."""

    name = "deleteLoadBalancerRule"
    is_async = True

    id: LoadBalancer = param("the load balancer")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id)


class ListLoadBalancerRules(OwnedList):
    """List load balancers."""

    name = "listLoadBalancerRules"
    response = LoadBalancerView
    view = staticmethod(load_balancers)

    id: LoadBalancer | None = param("the load balancer", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    public_ip_id: PublicAddress | None = param("of this address", default=None, wire="publicipid")
    network_id: Network | None = param("into this network", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    virtual_machine_id: Vm | None = param("with this virtual machine behind", default=None)
    for_display: bool | None = param("shown or hidden ones", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> Page[LoadBalancer]:
        row = LoadBalancer
        stmt = select(row).where(live(row), self.scope(ctx, row, by_id=self.id is not None)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.address_id, self.public_ip_id),
            (row.network_id, self.network_id),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.zone_id:
            stmt = stmt.where(
                row.network_id.in_(select(Network.id).where(Network.zone_id == self.zone_id.id))
            )
        if self.virtual_machine_id:
            behind = select(BalancerMember.balancer_id).join(Nic, Nic.id == BalancerMember.nic_id)
            behind = behind.where(Nic.vm_id == self.virtual_machine_id.id, live(BalancerMember))
            stmt = stmt.where(row.id.in_(behind))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        return self.fetch(ctx, stmt)


class _Behind(Command):
    """Which virtual machines."""

    is_async = True

    id: str = param("the load balancer, on a public address or inside of a tier")
    virtual_machine_ids: list[Vm] | None = param("the virtual machines", default=None)
    vm_id_ip_map: list[dict[str, str]] | None = param(
        "by one of their addresses: vmid and vmip", default=None, wire="vmidipmap"
    )

    def balancer(self, ctx: Ctx) -> LoadBalancer | InternalBalancer:
        """Return the load balancer of either kind.

        Raises:
            NoSuchEntity: it is not there for the caller.
        """
        inside = access.see(ctx, InternalBalancer, self.id)
        if isinstance(inside, InternalBalancer):
            return inside
        return access.must_see(ctx, LoadBalancer, self.id, "id")

    def wanted(self, ctx: Ctx) -> list[ops.Behind]:
        """Return what was named, in both ways.

        Raises:
            NoSuchEntity: a virtual machine that is not there for the caller.
        """
        found = [ops.Behind(vm) for vm in self.virtual_machine_ids or ()]
        for entry in self.vm_id_ip_map or ():
            uuid = entry.get("vmid", "")
            if not uuid:
                raise NoSuchEntity(self.name.lower(), "vmid", uuid)
            found.append(ops.Behind(access.must_see(ctx, Vm, uuid, "vmid"), entry.get("vmip", "")))
        return found


class AssignToLoadBalancerRule(_Behind):
    """Put virtual machines behind a load balancer."""

    name = "assignToLoadBalancerRule"

    def run(self, ctx: Ctx) -> SagaRow:
        found, wanted = self.balancer(ctx), self.wanted(ctx)
        if isinstance(found, InternalBalancer):
            return internal.assign(ctx, found, [want.vm for want in wanted])
        return ops.assign(ctx, found, wanted)


class RemoveFromLoadBalancerRule(_Behind):
    """Take virtual machines from behind a load balancer."""

    name = "removeFromLoadBalancerRule"

    def run(self, ctx: Ctx) -> SagaRow:
        found, wanted = self.balancer(ctx), self.wanted(ctx)
        if isinstance(found, InternalBalancer):
            return internal.withdraw(ctx, found, [want.vm for want in wanted])
        return ops.withdraw(ctx, found, wanted)


def instances(ctx: Ctx, rows: Any) -> list[InstanceView]:
    """Return VMs behind a load balancer, with the addresses that were asked for."""
    shown = vms(ctx, [vm for vm, _ in rows])
    return [
        {"loadbalancerruleinstance": dict(view), "lbvmipaddresses": ips}
        for view, (_, ips) in zip(shown, rows, strict=True)
    ]


class ListLoadBalancerRuleInstances(List):
    """List the virtual machines behind a load balancer."""

    name = "listLoadBalancerRuleInstances"
    response = InstanceView
    view = staticmethod(instances)

    id: LoadBalancer = param("the load balancer")
    applied: bool = param("false: those of its network that are not behind it", default=True)
    lb_vm_ips: bool = param("with the addresses that they serve by", default=False, wire="lbvmips")

    def run(self, ctx: Ctx) -> Page[Any] | Plain:
        behind = exists().where(
            BalancerMember.balancer_id == self.id.id, BalancerMember.nic_id == Nic.id, live(BalancerMember)
        )
        stmt = (
            select(Vm)
            .join(Nic, Nic.vm_id == Vm.id)
            .where(Nic.network_id == self.id.network_id, live(Nic), live(Vm), access.visible(ctx, Vm))
            .where(behind if self.applied else ~behind)
            .order_by(Vm.id)
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Vm.name, Vm.display_name))
        page: Page[Vm] = self.fetch(ctx, stmt)
        if not self.lb_vm_ips:
            shown = {"count": page.total, "loadbalancerruleinstance": vms(ctx, page.rows)}
            return Plain(shown if page.rows else {})
        ips = self._ips(ctx, [vm.id for vm in page.rows])
        return Page([(vm, ips.get(vm.id, [])) for vm in page.rows], page.total)

    def _ips(self, ctx: Ctx, vm_ids: list[int]) -> dict[int, list[str]]:
        nics = select(Nic.id, Nic.vm_id).where(Nic.vm_id.in_(vm_ids))
        vm_of = {nic: vm for nic, vm in ctx.s.execute(nics) if vm is not None}
        found: dict[int, list[str]] = {}
        for member in store.members(ctx.s, [self.id.id]):
            if member.nic_id in vm_of:
                found.setdefault(vm_of[member.nic_id], []).append(member.guest_ip)
        return found


COMMANDS: tuple[type[Command], ...] = (
    CreateLoadBalancerRule,
    UpdateLoadBalancerRule,
    DeleteLoadBalancerRule,
    ListLoadBalancerRules,
    AssignToLoadBalancerRule,
    RemoveFromLoadBalancerRule,
    ListLoadBalancerRuleInstances,
)
