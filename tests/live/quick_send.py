"""`harness send` as it is, but for waits of a few milliseconds and small batches: for tests that kill it often.

Run as `python -m tests.live.quick_send ROWS ARGUMENTS...`, where ROWS is how many rows a batch may have.
"""

from __future__ import annotations

import sys

from harness.live import batches
from harness.live.retry import Patience

if __name__ == "__main__":
    setattr(batches, "MAX_ROWS", int(sys.argv.pop(1)))  # noqa: B010 - a constant, but for tests
    Patience.delay_s = lambda self, failures, lot, asked_s=None: 0.01 + 0.02 * lot  # type: ignore[method-assign]
    from harness.cli import main

    main()
