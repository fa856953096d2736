"""Load balancing of connections: one HAProxy for all balancers of a router.  Datagrams are ``nat``'s."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tegar.model.router import RouterSpec
from tegar.model.rule import Balancer, HealthCheck, Member, Stickiness

FAST = HealthCheck(
    interval_s=0.25, timeout_s=0.25
)  # of a balancer without a policy: a dead member is out within 1 s
DOUBTFUL_S = 0.1  # then the next check comes sooner
COOKIES = ("LbCookie", "AppCookie")
NO = ("", "0", "false", "no")
PEERS_PORT = 10240  # on the loopback: a new process learns there from the old one which client sticks where
DIGEST = "0" * 16
DEFAULTS = """\
defaults
  mode tcp
  retries 3
  option redispatch 1
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout http-request 30s
  timeout http-keep-alive 10s
  load-server-state-from-file global
"""


def balancers(spec: RouterSpec) -> list[Balancer]:
    """Return the balancers that are HAProxy's, in order."""
    found = [it for it in spec.balancers if it.protocol != "udp" and it.members]
    return sorted(found, key=lambda it: it.uuid)


def certificate_file(it: Balancer) -> str:
    """Return the name of the file with key and certificates of a balancer, inside the bundle."""
    return f"certificates/{it.uuid}.pem"


def conf(spec: RouterSpec, home: str) -> str:
    """Return HAProxy's settings.  Its description is their digest: it tells which settings a process has read."""
    sections = "".join(_section(it, home) for it in balancers(spec))
    sticky = any(_has_table(it) for it in balancers(spec))
    text = (
        "# Rendered by tegar-agent; changes are lost.\n"
        "global\n"
        "  user haproxy\n"
        "  group haproxy\n"
        f"  description {DIGEST}\n"
        f"  stats socket {home}/haproxy.sock mode 600 level admin expose-fd listeners\n"
        f"  server-state-file {home}/haproxy.state\n"
        "  localpeer tegar\n"
        "  hard-stop-after 12h\n"
        "  ssl-default-bind-options ssl-min-ver TLSv1.2\n"
        f"{DEFAULTS}" + (f"peers sticky\n  peer tegar 127.0.0.1:{PEERS_PORT}\n" if sticky else "") + sections
    )
    digest = hashlib.sha256(f"{text}{_certificates(spec)}".encode()).hexdigest()[:16]
    return text.replace(DIGEST, digest)


def digest_of(conf: str) -> str:
    """Return the description in the settings."""
    return conf.partition("description ")[2].split()[0]


def _certificates(spec: RouterSpec) -> str:
    return "".join(it.certificate for it in balancers(spec))


def _section(it: Balancer, home: str) -> str:
    tls = f" ssl crt {home}/current/{certificate_file(it)}" if it.protocol == "ssl" else ""
    by_source = " source\n  hash-type consistent" if it.algorithm == "source" else f" {it.algorithm}"
    rows = [f"bind {it.ip}:{it.port}{tls}", f"balance{by_source}"]
    if it.stickiness and it.stickiness.method in COOKIES:
        rows += ["mode http", "option forwardfor"]
    if it.health and it.health.path:
        rows += [f"option httpchk GET {it.health.path}", "http-check expect rstatus ^[23]"]
    check = it.health or FAST
    rows.append(f"timeout check {_ms(check.timeout_s)}")
    rows += _stickiness(it.stickiness) if it.stickiness else ()
    rows += [_server(it, member, check) for member in sorted(it.members, key=lambda m: (m.ip, m.port))]
    return f"listen {it.uuid}\n" + "".join(f"  {row}\n" for row in rows)


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _server(it: Balancer, member: Member, check: HealthCheck) -> str:
    name = f"{member.ip}-{member.port}"
    words = [f"server {name} {member.ip}:{member.port} check inter {_ms(check.interval_s)}"]
    if it.health is None:
        words.append(f"fastinter {_ms(DOUBTFUL_S)}")
    words.append(f"fall {check.unhealthy} rise {check.healthy} on-marked-down shutdown-sessions")
    if it.protocol == "tcp-proxy":
        words.append("send-proxy check-send-proxy")
    if it.stickiness and it.stickiness.method == "LbCookie":
        words.append(f"cookie {name}")
    return " ".join(words)


def _has_table(it: Balancer) -> bool:
    return it.stickiness is not None and it.stickiness.method != "LbCookie"


def _stickiness(it: Stickiness) -> Iterable[str]:
    given = dict(it.params)
    name = given.get("cookie-name") or it.name
    if it.method == "LbCookie":
        flags = [
            flag for flag in ("nocache", "indirect", "postonly") if given.get(flag, "").lower() not in NO
        ]
        domain = [f"domain {given['domain']}"] if given.get("domain") else []
        yield " ".join((f"cookie {name} {given.get('mode') or 'insert'}", *flags, *domain))
    elif it.method == "SourceBased":
        yield _table("ip", given.get("tablesize") or "200k", given.get("expire") or "30m")
        yield "stick on src"
    else:
        yield _table(f"string len {given.get('length') or 52}", "200k", given.get("holdtime") or "3h")
        yield from _learned(name, given)


def _table(kind: str, size: str, expire: str) -> str:
    return f"stick-table type {kind} size {size} expire {expire} peers sticky"


def _learned(name: str, given: dict[str, str]) -> Iterable[str]:
    """Return how an application's own cookie, or what stands for it in the URL, is learned."""
    yield f"stick store-response res.cook({name})"
    found = f"req.cook({name})"
    yield f"stick {'match' if given.get('request-learn', '').lower() in NO else 'on'} {found}"
    if given.get("mode") in ("path-parameters", "query-string"):
        end = ",;" if given["mode"] == "path-parameters" else ""
        yield f"stick match urlp({name}{end})"
