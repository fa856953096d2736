"""``python -m tegar.sim`` is ``tegar sim``."""

import sys

from tegar.sim.http import main_sim

sys.exit(main_sim(sys.argv[1:]))
