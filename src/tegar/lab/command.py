"""Running the machine's tools: always a list of words, always with a deadline."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tegar.lab.errors import LabError


def run(
    argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result, whatever it is.

    Raises:
        LabError: it is not there, or did not end within *timeout_s* and was killed.
    """
    try:
        return subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as e:
        raise LabError(f"{argv[0]} is not installed") from e
    except subprocess.TimeoutExpired as e:
        raise LabError(f"{' '.join(argv)} did not end within {timeout_s:g} s") from e


def must(argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60) -> str:
    """Run a command that has to succeed and return its output.

    Raises:
        LabError: it failed; carries what it said.
    """
    done = run(argv, stdin=stdin, timeout_s=timeout_s)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)} failed ({done.returncode}): {said}")
    return done.stdout
