"""Errors as a code, a sentence and facts.

Only the facts that ``says`` names reach the caller; all facts reach the log::

    TegarError
    ├── BadParameter        431  a value is wrong
    │   ├── MissingParameter
    │   └── NoSuchEntity         the id is unknown, or not for this caller to see
    ├── Malformed           430  ``a[0`` and the like
    ├── UnknownCommand      432
    ├── BadTransition       431  the thing is in the wrong state for this
    ├── Stale               530  somebody else changed it at the same moment
    └── Unavailable         534  not now; worth asking again (``retry``)
        ├── Unreachable          no answer; the request may still have happened
        └── NotYet               under way; ask again after ``after_s``
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False)
class TegarError(Exception):
    """What went wrong: an HTTP code of the protocol, its detailed code, a sentence and facts."""

    code: ClassVar[int] = 530
    cs_code: ClassVar[int] = 4250
    retry: ClassVar[bool] = False
    says: ClassVar[str] = "Something went wrong"

    def __str__(self) -> str:
        """Return the sentence with the facts it names."""
        return self.says.format(**self.facts())

    def detail(self) -> str:
        """Return the sentence with what only operators should read."""
        return str(self)

    def facts(self) -> dict[str, object]:
        """Return all facts, for the log."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(eq=False)
class BadParameter(TegarError):
    """A parameter has a value that cannot be used."""

    code = 431
    cs_code = 4350
    says = "Invalid value for parameter {name}: {why}"

    name: str
    why: str


@dataclass(eq=False)
class Refused(TegarError):
    """What is asked makes no sense as a whole; the sentence says what would be right."""

    code = 431
    cs_code = 4350
    says = "{why}"

    why: str


@dataclass(eq=False)
class MissingParameter(TegarError):
    """A required parameter was not given."""

    code = 431
    cs_code = 4350
    says = "Unable to execute API command {command} due to missing parameter {name}"

    command: str
    name: str


@dataclass(eq=False)
class NoSuchEntity(TegarError):
    """The id names nothing the caller may see.  Clients match on this sentence: protocol.md, section 4."""

    code = 431
    cs_code = 4350
    says = (
        "Unable to execute API command {command} due to invalid value. Invalid parameter {name} value={value} "
        "due to incorrect long value format, or entity does not exist or due to incorrect parameter "
        "annotation for the field in api cmd class."
    )

    command: str
    name: str
    value: str


@dataclass(eq=False)
class Malformed(TegarError):
    """A parameter's name breaks the syntax of maps and lists."""

    code = 430
    cs_code = 4350
    says = "Malformed parameter {name}: write name[0].key=value"

    name: str


@dataclass(eq=False)
class UnknownCommand(TegarError):
    """No command of that name."""

    code = 432
    cs_code = 9999
    says = "The given command:{name} does not exist"

    name: str


@dataclass(eq=False)
class Unauthorized(TegarError):
    """The caller could not be identified, or the command is not theirs."""

    code = 401
    cs_code = 9999
    says = "{why}"

    why: str = "unable to verify user credentials and/or request signature"


@dataclass(eq=False)
class BadTransition(TegarError):
    """A state machine has no arrow for this."""

    code = 431
    cs_code = 4350
    says = "A {machine} that is {state} cannot {event}; it must be {wanted}"

    machine: str
    state: str
    event: str
    wanted: str


@dataclass(eq=False)
class Stale(TegarError):
    """Another request changed the row at the same moment; repeating the request is safe."""

    cs_code = 4300
    retry = True
    says = "The {what} was changed by another request at the same moment; try again"

    what: str = "resource"


@dataclass(eq=False)
class Unavailable(TegarError):
    """Something this needs does not answer now; worth asking again."""

    code = 534
    cs_code = 4380
    retry = True
    says = "{what} is not available now: {why}"

    what: str
    why: str


@dataclass(eq=False)
class Unreachable(TegarError):
    """No answer came.  The request may still have happened: ask again, or find out."""

    code = 534
    cs_code = 4380
    retry = True
    says = "{peer} did not answer"

    peer: str
    why: str = ""


@dataclass(eq=False)
class NotYet(TegarError):
    """The work is under way; ask again after ``after_s`` seconds.  Never counted as a failed attempt."""

    code = 534
    cs_code = 4380
    retry = True
    says = "{what} is not done yet"

    what: str
    after_s: float = 1.0


@dataclass(eq=False)
class AgentRefused(TegarError):
    """The agent answered with an error; asking the same again will not help."""

    says = "{peer} refused {ask}: {why}"

    peer: str
    ask: str
    why: str


@dataclass(eq=False)
class Fenced(TegarError):
    """A newer owner took this work over; whoever meets this stops at once and touches nothing."""

    says = "Another process has taken over {what}"

    what: str
