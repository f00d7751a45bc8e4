"""Settings shared by all tests."""

from __future__ import annotations

import matplotlib
from hypothesis import settings

matplotlib.use("Agg")
# No test fails because the machine is busy.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
