"""One request: authenticate, bind, run in one transaction, answer.  Plain code; ``http`` is the shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from tegar.api import auth, catalogue, registry, render
from tegar.api.commands import login as logins
from tegar.kernel import log
from tegar.kernel.command import Command, bind
from tegar.kernel.db import Db
from tegar.kernel.errors import Stale, TegarError, Unauthorized, UnknownCommand
from tegar.kernel.saga import OPEN, SagaRow, State
from tegar.model.errors import ShuttingDown
from tegar.ops import access
from tegar.ops.ctx import Ctx, World
from tegar.store.accounts import who_is

SYNC_WAIT_S = 55.0  # a synchronous command whose work is a saga waits so long for its end


@dataclass
class Request:
    """A request without its transport: parameters merged and decoded, cookies by name."""

    params: Mapping[str, str]
    cookies: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    trusted: bool = False


@dataclass
class Answer:
    """A status, an envelope's key, what is in it, and cookies to set (None deletes)."""

    status: int
    key: str
    inner: Mapping[str, Any]
    cookies: dict[str, str | None] = field(default_factory=dict)


class Api:
    """The API over one database."""

    def __init__(self, db: Db, world: World) -> None:
        self.db, self.world = db, world
        self._log = log.get("api")

    def answer(self, request: Request) -> Answer:
        """Answer a request; never raises."""
        lower = {k.lower(): v for k, v in request.params.items()}
        name, is_admin = lower.get("command", ""), False
        try:
            if name in ("login", "logout"):
                return self._session(name, request, lower)
            caller_id, is_admin, role = self._who(request, lower)
            command = registry.COMMANDS.get(name)
            if command is None:
                raise UnknownCommand(name)
            if role not in command.roles:
                raise Unauthorized(
                    f"The given command '{name}' either does not exist, is not available for user, or not available "
                    f"from ip address. The API [{name}] does not exist or is not available for the account Account"
                )
            return Answer(200, render.envelope(name), self._run(command, request, caller_id))
        except TegarError as e:
            known = name if name in registry.COMMANDS or name in ("login", "logout") else ""
            if e.code >= 530:
                self._log.warning("refused", command=name, error=type(e).__name__, **e.facts())
            return Answer(e.code, render.envelope(known, e), render.failure(e, is_admin=is_admin))
        except Exception as e:  # the HTTP shell is one of the three places that catch everything
            self._log.error("failed", command=name, error=repr(e), exc_info=True)
            internal = TegarError()
            return Answer(530, render.envelope(name), render.failure(internal, is_admin=False))

    def _who(self, request: Request, lower: Mapping[str, str]) -> tuple[int, bool, str]:
        """Return the caller's user id, whether they are admin, and their role."""
        now_s = self.world.clock.now_s()

        def work(s: Session) -> tuple[int, bool, str]:
            if "apikey" in lower and "signature" in lower:
                caller = auth.by_signature(s, self.world.vault, request.params, now_s)
            elif "sessionkey" in lower:
                cookies = request.cookies
                login, caller = auth.find_session(
                    s,
                    cookies.get("JSESSIONID", ""),
                    cookies.get("sessionkey", ""),
                    lower["sessionkey"],
                    now_s,
                )
                touch.extend([login.id] if now_s - login.seen_s > 60 else [])
            else:
                raise Unauthorized()
            return caller[0].id, caller[1].role == "admin", caller[1].role

        touch: list[int] = []
        found = self.db.read(work)
        if touch:
            self.db.tx(lambda s: logins.touch(s, touch[0], now_s))
        return found

    def _run(self, command: type[Command], request: Request, user_id: int) -> dict[str, Any]:
        """Run a command in one transaction and return the body of its answer."""

        def work(s: Session) -> tuple[dict[str, Any], int]:
            ctx = self._ctx(s, user_id, command)
            made = bind(
                command, request.params, ctx.role, lambda kind, uuid: access.see(ctx, kind, uuid),
                catalogue.known(command.name),
            )  # fmt: skip
            result = made.run(ctx)
            s.flush()
            if isinstance(result, SagaRow) and command.writes and self.world.leaving():
                raise ShuttingDown()
            if isinstance(result, SagaRow) and not command.is_async and result.state in OPEN:
                return {}, result.id
            if isinstance(result, SagaRow) and not command.is_async:
                return render.outcome(ctx, command, result), 0
            return render.body(ctx, command, result), 0

        body, saga_id = self.db.tx(work, once=True, urgent=True) if command.writes else self.db.read(work)
        return self._wait(command, user_id, saga_id) if saga_id else body

    def _ctx(self, s: Session, user_id: int, command: type[Command]) -> Ctx:
        caller = who_is(s, user_id)
        if caller is None:
            raise Unauthorized()
        return Ctx(s, *caller, world=self.world, command=command.name, is_async=command.is_async)

    def _wait(self, command: type[Command], user_id: int, saga_id: int) -> dict[str, Any]:
        """Wait for the saga of a synchronous command and return its outcome.

        Raises:
            TegarError: what the saga failed with, or Stale when it takes too long here (it goes on).
        """
        clock = self.world.clock

        def look(s: Session) -> tuple[SagaRow, dict[str, Any] | None]:
            saga = s.get_one(SagaRow, saga_id)
            if saga.state != State.DONE:
                return saga, None
            return saga, render.outcome(self._ctx(s, user_id, command), command, saga)

        deadline_s, pause_s = clock.mono_s() + SYNC_WAIT_S, 0.02
        while True:
            saga, body = self.db.read(look)
            if body is not None:
                return body
            if saga.state not in OPEN:
                raise failed(saga)
            if clock.mono_s() > deadline_s:
                raise Stale(f"{command.name} still runs as job {saga.uuid}; what it works on")
            clock.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.25)

    def _session(self, name: str, request: Request, lower: Mapping[str, str]) -> Answer:
        if name == "login":
            inner, cookies = logins.log_in(self.db, self.world, request.method, lower)
        else:
            inner, cookies = logins.log_out(self.db, request.cookies, lower, self.world.clock.now_s())
        return Answer(200, render.envelope(name), inner, cookies)


def failed(saga: SagaRow) -> TegarError:
    """Return the error a saga ended with."""
    return SagaFailed(
        saga.code or 530, saga.cs_code or 4250, saga.error or "The work failed", saga.detail or ""
    )


@dataclass(eq=False)
class SagaFailed(TegarError):
    """An error that came back from a saga: its codes, its sentence and what operators read."""

    status: int
    detailed: int
    text: str
    more: str
    says = "{text}"

    def __post_init__(self) -> None:
        """Take the codes it ended with."""
        self.code, self.cs_code = self.status, self.detailed  # type: ignore[misc]

    def detail(self) -> str:
        """Return what operators read."""
        return self.more or self.text
