"""The worlds of rules and public addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saga.law import Allowed, Case, case, first
from support.cloud import Cloud
from support.isolated import acquire, isolated, public_range, vm_in
from support.picture import Picture


def _address(cloud: Cloud) -> str:
    return first(cloud, "listPublicIpAddresses", "publicipaddress", issourcenat=False)


def _vm(cloud: Cloud) -> str:
    return first(cloud, "listVirtualMachines", "virtualmachine")


def address(cloud: Cloud) -> None:
    """Build Alice's isolated network with a running VM and an address."""
    cloud.ready_zone()
    public_range(cloud, last=14)
    alice = cloud.as_user()
    network = isolated(cloud, alice)
    vm_in(cloud, alice, network)
    acquire(cloud, alice, network)


def forwarded(cloud: Cloud) -> None:
    """Let ports of the address lead to the VM."""
    address(cloud)
    forward(cloud)
    cloud.settle()


def stands(cloud: Cloud) -> None:
    """Let the address stand for the VM, with a port open."""
    address(cloud)
    cloud.api("enableStaticNat", ipaddressid=_address(cloud), virtualmachineid=_vm(cloud))
    cloud.do("createIpForwardingRule", ipaddressid=_address(cloud), protocol="tcp", startport=22)


def balanced(cloud: Cloud) -> None:
    """Put the VM behind a load balancer, to which clients stick."""
    address(cloud)
    cloud.do("createLoadBalancerRule", name="web", algorithm="roundrobin", publicport=80, privateport=80,
             publicipid=_address(cloud))  # fmt: skip
    made = first(cloud, "listLoadBalancerRules", "loadbalancerrule")
    cloud.do("assignToLoadBalancerRule", id=made, virtualmachineids=_vm(cloud))
    cloud.do("createLBStickinessPolicy", lbruleid=made, name="s", methodname="LbCookie")


def elastic(cloud: Cloud) -> None:
    """Build a network whose VMs come with an address."""
    cloud.ready_zone()
    public_range(cloud, last=14)
    alice = cloud.as_user()
    vm_in(cloud, alice, isolated(cloud, alice, details='{"StaticNat": {"ElasticIp": "true"}}'))


def forward(cloud: Cloud) -> None:
    """Let ports of the address lead to the VM."""
    cloud.api("createPortForwardingRule", ipaddressid=_address(cloud), protocol="tcp", publicport=80, privateport=80,
              virtualmachineid=_vm(cloud))  # fmt: skip


def asks(command: str, of: Callable[[Cloud], str], wire: str = "id", **more: Any) -> Callable[[Cloud], None]:
    """Return the request of a command about one thing."""

    def request(cloud: Cloud) -> None:
        cloud.api(command, **{wire: of(cloud)}, **more)

    return request


def _forwarding(cloud: Cloud) -> str:
    return first(cloud, "listPortForwardingRules", "portforwardingrule")


def _balancer(cloud: Cloud) -> str:
    return first(cloud, "listLoadBalancerRules", "loadbalancerrule")


def _network(cloud: Cloud) -> str:
    return first(cloud, "listNetworks", "network", type="Isolated")


def _removed(before: Picture, after: Picture) -> None:
    for table in ("forwarding_rule", "firewall_rule", "balancer_member"):
        for key in set(after["db"][table]) - set(before["db"][table]):
            assert after["db"][table].pop(key)["removed_s"] is not None


GONE = Allowed("a rule that never came into force is kept for history, marked removed", _removed)

case(Case("rule.apply", address, forward, "create", (GONE,)))
case(Case("rule.apply", forwarded, asks("deletePortForwardingRule", _forwarding), "delete", (GONE,)))
case(Case("rule.apply", balanced, asks("deleteLoadBalancerRule", _balancer), "balancer", (GONE,)))
case(
    Case(
        "rule.change",
        forwarded,
        asks("updatePortForwardingRule", _forwarding, privateport=90),
        "forward",
    )
)
case(Case("rule.change", stands, asks("disableStaticNat", _address, "ipaddressid"), "static-nat"))
case(Case("address.hold", address, asks("associateIpAddress", _network, "networkid")))
case(Case("address.release", forwarded, asks("disassociateIpAddress", _address)))
case(Case("vm.destroy", forwarded, asks("destroyVirtualMachine", _vm, expunge=True), "with-rules"))
case(Case("vm.destroy", balanced, asks("destroyVirtualMachine", _vm, expunge=True), "balanced"))
case(Case("vm.destroy", elastic, asks("destroyVirtualMachine", _vm, expunge=True), "elastic"))
