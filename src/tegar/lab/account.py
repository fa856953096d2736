"""What a BMC remembers of its one account."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

USERNAME = "admin"


@dataclass(frozen=True)
class Account:
    """The BMC's account, which outlives its process: a file only root reads."""

    file: Path

    @property
    def password(self) -> str:
        """The password."""
        return str(json.loads(self.file.read_text())["password"])

    def change(self, password: str) -> None:
        """Keep another password."""
        spare = self.file.with_name(self.file.name + ".new")
        with os.fdopen(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            json.dump({"password": password}, f)
        spare.replace(self.file)
