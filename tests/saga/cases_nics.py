"""The worlds of NICs that come and go, and of their secondary addresses."""

from __future__ import annotations

from collections.abc import Callable

from saga.law import Allowed, Case, case, first
from support.cloud import Cloud
from support.isolated import isolated, public_range, vm_in
from support.picture import Picture

ELASTIC = '{"StaticNat": {"ElasticIp": "true"}}'


def _vm(cloud: Cloud) -> str:
    return first(cloud, "listVirtualMachines", "virtualmachine", name="web")


def _network(cloud: Cloud) -> str:
    return first(cloud, "listNetworks", "network", keyword="second")


def _nic(cloud: Cloud) -> str:
    return first(cloud, "listNics", "nic", virtualmachineid=_vm(cloud), networkid=_network(cloud))


def _address(cloud: Cloud) -> str:
    found: str = cloud.api("listNics", virtualmachineid=_vm(cloud), nicid=_nic(cloud))["nic"][0][
        "secondaryip"
    ][0]["id"]
    return found


def apart(cloud: Cloud, details: str = "") -> None:
    """Build Alice's VM in one network, and another VM in a second one, which is up."""
    cloud.ready_zone()
    public_range(cloud, last=14)
    alice = cloud.as_user()
    vm_in(cloud, alice, isolated(cloud, alice))
    vm_in(cloud, alice, isolated(cloud, alice, "second", details=details), "other")


def apart_elastic(cloud: Cloud) -> None:
    """Let the second network give each NIC an address."""
    apart(cloud, ELASTIC)


def apart_stopped(cloud: Cloud) -> None:
    """Let the VM be stopped."""
    apart(cloud)
    cloud.do("stopVirtualMachine", id=_vm(cloud))


def joined(cloud: Cloud) -> None:
    """Let the VM be in both."""
    apart(cloud)
    add(cloud)
    cloud.settle()


def joined_elastic(cloud: Cloud) -> None:
    """Let it have an address that came with the second NIC."""
    apart_elastic(cloud)
    add(cloud)
    cloud.settle()


def secondary(cloud: Cloud) -> None:
    """Let the second NIC have a secondary address."""
    joined(cloud)
    cloud.do("addIpToNic", nicid=_nic(cloud))


def add(cloud: Cloud) -> None:
    """Add the NIC in the second network."""
    cloud.api("addNicToVirtualMachine", virtualmachineid=_vm(cloud), networkid=_network(cloud))


def of_nic(command: str) -> Callable[[Cloud], None]:
    """Return a request about the second NIC of the VM."""

    def request(cloud: Cloud) -> None:
        cloud.api(command, virtualmachineid=_vm(cloud), nicid=_nic(cloud))

    return request


def add_address(cloud: Cloud) -> None:
    """Give the NIC an address more."""
    cloud.api("addIpToNic", nicid=_nic(cloud))


def remove_address(cloud: Cloud) -> None:
    """Give the NIC an address less."""
    cloud.api("removeIpFromNic", id=_address(cloud))


def _removed(before: Picture, after: Picture) -> None:
    for table in ("nic", "nic_address"):
        for key in set(after["db"][table]) - set(before["db"][table]):
            assert after["db"][table].pop(key)["removed_s"] is not None


GONE = Allowed("a NIC or an address that never came is kept for history, marked removed", _removed)

case(Case("vm.nic.add", apart, add, "running", (GONE,)))
case(Case("vm.nic.add", apart_elastic, add, "elastic", (GONE,)))
case(Case("vm.nic.add", apart_stopped, add, "stopped", (GONE,)))
case(Case("vm.nic.remove", secondary, of_nic("removeNicFromVirtualMachine"), "running"))
case(Case("vm.nic.remove", joined_elastic, of_nic("removeNicFromVirtualMachine"), "elastic"))
case(Case("rule.change", joined, of_nic("updateDefaultNicForVirtualMachine"), "default-nic"))
case(Case("nic.address.add", joined, add_address, allowed=(GONE,)))
case(Case("nic.address.remove", secondary, remove_address))
