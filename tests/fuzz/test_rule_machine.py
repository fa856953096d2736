"""Rules of a tenant, asked for and taken back by commands in any order, several at a time and through each other.

Whenever all jobs have ended, every router must have been told what a router would be that is new: the whole state,
rendered from rows; and its ruleset is the same text.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from sqlalchemy import select
from test_cloud_machine import Stumbles, blank

from support.cloud import Cloud
from support.isolated import public_range
from tegar.agent.router.render import bundle
from tegar.api import render
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db
from tegar.kernel.saga import OPEN, SagaRow, State
from tegar.model.router import RouterSpec
from tegar.saga.router_spec import router_spec
from tegar.sim.world import World
from tegar.store.routers import Router, RouterGroup

PAIR = "DefaultRedundantIsolatedNetworkOfferingWithSourceNatService"
TIER = "DefaultIsolatedNetworkOfferingForVpcNetworks"
LISTS = {
    "FirewallRule": ("listFirewallRules", "firewallrule"),
    "EgressFirewallRule": ("listEgressFirewallRules", "firewallrule"),
    "PortForwardingRule": ("listPortForwardingRules", "portforwardingrule"),
    "LoadBalancerRule": ("listLoadBalancerRules", "loadbalancerrule"),
    "NetworkACL": ("listNetworkACLs", "networkacl"),
}

which = st.integers(0, 5)
ports = st.sampled_from([22, 80, 443, 8080])
protocols = st.sampled_from(["tcp", "udp"])
cidrs = st.sampled_from(["0.0.0.0/0", "198.51.100.0/24", "198.51.100.0/24,192.0.2.1/32"])


class RuleMachine(RuleBasedStateMachine):
    """What a tenant may ask; an isolated network with a pair of routers, and a tier of a VPC."""

    numbers = itertools.count()
    home = tempfile.TemporaryDirectory(
        prefix="tegar-rules-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    )

    def __init__(self) -> None:
        super().__init__()
        clock = ManualClock()
        self.file = Path(self.home.name) / f"{next(self.numbers)}.db"
        shutil.copy(blank(self.home.name), self.file)
        self.db = Db(f"sqlite:///{self.file}", clock)
        self.cloud = Cloud(self.db, World(clock=clock), clock)
        built = self.cloud.ready_zone(hosts=2)
        public_range(self.cloud, first=10, last=17)
        self.alice = self.cloud.as_user("alice")
        pair = self.alice.api(
            "createNetwork", name="iso", zoneid=built.zone, networkofferingid=self._offering(PAIR)
        )
        self.vpc = self.alice.do(
            "createVPC", name="shop", zoneid=built.zone, cidr="10.0.0.0/16",
            vpcofferingid=self.cloud.api("listVPCOfferings", name="Default VPC offering")["vpcoffering"][0]["id"],
        )["vpc"]["id"]  # fmt: skip
        self.acl = self.alice.do("createNetworkACLList", name="list", vpcid=self.vpc)["networkacllist"]["id"]
        tier = self.alice.api(
            "createNetwork", name="tier", zoneid=built.zone, networkofferingid=self._offering(TIER), vpcid=self.vpc,
            gateway="10.0.1.1", netmask="255.255.255.0", aclid=self.acl,
        )  # fmt: skip
        self.networks = [pair["network"]["id"], tier["network"]["id"]]
        self.vms = [
            self.alice.do("deployVirtualMachine", **built.vm(name=f"vm{n}", networkids=self.networks[n % 2]))[
                "virtualmachine"
            ]
            for n in range(3)
        ]
        self.cloud.hold = True
        self.stumbles = Stumbles()
        self.cloud.engine = self.cloud.make_engine(self.stumbles, "server-1")

    def _offering(self, name: str) -> str:
        return str(self.cloud.api("listNetworkOfferings", name=name)["networkoffering"][0]["id"])

    def ask(self, command: str, **params: Any) -> None:
        """Ask; a refusal is an answer, an internal error is not."""
        answer = self.alice.answer(command, **params)
        inner = json.loads(render.as_json(answer.key, answer.inner))[answer.key]
        assert answer.status != 530, (command, inner)
        assert "nternal error" not in str(inner.get("errortext", "")), (command, inner)

    def ip(self, n: int) -> str:
        """Return one of the tenant's addresses."""
        found = self.alice.api("listPublicIpAddresses", listall=True)["publicipaddress"]
        return str(found[n % len(found)]["id"])

    def one_of(self, noun: str, n: int) -> str:
        """Return one of the rules of a kind."""
        command, key = LISTS[noun]
        found = self.alice.api(command, listall=True).get(key, [])
        return str(found[n % len(found)]["id"]) if found else "00000000-0000-4000-8000-000000000000"

    @rule(n=which)
    def acquire(self, n: int) -> None:
        where = {"networkid": self.networks[0]} if n % 2 else {"vpcid": self.vpc}
        self.ask("associateIpAddress", **where)

    @rule(n=which)
    def release(self, n: int) -> None:
        self.ask("disassociateIpAddress", id=self.ip(n))

    @rule(n=which, port=ports, protocol=protocols, cidr=cidrs)
    def open(self, n: int, port: int, protocol: str, cidr: str) -> None:
        self.ask("createFirewallRule", ipaddressid=self.ip(n), protocol=protocol, startport=port,
                 endport=port + n, cidrlist=cidr)  # fmt: skip

    @rule(port=ports, protocol=protocols)
    def let_out(self, port: int, protocol: str) -> None:
        self.ask("createEgressFirewallRule", networkid=self.networks[0], protocol=protocol, startport=port,
                 endport=port)  # fmt: skip

    @rule(n=which, vm=which, port=ports, opened=st.booleans())
    def forward(self, n: int, vm: int, port: int, opened: bool) -> None:
        behind = self.vms[vm % len(self.vms)]
        self.ask("createPortForwardingRule", ipaddressid=self.ip(n), protocol="tcp", publicport=port,
                 privateport=port, virtualmachineid=behind["id"], openfirewall=opened,
                 networkid=behind["nic"][0]["networkid"])  # fmt: skip

    @rule(
        n=which, port=ports, algorithm=st.sampled_from(["roundrobin", "leastconn"]), network=st.integers(0, 1)
    )
    def balance(self, n: int, port: int, algorithm: str, network: int) -> None:
        self.ask("createLoadBalancerRule", publicipid=self.ip(n), name=f"lb{n}", algorithm=algorithm,
                 publicport=port, privateport=8080, openfirewall=False, networkid=self.networks[network])  # fmt: skip

    @rule(n=which, vm=which, verb=st.sampled_from(["assignTo", "assignTo", "removeFrom"]))
    def change_members(self, n: int, vm: int, verb: str) -> None:
        self.ask(f"{verb}LoadBalancerRule", id=self.one_of("LoadBalancerRule", n),
                 virtualmachineids=self.vms[vm % len(self.vms)]["id"])  # fmt: skip

    @rule(n=which, vm=which)
    def stand_for(self, n: int, vm: int) -> None:
        behind = self.vms[vm % len(self.vms)]
        self.ask("enableStaticNat", ipaddressid=self.ip(n), virtualmachineid=behind["id"],
                 networkid=behind["nic"][0]["networkid"])  # fmt: skip

    @rule(n=which)
    def stand_for_no_more(self, n: int) -> None:
        self.ask("disableStaticNat", ipaddressid=self.ip(n))

    @rule(number=st.integers(1, 9), port=ports, way=st.sampled_from(["ingress", "egress"]), cidr=cidrs)
    def add_to_list(self, number: int, port: int, way: str, cidr: str) -> None:
        self.ask("createNetworkACL", aclid=self.acl, number=number, protocol="tcp", startport=port, endport=port,
                 traffictype=way, action="allow" if number % 2 else "deny", cidrlist=cidr)  # fmt: skip

    @rule(n=which, action=st.sampled_from(["allow", "deny"]))
    def change_in_list(self, n: int, action: str) -> None:
        self.ask("updateNetworkACLItem", id=self.one_of("NetworkACL", n), action=action)

    @rule(n=which, noun=st.sampled_from(sorted(LISTS)))
    def delete(self, n: int, noun: str) -> None:
        self.ask(f"delete{noun}", id=self.one_of(noun, n))

    @rule(seed=which, stumbling=st.booleans())
    def all_jobs_end(self, seed: int, stumbling: bool) -> None:
        self.stumbles.from_now(0.1 if stumbling else 0.0, seed)
        self.settle()

    def settle(self) -> None:
        """Let all jobs end; then routers must be as new."""
        self.cloud.settle()
        left = self.db.read(
            lambda s: s.scalars(select(SagaRow).where(SagaRow.state.in_([*OPEN, State.STUCK]))).all()
        )
        assert [(saga.name, saga.error) for saga in left] == []
        fresh = self.db.read(self._fresh)
        told = {uuid: spec for m in self.cloud.world.machines.values() for uuid, spec in m.routers.items()}
        assert set(told) == set(fresh)
        for uuid, spec in fresh.items():
            assert told[uuid] == spec
            assert bundle(told[uuid], "/r") == bundle(spec, "/r")

    def _fresh(self, s: Any) -> dict[str, RouterSpec]:
        routers = s.scalars(select(Router).where(Router.host_id.is_not(None))).all()
        groups = {router.group_id: s.get_one(RouterGroup, router.group_id) for router in routers}
        return {r.uuid: router_spec(s, groups[r.group_id], r, self.cloud.vault) for r in routers}

    def teardown(self) -> None:
        """End as all sequences must."""
        try:
            self.stumbles.chance = 0.0
            self.settle()
        finally:
            self.cloud.close()
            self.db.close()
            self.file.unlink()


EXAMPLES = int(os.environ.get("TEGAR_FUZZ_EXAMPLES", "0"))

TestRules = RuleMachine.TestCase
TestRules.settings = settings(
    max_examples=EXAMPLES or 6,
    stateful_step_count=30,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    print_blob=False,
    phases=[Phase.generate] if EXAMPLES else list(Phase),
    suppress_health_check=list(HealthCheck),
)
