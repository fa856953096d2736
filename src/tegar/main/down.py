"""``tegar down``: nothing of the cloud is left on this machine, also after a crash."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tegar.lab import cloud as lab
from tegar.lab.errors import LabError
from tegar.main.local import Place, end, processes
from tegar.main.several import DATABASE


def main_down(argv: Sequence[str]) -> int:
    """Run ``tegar down``."""
    parser = argparse.ArgumentParser(
        prog="tegar down", description="End the cloud and remove every trace of it."
    )
    parser.add_argument("--dir", type=Path, default=Path(".tegar"), help="where all its files are")
    given = parser.parse_args(argv)
    try:
        take_down(Place(given.dir.absolute()), print)
    except LabError as e:
        print(f"tegar down: {e}", file=sys.stderr)
        return 1
    return 0


def take_down(place: Place, say: Callable[[str], None]) -> None:
    """End its processes and its lab, and remove its files; what is expensive to make again stays in ``cache``."""
    database = processes(place, DATABASE)  # last, for servers say farewell in it
    end([pid for pid in processes(place) if pid not in (os.getpid(), *database)])
    end(database)
    if os.geteuid() == 0:
        lab.down(place.lab, say)
    for made in (*place.root.glob("server*"), *(place.root / name for name in ("db", "log", "lab"))):
        shutil.rmtree(made, ignore_errors=True)
    for file in (place.facts, place.root / "haproxy.cfg"):
        file.unlink(missing_ok=True)
    say("nothing of the cloud is left")
