"""The hands with real QEMU processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from qemus import BOOT, QEMU, Bench, bench, until

from tegar.agent.gate import Verb
from tegar.agent.paths import recall
from tegar.agent.qmp import Qmp
from tegar.kernel.errors import AgentRefused, Unavailable
from tegar.model.lease import Permit

pytestmark = pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is not installed")
PERMIT = Permit(BOOT, 0, 1)
VM = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def host() -> Iterator[Bench]:
    with bench() as made:
        yield made


def test_a_host_that_nobody_guards_lets_guests_run(host: Bench) -> None:
    hands = host.start_hands(guarded=False)
    id = host.qemu()

    hands.resume(id, None)
    hands.resume(id, Permit("whatever", 9, 9))

    assert host.status(id) == "running"


def test_a_guarded_host_begins_closed_and_says_so(host: Bench) -> None:
    hands = host.start_hands()

    said = host.hear()
    assert (said.number, said.done, said.epoch) == (0, False, 0)
    with pytest.raises(Unavailable):
        hands.check(VM, PERMIT)


def test_a_guest_runs_by_permit_is_paused_and_resumed(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    id = host.qemu()
    hands.resume(id, PERMIT)
    assert host.status(id) == "running"

    host.done(Verb.CLOSE)
    assert host.status(id) == "paused"
    with pytest.raises(Unavailable):
        hands.resume(id, PERMIT)
    host.done(Verb.OPEN)
    until(lambda: host.status(id) == "running", "the resume")


def test_what_was_made_and_not_admitted_stays_paused_when_the_gate_opens(host: Bench) -> None:
    made, arriving = host.qemu(), host.qemu("-incoming", "defer")
    hands = host.start_hands(guarded=False)
    until(lambda: len(hands._copies.known) == 2, "both")
    hands.guard()

    host.done(Verb.CLOSE)
    host.done(Verb.OPEN)

    assert host.status(made) in ("prelaunch", "paused")
    assert host.status(arriving) == "inmigrate"
    with pytest.raises(Unavailable, match="arriving"):
        hands.resume(arriving, PERMIT)


def test_a_guest_that_ran_before_there_was_a_gate_comes_back(host: Bench) -> None:
    id = host.qemu(paused=False)
    hands = host.start_hands(guarded=False)
    until(lambda: id in hands._copies.known, "the copy")
    hands.guard()

    host.done(Verb.CLOSE)
    assert host.status(id) == "paused"
    host.done(Verb.OPEN)
    until(lambda: host.status(id) == "running", "the resume")


def test_a_hung_qemu_is_not_quiet_and_holds_nobody_up(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    hung, well = host.qemu(), host.qemu()
    for id in (hung, well):
        hands.resume(id, PERMIT)
    process = host.processes[0]
    process.send_signal(signal.SIGSTOP)

    number = host.order(Verb.CLOSE)
    until(lambda: host.status(well) == "paused", "the other one")
    said = [said for said in (host.hear(),) if said.number == number]
    assert not any(report.done for report in said)
    process.send_signal(signal.SIGCONT)

    while not (last := host.hear()).done:
        pass
    assert last.number == number


def test_a_qemu_that_was_killed_is_quiet(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    id = host.qemu()
    hands.resume(id, PERMIT)
    host.processes[0].send_signal(signal.SIGSTOP)
    host.order(Verb.CLOSE)
    host.processes[0].kill()

    while not host.hear().done:
        pass
    assert not (host.paths.sockets / f"{id}.sock").exists()
    assert list(host.paths.marks.iterdir()) == []


def test_clear_ends_every_copy(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    ids = [host.qemu() for _ in range(3)]
    for id in ids:
        hands.resume(id, PERMIT)
    host.done(Verb.CLOSE)

    took_s = host.done(Verb.CLEAR)

    assert [process.wait(10) for process in host.processes] == [-signal.SIGKILL] * 3
    assert all(hands.killed(id) for id in ids)
    assert took_s < 10
    host.done(Verb.OPEN, 1)
    assert host.reports[-1].epoch == 1
    with pytest.raises(AgentRefused, match="lease 0"):
        hands.check(ids[0], PERMIT)


def test_a_copy_that_appears_while_the_gate_is_closed_is_ended(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.CLOSE)
    id = host.qemu()

    assert host.processes[0].wait(20) == -signal.SIGKILL
    until(lambda: id not in hands._copies.known, "the end")
    host.done(Verb.CLOSE)


def test_new_hands_begin_closed_and_know_what_the_old_ones_paused(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN, 4)
    id, fresh = host.qemu(), host.qemu()
    hands.resume(id, Permit(BOOT, 4, 1))
    until(lambda: fresh in hands._copies.known, "the other copy")
    host.done(Verb.CLOSE)
    hands.close()

    again = host.start_hands()
    host.done(Verb.CLOSE)
    assert host.reports[-1].epoch == 4
    with pytest.raises(Unavailable):
        again.resume(id, Permit(BOOT, 4, 1))
    host.done(Verb.OPEN, 4)

    until(lambda: host.status(id) == "running", "the resume")
    assert host.status(fresh) in ("prelaunch", "paused")


def test_new_hands_leave_a_running_guest_alone_until_they_are_told(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    id = host.qemu()
    hands.resume(id, PERMIT)
    hands.close()

    host.start_hands()
    host.done(Verb.OPEN)

    until(lambda: host.status(id) == "running", "the connection")


def test_a_guest_that_something_resumes_around_the_gate_is_paused_again(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    id = host.qemu()
    hands.resume(id, PERMIT)
    host.done(Verb.CLOSE)

    virsh = Qmp(host.eye(id))
    virsh.execute("cont", timeout_s=10)
    virsh.close()

    while host.hear().done:
        pass
    while not host.hear().done:
        pass
    assert host.status(id) == "paused"


def test_a_guest_on_its_way_is_frozen_and_goes_on(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    id = host.qemu()
    hands.resume(id, PERMIT)

    with hands.moving(id):
        host.done(Verb.CLOSE)
        assert process_state(host) == "T"
        hands.close()
        host.start_hands()
        host.done(Verb.CLOSE)
    host.done(Verb.OPEN)

    until(lambda: host.status(id) == "running", "the resume")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_guest_that_is_being_sent_is_not_resumed_before_its_journey_ends(
    host: Bench, *, arrives: bool
) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    id = host.qemu()
    hands.resume(id, PERMIT)
    eye = Qmp(host.eye(id))
    gate = host.paths.run_dir / "gate"
    os.mkfifo(gate)
    eye.execute("migrate", timeout_s=10, uri=f"exec:read x < {gate}; cat > /dev/null")

    host.done(Verb.CLOSE)
    assert process_state(host) == "T"
    host.done(Verb.OPEN)
    until(lambda: process_state(host) != "T", "the process to go on")
    assert eye.execute("query-status", timeout_s=10)["status"] == "paused"
    with pytest.raises(Unavailable, match="on its way"):
        hands.resume(id, PERMIT)
    if not arrives:
        eye.execute("migrate_cancel", timeout_s=10)
    gate.write_text("go\n")
    end = "postmigrate" if arrives else "running"
    until(lambda: eye.execute("query-status", timeout_s=10)["status"] == end, end)
    until(lambda: not hands._copies.known[id].held, "the last look")

    assert eye.execute("query-status", timeout_s=10)["status"] == end
    eye.close()


def process_state(host: Bench) -> str:
    """Return the letter the kernel gives the first QEMU."""
    return Path(f"/proc/{host.processes[0].pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_old_orders_are_void(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    number = host.number
    host.done(Verb.CLOSE)

    host.order(Verb.OPEN, number=number)

    while not (said := host.hear()).done:
        pass
    assert said.number > number
    assert not hands.gate.is_open


def test_sockets_of_the_dead_are_removed(host: Bench) -> None:
    stale = host.paths.sockets / f"{VM}.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
        dead.listen()
    host.start_hands()

    host.done(Verb.CLOSE)
    assert not stale.exists()


def test_a_listener_that_never_speaks_is_not_quiet(host: Bench) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(host.paths.sockets / f"{VM}.sock"))
        mute.listen()
        host.start_hands()
        host.order(Verb.CLOSE)
        start_s = time.monotonic()
        while time.monotonic() - start_s < 0.5:
            host.order(Verb.CLOSE, number=host.number)
            assert not host.hear().done


def test_a_lost_socket_does_not_make_a_copy_forgotten(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN)
    id = host.qemu()
    hands.resume(id, PERMIT)
    (host.paths.sockets / f"{id}.sock").unlink()
    hands.close()

    host.start_hands()
    number = host.order(Verb.CLOSE)
    while (said := host.hear()).number != number:
        pass
    assert not said.done


def test_epochs_die_with_the_boot(host: Bench) -> None:
    hands = host.start_hands()
    host.done(Verb.OPEN, 3)
    hands.check(VM, Permit(BOOT, 3, 8))

    assert recall(host.paths.memory, BOOT).vms == {VM: 8}
    assert recall(host.paths.memory, "boot.2").vms == {}


def test_a_guest_is_paused_and_drained_while_it_writes(host: Bench, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(bytes(8 << 20))
    hands = host.start_hands()
    host.done(Verb.OPEN)
    (tmp_path / "boot.bin").write_bytes(boot_sector())
    id = host.qemu(
        "-drive", f"if=ide,index=0,format=raw,file={tmp_path / 'boot.bin'}",
        "-drive", f"if=ide,index=1,format=raw,cache=none,file={image}",
    )  # fmt: skip
    hands.resume(id, PERMIT)
    before = image.read_bytes()
    until(lambda: image.read_bytes() != before, "the guest's writes")

    for _ in range(3):
        host.done(Verb.CLOSE)
        still = image.read_bytes()
        time.sleep(0.2)  # a guest that is not drained would write now
        assert image.read_bytes() == still
        host.done(Verb.OPEN)
        until(lambda still=still: image.read_bytes() != still, "the guest to go on")


def boot_sector() -> bytes:
    """Return a program that writes a counter to the second disk for ever, by the BIOS."""
    code = bytes.fromhex(
        "31c08ed88ec0bc007c"  # xor ax,ax; mov ds,ax; mov es,ax; mov sp,0x7c00
        "ff06007e"  # again: inc word [0x7e00]
        "b80103bb007e"  # mov ax,0x0301 (write one sector); mov bx,0x7e00
        "b90100ba8100"  # mov cx,1; mov dx,0x0081 (second disk)
        "cd13"  # int 0x13
        "ebec"  # jmp again
    )
    return (code.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0")


def test_an_emulator_without_locks_opens_what_a_stopped_one_holds(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
    blocks = [
        "-blockdev", f'{{"driver":"file","filename":"{image}","node-name":"s","cache":{{"direct":true,"no-flush":false}}}}',
        "-blockdev", '{"node-name":"f","driver":"qcow2","file":"s"}', "-device", "virtio-blk-pci,drive=f",
    ]  # fmt: skip
    with bench() as host:
        hands = host.start_hands(guarded=False)
        old = host.qemu(*blocks)
        hands.resume(old, None)
        host.processes[0].send_signal(signal.SIGSTOP)

        host.qemu(*blocks)
        assert host.processes[1].wait(20) == 1
        wrapper = Path(__file__).parents[3] / "src/tegar/agent/qemu-unlocked"
        host.processes.append(
            subprocess.Popen(
                [wrapper, "-machine", "pc,accel=tcg", "-nodefaults", "-display", "none", "-name", "a b'c\"$(d)",
                 "-chardev", f"socket,id=c,path={host.paths.sockets}/{VM}.sock,server=on,wait=off",
                 "-mon", "chardev=c,mode=control", "-S", *blocks],
                stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        hands.resume(VM, None)
        assert host.processes[-1].poll() is None
        host.processes[0].send_signal(signal.SIGCONT)
