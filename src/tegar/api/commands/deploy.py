"""Deploying a virtual machine: the parameters, and how they become a wish."""

from __future__ import annotations

from tegar.api.views.vm import VmView, vms
from tegar.kernel.command import ADMIN, UUID, Command, param
from tegar.kernel.errors import BadParameter, NoSuchEntity, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.units import GIB
from tegar.ops import access, affinity, default_network, deploy, security_group
from tegar.ops.ctx import Ctx
from tegar.ops.deploy import Wish
from tegar.ops.nic import NicWish
from tegar.ops.zone import ip as check_ip
from tegar.store.accounts import Account, Domain
from tegar.store.affinity import AffinityGroup
from tegar.store.hosts import Host
from tegar.store.images import Template
from tegar.store.networks import Network
from tegar.store.offerings import DiskOffering, ServiceOffering
from tegar.store.security_groups import SecurityGroup
from tegar.store.vms import Vm
from tegar.store.zones import Zone


class DeployVirtualMachine(Command):
    """Make a virtual machine from a template and a service offering, and start it."""

    name = "deployVirtualMachine"
    is_async = True
    response = VmView
    entity = Vm
    view = staticmethod(vms)

    service_offering_id: ServiceOffering = param("how much CPU and memory")
    template_id: Template = param("what its root disk is made from")
    zone_id: Zone = param("where")
    name_: str | None = param("its host name", default=None, wire="name")
    display_name: str | None = param("the name to show", default=None)
    network_ids: list[Network] | None = param("networks, the first is the default", default=None)
    ip_to_network_list: list[dict[str, str]] | None = param(
        "networks with addresses: networkid, ip, mac", default=None
    )
    ip_address: str | None = param("address in the default network", default=None)
    mac_address: str | None = param("MAC in the default network", default=None)
    user_data: str = param("user data, in base64", default="", max_length=deploy.MAX_USER_DATA)
    key_pair: str | None = param("name of an SSH key", default=None)
    key_pairs: list[str] | None = param("names of SSH keys", default=None)
    disk_offering_id: DiskOffering | None = param("a data disk of this offering", default=None)
    size: int | None = param("size of a custom data disk, in GB", default=None, low=1)
    root_disk_size: int | None = param("size of the root disk, in GB", default=None, low=1)
    host_id: Host | None = param("on this host and nowhere else", default=None, roles=ADMIN)
    start_vm: bool = param("start it; otherwise it is left Stopped", default=True)
    group: str | None = param("put it in this group", default=None)
    affinity_group_ids: list[AffinityGroup] | None = param("affinity groups to be in", default=None)
    affinity_group_names: list[str] | None = param("or their names, in the VM's account", default=None)
    security_group_ids: list[SecurityGroup] | None = param(
        "security groups to be in; by default the account's own, where networks have them", default=None
    )
    security_group_names: list[str] | None = param("or their names, in the VM's account", default=None)
    details: dict[str, str] | None = param(
        "cpuNumber, memory (MB) and cpuSpeed of a custom offering; ha.priority (0 first to 4), ha.ready (agent or "
        "tcp:PORT), ha.ready.timeout (s), ha.guest.action (none, reset, restart) and ha.depends.on (ids of VMs)",
        default=None,
    )
    hypervisor: str | None = param("the template's hypervisor, if given", default=None)
    account: str | None = param("for this account; with domainid", default=None)
    domain_id: Domain | None = param("for an account of this domain", default=None)
    display_vm: bool | None = param("show it to users", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        if self.hypervisor and self.hypervisor.lower() not in ("any", self.template_id.hypervisor.lower()):
            raise BadParameter("hypervisor", f"the template is for {self.template_id.hypervisor}")
        owner = access.owner(ctx, self.account, self.domain_id)
        nics = self._nics(ctx, owner)
        return deploy.deploy(
            ctx,
            Wish(
                owner=owner,
                zone=self.zone_id,
                template=self.template_id,
                offering=self.service_offering_id,
                nics=nics,
                name=self.name_ or None,
                display_name=self.display_name,
                user_data=self.user_data,
                keys=[*(self.key_pairs or []), *([self.key_pair] if self.key_pair else [])],
                host=self.host_id,
                root_size_bytes=self.root_disk_size * GIB if self.root_disk_size else None,
                disk_offering=self.disk_offering_id,
                disk_size_bytes=self.size * GIB if self.size else None,
                details=self.details or {},
                group=self.group,
                affinity=affinity.chosen(ctx, owner, self.affinity_group_ids, self.affinity_group_names),
                security=security_group.chosen(
                    ctx,
                    owner,
                    self.zone_id,
                    [nic.network for nic in nics],
                    self.security_group_ids,
                    self.security_group_names,
                ),
                start=self.start_vm,
            ),
        )

    def _nics(self, ctx: Ctx, owner: Account) -> list[NicWish]:
        if self.ip_to_network_list:
            if self.network_ids or self.ip_address:
                raise Refused("iptonetworklist takes the place of networkids and ipaddress; give one of them")
            return [self._wish(ctx, entry) for entry in self.ip_to_network_list]
        ip, mac = check_ip("ipaddress", self.ip_address) or "", check_mac(self.mac_address)
        chosen = self.network_ids or default_network.of(ctx, owner, self.zone_id)
        return [NicWish(n, ip if i == 0 else "", mac if i == 0 else "") for i, n in enumerate(chosen)]

    def _wish(self, ctx: Ctx, entry: dict[str, str]) -> NicWish:
        uuid = entry.get("networkid", "")
        if not UUID.match(uuid):
            raise NoSuchEntity(self.name.lower(), "networkid", uuid)
        network = access.must_see(ctx, Network, uuid, "networkid")
        return NicWish(
            network, check_ip("iptonetworklist.ip", entry.get("ip")) or "", check_mac(entry.get("mac"))
        )


def check_mac(text: str | None) -> str:
    """Return a unicast MAC in lower case with colons, empty for none.

    Raises:
        BadParameter: it is not one.
    """
    if not text:
        return ""
    digits = text.lower().replace(":", "").replace("-", "")
    if len(digits) != 12 or any(c not in "0123456789abcdef" for c in digits) or int(digits[1], 16) & 1:
        raise BadParameter("macaddress", f"{text!r} is not a unicast MAC address, such as 02:00:4c:00:00:01")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


COMMANDS = (DeployVirtualMachine,)
