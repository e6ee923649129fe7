"""Deletes event logs that are older than the operator wants to keep them."""

import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

log = logging.getLogger(__name__)

_SWEEP_EVERY = timedelta(hours=1)
_EVENT_LOG = re.compile(r"\d{8}T\d{6}-[A-Za-z0-9._-]+\.jsonl(\.part)?")


class OldEventLogs:
    """Deletes, once an hour, what nobody has written to for `keep_s`; 0: everything is kept.

    It touches files with the names of event logs only, as the folder may hold others.
    """

    def __init__(self, folder: Path, keep_s: float) -> None:
        self._folder = folder
        self._keep = timedelta(seconds=keep_s)
        self._next: datetime | None = None

    def sweep(self, now: datetime) -> None:
        """Delete what is too old, if the time has come; a disk that fails is told in the log."""
        if not self._keep or (self._next and now < self._next):
            return
        self._next = now + _SWEEP_EVERY
        try:
            deleted = sum(self._delete(path, now) for path in self._folder.iterdir())
        except OSError as error:
            log.warning("old event logs cannot be deleted: %s", error)
            return
        if deleted:
            log.info("deleted %d event logs, older than %s", deleted, self._keep)

    def _delete(self, path: Path, now: datetime) -> bool:
        if not (_EVENT_LOG.fullmatch(path.name) and path.exists()):
            return False  # another gateway of the same folder may have deleted it
        if now - datetime.fromtimestamp(path.stat().st_mtime, UTC) <= self._keep:
            return False
        path.unlink(missing_ok=True)
        return True
