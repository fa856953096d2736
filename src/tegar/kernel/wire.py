"""Typed questions to a host.  ``Link.ask(StartDomain(...))`` is known to return a ``DomainUp``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args, get_type_hints

from tegar.kernel import codec
from tegar.kernel.errors import AgentRefused, Refused

A = TypeVar("A")
H = TypeVar("H")


class Ask(Generic[A]):
    """A question; its type argument is the type of the answer.  Subclasses are frozen dataclasses."""

    answer: ClassVar[type]

    def __init_subclass__(cls) -> None:
        """Remember the answer's type."""
        for base in getattr(cls, "__orig_bases__", ()):
            if getattr(base, "__origin__", None) is Ask:
                cls.answer = get_args(base)[0]


@dataclass(frozen=True)
class Fence:
    """Who asks: the saga and its owner's number.  An agent refuses a lower number than it has seen."""

    saga: str
    number: int


class Link(Protocol):
    """A way to one host."""

    def ask(self, message: Ask[A], *, timeout_s: float = 60) -> A:
        """Send a question to the host and wait for its answer.

        An error does not mean nothing happened: the question may have arrived and the
        answer been lost.  Ask the same question again; handlers are safe to repeat.

        Args:
            message: what to ask; its type decides the type of the answer.
            timeout_s: how long to wait for the answer, in seconds of wall time.

        Raises:
            Unreachable: no answer within *timeout_s*; worth asking again later.
            NotYet: the work goes on there; ask again after the seconds it says.
            AgentRefused: the agent answered with an error; asking again will not help.
            Fenced: the agent has heard from a newer owner of this saga.
        """
        ...


class Handlers(Generic[H]):
    """The table of an agent: question type to function.  ``H`` is what handlers work on."""

    def __init__(self) -> None:
        self._table: dict[str, tuple[type[Ask[Any]], Callable[[H, Any], Any]]] = {}

    def handles(self, function: Callable[[H, Any], Any]) -> Callable[[H, Any], Any]:
        """Register a function by the type of its second argument."""
        hints = get_type_hints(function)
        kind = next(
            t for n, t in hints.items() if n != "return" and isinstance(t, type) and issubclass(t, Ask)
        )
        self._table[kind.__name__] = (kind, function)
        return function

    def merge(self, *others: Handlers[H]) -> Handlers[H]:
        """Take the entries of other tables; return self."""
        for other in others:
            self._table.update(other._table)
        return self

    def names(self) -> frozenset[str]:
        """Return the names of the questions that can be answered."""
        return frozenset(self._table)

    def answer(self, host: H, name: str, body: str | bytes) -> str:
        """Decode a question, run its handler and return the encoded answer.

        Raises:
            AgentRefused: no such question.
            Refused: the body does not have the question's shape.
        """
        if name not in self._table:
            raise AgentRefused(
                "The agent", name, "it does not know this question; is it older than the server?"
            )
        kind, function = self._table[name]
        try:
            ask: Any = codec.decode(kind, body)
        except ValueError as e:
            raise Refused(f"{name} is malformed: {e}") from e
        return codec.encode(function(host, ask))


FENCE_HEADER = "x-tegar-fence"


def fence_header(fence: Fence | None) -> Mapping[str, str]:
    """Return the HTTP header that carries a fence."""
    return {FENCE_HEADER: f"{fence.saga};{fence.number}"} if fence else {}


def read_fence(text: str | None) -> Fence | None:
    """Return the fence a header carries.

    Raises:
        Refused: the header is malformed.
    """
    if not text:
        return None
    saga, _, number = text.partition(";")
    if not number.isdigit():
        raise Refused("a fence is written saga;number")
    return Fence(saga, int(number))


class Links(Protocol):
    """Ways to hosts, by address."""

    def to(self, url: str, fence: Fence | None = None) -> Link:
        """Return a link to the agent at *url*; what is asked over it carries the fence."""
        ...
