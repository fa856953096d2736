from __future__ import annotations

from dataclasses import replace

import golden_files
import pytest
from routers import ISOLATED

from tegar.agent.router.render import bundle, haproxy, nft
from tegar.kernel.errors import Refused
from tegar.model.rule import Balancer, HealthCheck, Member, Stickiness

MEMBERS = (Member("10.1.1.8", 8080), Member("10.1.1.7", 8080))
WEB = Balancer("a1111111-1111-4111-8111-111111111111", "203.0.113.12", 80, "roundrobin", "tcp", MEMBERS)
ALL = (
    WEB,
    replace(
        WEB, uuid="a2222222-2222-4222-8222-222222222222", port=443, protocol="ssl", certificate="PEM\n",
        algorithm="leastconn", health=HealthCheck("/health?deep=1", 5, 2, 3, 4),
        stickiness=Stickiness("LbCookie", "c", (("cookie-name", "srv"), ("nocache", "true"), ("postonly", "false"))),
    ),
    replace(
        WEB, uuid="a3333333-3333-4333-8333-333333333333", port=25, protocol="tcp-proxy", algorithm="source",
        sources=("198.51.100.0/24",),
    ),
    replace(
        WEB, uuid="a4444444-4444-4444-8444-444444444444", port=81,
        stickiness=Stickiness("AppCookie", "JSESSIONID", (("mode", "path-parameters"), ("holdtime", "2h"))),
    ),
    replace(
        WEB, uuid="a5555555-5555-4555-8555-555555555555", port=82,
        stickiness=Stickiness("SourceBased", "s", (("tablesize", "100k"),)),
    ),
    replace(WEB, uuid="a6666666-6666-4666-8666-666666666666", port=53, protocol="udp"),
    replace(WEB, uuid="a7777777-7777-4777-8777-777777777777", port=83, members=()),
)  # fmt: skip
BALANCED = replace(ISOLATED, balancers=ALL)


def test_the_settings_of_balancers_read_as_they_should() -> None:
    golden_files.check("haproxy.cfg", bundle(BALANCED, "/r")["haproxy.cfg"])


def test_a_certificate_is_a_file_of_its_own() -> None:
    files = bundle(BALANCED, "/r")

    assert files["certificates/a2222222-2222-4222-8222-222222222222.pem"] == "PEM\n"
    assert "PEM" not in files["haproxy.cfg"]


def test_another_certificate_is_a_change_that_processes_see() -> None:
    renewed = replace(BALANCED, balancers=(ALL[0], replace(ALL[1], certificate="NEW\n"), *ALL[2:]))

    before, after = (bundle(spec, "/r")["haproxy.cfg"] for spec in (BALANCED, renewed))
    assert haproxy.digest_of(before) != haproxy.digest_of(after)


def test_the_order_of_balancers_and_members_does_not_matter() -> None:
    turned = replace(BALANCED, balancers=tuple(replace(it, members=it.members[::-1]) for it in ALL[:5][::-1]))
    straight = replace(BALANCED, balancers=ALL[:5])

    assert bundle(turned, "/r")["haproxy.cfg"] == bundle(straight, "/r")["haproxy.cfg"]
    assert nft.rules(turned) == nft.rules(straight)


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithm": "static-rr\n  mode http"},
        {"protocol": "http"},
        {"protocol": "ssl"},
        {"port": 70000},
        {"health": HealthCheck("/a b")},
        {"stickiness": Stickiness("LbCookie", "a\nb")},
        {"stickiness": Stickiness("AppCookie", "a", (("holdtime", "3h\n  stats"),))},
        {"stickiness": Stickiness("Other", "a")},
        {"members": (Member("10.1.1.7 check", 80),)},
    ],
)
def test_words_that_are_no_balancer_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Refused):
        bundle(replace(ISOLATED, balancers=(replace(WEB, **wrong),)), "/r")  # type: ignore[arg-type]
