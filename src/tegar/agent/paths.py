"""Where the hands have their files; all in memory, for they die with the boot."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from tegar.agent.gate import Memory


@dataclass(frozen=True)
class Paths:
    """The run directory."""

    run_dir: Path

    @property
    def sockets(self) -> Path:
        """QEMU's control sockets."""
        return self.run_dir / "qmp"

    @property
    def marks(self) -> Path:
        """What is known of each copy."""
        return self.run_dir / "copies"

    @property
    def memory(self) -> Path:
        """Epochs."""
        return self.run_dir / "epochs"

    @property
    def orders(self) -> Path:
        """The socket for orders."""
        return self.run_dir / "hands.sock"

    @property
    def reports(self) -> Path:
        """The warden's socket for reports."""
        return self.run_dir / "warden.sock"

    @property
    def warden(self) -> Path:
        """What the warden says of the host."""
        return self.run_dir / "warden.json"


def recall(file: Path, boot: str) -> Memory:
    """Return what is remembered of this boot."""
    with suppress(OSError, msgspec.MsgspecError):
        memory = msgspec.json.decode(file.read_bytes(), type=Memory)
        if memory.boot == boot:
            return memory
    return Memory(boot)


def remember(file: Path, memory: Memory) -> None:
    """Write what is remembered, whole or not at all."""
    spare = file.with_suffix(".new")
    spare.write_bytes(msgspec.json.encode(asdict(memory)))
    spare.replace(file)
