"""Questions of the HA manager about very many leases, in few datagrams.  Pure.

Names of leases are long and said once: a question lists them, an answer gives their places in it.  So
an answer means something only beside its question, and nonce and salt must be the question's.
"""

from __future__ import annotations

from collections.abc import Iterable

from tegar.guard.datagram import Answer, AnswerMany, AskMany, State

Lease = tuple[str, str, int]  # host, boot, epoch
ROOM_BYTES = 1160  # for leases or states of one datagram; the rest is for the tag and the names outside
NUMBERS_BYTES = 56  # of a lease or a state, at the most


def questions(leases: Iterable[Lease], nonce: int, salt: bytes) -> list[AskMany]:
    """Return the questions about all these leases; their nonces count up from *nonce*.

    Args:
        leases: what to ask about, no promise wanted.
        nonce: one that was never used with this salt, nor the numbers after it.
        salt: random, of this start of the manager.
    """
    asked: list[list[Lease]] = []
    left_bytes = 0
    for lease in leases:
        size_bytes = _bytes(lease[0]) + _bytes(lease[1]) + 10
        if size_bytes > left_bytes:
            asked.append([])
            left_bytes = ROOM_BYTES
        left_bytes -= size_bytes
        asked[-1].append(lease)
    return [AskMany(nonce + i, salt, tuple(some)) for i, some in enumerate(asked)]


def parcels(states: Iterable[State]) -> list[tuple[State, ...]]:
    """Return the states as they fit into datagrams."""
    found: list[list[State]] = []
    left_bytes = 0
    for state in states:
        boot = state.now_boot
        size_bytes = NUMBERS_BYTES + _bytes(boot) if boot else NUMBERS_BYTES
        if size_bytes > left_bytes:
            found.append([])
            left_bytes = ROOM_BYTES
        left_bytes -= size_bytes
        found[-1].append(state)
    return [tuple(some) for some in found]


def answers(asked: AskMany, said: AnswerMany) -> list[Answer]:
    """Return what was said, as if each lease had been asked about alone; nothing if it is no answer to this."""
    if (said.nonce, said.salt) != (asked.nonce, asked.salt):
        return []
    known = (state for state in said.states if state.place < len(asked.leases))
    return [answer(said.incarnation, said.nonce, asked.leases[state.place], state) for state in known]


def answer(incarnation: int, nonce: int, lease: Lease, state: State) -> Answer:
    """Return a state with the names of its lease."""
    host, boot, epoch = lease
    return Answer(
        incarnation,
        nonce,
        host,
        boot,
        epoch,
        state.ready,
        state.promised,
        state.age_s,
        state.dead_s,
        boot if state.now_boot is None else state.now_boot,
        state.now_epoch,
        state.now_age_s,
        state.whole,
    )


def _bytes(name: str) -> int:
    return len(name.encode()) + 3
