"""Programs the agent runs, each with a deadline.

Whatever touches storage is a child process: a thread of ours that touched a dead NFS server
would sleep in the kernel and could not be woken, nor could the agent be stopped.  A child that
cannot even be killed is left to a reaper and counted, so that they do not pile up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tegar.kernel.errors import AgentRefused, Unavailable

MAX_STUCK = 8  # unkillable children of one kind; more questions of that kind are refused at once


@dataclass(frozen=True)
class Output:
    """What a program said."""

    code: int
    out: str
    err: str

    def must(self, what: str) -> Output:
        """Return itself when the program succeeded.

        Raises:
            AgentRefused: it failed; its last words are the reason.
        """
        if self.code == 0:
            return self
        raise AgentRefused("The host", what, last_words(self.err or self.out))


def last_words(text: str) -> str:
    """Return what of a program's complaints is worth passing on."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:400] if lines else "it failed and gave no reason"


def python(module: str, *args: str) -> tuple[str, ...]:
    """Return the command that runs a module of ours; the working directory is not searched for it."""
    return (sys.executable, "-P", "-m", module, *args)


def environment() -> dict[str, str]:
    """Return the environment of children: plain words, and our own modules in reach."""
    ours = str(Path(__file__).resolve().parents[2])
    paths = [ours, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONPATH": os.pathsep.join(paths)}


_stuck: Counter[str] = Counter()
_stuck_lock = threading.Lock()


def _abandon(child: subprocess.Popen[str], kind: str) -> None:
    """Kill a child without waiting for its death, which may never come."""
    child.kill()
    with _stuck_lock:
        _stuck[kind] += 1

    def reap() -> None:
        child.communicate()
        with _stuck_lock:
            _stuck[kind] -= 1

    threading.Thread(target=reap, name=f"reap-{kind}", daemon=True).start()


def adopt(process: subprocess.Popen[bytes]) -> None:
    """Wait in the background for a process that may outlive us, so that it leaves no zombie."""
    threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()


def run(argv: Sequence[str], *, timeout_s: float, what: str, stdin: str = "") -> Output:
    """Run a program and return what it said.

    Args:
        argv: the program and its arguments; no shell is involved.
        timeout_s: it is killed after so many seconds.
        what: names the thing in errors, such as ``pool 4f…``.
        stdin: text to give it.

    Raises:
        Unavailable: no end within *timeout_s*, or too many of its kind hang already.
    """
    if _stuck[what] >= MAX_STUCK:
        raise Unavailable(what, f"{MAX_STUCK} earlier attempts still hang")
    pipe = subprocess.PIPE
    child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment())
    try:
        out, err = child.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _abandon(child, what)
        raise Unavailable(what, f"{os.path.basename(argv[0])} did not end within {timeout_s:g} s") from None
    return Output(child.returncode, out, err)


def files(
    verb: str, *args: str, timeout_s: float = 20, what: str = "storage", stdin: str = ""
) -> dict[str, object]:
    """Run one verb of ``tegar.agent.files`` and return its answer.

    Raises:
        Unavailable: the storage did not answer in time or said so itself.
        AgentRefused: it answered and would not.
    """
    said = run(python("tegar.agent.files", verb, *args), timeout_s=timeout_s, what=what, stdin=stdin)
    try:
        answer = json.loads(said.out)
    except ValueError:
        raise Unavailable(what, last_words(said.err or said.out)) from None
    if "unavailable" in answer:
        raise Unavailable(what, str(answer["unavailable"]))
    if "refused" in answer:
        raise AgentRefused("The host", verb, str(answer["refused"]))
    return dict(answer)
