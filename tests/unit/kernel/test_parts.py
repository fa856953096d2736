"""The small parts: machines, secrets, settings, pages, the codec, handlers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel import codec
from tegar.kernel.db import Db
from tegar.kernel.errors import AgentRefused, BadParameter, BadTransition, Refused
from tegar.kernel.machine import Machine
from tegar.kernel.page import Paging, fetch, matches, paging
from tegar.kernel.secret import Secret, Vault, same, token
from tegar.kernel.settings import Setting, SettingRow
from tegar.kernel.wire import Ask, Fence, Handlers, fence_header, read_fence


class Light(StrEnum):
    """A lamp's states."""

    ON = "On"
    OFF = "Off"


class Press(StrEnum):
    """What happens to a lamp."""

    SWITCH = "be switched"
    BREAK = "break"


LAMP = Machine(
    "lamp",
    start=Light.OFF,
    table=[
        (Light.OFF, Press.SWITCH, Light.ON),
        (Light.ON, Press.SWITCH, Light.OFF),
        (Light.ON, Press.BREAK, Light.OFF),
    ],
)


def test_a_machine_follows_its_arrows() -> None:
    assert LAMP.after(Light.OFF, Press.SWITCH) == Light.ON
    assert LAMP.can(Light.ON, Press.BREAK)
    assert not LAMP.can(Light.OFF, Press.BREAK)


def test_a_machine_says_from_where_there_would_be_an_arrow() -> None:
    with pytest.raises(BadTransition) as e:
        LAMP.after(Light.OFF, Press.BREAK)

    assert str(e.value) == "A lamp that is Off cannot break; it must be On"


def test_a_machine_draws_itself() -> None:
    assert "    Off --> On: be switched\n" in LAMP.mermaid()


def test_two_arrows_on_one_event_are_refused() -> None:
    with pytest.raises(ValueError, match="two arrows"):
        Machine(
            "x", start=Light.ON, table=[(Light.ON, Press.BREAK, Light.ON), (Light.ON, Press.BREAK, Light.OFF)]
        )


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2")

    shown = f"{secret} {secret!r} {secret!s} {secret:>20} %s" % secret
    assert "hunter2" not in shown
    assert "hunter2" not in f"{secret}"
    assert secret.reveal() == "hunter2"


def test_a_vault_gives_back_what_it_sealed_and_never_twice_the_same(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path / "key")

    assert vault.seal("x") != vault.seal("x")
    assert vault.open(vault.seal("größe")).reveal() == "größe"
    assert Vault.at(tmp_path / "key").open(vault.seal("x")).reveal() == "x"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_vault_with_another_key_opens_nothing(tmp_path: Path) -> None:
    sealed = Vault.at(tmp_path / "a").seal("x")

    with pytest.raises(InvalidTag):
        Vault.at(tmp_path / "b").open(sealed)


def test_tokens_differ_and_compare() -> None:
    assert token() != token()
    assert same("abc", "abc")
    assert not same("abc", "abd")


FACTOR = Setting("factor", 1.5, "a factor", scope="cluster")
FLAG = Setting("flag", False, "a flag")


def test_the_most_precise_setting_wins(db: Db) -> None:
    def write(s: Session) -> None:
        s.add_all(
            [
                SettingRow(name="factor", value="2"),
                SettingRow(name="factor", scope="cluster", scope_id=7, value="3"),
            ]
        )

    assert db.read(lambda s: FACTOR.of(s, "cluster", 7)) == 1.5
    db.tx(write)

    assert db.read(lambda s: FACTOR.of(s)) == 2.0
    assert db.read(lambda s: FACTOR.of(s, "cluster", 7)) == 3.0
    assert db.read(lambda s: FACTOR.of(s, "cluster", 8)) == 2.0


@pytest.mark.parametrize("text", ["1", "yes", "", "tru"])
def test_a_flag_is_true_or_false(text: str) -> None:
    assert FLAG.parse(" True ") is True
    with pytest.raises(BadParameter):
        FLAG.parse(text)


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(BadParameter):
        FACTOR.parse("much")


def test_pages_need_both_parameters_and_stay_in_range() -> None:
    assert paging(None, None) == Paging(0, 500)
    assert paging(None, -1) == Paging(0, None)
    assert paging(3, 20) == Paging(40, 20)
    for page, size in ((1, None), (None, 5), (0, 5), (1, 0), (1, 501)):
        with pytest.raises(Refused):
            paging(page, size)


def test_a_page_tells_the_total(db: Db) -> None:
    db.tx(lambda s: s.add_all([SettingRow(name=f"n{i:02}", value="x") for i in range(25)]))
    wanted = select(SettingRow).order_by(SettingRow.name)

    for first, size, names in ((0, 10, 10), (20, 10, 5), (20, 5, 5), (30, 10, 0), (0, None, 25)):
        page = db.read(lambda s, f=first, z=size: fetch(s, wanted, Paging(f, z)))  # type: ignore[misc]
        assert (len(page.rows), page.total) == (names, 25)


def test_a_keyword_is_literal(db: Db) -> None:
    db.tx(lambda s: s.add_all([SettingRow(name=n, value="x") for n in ("a%b", "a_b", "axb", "A%B", "a\\b")]))

    def found(keyword: str) -> list[str]:
        wanted = select(SettingRow.name).where(matches(keyword, SettingRow.name))
        return sorted(db.read(lambda s: s.scalars(wanted).all()))

    assert found("%") == ["A%B", "a%b"]
    assert found("_") == ["a_b"]
    assert found("\\") == ["a\\b"]


@dataclass(frozen=True)
class Pong:
    """An answer."""

    n: int


@dataclass(frozen=True)
class Ping(Ask[Pong]):
    """A question."""

    n: int


def test_the_codec_is_strict() -> None:
    assert codec.decode(Ping, codec.encode(Ping(3))) == Ping(3)
    for text in ("{}", '{"n": "3"}', "no", '{"n": 1.5}'):
        with pytest.raises(ValueError, match=r"."):
            codec.decode(Ping, text)


def test_handlers_answer_what_they_know_and_refuse_the_rest() -> None:
    table: Handlers[str] = Handlers()

    @table.handles
    def pong(host: str, ask: Ping) -> Pong:
        return Pong(ask.n + len(host))

    assert table.answer("h1", "Ping", '{"n": 1}') == '{"n":3}'
    with pytest.raises(AgentRefused):
        table.answer("h1", "Pong", "{}")
    with pytest.raises(Refused):
        table.answer("h1", "Ping", "{}")


def test_a_fence_crosses_the_wire() -> None:
    fence = Fence("s", 7)

    assert read_fence(fence_header(fence)["x-tegar-fence"]) == fence
    assert read_fence(None) is None
    with pytest.raises(Refused):
        read_fence("s;x")
