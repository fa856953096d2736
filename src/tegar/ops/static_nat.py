"""Static NAT: a public address that stands for a VM; any address of the account, for any of its VMs."""

from __future__ import annotations

from tegar.kernel.errors import Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import RuleConflict
from tegar.model.rule import RuleState
from tegar.ops import rule as rules
from tegar.ops.ctx import Ctx
from tegar.saga.rule_change import write
from tegar.store import networks as nets
from tegar.store import routers
from tegar.store.addresses import PublicAddress
from tegar.store.networks import Network
from tegar.store.rules import of_address
from tegar.store.vms import Vm


def enable(ctx: Ctx, address: PublicAddress, vm: Vm, named: Network | None, guest_ip: str | None) -> SagaRow:
    """Ask for an address to stand for a VM; it moves to the VM's network when it leads elsewhere.

    Raises:
        Refused: the VM is not in the network, or that does not offer static NAT, or guests go out by the address.
        RuleConflict: the address stands for a VM already, or has rules; or the VM has an address of its own.
    """
    rules.held(ctx, address)
    network = named or _network_of(ctx, address, vm)
    rules.must_be_ready(ctx, network, "StaticNat")
    old = ctx.s.get(Network, address.network_id) if address.network_id else None
    for served in sorted({n.group_id for n in (old, network) if n and n.group_id}):
        routers.want_again(ctx.s, served)
    if address.source_nat:
        raise Refused(f"Guests go out by address {address.ip}; it cannot stand for one VM")
    if address.static_nat:
        raise RuleConflict(f"Address {address.ip} stands for a VM already; disable that first")
    rules.must_be_free(ctx, address, rules.Purpose.STATIC_NAT)
    if old is not None and old.id != network.id and of_address(ctx.s, address.id):
        raise RuleConflict(f"Address {address.ip} has rules into network {old.name}; delete them first")
    if network.vpc_id != address.vpc_id and (network.vpc_id or address.vpc_id):
        raise Refused(f"Address {address.ip} and network {network.name} are not of the same VPC")
    if network.account_id != address.account_id or network.zone_id != address.zone_id:
        raise Refused(f"Address {address.ip} and network {network.name} are not of the same account and zone")
    to = rules.target(ctx, vm, network, guest_ip)
    _must_be_alone(ctx, to)
    after = {"static_nat": True, "nic_id": to.nic.id, "guest_ip": to.ip, "network_id": network.id}
    ctx.note("STATICNAT.ENABLE", f"Address {address.ip} stands for VM {vm.name}", address, state="Started")
    served_now = [n for n in (old, network) if n is not None]
    return rules.change(ctx, served_now, [write(address, "address", **after)], address)


def _network_of(ctx: Ctx, address: PublicAddress, vm: Vm) -> Network:
    """Return the network in which a VM is meant: the address's, if the VM is in it, else that of its default NIC."""
    nics = nets.nics_of(ctx.s, vm.id)
    there = next((n for n in nics if n.network_id == address.network_id), None)
    chosen = there or next((n for n in nics if n.is_default), None)
    if chosen is None:
        raise Refused(f"VM {vm.name} has no NIC")
    return ctx.s.get_one(Network, chosen.network_id)


def _must_be_alone(ctx: Ctx, to: rules.Target) -> None:
    """Refuse a second address for one guest address: it could not know by which to answer."""
    for other in ctx.s.query(PublicAddress).filter_by(nic_id=to.nic.id, guest_ip=to.ip, static_nat=True):
        raise RuleConflict(f"Address {other.ip} stands for {to.ip} of that VM already")


def disable(ctx: Ctx, address: PublicAddress) -> SagaRow:
    """Ask for an address to stand for nobody; its rules end with it.

    Raises:
        Refused: it stands for none, or came with its VM.
    """
    rules.held(ctx, address)
    if not address.static_nat:
        raise Refused(f"Address {address.ip} stands for no VM")
    if address.elastic:
        raise Refused(f"Address {address.ip} came with its VM and goes with it")
    network = ctx.s.get_one(Network, address.network_id)
    routers.want_again(ctx.s, network.group_id)
    changes = [write(address, "address", static_nat=False, nic_id=None, guest_ip=None)]
    ends = [row for row in of_address(ctx.s, address.id) if row.state != RuleState.REVOKE]
    for row in ends:
        row.state = RuleState.REVOKE
    ctx.note("STATICNAT.DISABLE", f"Address {address.ip} stands for no VM", address, state="Started")
    return rules.change(ctx, [network], changes, address, ends)
