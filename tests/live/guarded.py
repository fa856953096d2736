"""A network with security groups, and two guests that they guard."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from accounts import BOOT_S, NEVER_S, World

from support.until import until

GROUPS = "DefaultSharedNetworkOfferingWithSGService"
LOOKS = """#!/bin/sh
n=0
while :; do
  timeout 3 wget -q -O /run/page http://{ip}/ 2>/dev/null || echo nothing >/run/page
  n=$((n + 1))
  echo "$n $(head -n1 /run/page)" >/run/found && mv /run/found /www/found
  usleep 200000
done
"""


@dataclass
class Guarded:
    """A network with security groups: a VM in group web, another in group clients that looks for the first's page."""

    world: World
    network: Any
    web: Any
    client: Any

    def from_router(self, vm: Any, path: str = "") -> str:
        """Return what the network's router finds at a VM, empty when it finds nothing."""
        router = self.world.first("listRouters", "router", networkid=self.network["id"], listall=True)
        words = ["ip", "netns", "exec", f"tgr-{router['id'][:8]}", "curl", "-sf", "-m", str(NEVER_S)]
        url = f"http://{vm['nic'][0]['ipaddress']}/{path}"
        return str(self.world.built.hosts[router["hostname"]].run([*words, url]).stdout)

    def seen(self) -> str:
        """Return what the client found when it looked anew: the first line of the page, or nothing."""
        before = int(self._found().partition(" ")[0])

        def later() -> str:
            number, _, line = self._found().partition(" ")
            return line if int(number) > before + 1 else ""  # the first that ends may have begun before

        return until(later, "the client looks again", within_s=BOOT_S)

    def _found(self) -> str:
        return until(
            lambda: self.from_router(self.client, "found").strip(), "the client tells", within_s=BOOT_S
        )

    def rule(self, group: str, way: str = "Ingress", **others: Any) -> str:
        """Let packets to port 80 in to a group (``Ingress``), or out of it (``Egress``); return the rule's id."""
        made = self.world.admin.job(f"authorizeSecurityGroup{way}", securitygroupname=group, protocol="tcp",
                                    startport=80, endport=80, **others)["securitygroup"]  # fmt: skip
        return str(made[f"{way.lower()}rule"][0]["ruleid"])

    def revoke(self, rule: str, way: str = "Ingress") -> None:
        """End a rule."""
        self.world.admin.job(f"revokeSecurityGroup{way}", id=rule)


def guarded(world: World) -> Guarded:
    """Make the network and its guests."""
    admin, zone = world.admin, world.first("listZones", "zone")["id"]
    offering = world.first("listNetworkOfferings", "networkoffering", name=GROUPS)["id"]
    network = admin("createNetwork", name="guarded", displaytext="guarded", zoneid=zone, networkofferingid=offering,
                    vlan="77", gateway="10.77.0.1", netmask="255.255.255.0", startip="10.77.0.10",
                    endip="10.77.0.50")["network"]  # fmt: skip
    wish = {
        "zoneid": zone, "networkids": network["id"],
        "templateid": world.first("listTemplates", "template", templatefilter="all")["id"],
        "serviceofferingid": world.first("listServiceOfferings", "serviceoffering", name="Tiny Instance")["id"],
    }  # fmt: skip
    jobs, vms = [], []
    for group, host in (("web", "h1"), ("clients", "h2")):
        admin("createSecurityGroup", name=group)
        script = LOOKS.format(ip=vms[0]["nic"][0]["ipaddress"]) if vms else "#!/bin/sh\n"
        made = admin("deployVirtualMachine", name=group, securitygroupnames=group, startvm=False,
                     userdata=base64.b64encode(script.encode()).decode(), **wish)  # fmt: skip
        admin.wait("deployVirtualMachine", made["jobid"])
        vms.append(world.first("listVirtualMachines", "virtualmachine", id=made["id"]))
        at = world.first("listHosts", "host", name=host)["id"]
        jobs.append(admin("startVirtualMachine", id=made["id"], hostid=at)["jobid"])
    for job in jobs:
        admin.wait("startVirtualMachine", job)
    return Guarded(world, network, *vms)
