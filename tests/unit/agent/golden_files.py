"""Texts compared with files; ``TEGAR_GOLDEN=write`` writes them anew, for you to read the difference."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare a text with its golden file."""
    file = FOLDER / name
    if os.environ.get("TEGAR_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()
