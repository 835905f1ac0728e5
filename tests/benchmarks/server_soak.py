"""`python -m tests.benchmarks.server_soak [MINUTES]`: mixed load for some minutes, and what an event costs in each.

The load is batches by /import, single events by /track, rejected ones, profile updates, requests that are broken, a
stream that is read, and looks at users. Memory growth an event has to be the same in the last minute as in the first:
within a quarter, for tables grow in steps. Exit code 1 where it is not.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Final

import requests
from tabulate import tabulate

from tests.benchmarks.server_load import AUTHORIZATION, events, import_requests, resident_bytes, send_all, serving

MINUTES: Final = 10
_BATCHES_A_MINUTE: Final = 60
_TRACKED_A_MINUTE: Final = 3_000
_MOST_MORE: Final = 1.25


def main(arguments: list[str]) -> int:
    """Run and print one line a minute."""
    minutes = int(arguments[0]) if arguments else MINUTES
    grown: list[float] = []
    with serving("harness", "serve", "--port", "0") as (url, process_id):
        stop = threading.Event()
        reader = threading.Thread(target=_read_stream, args=(url, stop), daemon=True)
        reader.start()
        # What every process needs once is not counted: code that is loaded, buffers that are filled.
        _minute(url, 0)
        rows = []
        for minute in range(1, minutes + 1):
            before, stored = resident_bytes(process_id), _stored(url)
            begun = time.monotonic()
            _minute(url, minute)
            count = _stored(url) - stored
            grown.append((resident_bytes(process_id) - before) / count)
            rows.append((minute, count, f"{grown[-1]:.0f}", f"{time.monotonic() - begun:.1f}"))
            print(f"minute {minute}: {count} events, {grown[-1]:.0f} bytes each", file=sys.stderr)
            time.sleep(max(0.0, 60 - (time.monotonic() - begun)))
        stop.set()
    print(tabulate(rows, headers=("minute", "events", "bytes an event", "busy s")))
    held = grown[-1] <= _MOST_MORE * grown[0]
    print(f"last / first: {grown[-1] / grown[0]:.2f} ({'held' if held else 'MISSED'}, at most {_MOST_MORE})")
    return 0 if held else 1


def _minute(url: str, minute: int) -> None:
    """Send what one minute has."""
    send_all(url, import_requests(_BATCHES_A_MINUTE, 1_000 + minute), 4)
    with requests.Session() as http:
        for number, event in enumerate(events(_TRACKED_A_MINUTE, 5_000 + minute)):
            if number % 10 == 0:
                event["properties"] = {"token": "token", "time": "wrong"}
            http.post(f"{url}/track", json=[event], timeout=30)
            if number % 50 == 0:
                profile = {"$token": "token", "$distinct_id": f"user-{number}", "$set": {"minute": minute}}
                http.post(f"{url}/engage", json=[profile], timeout=30)
                http.post(f"{url}/import", data=b"{broken", headers={"authorization": AUTHORIZATION}, timeout=30)
                http.get(f"{url}/nowhere", timeout=30)
        http.get(f"{url}/harness/users", timeout=120)


def _stored(url: str) -> int:
    count: int = requests.get(f"{url}/harness/health", timeout=30).json()["events"]
    return count


def _read_stream(url: str, stop: threading.Event) -> None:
    with requests.get(f"{url}/harness/stream", stream=True, timeout=600) as stream:
        for _ in stream.iter_content(65_536):
            if stop.is_set():
                return


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
