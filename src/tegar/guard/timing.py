"""The timers of a host's lease; they live in ``tegar.model.timing``, for agents report what follows from them."""

from tegar.model.timing import DEFAULT as DEFAULT
from tegar.model.timing import FAST as FAST
from tegar.model.timing import WORST_RHO as WORST_RHO
from tegar.model.timing import Timing as Timing
from tegar.model.timing import UnsafeTiming as UnsafeTiming
