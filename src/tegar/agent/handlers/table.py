"""Every question an agent answers."""

from __future__ import annotations

from tegar.agent.handlers import disk, guard, host, image, net, router, virt
from tegar.agent.host import Host
from tegar.kernel.wire import Fence, Handlers

TABLE: Handlers[Host] = Handlers[Host]().merge(
    virt.table, disk.table, image.table, host.table, router.table, guard.table, net.table
)


def answer(machine: Host, name: str, body: str | bytes, fence: Fence | None) -> str:
    """Answer one question that an owner of a saga (or nobody in particular) asks.

    Raises:
        Fenced: a newer owner of the saga has spoken already.
        TegarError: what the handler raised.
    """
    machine.fences.check(fence)
    with machine.locks.speaking(lambda: machine.fences.check(fence)):
        return TABLE.answer(machine, name, body)
