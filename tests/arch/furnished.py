"""A cloud with one of everything, owned by somebody whom strangers must not see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from support.cloud import Caller, Cloud
from support.isolated import acquire, isolated, public_range, vm_in
from tegar.kernel.db import Row
from tegar.kernel.saga import SagaRow
from tegar.store.accounts import Account, Domain, User
from tegar.store.acls import NetworkAclItem, NetworkAclList
from tegar.store.addresses import PublicAddress
from tegar.store.affinity import AffinityGroup
from tegar.store.balancers import HealthPolicy, LoadBalancer, StickinessPolicy
from tegar.store.certificates import SslCert
from tegar.store.events import Alert, Event
from tegar.store.firewall import FirewallRule
from tegar.store.forwarding import ForwardingRule
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.hosts import Host
from tegar.store.images import ImageStore, OsType, Template
from tegar.store.internal_balancers import InternalBalancer, InternalLb
from tegar.store.keys import SshKey
from tegar.store.leases import Witness
from tegar.store.networks import Network, Nic, VlanRange
from tegar.store.nic_addresses import NicAddress
from tegar.store.offerings import DiskOffering, NetworkOffering, ServiceOffering
from tegar.store.pools import Pool
from tegar.store.routers import Router
from tegar.store.security_groups import SecurityGroup, SecurityRule
from tegar.store.segments import DedicatedRange
from tegar.store.servers import Server
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.vpcs import Vpc, VpcOffering
from tegar.store.zones import Cluster, PhysicalNetwork, Pod, Provider, RouterElement, TrafficType, Zone

Rows = dict[type[Row], list[str]]


@dataclass
class Furnished:
    """The cloud, and who is in it.

    ``hidden`` are the uuids of rows that a stranger must not see, by kind; ``own`` are rows that
    each stranger may use; ``root`` are ROOT and its first account, who own what all may use.
    """

    cloud: Cloud
    victim: Caller
    user: Caller
    boss: Caller
    hidden: Rows = field(default_factory=dict)
    own: dict[str, Rows] = field(default_factory=dict)
    root: set[str] = field(default_factory=set)


def furnish(cloud: Cloud) -> Furnished:
    """Make one of everything: through the API, and as rows where that needs real things."""
    built = cloud.ready_zone()
    theirs = cloud.api("createDomain", name="theirs")["domain"]["id"]
    below = cloud.api("createDomain", name="below", parentdomainid=theirs)["domain"]["id"]
    ours = cloud.api("createDomain", name="ours")["domain"]["id"]
    victim = cloud.as_user("victim", domain=theirs)
    found = Furnished(
        cloud,
        victim,
        cloud.as_user("stranger", domain=ours),
        cloud.as_user("boss", role="domain-admin", domain=ours),
    )
    _wires(cloud, built.zone)
    things = {name: _things(cloud, who, name) for name, who in
              (("victim", victim), ("user", found.user), ("boss", found.boss))}  # fmt: skip
    public_range(cloud)
    for name, who in (("victim", victim), ("user", found.user), ("boss", found.boss)):
        things[name] |= _rules(cloud, who, name) | _security(who, name)
    for n, (name, who) in enumerate((("victim", victim), ("user", found.user), ("boss", found.boss)), 10):
        things[name] |= _vpc(cloud, who, name, n)
    cloud.api("createServiceOffering", name="theirs only", displaytext="x", cpunumber=1, cpuspeed=100, memory=128,
              domainid=theirs)  # fmt: skip
    cloud.api("createNetworkOffering", name="networks of theirs", displaytext="x", guestiptype="L2",
              traffictype="Guest", domainid=theirs)  # fmt: skip
    cloud.api("dedicateGuestVlanRange", physicalnetworkid=built.physical_network, vlanrange="190-199",
              domainid=theirs)  # fmt: skip
    cloud.api("createZone", name="closed", networktype="Advanced", dns1="9.9.9.9", internaldns1="9.9.9.9")
    _networks(cloud, theirs)
    cloud.api("createWitness", name="w1", address="10.9.0.9", port=8260)
    cloud.db.tx(lambda s: s.add(Alert(type="ALERT.HOST", subject="x", text="x")))
    cloud.db.tx(lambda s: s.add(Server(name="s1", run="x", address="10.0.0.2", software="1", os="x", kernel="x",
                                       boot_s=0.0, started_s=0.0)))  # fmt: skip
    everybodys = {
        Zone: [built.zone], ServiceOffering: [built.offering], Template: [built.template], Network: [built.network],
        DiskOffering: [cloud.api("listDiskOfferings", name="Small")["diskoffering"][0]["id"]],
        NetworkOffering: [cloud.api("listNetworkOfferings")["networkoffering"][0]["id"]],
        VpcOffering: [cloud.api("listVPCOfferings")["vpcoffering"][0]["id"]],
        OsType: [cloud.api("listOsTypes")["ostype"][0]["id"]],
    }  # fmt: skip
    found.own = {
        name: {**everybodys, **things[name], Domain: [ours], Account: [_uuid(cloud, Account, name=who)],
               User: [_uuid(cloud, User, username=who)]}
        for name, who in (("user", "stranger"), ("boss", "boss"))
    }  # fmt: skip
    operators = (Pod, Cluster, Host, Pool, ImageStore, PhysicalNetwork, TrafficType, Provider, RouterElement,
                 VlanRange, DedicatedRange, Alert, Server, Witness, InternalLb)  # fmt: skip
    found.hidden = {kind: _all(cloud, kind) for kind in operators}
    found.hidden |= things["victim"]
    root = _uuid(cloud, Domain, path="/")
    found.hidden |= {
        Domain: [theirs, below, root],
        Account: [_uuid(cloud, Account, name="victim"), _uuid(cloud, Account, name="admin")],
        User: [_uuid(cloud, User, username="victim"), _uuid(cloud, User, username="admin")],
        Zone: [_uuid(cloud, Zone, name="closed")],
        ServiceOffering: [_uuid(cloud, ServiceOffering, name="theirs only")],
        Network: [_uuid(cloud, Network, name="theirs"), _uuid(cloud, Network, name="victim's")],
        NetworkOffering: [_uuid(cloud, NetworkOffering, name="networks of theirs")],
        Router: _routers(cloud, ours, inside=False),
    }
    found.own["boss"][Router] = _routers(cloud, ours, inside=True)
    found.root = {root, _uuid(cloud, Account, name="admin")}
    return found


def _vpc(cloud: Cloud, who: Caller, name: str, n: int) -> Rows:
    """Let somebody own a VPC with a tier, an ACL list, a private gateway with a route, and a balancer in the tier."""
    assert cloud.zone
    zone, base = cloud.zone.zone, "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB"
    offering = cloud.api("listNetworkOfferings", name=base)["networkoffering"][0]["id"]
    kind = cloud.api("listVPCOfferings")["vpcoffering"][0]["id"]
    vpc = who.do("createVPC", name=f"{name}-vpc", zoneid=zone, vpcofferingid=kind, cidr="10.0.0.0/16")["vpc"][
        "id"
    ]
    rules = who.do("createNetworkACLList", name=f"{name}-acl", vpcid=vpc)["networkacllist"]["id"]
    item = who.do("createNetworkACL", aclid=rules, protocol="tcp", startport=22)["networkacl"]["id"]
    way = cloud.do("createPrivateGateway", vpcid=vpc, gateway="172.20.0.1", netmask="255.255.255.0", vlan="55",
                   physicalnetworkid=cloud.zone.physical_network,
                   ipaddress=f"172.20.0.{n}")["privategateway"]["id"]  # fmt: skip
    route = who.do("createStaticRoute", cidr="192.168.0.0/16", gatewayid=way)["staticroute"]["id"]
    tier = cloud.api("createNetwork", name=f"{name}-tier", zoneid=zone, vpcid=vpc, gateway="10.0.1.1",
                     physicalnetworkid=cloud.zone.physical_network,
                   netmask="255.255.255.0", networkofferingid=offering)["network"]["id"]  # fmt: skip
    balancer = who.do("createLoadBalancer", name=f"{name}-lb", networkid=tier, sourceipaddressnetworkid=tier,
                      scheme="Internal", algorithm="source", sourceport=80, instanceport=80)["loadbalancer"]["id"]  # fmt: skip
    return {Vpc: [vpc], NetworkAclList: [rules], NetworkAclItem: [item], PrivateGateway: [way], StaticRoute: [route],
            InternalBalancer: [balancer]}  # fmt: skip


def _rules(cloud: Cloud, who: Caller, name: str) -> Rows:
    """Let somebody own addresses with rules of every kind, and a certificate."""
    network = isolated(cloud, who, f"{name}-iso")
    made = vm_in(cloud, who, network, f"{name}-web")
    vm, nic = made["id"], made["nic"][0]["id"]
    more = who.do("addIpToNic", nicid=nic)["nicsecondaryip"]["id"]
    ip, whole = acquire(cloud, who, network)["id"], acquire(cloud, who, network)["id"]
    opening = who.do("createFirewallRule", ipaddressid=ip, protocol="icmp")["firewallrule"]["id"]
    out = who.do("createEgressFirewallRule", networkid=network, protocol="icmp")["firewallrule"]["id"]
    forward = who.do("createPortForwardingRule", ipaddressid=ip, protocol="tcp", publicport=81, privateport=81,
                     virtualmachineid=vm)["portforwardingrule"]["id"]  # fmt: skip
    who.api("enableStaticNat", ipaddressid=whole, virtualmachineid=vm)
    ports = who.do("createIpForwardingRule", ipaddressid=whole, protocol="tcp", startport=22)
    lb = who.do("createLoadBalancerRule", name="lb", algorithm="source", publicport=80, privateport=80,
                publicipid=ip)["loadbalancer"]["id"]  # fmt: skip
    who.do("assignToLoadBalancerRule", id=lb, virtualmachineids=vm)
    stick = who.do("createLBStickinessPolicy", lbruleid=lb, name="s", methodname="LbCookie")[
        "stickinesspolicies"
    ]
    check = who.do("createLBHealthCheckPolicy", lbruleid=lb)["healthcheckpolicy"]

    def keep(s: Any) -> str:
        account = s.scalars(select(Account).where(Account.id == who.account_id)).one()
        cert = SslCert(name=name, account_id=account.id, domain_id=account.domain_id, certificate="x", key_sealed="x",
                       fingerprint="x")  # fmt: skip
        s.add(cert)
        s.flush()
        return str(cert.uuid)

    return {
        PublicAddress: [ip, whole], FirewallRule: [opening, out],
        ForwardingRule: [forward, ports["portforwardingrule"]["id"]],
        LoadBalancer: [lb], StickinessPolicy: [stick["stickinesspolicy"][0]["id"]],
        HealthPolicy: [check["healthcheckpolicy"][0]["id"]], SslCert: [cloud.db.tx(keep)],
        NicAddress: [more],
    }  # fmt: skip


def _security(who: Caller, name: str) -> Rows:
    """Let somebody own a security group with rules of both directions."""
    group = who.api("createSecurityGroup", name=f"{name}-in", description="x")["securitygroup"]["id"]
    within = who.do("authorizeSecurityGroupIngress", securitygroupid=group, protocol="icmp", icmptype=-1, icmpcode=-1,
                    cidrlist="10.0.0.0/8")["securitygroup"]["ingressrule"]  # fmt: skip
    out = who.do("authorizeSecurityGroupEgress", securitygroupid=group, **{
        "usersecuritygrouplist[0].account": who.name, "usersecuritygrouplist[0].group": "default",
    })["securitygroup"]["egressrule"]  # fmt: skip
    return {SecurityGroup: [group], SecurityRule: [rule["ruleid"] for rule in (*within, *out)]}


def _things(cloud: Cloud, who: Caller, name: str) -> Rows:
    """Let somebody own a VM with volumes, a key pair, a template, jobs and events."""
    assert cloud.zone
    disk = cloud.api("listDiskOfferings", name="Small")["diskoffering"][0]["id"]
    key = who.api("createSSHKeyPair", name=f"{name}-key")["keypair"]
    apart = who.do("createAffinityGroup", name=f"{name}-group", type="non-strict host anti-affinity")[
        "affinitygroup"
    ]
    wish = cloud.zone.vm(
        name=f"{name}-vm",
        diskofferingid=disk,
        keypair=f"{name}-key",
        group=f"{name}s",
        affinitygroupids=apart["id"],
    )
    vm = who.do("deployVirtualMachine", **wish)["virtualmachine"]
    volume = who.do("createVolume", name=f"{name}-disk", zoneid=cloud.zone.zone, diskofferingid=disk)[
        "volume"
    ]

    def rows(s: Any) -> Rows:
        account = s.scalars(select(Account).where(Account.id == who.account_id)).one()
        template = Template(
            name=f"{name}-template", display_text=f"{name}'s", account_id=account.id, domain_id=account.domain_id,
            url="http://sim/x.qcow2", format="QCOW2", hypervisor="Simulator", size_bytes=1 << 30,
        )  # fmt: skip
        s.add(template)
        s.flush()

        def mine(kind: Any) -> list[str]:
            return list(s.scalars(select(kind.uuid).where(kind.account_id == account.id).order_by(kind.id)))

        key_uuid = s.scalars(select(SshKey.uuid).where(SshKey.account_id == account.id)).one()
        nics = list(s.scalars(select(Nic.uuid).join(Vm, Vm.id == Nic.vm_id).where(Vm.uuid == vm["id"])))
        return {
            Vm: [vm["id"]], Volume: [volume["id"], *mine(Volume)], SshKey: [key_uuid], Template: [template.uuid],
            AffinityGroup: [apart["id"]], SagaRow: mine(SagaRow), Event: mine(Event), Nic: nics,
        }  # fmt: skip

    assert key["name"] == f"{name}-key"
    return cloud.db.tx(rows)


def _wires(cloud: Cloud, zone: str) -> None:
    """Lay wires with a provider, as operators do."""
    physical = cloud.do(
        "createPhysicalNetwork", name="more wires", zoneid=zone, isolationmethods="VLAN", vlan="200-299"
    )
    uuid = physical["physicalnetwork"]["id"]
    cloud.do("addTrafficType", physicalnetworkid=uuid, traffictype="Guest", kvmnetworklabel="cloudbr1")
    provider = cloud.api("listNetworkServiceProviders", physicalnetworkid=uuid)["networkserviceprovider"][0]
    element = cloud.api("listVirtualRouterElements", nspid=provider["id"])["virtualrouterelement"][0]
    cloud.do("configureVirtualRouterElement", id=element["id"], enabled=True)
    cloud.do("updateNetworkServiceProvider", id=provider["id"], state="Enabled")
    cloud.do("updatePhysicalNetwork", id=uuid, state="Enabled")


def _networks(cloud: Cloud, theirs: str) -> None:
    """Make a network of the victim's domain, and one of the victim's account."""

    def lay(s: Any) -> None:
        like = s.scalars(select(Network).where(Network.name == "net")).one()
        victim = s.scalars(select(Account).where(Account.name == "victim")).one()
        domain = s.scalars(select(Domain).where(Domain.uuid == theirs)).one()
        admin = s.scalars(select(Account).where(Account.name == "admin")).one()
        same = {
            name: getattr(like, name)
            for name in ("zone_id", "offering_id", "physical_network_id", "guest_type", "bridge", "netmask",
                         "network_domain")
        }  # fmt: skip
        for n, (name, acl, account, domain_id) in enumerate(
            (("theirs", "Domain", admin, domain.id), ("victim's", "Account", victim, victim.domain_id)), 101
        ):
            s.add(Network(name=name, display_text=name, account_id=account.id, domain_id=domain_id, acl_type=acl,
                          vlan=str(n), gateway=f"10.{n}.0.1", cidr=f"10.{n}.0.0/16", **same))  # fmt: skip

    cloud.db.tx(lay)


def _routers(cloud: Cloud, domain: str, *, inside: bool) -> list[str]:
    """Return the routers of a domain's networks, or all others."""

    def read(s: Any) -> list[str]:
        theirs = (
            select(Network.group_id).join(Domain, Domain.id == Network.domain_id).where(Domain.uuid == domain)
        )
        among = Router.group_id.in_(theirs.where(Network.group_id.is_not(None)))
        return list(s.scalars(select(Router.uuid).where(among if inside else ~among).order_by(Router.id)))

    return cloud.db.read(read)


def _uuid(cloud: Cloud, kind: Any, **where: str) -> str:
    found: str = cloud.db.read(lambda s: s.query(kind).filter_by(**where).one().uuid)
    return found


def _all(cloud: Cloud, kind: Any) -> list[str]:
    return list(cloud.db.read(lambda s: s.scalars(select(kind.uuid).order_by(kind.id)).all()))
