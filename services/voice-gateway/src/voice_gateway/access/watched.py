"""Owns what was read from files that may change: they are read again when they do.

A change that cannot be read keeps what was read before, and is said once. A file that a Kubernetes
secret gives changes by its link, which is noticed as well. A file that is being written may be read
half-way; what must not be done on half a file goes by what has settled.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

_LOOK_S = 2.0

_T = TypeVar("_T")
_Stamp = tuple[tuple[int, int, int], ...]


class WatchedFiles(Generic[_T]):
    """`read` makes the value of the files' contents, in order; it raises ValueError."""

    def __init__(
        self, what: str, paths: Sequence[Path], read: Callable[[Sequence[bytes]], _T]
    ) -> None:
        """Read the files for the first time; raises OSError or ValueError."""
        self._what = what
        self._paths = tuple(paths)
        self._read = read
        self._stamp: _Stamp | None = self._stamp_now()
        self.value: _T = self._read_all()
        self.settled: _T = self.value
        """The value since which one more look has found no change."""

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Read the files again if they have changed."""
        await asyncio.to_thread(self._look)

    def _look(self) -> None:
        try:
            stamp: _Stamp | None = self._stamp_now()
        except OSError:
            stamp = None  # gone: that is said once, like any other change
        if stamp == self._stamp:
            self.settled = self.value
            return
        self._stamp = stamp
        try:
            self.value = self._read_all()
        except (OSError, ValueError) as error:
            log.error("%s: what it was before stays in force: %s", self._what, _said(error))  # noqa: TRY400
        else:
            log.info("%s was read again", self._what)

    def _stamp_now(self) -> _Stamp:
        found = [path.stat() for path in self._paths]
        return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in found)

    def _read_all(self) -> _T:
        return self._read([path.read_bytes() for path in self._paths])


def _said(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
