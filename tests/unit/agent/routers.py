"""Specs of routers for tests of what is rendered."""

from __future__ import annotations

from dataclasses import replace

from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec, UplinkSpec
from tegar.model.rule import (
    AclItem,
    Balancer,
    Match,
    Member,
    Opening,
    PortForward,
    Protocol,
    StaticNat,
    StaticRoute,
)
from tegar.model.spec import NetworkSpec

TCP, UDP, ICMP = Protocol.TCP, Protocol.UDP, Protocol.ICMP
NETWORK = NetworkSpec("33333333-3333-4333-8333-333333333333", "cloudbr1", 100)
PUBLIC = NetworkSpec("55555555-5555-4555-8555-555555555555", "cloudbr0")
WEB = GuestSpec("77", "02:00:00:00:00:07", "10.1.1.7", "web")
DB = GuestSpec("78", "02:00:00:00:00:08", "10.1.1.8", "db", is_default=False)

NET = SubnetSpec(
    network=NETWORK, mac="02:00:00:00:00:02", ip="10.1.1.1", prefix_len=24, gateway="10.1.1.1",
    domain="cs.test", dns=("9.9.9.9",), guests=(WEB, DB),
    egress=(
        Match(TCP, first_port=25, last_port=25),
        Match(UDP, sources=("10.1.1.8/32",), destinations=("8.8.8.0/24", "8.8.8.8/32")),
    ),
)  # fmt: skip
UPLINK = UplinkSpec(
    network=PUBLIC, mac="02:00:00:00:01:01", addresses=("203.0.113.11", "203.0.113.10", "203.0.113.12"),
    prefix_len=24, gateway="203.0.113.1", source_nat="203.0.113.10",
)  # fmt: skip
ISOLATED = RouterSpec(
    "66666666-6666-4666-8666-666666666666", 3, (NET,), (UPLINK,),
    openings=(
        Opening("203.0.113.10", Match(TCP, first_port=80, last_port=90)),
        Opening("203.0.113.10", Match(TCP, sources=("0.0.0.0/0",), first_port=85, last_port=443)),
        Opening("203.0.113.10", Match(UDP, sources=("198.51.100.0/25", "198.51.100.128/25"), first_port=53)),
        Opening("203.0.113.10", Match(ICMP, icmp_type=8, icmp_code=0)),
        Opening("203.0.113.11", Match(Protocol.ALL)),
        Opening("203.0.113.11", Match(Protocol.NUMBER, sources=("192.0.2.7/32",), number=47)),
    ),
    forwards=(
        PortForward("203.0.113.10", TCP, 80, 80, "10.1.1.7", 8080, 8080),
        PortForward("203.0.113.10", UDP, 53, 53, "10.1.1.8", 53, 53, ("198.51.100.0/24",)),
        PortForward("203.0.113.12", TCP, 1000, 1999, "10.1.1.7", 1000, 1999),
        PortForward("203.0.113.12", TCP, 22, 23, "10.1.1.7", 22, 23),
    ),
    static_nats=(StaticNat("203.0.113.11", "10.1.1.8"),),
)  # fmt: skip

WEB_TIER = replace(
    NET, gateway="10.1.1.1", egress=(),
    acl=(
        AclItem(20, allow=False, inbound=True, match=Match(Protocol.ALL)),
        AclItem(10, allow=True, inbound=True, match=Match(TCP, sources=("10.1.2.0/24",), first_port=80)),
        AclItem(30, allow=True, inbound=False, match=Match(ICMP, icmp_type=-1, icmp_code=-1)),
    ),
)  # fmt: skip
DB_TIER = replace(
    NET, network=NetworkSpec("44444444-4444-4444-8444-444444444444", "cloudbr1", 101), mac="02:00:00:00:00:03",
    ip="10.1.2.1", gateway="10.1.2.1", guests=(), egress=(), acl=(),
)  # fmt: skip
PRIVATE = UplinkSpec(
    network=NetworkSpec("77777777-7777-4777-8777-777777777777", "cloudbr1", 900), mac="02:00:00:00:01:02",
    addresses=("172.30.0.2",), prefix_len=24, gateway="172.30.0.1", private=True, acl=(),
)  # fmt: skip
FURTHER = UplinkSpec(
    network=NetworkSpec("88888888-8888-4888-8888-888888888888", "cloudbr0", 50), mac="02:00:00:00:01:03",
    addresses=("198.51.100.10", "198.51.100.11"), prefix_len=24, gateway="198.51.100.1",
)  # fmt: skip
VPC = RouterSpec(
    "99999999-9999-4999-8999-999999999999", 1, (WEB_TIER, DB_TIER), (UPLINK, PRIVATE, FURTHER),
    forwards=(PortForward("203.0.113.10", TCP, 80, 80, "10.1.1.7", 8080, 8080),),
    static_nats=(StaticNat("198.51.100.11", "10.1.1.8"),),
    routes=(StaticRoute("192.168.50.0/24", "172.30.0.1"),),
    balancers=(Balancer("12121212", "10.1.1.200", 80, "roundrobin", "tcp", (Member("10.1.1.7", 80),)),),
)  # fmt: skip
