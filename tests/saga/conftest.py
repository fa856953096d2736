"""Which points of sagas are tried on which database."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Try every point on SQLite, and on MariaDB that of each case where most is to be undone: its last.

    What a step leaves is the same on both; how rows are locked, and what is rolled back, shows at one.
    With ``--clouds`` all are tried on what it names.
    """
    if config.getoption("--clouds"):
        return
    last: dict[tuple[str, str], pytest.Item] = {}
    for item in items:
        if case := _on_mariadb(item):
            last[item.originalname, case] = item
    keep = set(last.values())
    left = [item for item in items if _on_mariadb(item) and item not in keep]
    items[:] = [item for item in items if not _on_mariadb(item) or item in keep]
    config.hook.pytest_deselected(items=left)


def _on_mariadb(item: pytest.Item) -> str:
    """Return the case of a test at a point of a saga on MariaDB, nothing for other tests."""
    told = getattr(getattr(item, "callspec", None), "params", {})
    of_saga = told.get("cloud_kind") == "mariadb" and {"chosen", "point"} <= told.keys()
    return str(told["chosen"]) if of_saga else ""
