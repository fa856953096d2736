"""What the NICs of VMs may send and receive: the rules of their security groups, with addresses in place of groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.network import PLUGGED
from tegar.model.rule import Match
from tegar.model.spec import NicFilter, SecurityRules
from tegar.model.vm import State
from tegar.store import nic_addresses, security_groups
from tegar.store.networks import Network, Nic
from tegar.store.security_groups import SecurityMember, SecurityRule
from tegar.store.vms import Vm

GOING = (State.EXPUNGING, State.EXPUNGED)
Members = dict[int, list[tuple[str, Network]]]
Reaching = Callable[[int, int], tuple[str, ...]]  # the addresses of a group's members on a network


def of(s: Session, nics: Sequence[Nic]) -> dict[int, NicFilter]:
    """Return the filters of VMs' NICs by their ids; a fixed number of queries.

    A NIC in a network with security groups lets nothing in that no group of its VM lets in, also when there is none.
    """
    vm_ids = {nic.vm_id for nic in nics if nic.vm_id is not None}
    versions = security_groups.wanted(s, vm_ids)
    groups = security_groups.groups_of(s, vm_ids)
    rules = security_groups.rules(s, {group_id for some in groups.values() for group_id in some})
    named = {rule.other_id for some in rules.values() for rule in some if rule.other_id is not None}
    known = _members(s, named) if named else {}
    guarded = security_groups.guarded(s, {nic.network_id for nic in nics})
    nets = {network.id: network for network in s.scalars(select(Network).where(Network.id.in_(guarded)))}
    more = nic_addresses.of_nics(s, [nic.id for nic in nics])
    reaching = cache(lambda group_id, network_id: _reaching(known.get(group_id, ()), nets[network_id]))
    found = {}
    for nic in nics:
        vm_id = nic.vm_id or 0
        mine = [rule for group_id in groups[vm_id] for rule in rules[group_id]]
        judged = _rules(mine, nic.network_id, reaching) if nic.network_id in nets else None
        ips = nic_addresses.usable(more.get(nic.id, ()))
        found[nic.id] = NicFilter(ips=ips, groups=judged, version=versions.get(vm_id, 0))
    return found


def _members(s: Session, group_ids: Collection[int]) -> Members:
    """Return all addresses of the VMs in groups, with their networks: those that have security groups.

    A VM that is stopped counts: its addresses are its own until it is expunged, and nobody else can send as them.
    """
    stmt = (
        select(SecurityMember.group_id, Nic, Network)
        .join(Vm, Vm.id == SecurityMember.vm_id)
        .join(Nic, Nic.vm_id == Vm.id)
        .join(Network, Network.id == Nic.network_id)
        .where(SecurityMember.group_id.in_(group_ids), Vm.state.not_in(GOING), live(Nic), Nic.ip != "")
        .where(Nic.state.in_(PLUGGED))
        .order_by(Nic.id)
    )
    rows = [(group_id, nic, network) for group_id, nic, network in s.execute(stmt)]
    guarded = security_groups.guarded(s, {network.id for _, _, network in rows})
    more = nic_addresses.of_nics(s, {nic.id for _, nic, _ in rows})
    found: Members = defaultdict(list)
    for group_id, nic, network in rows:
        if network.id in guarded:
            ips = (nic.ip, *nic_addresses.usable(more.get(nic.id, ())))
            found[group_id] += [(ip, network) for ip in ips]
    return found


def _rules(rules: Iterable[SecurityRule], network_id: int, reaching: Reaching) -> SecurityRules:
    ingress: list[Match] = []
    egress: list[Match] = []
    for rule in rules:
        cidrs = (rule.cidr,) if rule.other_id is None else reaching(rule.other_id, network_id)
        if not cidrs:  # a group without members is nobody; no CIDR at all would be everybody
            if not rule.inbound:
                egress.append(_match(rule, ("0.0.0.0/32",)))
            continue
        (ingress if rule.inbound else egress).append(_match(rule, cidrs))
    return SecurityRules(tuple(ingress), tuple(egress))


def _reaching(members: Sequence[tuple[str, Network]], network: Network) -> tuple[str, ...]:
    """Return addresses that mean those members on a network: another network may have the same for others."""
    within = IPv4Network(network.cidr)
    ips = {
        ip
        for ip, home in members
        if home.id == network.id or (home.zone_id == network.zone_id and IPv4Address(ip) not in within)
    }
    return tuple(f"{ip}/32" for ip in sorted(ips))


def _match(rule: SecurityRule, cidrs: tuple[str, ...]) -> Match:
    return Match(
        protocol=rule.protocol,
        sources=cidrs if rule.inbound else (),
        destinations=() if rule.inbound else cidrs,
        first_port=rule.first_port,
        last_port=rule.last_port,
        icmp_type=rule.icmp_type,
        icmp_code=rule.icmp_code,
        number=rule.number,
    )
