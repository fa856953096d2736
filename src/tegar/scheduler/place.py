"""place(request, hosts): the best hosts first; NoCapacity says why, host by host."""

from __future__ import annotations

from collections.abc import Sequence

from tegar.model.errors import NoCapacity
from tegar.scheduler.filters import FILTERS
from tegar.scheduler.pools import place_disks
from tegar.scheduler.view import HostView, Placement, Request
from tegar.scheduler.weighers import WEIGHERS


def place(request: Request, hosts: Sequence[HostView]) -> list[Placement]:
    """Return where the VM can go, best first; equal hosts by lowest id.

    Raises:
        NoCapacity: nowhere; its refusals name every host and the first reason met.
    """
    refusals: dict[str, str] = {}
    fit: list[tuple[float, int, Placement]] = []
    for host in hosts:
        why = next((r for f in FILTERS if (r := f(request, host))), None)
        pools: dict[int, int] = {}
        if why is None:
            pools, why = place_disks(request.disks, host.pools)
        if why is not None:
            refusals[host.name] = why
            continue
        weight = sum(weigh(request, host) for weigh in WEIGHERS)
        fit.append((-weight, host.id, Placement(host.id, pools)))
    if not fit:
        raise NoCapacity("host", len(hosts), refusals)
    return [placement for _, _, placement in sorted(fit, key=lambda f: f[:2])]
