"""The house rules that a machine can check: what lies where, how long files are, who may do what is dangerous."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tegar

SRC = Path(tegar.__file__).parent
ROOT = Path(__file__).parents[2]
FILES = {str(f.relative_to(SRC)): f for f in sorted(SRC.rglob("*.py"))}
TREES = {name: ast.parse(file.read_text(), name) for name, file in FILES.items()}

LONGEST = 450
LONG: dict[str, tuple[int, str]] = {}  # a limit of its own, and why

CATCH_ALL = {
    "kernel/engine.py": "the saga engine: a step or an undo may fail in any way",
    "kernel/runner.py": "the threads that run sagas live on",
    "kernel/loop.py": "a loop goes on with its next round",
    "api/http.py": "the HTTP shell of the API",
    "api/serve.py": "the API's one function that never raises",
    "agent/http.py": "the HTTP shell of the agent",
    "sim/http.py": "the HTTP shell of simulated hosts",
    "sim/ha/baton.py": "carries what a simulated process raised to the thread that steps it",
    "ha/process.py": "the thread of high availability begins its round anew",
}
CLOCKS = {
    "kernel/clock.py": "the clock itself",
    "lab/": "waits for real processes",
    "main/local.py": "waits for the processes that it started",
    "main/client.py": "a client of the API in another process",
    "main/bench/": "measures wall time",
    "main/drill/": "measures wall time",
    "agent/files.py": "compares with the times of files, which only the machine's clock knows",
}
SPEAKERS = {
    "main/": "the program's commands",
    "lab/": "the program's commands",
    "sim/ha/__main__.py": "the program that runs the story of a host's failure",
    "agent/join.py": "the command `tegar host join`",
    "agent/serve.py": "the command `tegar agent`",
    "agent/files.py": "a child process that answers its parent on standard output",
    "agent/router/metadata.py": "a child process that tells its parent that it is ready",
}
XML_READERS = {"agent/libvirt/hypervisor.py": "XML that libvirt itself wrote on this host"}


def allowed(name: str, table: dict[str, str]) -> bool:
    return any(name == at or (at.endswith("/") and name.startswith(at)) for at in table)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Give every call with the name of what is called, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def offenders(found: Callable[[ast.AST], bool], table: dict[str, str]) -> list[str]:
    return [name for name, tree in TREES.items() if found(tree) and not allowed(name, table)]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def contract(name: str) -> dict[str, object]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found: dict[str, object] = next(c for c in contracts if c["name"] == name)
    return found


def test_every_package_has_a_layer() -> None:
    layers = contract("Data flows down")
    packages = {d.name for d in SRC.iterdir() if (d / "__init__.py").exists()}

    listed = {name.strip() for layer in layers["layers"] for name in layer.split("|")}  # type: ignore[attr-defined]
    assert (layers["exhaustive"], layers["containers"]) == (True, ["tegar"])
    assert listed == packages


def test_modules_beside_the_packages_are_none() -> None:
    assert [f.name for f in SRC.glob("*.py")] == ["__init__.py"]


def test_no_contract_ignores_an_import() -> None:
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text()


def test_the_kernel_is_small_and_knows_nothing_of_ours() -> None:
    mine = {name: tree for name, tree in TREES.items() if name.startswith("kernel/")}

    assert sum(len(FILES[name].read_text().splitlines()) for name in mine) <= 2550
    for name, tree in mine.items():
        ours = [i for i in imports(tree) if i.startswith("tegar") and not i.startswith("tegar.kernel")]
        assert ours == [], name


@pytest.mark.parametrize("name", FILES)
def test_files_end_before_they_tire(name: str) -> None:
    limit, _ = LONG.get(name, (LONGEST, ""))

    assert len(FILES[name].read_text().splitlines()) <= limit


def test_only_shells_catch_everything() -> None:
    def catches(tree: ast.AST) -> bool:
        kinds = [
            ast.unparse(n.type) if n.type else "" for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler)
        ]
        return any(kind in ("", "Exception", "BaseException") for kind in kinds)

    assert offenders(catches, CATCH_ALL) == []


def test_only_the_clock_sleeps_and_tells_the_time() -> None:
    def reads(tree: ast.AST) -> bool:
        taken = {"time.sleep", "time.time", "datetime.now", "datetime.utcnow"}
        return any(name in taken for name, _ in calls(tree)) or "time.sleep" in imports(tree)

    assert offenders(reads, CLOCKS) == []


def test_only_programs_print() -> None:
    assert offenders(lambda tree: any(name == "print" for name, _ in calls(tree)), SPEAKERS) == []


def test_nobody_calls_a_shell() -> None:
    def shell(tree: ast.AST) -> bool:
        through = any(k.arg == "shell" for _, call in calls(tree) for k in call.keywords)
        return through or any(name in ("os.system", "os.popen") for name, _ in calls(tree))

    assert offenders(shell, {}) == []


def test_nobody_reads_the_xml_of_strangers() -> None:
    def parses(tree: ast.AST) -> bool:
        ways = ("fromstring", "XML", "iterparse")
        reads = any(name.rpartition(".")[2] in ways for name, _ in calls(tree))
        return reads and any("xml" in i for i in imports(tree))

    assert offenders(parses, XML_READERS) == []


@pytest.mark.parametrize("table", [CATCH_ALL, CLOCKS, SPEAKERS, XML_READERS, LONG], ids=range(5))
def test_exceptions_that_nobody_needs_any_more_are_struck_off(table: dict[str, object]) -> None:
    for name in table:
        assert any(file == name or (name.endswith("/") and file.startswith(name)) for file in FILES), name
