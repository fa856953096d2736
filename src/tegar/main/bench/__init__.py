"""Measurements: each prints one JSON object on its last line.  Machines are noisy: quote ratios."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any


def main_bench(argv: Sequence[str]) -> int:
    """Run ``tegar bench``."""
    from tegar.main.bench import balancer, deploy, leases, router, start

    benches: dict[str, Callable[..., dict[str, Any]]] = {
        "start": start.measure, "deploy": deploy.measure, "leases": leases.measure,
        "router": router.measure, "balancer": balancer.measure,
    }  # fmt: skip
    parser = argparse.ArgumentParser(prog="tegar bench", description="Measure.")
    parser.add_argument("name", choices=sorted(benches))
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--runs", type=int, default=5, help="start: how often")
    parser.add_argument("--vms", type=int, default=300, help="deploy: how many VMs")
    parser.add_argument("--hosts", type=int, help="how many hosts; deploy: 100, leases: 10000")
    parser.add_argument(
        "--seconds",
        type=float,
        default=30,
        help="how long; leases: all of it, router: a tenth a measurement, balancer: a third for each part",
    )
    parser.add_argument("--clients", type=int, default=16, help="deploy: how many callers at once")
    given = parser.parse_args(argv)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    options: dict[str, Any] = {
        "start": {"runs": given.runs},
        "deploy": {"vms": given.vms, "hosts": given.hosts or 100, "clients": given.clients},
        "leases": {"hosts": given.hosts or 10_000, "seconds": given.seconds},
        "router": {"seconds": given.seconds / 10},
        "balancer": {"seconds": given.seconds / 3},
    }[given.name]
    found = {"bench": given.name, **benches[given.name](say=say, **options)}
    print(json.dumps(found) if given.json else json.dumps(found, indent=2))
    return 0
