"""Services of networks: who can give each, and what can be said of it."""

from __future__ import annotations

from dataclasses import dataclass

ROUTER, VPC_ROUTER, GROUPS, INTERNAL_LB = (
    "VirtualRouter",
    "VpcVirtualRouter",
    "SecurityGroupProvider",
    "InternalLbVm",
)
_BOTH = (ROUTER, VPC_ROUTER)


@dataclass(frozen=True)
class Service:
    """A service: its providers, its capabilities with what they are, and those that an offering chooses."""

    name: str
    providers: tuple[str, ...]
    capabilities: tuple[tuple[str, str], ...] = ()
    chosen: tuple[str, ...] = ()


SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        Service("Dhcp", _BOTH),
        Service("Dns", _BOTH, (("AllowDnsSuffixModification", "true"),)),
        Service("UserData", _BOTH),
        Service(
            "SourceNat",
            _BOTH,
            (("SupportedSourceNatTypes", "peraccount"), ("RedundantRouter", "true")),
            ("SupportedSourceNatTypes", "RedundantRouter"),
        ),
        Service(
            "StaticNat",
            _BOTH,
            (("ElasticIp", "true"), ("AssociatePublicIP", "true")),
            ("ElasticIp", "AssociatePublicIP"),
        ),
        Service("PortForwarding", _BOTH),
        Service(
            "Lb",
            (*_BOTH, INTERNAL_LB),
            (
                ("SupportedLbAlgorithms", "roundrobin,leastconn,source"),
                ("SupportedLBIsolation", "dedicated"),
                ("SupportedProtocols", "tcp, udp, tcp-proxy, ssl"),
                ("SupportedStickinessMethods", "LbCookie,AppCookie,SourceBased"),
                ("LbSchemes", "Public"),
                ("ElasticLb", "true"),
                ("HealthCheckPolicy", "true"),
                ("SslTermination", "true"),
            ),
            ("SupportedLBIsolation", "ElasticLb", "LbSchemes", "InlineMode"),
        ),
        Service(
            "Firewall",
            (ROUTER,),
            (
                ("SupportedProtocols", "tcp,udp,icmp"),
                ("SupportedEgressProtocols", "tcp,udp,icmp,all"),
                ("SupportedTrafficDirection", "ingress, egress"),
                ("MultipleIps", "true"),
                ("TrafficStatistics", "per public ip"),
            ),
        ),
        Service("NetworkACL", (VPC_ROUTER,), (("SupportedProtocols", "tcp,udp,icmp,all"),)),
        Service("SecurityGroup", (GROUPS,)),
        Service("Vpn", _BOTH),
    )
}

OF_SHARED = ("Dhcp", "Dns", "UserData", "SecurityGroup", "StaticNat", "Lb")
PROVIDED: dict[str, list[str]] = {
    provider: [s.name for s in SERVICES.values() if provider in s.providers]
    for provider in (ROUTER, VPC_ROUTER, GROUPS, INTERNAL_LB)
}
