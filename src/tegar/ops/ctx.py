"""One caller, one request, one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from tegar.kernel.clock import Clock
from tegar.kernel.saga import Job
from tegar.kernel.secret import Vault
from tegar.model.access import Role
from tegar.store import events
from tegar.store.accounts import Account, Domain, User


@dataclass(frozen=True)
class World:
    """What operations may use besides the database: time and the vault.

    ``leaving`` says whether this server is being shut down and takes no more jobs.
    """

    clock: Clock
    vault: Vault
    server_uuid: str = ""
    leaving: Callable[[], bool] = lambda: False


@dataclass
class Ctx:
    """The caller of a request and the transaction it runs in."""

    s: Session
    user: User
    account: Account
    domain: Domain
    world: World
    command: str
    is_async: bool = False
    seen: dict[Any, Any] = field(default_factory=dict)

    @property
    def role(self) -> Role:
        """The caller's role."""
        return self.account.role

    @property
    def is_admin(self) -> bool:
        """Whether the caller runs the cloud."""
        return self.role == Role.ADMIN

    @property
    def now_s(self) -> float:
        """The wall time."""
        return self.world.clock.now_s()

    def job(self, row: Any = None) -> Job:
        """Return the job record of a saga about *row* that this request submits."""
        about = (type(row).__name__, row.uuid) if row is not None else ("", "")
        return Job(self.command, self.user.id, self.account.id, *about)

    def note(self, type: str, description: str, row: Any = None, *, state: str = "Completed") -> None:
        """Write an audit event; of what somebody owns, it goes to the owner."""
        owner_id = getattr(row, "account_id", None) or self.account.id
        events.note(
            self.s,
            type,
            description,
            account_id=owner_id,
            user_id=self.user.id,
            state=state,
            resource_type=row.__class__.__name__ if row is not None else "",
            resource_uuid=row.uuid if row is not None else "",
        )
