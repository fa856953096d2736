"""``python -m tegar.guard warden …`` and ``… witness …`` are ``tegar warden`` and ``tegar witness``."""

import sys

from tegar.guard.warden_shell import main_warden
from tegar.guard.witness_shell import main_witness
from tegar.kernel import log

ROLES = {"warden": main_warden, "witness": main_witness}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ROLES:
        sys.exit("usage: python -m tegar.guard warden|witness OPTIONS")
    log.set_up()
    sys.exit(ROLES[sys.argv[1]](sys.argv[2:]))
