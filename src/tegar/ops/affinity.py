"""Affinity groups: which VMs of an account run apart or together."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.errors import BadParameter, Refused, Stale
from tegar.model.affinity import Kind
from tegar.model.vm import State
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.store import affinity
from tegar.store.accounts import Account
from tegar.store.affinity import AffinityGroup
from tegar.store.vms import Vm


def create(ctx: Ctx, owner: Account, name: str, kind: Kind, description: str | None) -> AffinityGroup:
    """Make a group without VMs.

    Raises:
        Refused: the account has a group of that name.
    """
    if not name.strip():
        raise BadParameter("name", "it must not be empty")
    ctx.s.execute(select(Account.id).where(Account.id == owner.id).with_for_update())  # names stay unique
    if affinity.of_name(ctx.s, owner.id, name) is not None:
        raise Refused(f"An affinity group named '{name}' exists already in account {owner.name}")
    group = AffinityGroup(
        name=name, description=description, kind=kind, account_id=owner.id, domain_id=owner.domain_id
    )
    ctx.s.add(group)
    ctx.s.flush()
    ctx.note("AG.CREATE", f"Created affinity group {name}", group)
    return group


def named(ctx: Ctx, owner: Account, name: str) -> AffinityGroup:
    """Return an account's group by name.

    Raises:
        Refused: it has none of that name.
    """
    group = affinity.of_name(ctx.s, owner.id, name)
    if group is None:
        raise Refused(f"Account {owner.name} has no affinity group named '{name}'")
    return group


def delete(ctx: Ctx, group: AffinityGroup) -> None:
    """Forget a group; its VMs stay where they are."""
    must_operate(ctx, group)
    group.removed_s = ctx.now_s
    ctx.s.flush()
    affinity.empty(ctx.s, group.id)
    ctx.note("AG.DELETE", f"Deleted affinity group {group.name}", group)


def chosen(
    ctx: Ctx, owner: Account, groups: list[AffinityGroup] | None, names: list[str] | None
) -> list[AffinityGroup]:
    """Return the groups that a caller names by id or by name for a VM of an account.

    Raises:
        Refused: both ways at once, a name that is not there, a group of another account.
    """
    if groups is not None and names is not None:
        raise Refused("affinitygroupids takes the place of affinitygroupnames; give one of them")
    found = groups if groups is not None else [named(ctx, owner, name) for name in names or []]
    for group in found:
        if group.account_id != owner.id:
            raise Refused(f"Affinity group {group.name} does not belong to account {owner.name}")
    return found


def join(ctx: Ctx, vm: Vm, groups: list[AffinityGroup]) -> None:
    """Put a VM that runs nowhere into these groups and no others."""
    ids = {group.id for group in groups}
    if affinity.touch(ctx.s, ids) != len(ids):
        raise Stale  # one was deleted since it was read
    affinity.put(ctx.s, vm.id, ids)


def change(ctx: Ctx, vm: Vm, groups: list[AffinityGroup]) -> None:
    """Put a stopped VM into these groups and no others.

    Raises:
        Refused: it is not Stopped.
    """
    must_operate(ctx, vm)
    if vm.state != State.STOPPED:
        raise Refused(f"VM {vm.name} is {vm.state.value}; its affinity groups change while it is Stopped")
    vm.updated_s = ctx.now_s  # a start at the same moment meets this at the VM's row
    ctx.s.flush()
    join(ctx, vm, groups)
    ctx.note("VM.AFFINITY.GROUP.UPDATE", f"Changed the affinity groups of VM {vm.name}", vm)
