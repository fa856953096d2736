"""The load balancer's configuration: ``packaging/haproxy.cfg``, with other addresses put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = Path(__file__).parents[3] / "packaging" / "haproxy.cfg"

_SERVER = re.compile(r"^    server s(\d+) [\d.]+:(\d+)(.*)\n", re.M)
_API, _AGENTS = "bind 127.0.0.1:8080 ", "bind 10.0.0.1:8251\n"


@dataclass(frozen=True)
class Balanced:
    """What stands behind a balancer.

    ``api`` and ``agents`` are address and port to listen on, ``agents`` empty for none; ``servers``
    are addresses by name, ``port`` and ``agent_port`` those where they all answer.
    """

    api: str
    servers: Mapping[str, str]
    port: int
    agents: str = ""
    agent_port: int = 8251


def render(template: str, balanced: Balanced) -> str:
    """Return a configuration for these servers.

    Raises:
        ValueError: the template has no place for them.
    """
    if _API not in template or _AGENTS not in template:
        raise ValueError("the configuration does not listen where it should")
    text = template.replace(_API, f"bind {balanced.api} ")
    text = text.replace(_AGENTS, f"bind {balanced.agents}\n")
    if not balanced.agents:
        text = text[: text.index("# Hosts join and report here.")]
    ports = {"8080": balanced.port, "8251": balanced.agent_port}

    def each(found: re.Match[str]) -> str:
        number, port, rest = found.groups()
        if number != "1":  # the first line of a section is the model of all
            return ""
        return "".join(
            f"    server {name} {address}:{ports[port]}{rest.replace('/s1', f'/{name}')}\n"
            for name, address in balanced.servers.items()
        )

    return _SERVER.sub(each, text)
