"""The docs are true: generated pages are fresh, links lead somewhere, named files and functions exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changes/*.md")])
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")
FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|js|toml|md|service|txt|lock))(?:::(\w+(?:\.\w+)*))?`")
ROOMS = (ROOT, ROOT / "src/tegar", ROOT / "src/tegar/api/ui", ROOT / "tests")


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "docs", "--check"], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, f"run tools/docs; stale: {done.stdout or done.stderr}"


def test_every_machine_has_its_picture() -> None:
    machines = {f.stem for f in (ROOT / "src/tegar/model").glob("*.py") if "= Machine(" in f.read_text()}

    assert {f.stem for f in (ROOT / "docs/states").glob("*.md")} == machines


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [to for to in LINK.findall(page.read_text()) if not (page.parent / to).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_that_pages_name_exist(page: Path) -> None:
    wrong = []
    for name, inside in FILE.findall(page.read_text()):
        file = next((room / name for room in ROOMS if (room / name).is_file()), None)
        if file is None or (inside and not _defines(file.read_text(), inside)):
            wrong.append(f"{name}::{inside}" if inside else name)

    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pictures_have_no_semicolons_which_end_a_line_of_mermaid(page: Path) -> None:
    assert [p for p in re.findall(r"```mermaid\n(.*?)```", page.read_text(), re.S) if ";" in p] == []


def _defines(text: str, dotted: str) -> bool:
    """Return whether a file defines every part of a name: ``Engine.claim`` is a class and a function."""
    return all(
        re.search(rf"^\s*(?:async def|def|class) {part}\b|^{part}\b.*=", text, re.M)
        for part in dotted.split(".")
    )
