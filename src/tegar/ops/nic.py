"""NICs of virtual machines: one more, one less, which is the default, and their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import Denied, Exists, OutOfAddresses
from tegar.model.network import JOINABLE, NicState
from tegar.model.rule import RuleState
from tegar.model.vm import State as VmState
from tegar.ops import elastic, security_group
from tegar.ops import rule as rules
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.saga.nic_add import ADD_NIC, AddNic
from tegar.saga.nic_address import ADD_ADDRESS, REMOVE_ADDRESS, ChangeAddress
from tegar.saga.nic_remove import REMOVE_NIC, RemoveNic
from tegar.saga.nic_renumber import RENUMBER_NIC, RenumberNic
from tegar.saga.rule_change import write
from tegar.store import networks, nic_addresses, routers
from tegar.store.accounts import Account
from tegar.store.addresses import PublicAddress, State
from tegar.store.networks import Network, Nic
from tegar.store.nic_addresses import NicAddress
from tegar.store.rules import lead_to_ip
from tegar.store.vms import Vm
from tegar.store.zones import Zone

MAX_NICS = 8  # as many as fit beside the disks
MAX_SECONDARY = 256  # addresses of one NIC


@dataclass(frozen=True)
class NicWish:
    """A NIC in a network, with the address and MAC wanted (empty: any)."""

    network: Network
    ip: str = ""
    mac: str = ""


def must_fit(want: NicWish, owner: Account, zone: Zone) -> None:
    """Refuse a network that is not the owner's to use, elsewhere or going away, and an address that none can have.

    Raises:
        Denied: it is somebody else's.
        Refused: it makes no sense.
    """
    network = want.network
    if network.zone_id != zone.id:
        raise Refused(f"Network {network.name} is not in zone {zone.name}")
    if network.state not in JOINABLE:
        raise Refused(f"Network {network.name} is being deleted")
    if network.acl_type == "Account" and network.account_id != owner.id:
        raise Denied(f"Network {network.name} is not of account {owner.name}")
    if want.ip and network.guest_type == "L2":
        raise Refused(f"Network {network.name} is an L2 network, which has no addresses")
    if want.ip and want.ip == network.gateway:
        raise Refused(f"{want.ip} is the gateway of network {network.name}")


def give(ctx: Ctx, vm: Vm, want: NicWish, *, device_id: int, is_default: bool, state: NicState) -> Nic:
    """Make a NIC with its address, and the public address that comes with it, if one does.

    Raises:
        Exists: another VM in the network, or another NIC, has the name or the MAC.
        Refused: the address that was named is not free.
        OutOfAddresses: the network has none left.
    """
    network = want.network
    routers.want_again(ctx.s, network.group_id)  # first: who deploys into this network now comes after us
    taken = select(Vm.id).join(Nic, Nic.vm_id == Vm.id)
    taken = taken.where(Nic.network_id == network.id, live(Nic), Vm.name == vm.name, Vm.id != vm.id)
    if ctx.s.scalars(taken.limit(1)).first():
        raise Exists("VM in the network", vm.name)
    same = select(Nic.id).where(Nic.network_id == network.id, Nic.mac == want.mac, live(Nic))
    if want.mac and ctx.s.scalars(same.limit(1)).first():
        raise Exists(f"NIC in network {network.name}", want.mac)
    nic = Nic(
        vm_id=vm.id,
        network_id=network.id,
        mac="",
        ip="",
        device_id=device_id,
        is_default=is_default,
        state=state,
    )
    ctx.s.add(nic)
    ctx.s.flush()
    nic.mac = want.mac or networks.mac_of(nic.id)
    if network.guest_type != "L2":
        nic.ip = _take(ctx, network, nic, want.ip)
        elastic.join(ctx, network, nic)
    return nic


def _take(ctx: Ctx, network: Network, nic: Nic, want_ip: str) -> str:
    ip = networks.take_address(ctx.s, network.id, nic.id, want_ip)
    if ip is None and want_ip:
        raise Refused(f"Address {want_ip} of network {network.name} is taken or not in its ranges")
    if ip is None:
        raise OutOfAddresses(network.name)
    return ip


def add(ctx: Ctx, vm: Vm, want: NicWish) -> SagaRow:
    """Ask for a VM to have one NIC more.

    Raises:
        Denied: the VM, or the network, is somebody else's.
        Refused: the VM is neither Running nor Stopped, is in the network already, or has as many NICs as it can.
        Exists, OutOfAddresses: as ``give`` says.
    """
    _settled(ctx, vm)
    owner = ctx.s.get_one(Account, vm.account_id)
    must_fit(want, owner, ctx.s.get_one(Zone, vm.zone_id))
    has = networks.nics_of(ctx.s, vm.id)
    if any(nic.network_id == want.network.id for nic in has):
        raise Refused(f"VM {vm.name} has a NIC in network {want.network.name} already")
    taken = {nic.device_id for nic in has}
    device_id = next((i for i in range(MAX_NICS) if i not in taken), None)
    if device_id is None:
        raise Refused(f"VM {vm.name} has {MAX_NICS} NICs, which is the most")
    security_group.must_join(ctx, vm, owner, want.network)
    nic = give(ctx, vm, want, device_id=device_id, is_default=not has, state=NicState.ADDING)
    _meet(ctx, vm)
    ctx.note(
        "NIC.CREATE", f"Adding a NIC in network {want.network.name} to VM {vm.name}", vm, state="Started"
    )
    return ADD_NIC.submit(ctx.s, AddNic(nic.id, vm.id), ctx.job(vm))


def _settled(ctx: Ctx, vm: Vm) -> None:
    """Refuse a VM that is somebody else's or on its way."""
    must_operate(ctx, vm)
    if vm.state not in (VmState.RUNNING, VmState.STOPPED):
        raise Refused(f"VM {vm.name} is {vm.state.value}; it must be Running or Stopped")


def _meet(ctx: Ctx, vm: Vm) -> None:
    """Make two requests about one VM's NICs at the same moment meet: the later one is run again and sees the first."""
    vm.updated_s = ctx.now_s
    ctx.s.flush()


def _mine(ctx: Ctx, vm: Vm, nic: Nic) -> Network:
    """Return the network of a NIC that is settled, on a VM that is.

    Raises:
        Refused: the NIC is not that VM's, or comes or goes.
    """
    _settled(ctx, vm)
    if nic.vm_id != vm.id:
        raise Refused(f"NIC {nic.uuid} is not of VM {vm.name}")
    if nic.state != NicState.ACTIVE:
        raise Refused(f"NIC {nic.uuid} is {nic.state.value}; wait for that job")
    return ctx.s.get_one(Network, nic.network_id)


def remove(ctx: Ctx, vm: Vm, nic: Nic) -> SagaRow:
    """Ask for a VM to have one NIC less.

    Raises:
        Refused: it is the default one, something leads to it, or it comes or goes already.
    """
    network = _mine(ctx, vm, nic)
    if nic.is_default:
        raise Refused(f"NIC {nic.uuid} is the default one of VM {vm.name} and cannot be removed")
    routers.want_again(ctx.s, network.group_id)  # rules to it that are made now come after us
    secondary = _secondary(ctx, nic)
    for ip in (nic.ip, *(row.ip for row in secondary)):
        _must_be_free_of_rules(ctx, nic, ip)
    for row in secondary:
        if row.state != RuleState.ACTIVE:
            raise Refused(f"Address {row.ip} of NIC {nic.uuid} is {row.state.value}; wait for that job")
    nic.state = NicState.REMOVING
    for address in _came_with(ctx, nic):
        address.state = State.RELEASING
    _meet(ctx, vm)
    ctx.note("NIC.DELETE", f"Removing the NIC in network {network.name} of VM {vm.name}", vm, state="Started")
    return REMOVE_NIC.submit(ctx.s, RemoveNic(nic.id, vm.id), ctx.job(vm))


def _came_with(ctx: Ctx, nic: Nic) -> Sequence[PublicAddress]:
    row = PublicAddress
    stmt = select(row).where(row.nic_id == nic.id, row.elastic, row.state == State.ALLOCATED, live(row))
    return ctx.s.scalars(stmt).all()


def _must_be_free_of_rules(ctx: Ctx, nic: Nic, ip: str) -> None:
    if lead_to_ip(ctx.s, nic, ip):
        raise Refused(
            f"Port forwarding, load balancing or static NAT leads to {ip or nic.mac} of NIC {nic.uuid}: end that first"
        )


def make_default(ctx: Ctx, vm: Vm, nic: Nic) -> SagaRow:
    """Ask for a NIC to be the default one: the guest has its default route and its names by that network.

    Raises:
        Refused: it is already.
    """
    network = _mine(ctx, vm, nic)
    if nic.is_default:
        raise Refused(f"NIC {nic.uuid} is the default one of VM {vm.name} already")
    before = [it for it in networks.nics_of(ctx.s, vm.id) if it.is_default]
    served = [network, *(ctx.s.get_one(Network, it.network_id) for it in before)]
    changes = [write(it, "nic", is_default=False) for it in before]
    changes.append(write(nic, "nic", is_default=True))
    _meet(ctx, vm)
    ctx.note(
        "NIC.UPDATE", f"VM {vm.name} has its default route by network {network.name}", vm, state="Started"
    )
    return rules.change(ctx, served, changes, vm)


def _vm_of(ctx: Ctx, nic: Nic) -> Vm:
    if nic.vm_id is None:
        raise Refused(f"NIC {nic.uuid} is not of a VM")
    return ctx.s.get_one(Vm, nic.vm_id)


def _secondary(ctx: Ctx, nic: Nic) -> list[NicAddress]:
    return nic_addresses.of_nics(ctx.s, [nic.id]).get(nic.id, [])


def add_address(ctx: Ctx, nic: Nic, want_ip: str) -> SagaRow:
    """Ask for a NIC to have one address more (that one, if named).

    Raises:
        Refused: its network has no addresses, that one is not free, or the NIC has as many as it can.
        OutOfAddresses: the network has none left.
    """
    vm = _vm_of(ctx, nic)
    network = _mine(ctx, vm, nic)
    must_fit(
        NicWish(network, want_ip), ctx.s.get_one(Account, vm.account_id), ctx.s.get_one(Zone, vm.zone_id)
    )
    if network.guest_type == "L2":
        raise Refused(f"Network {network.name} is an L2 network, which has no addresses")
    if len(_secondary(ctx, nic)) >= MAX_SECONDARY:
        raise Refused(f"NIC {nic.uuid} has {MAX_SECONDARY} secondary addresses, which is the most")
    routers.want_again(ctx.s, network.group_id)  # who takes an address now comes after us
    row = NicAddress(nic_id=nic.id, ip=_take(ctx, network, nic, want_ip))
    ctx.s.add(row)
    _meet(ctx, vm)
    ctx.note("NIC.SECONDARY.IP.ASSIGN", f"Address {row.ip} more for VM {vm.name}", row, state="Started")
    return ADD_ADDRESS.submit(ctx.s, ChangeAddress(row.id, vm.id), ctx.job(row))


def remove_address(ctx: Ctx, row: NicAddress) -> SagaRow:
    """Ask for a NIC to have one address less.

    Raises:
        Refused: something leads to it, or it comes or goes already.
    """
    nic = ctx.s.get_one(Nic, row.nic_id)
    vm = _vm_of(ctx, nic)
    network = _mine(ctx, vm, nic)
    if row.state != RuleState.ACTIVE:
        raise Refused(f"Address {row.ip} is {row.state.value}; wait for that job")
    routers.want_again(ctx.s, network.group_id)  # rules to it that are made now come after us
    _must_be_free_of_rules(ctx, nic, row.ip)
    row.state = RuleState.REVOKE
    _meet(ctx, vm)
    ctx.note("NIC.SECONDARY.IP.UNASSIGN", f"Address {row.ip} less for VM {vm.name}", row, state="Started")
    return REMOVE_ADDRESS.submit(ctx.s, ChangeAddress(row.id, vm.id), ctx.job(row))


def change_address(ctx: Ctx, nic: Nic, want_ip: str) -> SagaRow:
    """Give a NIC of a stopped VM another address (that one, if named); the job gives the old one back.

    Raises:
        Refused: the VM is not Stopped, something leads to the address, or the wanted one is not free.
        OutOfAddresses: the network has no other.
    """
    vm = _vm_of(ctx, nic)
    network = _mine(ctx, vm, nic)
    if vm.state != VmState.STOPPED:
        raise Refused(f"VM {vm.name} is {vm.state.value}; stop it before a NIC gets another address")
    must_fit(
        NicWish(network, want_ip), ctx.s.get_one(Account, vm.account_id), ctx.s.get_one(Zone, vm.zone_id)
    )
    if network.guest_type == "L2":
        raise Refused(f"Network {network.name} is an L2 network, which has no addresses")
    routers.want_again(ctx.s, network.group_id)
    _must_be_free_of_rules(ctx, nic, nic.ip)
    before, nic.ip = nic.ip, _take(ctx, network, nic, want_ip)
    for address in _came_with(ctx, nic):
        address.guest_ip = nic.ip
    _meet(ctx, vm)
    ctx.note("NIC.UPDATE", f"VM {vm.name} has {nic.ip} instead of {before} in network {network.name}", vm)
    return RENUMBER_NIC.submit(ctx.s, RenumberNic(nic.id, vm.id, before), ctx.job(vm))
