"""``python -m tegar.lab.boot PREFIX NAME DIRECTORY``: boot a host again after its watchdog reset it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tegar.lab.cloud import attach


def main(argv: Sequence[str]) -> int:
    """Boot the host *NAME* of the lab that *DIRECTORY* is part of."""
    _, name, directory = argv
    lab = attach(Path(directory).parents[1])
    if lab is None or name not in lab.hosts:
        return 1
    lab.hosts[name].power_on()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
