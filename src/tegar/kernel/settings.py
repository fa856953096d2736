"""Typed settings: declared once, overridden by rows, most precise scope first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row
from tegar.kernel.errors import BadParameter

T = TypeVar("T", bool, int, float, str)

SCOPES = ("global", "zone", "cluster", "storagepool", "domain", "account")


class SettingRow(Row):
    """An override.  ``scope_id`` is 0 for the global scope."""

    __tablename__ = "setting"
    __table_args__ = (UniqueConstraint("name", "scope", "scope_id"), Row.__table_args__)

    name: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(20), default="global")
    scope_id: Mapped[int] = mapped_column(default=0)
    value: Mapped[str] = mapped_column(String(4096))


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: its name, what it is without an override, what it does, and where it may be overridden."""

    name: str
    default: T
    help: str
    category: str = "Advanced"
    scope: str = "global"

    def parse(self, text: str) -> T:
        """Return the value a text means.

        Raises:
            BadParameter: the text is not of the setting's type.
        """
        kind = type(self.default)
        try:
            if kind is bool:
                if text.strip().lower() not in ("true", "false"):
                    raise ValueError
                return kind(text.strip().lower() == "true")
            return kind(text)
        except ValueError:
            raise BadParameter("value", f"{self.name} must be a {kind.__name__}, not {text!r}") from None

    def of(self, s: Session, scope: str = "global", scope_id: int = 0) -> T:
        """Return the value in force: of that scope, else the global one, else the default."""
        wanted = [(scope, scope_id), ("global", 0)] if scope != "global" else [("global", 0)]
        rows = _overrides(s).get(self.name, {})
        for key in wanted:
            if key in rows:
                return self.parse(rows[key])
        return self.default


def _overrides(s: Session) -> dict[str, dict[tuple[str, int], str]]:
    """Return all overrides, read once in a transaction: there are few, and many are asked for."""
    found: dict[str, dict[tuple[str, int], str]] | None = s.info.get("settings")
    if found is None:
        found = {}
        for name, scope, scope_id, value in s.execute(
            select(SettingRow.name, SettingRow.scope, SettingRow.scope_id, SettingRow.value)
        ):
            found.setdefault(name, {})[(scope, scope_id)] = value
        s.info["settings"] = found
    return found


def index(
    settings: Iterable[Setting[bool] | Setting[int] | Setting[float] | Setting[str]],
) -> dict[str, Setting]:  # type: ignore[type-arg]
    """Return settings by name."""
    return {setting.name: setting for setting in settings}
