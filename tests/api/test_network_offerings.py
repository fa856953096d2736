"""Network offerings, the ids that networks get, and what physical networks carry."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import Refusal, SmallCloud

BASIC = ("Dhcp", "Dns", "UserData")


def wish(*services: str, provider: str = "VirtualRouter", **more: Any) -> dict[str, Any]:
    """Return the parameters of an offering of services."""
    listed = {
        f"serviceproviderlist[{n}].{key}": value
        for n, name in enumerate(services)
        for key, value in (("service", name), ("provider", provider))
    }
    return {
        "name": "mine", "displaytext": "mine", "guestiptype": "Isolated", "traffictype": "Guest",
        "supportedservices": ",".join(services), **listed, **more,
    }  # fmt: skip


def make(small: SmallCloud, params: dict[str, Any]) -> dict[str, Any]:
    """Make an offering."""
    sent = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in params.items()}
    answer = small.admin.raw({"command": "createNetworkOffering", **sent})
    if answer.status != 200:
        raise Refusal(answer.status, answer.inner["errortext"])
    found: dict[str, Any] = answer.inner["networkoffering"]
    return found


def test_an_offering_is_made_of_services_with_providers(small: SmallCloud) -> None:
    made = make(small, wish(*BASIC, "SourceNat", "Firewall", egressdefaultpolicy=False, **{
        "servicecapabilitylist[0].service": "SourceNat", "servicecapabilitylist[0].capabilitytype": "RedundantRouter",
        "servicecapabilitylist[0].capabilityvalue": "true",
    }))  # fmt: skip

    assert made["state"] == "Disabled"
    assert made["egressdefaultpolicy"] is False
    nat = next(s for s in made["service"] if s["name"] == "SourceNat")
    assert nat["provider"] == [{"name": "VirtualRouter"}]
    assert nat["capability"][0]["name"] == "RedundantRouter"
    changed = small.admin("updateNetworkOffering", id=made["id"], state="Enabled", name="yours")[
        "networkoffering"
    ]
    assert (changed["state"], changed["name"]) == ("Enabled", "yours")
    assert small.admin("deleteNetworkOffering", id=made["id"])["success"] is True


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (wish("Dhcp", provider="Nobody"), "is given by"),
        (wish("Magic"), "is none of"),
        (wish("Dhcp", provider="VpcVirtualRouter"), "only for tiers"),
        (wish("Dhcp", forvpc=True), "not for tiers"),
        (wish("Dhcp", guestiptype="L2"), "no services"),
        (
            wish("SourceNat", guestiptype="Shared", specifyvlan=True, specifyipranges=True),
            "have no SourceNat",
        ),
        (wish("Dhcp", guestiptype="Shared"), "need specifyvlan"),
        (wish("SourceNat", specifyipranges=True), "specifyipranges=false"),
        (wish("Dhcp", availability="Required"), "Required is of"),
        ({**wish("Dhcp"), "supportedservices": "Dhcp,Dns"}, "has no provider"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_offering_that_makes_no_sense_is_refused(
    small: SmallCloud, params: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refusal, match=why) as e:
        make(small, params)

    assert e.value.code == 431


def test_stock_offerings_are_disabled_but_not_deleted(small: SmallCloud) -> None:
    stock = small.admin("listNetworkOfferings", isdefault=True)["networkoffering"]
    assert {o["guestiptype"] for o in stock} == {"Shared", "Isolated", "L2"}

    with pytest.raises(Refusal, match="disable it instead"):
        small.admin("deleteNetworkOffering", id=stock[0]["id"])


def test_an_offering_of_a_domain_is_nobody_elses(small: SmallCloud) -> None:
    domain = small.admin("createDomain", name="theirs")["domain"]["id"]
    make(small, wish("Dhcp", domainid=domain, enable=True))

    theirs, others = small.account("t", domainid=domain), small.account("o")

    assert theirs("listNetworkOfferings", name="mine")["networkoffering"][0]["domainid"] == domain
    assert others("listNetworkOfferings", name="mine") == {}


def test_services_tell_their_providers_and_what_can_be_chosen(small: SmallCloud) -> None:
    found = small.admin("listSupportedNetworkServices", provider="VpcVirtualRouter")["networkservice"]

    names = {s["name"] for s in found}
    assert "NetworkACL" in names
    assert "Firewall" not in names
    nat = next(s for s in found if s["name"] == "SourceNat")
    assert {"name": "RedundantRouter", "value": "true", "canchooseservicecapability": True} in nat[
        "capability"
    ]
