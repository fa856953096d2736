"""The program as people use it: its command line, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TEGAR = Path(sys.executable).with_name("tegar")


def run(*words: object, within_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Run ``tegar`` and return its result, whatever it is."""
    return subprocess.run(
        [str(TEGAR), *map(str, words)], capture_output=True, text=True, timeout=within_s, check=False
    )


def up(directory: Path, *words: object) -> dict[str, Any]:
    """Start a cloud in a directory, or complete it; return its ``cloud.json``."""
    done = run("up", "--detach", "--dir", directory, "--port", 0, *words)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{said(directory)}"
    facts: dict[str, Any] = json.loads((directory / "cloud.json").read_text())
    return facts


def down(directory: Path) -> None:
    """End the cloud of a directory."""
    done = run("down", "--dir", directory)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def said(directory: Path, name: str = "server") -> str:
    """Return the end of what a process of the cloud said."""
    log = directory / "log" / f"{name}.log"
    return log.read_text()[-3000:] if log.exists() else ""
