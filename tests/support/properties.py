"""Properties are tried with the same examples every time, unless somebody digs deeper with random ones.

``TEGAR_EXAMPLES=5000`` tries each property with so many random examples.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, settings

RANDOM_EXAMPLES = int(os.environ.get("TEGAR_EXAMPLES", "0"))
_USUAL_EXAMPLES = 100


def tried(times: int, *, without: Sequence[HealthCheck] = ()) -> settings:
    """Return the settings of a property that is tried with so many examples, without some of the health checks."""
    return settings(
        max_examples=RANDOM_EXAMPLES or times,
        derandomize=not RANDOM_EXAMPLES,
        deadline=None,
        suppress_health_check=without,
    )


settings.register_profile("tegar", tried(_USUAL_EXAMPLES))
settings.load_profile("tegar")
