"""Shows on stderr how far a fetch has come: one rewritten line on a terminal, else every 10 %."""

import sys
import time
from collections.abc import Hashable
from typing import TextIO

_REDRAW_S = 0.1
_MB = 1_000_000


class Progress:
    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._done: dict[Hashable, int] = {}
        self._started_s = self._drawn_s = time.monotonic()
        self._told_tenths = 0
        self._width = 0

    def __enter__(self) -> "Progress":
        self._write(f"{self._label}: {_megabytes(self._total)} to fetch")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._write(self._line() + "\n")

    def at(self, job: Hashable, done: int) -> None:
        """Say how many bytes one of the jobs has so far; a job that starts over goes back to 0."""
        self._done[job] = done
        if self._live:
            self._redraw()
        else:
            self._tell_tenths()

    def _redraw(self) -> None:
        now_s = time.monotonic()
        if now_s - self._drawn_s >= _REDRAW_S:
            self._drawn_s = now_s
            self._write(self._line())

    def _tell_tenths(self) -> None:
        tenths = sum(self._done.values()) * 10 // max(self._total, 1)
        if tenths > self._told_tenths:
            self._told_tenths = tenths
            self._write(self._line())

    def _line(self) -> str:
        done = min(sum(self._done.values()), self._total)
        rate = done / max(time.monotonic() - self._started_s, 0.001)
        percent = 100 * done // max(self._total, 1)
        return f"{self._label}: {percent} % of {_megabytes(self._total)}, {rate / _MB:.1f} MB/s"

    def _write(self, line: str) -> None:
        if self._live:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()


def _megabytes(size: int) -> str:
    return f"{size / _MB:.0f} MB" if size >= 10 * _MB else f"{size / _MB:.1f} MB"
