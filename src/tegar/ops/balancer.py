"""Load balancers on public addresses, and the VMs behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import RuleConflict
from tegar.model.rule import Protocol, RuleState
from tegar.ops import address as addresses
from tegar.ops import elastic, firewall
from tegar.ops import rule as rules
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.saga.address_hold import HOLD_ADDRESS, HoldAddress
from tegar.saga.rule_apply import ref
from tegar.saga.rule_change import write
from tegar.store import balancers as store
from tegar.store import routers
from tegar.store.accounts import Account
from tegar.store.addresses import PublicAddress
from tegar.store.balancers import BalancerMember, HealthPolicy, LoadBalancer, StickinessPolicy
from tegar.store.firewall import FirewallRule
from tegar.store.networks import Network, Nic
from tegar.store.vms import Vm

ALGORITHMS = ("roundrobin", "leastconn", "source")
PROTOCOLS = ("tcp", "udp", "tcp-proxy", "ssl")


@dataclass(frozen=True)
class Wish:
    """What a load balancer shall do; ``sources`` None: for all."""

    name: str
    description: str
    algorithm: str
    protocol: str
    public_port: int
    private_port: int
    sources: list[str] | None = None
    open_firewall: bool | None = None
    shown: bool = True

    def ports(self) -> rules.Ports:
        """Return its port of the address."""
        kind = "udp" if self.protocol == "udp" else "tcp"
        return rules.ports(kind, self.public_port, None)


def create(ctx: Ctx, address: PublicAddress, named: Network | None, wish: Wish) -> SagaRow:
    """Ask for a load balancer on an address.

    Raises:
        Refused: the address leads into no network, or one without load balancing.
        RuleConflict: another rule has the port.
    """
    rules.held(ctx, address)
    network = rules.network_for(ctx, address, named, "Lb")
    _must_be_public(ctx, network)
    rules.must_be_free(ctx, address, rules.Purpose.BALANCING, wish.ports())
    row = _row(address, network, wish)
    ctx.s.add(row)
    ctx.s.flush()
    made = _open(ctx, address, network, row, wish)
    ctx.note("LB.CREATE", f"Load balancer {row.name} on {address.ip}", row, state="Started")
    return rules.apply(ctx, network, [row, *made], row)


def create_elastic(ctx: Ctx, owner: Account, network: Network, wish: Wish) -> SagaRow:
    """Ask for a load balancer with an address of its own, which goes with it.

    Raises:
        Refused: the network's offering has no elastic load balancers.
        NoPublicAddress: the zone has no address left.
    """
    must_operate(ctx, network)
    rules.must_be_ready(ctx, network, "Lb")
    if not elastic.balances(rules.offering_of(ctx, network)):
        raise Refused(f"Say publicipid: network {network.name} has no elastic load balancers")
    routers.want_again(ctx.s, network.group_id)
    address = elastic.take(ctx, owner, network)
    row = _row(address, network, wish)
    ctx.s.add(row)
    ctx.s.flush()
    made = _open(ctx, address, network, row, wish)
    ctx.note("LB.CREATE", f"Load balancer {row.name} on {address.ip}", row, state="Started")
    groups = (network.group_id,) if network.group_id is not None else ()
    params = HoldAddress(address.id, groups, tuple(map(ref, (row, *made))))
    return HOLD_ADDRESS.submit(ctx.s, params, ctx.job(row))


def _must_be_public(ctx: Ctx, network: Network) -> None:
    offering = rules.offering_of(ctx, network)
    if offering.internal_lb:
        raise Refused(f"Network {network.name} has internal load balancers only: see createLoadBalancer")


def _row(address: PublicAddress, network: Network, wish: Wish) -> LoadBalancer:
    assert address.account_id is not None
    assert address.domain_id is not None
    if not 1 <= wish.private_port <= rules.LAST_PORT:
        raise BadParameter("privateport", f"{wish.private_port} is no port from 1 to {rules.LAST_PORT}")
    return LoadBalancer(
        name=wish.name,
        description=wish.description,
        account_id=address.account_id,
        domain_id=address.domain_id,
        network_id=network.id,
        address_id=address.id,
        algorithm=wish.algorithm,
        protocol=wish.protocol,
        public_port=wish.public_port,
        private_port=wish.private_port,
        cidrs=rules.cidrs("cidrlist", wish.sources),
        shown=wish.shown,
    )


def _open(
    ctx: Ctx, address: PublicAddress, network: Network, row: LoadBalancer, wish: Wish
) -> list[FirewallRule]:
    if network.vpc_id is not None and wish.open_firewall:
        raise Refused("openfirewall is not for tiers of a VPC: use network ACLs")
    if wish.open_firewall is False or network.vpc_id is not None:
        return []
    opening = firewall.for_ports(ctx, address, network, wish.ports(), row.cidrs)
    row.opening_id = opening.id if opening else None
    return [opening] if opening else []


def change(
    ctx: Ctx,
    row: LoadBalancer,
    *,
    name: str | None,
    description: str | None,
    algorithm: str | None,
    protocol: str | None,
    sources: list[str] | None,
    shown: bool | None,
) -> SagaRow:
    """Ask for a load balancer to do it another way.

    Raises:
        Refused: it is not Active, or its certificate would be of no use.
        RuleConflict: another rule has the port of the other protocol.
    """
    network = _mine(ctx, row)
    after: dict[str, object] = {}
    if protocol is not None and protocol != row.protocol:
        if row.cert_id is not None:
            raise Refused("Remove its certificate first: see removeCertFromLoadBalancer")
        if (protocol == "udp") != (row.protocol == "udp"):
            wanted = rules.Ports(
                Protocol(protocol if protocol == "udp" else "tcp"), row.public_port, row.public_port
            )
            rules.must_be_free(ctx, _address(ctx, row), rules.Purpose.BALANCING, wanted)
            if row.opening_id is not None:
                raise Refused("The firewall was opened for its protocol: delete the rule and make another")
        after["protocol"] = protocol
    if algorithm is not None:
        after["algorithm"] = algorithm
    if sources is not None:
        after["cidrs"] = rules.cidrs("cidrlist", sources)
    row.name, row.shown = name or row.name, row.shown if shown is None else shown
    row.description = row.description if description is None else description
    ctx.note("LB.UPDATE", f"Changing load balancer {row.name}", row, state="Started")
    return rules.change(ctx, [network], [write(row, "balancer", **after)], row)


def _address(ctx: Ctx, row: LoadBalancer) -> PublicAddress:
    return ctx.s.get_one(PublicAddress, row.address_id)


def _mine(ctx: Ctx, row: LoadBalancer) -> Network:
    """Return the network of a load balancer that the caller may change, its routers' state counted up.

    Raises:
        Denied: somebody else's.
        Refused: it is not Active.
    """
    must_operate(ctx, row)
    network = ctx.s.get_one(Network, row.network_id)
    routers.want_again(ctx.s, network.group_id)
    rules.must_be_active(row)
    return network


def delete(ctx: Ctx, row: LoadBalancer) -> SagaRow:
    """Ask for a load balancer to end, with all that belongs to it.

    Raises:
        Refused: it is being deleted already, or something of it is not settled.
    """
    must_operate(ctx, row)
    address = _address(ctx, row)
    if address.elastic and not address.static_nat:
        return addresses.release(ctx, address)
    network = ctx.s.get_one(Network, row.network_id)
    routers.want_again(ctx.s, network.group_id)
    rules.end(ctx, row)
    parts = _parts(ctx, row)
    for part in parts:
        part.state = RuleState.REVOKE
    ctx.note("LB.DELETE", f"Deleting load balancer {row.name}", row, state="Started")
    return rules.apply(ctx, network, [row, *parts, *firewall.opening_of(ctx, row.opening_id)], row)


def _parts(ctx: Ctx, row: LoadBalancer) -> list[BalancerMember | StickinessPolicy | HealthPolicy]:
    """Return what goes with a load balancer and is not going already."""
    found: list[BalancerMember | StickinessPolicy | HealthPolicy] = [*store.members(ctx.s, [row.id])]
    found += store.policies(ctx.s, StickinessPolicy, [row.id])
    found += store.policies(ctx.s, HealthPolicy, [row.id])
    return [part for part in found if part.state != RuleState.REVOKE]


@dataclass(frozen=True)
class Behind:
    """A VM to be behind a load balancer, or no more; ``ip``: by that of its addresses (empty: its first)."""

    vm: Vm
    ip: str = ""


def assign(ctx: Ctx, row: LoadBalancer, wanted: Sequence[Behind]) -> SagaRow:
    """Ask for VMs to be behind a load balancer.

    Raises:
        Refused: a VM is not in its network, or none was named.
        RuleConflict: one is behind it already.
    """
    network = _mine(ctx, row)
    if not wanted:
        raise Refused("Say virtualmachineids or vmidipmap: which virtual machines")
    there = {m.guest_ip for m in store.members(ctx.s, [row.id])}
    made = []
    for want in wanted:
        to = rules.target(ctx, want.vm, network, want.ip or None)
        if to.ip in there:
            raise RuleConflict(f"VM {want.vm.name} is behind load balancer {row.name} already, by {to.ip}")
        there.add(to.ip)
        made.append(BalancerMember(balancer_id=row.id, nic_id=to.nic.id, guest_ip=to.ip))
    ctx.s.add_all(made)
    ctx.s.flush()
    ctx.note("LB.ASSIGN.TO.RULE", f"{len(made)} more behind load balancer {row.name}", row, state="Started")
    return rules.apply(ctx, network, made, row)


def withdraw(ctx: Ctx, row: LoadBalancer, wanted: Sequence[Behind]) -> SagaRow:
    """Ask for VMs to be behind a load balancer no more.

    Raises:
        Refused: a VM is not behind it, or none was named.
    """
    network = _mine(ctx, row)
    if not wanted:
        raise Refused("Say virtualmachineids or vmidipmap: which virtual machines")
    going = []
    for want in wanted:
        found = [m for m in _members_of(ctx, row, want.vm) if not want.ip or m.guest_ip == want.ip]
        if not found:
            raise Refused(f"VM {want.vm.name} is not behind load balancer {row.name}")
        going += found
    for member in going:
        if member.state != RuleState.ACTIVE:
            raise Refused(f"{member.guest_ip} is {member.state.value}; wait for that job")
        member.state = RuleState.REVOKE
    ctx.note(
        "LB.REMOVE.FROM.RULE", f"{len(going)} less behind load balancer {row.name}", row, state="Started"
    )
    return rules.apply(ctx, network, going, row)


def _members_of(ctx: Ctx, row: LoadBalancer, vm: Vm) -> list[BalancerMember]:
    stmt = (
        select(BalancerMember)
        .join(Nic, Nic.id == BalancerMember.nic_id)
        .where(BalancerMember.balancer_id == row.id, Nic.vm_id == vm.id, live(BalancerMember))
    )
    return list(ctx.s.scalars(stmt.order_by(BalancerMember.id)))
