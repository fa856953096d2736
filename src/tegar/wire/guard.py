"""The lease of a host: what its warden is told, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.wire import Ask


@dataclass(frozen=True)
class WitnessAt:
    """A witness and its UDP address."""

    name: str
    address: str
    port: int


@dataclass(frozen=True)
class GuardFacts:
    """How a host is guarded.

    ``boot`` is the boot that permits must name; ``epoch`` the lease's; ``verb`` the warden's latest
    order (``close``, ``open``, ``clear``; empty: none yet) and ``done`` whether it is carried out.
    ``order_age_s`` is how long ago the warden spoke (negative: never).  ``dead_s`` is D.
    ``lacking`` says in words what the warden was not allowed or the host does not have.
    """

    configured: bool
    boot: str
    epoch: int
    verb: str
    done: bool
    order_age_s: float
    watchdog: str
    watchdog_s: float
    dead_s: float
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetGuard(Ask[GuardFacts]):
    """Be guarded: the warden renews the host's lease at these witnesses from now on, also after a boot.

    ``host`` is the name in datagrams (the host row's uuid), ``key`` its key in hexadecimal, ``timing``
    ``default`` or ``fast``.  The same again changes nothing.  From then on a domain starts or resumes
    only with a permit.
    """

    host: str
    key: str
    witnesses: tuple[WitnessAt, ...]
    timing: str = "default"


@dataclass(frozen=True)
class GetGuard(Ask[GuardFacts]):
    """Report how the host is guarded."""
