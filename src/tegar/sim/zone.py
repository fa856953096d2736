"""Building what a cloud needs before its first VM, by rows: what the operator's commands will have made of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.orm import Session

from tegar.kernel.clock import Clock
from tegar.kernel.db import Db
from tegar.kernel.wire import Links
from tegar.model.network import Traffic
from tegar.model.spec import PoolKind
from tegar.model.template import State as TemplateState
from tegar.model.units import GIB, MIB
from tegar.sim.world import World
from tegar.store.accounts import Account
from tegar.store.hosts import Host, HostUse, Pulse
from tegar.store.images import Copy, ImageStore, Template
from tegar.store.networks import GuestAddress, Network, VlanRange
from tegar.store.offerings import NetworkOffering, ServiceOffering
from tegar.store.pools import Pool, PoolUse
from tegar.store.routers import RouterGroup
from tegar.store.zones import Cluster, PhysicalNetwork, Pod, TrafficType, Zone
from tegar.wire.disk import OpenPool
from tegar.wire.host import GetFacts
from tegar.wire.image import FetchImage

SERVICES = "Dhcp=VirtualRouter,Dns=VirtualRouter,UserData=VirtualRouter"


@dataclass
class Built:
    """The uuids of what was built; ``hosts`` by name."""

    zone: str = ""
    physical_network: str = ""
    pod: str = ""
    cluster: str = ""
    pool: str = ""
    store: str = ""
    template: str = ""
    network: str = ""
    offering: str = ""
    hosts: dict[str, str] = field(default_factory=dict)

    def vm(self, **more: Any) -> dict[str, Any]:
        """Return the parameters of ``deployVirtualMachine``."""
        return {
            "zoneid": self.zone,
            "templateid": self.template,
            "serviceofferingid": self.offering,
            "networkids": self.network,
            **more,
        }


class Site(Protocol):
    """A cloud to build in."""

    @property
    def db(self) -> Db:
        """Its database."""
        ...

    @property
    def world(self) -> World:
        """Its hosts."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def links(self) -> Links:
        """Ways to hosts."""
        ...


def build_zone(
    cloud: Site, hosts: int = 2, *, memory_bytes: int = 256 * MIB, addresses: int = 200, name: str = "z1"
) -> Built:
    """Build a zone with one cluster, a pool, an image store, a template, a network and an offering."""
    built = Built()
    facts = {f"h{n}": cloud.links.to(f"http://sim/h{n}").ask(GetFacts()) for n in range(1, hosts + 1)}

    def lay(s: Session) -> None:
        zone = Zone(name=name, network_type="Advanced", dns1="10.1.0.1", internal_dns1="10.1.0.1",
                    allocation="Enabled")  # fmt: skip
        s.add(zone)
        s.flush()
        physical = PhysicalNetwork(zone_id=zone.id, name="wires", state="Enabled", vlan="100-199")
        pod = Pod(zone_id=zone.id, name="pod", gateway="10.9.0.1", netmask="255.255.0.0",
                  start_ip="10.9.1.1", end_ip="10.9.1.250")  # fmt: skip
        s.add_all([physical, pod])
        s.flush()
        cluster = Cluster(zone_id=zone.id, pod_id=pod.id, name="cluster", hypervisor="Simulator")
        s.add_all([cluster, TrafficType(physical_network_id=physical.id, traffic=Traffic.GUEST)])
        s.flush()
        for host_name, f in facts.items():
            host = Host(
                zone_id=zone.id, pod_id=pod.id, cluster_id=cluster.id, name=host_name,
                url=f"http://sim/{host_name}", address=f"10.9.1.{host_name[1:]}",
                migration_address=f.migration_address, hypervisor=f.hypervisor,
                hypervisor_version=f.hypervisor_version, agent_version=f.version, host_uuid=f.uuid,
                accel=f.accel, can=",".join(f.can), cpus=f.cpus, cpu_mhz=f.cpu_mhz, memory_bytes=f.memory_bytes,
            )  # fmt: skip
            s.add(host)
            s.flush()
            s.add_all([HostUse(host_id=host.id),
                       Pulse(host_id=host.id, seen_s=cloud.clock.now_s(), boot_id=f.boot_id)])  # fmt: skip
            built.hosts[host_name] = host.uuid
        built.zone, built.physical_network, built.pod, built.cluster = (
            zone.uuid, physical.uuid, pod.uuid, cluster.uuid
        )  # fmt: skip
        _storage(cloud, s, built, zone.id, cluster.id)
        _network(s, built, zone.id, physical.id, addresses)
        offering = ServiceOffering(
            name="one", display_text="one", cpus=1, cpu_mhz=500, memory_bytes=memory_bytes
        )
        s.add(offering)
        s.flush()
        built.offering = offering.uuid

    cloud.db.tx(lay)
    fill_storage(cloud, built)
    return built


def _storage(cloud: Site, s: Session, built: Built, zone_id: int, cluster_id: int) -> None:
    root = s.query(Account).filter_by(name="admin").one()
    pool = Pool(zone_id=zone_id, cluster_id=cluster_id, name="primary", kind=PoolKind.NFS, server="nfs",
                path="/primary", scope="CLUSTER", capacity_bytes=cloud.world.shape.pool_bytes)  # fmt: skip
    store = ImageStore(name="images", provider="NFS", url="nfs://nfs/secondary", zone_id=zone_id)
    template = Template(
        name="little", display_text="the little guest", account_id=root.id, domain_id=root.domain_id,
        zone_id=zone_id, state=TemplateState.READY, url="http://sim/little.qcow2?size=1073741824", format="QCOW2",
        hypervisor="Simulator", public=True, featured=True, size_bytes=GIB, physical_bytes=48 * MIB,
    )  # fmt: skip
    s.add_all([pool, store, template])
    s.flush()
    s.add_all([PoolUse(pool_id=pool.id), Copy(template_id=template.id, store_id=store.id)])
    built.pool, built.store, built.template = pool.uuid, store.uuid, template.uuid


def fill_storage(cloud: Site, built: Built) -> None:
    """Put the template's image where the rows say it is, and let the hosts reach the pool."""

    def specs(s: Session) -> tuple[Any, Any, str]:
        store = s.query(ImageStore).filter_by(uuid=built.store).one()
        template = s.query(Template).filter_by(uuid=built.template).one()
        return store.spec(), s.query(Pool).filter_by(uuid=built.pool).one().spec(), template.url

    store, pool, url = cloud.db.read(specs)
    for name in built.hosts:
        cloud.links.to(f"http://sim/{name}").ask(OpenPool(pool))
    link = cloud.links.to("http://sim/h1")
    link.ask(FetchImage(store, built.template, url, "QCOW2", "", 50 * GIB))


def _network(s: Session, built: Built, zone_id: int, physical_id: int, addresses: int) -> None:
    root = s.query(Account).filter_by(name="admin").one()
    offering = NetworkOffering(name="shared", display_text="shared", guest_type="Shared", services=SERVICES,
                               specify_vlan=True, specify_ip_ranges=True)  # fmt: skip
    group = RouterGroup()
    s.add_all([offering, group])
    s.flush()
    network = Network(
        name="net", display_text="net", account_id=root.id, domain_id=root.domain_id, zone_id=zone_id,
        offering_id=offering.id, physical_network_id=physical_id, guest_type="Shared", acl_type="Domain",
        vlan="100", bridge="cloudbr1", gateway="10.1.0.1", netmask="255.255.0.0", cidr="10.1.0.0/16",
        network_domain="example.internal", group_id=group.id,
    )  # fmt: skip
    s.add(network)
    s.flush()
    first = ipaddress.ip_address("10.1.1.1")
    ips = [str(first + n) for n in range(addresses)]
    span = VlanRange(zone_id=zone_id, physical_network_id=physical_id, network_id=network.id, vlan="100",
                     gateway="10.1.0.1", netmask="255.255.0.0", start_ip=ips[0], end_ip=ips[-1])  # fmt: skip
    s.add(span)
    s.flush()
    s.add_all(GuestAddress(network_id=network.id, range_id=span.id, ip=ip) for ip in ips)
    built.network = network.uuid
