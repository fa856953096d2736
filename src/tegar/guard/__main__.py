"""``python -m tegar.guard warden CONFIG.json`` and ``… witness CONFIG.json``."""

import sys

from tegar.guard.shell import main_warden, main_witness
from tegar.kernel import log

ROLES = {"warden": main_warden, "witness": main_witness}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ROLES:
        sys.exit("usage: python -m tegar.guard warden|witness CONFIG.json")
    log.set_up()
    sys.exit(ROLES[sys.argv[1]](sys.argv[2:]))
