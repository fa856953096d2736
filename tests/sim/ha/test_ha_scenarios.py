"""Scenarios that operators can read, each with the log it must give."""

from pathlib import Path

import pytest
from scenario import FOLDER, play, read, tale

FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_log_of_a_scenario_is_the_expected_one(path: Path) -> None:
    script, expected = read(path)

    assert expected
    assert tale(play(script)) == expected


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 20
