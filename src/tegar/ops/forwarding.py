"""Port forwarding, and the ports of addresses that stand for a VM."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.rule import RuleState
from tegar.ops import firewall
from tegar.ops import rule as rules
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.saga.rule_change import write
from tegar.store.addresses import PublicAddress
from tegar.store.firewall import FirewallRule
from tegar.store.forwarding import ForwardingRule
from tegar.store.networks import Network, Nic
from tegar.store.vms import Vm


@dataclass(frozen=True)
class Wish:
    """What a rule shall do: public ports to private ones (as many), from CIDRs (None: anywhere)."""

    public: rules.Ports
    private_first: int
    private_last: int | None
    sources: list[str] | None = None
    open_firewall: bool | None = None
    shown: bool = True


def private_span(public: rules.Ports, first: int, last: int | None) -> tuple[int, int]:
    """Return the private ports of public ones.

    Raises:
        BadParameter: there are not as many, or no such ports.
    """
    end = first + (public.last - public.first) if last is None else last
    if end - first != public.last - public.first:
        raise BadParameter("privateendport", "the public and the private range must be as long")
    if not 1 <= first <= end <= rules.LAST_PORT:
        raise BadParameter(
            "privateport", f"{first} to {end} is no range of ports from 1 to {rules.LAST_PORT}"
        )
    return first, end


def forward(
    ctx: Ctx, address: PublicAddress, vm: Vm, named: Network | None, wish: Wish, guest_ip: str | None
) -> SagaRow:
    """Ask for ports of an address to lead to a VM.

    Raises:
        Refused: the VM is not in the address's network, or that does not offer port forwarding.
        RuleConflict: another rule has some of the ports.
    """
    rules.held(ctx, address)
    network = rules.network_for(ctx, address, named, "PortForwarding")
    to = rules.target(ctx, vm, network, guest_ip)
    first, last = private_span(wish.public, wish.private_first, wish.private_last)
    rules.must_be_free(ctx, address, rules.Purpose.FORWARDING, wish.public)
    row = _row(address, network, to, wish.public, rules.cidrs("cidrlist", wish.sources))
    row.to_first_port, row.to_last_port, row.shown = first, last, wish.shown
    ctx.s.add(row)
    made = _open(ctx, address, network, row, wish.public, wish.open_firewall)
    ctx.note("NET.RULEADD", f"Forwarding ports of {address.ip} to VM {vm.name}", row, state="Started")
    return rules.apply(ctx, network, [row, *made], row)


def _row(
    address: PublicAddress, network: Network, to: rules.Target, public: rules.Ports, cidrs: str
) -> ForwardingRule:
    assert address.account_id is not None
    assert address.domain_id is not None
    return ForwardingRule(
        account_id=address.account_id,
        domain_id=address.domain_id,
        network_id=network.id,
        address_id=address.id,
        protocol=public.protocol,
        first_port=public.first,
        last_port=public.last,
        to_first_port=public.first,
        to_last_port=public.last,
        nic_id=to.nic.id,
        guest_ip=to.ip,
        cidrs=cidrs,
    )


def _open(
    ctx: Ctx,
    address: PublicAddress,
    network: Network,
    row: ForwardingRule,
    public: rules.Ports,
    wanted: bool | None,
) -> list[FirewallRule]:
    """Open the firewall for a rule, unless the caller will not have it; tiers of a VPC have none."""
    if network.vpc_id is not None and wanted:
        raise Refused("openfirewall is not for tiers of a VPC: use network ACLs")
    if wanted is False or network.vpc_id is not None:
        return []
    opening = firewall.for_ports(ctx, address, network, public, row.cidrs)
    row.opening_id = opening.id if opening else None
    return [opening] if opening else []


def move(
    ctx: Ctx,
    row: ForwardingRule,
    *,
    private_first: int | None,
    private_last: int | None,
    vm: Vm | None,
    guest_ip: str | None,
    sources: list[str] | None,
    shown: bool | None,
) -> SagaRow:
    """Ask for a rule to lead to other ports, another VM or from elsewhere.

    Raises:
        Refused: the rule is not Active, or the VM not in its network.
    """
    must_operate(ctx, row)
    rules.must_be_active(row)
    network = ctx.s.get_one(Network, row.network_id)
    public = rules.Ports(row.protocol, row.first_port, row.last_port)
    after: dict[str, object] = {}
    if private_first is not None or private_last is not None:
        first, last = private_span(public, private_first or row.to_first_port, private_last)
        after |= {"to_first_port": first, "to_last_port": last}
    if vm is not None or guest_ip:
        vm = vm or ctx.s.get_one(Vm, ctx.s.get_one(Nic, row.nic_id).vm_id)
        to = rules.target(ctx, vm, network, guest_ip)
        after |= {"nic_id": to.nic.id, "guest_ip": to.ip}
    if sources is not None:
        after["cidrs"] = rules.cidrs("cidrlist", sources)
    if shown is not None:
        row.shown = shown
    ctx.note("NET.RULEMODIFY", f"Changing rule {row.uuid}", row, state="Started")
    return rules.change(ctx, [network], [write(row, "forward", **after)], row)


def remove(ctx: Ctx, row: ForwardingRule, *, static_nat: bool) -> SagaRow:
    """Ask for a rule to end, with what was opened for it.

    Raises:
        Refused: it is being deleted already, or of the other kind.
    """
    if row.static_nat != static_nat:
        other = "deletePortForwardingRule" if static_nat else "deleteIpForwardingRule"
        raise Refused(f"Rule {row.uuid} is of another kind: see {other}")
    rules.end(ctx, row)
    network = ctx.s.get_one(Network, row.network_id)
    ctx.note("NET.RULEDELETE", f"Deleting rule {row.uuid}", row, state="Started")
    return rules.apply(ctx, network, [row, *firewall.opening_of(ctx, row.opening_id)], row)


def open_ports(
    ctx: Ctx, address: PublicAddress, public: rules.Ports, sources: list[str] | None, *, open_firewall: bool
) -> SagaRow:
    """Ask for ports of an address that stands for a VM to be open.

    Raises:
        Refused: it stands for none.
        RuleConflict: another rule has some of the ports.
    """
    rules.held(ctx, address)
    if not address.static_nat or address.nic_id is None:
        raise Refused(f"Address {address.ip} stands for no VM: see enableStaticNat")
    network = rules.network_for(ctx, address, None, "StaticNat")
    rules.must_be_free(ctx, address, rules.Purpose.STATIC_NAT, public)
    to = rules.Target(ctx.s.get_one(Nic, address.nic_id), address.guest_ip or "")
    row = _row(address, network, to, public, rules.cidrs("cidrlist", sources))
    row.static_nat, row.state = True, RuleState.ADD
    ctx.s.add(row)
    made = _open(ctx, address, network, row, public, open_firewall)
    ctx.note("NET.IPFORWARDING.RULEADD", f"Opening ports of {address.ip}", row, state="Started")
    return rules.apply(ctx, network, [row, *made], row)
