"""Runs one simulated call: the real session between scripted ends, on a virtual clock."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from itertools import count, cycle
from typing import Any

from voice_gateway.call.session import Session
from voice_gateway.ports import CallRecord, Memory, Services
from voice_gateway.speaking.apology import Apologies
from voice_gateway.testing import virtual_time

from voice_sim.call_record import DRAINED, Ended, Left, Record
from voice_sim.marked_words import APOLOGY, canned
from voice_sim.recorder import Recorder, Steps
from voice_sim.script import Script
from voice_sim.simulated_caller import SimCaller
from voice_sim.simulated_recogniser import SimActivity, SimRecogniser, SimSound
from voice_sim.simulated_services import SimApologyVoice, SimModel, SimVoice

_APOLOGY_WORDS = 5
_GRACE_S = 60.0  # beyond the longest call, before it counts as hung


class _NumberedTask(asyncio.Task[Any]):
    """A task with a hash of its own, so that sets of tasks have the same order in every run."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


def simulated(
    script: Script, events: CallRecord | None = None, memory: Memory | None = None
) -> Record:
    """Run the call; the same script gives the same record. `events` is told of each step.

    `memory` is the memory of the call's conversation, if it has one.
    """
    record = Record(script)
    virtual_time.run(_Simulation(script, record, events, memory).run())
    return record


class _Simulation:
    def __init__(
        self, script: Script, record: Record, events: CallRecord | None, memory: Memory | None
    ) -> None:
        self._script = script
        self._events = events
        self._memory = memory
        self._recorder = Recorder(record)
        self._caller = SimCaller(script, self._recorder)
        self._broken: list[str] = []
        self._hung = False
        self._driving: asyncio.Task[Any] | None = None

    async def run(self) -> None:
        self._driving = asyncio.current_task()
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_numbered(count()))
        loop.set_exception_handler(lambda _, context: self._broken.append(_failure(context)))
        call = self._script.call
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self._serve(), name="call")
            if call.ending == "vanishes":
                loop.call_at(call.ends_at, self._leave, "vanished", serving.cancel)
            await asyncio.wait({serving}, timeout=call.options.longest_s + _GRACE_S)
            self._hung = not serving.done()
            serving.cancel()
            await asyncio.wait({serving}, timeout=_GRACE_S)
            if not self._recorder.closed:
                self._end(None)

    async def _serve(self) -> None:
        """Run the session, and record what it leaves behind when it returns."""
        error: BaseException | None = None
        try:
            await self._session().run()
        except asyncio.CancelledError as cancelled:
            error = cancelled
        except Exception as failure:  # noqa: BLE001  # the invariants check it
            error = failure
        self._end(error)

    def _session(self) -> Session:
        call, memory = self._script.call, self._memory
        predictions = self._script.opinions
        services = Services(
            SimRecogniser(self._script, self._recorder),
            SimModel(self._script, self._recorder),
            SimVoice(self._script, self._recorder),
            (lambda _: SimActivity(self._script, self._recorder)) if call.activity else None,
            record=lambda _: Steps(self._recorder, self._events),
            turn_sound=(lambda _: SimSound(cycle(predictions), self._recorder))
            if predictions
            else None,
            memory=(lambda _id, _principal: memory) if memory else None,
            apologies=Apologies(
                SimApologyVoice(self._script, self._recorder), canned(APOLOGY, _APOLOGY_WORDS)
            ),
        )
        session = Session(self._caller, services, call.config, call.options)
        if call.ending == "drained":
            asyncio.get_running_loop().call_at(
                call.ends_at, self._leave, "drained", lambda: session.drain(DRAINED)
            )
        return session

    def _leave(self, how: str, do: Callable[[], object]) -> None:
        if not self._recorder.closed:
            self._recorder.add(Left(self._recorder.now(), how))
            do()

    def _end(self, error: BaseException | None) -> None:
        ours = (self._driving, asyncio.current_task())
        left = sorted(task.get_name() for task in asyncio.all_tasks() if task not in ours)
        self._recorder.add(
            Ended(
                self._recorder.now(),
                error,
                still_open=tuple(self._recorder.open),
                tasks=tuple(left),
                broken=tuple(self._broken),
                hung=self._hung,
                receiving_since=self._caller.receiving_since,
            )
        )
        self._recorder.closed = True


def _numbered(numbers: Iterator[int]) -> Callable[..., asyncio.Task[Any]]:
    def started(
        loop: asyncio.AbstractEventLoop, coro: Any, context: Context | None = None
    ) -> asyncio.Task[Any]:
        return _NumberedTask(next(numbers), coro, loop=loop, context=context)

    return started


def _failure(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context['message']}: {error!r}" if error else str(context["message"])
