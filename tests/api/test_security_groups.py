"""Security groups: which VMs are in them, what their rules let through, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Caller, Cloud, JobFailed
from support.grouped import filter_of, guarded, guarded_zone, guest, rules_of
from tegar.kernel.db import fire
from tegar.loop import filter_repair
from tegar.model.host import Event
from tegar.model.rule import Match, Protocol
from tegar.model.spec import SecurityRules
from tegar.store.hosts import Host


class Place:
    """A network with security groups, and Alice, who has a group."""

    def __init__(self, cloud: Cloud) -> None:
        guarded_zone(cloud)
        self.cloud, self.alice = cloud, cloud.as_user()
        self.network = guarded(cloud)
        self.group = self.alice.api("createSecurityGroup", name="web", description="serves")["securitygroup"]

    def vm(self, name: str = "a", *, owner: Caller | None = None, **more: Any) -> dict[str, Any]:
        """Deploy a VM into the network."""
        return guest(self.cloud, owner or self.alice, self.network, name, **more)

    def in_web(self, name: str = "a") -> dict[str, Any]:
        """Deploy a VM into Alice's group."""
        return self.vm(name, securitygroupids=self.group["id"])

    def allow(self, direction: str = "Ingress", **wish: Any) -> dict[str, Any]:
        """Add a rule to the group; return the answer."""
        named = {"securitygroupid": self.group["id"], "protocol": "tcp", "startport": 80, "endport": 80}
        wish = {k: v for k, v in {**named, **wish}.items() if v is not None}
        made: dict[str, Any] = self.alice.do(f"authorizeSecurityGroup{direction}", **wish)["securitygroup"]
        return made

    def shown(self, group: str | None = None) -> dict[str, Any]:
        """Return the group as it is listed."""
        (found,) = self.alice.api("listSecurityGroups", id=group or self.group["id"])["securitygroup"]
        return dict(found)


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud)


def away(cloud: Cloud, host: str, event: Event) -> None:
    """Let a host fall silent, or answer again."""
    cloud.world.faults(host).connected = event is Event.ANSWERED
    cloud.db.tx(lambda s: fire(s, s.query(Host).filter_by(name=host).one(), event))


def tcp(port: int, *cidrs: str, out: bool = False) -> Match:
    where = {"destinations" if out else "sources": cidrs}
    return Match(Protocol.TCP, first_port=port, last_port=port, **where)


def test_a_vm_without_groups_is_in_its_accounts_default_which_lets_nothing_in(place: Place) -> None:
    vm = place.vm()

    assert [g["name"] for g in vm["securitygroup"]] == ["default"]
    assert rules_of(place.cloud, vm["id"]) == SecurityRules()
    (group,) = place.alice.api("listSecurityGroups", securitygroupname="default")["securitygroup"]
    assert (group["virtualmachinecount"], group["virtualmachineids"]) == (1, [vm["id"]])


def test_each_account_has_a_default_of_its_own(place: Place) -> None:
    mine, theirs = place.vm(), place.vm("b", owner=place.cloud.as_user("bob"))

    assert mine["securitygroup"][0]["id"] != theirs["securitygroup"][0]["id"]


def test_a_rule_lets_a_running_vm_be_reached_once_its_job_is_over(place: Place) -> None:
    vm = place.in_web()

    made = place.allow(cidrlist="192.0.2.0/24,198.51.100.7/32")

    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, "192.0.2.0/24"), tcp(80, "198.51.100.7/32"))
    assert [r["cidr"] for r in made["ingressrule"]] == ["192.0.2.0/24", "198.51.100.7/32"]
    assert {(r["protocol"], r["startport"], r["endport"]) for r in made["ingressrule"]} == {("tcp", 80, 80)}
    assert made["id"] == place.group["id"]


def test_an_answer_shows_the_new_rules_alone(place: Place) -> None:
    place.allow(cidrlist="192.0.2.0/24")

    made = place.allow(cidrlist="192.0.2.0/24,10.0.0.0/8")

    assert [r["cidr"] for r in made["ingressrule"]] == ["10.0.0.0/8"]
    assert [r["cidr"] for r in place.shown()["ingressrule"]] == ["192.0.2.0/24", "10.0.0.0/8"]


def test_a_revoked_rule_is_gone_and_its_packets_with_it(place: Place) -> None:
    vm = place.in_web()
    rule = place.allow(cidrlist="0.0.0.0/0")["ingressrule"][0]["ruleid"]

    place.alice.do("revokeSecurityGroupIngress", id=rule)

    assert rules_of(place.cloud, vm["id"]) == SecurityRules()
    assert place.shown()["ingressrule"] == []
    with pytest.raises(ApiError, match="entity does not exist"):
        place.alice.api("revokeSecurityGroupIngress", id=rule)


def test_a_group_as_source_is_its_vms_addresses_also_of_those_that_come_and_go(place: Place) -> None:
    vm = place.in_web()
    place.alice.api("createSecurityGroup", name="clients")
    place.allow(**{"usersecuritygrouplist[0].account": "alice", "usersecuritygrouplist[0].group": "clients"})
    assert rules_of(place.cloud, vm["id"]).ingress == ()

    client = place.vm("b", securitygroupnames="clients")
    filter_repair.round(place.cloud.env)
    ip = client["nic"][0]["ipaddress"]
    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, f"{ip}/32"),)

    place.alice.do("destroyVirtualMachine", id=client["id"])
    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, f"{ip}/32"),)
    place.cloud.do("expungeVirtualMachine", id=client["id"])
    assert rules_of(place.cloud, vm["id"]).ingress == ()


def test_a_rule_that_names_a_group_shows_its_account_and_name(place: Place) -> None:
    made = place.allow(
        protocol="icmp", startport=None, endport=None, icmptype=8, icmpcode=-1,
        **{"usersecuritygrouplist[0].account": "alice", "usersecuritygrouplist[0].group": "web"},
    )  # fmt: skip

    (rule,) = made["ingressrule"]
    assert (rule["account"], rule["securitygroupname"]) == ("alice", "web")
    assert (rule["icmptype"], rule["icmpcode"]) == (8, -1)
    assert "cidr" not in rule
    assert "startport" not in rule


def test_egress_rules_hold_back_what_they_do_not_name(place: Place) -> None:
    vm = place.in_web()

    rule = place.allow("Egress", cidrlist="192.0.2.0/24")["egressrule"][0]["ruleid"]
    assert rules_of(place.cloud, vm["id"]) == SecurityRules((), (tcp(80, "192.0.2.0/24", out=True),))

    place.alice.do("revokeSecurityGroupEgress", id=rule)
    assert rules_of(place.cloud, vm["id"]) == SecurityRules()


def test_an_egress_rule_to_a_group_without_vms_lets_nothing_out(place: Place) -> None:
    vm = place.in_web()
    place.alice.api("createSecurityGroup", name="nobody")

    place.allow("Egress", **{"usersecuritygrouplist[0].account": "alice",
                             "usersecuritygrouplist[0].group": "nobody"})  # fmt: skip

    assert rules_of(place.cloud, vm["id"]).egress == (tcp(80, "0.0.0.0/32", out=True),)


def test_the_rules_of_all_groups_of_a_vm_count(place: Place) -> None:
    other = place.alice.api("createSecurityGroup", name="ssh")["securitygroup"]["id"]
    place.allow(cidrlist="10.0.0.0/8")
    place.allow(securitygroupid=other, protocol="50", startport=None, endport=None, cidrlist="0.0.0.0/0")

    vm = place.vm(securitygroupids=f"{place.group['id']},{other}")

    assert rules_of(place.cloud, vm["id"]).ingress == (
        tcp(80, "10.0.0.0/8"),
        Match(Protocol.NUMBER, ("0.0.0.0/0",), number=50),
    )


def test_a_stopped_vm_changes_its_groups_and_a_running_one_does_not(place: Place) -> None:
    vm = place.vm()
    before = filter_of(place.cloud, vm["id"]).version
    place.allow(cidrlist="10.0.0.0/8")
    with pytest.raises(ApiError, match="while it is Stopped"):
        place.alice.api("updateVirtualMachine", id=vm["id"], securitygroupids=place.group["id"])

    place.alice.do("stopVirtualMachine", id=vm["id"])
    shown = place.alice.api("updateVirtualMachine", id=vm["id"], securitygroupnames="web")["virtualmachine"]
    place.alice.do("startVirtualMachine", id=vm["id"])

    assert [g["name"] for g in shown["securitygroup"]] == ["web"]
    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, "10.0.0.0/8"),)
    assert filter_of(place.cloud, vm["id"]).version > before


def test_filters_go_with_a_vm_that_moves_and_rules_follow_it(place: Place) -> None:
    vm = place.in_web()
    place.allow(cidrlist="10.0.0.0/8")

    place.cloud.do("migrateVirtualMachine", virtualmachineid=vm["id"])
    place.allow(cidrlist="192.0.2.0/24")

    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, "10.0.0.0/8"), tcp(80, "192.0.2.0/24"))


def test_a_member_on_another_network_counts_unless_its_address_is_anothers_here(place: Place) -> None:
    beside = guarded(place.cloud, "beside", vlan=121, third=1)
    again = guarded(place.cloud, "again", vlan=122)  # the same addresses as the first
    vm = place.in_web()
    place.allow(**{"usersecuritygrouplist[0].account": "alice", "usersecuritygrouplist[0].group": "default"})

    there = guest(place.cloud, place.alice, beside, "there")
    guest(place.cloud, place.alice, again, "twin")
    filter_repair.round(place.cloud.env)

    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, f"{there['nic'][0]['ipaddress']}/32"),)


def test_a_member_is_let_in_by_all_addresses_that_it_has_at_the_moment(place: Place) -> None:
    beside = guarded(place.cloud, "beside", vlan=121, third=1)
    vm = place.in_web()
    place.allow(**{"usersecuritygrouplist[0].account": "alice", "usersecuritygrouplist[0].group": "default"})
    client = place.vm("b")
    first = client["nic"][0]

    def let_in() -> list[str]:
        filter_repair.round(place.cloud.env)
        (match,) = rules_of(place.cloud, vm["id"]).ingress
        return sorted(cidr.removesuffix("/32") for cidr in match.sources)

    second = place.alice.do("addIpToNic", nicid=first["id"])["nicsecondaryip"]
    assert let_in() == sorted([first["ipaddress"], second["ipaddress"]])
    place.alice.do("removeIpFromNic", id=second["id"])
    assert let_in() == [first["ipaddress"]]

    place.alice.do("addNicToVirtualMachine", virtualmachineid=client["id"], networkid=beside)
    added = place.alice.api("listNics", virtualmachineid=client["id"], networkid=beside)["nic"][0]
    assert let_in() == sorted([first["ipaddress"], added["ipaddress"]])
    place.alice.do("removeNicFromVirtualMachine", virtualmachineid=client["id"], nicid=added["id"])
    assert let_in() == [first["ipaddress"]]

    place.alice.do("stopVirtualMachine", id=client["id"])
    place.alice.do("updateVmNicIp", nicid=first["id"], ipaddress="10.2.0.77")
    assert let_in() == ["10.2.0.77"]


def test_nobody_has_an_address_that_was_given_up_before_those_who_let_it_in_know(place: Place) -> None:
    vm = place.in_web()
    place.allow(**{"usersecuritygrouplist[0].account": "alice", "usersecuritygrouplist[0].group": "default"})
    client = place.vm("b")
    nic = client["nic"][0]
    place.alice.do("stopVirtualMachine", id=client["id"])
    changing = place.alice.api("updateVmNicIp", nicid=nic["id"], ipaddress="10.2.0.77")

    with pytest.raises(ApiError, match="is taken"):
        place.vm("c", owner=place.cloud.as_user("bob"), ipaddress=nic["ipaddress"])

    place.alice.job(changing)
    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, "10.2.0.77/32"),)
    place.vm("c", owner=place.cloud.as_user("bob"), ipaddress=nic["ipaddress"])


def test_an_address_that_a_nic_has_again_stays_its_own(place: Place) -> None:
    vm = place.vm()
    nic = vm["nic"][0]
    place.alice.do("stopVirtualMachine", id=vm["id"])
    for ip in ("10.2.0.77", nic["ipaddress"]):
        place.alice.do("updateVmNicIp", nicid=nic["id"], ipaddress=ip)

    with pytest.raises(ApiError, match="is taken"):
        place.vm("b", ipaddress=nic["ipaddress"])


def test_a_vm_that_comes_to_a_network_with_groups_is_in_its_accounts_default(place: Place) -> None:
    assert place.cloud.zone
    vm = guest(place.cloud, place.alice, place.cloud.zone.network)

    place.alice.do("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=place.network)

    (shown,) = place.alice.api("listVirtualMachines", id=vm["id"])["virtualmachine"]
    assert [group["name"] for group in shown["securitygroup"]] == ["default"]
    assert filter_of(place.cloud, vm["id"], 0).groups is None
    assert filter_of(place.cloud, vm["id"], 1).groups == SecurityRules()


def test_networks_without_security_groups_have_none(place: Place) -> None:
    assert place.cloud.zone
    plain = place.cloud.zone.network
    vm = guest(place.cloud, place.alice, plain)

    assert vm["securitygroup"] == []
    assert filter_of(place.cloud, vm["id"]).groups is None
    with pytest.raises(ApiError, match="None of the VM's networks offers SecurityGroup"):
        guest(place.cloud, place.alice, plain, "b", securitygroupids=place.group["id"])


def test_only_nics_in_networks_with_security_groups_are_filtered_by_them(place: Place) -> None:
    assert place.cloud.zone
    both = f"{place.cloud.zone.network},{place.network}"

    vm = guest(place.cloud, place.alice, both)

    assert filter_of(place.cloud, vm["id"], 0).groups is None
    assert filter_of(place.cloud, vm["id"], 1).groups == SecurityRules()


def test_zones_without_security_groups_refuse_them(cloud: Cloud) -> None:
    built, alice = cloud.ready_zone(), cloud.as_user()
    group = alice.api("createSecurityGroup", name="web")["securitygroup"]["id"]

    with pytest.raises(ApiError, match="Zone z1 has no security groups"):
        guest(cloud, alice, built.network, securitygroupids=group)
    with pytest.raises(ApiError, match="Zone z1 has no security groups") as refused:
        guarded(cloud)
    assert refused.value.code == 431


def test_a_host_that_is_away_holds_up_no_job_and_is_told_when_it_is_back(place: Place) -> None:
    vm = place.in_web()
    away(place.cloud, "h1", Event.SILENT)
    away(place.cloud, "h2", Event.SILENT)

    place.allow(cidrlist="10.0.0.0/8")
    filter_repair.round(place.cloud.env)
    assert place.shown()["ingressrule"]
    assert rules_of(place.cloud, vm["id"]) == SecurityRules()

    for name in ("h1", "h2"):
        away(place.cloud, name, Event.ANSWERED)
    filter_repair.round(place.cloud.env)
    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, "10.0.0.0/8"),)


def test_a_rule_that_a_host_does_not_obey_never_was(place: Place) -> None:
    vm = place.in_web()
    for name in ("h1", "h2"):
        place.cloud.world.faults(name).connected = False

    with pytest.raises(JobFailed):
        place.allow(cidrlist="10.0.0.0/8")

    for name in ("h1", "h2"):
        place.cloud.world.faults(name).connected = True
    filter_repair.round(place.cloud.env)
    assert place.shown()["ingressrule"] == []
    assert rules_of(place.cloud, vm["id"]) == SecurityRules()


def test_a_rule_that_comes_while_a_vm_moves_is_in_force_when_it_has(place: Place) -> None:
    vm = place.in_web()
    moving = place.alice.cloud.admin.api("migrateVirtualMachine", virtualmachineid=vm["id"])
    coming = place.alice.api("authorizeSecurityGroupIngress", securitygroupid=place.group["id"], protocol="all",
                             cidrlist="10.0.0.0/8")  # fmt: skip

    place.cloud.job(moving)
    place.alice.job(coming)

    assert rules_of(place.cloud, vm["id"]).ingress == (Match(Protocol.ALL, ("10.0.0.0/8",)),)


def test_a_zone_is_made_with_security_groups_or_without(cloud: Cloud) -> None:
    wish = {"networktype": "Advanced", "dns1": "9.9.9.9", "internaldns1": "9.9.9.9"}

    made = cloud.api("createZone", name="guarded", securitygroupenabled=True, **wish)["zone"]
    assert made["securitygroupsenabled"] is True
    assert cloud.api("createZone", name="open", **wish)["zone"]["securitygroupsenabled"] is False


def test_groups_are_found_by_name_and_by_vm(place: Place) -> None:
    vm = place.in_web()
    place.vm("b")

    found = place.alice.api("listSecurityGroups", virtualmachineid=vm["id"])["securitygroup"]
    assert [g["name"] for g in found] == ["web"]
    assert place.alice.api("listSecurityGroups", keyword="we")["count"] == 1
    assert place.alice.api("listSecurityGroups")["count"] == 2
    inside = place.alice.api("listVirtualMachines", securitygroupid=place.group["id"])
    assert [shown["id"] for shown in inside["virtualmachine"]] == [vm["id"]]
    assert place.cloud.as_user("bob").api("listSecurityGroups") == {}


def test_a_group_is_renamed_and_deleted(place: Place) -> None:
    shown = place.cloud.api("updateSecurityGroup", id=place.group["id"], name="www")["securitygroup"]
    assert shown["name"] == "www"

    assert place.alice.api("deleteSecurityGroup", name="www")["success"] is True
    assert place.alice.api("listSecurityGroups", keyword="www") == {}


def test_groups_that_are_used_or_needed_are_not_deleted(place: Place) -> None:
    vm = place.in_web()
    default = place.alice.api("listSecurityGroups", securitygroupname="default")["securitygroup"][0]["id"]
    other = place.alice.api("createSecurityGroup", name="other")["securitygroup"]["id"]
    place.allow(**{"usersecuritygrouplist[0].account": "alice", "usersecuritygrouplist[0].group": "other"})

    for group, code, why in (
        (default, 431, "cannot be deleted"),
        (place.group["id"], 536, "VM a is in it"),
        (other, 536, "rule .* of another group names it"),
    ):
        with pytest.raises(ApiError, match=why) as refused:
            place.alice.api("deleteSecurityGroup", id=group)
        assert refused.value.code == code

    place.cloud.do("destroyVirtualMachine", id=vm["id"], expunge=True)
    place.alice.api("deleteSecurityGroup", id=place.group["id"])
    place.alice.api("deleteSecurityGroup", id=other)


def test_names_are_unique_in_an_account(place: Place) -> None:
    for name in ("web", "default"):
        with pytest.raises(ApiError, match="exists already") as refused:
            place.alice.api("createSecurityGroup", name=name)
        assert refused.value.code == 431
    place.cloud.as_user("bob").api("createSecurityGroup", name="web")


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({}, "at least one CIDR or one group"),
        ({"cidrlist": "10.0.0.0/33"}, "no IPv4 CIDR"),
        ({"cidrlist": "10.0.0.1/8"}, "no IPv4 CIDR"),
        ({"cidrlist": "fe80::/10"}, "no IPv4 CIDR"),
        ({"cidrlist": "0.0.0.0/0", "protocol": "smtp"}, "no number from 1 to 255"),
        ({"cidrlist": "0.0.0.0/0", "protocol": "256"}, "no number from 1 to 255"),
        ({"cidrlist": "0.0.0.0/0", "startport": 90}, "no range of ports"),
        ({"cidrlist": "0.0.0.0/0", "endport": 65536}, "no range of ports"),
        ({"cidrlist": "0.0.0.0/0", "startport": None, "endport": None}, "needs startport"),
        ({"cidrlist": "0.0.0.0/0", "protocol": "all"}, "only for protocols tcp and udp"),
        ({"cidrlist": "0.0.0.0/0", "protocol": None}, "only for protocols tcp and udp"),
        ({"cidrlist": "0.0.0.0/0", "protocol": "icmp", "startport": None, "endport": None}, "needs icmptype"),
        ({"cidrlist": "0.0.0.0/0", "securitygroupname": "web"}, "and not both"),
        ({"usersecuritygrouplist[0].group": "web"}, r"usersecuritygrouplist\[0\].account"),
        ({"usersecuritygrouplist[0].group": "x", "usersecuritygrouplist[0].account": "alice"}, "no security group x"),
        ({"usersecuritygrouplist[0].group": "x", "usersecuritygrouplist[0].account": "zoe"}, "no security group x"),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(place: Place, wish: dict[str, Any], why: str) -> None:
    with pytest.raises(ApiError, match=why) as refused:
        place.allow(**wish)

    assert refused.value.code == 431
    assert place.shown()["ingressrule"] == []


def test_the_same_rule_again_is_a_conflict(place: Place) -> None:
    place.allow(cidrlist="10.0.0.0/8")

    with pytest.raises(ApiError, match="says the same already") as refused:
        place.allow(cidrlist="10.0.0.0/8", protocol="6")

    assert refused.value.code == 537
    place.allow("Egress", cidrlist="10.0.0.0/8")
    place.allow(cidrlist="10.0.0.0/8", protocol="udp")


def test_a_rule_ends_by_the_command_of_its_direction(place: Place) -> None:
    rule = place.allow(cidrlist="10.0.0.0/8")["ingressrule"][0]["ruleid"]

    with pytest.raises(ApiError, match="see revokeSecurityGroupIngress"):
        place.alice.api("revokeSecurityGroupEgress", id=rule)


def test_strangers_see_no_groups_and_put_no_vms_into_them(place: Place) -> None:
    bob = place.cloud.as_user("bob")
    rule = place.allow(cidrlist="10.0.0.0/8")["ingressrule"][0]["ruleid"]

    for command, params in (
        ("deleteSecurityGroup", {"id": place.group["id"]}),
        ("authorizeSecurityGroupIngress", {"securitygroupid": place.group["id"], "cidrlist": "0.0.0.0/0"}),
        ("revokeSecurityGroupIngress", {"id": rule}),
    ):
        with pytest.raises(ApiError, match="entity does not exist"):
            bob.api(command, **params)
    with pytest.raises(ApiError, match="entity does not exist"):
        place.vm("b", owner=bob, securitygroupids=place.group["id"])
    with pytest.raises(ApiError, match="no security group named 'web'"):
        place.vm("b", owner=bob, securitygroupnames="web")
    with pytest.raises(ApiError, match="does not belong to account admin"):
        place.vm("c", owner=place.cloud.admin, securitygroupids=place.group["id"])


def test_a_rule_may_name_another_account_of_the_domain(place: Place) -> None:
    vm, client = place.in_web(), place.vm("b", owner=place.cloud.as_user("bob"))

    place.allow(**{"usersecuritygrouplist[0].account": "bob", "usersecuritygrouplist[0].group": "default"})

    assert rules_of(place.cloud, vm["id"]).ingress == (tcp(80, f"{client['nic'][0]['ipaddress']}/32"),)
