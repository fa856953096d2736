"""Public addresses and the rules on them, as the API would show them: the protocol's names."""

from __future__ import annotations

from typing import TypedDict


class IpAddressView(TypedDict, total=False):
    """A public address."""

    id: str
    ipaddress: str
    state: str
    allocated: str
    issourcenat: bool
    isstaticnat: bool
    forvirtualnetwork: bool
    zoneid: str
    zonename: str
    account: str
    domainid: str
    domain: str
    vlanid: str
    physicalnetworkid: str
    associatednetworkid: str
    associatednetworkname: str
    networkid: str
    networkname: str
    virtualmachineid: str
    virtualmachinename: str
    vmipaddress: str


class ForwardingRuleView(TypedDict, total=False):
    """A rule that sends ports of a public address to a VM; ports are text in the protocol."""

    id: str
    protocol: str
    publicport: str
    publicendport: str
    privateport: str
    privateendport: str
    ipaddressid: str
    ipaddress: str
    virtualmachineid: str
    virtualmachinename: str
    vmguestip: str
    networkid: str
    state: str
