"""What rules of every kind share: on which address, into which network, to which guest, and that they do not clash."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import RuleConflict
from tegar.model.network import JOINABLE, NicState
from tegar.model.rule import Protocol, RuleState
from tegar.model.vm import State as VmState
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.saga.rule_apply import APPLY_RULES, ApplyRules, ref
from tegar.saga.rule_change import CHANGE_RULES, Change, ChangeRules
from tegar.store import balancers, forwarding, routers, rules
from tegar.store.addresses import PublicAddress, State
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.vms import Vm

GOING = (VmState.DESTROYED, VmState.EXPUNGING, VmState.ERROR)
LAST_PORT = 65535
ANY_ICMP = -1


class Purpose(StrEnum):
    """What an address is used for; the values are the protocol's services."""

    SOURCE_NAT = "SourceNat"
    STATIC_NAT = "StaticNat"
    FORWARDING = "PortForwarding"
    BALANCING = "Lb"


def held(ctx: Ctx, address: PublicAddress) -> PublicAddress:
    """Return an address that the caller may use.

    Raises:
        Refused: nobody has acquired it.
        Denied: somebody else has.
    """
    if address.state != State.ALLOCATED:
        raise Refused(
            f"Address {address.ip} is {address.state.value}; acquire it with associateIpAddress first"
        )
    must_operate(ctx, address)
    return address


def offering_of(ctx: Ctx, network: Network) -> NetworkOffering:
    """Return a network's offering."""
    return ctx.s.get_one(NetworkOffering, network.offering_id)


def network_for(ctx: Ctx, address: PublicAddress, named: Network | None, service: str) -> Network:
    """Return the network that rules of an address lead into, with its routers' desired state counted up.

    An address that leads nowhere yet (of the zone, or of a VPC) leads into the network that was named from now on.
    Who changes rules of the same network at the same moment comes after us.

    Raises:
        Refused: it leads elsewhere, or nowhere; the network does not offer the service, or is going away.
    """
    if address.network_id is None and named is None:
        raise Refused(f"Address {address.ip} leads into no network yet: say networkid")
    if named is not None and address.network_id not in (None, named.id):
        raise Refused(f"Address {address.ip} does not lead into network {named.name}")
    network = named or ctx.s.get_one(Network, address.network_id)
    must_be_ready(ctx, network, service)
    if network.account_id != address.account_id or network.zone_id != address.zone_id:
        raise Refused(f"Address {address.ip} and network {network.name} are not of the same account and zone")
    if network.vpc_id != address.vpc_id:
        raise Refused(f"Address {address.ip} and network {network.name} are not of the same VPC")
    routers.want_again(ctx.s, network.group_id)
    address.network_id = network.id
    return network


def must_be_ready(ctx: Ctx, network: Network, service: str) -> None:
    """Refuse a network without a service, and one that is going away."""
    if network.state not in JOINABLE:
        raise Refused(f"Network {network.name} is {network.state.value}")
    offering = offering_of(ctx, network)
    if not offering.offers(service):
        raise Refused(f"Network {network.name} does not offer {service}: its offering is {offering.name}")


@dataclass(frozen=True)
class Target:
    """A NIC that a rule leads to, and which of its addresses."""

    nic: Nic
    ip: str


def target(ctx: Ctx, vm: Vm, network: Network, guest_ip: str | None = None) -> Target:
    """Return the NIC of a VM in a network.

    Raises:
        Denied: somebody else's VM.
        Refused: it is of another account, going away, or not in the network.
        BadParameter: the NIC does not have that address.
    """
    must_operate(ctx, vm)
    if vm.account_id != network.account_id and network.acl_type == "Account":
        raise Refused(f"VM {vm.name} and network {network.name} are not of the same account")
    if vm.state in GOING:
        raise Refused(f"VM {vm.name} is {vm.state.value}")
    nic = nic_in(ctx, vm, network)
    if guest_ip and guest_ip != nic.ip and guest_ip not in rules.addresses_of_nic(ctx.s, nic.id):
        raise BadParameter("vmguestip", f"VM {vm.name} does not have {guest_ip} in network {network.name}")
    return Target(nic, guest_ip or nic.ip)


def nic_in(ctx: Ctx, vm: Vm, network: Network) -> Nic:
    """Return the NIC of a VM in a network.

    Raises:
        Refused: it has none, or that comes or goes.
    """
    stmt = select(Nic).where(Nic.vm_id == vm.id, Nic.network_id == network.id, live(Nic))
    nic = ctx.s.scalars(stmt.order_by(Nic.device_id)).first()
    if nic is None:
        raise Refused(f"VM {vm.name} has no NIC in network {network.name}")
    if nic.state != NicState.ACTIVE:
        raise Refused(
            f"The NIC of VM {vm.name} in network {network.name} is {nic.state.value}; wait for that job"
        )
    return nic


@dataclass(frozen=True)
class Ports:
    """Ports of an address, both ends included."""

    protocol: Protocol
    first: int
    last: int

    def overlaps(self, other: Ports) -> bool:
        """Return whether a packet could be of both."""
        return self.protocol == other.protocol and self.first <= other.last and other.first <= self.last


def ports(protocol: str, first: int, last: int | None, name: str = "publicport") -> Ports:
    """Return a range of TCP or UDP ports.

    Raises:
        BadParameter: another protocol, or upside down.
    """
    kind = protocol_of(protocol, (Protocol.TCP, Protocol.UDP))
    end = first if last is None else last
    if not 1 <= first <= end <= LAST_PORT:
        raise BadParameter(name, f"{first} to {end} is no range of ports from 1 to {LAST_PORT}")
    return Ports(kind, first, end)


def icmp(name: str, number: int | None) -> int | None:
    """Return an ICMP type or code; -1 asks for all, as leaving it out.

    Raises:
        BadParameter: it is no such number.
    """
    if number is None or number == ANY_ICMP:
        return None
    if not 0 <= number <= 255:
        raise BadParameter(name, f"{number} is not between 0 and 255; -1 means all")
    return number


def protocol_of(text: str, allowed: Sequence[Protocol]) -> Protocol:
    """Return a protocol by its name, whatever its case.

    Raises:
        BadParameter: it is none of those.
    """
    found = next((p for p in allowed if p.value == text.strip().lower()), None)
    if found is None:
        raise BadParameter("protocol", f"{text[:20]!r} is none of {', '.join(p.value for p in allowed)}")
    return found


def cidrs(name: str, given: Iterable[str] | None) -> str:
    """Return CIDRs as rows keep them; empty: anywhere.

    Raises:
        BadParameter: one is no IPv4 CIDR.
    """
    found = []
    for text in given or ():
        try:
            found.append(str(ipaddress.IPv4Network(text.strip())))
        except ValueError:
            raise BadParameter(name, f"{text[:40]!r} is no IPv4 CIDR, such as 10.1.0.0/16") from None
    return "" if "0.0.0.0/0" in found else ",".join(dict.fromkeys(found))


def must_be_free(ctx: Ctx, address: PublicAddress, purpose: Purpose, wanted: Ports | None = None) -> None:
    """Refuse what clashes with the rules that an address has, those that are being deleted too.

    Raises:
        RuleConflict: overlapping ports; an address that stands for a VM; or (its network is not in conserve mode)
            an address that is used for something else.
    """
    used = list(_uses(ctx, address))
    purposes = {p for p, _, _ in used}
    if Purpose.STATIC_NAT in purposes and purpose != Purpose.STATIC_NAT:
        raise RuleConflict(f"Address {address.ip} stands for a VM by static NAT; it can have no other rules")
    if purpose == Purpose.STATIC_NAT and purposes - {Purpose.STATIC_NAT}:
        taken = ", ".join(sorted(purposes - {Purpose.STATIC_NAT}))
        raise RuleConflict(f"Address {address.ip} is used for {taken}; it cannot stand for a VM")
    network = ctx.s.get(Network, address.network_id) if address.network_id else None
    if network is not None and purposes - {purpose} and not offering_of(ctx, network).conserve_mode:
        taken = ", ".join(sorted(purposes - {purpose}))
        raise RuleConflict(
            f"Address {address.ip} is used for {taken}, and network {network.name} is not in conserve mode: "
            "acquire another address"
        )
    for _, there, uuid in used:
        if wanted and there and wanted.overlaps(there):
            raise RuleConflict(
                f"Ports {wanted.first} to {wanted.last} ({wanted.protocol.value}) of {address.ip} overlap "
                f"{there.first} to {there.last} of rule {uuid}"
            )


def _uses(ctx: Ctx, address: PublicAddress) -> Iterable[tuple[Purpose, Ports | None, str]]:
    """Give what an address is used for, with ports and the rule's uuid."""
    if address.source_nat:
        yield Purpose.SOURCE_NAT, None, ""
    if address.static_nat:
        yield Purpose.STATIC_NAT, None, ""
    for rule in forwarding.of_addresses(ctx.s, [address.id]):
        purpose = Purpose.STATIC_NAT if rule.static_nat else Purpose.FORWARDING
        yield purpose, Ports(rule.protocol, rule.first_port, rule.last_port), rule.uuid
    for balancer in balancers.of_addresses(ctx.s, [address.id]):
        kind = Protocol.UDP if balancer.protocol == "udp" else Protocol.TCP
        yield Purpose.BALANCING, Ports(kind, balancer.public_port, balancer.public_port), balancer.uuid


def apply(ctx: Ctx, network: Network, changed: Iterable[Any], about: Any) -> SagaRow:
    """Ask for rules to come into force, or to end, as their states say; the job is about one of them."""
    version = routers.want_again(ctx.s, network.group_id)
    ctx.s.flush()
    group_ids = (network.group_id,) if version and network.group_id else ()
    return APPLY_RULES.submit(ctx.s, ApplyRules(group_ids, tuple(map(ref, changed))), ctx.job(about))


def change(
    ctx: Ctx, served: Sequence[Network], changes: Iterable[Change], about: Any, ends: Iterable[Any] = ()
) -> SagaRow:
    """Ask for what rules say now to be obeyed by the routers of networks, in that order; some may end with it."""
    ctx.s.flush()
    group_ids = tuple(dict.fromkeys(n.group_id for n in served if n.group_id is not None))
    for group_id in group_ids:
        routers.want_again(ctx.s, group_id)
    return CHANGE_RULES.submit(
        ctx.s, ChangeRules(group_ids, tuple(changes), tuple(map(ref, ends))), ctx.job(about)
    )


def end(ctx: Ctx, row: Any) -> None:
    """Let a rule be one that is being deleted.

    Raises:
        Denied: somebody else's.
        Refused: it is being deleted already.
    """
    must_operate(ctx, row)
    if row.state == RuleState.REVOKE:
        raise Refused("The rule is being deleted already")
    row.state = RuleState.REVOKE


def must_be_active(row: Any) -> None:
    """Refuse to change a rule that is not in force yet, or going."""
    if row.state != RuleState.ACTIVE:
        raise Refused(f"The rule is {row.state.value}; only Active rules can be changed")
