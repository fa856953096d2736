"""Filters of lists: one way for all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select

from tegar.kernel.db import Row


def only(statement: Select[Any], *wanted: tuple[Any, Any]) -> Select[Any]:
    """Narrow a statement to rows whose columns have the values; None and empty text ask for nothing.

    A row as the value stands for its id.
    """
    for column, value in wanted:
        if value is None or value == "":
            continue
        statement = statement.where(column == (value.id if isinstance(value, Row) else value))
    return statement
