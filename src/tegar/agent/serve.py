"""``tegar agent``: the host answers servers.

What an agent does not need while it runs is not loaded here: it is to be there again soon after it died.
"""

from __future__ import annotations

import argparse
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from tegar.agent.config import DEFAULT_STATE, load
from tegar.agent.http import application, server
from tegar.agent.real import real_host
from tegar.kernel import log
from tegar.kernel.errors import TegarError


def run(state_dir: Path) -> None:
    """Answer servers until told to stop."""
    config = load(state_dir)
    listener = config.tls / "listener-ca.crt"
    context = ssl.create_default_context(cafile=str(listener)) if listener.exists() else True
    machine = real_host(config, context)
    app = application(machine, threads=config.threads)
    server(app, host=config.listen or config.address, port=config.port, tls=config.tls).run()


def main_agent(argv: Sequence[str]) -> int:
    """Run ``tegar agent``."""
    parser = argparse.ArgumentParser(
        prog="tegar agent", description="Answer the cloud's servers on this host."
    )
    parser.add_argument("--state-dir", type=Path, default=DEFAULT_STATE)
    given = parser.parse_args(argv)
    if not (given.state_dir / "tls" / "agent.crt").exists():
        print(
            f"tegar agent: {given.state_dir} has no certificate; run tegar host join first", file=sys.stderr
        )
        return 1
    log.set_up()
    try:
        run(given.state_dir)
    except TegarError as e:
        print(f"tegar agent: {e}", file=sys.stderr)
        return 1
    return 0
