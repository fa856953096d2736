"""Load balancers inside of tiers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import Exists, OutOfAddresses
from tegar.model.network import JOINABLE
from tegar.model.rule import RuleState
from tegar.model.span import address
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.ops.rule import nic_in
from tegar.saga.rule_apply import APPLY_RULES, ApplyRules, RuleRef, ref
from tegar.store import networks, routers
from tegar.store.internal_balancers import InternalBalancer, InternalLb, InternalMember
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.vms import Vm

ALGORITHMS = ("roundrobin", "leastconn", "source")


@dataclass(frozen=True)
class Wish:
    """What a caller says of a balancer to make; ``ip`` empty: any address of the tier."""

    name: str
    description: str | None
    algorithm: str
    port: int
    instance_port: int
    ip: str = ""
    shown: bool = True


def create(ctx: Ctx, network: Network, source: Network, wish: Wish) -> SagaRow:
    """Balance a port of an address in a tier; done when the VPC's routers do.

    Raises:
        BadParameter: a port or the algorithm makes no sense.
        Refused: the network is no tier for it, the address cannot be had, or another rule is at the port.
        Exists: the tier has a balancer of that name.
    """
    must_operate(ctx, network)
    _must_fit(ctx, network, source)
    for name, port in (("sourceport", wish.port), ("instanceport", wish.instance_port)):
        if not 1 <= port <= 65_535:
            raise BadParameter(name, f"{port} is not a port from 1 to 65535")
    if wish.algorithm not in ALGORITHMS:
        raise BadParameter("algorithm", f"{wish.algorithm[:20]!r} is none of {', '.join(ALGORITHMS)}")
    routers.want_again(ctx.s, network.group_id)  # first: who takes an address of the tier now comes after us
    there = select(InternalBalancer.id).where(
        InternalBalancer.network_id == network.id, InternalBalancer.name == wish.name, live(InternalBalancer)
    )
    if ctx.s.scalars(there).first():
        raise Exists(f"load balancer in network {network.name}", wish.name)
    lb = _instance(ctx, network, wish.ip)
    same = select(InternalBalancer.name).where(
        InternalBalancer.lb_id == lb.id, InternalBalancer.port == wish.port, live(InternalBalancer)
    )
    other = ctx.s.scalars(same).first()
    if other:
        raise Refused(f"Load balancer {other} has port {wish.port} of {lb.ip} already")
    row = InternalBalancer(
        account_id=network.account_id,
        domain_id=network.domain_id,
        network_id=network.id,
        lb_id=lb.id,
        name=wish.name,
        description=wish.description,
        port=wish.port,
        instance_port=wish.instance_port,
        algorithm=wish.algorithm,
        shown=wish.shown,
    )
    ctx.s.add(row)
    ctx.s.flush()
    ctx.note("LB.CREATE", f"Load balancer {wish.name} at {lb.ip}:{wish.port}", row, state="Started")
    return _apply(ctx, network, row, ref(row))


def _must_fit(ctx: Ctx, network: Network, source: Network) -> None:
    if network.vpc_id is None or source.vpc_id is None:
        raise Refused("Internal load balancers are in tiers of VPCs; the network is not one")
    if source.id != network.id:
        raise Refused(
            "sourceipaddressnetworkid must be networkid: the address is in the tier of its instances"
        )
    offering = ctx.s.get_one(NetworkOffering, network.offering_id)
    if not offering.internal_lb:
        raise Refused(
            f"Network offering {offering.name} of network {network.name} has no internal load balancing"
        )
    if network.state not in JOINABLE:
        raise Refused(f"Network {network.name} is being deleted")


def _instance(ctx: Ctx, network: Network, ip: str) -> InternalLb:
    """Return the instance at an address of a tier, a new one if there is none.

    Raises:
        Refused: somebody else has the address, or it is not in the tier.
        OutOfAddresses: the tier has none left.
    """
    if ip:
        found = address("sourceipaddress", ip)
        if found not in IPv4Network(network.cidr) or ip == network.gateway:
            raise BadParameter("sourceipaddress", f"{ip} is no address for guests of network {network.name}")
        here = select(InternalLb).where(
            InternalLb.network_id == network.id, InternalLb.ip == ip, live(InternalLb)
        )
        lb = ctx.s.scalars(here).one_or_none()
        if lb is not None:
            return lb
    nic = Nic(vm_id=None, router_id=None, network_id=network.id, mac="", ip="", is_default=False)
    ctx.s.add(nic)
    ctx.s.flush()
    taken = networks.take_address(ctx.s, network.id, nic.id, ip)
    if taken is None and ip:
        raise Refused(f"Address {ip} of network {network.name} is taken")
    if taken is None:
        raise OutOfAddresses(network.name)
    nic.ip, nic.mac = taken, networks.mac_of(nic.id)
    lb = InternalLb(
        account_id=network.account_id,
        domain_id=network.domain_id,
        network_id=network.id,
        nic_id=nic.id,
        ip=taken,
    )
    ctx.s.add(lb)
    ctx.s.flush()
    return lb


def delete(ctx: Ctx, rule: InternalBalancer) -> SagaRow:
    """Ask for a balancer to be removed; done when the routers do without it.

    Raises:
        Refused: it is being deleted already.
    """
    must_operate(ctx, rule)
    network = _turn(ctx, rule)
    rule.state = RuleState.REVOKE
    ctx.note("LB.DELETE", f"Deleting load balancer {rule.name}", rule, state="Started")
    return _apply(ctx, network, rule, ref(rule))


def assign(ctx: Ctx, rule: InternalBalancer, vms: list[Vm]) -> SagaRow:
    """Put VMs of its tier behind a balancer; done when the routers send them connections.

    Raises:
        Refused: a VM has no NIC in the tier, or is behind it already.
    """
    must_operate(ctx, rule)
    if not vms:
        raise Refused("Say virtualmachineids: which virtual machines")
    network = _turn(ctx, rule)
    refs = []
    for vm in vms:
        must_operate(ctx, vm)
        nic = nic_in(ctx, vm, network)
        if _member(ctx, rule, vm) is not None:
            raise Refused(f"VM {vm.name} is behind load balancer {rule.name} already")
        row = InternalMember(balancer_id=rule.id, vm_id=vm.id, nic_id=nic.id)
        ctx.s.add(row)
        ctx.s.flush()
        refs.append(ref(row))
    ctx.note("LB.ASSIGN.TO.RULE", f"{len(refs)} VMs are put behind load balancer {rule.name}", rule)
    return _apply(ctx, network, rule, *refs)


def withdraw(ctx: Ctx, rule: InternalBalancer, vms: list[Vm]) -> SagaRow:
    """Take VMs from behind a balancer; done when the routers send them no more connections.

    Raises:
        Refused: a VM is not behind it.
    """
    must_operate(ctx, rule)
    if not vms:
        raise Refused("Say virtualmachineids: which virtual machines")
    network = _turn(ctx, rule)
    refs = []
    for vm in vms:
        row = _member(ctx, rule, vm)
        if row is None:
            raise Refused(f"VM {vm.name} is not behind load balancer {rule.name}")
        row.state = RuleState.REVOKE
        refs.append(ref(row))
    ctx.note("LB.REMOVE.FROM.RULE", f"{len(refs)} VMs are taken from load balancer {rule.name}", rule)
    return _apply(ctx, network, rule, *refs)


def run(ctx: Ctx, lb: InternalLb, *, stopped: bool) -> SagaRow:
    """Stop serving the rules of an instance, or serve them again."""
    must_operate(ctx, lb)
    lb.stopped = stopped
    network = ctx.s.get_one(Network, lb.network_id)
    routers.want_again(ctx.s, network.group_id)
    event = "INTERNALLBVM.STOP" if stopped else "INTERNALLBVM.START"
    ctx.note(event, f"Internal load balancer {lb.ip} is to be {'stopped' if stopped else 'started'}", lb)
    return APPLY_RULES.submit(ctx.s, ApplyRules((network.group_id or 0,)), ctx.job(lb))


def _member(ctx: Ctx, rule: InternalBalancer, vm: Vm) -> InternalMember | None:
    row = InternalMember
    stmt = select(row).where(row.balancer_id == rule.id, row.vm_id == vm.id, live(row))
    return ctx.s.scalars(stmt.where(row.state != RuleState.REVOKE)).first()


def _turn(ctx: Ctx, rule: InternalBalancer) -> Network:
    """Make this request the only one that changes the tier's balancers; return the tier.

    Raises:
        Refused: the balancer is being deleted.
    """
    network = ctx.s.get_one(Network, rule.network_id)
    routers.want_again(ctx.s, network.group_id)
    ctx.s.refresh(rule)
    if rule.state == RuleState.REVOKE or rule.removed_s:
        raise Refused(f"Load balancer {rule.name} is being deleted")
    return network


def _apply(ctx: Ctx, network: Network, row: InternalBalancer, *refs: RuleRef) -> SagaRow:
    return APPLY_RULES.submit(ctx.s, ApplyRules((network.group_id or 0,), refs), ctx.job(row))
