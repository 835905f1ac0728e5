"""How Hypothesis runs: the same examples every time in CI, new ones on a desk."""

from __future__ import annotations

import os

from hypothesis import settings

# Deadlines would fail a test for a busy machine, which says nothing about the code.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
