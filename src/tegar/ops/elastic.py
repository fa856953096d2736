"""Elastic addresses: they come with a VM, or with a load balancer, and go with it."""

from __future__ import annotations

import json

from tegar.model.errors import NoPublicAddress
from tegar.ops.ctx import Ctx
from tegar.store import addresses
from tegar.store.accounts import Account
from tegar.store.addresses import PublicAddress
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.zones import Zone


def _can(offering: NetworkOffering, service: str, capability: str) -> bool:
    """Return whether an offering has a capability, kept as ``{"StaticNat": {"ElasticIp": "true"}}``."""
    kept = json.loads(offering.details or "{}")
    capabilities = kept.get("capabilities", kept)
    found = capabilities.get(service, {}) if isinstance(capabilities, dict) else {}
    of_service = {str(k).lower(): str(v).lower() for k, v in found.items()} if isinstance(found, dict) else {}
    return offering.offers(service) and of_service.get(capability.lower()) == "true"


def stands(offering: NetworkOffering) -> bool:
    """Return whether each VM in its networks gets a public address that stands for it."""
    return _can(offering, "StaticNat", "ElasticIp")


def balances(offering: NetworkOffering) -> bool:
    """Return whether load balancers in its networks get a public address of their own."""
    return _can(offering, "Lb", "ElasticLb")


def take(ctx: Ctx, owner: Account, network: Network) -> PublicAddress:
    """Take an address for a network that goes with what it is for.

    Raises:
        NoPublicAddress: the zone has none left.
    """
    found = addresses.free(ctx.s, network.zone_id, account_id=owner.id, domain_id=owner.domain_id)
    if found is None:
        raise NoPublicAddress(ctx.s.get_one(Zone, network.zone_id).name, f"network {network.name}")
    addresses.take(found, owner.id, owner.domain_id, ctx.now_s)
    found.network_id, found.elastic = network.id, True
    ctx.s.flush()
    return found


def join(ctx: Ctx, network: Network, nic: Nic) -> None:
    """Let a new NIC have an address that stands for it, where the network's offering gives one to each VM.

    Raises:
        NoPublicAddress: the zone has none left.
    """
    if not stands(ctx.s.get_one(NetworkOffering, network.offering_id)):
        return
    address = take(ctx, ctx.s.get_one(Account, network.account_id), network)
    address.static_nat, address.nic_id, address.guest_ip = True, nic.id, nic.ip
    ctx.note("NET.IPASSIGN", f"Address {address.ip} stands for {nic.ip} of network {network.name}", address)
