"""The worlds of security groups."""

from __future__ import annotations

from saga.law import Allowed, Case, case, first
from support.cloud import Cloud
from support.grouped import guarded, guarded_zone, guest
from support.picture import Picture


def _group(cloud: Cloud) -> str:
    return first(cloud, "listSecurityGroups", "securitygroup", securitygroupname="web")


def members(cloud: Cloud) -> None:
    """Build a network with a VM of Alice's group on each host, which lets the other one in."""
    guarded_zone(cloud, memory_bytes=3 << 30)
    network, alice = guarded(cloud), cloud.as_user()
    alice.api("createSecurityGroup", name="web")
    for name in ("a", "b"):
        guest(cloud, alice, network, name, securitygroupnames="web")
    alice.do("authorizeSecurityGroupIngress", securitygroupname="web",
             **{"usersecuritygrouplist[0].account": "alice", "usersecuritygrouplist[0].group": "web"})  # fmt: skip


def authorize(cloud: Cloud) -> None:
    """Let the world in."""
    cloud.api("authorizeSecurityGroupIngress", securitygroupid=_group(cloud), protocol="tcp", startport=80, endport=80,
              cidrlist="0.0.0.0/0,10.0.0.0/8")  # fmt: skip


def revoke(cloud: Cloud) -> None:
    """Let the other member in no more."""
    (group,) = cloud.api("listSecurityGroups", id=_group(cloud))["securitygroup"]
    cloud.api("revokeSecurityGroupIngress", id=group["ingressrule"][0]["ruleid"])


def _vm(cloud: Cloud) -> str:
    return first(cloud, "listVirtualMachines", "virtualmachine", name="a")


def destroy(cloud: Cloud) -> None:
    """Leave nothing of a member."""
    cloud.api("destroyVirtualMachine", id=_vm(cloud), expunge=True)


def migrate(cloud: Cloud) -> None:
    """Move a member."""
    cloud.api("migrateVirtualMachine", virtualmachineid=_vm(cloud))


def _nic(cloud: Cloud) -> str:
    return first(cloud, "listNics", "nic", virtualmachineid=_vm(cloud))


def second_address(cloud: Cloud) -> None:
    """Give a member a secondary address, which the other one lets in too."""
    cloud.api("addIpToNic", nicid=_nic(cloud))


def with_second_address(cloud: Cloud) -> None:
    """Build the two, one of which has a secondary address."""
    members(cloud)
    cloud.do("addIpToNic", nicid=_nic(cloud))


def no_second_address(cloud: Cloud) -> None:
    """Take it away again."""
    (nic,) = cloud.api("listNics", virtualmachineid=_vm(cloud))["nic"]
    cloud.api("removeIpFromNic", id=nic["secondaryip"][0]["id"])


def with_one_stopped(cloud: Cloud) -> None:
    """Let one of the two be stopped."""
    members(cloud)
    cloud.do("stopVirtualMachine", id=_vm(cloud))


def renumber(cloud: Cloud) -> None:
    """Give it another address."""
    cloud.api("updateVmNicIp", nicid=_nic(cloud))


def _removed(before: Picture, after: Picture) -> None:
    for table in ("security_rule", "nic_address"):
        for key in set(after["db"][table]) - set(before["db"][table]):
            assert after["db"][table].pop(key)["removed_s"] is not None


GONE = Allowed("a rule or an address that never came is kept for history, marked removed", _removed)

case(Case("security.apply", members, authorize, "authorize", (GONE,)))
case(Case("security.apply", members, revoke, "revoke", (GONE,)))
case(Case("vm.destroy", members, destroy, "in-groups"))
case(Case("vm.migrate", members, migrate, "in-groups"))
case(Case("nic.address.add", members, second_address, "in-groups", (GONE,)))
case(Case("nic.address.remove", with_second_address, no_second_address, "in-groups"))
case(Case("nic.renumber", with_one_stopped, renumber, "in-groups"))
