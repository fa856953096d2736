"""BMCs of hosts: out-of-band management, as the protocol calls it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, not_, select

from tegar.driver.registry import POWER
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import OPEN, SagaRow
from tegar.kernel.secret import Secret, token
from tegar.model.errors import InUse
from tegar.model.power import DISABLED, Action, Can, Power, parse_address
from tegar.ops import job
from tegar.ops.ctx import Ctx
from tegar.saga.bmc_password import CHANGE_BMC_PASSWORD, ChangePassword
from tegar.saga.bmc_power import POWER_HOST, PowerHost
from tegar.store import bmcs, vms
from tegar.store.bmcs import Bmc
from tegar.store.hosts import Host
from tegar.store.zones import Cluster, Zone

GENERATED_BYTES = 12  # 16 characters: the most that every BMC takes
_NEEDS = {
    Action.ON: Can.ON, Action.OFF: Can.FORCE_OFF, Action.CYCLE: Can.CYCLE, Action.RESET: Can.RESET,
    Action.SOFT: Can.SOFT_OFF, Action.STATUS: Can.READ,
}  # fmt: skip
_WORKS = (POWER_HOST.name, CHANGE_BMC_PASSWORD.name)


def configure(
    ctx: Ctx, host: Host, *, driver: str, address: str, port: str, username: str, password: str
) -> Host:
    """Say how a host's BMC is reached; it is not used before it is enabled.

    Raises:
        BadParameter: a value cannot be right.
        InUse: it is being worked with.
    """
    name, trust = parse_address(address)
    if trust and not POWER[driver].verifies_tls:
        raise BadParameter("address", f"{driver} uses no TLS, so there is no certificate to trust")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise BadParameter("port", f"{port[:20]!r} is not a number from 1 to 65535")
    if not username or ":" in username or not username.isprintable():
        raise BadParameter("username", "it is empty, or has a colon or control characters")
    _must_do(driver, password)
    _must_be_idle(ctx, host)
    bmc = bmcs.of_host(ctx.s, host.id)
    if bmc is None:
        bmc = Bmc(host_id=host.id)
        ctx.s.add(bmc)
    bmc.driver, bmc.address, bmc.trust, bmc.port = driver, name, trust, int(port)
    bmc.username, bmc.password_sealed, bmc.pending_sealed = username, ctx.world.vault.seal(password), None
    bmc.power, bmc.power_at_s, bmc.told = Power.UNKNOWN, None, ""
    ctx.note("HOST.OOBM.CONFIGURE", f"The BMC of host {host.name} is at {name}:{port}, driver {driver}", host)
    return host


def _must_do(driver: str, password: str) -> None:
    """Refuse a password that the driver's BMCs do not take.

    Raises:
        BadParameter: it is empty, too long, or not of printable ASCII.
    """
    longest = POWER[driver].longest_password
    if not password or len(password) > longest or not (password.isascii() and password.isprintable()):
        raise BadParameter("password", f"for {driver} it has 1 to {longest} printable ASCII characters")


def _must_be_idle(ctx: Ctx, host: Host) -> None:
    """Refuse while a power action or a change of the password is under way.

    Raises:
        InUse: one is.
    """
    bmcs.settle(ctx.s, host.id)
    open_ones = select(SagaRow.id).where(SagaRow.instance_uuid == host.uuid, SagaRow.name.in_(_WORKS))
    if ctx.s.scalars(open_ones.where(SagaRow.state.in_(OPEN))).first():
        raise InUse(f"The BMC of host {host.name}", "an action on it is under way; wait for its end")


def _configured(ctx: Ctx, host: Host) -> Bmc:
    bmc = bmcs.of_host(ctx.s, host.id)
    if bmc is None:
        raise Refused(f"Host {host.name} has no BMC configured; use configureOutOfBandManagement first")
    return bmc


def enable(ctx: Ctx, host: Host, *, enabled: bool) -> SagaRow:
    """Use a host's BMC, or use it no more.

    Raises:
        Refused: it has none configured.
    """
    _configured(ctx, host).enabled = enabled
    ctx.note(*_said(enabled, f"host {host.name}"), host)
    return job.done(ctx, host)


def enable_all(ctx: Ctx, place: Zone | Cluster, *, enabled: bool) -> SagaRow:
    """Let the BMCs of a zone's or a cluster's hosts be used, each as its host says; or none of them."""
    place.bmc_enabled = enabled
    ctx.note(*_said(enabled, f"{type(place).__name__.lower()} {place.name}"), place)
    return job.done(ctx, place)


def _said(enabled: bool, what: str) -> tuple[str, str]:
    word = "enabled" if enabled else "disabled"
    return f"HOST.OOBM.{word[:-1].upper()}", f"Out-of-band management of {what} is {word}"


def power(ctx: Ctx, host: Host, action: Action, timeout_s: int) -> SagaRow:
    """Ask for a power action.  One that hurts VMs is carried out all the same, and says so in the audit log.

    Raises:
        Refused: there is no BMC, it may not be used, or its driver cannot do this.
        InUse: another action is under way.
    """
    bmc = _usable(ctx, host)
    if _NEEDS[action] not in POWER[bmc.driver].caps:
        raise Refused(f"The driver {bmc.driver} cannot do {action}")
    _must_be_idle(ctx, host)
    bmc.action = action.value
    hurt = len(vms.on_host(ctx.s, host.id)) if action in (Action.OFF, Action.RESET, Action.CYCLE) else 0
    warning = f"; {hurt} VMs on it lose their power" if hurt else ""
    ctx.note("HOST.OOBM.ACTION", f"Power action {action} on host {host.name}{warning}", host, state="Started")
    return POWER_HOST.submit(ctx.s, PowerHost(host.id, action, float(timeout_s)), ctx.job(host))


def _usable(ctx: Ctx, host: Host) -> Bmc:
    bmc = _configured(ctx, host)
    if bmcs.usable_of(ctx.s, host.id) is None:
        raise Refused(f"Out-of-band management of host {host.name}, its cluster or its zone is disabled")
    return bmc


def change_password(ctx: Ctx, host: Host, password: Secret | None) -> SagaRow:
    """Ask for another password, a random one if none is given; nobody is shown it.

    Raises:
        BadParameter: the BMC would not take it.
        Refused: there is no BMC, or it may not be used, or its driver cannot do this.
        InUse: another action is under way.
    """
    bmc = _usable(ctx, host)
    if Can.SET_PASSWORD not in POWER[bmc.driver].caps:
        raise Refused(f"The driver {bmc.driver} cannot change a password")
    new = password.reveal() if password is not None else token(GENERATED_BYTES)
    _must_do(bmc.driver, new)
    _must_be_idle(ctx, host)
    if bmc.pending_sealed:
        raise InUse(
            f"The BMC of host {host.name}",
            "a change of its password is stuck; once it is configured anew, that ends",
        )
    sealed = ctx.world.vault.seal(new)
    ctx.note(
        "HOST.OOBM.CHANGEPASSWORD",
        f"Changing the password of the BMC of host {host.name}",
        host,
        state="Started",
    )
    return CHANGE_BMC_PASSWORD.submit(ctx.s, ChangePassword(host.id, sealed), ctx.job(host))


def narrow(statement: Select[Any], *, enabled: bool | None, power: str) -> Select[Any]:
    """Narrow a statement to hosts whose BMC may be used, or not, or reads so."""
    if enabled is not None:
        usable = Host.id.in_(bmcs.usable())
        statement = statement.where(usable if enabled else not_(usable))
    if power.lower() == DISABLED.lower():
        of_disabled = select(Bmc.host_id).where(Bmc.host_id.not_in(bmcs.usable()))
        statement = statement.where(Host.id.in_(of_disabled))
    elif power:
        known = [state for state in Power if state.value.lower() == power.lower()]
        statement = statement.where(Host.id.in_(bmcs.usable().where(Bmc.power.in_(known))))
    return statement
