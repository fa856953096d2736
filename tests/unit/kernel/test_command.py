"""Binding: from the names and texts of a request to a command's typed attributes."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tegar.kernel.command import ADMIN, Command, bind, param
from tegar.kernel.db import Row
from tegar.kernel.errors import BadParameter, Malformed, MissingParameter, NoSuchEntity, Refused
from tegar.kernel.settings import SettingRow

A, B = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


class Make(Command):
    """Make something."""

    name: ClassVar[str] = "make"

    thing: SettingRow | None = param("a row", default=None)
    things: list[SettingRow] | None = param("rows", default=None)
    title: str = param("its name", max_length=10)
    count: int | None = param("how many", default=None, low=1, high=9)
    ratio: float | None = param("how much", default=None)
    really: bool = param("whether", default=False)
    words: list[str] | None = param("texts", default=None)
    details: dict[str, str] | None = param("a map", default=None)
    nics: list[dict[str, str]] | None = param("a list of maps", default=None, wire="iptonetworklist")
    host_id: str | None = param("only for admins", default=None, roles=ADMIN)
    kind: str | None = param("one of", default=None, choices=("Shared", "Isolated"))


def see(kind: type[Row], uuid: str) -> Row | None:
    """Find the one row there is."""
    return SettingRow(name=uuid) if uuid in (A, B) else None


def made(role: str = "admin", known: frozenset[str] = frozenset(), **raw: str) -> Any:
    """Bind a request; ``title`` is given."""
    return bind(Make, {"title": "x", **raw}, role, see, known)


@pytest.mark.parametrize(
    "raw",
    [
        {"details[0].a": "1", "details[0].b": "2"},
        {"details[0].a": "1", "details[1].b": "2"},
        {"details[0].key": "a", "details[0].value": "1", "details[1].key": "b", "details[1].value": "2"},
        {"Details[0].a": "1", "DETAILS[7].b": "2"},
    ],
)
def test_all_forms_of_maps_mean_the_same(raw: dict[str, str]) -> None:
    assert made(**raw).details == {"a": "1", "b": "2"}


def test_the_keys_of_a_map_keep_their_case() -> None:
    assert made(**{"details[0].cpuNumber": "2"}).details == {"cpuNumber": "2"}


@pytest.mark.parametrize("raw", [{"words": "a,b"}, {"words": " a , b ,"}, {"words[0]": "a", "words[1]": "b"}])
def test_all_forms_of_lists_mean_the_same(raw: dict[str, str]) -> None:
    assert made(**raw).words == ["a", "b"]


def test_an_indexed_list_is_in_the_order_of_its_numbers() -> None:
    assert made(**{"words[10]": "c", "words[2]": "b", "words[1]": "a"}).words == ["a", "b", "c"]


def test_a_list_of_maps_is_in_order_and_its_keys_without_case() -> None:
    raw = {
        "iptonetworklist[1].networkId": "n2",
        "iptonetworklist[0].networkid": "n1",
        "iptonetworklist[0].IP": "i",
    }

    assert made(**raw).nics == [{"networkid": "n1", "ip": "i"}, {"networkid": "n2"}]


@pytest.mark.parametrize(
    "name", ["details[0", "details0]", "details[x].a", "details[0]a", "[0].a", "a[0][1]"]
)
def test_broken_brackets_are_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        made(**{name: "1"})


def test_names_are_without_case_and_parameters_of_others_are_ignored() -> None:
    assert made(TITLE="y", signatureVersion="3").title in ("x", "y")
    assert made(COUNT="3").count == 3


def test_what_is_required_must_be_sent() -> None:
    with pytest.raises(MissingParameter) as e:
        bind(Make, {}, "admin", see)

    assert e.value.name == "title"


@pytest.mark.parametrize(
    "raw",
    [
        {"count": "0"}, {"count": "10"}, {"count": "x"}, {"count": "1.5"}, {"ratio": "x"}, {"kind": "L2"},
        {"title": "longer than ten"}, {"title": "a\x00b"}, {"title": "a\x7fb"},
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind_are_refused_by_name(raw: dict[str, str]) -> None:
    with pytest.raises(BadParameter) as e:
        made(**raw)

    assert e.value.name == next(iter(raw))


def test_values_are_typed() -> None:
    found = made(count=" 3 ", ratio="1.5", really="TRUE", kind="shared")

    assert (found.count, found.ratio, found.really, found.kind) == (3, 1.5, True, "Shared")


def test_an_empty_value_is_no_value() -> None:
    found = made(count="", ratio="", really="", thing="", words="")

    assert (found.count, found.ratio, found.really, found.thing, found.words) == (
        None,
        None,
        False,
        None,
        None,
    )


def test_a_row_is_found_by_its_uuid_or_does_not_exist() -> None:
    assert made(thing=A).thing.name == A
    assert [row.name for row in made(things=f"{A},{B}").things] == [A, B]
    for wrong in ("33333333-3333-3333-3333-333333333333", "1", "' OR 1=1", A.upper() + "x"):
        with pytest.raises(NoSuchEntity) as e:
            made(thing=wrong)
        assert e.value.value == wrong


def test_a_parameter_of_another_role_does_not_exist() -> None:
    assert made(hostid="h").host_id == "h"
    assert made(role="user", hostid="h").host_id is None


def test_what_the_protocol_knows_and_we_do_not_is_refused_by_name() -> None:
    known = frozenset({"title", "bootmode"})

    with pytest.raises(Refused, match="bootmode"):
        made(known=known, bootmode="UEFI")
    assert made(known=known, bootmode="").title == "x"
