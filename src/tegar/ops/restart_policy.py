"""How a VM is restarted when its host fails: said by details of the VM whose names begin with ``ha.``.

The details are the whole truth: what they do not say is the default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tegar.kernel.command import UUID
from tegar.kernel.errors import BadParameter, NoSuchEntity, Refused
from tegar.model.vm import GuestAction
from tegar.ops.access import must_see
from tegar.ops.ctx import Ctx
from tegar.store import dependencies
from tegar.store.vms import Vm

PRIORITY, READY, READY_TIMEOUT, GUEST_ACTION, DEPENDS_ON = KEYS = (
    "ha.priority",
    "ha.ready",
    "ha.ready.timeout",
    "ha.guest.action",
    "ha.depends.on",
)
LOWEST = 4
MAX_TIMEOUT_S = 3600
MAX_NEEDS = 20
_PORT = re.compile(r"tcp:([1-9]\d{0,4})")


def obey(ctx: Ctx, vm: Vm, details: Mapping[str, str]) -> None:
    """Let a VM be restarted as its details say.

    Raises:
        BadParameter: a value that cannot be used, or a name that begins with ``ha.`` and means nothing.
        NoSuchEntity: a VM it is to need is not there for the caller.
        Refused: VMs would need each other in a circle.
    """
    for name in details:
        if name.lower().startswith("ha.") and name not in KEYS:
            raise BadParameter(f"details[0].{name}", f"there are only {', '.join(KEYS)}")
    vm.ha_priority = _number(details, PRIORITY, 0, LOWEST, default=2)
    vm.ha_ready = _ready(details.get(READY, ""))
    vm.ha_ready_timeout_s = _number(details, READY_TIMEOUT, 1, MAX_TIMEOUT_S, default=120)
    vm.guest_action = _action(details.get(GUEST_ACTION, GuestAction.NONE))
    _need(ctx, vm, needed(ctx, details))


def _number(details: Mapping[str, str], key: str, low: int, high: int, *, default: int) -> int:
    text = details.get(key, str(default)).strip()
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise BadParameter(f"details[0].{key}", f"it must be a number from {low} to {high}")
    return int(text)


def _ready(text: str) -> str:
    port = _PORT.fullmatch(text)
    if text not in ("", "agent") and not (port and int(port[1]) <= 65535):
        raise BadParameter(
            f"details[0].{READY}",
            "it must be agent (the guest agent answers), tcp:PORT (the port accepts), or empty (it runs)",
        )
    return text


def _action(text: str) -> GuestAction:
    if text not in tuple(GuestAction):
        raise BadParameter(f"details[0].{GUEST_ACTION}", f"it must be one of {', '.join(GuestAction)}")
    return GuestAction(text)


def needed(ctx: Ctx, details: Mapping[str, str]) -> list[Vm]:
    """Return the VMs that details name to be needed.

    Raises:
        NoSuchEntity: one is not there for the caller.
    """
    text = details.get(DEPENDS_ON, "")
    wanted = dict.fromkeys(part.strip() for part in text.split(",") if part.strip())
    if len(wanted) > MAX_NEEDS:
        raise BadParameter(f"details[0].{DEPENDS_ON}", f"a VM can need {MAX_NEEDS} others at most")
    return [_other(ctx, uuid) for uuid in wanted]


def _other(ctx: Ctx, uuid: str) -> Vm:
    if not UUID.match(uuid):
        raise NoSuchEntity(ctx.command.lower(), DEPENDS_ON, uuid)
    return must_see(ctx, Vm, uuid, DEPENDS_ON)


def _need(ctx: Ctx, vm: Vm, others: list[Vm]) -> None:
    ids = [other.id for other in others]
    if not ids and not dependencies.needs_of(ctx.s, [vm.id]):
        return
    # Whoever closes a circle with what is added here at the same moment changes what one of these needs.
    dependencies.settle(ctx.s, {vm.id, *dependencies.reach(ctx.s, ids)})
    if vm.id in dependencies.reach(ctx.s, ids):
        raise Refused(f"VM {vm.name} cannot depend on a VM that depends on it: nobody would start first")
    dependencies.put(ctx.s, vm.id, ids)
