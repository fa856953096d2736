"""Every saga's world: one registration each, with what may differ after a failure and why."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from typing import Any

from saga.law import Allowed, Case, case
from support.cloud import ApiError, Cloud
from support.picture import Picture
from tegar.loop import guest_health, vm_power
from tegar.model.settings import HA_GUEST_SILENT_S

HELLO = base64.b64encode(b"hello").decode()


def new(table: str, before: Picture, after: Picture) -> list[dict[str, Any]]:
    """Take the rows that are new in a table out of *after* and return them."""
    keys = sorted(set(after["db"][table]) - set(before["db"][table]))
    return [after["db"][table].pop(key) for key in keys]


# ── worlds ──


def zone(cloud: Cloud) -> None:
    """Build a zone with two hosts."""
    cloud.ready_zone()


def running(cloud: Cloud, *, disk: bool = True) -> str:
    """Build a zone with a running VM, which has a data disk; return its uuid."""
    built = cloud.ready_zone()
    more = {"diskofferingid": _disk_offering(cloud)} if disk else {}
    found = cloud.do("deployVirtualMachine", **built.vm(name="web", userdata=HELLO, **more))
    uuid: str = found["virtualmachine"]["id"]
    return uuid


def stopped(cloud: Cloud) -> str:
    """Build a zone with a VM that was started once and is stopped."""
    uuid = running(cloud)
    cloud.do("stopVirtualMachine", id=uuid)
    return uuid


def grouped(cloud: Cloud) -> None:
    """Build a zone with two VMs of a strict affinity group: the first is stopped, the other runs."""
    built = cloud.ready_zone()
    group = cloud.do("createAffinityGroup", name="apart", type="host anti-affinity")["affinitygroup"]["id"]
    for name in ("web", "other"):
        cloud.do("deployVirtualMachine", **built.vm(name=name, affinitygroupids=group))
    cloud.do("stopVirtualMachine", id=_vm(cloud))


def _disk_offering(cloud: Cloud) -> str:
    uuid: str = next(o for o in cloud.api("listDiskOfferings")["diskoffering"] if o["name"] == "Small")["id"]
    return uuid


def _vm(cloud: Cloud) -> str:
    uuid: str = cloud.api("listVirtualMachines", listall=True)["virtualmachine"][0]["id"]
    return uuid


def _volume(cloud: Cloud, **wanted: Any) -> str:
    volumes = cloud.api("listVolumes", listall=True, type="DATADISK")["volume"]
    found: str = next(v for v in volumes if all(v.get(k) == want for k, want in wanted.items()))["id"]
    return found


def of_vm(command: str, **params: Any) -> Callable[[Cloud], None]:
    """Return the request that asks a command of the VM."""

    def request(cloud: Cloud) -> None:
        cloud.api(command, id=_vm(cloud), **params)

    return request


# ── vm.deploy ──


def deploy(cloud: Cloud) -> None:
    """Deploy a VM with a data disk."""
    assert cloud.zone
    wish = cloud.zone.vm(name="second", userdata=HELLO, diskofferingid=_disk_offering(cloud))
    cloud.api("deployVirtualMachine", **wish)


def _vm_in_error(before: Picture, after: Picture) -> None:
    vms = new("vm", before, after)
    assert [(vm["state"], vm["host_id"]) for vm in vms] == [("Error", None)]
    for volume in new("volume", before, after):
        assert (volume["state"], volume["pool_id"], volume["held_bytes"]) == ("Allocated", None, 0)
    for nic_id in sorted(set(after["db"]["nic"]) - set(before["db"]["nic"])):
        nic = after["db"]["nic"][nic_id]
        if nic["vm_id"] is not None:
            _leave(after, nic_id)
            for host in after["world"]["hosts"].values():
                for guests in host["routers"].values():
                    guests[:] = [guest for guest in guests if guest[0] != nic["mac"]]


def _leave(after: Picture, nic_id: str) -> None:
    del after["db"]["nic"][nic_id]
    for key, address in list(after["db"]["guest_address"].items()):
        if str(address["nic_id"]) == nic_id:
            address["nic_id"] = None
            if address["range_id"] == 0:  # there are rows only of what is taken
                del after["db"]["guest_address"][key]


def _seed_stays(before: Picture, after: Picture) -> None:
    for seed in new("seed", before, after):
        assert seed["ready"]
    for name, pool in list(after["world"]["pools"].items()):
        there = before["world"]["pools"].get(name, {"images": [], "disks": {}})
        assert len(pool["images"]) <= len(there["images"]) + 1
        pool["images"] = there["images"]
        if not pool["images"] and not pool["disks"]:
            del after["world"]["pools"][name]


def _router_stays(before: Picture, after: Picture) -> None:
    new("router", before, after)
    for nic_id, nic in list(after["db"]["nic"].items()):
        if nic_id not in before["db"]["nic"] and nic["router_id"] is not None:
            _leave(after, nic_id)
    for uuid, network in after["db"]["network"].items():
        if network["state"] == "Implemented":
            network["state"] = before["db"]["network"][uuid]["state"]
    for name, host in list(after["world"]["hosts"].items()):
        known = before["world"]["hosts"].get(name, {"routers": {}})["routers"]
        for uuid in set(host["routers"]) - set(known):
            assert host["routers"].pop(uuid) == []
        if not host["routers"] and not host["domains"]:
            del after["world"]["hosts"][name]


ERROR_VM = Allowed(
    "a failed deploy leaves a VM in Error, with its NICs and no disk, as CloudStack", _vm_in_error
)
SEED = Allowed("a template cached on the pool is of use to the next VM", _seed_stays)
ROUTER = Allowed("a network's router is everybody's and stays, once it is there", _router_stays)

case(Case("vm.deploy", zone, deploy, "first", (ERROR_VM, SEED, ROUTER)))
case(Case("vm.deploy", running, deploy, "second", (ERROR_VM, ROUTER)))

# ── the life of a VM ──

case(Case("vm.start", stopped, of_vm("startVirtualMachine")))
case(Case("vm.start", grouped, of_vm("startVirtualMachine"), "grouped"))
case(Case("vm.stop", running, of_vm("stopVirtualMachine")))
case(Case("vm.stop", running, of_vm("stopVirtualMachine", forced=True), "forced"))
case(Case("vm.reboot", running, of_vm("rebootVirtualMachine")))


def migrate(cloud: Cloud) -> None:
    """Migrate the VM to wherever the scheduler likes."""
    cloud.api("migrateVirtualMachine", virtualmachineid=_vm(cloud))


case(Case("vm.migrate", running, migrate))
case(Case("vm.destroy", running, of_vm("destroyVirtualMachine"), "recoverable"))
case(Case("vm.destroy", running, of_vm("destroyVirtualMachine", expunge=True), "expunged"))
case(Case("vm.destroy", stopped, of_vm("destroyVirtualMachine", expunge=True), "stopped"))
case(Case("vm.destroy", grouped, of_vm("destroyVirtualMachine", expunge=True), "grouped"))


def important(cloud: Cloud) -> None:
    """Build a zone with a running VM that has HA."""
    built = cloud.ready_zone()
    offered = cloud.api(
        "createServiceOffering",
        name="kept",
        displaytext="kept",
        cpunumber=1,
        cpuspeed=500,
        memory=256,
        offerha=True,
    )
    cloud.do(
        "deployVirtualMachine",
        **{**built.vm(name="web"), "serviceofferingid": offered["serviceoffering"]["id"]},
    )


def die(cloud: Cloud) -> None:
    """Let the VM's process die, and its host say so."""
    cloud.world.die(_vm(cloud))
    vm_power.round(cloud.env)


case(Case("vm.restart", important, die))


def waiting(cloud: Cloud) -> None:
    """Build a zone with a VM that has HA and whose process died when no host would take it."""
    important(cloud)
    for host in cloud.api("listHosts", type="Routing")["host"]:
        cloud.api("updateHost", id=host["id"], allocationstate="Disable")
    die(cloud)


case(Case("vm.settle", stopped, of_vm("settleVirtualMachine")))
case(Case("vm.withdraw", waiting, of_vm("stopVirtualMachine")))
case(Case("vm.destroy", waiting, of_vm("destroyVirtualMachine"), "waiting"))


def replaceable(cloud: Cloud) -> None:
    """Build a zone with a VM that has HA, is restarted elsewhere when its guest hangs, and whose agent answered."""
    important(cloud)
    cloud.api("updateVirtualMachine", id=_vm(cloud), **{"details[0].ha.guest.action": "restart"})
    cloud.clock.sleep(1)
    guest_health.round(cloud.env)


def hang(cloud: Cloud) -> None:
    """Let the guest hang, and be seen."""
    for _, guest in cloud.world.guests():
        guest.deaf = True
    cloud.clock.sleep(HA_GUEST_SILENT_S.default + 1)
    guest_health.round(cloud.env)


case(Case("vm.replace", replaceable, hang))


# ── volumes ──


def fresh_volume(cloud: Cloud, vm: Callable[..., str] = running) -> str:
    """Make a volume that has no file yet beside a VM."""
    vm(cloud)
    assert cloud.zone
    made = cloud.do("createVolume", name="more", zoneid=cloud.zone.zone, diskofferingid=_disk_offering(cloud))
    uuid: str = made["volume"]["id"]
    return uuid


def fresh_volume_of_stopped(cloud: Cloud) -> None:
    """Make a volume that has no file yet beside a stopped VM."""
    fresh_volume(cloud, stopped)


def used_volume(cloud: Cloud) -> None:
    """Make a volume that was attached before."""
    uuid = fresh_volume(cloud)
    cloud.do("attachVolume", id=uuid, virtualmachineid=_vm(cloud))
    cloud.do("detachVolume", id=uuid)


def plugged_volume(cloud: Cloud) -> None:
    """Make a volume that is attached to a running VM."""
    cloud.do("attachVolume", id=fresh_volume(cloud), virtualmachineid=_vm(cloud))


def attach(cloud: Cloud) -> None:
    """Attach it."""
    cloud.api("attachVolume", id=_volume(cloud, name="more"), virtualmachineid=_vm(cloud))


def detach(cloud: Cloud) -> None:
    """Detach it."""
    cloud.api("detachVolume", id=_volume(cloud, name="more"))


def delete_volume(cloud: Cloud) -> None:
    """Delete it; a synchronous command, which gives up waiting while the test holds the saga back."""
    with contextlib.suppress(ApiError):
        cloud.api("deleteVolume", id=_volume(cloud, name="more"))


case(Case("volume.attach", fresh_volume, attach, "fresh"))
case(Case("volume.attach", fresh_volume_of_stopped, attach, "fresh-stopped"))
case(Case("volume.attach", used_volume, attach, "used"))
case(Case("volume.detach", plugged_volume, detach))
case(Case("volume.delete", used_volume, delete_volume))
