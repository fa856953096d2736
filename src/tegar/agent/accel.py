"""Whether KVM works here: asked of the kernel by a child, for a useless ``/dev/kvm`` may never answer."""

from __future__ import annotations

import fcntl
import os
import sys

from tegar.agent import child
from tegar.kernel.errors import Unavailable

KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_CREATE_VCPU = 0xAE41
DEADLINE_S = 5.0


def accel() -> str:
    """Return ``kvm`` or ``tcg``."""
    if not os.path.exists("/dev/kvm") or not _cpu_can():
        return "tcg"
    try:
        said = child.run(child.python("tegar.agent.accel"), timeout_s=DEADLINE_S, what="KVM")
    except Unavailable:
        return "tcg"
    return "kvm" if said.code == 0 else "tcg"


def _cpu_can() -> bool:
    with open("/proc/cpuinfo") as f:
        words = set(f.read().split())
    return bool({"vmx", "svm"} & words) or os.uname().machine != "x86_64"


def main() -> None:
    """Make a virtual machine with one CPU; fail where that fails."""
    fd = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    vm = fcntl.ioctl(fd, KVM_CREATE_VM, 0) if fcntl.ioctl(fd, KVM_GET_API_VERSION, 0) == 12 else -1
    sys.exit(0 if vm >= 0 and fcntl.ioctl(vm, KVM_CREATE_VCPU, 0) >= 0 else 1)


if __name__ == "__main__":
    main()
