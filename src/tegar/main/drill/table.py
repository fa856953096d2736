"""All drills, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tegar.main.bench import leases
from tegar.main.drill import busy, cables, host_loss, mass, process_death, router_loss, servers
from tegar.main.drill.marks import Run
from tegar.main.drill.stage import Needs, Options, Say, Stage
from tegar.main.drill.watch import Watch

Once = Callable[[Stage, Watch, Options], tuple[float, dict[str, float]]]
Whole = Callable[[Path, Options, Say], list[Run]]


@dataclass(frozen=True)
class Drill:
    """One drill.

    Attributes:
        once: makes the fault in a watched cloud and returns its figure in seconds, and further figures.
        limits_s: what the figures must not exceed: ``p50``, ``p99``, ``max``.
        needs: the cloud.
        bmc_limits_s: the same with baseboard controllers.
    """

    once: Once
    limits_s: Mapping[str, float]
    needs: Needs = field(default_factory=Needs)
    bmc_limits_s: Mapping[str, float] | None = None


@dataclass(frozen=True)
class OwnCloud:
    """A drill that makes its cloud and its runs itself."""

    whole: Whole
    limits_s: Mapping[str, float]


@dataclass(frozen=True)
class Measured:
    """A drill that says itself what it found, in the words of the others.

    Attributes:
        measure: told whom to tell, and how many runs.
        limits_s: what the largest of its figures must not exceed, by the name of the figures.
    """

    measure: Callable[[Say, int], dict[str, Any]]
    limits_s: Mapping[str, float] = field(default_factory=dict)

    def passed(self, found: Mapping[str, Any]) -> bool:
        """Return whether all is as it should be."""
        clean = not found.get("lost") and not found.get("double_runs") and found.get("ok", True)
        return clean and all(found[name]["max"] <= limit for name, limit in self.limits_s.items())


def _leases(say: Say, runs: int) -> dict[str, Any]:
    """Let 10,000 hosts renew at one witness; more runs take longer and say no more."""
    found = leases.measure(say=say, hosts=10_000, seconds=30.0)
    lost = found["alone"]["lost"] + found["with_survey"]["lost"]
    return {"runs": 1, "seconds": {}, "lost": lost, "double_runs": 0, **found}


DRILLS: dict[str, Drill | OwnCloud | Measured] = {
    "qemu-death": Drill(process_death.qemu_death, {"max": 1.5}),
    "agent-death": Drill(process_death.agent_death, {"max": 5.0}),
    "libvirtd-death": Drill(process_death.libvirtd_death, {"max": 5.0}),
    "warden-stopped": Drill(process_death.warden_stopped, {"p99": 9.0}),
    "host-power-loss": Drill(
        host_loss.host_power_loss, {"p50": 8.0, "p99": 9.0}, Needs(vms=2), bmc_limits_s={"p99": 6.0}
    ),
    "host-isolated": Drill(host_loss.host_isolated, {}, Needs(vms=2)),
    "leader-death": Drill(host_loss.leader_death, {"p99": 12.0}, Needs(servers=3, vms=2)),
    "switch-blip": Drill(cables.switch_blip, {"max": 3.0}, Needs(hosts=3, vms=2)),
    "management-cut": Drill(cables.management_cut, {"max": process_death.UNNOTICED_S}, Needs(vms=2)),
    "mass-failure": OwnCloud(mass.mass_failure, {"max": 15.0}),
    "busy-failure": OwnCloud(busy.busy_failure, {"max": 15.0}),
    "router-host-loss": OwnCloud(router_loss.pair_loss, {"max": 1.0}),
    "router-host-loss-single": OwnCloud(router_loss.single_loss, {"max": 15.0}),
    "router-host-loss-partition-guest": OwnCloud(router_loss.guest_partition, {"max": 2.0}),
    "router-host-loss-partition-public": OwnCloud(router_loss.public_partition, {"max": 2.0}),
    "leases": Measured(_leases),
    **{
        name: Measured(measure, {"gap_seconds": 3.0, "seconds": 5.0})
        for name, measure in servers.DRILLS.items()
    },
}
