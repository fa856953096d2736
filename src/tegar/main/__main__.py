"""``python -m tegar.main`` is ``tegar``."""

import sys

from tegar.main import main

sys.exit(main())
