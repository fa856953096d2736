from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tegar.agent import child
from tegar.agent.box import persistent_uuid
from tegar.agent.config import Config, load
from tegar.agent.fences import Fences
from tegar.agent.router.process import Daemon
from tegar.agent.works import Works
from tegar.kernel.errors import AgentRefused, BadParameter, Fenced, NotYet, Unavailable
from tegar.kernel.wire import Fence
from tegar.wire.boot import boot_id


def test_a_program_that_does_not_end_is_unavailable_at_its_deadline() -> None:
    start_s = time.monotonic()

    with pytest.raises(Unavailable, match=r"within 0\.2 s"):
        child.run(("sleep", "60"), timeout_s=0.2, what="test")

    assert time.monotonic() - start_s < 5


def test_programs_that_cannot_die_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(child._stuck, "dead pool", child.MAX_STUCK)

    with pytest.raises(Unavailable, match="still hang"):
        child.run(("true",), timeout_s=5, what="dead pool")


def test_long_work_is_joined_and_its_failure_told_once() -> None:
    works: Works[str] = Works()
    go, runs = threading.Event(), []

    def do() -> str:
        runs.append(1)
        go.wait(10)
        if len(runs) == 1:
            raise AgentRefused("x", "y", "z")
        return "done"

    for _ in range(2):
        with pytest.raises(NotYet):
            works.join("k", "work", do)
    go.set()
    with pytest.raises(AgentRefused):
        works.join("k", "work", do)
    assert works.join("k", "work", do) == "done"
    assert len(runs) == 2


def test_settings_are_checked(tmp_path: Path) -> None:
    assert load(tmp_path) == Config(tmp_path)
    (tmp_path / "agent.toml").write_text(
        'name = "h1"\ncpus = 3\nlog_dir = "/x"\nfetch_denied = ["10.0.0.0/8"]\n'
    )
    assert load(tmp_path) == Config(
        tmp_path, name="h1", cpus=3, log_dir=Path("/x"), fetch_denied=("10.0.0.0/8",)
    )
    for text in ("cpu = 1\n", 'cpus = "1"\n', "cpus = true\n"):
        (tmp_path / "agent.toml").write_text(text)
        with pytest.raises(BadParameter):
            load(tmp_path)


def test_a_hosts_uuid_stays_and_its_boot_is_known(tmp_path: Path) -> None:
    first = persistent_uuid(tmp_path / "uuid")

    assert persistent_uuid(tmp_path / "uuid") == first
    assert boot_id() == boot_id()


def test_a_process_with_the_same_pid_is_another_one(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "run")
    words = "import signal; print('ready', flush=True); signal.pause()"
    daemon.spawn((sys.executable, "-c", words), tmp_path / "log", "ready")
    pid = daemon.pid()
    assert pid

    (tmp_path / "other").write_text(f"{pid} 12345\n")
    assert Daemon(tmp_path / "other").pid() == 0
    daemon.stop()
    assert daemon.pid() == 0
    daemon.stop()


def test_a_process_that_ends_at_once_tells_why(tmp_path: Path) -> None:
    with pytest.raises(AgentRefused, match="no such thing"):
        Daemon(tmp_path / "run").spawn(
            ("sh", "-c", "echo no such thing >&2; exit 1"), tmp_path / "log", "ready"
        )


def test_a_takeover_is_remembered_over_a_restart(tmp_path: Path) -> None:
    Fences(tmp_path / "fences").check(Fence("s", 3))

    with pytest.raises(Fenced):
        Fences(tmp_path / "fences").check(Fence("s", 1))


def test_the_simulators_part_of_the_agent_needs_no_libvirt() -> None:
    script = "import sys; sys.modules['libvirt'] = None; import tegar.agent.handlers.table, tegar.agent.http, tegar.agent.xml"
    subprocess.run([sys.executable, "-c", script], check=True, env=child.environment())
