"""Run before a pod is told to stop: waits until callers go elsewhere, then for the last call.

The gateway's own stop ends calls with their turn. So it is told to stop when no call is left, or
when the longest wait is over. Nothing here ends with another status than 0: a hook that fails
stops the pod at once.
"""

import argparse
import time
import urllib.error
import urllib.request

METRIC = "voice_calls_active"
LOOK_S = 1.0  # between looks
PATIENCE_S = 2.0  # for one look


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--metrics", required=True, help="URL of the gateway's metrics")
    options.add_argument(
        "--first", type=float, required=True, help="seconds to wait before looking"
    )
    options.add_argument(
        "--most", type=float, required=True, help="longest wait for calls after that"
    )
    given = options.parse_args()
    time.sleep(given.first)
    wait(given.metrics, given.most)


def wait(url: str, most: float) -> None:
    """Return when no call runs, or after `most` seconds. Who cannot be asked may have calls."""
    end = time.monotonic() + most
    while running(url) != 0 and time.monotonic() < end:
        time.sleep(LOOK_S)


def running(url: str) -> float | None:
    """How many calls run; None where nobody says so."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as page:
            return total(page.read().decode())
    except (OSError, ValueError, urllib.error.URLError):
        return None


def total(page: str) -> float:
    """The metric's sum over its labels; a gateway that has had no call yet does not show it."""
    lines = (
        line.split() for line in page.splitlines() if line.startswith((METRIC + "{", METRIC + " "))
    )
    return sum(float(words[-1]) for words in lines)


if __name__ == "__main__":
    main()
