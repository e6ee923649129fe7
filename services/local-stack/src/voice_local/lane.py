"""Runs one blocking engine on one thread: whose turn it is, and what is dropped before it starts.

caller A   [must] [must]
caller B   [must]         [glance]        the thread takes A, B, A, and only then B's glance
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """The lane has as much waiting as it may; nothing was queued."""


class SupersededError(Exception):
    """A glance was dropped: its caller asked for something newer before it started."""


class LaneClosedError(Exception):
    """The lane is closed, or was closed before this work started."""


@dataclass(eq=False, slots=True)
class _Job:
    caller: Hashable
    prepare: Callable[[], Callable[[], Any] | None]
    """Called on the event loop when the job's turn comes; None says that it is not wanted."""
    outcome: asyncio.Future[Any]
    glance: bool = False


@dataclass(slots=True)
class _Queue:
    """What waits: work that must be done by caller, and at most one glance per caller."""

    must: OrderedDict[Hashable, deque[_Job]] = field(default_factory=OrderedDict)
    glances: OrderedDict[Hashable, _Job] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return sum(map(len, self.must.values())) + len(self.glances)

    def add(self, job: _Job) -> None:
        """Queue a job; a caller's older glance gives way to whatever the caller asks for now."""
        older = self.glances.get(job.caller)
        if older is not None:
            _refuse(older, SupersededError())
        if not job.glance:
            self.glances.pop(job.caller, None)
            self.must.setdefault(job.caller, deque()).append(job)
        else:
            self.glances[job.caller] = job  # it keeps an older one's place in the round

    def remove(self, job: _Job) -> None:
        if self.glances.get(job.caller) is job:
            del self.glances[job.caller]
        jobs = self.must.get(job.caller)
        if jobs is not None and job in jobs:
            jobs.remove(job)
            if not jobs:
                del self.must[job.caller]

    def take_must(self) -> _Job | None:
        """The next caller's oldest job; the caller goes to the back of the round."""
        if not self.must:
            return None
        caller, jobs = self.must.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self.must[caller] = jobs
        return job

    def take_glance(self) -> _Job | None:
        return self.glances.popitem(last=False)[1] if self.glances else None

    def drain(self) -> list[_Job]:
        jobs = [job for jobs in self.must.values() for job in jobs] + [*self.glances.values()]
        self.must.clear()
        self.glances.clear()
        return jobs


class Lane:
    """Runs blocking work on its one thread, one call at a time, fair between callers.

    Callers take turns (round robin). A glance is work of which only a caller's newest matters. What
    must be done goes before glances, and these take at most `glance_share` of the thread's time, so
    that what must be done finds it free. Work whose caller was cancelled before it started never
    starts. A lane belongs to the event loop it is first used on.
    """

    def __init__(self, name: str, *, room: int = 256, glance_share: float = 0.5) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"voice-local-{name}")
        self._name = name
        self._room = room
        self._rest_per_s = 1 / glance_share - 1
        self._queue = _Queue()
        self._running: asyncio.Future[Any] | None = None
        self._glance_after = 0.0
        self._wake: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Calls that have not started."""
        return len(self._queue)

    async def do(self, caller: Hashable, work: Callable[[], T]) -> T:
        """Run `work` on the thread when the caller's turn comes; drops the caller's queued glance.

        Raises BusyError or LaneClosedError, or what the work raised.
        """
        return await self._wait_for(_Job(caller, lambda: work, _future()))

    async def glance(
        self, caller: Hashable, prepare: Callable[[], Callable[[], T] | None]
    ) -> T | None:
        """Run work of which only the newest matters, when nothing that must be done waits.

        `prepare` is called on the event loop when the turn comes, so that the work is about now;
        where it gives None, nothing runs. Raises SupersededError when the caller asks for more.
        """
        return await self._wait_for(_Job(caller, prepare, _future(), glance=True))

    async def pieces(
        self, caller: Hashable, start: Callable[[], Iterator[T]]
    ) -> AsyncGenerator[T, None]:
        """Run an iterator on the thread, one turn a piece; closing this one closes it there."""
        steps = _Steps(start)
        try:
            while (piece := await self.do(caller, steps.step)) is not steps.end:
                yield piece
        finally:
            with suppress(RuntimeError):  # the thread is gone, and the iterator with it
                self._thread.submit(steps.close)

    async def close(self) -> None:
        """Drop what has not started, wait for the call that has, and end the thread."""
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
        for job in self._queue.drain():
            _refuse(job, LaneClosedError())
        if self._running is not None:
            await asyncio.wait([self._running])
        self._thread.shutdown(wait=False)

    async def _wait_for(self, job: _Job) -> Any:
        if self._closed:
            raise LaneClosedError
        if len(self._queue) >= self._room:
            raise BusyError(f"{self._name}: {self._room} calls are waiting already")
        self._queue.add(job)
        self._pump()
        try:
            return await job.outcome
        finally:
            self._queue.remove(job)

    def _pump(self) -> None:
        while self._running is None and not self._closed and (job := self._next()) is not None:
            self._begin(job)

    def _next(self) -> _Job | None:
        job = self._queue.take_must()
        if job is not None:
            return job
        rest = self._glance_after - time.monotonic()
        if rest <= 0:
            return self._queue.take_glance()
        if self._queue.glances and self._wake is None:
            self._wake = asyncio.get_running_loop().call_later(rest, self._woken)
        return None

    def _woken(self) -> None:
        self._wake = None
        self._pump()

    def _begin(self, job: _Job) -> None:
        try:
            work = job.prepare()
        except Exception as error:  # noqa: BLE001 - it belongs to the job's caller
            _refuse(job, error)
            return
        if work is None:
            _answer(job, None)
            return
        loop = asyncio.get_running_loop()
        self._running = loop.run_in_executor(self._thread, _timed, work)
        self._running.add_done_callback(partial(self._finished, job))

    def _finished(self, job: _Job, running: asyncio.Future[tuple[Any, float]]) -> None:
        self._running = None
        error = running.exception()
        if error is not None:
            _refuse(job, error)
        else:
            result, took = running.result()
            if job.glance:
                self._glance_after = time.monotonic() + took * self._rest_per_s
            _answer(job, result)
        self._pump()


class _Steps(Generic[T]):
    """An iterator that is made, stepped and closed on the lane's thread."""

    def __init__(self, start: Callable[[], Iterator[T]]) -> None:
        self._start = start
        self._iterator: Iterator[T] | None = None
        self.end: Any = object()

    def step(self) -> T:
        """The next piece, or `end`."""
        if self._iterator is None:
            self._iterator = iter(self._start())
        return next(self._iterator, self.end)

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.monotonic()
    try:
        return work(), time.monotonic() - began
    except StopIteration as error:  # a future would not take it, and its caller would wait for ever
        raise RuntimeError("the work raised StopIteration") from error


def _answer(job: _Job, result: object) -> None:
    if not job.outcome.done():
        job.outcome.set_result(result)


def _refuse(job: _Job, error: BaseException) -> None:
    if not job.outcome.done():
        job.outcome.set_exception(error)
