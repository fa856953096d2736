"""Domains, accounts, users and their keys."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from helpers import PASSWORD, Caller, Refusal, SmallCloud, cloud_on
from sqlalchemy.orm import Session

from tegar.api.serve import Request
from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.ops.bootstrap import admin_keys, bootstrap
from tegar.store.accounts import Account, Domain, User
from tegar.store.offerings import DiskOffering, ServiceOffering

T = TypeVar("T")

NOBODY = "00000000-0000-4000-8000-000000000000"
PERSON = {"password": PASSWORD, "email": "x@example.org", "firstname": "X", "lastname": "Y"}


def _domain(small: SmallCloud, name: str, **params: object) -> str:
    return str(small.admin("createDomain", name=name, **params)["domain"]["id"])


def _id(caller: Caller) -> str:
    return str(caller("listUsers")["user"][0]["id"])


def _log_in(small: SmallCloud, username: str, domain: str, password: str = PASSWORD) -> int:
    params = {"command": "login", "username": username, "password": password, "domain": domain}
    return small.api.answer(Request(params, method="POST")).status


# --- the first start


def test_bootstrap_changes_nothing_the_second_time(small: SmallCloud) -> None:
    keys = small.db.read(lambda s: admin_keys(s, small.vault))

    small.db.tx(lambda s: bootstrap(s, small.vault, small.clock.now_s(), admin_password="another"))

    assert small.db.read(lambda s: admin_keys(s, small.vault)) == keys
    assert _log_in(small, "admin", "/") == 200
    assert small.admin("listServiceOfferings")["count"] == 3
    assert small.admin("listDomains")["count"] == 1


def test_a_deleted_stock_offering_does_not_come_back(small: SmallCloud) -> None:
    tiny = small.admin("listServiceOfferings", name="Tiny Instance")["serviceoffering"][0]
    small.admin("deleteServiceOffering", id=tiny["id"])

    small.db.tx(lambda s: bootstrap(s, small.vault, small.clock.now_s(), admin_password=PASSWORD))

    assert small.admin("listServiceOfferings", name="Tiny Instance") == {}


def test_secrets_are_kept_sealed_or_hashed(small: SmallCloud) -> None:
    user = small.db.read(lambda s: s.query(User).one())

    assert small.admin.secret not in (user.secret_key_sealed or "")
    assert user.password_hash.startswith("$argon2id$")


# --- domains


def test_a_domain_shows_its_path_level_and_children(small: SmallCloud) -> None:
    sales = _domain(small, "sales", networkdomain="sales.example.org")
    emea = _domain(small, "emea", parentdomainid=sales)

    shown = {d["name"]: d for d in small.admin("listDomains")["domain"]}
    assert (shown["ROOT"]["path"], shown["ROOT"]["level"], shown["ROOT"]["haschild"]) == ("ROOT", 0, True)
    assert (shown["sales"]["path"], shown["sales"]["networkdomain"]) == ("ROOT/sales", "sales.example.org")
    assert shown["emea"]["path"] == "ROOT/sales/emea"
    assert (shown["emea"]["parentdomainid"], shown["emea"]["parentdomainname"]) == (sales, "sales")
    assert (shown["emea"]["level"], shown["emea"]["haschild"]) == (2, False)
    assert small.admin("listDomains", id=emea)["count"] == 1
    assert small.admin("listDomains", level=1)["domain"][0]["name"] == "sales"
    assert small.admin("listDomains", name="sale") == {}
    assert small.admin("listDomains", keyword="ALE")["count"] == 1


def test_a_domain_can_have_a_chosen_uuid(small: SmallCloud) -> None:
    assert _domain(small, "chosen", domainid=NOBODY) == NOBODY
    with pytest.raises(Refusal, match=r"431.*domainid.*taken"):
        _domain(small, "again", domainid=NOBODY)


@pytest.mark.parametrize("name", ["", " ", "a/b"])
def test_a_domain_needs_a_name_that_fits_in_a_path(small: SmallCloud, name: str) -> None:
    with pytest.raises(Refusal, match="431"):
        _domain(small, name)


@pytest.mark.parametrize("network_domain", ["-x", "a..b", "a_b", "x" * 191, "a b"])
def test_a_network_domain_is_a_dns_name(small: SmallCloud, network_domain: str) -> None:
    with pytest.raises(Refusal, match=r"431.*networkdomain"):
        _domain(small, "x", networkdomain=network_domain)


def test_siblings_have_different_names_cousins_need_not(small: SmallCloud) -> None:
    one, two = _domain(small, "one"), _domain(small, "two")
    _domain(small, "same", parentdomainid=one)
    _domain(small, "same", parentdomainid=two)

    with pytest.raises(Refusal, match=r"431.*same exists already"):
        _domain(small, "same", parentdomainid=one)


def test_a_domain_admin_sees_and_makes_domains_below_only(small: SmallCloud) -> None:
    sales, other = _domain(small, "sales"), _domain(small, "salesother")
    boss = small.account("boss", accounttype=2, domainid=sales)

    made = boss("createDomain", name="emea")["domain"]

    assert made["path"] == "ROOT/sales/emea"
    assert {d["name"] for d in boss("listDomains", listall=True)["domain"]} == {"sales", "emea"}
    assert "parentdomainid" not in boss("listDomains", id=sales)["domain"][0]
    for stranger in (other, NOBODY):
        with pytest.raises(Refusal, match=rf"431.*parentdomainid value={stranger} due to incorrect long"):
            boss("createDomain", name="x", parentdomainid=stranger)


def test_users_do_not_list_domains(small: SmallCloud) -> None:
    assert small.account("bob").answer("listDomains").status == 401


# --- accounts


def test_an_account_comes_with_its_user(small: SmallCloud) -> None:
    made = small.admin(
        "createAccount", username="bob", account="acme", accounttype=0, timezone="Europe/Berlin", **PERSON
    )["account"]

    assert (made["name"], made["accounttype"], made["roletype"], made["state"]) == (
        "acme",
        0,
        "User",
        "enabled",
    )
    (user,) = made["user"]
    assert (user["username"], user["account"], user["timezone"]) == ("bob", "acme", "Europe/Berlin")
    assert "apikey" not in user
    assert _log_in(small, "bob", "/") == 200
    assert _log_in(small, "bob", "/", "wrong") == 531


def test_the_name_of_an_account_is_by_default_its_users(small: SmallCloud) -> None:
    made = small.admin("createAccount", username="bob", accounttype=0, **PERSON)["account"]

    assert made["name"] == "bob"


def test_the_role_can_be_given_by_id(small: SmallCloud) -> None:
    role = small.admin("listAccounts")["account"][0]["roleid"]

    assert small.admin("createAccount", username="two", roleid=role, **PERSON)["account"]["accounttype"] == 1
    for wrong in ({}, {"roleid": NOBODY}, {"accounttype": 7}):
        with pytest.raises(Refusal, match="431"):
            small.admin("createAccount", username="three", **PERSON, **wrong)


def test_names_are_unique_in_a_domain(small: SmallCloud) -> None:
    sales = _domain(small, "sales")
    small.account("bob")
    small.account("bob", domainid=sales)

    for names in ({"username": "bob", "account": "new"}, {"username": "new", "account": "bob"}):
        with pytest.raises(Refusal, match=r"431.*exists already"):
            small.admin("createAccount", accounttype=0, **names, **PERSON)
    assert small.admin("listUsers", username="new") == {}
    assert _log_in(small, "bob", "/sales") == 200


@pytest.mark.parametrize("missing", ["password", "username"])
def test_names_and_passwords_are_not_empty(small: SmallCloud, missing: str) -> None:
    with pytest.raises(Refusal, match=r"431.*must not be empty"):
        small.admin("createAccount", accounttype=0, **{"username": "x", **PERSON, missing: ""})


def test_administrators_live_in_root(small: SmallCloud) -> None:
    with pytest.raises(Refusal, match=r"431.*ROOT"):
        small.account("chief", accounttype=1, domainid=_domain(small, "sales"))


def test_a_domain_admin_makes_no_administrators_and_nothing_outside(small: SmallCloud) -> None:
    sales, other = _domain(small, "sales"), _domain(small, "other")
    boss = small.account("boss", accounttype=2, domainid=sales)

    assert boss("createAccount", username="a", accounttype=0, **PERSON)["account"]["domainid"] == sales
    assert boss("createAccount", username="b", accounttype=2, **PERSON)["account"]["accounttype"] == 2
    with pytest.raises(Refusal, match="531"):
        boss("createAccount", username="c", accounttype=1, **PERSON)
    with pytest.raises(Refusal, match=r"431.*domainid"):
        boss("createAccount", username="d", accounttype=0, domainid=other, **PERSON)
    assert small.account("bob").answer("createAccount", username="e", accounttype=0, **PERSON).status == 401


def test_accounts_show_limits_and_totals(small: SmallCloud) -> None:
    shown = small.admin("listAccounts")["account"][0]

    assert shown["vmlimit"] == shown["cpuavailable"] == shown["memoryavailable"] == "Unlimited"
    assert (shown["vmtotal"], shown["vmrunning"], shown["volumetotal"]) == (0, 0, 0)
    assert shown["isdefault"] is True


def test_who_sees_which_accounts(small: SmallCloud) -> None:
    sales = _domain(small, "sales")
    emea = _domain(small, "emea", parentdomainid=sales)
    boss = small.account("boss", accounttype=2, domainid=sales)
    small.account("deep", domainid=emea)
    bob = small.account("bob")

    def names(caller: Caller, **params: object) -> list[str]:
        return sorted(a["name"] for a in caller("listAccounts", **params).get("account", []))

    assert names(small.admin) == ["admin"]
    assert names(small.admin, listall=True) == ["admin", "bob", "boss", "deep"]
    assert names(small.admin, domainid=sales) == ["boss"]
    assert names(small.admin, domainid=sales, isrecursive=True) == ["boss", "deep"]
    assert names(small.admin, name="deep") == ["deep"]
    assert names(small.admin, accounttype=2, listall=True) == ["boss"]
    assert names(small.admin, accounttype=9, listall=True) == []
    assert names(boss, listall=True) == ["boss", "deep"]
    assert names(bob, listall=True) == ["bob"]
    assert names(bob, name="admin") == []
    stranger = small.admin("listAccounts")["account"][0]["id"]
    for id in (stranger, NOBODY):
        with pytest.raises(Refusal, match=rf"431.*parameter id value={id} due to incorrect long"):
            bob("listAccounts", id=id)


# --- users


def test_another_user_of_an_account(small: SmallCloud) -> None:
    small.account("acme")

    made = small.admin("createUser", account="acme", username="eve", **PERSON)["user"]

    assert (made["account"], made["username"], made["usersource"]) == ("acme", "eve", "native")
    assert small.admin("listUsers", account="acme")["count"] == 2
    with pytest.raises(Refusal, match=r"431.*eve exists already"):
        small.admin("createUser", account="acme", username="eve", **PERSON)
    with pytest.raises(Refusal, match="531"):
        small.admin("createUser", account="nobody", username="x", **PERSON)


def test_the_caller_is_the_first_user_of_the_list(small: SmallCloud) -> None:
    sales = _domain(small, "sales")
    small.account("one", domainid=sales)
    boss = small.account("boss", accounttype=2, domainid=sales)

    assert [u["username"] for u in boss("listUsers")["user"]] == ["boss", "one"]
    assert [u["username"] for u in small.admin("listUsers")["user"]] == ["admin", "one", "boss"]


def test_filters_of_users(small: SmallCloud) -> None:
    sales = _domain(small, "sales")
    bob, boss = small.account("bob"), small.account("boss", accounttype=2, domainid=sales)

    def names(**params: object) -> list[str]:
        return [u["username"] for u in small.admin("listUsers", **params).get("user", [])]

    assert names(id=_id(bob)) == ["bob"]
    assert names(username="bo") == []
    assert names(keyword="bo") == ["bob", "boss"]
    assert names(domainid=sales) == ["boss"]
    assert names(accounttype=2) == ["boss"]
    assert names(state="disabled") == []
    assert names(page=2, pagesize=1) == ["bob"]
    assert boss("listUsers")["user"][0]["iscallerchilddomain"] is False
    assert small.admin("listUsers", id=_id(boss))["user"][0]["iscallerchilddomain"] is True


def test_get_user_says_whose_a_key_is(small: SmallCloud) -> None:
    bob = small.account("bob")

    assert bob("getUser", userapikey=bob.api_key)["user"]["username"] == "bob"
    assert small.admin("getUser", userapikey=bob.api_key)["user"]["account"] == "bob"
    for key in (small.admin.api_key, "nonsense"):
        with pytest.raises(Refusal, match="431: User not found"):
            bob("getUser", userapikey=key)


# --- keys


def test_keys_are_ones_own(small: SmallCloud) -> None:
    bob = small.account("bob")

    keys = bob("getUserKeys", id=_id(bob))["userkeys"]

    assert keys == {"apikey": bob.api_key, "secretkey": bob.secret}
    assert small.admin("getUserKeys", id=_id(bob))["userkeys"] == keys


def test_a_user_without_keys_has_none_to_show(small: SmallCloud) -> None:
    user = small.admin("createAccount", username="x", accounttype=0, **PERSON)["account"]["user"][0]

    assert small.admin("getUserKeys", id=user["id"])["userkeys"] == {}


@pytest.mark.parametrize("command", ["getUserKeys", "registerUserKeys"])
def test_nobody_takes_keys_upwards_or_sideways(small: SmallCloud, command: str) -> None:
    sales = _domain(small, "sales")
    boss, bob = small.account("boss", accounttype=2, domainid=sales), small.account("bob", domainid=sales)
    peer = small.admin("createUser", account="bob", domainid=sales, username="peer", **PERSON)["user"]["id"]
    chief = small.account("chief", accounttype=2)  # of ROOT: sees the administrators there

    with pytest.raises(Refusal, match=r"531.*may not use the keys of user peer"):
        bob(command, id=peer)
    for stranger in (_id(boss), _id(small.admin), NOBODY):
        with pytest.raises(Refusal, match=rf"431.*parameter id value={stranger} due to incorrect long"):
            bob(command, id=stranger)
    with pytest.raises(Refusal, match="431"):
        boss(command, id=_id(small.admin))
    with pytest.raises(Refusal, match="531"):
        chief(command, id=_id(small.admin))
    shown = {u["username"]: u for u in chief("listUsers")["user"]}
    assert "apikey" not in shown["admin"]
    assert "apikey" in shown["bob"]
    assert boss(command, id=peer) is not None


def test_a_peer_sees_no_api_key(small: SmallCloud) -> None:
    bob = small.account("bob")
    peer = small.admin("createUser", account="bob", username="peer", **PERSON)["user"]["id"]
    small.admin("registerUserKeys", id=peer)

    shown = {u["username"]: u for u in bob("listUsers")["user"]}
    assert "apikey" in shown["bob"]
    assert "apikey" not in shown["peer"]


def test_a_path_that_begins_alike_is_no_subdomain(small: SmallCloud) -> None:
    a, ab = _domain(small, "a"), _domain(small, "ab")
    boss = small.account("boss", accounttype=2, domainid=a)
    small.account("neighbour", domainid=ab)

    assert [u["username"] for u in boss("listUsers", listall=True)["user"]] == ["boss"]
    assert small.db.read(lambda s: s.query(Domain).filter_by(name="ab").one().path) == "/ab/"


# --- at the same moment


def _at_once(work: Callable[[int], T], count: int = 4) -> list[T]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_servers_that_start_together_make_one_cloud(db: Db) -> None:
    vault = Vault(b"k" * 32)

    _at_once(lambda _: db.tx(lambda s: bootstrap(s, vault, 1.0, admin_password=PASSWORD)))

    def counts(s: Session) -> list[int]:
        kinds = (Domain, Account, User, ServiceOffering, DiskOffering)
        return [s.query(kind).count() for kind in kinds]

    assert db.read(counts) == [1, 1, 1, 3, 4]
    assert all(db.read(lambda s: admin_keys(s, vault)))


def test_a_name_is_given_once(db: Db) -> None:
    small = cloud_on(db)

    answers = _at_once(
        lambda n: small.admin.answer(
            "createAccount", username=f"u{n}", account="same", accounttype=0, **PERSON
        )
    )
    domains = _at_once(lambda _: small.admin.answer("createDomain", name="same"))

    assert sorted(a.status for a in answers) == [200, 431, 431, 431]
    assert sorted(a.status for a in domains) == [200, 431, 431, 431]
    assert small.admin("listAccounts", name="same")["count"] == 1
    assert small.admin("listDomains", name="same")["count"] == 1


def test_the_whole_noun_on_every_database(db: Db) -> None:
    small = cloud_on(db)
    sales = _domain(small, "sales")
    boss = small.account("boss", accounttype=2, domainid=sales)
    boss("createSSHKeyPair", name="k")

    assert boss("listAccounts", listall=True)["account"][0]["vmtotal"] == 0
    assert boss("listSSHKeyPairs", keyword="K")["count"] == 1
    assert boss("listEvents", listall=True, keyword="k")["count"] > 0
    assert boss("listServiceOfferings", cpunumber=1)["count"] == 3
    assert small.admin("listNetworkOfferings", supportedservices="Dns", guestiptype="Shared")["count"] >= 1
    assert small.admin("updateConfiguration", name="expunge.delay", value=1)["configuration"]["value"] == "1"
    assert small.admin("listDomains", keyword="SAL", page=1, pagesize=1)["count"] == 1
