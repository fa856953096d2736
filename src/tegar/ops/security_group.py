"""Security groups: whose they are, and which VMs are in them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from tegar.kernel.errors import BadParameter, Refused, Stale
from tegar.model.errors import Exists, InUse
from tegar.model.vm import State
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.store import networks, security_groups
from tegar.store.accounts import Account
from tegar.store.networks import Network
from tegar.store.security_groups import DEFAULT, SecurityGroup
from tegar.store.vms import Vm
from tegar.store.zones import Zone

STOCK_TEXT = "Default Security Group"


def create(ctx: Ctx, owner: Account, name: str, description: str | None) -> SecurityGroup:
    """Make a group that lets nothing in and everything out, without VMs.

    Raises:
        BadParameter: the name is empty.
        Exists: the account has a group of that name; every account has one named default.
    """
    if not name.strip():
        raise BadParameter("name", "it must not be empty")
    default(ctx, owner)
    _alone(ctx, owner.id)
    if security_groups.of_name(ctx.s, owner.id, name) is not None:
        raise Exists("security group", name)
    group = _add(ctx, owner, name, description)
    ctx.note("SG.CREATE", f"Created security group {name}", group)
    return group


def default(ctx: Ctx, owner: Account) -> SecurityGroup:
    """Return an account's group named default, made when it is first needed."""
    found = security_groups.of_name(ctx.s, owner.id, DEFAULT)
    if found is None:
        _alone(ctx, owner.id)
        found = security_groups.of_name(ctx.s, owner.id, DEFAULT) or _add(ctx, owner, DEFAULT, STOCK_TEXT)
    return found


def _alone(ctx: Ctx, account_id: int) -> None:
    """Let whoever names a group of the account at the same moment come after us: names stay unique."""
    ctx.s.execute(select(Account.id).where(Account.id == account_id).with_for_update())


def _add(ctx: Ctx, owner: Account, name: str, description: str | None) -> SecurityGroup:
    group = SecurityGroup(name=name, description=description, account_id=owner.id, domain_id=owner.domain_id)
    ctx.s.add(group)
    ctx.s.flush()
    return group


def named(ctx: Ctx, owner: Account, name: str) -> SecurityGroup:
    """Return an account's group by name.

    Raises:
        Refused: it has none of that name.
    """
    group = default(ctx, owner) if name == DEFAULT else security_groups.of_name(ctx.s, owner.id, name)
    if group is None:
        raise Refused(f"Account {owner.name} has no security group named '{name}'")
    return group


def one(ctx: Ctx, owner: Account, group: SecurityGroup | None, name: str | None, wire: str) -> SecurityGroup:
    """Return the group that a caller names by id, or by name in an account.

    Raises:
        Refused: both ways at once, or neither.
    """
    if (group is None) == (not name):
        raise Refused(
            f"Give {wire}id or {wire}name, and not both" if wire else "Give id or name, and not both"
        )
    return group or named(ctx, owner, name or "")


def rename(ctx: Ctx, group: SecurityGroup, name: str | None) -> SecurityGroup:
    """Give a group another name.

    Raises:
        Refused: it is the account's default, or shall be called so.
        Exists: the account has a group of that name.
    """
    must_operate(ctx, group)
    if not name or name == group.name:
        return group
    if DEFAULT in (group.name, name):
        raise Refused(f"The name {DEFAULT} is that of the group which every account has")
    _alone(ctx, group.account_id)
    if security_groups.of_name(ctx.s, group.account_id, name) is not None:
        raise Exists("security group", name)
    ctx.note("SG.UPDATE", f"Security group {group.name} is named {name} now", group)
    group.name = name
    return group


def delete(ctx: Ctx, group: SecurityGroup) -> None:
    """Forget a group that nobody uses.

    Raises:
        Refused: it is the account's default.
        InUse: a VM is in it, or a rule of another group names it.
    """
    must_operate(ctx, group)
    if group.name == DEFAULT:
        raise Refused(f"Every account has a security group named {DEFAULT}: it cannot be deleted")
    group.removed_s = ctx.now_s
    ctx.s.flush()  # who joins it, or names it, at this moment meets us at its row
    why = security_groups.in_use(ctx.s, group.id)
    if why:
        raise InUse(f"Security group {group.name}", why)
    security_groups.forget_rules(ctx.s, group.id, ctx.now_s)
    ctx.note("SG.DELETE", f"Deleted security group {group.name}", group)


def chosen(
    ctx: Ctx,
    owner: Account,
    zone: Zone,
    joined: Sequence[Network],
    groups: list[SecurityGroup] | None,
    names: list[str] | None,
) -> list[SecurityGroup]:
    """Return the groups of a VM in these networks: those that a caller names, else its account's default.

    None at all when no network has security groups.

    Raises:
        Refused: both ways at once, a name that is not there, a group of another account, or no network has them.
    """
    if groups is not None and names is not None:
        raise Refused("securitygroupids takes the place of securitygroupnames; give one of them")
    wanted = groups is not None or names is not None
    if not security_groups.guarded(ctx.s, [network.id for network in joined]):
        if wanted:
            raise Refused(_why_none(zone))
        return []
    if not wanted:
        return [default(ctx, owner)]
    found = groups if groups is not None else [named(ctx, owner, name) for name in names or []]
    for group in found:
        if group.account_id != owner.id:
            raise Refused(f"Security group {group.name} does not belong to account {owner.name}")
    return found


def _why_none(zone: Zone) -> str:
    if not zone.security_groups:
        return f"Zone {zone.name} has no security groups: leave securitygroupids and securitygroupnames out"
    return "None of the VM's networks offers SecurityGroup: leave securitygroupids and securitygroupnames out"


def join(ctx: Ctx, vm: Vm, groups: Sequence[SecurityGroup]) -> None:
    """Put a VM that runs nowhere, or was in none, into these groups and no others; who names them, or did, hears of it."""
    before = {group.id for group in security_groups.of_vm(ctx.s, vm.id)}
    after = {group.id for group in groups}
    security_groups.touch(ctx.s, before - after)
    if security_groups.touch(ctx.s, after) != len(after):
        raise Stale  # one was deleted since it was read
    security_groups.put(ctx.s, vm.id, after)
    security_groups.want_again(ctx.s, security_groups.naming(ctx.s, before ^ after))


def must_join(ctx: Ctx, vm: Vm, owner: Account, network: Network) -> None:
    """Put a VM that is in no group into its account's default one when it comes to a network that has groups."""
    if security_groups.guarded(ctx.s, [network.id]) and not security_groups.of_vm(ctx.s, vm.id):
        join(ctx, vm, [default(ctx, owner)])


def change(ctx: Ctx, vm: Vm, groups: list[SecurityGroup] | None, names: list[str] | None) -> None:
    """Put a stopped VM into these groups and no others.

    Raises:
        Refused: it is not Stopped, or the groups will not do.
    """
    if groups is None and names is None:
        return
    must_operate(ctx, vm)
    if vm.state != State.STOPPED:
        raise Refused(f"VM {vm.name} is {vm.state.value}; its security groups change while it is Stopped")
    owner, zone = ctx.s.get_one(Account, vm.account_id), ctx.s.get_one(Zone, vm.zone_id)
    found = chosen(ctx, owner, zone, networks.of_vm(ctx.s, vm.id), groups, names)
    vm.updated_s = ctx.now_s  # a start at the same moment meets this at the VM's row
    ctx.s.flush()
    join(ctx, vm, found)
    ctx.note("SG.ASSIGN", f"VM {vm.name} is in {', '.join(group.name for group in found)}", vm)
