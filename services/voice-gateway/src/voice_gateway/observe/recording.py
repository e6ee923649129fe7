"""Writes each call's event log to a file of its own, without delaying the call.

The calls put their steps into one bounded queue; a thread writes them as lines, and owns the files.
If the disk is too slow, steps are lost and counted; if it fails, the log ends there, and the call
goes on. A log has the ending `.part` until it is whole.
"""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Thread
from time import sleep
from typing import TextIO

from voice_gateway.conversation import Command, Event
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import CallConfig
from voice_gateway.observe.event_log import (
    dropped_line,
    first_line,
    gap_line,
    last_line,
    step_line,
)
from voice_gateway.observe.old_event_logs import OldEventLogs

log = logging.getLogger(__name__)

_MOST_QUEUED_STEPS = 50_000  # of all calls: some minutes of a hundred calls
_MOST_CHARS = 16_000_000  # in one call's log: many hours
_WRITE_INTERVAL_S = 0.25
_QUIET_S = 600.0  # old logs are looked for also where no call writes
_STEPS_PER_SLICE = 8  # the calls' thread may run after these: a third of a millisecond's work
_CLOSE_TIMEOUT_S = 5.0  # for the last lines, when the gateway stops
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME_CHARS = 80


@dataclass(eq=False)
class _File:
    """One call's log. The call counts the lost steps; the thread does all the rest."""

    config: CallConfig
    began: datetime
    at: float
    lost: int = 0
    reported_lost: int = 0
    """How many of the lost steps the log mentions."""
    out: TextIO | None = None
    path: Path = field(default_factory=Path)
    """Where it is written; without `.part` once it is whole."""
    chars: int = 0
    failed: bool = False
    over: bool = False
    """The call is over, but the queue had no room to say so."""


@dataclass(frozen=True, slots=True)
class _Step:
    file: _File
    event: Event
    commands: Sequence[Command]


@dataclass(frozen=True, slots=True)
class _Dropped:
    file: _File
    at: float
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Over:
    file: _File


class _Stop:
    pass


_Item = _Step | _Dropped | _Over | _Stop


@dataclass
class _CallRecord:
    """Implements `ports.CallRecord`."""

    _file: _File
    _queue: Queue[_Item]
    _over: bool = field(default=False)

    def note(self, event: Event, commands: Sequence[Command]) -> None:
        if not self._put(_Step(self._file, event, commands)):
            self._file.lost += 1

    def dropped(self, at: float, text: str, reason: str) -> None:
        if not self._put(_Dropped(self._file, at, text, reason)):
            self._file.lost += 1

    def close(self) -> None:
        if not self._over:
            self._over = True
            self._file.over = not self._put(_Over(self._file))

    def _put(self, item: _Item) -> bool:
        try:
            self._queue.put_nowait(item)
        except Full:
            return False
        return True


class Recorder:
    """Owns the writing thread. Files stay open while their calls last."""

    def __init__(
        self,
        folder: Path,
        policy: TurnPolicy,
        *,
        keep_s: float = 0.0,
        most_chars: int = _MOST_CHARS,
        policy_in: Callable[[str], TurnPolicy] | None = None,
    ) -> None:
        """`policy_in`: that of calls in a language; None: the same, with its word lists."""
        self._queue = Queue[_Item](_MOST_QUEUED_STEPS)

        def same(language: str) -> TurnPolicy:
            return replace(policy, language=language)

        old = OldEventLogs(folder, keep_s)
        self._writer = _Writer(folder, policy_in or same, old, most_chars)
        self._thread = Thread(
            target=self._writer.run, args=(self._queue,), name="event-logs", daemon=True
        )
        self._thread.start()

    def begin(self, config: CallConfig) -> _CallRecord:
        """Begin a call's log: `ports.Services.record`. Call it on the call's event loop."""
        now = asyncio.get_running_loop().time()
        return _CallRecord(_File(config, datetime.now(UTC), now), self._queue)

    async def close(self) -> None:
        """Write what waits, within `_CLOSE_TIMEOUT_S`, and end."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        with suppress(Full):
            self._queue.put(_Stop(), timeout=_CLOSE_TIMEOUT_S)
        self._thread.join(_CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            log.warning("the disk is slow: the last event logs may be cut short")


class _Writer:
    """Owns the files; it runs in the thread."""

    def __init__(
        self,
        folder: Path,
        policy_in: Callable[[str], TurnPolicy],
        old: OldEventLogs,
        most_chars: int,
    ) -> None:
        self._folder = folder
        self._policy_in = policy_in
        self._old = old
        self._most_chars = most_chars
        self._files: set[_File] = set()

    def run(self, queue: Queue[_Item]) -> None:
        """Write until a stop comes."""
        going_on = True
        while going_on:
            self._old.sweep(datetime.now(UTC))
            try:
                going_on = self._take(queue.get(timeout=_QUIET_S))
            except Empty:
                continue
            for number in range(queue.qsize()):
                going_on = going_on and self._take(queue.get())
                if number % _STEPS_PER_SLICE == _STEPS_PER_SLICE - 1:
                    sleep(0)  # lets the calls' thread run
            for file in tuple(self._files):
                ends = file.over and queue.empty()
                self._guarded(file, self._end_whole if ends else self._flush)
            if going_on:
                sleep(_WRITE_INTERVAL_S)
        for file in tuple(self._files):
            self._guarded(file, self._end_broken_off)

    def _take(self, item: _Item) -> bool:
        match item:
            case _Stop():
                return False
            case _Over(file):
                self._guarded(file, self._end_whole)
            case _Step(file):
                line = partial(step_line, item.event, item.commands)
                self._guarded(file, lambda file: self._add(file, line))
            case _Dropped(file):
                line = partial(dropped_line, item.at, item.text, item.reason)
                self._guarded(file, lambda file: self._add(file, line))
        return True

    def _guarded(self, file: _File, do: Callable[[_File], None]) -> None:
        """Do something with a file; if it fails, the log ends here."""
        if file.failed:
            return
        try:
            do(file)
        except (OSError, ValueError, TypeError) as error:
            log.warning("call %s: its event log ends here: %s", file.config.call_id, error)
        except Exception:  # the boundary: the thread writes the other calls' logs, too
            log.exception("call %s: its event log ends here", file.config.call_id)
        else:
            return
        file.failed = True
        self._files.discard(file)
        with suppress(OSError):
            if file.out:
                file.out.close()

    def _add(self, file: _File, line: Callable[[], str]) -> None:
        self._open(file)
        if file.chars >= self._most_chars:
            file.lost += 1
            return
        self._report_gap(file)
        self._write(file, line())

    def _report_gap(self, file: _File) -> None:
        if file.lost > file.reported_lost:
            file.reported_lost = file.lost
            self._write(file, gap_line(file.lost))

    def _open(self, file: _File) -> TextIO:
        if file.out is None:
            file.path, file.out = _created(self._folder, file)
            self._files.add(file)
            policy = self._policy_in(file.config.language)
            self._write(file, first_line(file.config, policy, file.began, file.at))
        return file.out

    def _write(self, file: _File, line: str) -> None:
        self._open(file).write(line)
        file.chars += len(line)

    def _flush(self, file: _File) -> None:
        self._open(file).flush()

    def _end_whole(self, file: _File) -> None:
        self._end(file, over=True)

    def _end_broken_off(self, file: _File) -> None:
        self._end(file, over=file.over)

    def _end(self, file: _File, *, over: bool) -> None:
        with self._open(file):
            self._report_gap(file)
            self._write(file, last_line(over=over))
        self._files.discard(file)
        file.path.replace(file.path.with_suffix(""))


def _created(folder: Path, file: _File) -> tuple[Path, TextIO]:
    """Create a file that only its owner can read, since it contains what people said."""
    for name in _names(file):
        path = folder / f"{name}.part"
        if (folder / name).exists():
            continue
        try:
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        return path, open(number, "w", encoding="utf-8")
    raise AssertionError("names never end")


def _names(file: _File) -> Iterator[str]:
    call = _UNSAFE_IN_NAME.sub("_", file.config.call_id)[:_LONGEST_NAME_CHARS] or "call"
    stem = f"{file.began:%Y%m%dT%H%M%S}-{call}"
    yield f"{stem}.jsonl"
    number = 2
    while True:
        yield f"{stem}-{number}.jsonl"
        number += 1
