"""A host dies while users are deploying: what brings its VMs back does not stand behind what users ask for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tegar.main.client import ApiFailed, Client
from tegar.main.drill import mass
from tegar.main.drill.marks import Run
from tegar.main.drill.stage import Options, Say, wish

VMS, DEPLOYS = 200, 300
JOB_S = 900.0


def busy_failure(root: Path, options: Options, say: Say) -> list[Run]:
    """Let a host of twenty die while hundreds of deployments are under way: to the moment its VMs run elsewhere."""
    runs = list[Run]()
    with mass.crowd(root, VMS, say) as crowd:
        for number in range(1, options.runs + 1):
            asked = _ask_for_many(crowd.api)
            run = mass.lose_a_host(number, crowd)
            failed = _end(crowd.api, asked)
            say(f"{failed} of {len(asked)} deployments failed")
            more = {"deployments": float(len(asked)), "deployments_failed": float(failed)}
            runs.append(replace(run, facts={**run.facts, **more}))
    return runs


def _ask_for_many(api: Client) -> list[tuple[str, str]]:
    """Ask for many VMs and wait for none; return the ids of VMs and jobs."""
    about = wish(api)

    def ask(n: int) -> tuple[str, str]:
        made = api("deployVirtualMachine", displayname=f"busy {n}", **about)
        return made["id"], made["jobid"]

    with ThreadPoolExecutor(mass.CALLERS) as pool:
        return list(pool.map(ask, range(DEPLOYS)))


def _end(api: Client, asked: list[tuple[str, str]]) -> int:
    """Wait for all deployments and destroy their VMs; return how many failed."""

    def one(it: tuple[str, str]) -> bool:
        vm, job = it
        try:
            api.wait("deployVirtualMachine", job, patience_s=JOB_S)
            fine = True
        except ApiFailed:
            fine = False
        api.job("destroyVirtualMachine", id=vm, expunge=True)
        return fine

    with ThreadPoolExecutor(mass.CALLERS) as pool:
        return sum(not fine for fine in pool.map(one, asked))
