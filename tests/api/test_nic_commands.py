"""NICs of VMs: one more, one less, which is the default, and secondary addresses."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Caller, Cloud
from support.isolated import acquire, isolated, public_range, told, vm_in
from tegar.model.rule import PortForward, StaticNat
from tegar.model.spec import NicSpec


class Place:
    """Alice's VM in a network of hers, and another one, empty."""

    def __init__(self, cloud: Cloud) -> None:
        cloud.ready_zone()
        public_range(cloud)
        self.cloud, self.alice = cloud, cloud.as_user()
        self.first, self.second = isolated(cloud, self.alice, "first"), isolated(cloud, self.alice, "second")
        self.vm = vm_in(cloud, self.alice, self.first)["id"]

    def nics(self) -> list[dict[str, Any]]:
        """Return the VM's NICs as the API shows them."""
        found: list[dict[str, Any]] = self.alice.api("listNics", virtualmachineid=self.vm)["nic"]
        return found

    def add(self, network: str = "", who: Caller | None = None, **more: Any) -> dict[str, Any]:
        """Give the VM a NIC in the second network."""
        wish = {"virtualmachineid": self.vm, "networkid": network or self.second, **more}
        made: dict[str, Any] = (who or self.alice).do("addNicToVirtualMachine", **wish)["virtualmachine"]
        return made

    def plugged(self) -> tuple[NicSpec, ...]:
        """Return the NICs that the running domain has."""
        (guest,) = [
            g for m in self.cloud.world.machines.values() for u, g in m.guests.items() if u == self.vm
        ]
        return guest.spec.nics

    def refuses(
        self, command: str, match: str, code: int = 431, who: Caller | None = None, **params: Any
    ) -> None:
        """Expect a command to be refused."""
        with pytest.raises(ApiError, match=match) as e:
            (who or self.alice).do(command, **params)
        assert e.value.code == code


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud)


def test_a_running_vm_gets_a_nic_that_its_host_and_the_router_know(place: Place) -> None:
    vm = place.add()

    first, second = vm["nic"]
    assert (first["isdefault"], first["deviceid"], second["isdefault"], second["deviceid"]) == (
        True, "0", False, "1",
    )  # fmt: skip
    assert second["networkid"] == place.second
    assert second["secondaryip"] == []
    assert vm["ipaddress"] == first["ipaddress"]
    assert [nic.mac for nic in place.plugged()] == [first["macaddress"], second["macaddress"]]
    (guest,) = told(place.cloud, place.second).subnets[0].guests
    assert (guest.mac, guest.ip, guest.is_default) == (second["macaddress"], second["ipaddress"], False)


def test_a_nic_has_the_address_and_the_mac_that_were_asked_for(place: Place) -> None:
    nic = place.add(ipaddress="10.5.0.77", macaddress="02-00-4C-00-00-09")["nic"][1]

    assert (nic["ipaddress"], nic["macaddress"]) == ("10.5.0.77", "02:00:4c:00:00:09")


def test_a_stopped_vm_gets_a_nic_and_starts_with_it(place: Place) -> None:
    place.alice.do("stopVirtualMachine", id=place.vm)
    nic = place.add()["nic"][1]
    place.alice.do("startVirtualMachine", id=place.vm)

    assert [it.mac for it in place.plugged()][1] == nic["macaddress"]
    assert [g.mac for g in told(place.cloud, place.second).subnets[0].guests] == [nic["macaddress"]]


def test_all_nics_move_with_their_vm(place: Place) -> None:
    place.add()
    before = place.plugged()
    place.cloud.do("migrateVirtualMachine", virtualmachineid=place.vm)

    assert place.plugged() == before


def test_a_nic_that_is_removed_is_gone_from_the_domain_and_the_router(place: Place) -> None:
    nic = place.add()["nic"][1]
    vm = place.alice.do("removeNicFromVirtualMachine", virtualmachineid=place.vm, nicid=nic["id"])

    assert [it["networkid"] for it in vm["virtualmachine"]["nic"]] == [place.first]
    assert len(place.plugged()) == 1
    assert told(place.cloud, place.second).subnets[0].guests == ()
    assert place.add(ipaddress=nic["ipaddress"])["nic"][1]["deviceid"] == "1"


def test_a_guest_that_does_not_let_go_keeps_its_nic(place: Place) -> None:
    nic = place.add()["nic"][1]
    for machine in place.cloud.world.machines.values():
        for guest in machine.guests.values():
            guest.deaf = True
    place.refuses("removeNicFromVirtualMachine", "let go", 534, virtualmachineid=place.vm, nicid=nic["id"])

    assert [it["id"] for it in place.nics()][1] == nic["id"]
    assert len(place.plugged()) == 2
    assert len(told(place.cloud, place.second).subnets[0].guests) == 1


def test_what_makes_no_sense_of_adding_is_refused(place: Place) -> None:
    wish = {"virtualmachineid": place.vm, "networkid": place.second}
    place.refuses("addNicToVirtualMachine", "already", **{**wish, "networkid": place.first})
    place.refuses("addNicToVirtualMachine", "ranges", ipaddress="10.9.9.9", **wish)
    place.refuses("addNicToVirtualMachine", "gateway", ipaddress="10.5.0.1", **wish)
    place.refuses("addNicToVirtualMachine", "ipaddress", ipaddress="ten", **wish)
    place.refuses("addNicToVirtualMachine", "macaddress", macaddress="01:00:5e:00:00:01", **wish)
    other = vm_in(place.cloud, place.alice, place.second, "other")["nic"][0]
    place.refuses("addNicToVirtualMachine", "taken", ipaddress=other["ipaddress"], **wish)
    place.refuses("addNicToVirtualMachine", "exists", macaddress=other["macaddress"], **wish)
    place.alice.do("destroyVirtualMachine", id=place.vm)
    place.refuses("addNicToVirtualMachine", "Running or Stopped", **wish)


def test_networks_of_others_are_not_to_be_joined(place: Place) -> None:
    bob = place.cloud.as_user("bob")
    theirs = isolated(place.cloud, bob, "theirs")
    wish = {"virtualmachineid": place.vm, "networkid": theirs}

    place.refuses("addNicToVirtualMachine", "entity does not exist", **wish)
    place.refuses("addNicToVirtualMachine", "not of account", 531, place.cloud.admin, **wish)


def test_the_default_nic_cannot_be_removed_nor_one_that_rules_lead_to(place: Place) -> None:
    nic = place.add()["nic"][1]
    vm = {"virtualmachineid": place.vm}
    place.refuses("removeNicFromVirtualMachine", "default", nicid=place.nics()[0]["id"], **vm)

    ip = acquire(place.cloud, place.alice, place.second)
    rule = place.alice.do("createPortForwardingRule", ipaddressid=ip["id"], protocol="tcp", publicport=80,
                          privateport=80, **vm)["portforwardingrule"]  # fmt: skip
    place.refuses("removeNicFromVirtualMachine", "leads to", nicid=nic["id"], **vm)
    place.alice.do("deletePortForwardingRule", id=rule["id"])
    place.alice.api("enableStaticNat", ipaddressid=ip["id"], networkid=place.second, **vm)
    place.refuses("removeNicFromVirtualMachine", "leads to", nicid=nic["id"], **vm)
    place.alice.api("disableStaticNat", ipaddressid=ip["id"])

    place.alice.do("removeNicFromVirtualMachine", nicid=nic["id"], **vm)
    assert len(place.nics()) == 1


def test_an_address_that_came_with_a_nic_goes_with_it(place: Place) -> None:
    network = isolated(place.cloud, place.alice, "elastic", details='{"StaticNat": {"ElasticIp": "true"}}')
    nic = place.add(network)["nic"][1]
    assert len(told(place.cloud, network).static_nats) == 1

    place.alice.do("removeNicFromVirtualMachine", virtualmachineid=place.vm, nicid=nic["id"])

    assert told(place.cloud, network).static_nats == ()
    assert place.alice.api("listPublicIpAddresses", associatednetworkid=network, issourcenat=False) == {}


def test_another_nic_is_the_default_one_in_both_networks(place: Place) -> None:
    nic = place.add()["nic"][1]
    wish = {"virtualmachineid": place.vm, "nicid": nic["id"]}
    vm = place.alice.do("updateDefaultNicForVirtualMachine", **wish)["virtualmachine"]

    assert [it["isdefault"] for it in vm["nic"]] == [False, True]
    assert vm["ipaddress"] == nic["ipaddress"]
    defaults = {
        network: [g.is_default for g in told(place.cloud, network).subnets[0].guests]
        for network in (place.first, place.second)
    }
    assert defaults == {place.first: [False], place.second: [True]}
    place.refuses("updateDefaultNicForVirtualMachine", "already", **wish)
    other = vm_in(place.cloud, place.alice, place.second, "other")
    place.refuses(
        "updateDefaultNicForVirtualMachine", "not of VM", **{**wish, "virtualmachineid": other["id"]}
    )


def test_a_secondary_address_is_let_through_by_the_host_until_it_is_removed(place: Place) -> None:
    nic = place.nics()[0]
    made = place.alice.do("addIpToNic", nicid=nic["id"], ipaddress="10.5.0.50")["nicsecondaryip"]

    assert (made["ipaddress"], made["nicid"], made["networkid"], made["virtualmachineid"]) == (
        "10.5.0.50", nic["id"], place.first, place.vm,
    )  # fmt: skip
    assert place.nics()[0]["secondaryip"] == [{"id": made["id"], "ipaddress": "10.5.0.50"}]
    (plugged,) = place.plugged()
    assert plugged.filter is not None
    assert plugged.filter.ips == ("10.5.0.50",)

    place.alice.do("removeIpFromNic", id=made["id"])
    (plugged,) = place.plugged()
    assert plugged.filter is not None
    assert plugged.filter.ips == ()
    assert place.nics()[0]["secondaryip"] == []
    assert place.add(place.second)["nic"][0]["secondaryip"] == []


def test_secondary_addresses_are_given_back_with_their_nic(place: Place) -> None:
    nic = place.add()["nic"][1]
    ip = place.alice.do("addIpToNic", nicid=nic["id"])["nicsecondaryip"]["ipaddress"]
    place.alice.do("removeNicFromVirtualMachine", virtualmachineid=place.vm, nicid=nic["id"])

    assert place.add(ipaddress=ip)["nic"][1]["ipaddress"] == ip


def test_addresses_that_cannot_be_had_are_refused(place: Place) -> None:
    nic = place.nics()[0]
    for ip, why in (
        (nic["ipaddress"], "taken"),
        ("10.6.0.1", "ranges"),
        ("10.5.0.1", "gateway"),
        ("x", "ipaddress"),
    ):
        place.refuses("addIpToNic", why, nicid=nic["id"], ipaddress=ip)
    place.refuses("addIpToNic", "entity does not exist", who=place.cloud.as_user("bob"), nicid=nic["id"])


def test_rules_lead_to_a_secondary_address_which_then_stays(place: Place) -> None:
    nic = place.nics()[0]
    made = place.alice.do("addIpToNic", nicid=nic["id"])["nicsecondaryip"]
    ip, ports = acquire(place.cloud, place.alice, place.first), acquire(place.cloud, place.alice, place.first)
    to = {"virtualmachineid": place.vm, "vmguestip": made["ipaddress"]}
    rule = place.alice.do("createPortForwardingRule", ipaddressid=ports["id"], protocol="tcp", publicport=80,
                          privateport=80, **to)["portforwardingrule"]  # fmt: skip
    assert rule["vmguestip"] == made["ipaddress"]
    place.alice.api("enableStaticNat", ipaddressid=ip["id"], **to)

    spec = told(place.cloud, place.first)
    (forward,) = spec.forwards
    assert isinstance(forward, PortForward)
    assert forward.to_ip == made["ipaddress"]
    assert spec.static_nats == (StaticNat(ip["ipaddress"], made["ipaddress"]),)
    place.refuses("removeIpFromNic", "leads to", id=made["id"])
    place.alice.api("disableStaticNat", ipaddressid=ip["id"])
    place.refuses("removeIpFromNic", "leads to", id=made["id"])
    place.alice.do("deletePortForwardingRule", id=rule["id"])
    place.alice.do("removeIpFromNic", id=made["id"])
    place.refuses("createPortForwardingRule", "does not have", ipaddressid=ports["id"], protocol="tcp", publicport=80,
                  privateport=80, **to)  # fmt: skip


def test_a_balancer_spreads_over_secondary_addresses(place: Place) -> None:
    made = place.alice.do("addIpToNic", nicid=place.nics()[0]["id"])["nicsecondaryip"]
    ip = acquire(place.cloud, place.alice, place.first)
    rule = place.alice.do("createLoadBalancerRule", name="web", algorithm="roundrobin", publicport=80, privateport=80,
                          publicipid=ip["id"])["loadbalancer"]  # fmt: skip
    place.alice.do("assignToLoadBalancerRule", id=rule["id"],
                   vmidipmap=[{"vmid": place.vm, "vmip": made["ipaddress"]}])  # fmt: skip

    (balancer,) = told(place.cloud, place.first).balancers
    assert [member.ip for member in balancer.members] == [made["ipaddress"]]
    place.refuses("removeIpFromNic", "leads to", id=made["id"])


def test_a_stopped_vm_gets_another_address(place: Place) -> None:
    nic = place.nics()[0]
    wish = {"nicid": nic["id"], "ipaddress": "10.5.0.99"}
    place.refuses("updateVmNicIp", "stop it", **wish)
    place.alice.do("stopVirtualMachine", id=place.vm)
    place.refuses("updateVmNicIp", "ranges", **{**wish, "ipaddress": "10.6.0.9"})

    vm = place.alice.do("updateVmNicIp", **wish)["virtualmachine"]
    assert vm["nic"][0]["ipaddress"] == "10.5.0.99"
    again = place.alice.do("updateVmNicIp", nicid=nic["id"])["virtualmachine"]
    assert again["nic"][0]["ipaddress"] not in ("10.5.0.99", "")
    place.alice.do("startVirtualMachine", id=place.vm)
    (guest,) = told(place.cloud, place.first).subnets[0].guests
    assert guest.ip == again["nic"][0]["ipaddress"]


def test_an_address_is_released_by_its_number(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.first)["ipaddress"]
    place.refuses("disassociateIpAddress", "Say id or ipaddress")
    place.refuses("disassociateIpAddress", "acquired", who=place.cloud.as_user("bob"), ipaddress=ip)

    place.alice.do("disassociateIpAddress", ipaddress=ip)
    place.refuses("disassociateIpAddress", "acquired", ipaddress=ip)
