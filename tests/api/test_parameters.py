"""Lists and maps among parameters (protocol.md, section 1)."""

from __future__ import annotations

import pytest

from tegar.kernel.command import Command, bind, param
from tegar.kernel.errors import BadParameter


class Toy(Command):
    """A command with every shape of parameter."""

    name = "toyThing"

    ids: list[str] | None = param("a list", default=None)
    numbers: list[int] | None = param("a list of numbers", default=None)
    details: dict[str, str] | None = param("a map", default=None)
    tags: list[dict[str, str]] | None = param("a list of maps", default=None)


@pytest.mark.parametrize(
    "sent",
    [
        {"details[0].cpuNumber": "2", "details[0].memory": "1024"},  # cs and ansible
        {"details[0].cpuNumber": "2", "details[1].memory": "1024"},  # cloudstack-go
        {
            "details[0].key": "cpuNumber",
            "details[0].value": "2",
            "details[1].key": "memory",
            "details[1].value": "1024",
        },
    ],
)
def test_every_form_of_a_map(sent: dict[str, str]) -> None:
    assert _bound(sent).details == {"cpuNumber": "2", "memory": "1024"}


def test_a_list_of_maps_is_in_the_order_of_its_indices() -> None:
    sent = {"tags[10].key": "c", "tags[2].Key": "b", "tags[2].value": "2", "tags[0].key": "a"}

    assert _bound(sent).tags == [{"key": "a"}, {"key": "b", "value": "2"}, {"key": "c"}]


@pytest.mark.parametrize(
    "sent", [{"ids": "a,b"}, {"ids": "a, b"}, {"IDS": "a,b,"}, {"ids[0]": "a", "ids[1]": "b"}]
)
def test_every_form_of_a_list(sent: dict[str, str]) -> None:
    assert _bound(sent).ids == ["a", "b"]


def test_an_empty_list_is_none() -> None:
    assert _bound({"ids": ""}).ids is None
    assert _bound({"numbers": "1,2"}).numbers == [1, 2]
    with pytest.raises(BadParameter):
        _bound({"numbers": "1,x"})


def _bound(sent: dict[str, str]) -> Toy:
    made = bind(Toy, sent, "admin", lambda kind, uuid: None)
    assert isinstance(made, Toy)
    return made
