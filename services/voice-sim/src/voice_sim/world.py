"""Runs one simulated call: the real session between scripted people, on a virtual clock."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from dataclasses import fields
from itertools import count, cycle
from typing import Any, TypeVar

from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import CallConfig
from voice_gateway.ports import CallRecord, Memory, Services
from voice_gateway.speaking.reply import ReplyOptions
from voice_gateway.testing import virtual_time

from voice_sim.ear import SimActivity, SimEar, SimSound
from voice_sim.people import Notes, SimCaller, SimModel, SimVoice
from voice_sim.record import DRAINED, Ended, Left, Record
from voice_sim.script import Call, Script

T = TypeVar("T", TurnPolicy, ReplyOptions)

_GRACE_S = 60.0  # beyond the longest call


class _NumberedTask(asyncio.Task[Any]):
    """A task that sets of tasks keep in the same order in every run."""

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

    With a `memory`, the call names the conversation that it is of.
    """
    record = Record(script)
    virtual_time.run(_World(script, record, events, memory).run())
    return record


class _World:
    def __init__(
        self, script: Script, record: Record, events: CallRecord | None, memory: Memory | None
    ) -> None:
        self._script = script
        self._events = events
        self._memory = memory
        self._notes = Notes(record)
        self._caller = SimCaller(script, self._notes)
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
            await asyncio.wait({serving}, timeout=call.longest_s + _GRACE_S)
            self._hung = not serving.done()
            serving.cancel()
            await asyncio.wait({serving}, timeout=_GRACE_S)
            if not self._notes.closed:
                self._end(None)

    async def _serve(self) -> None:
        """Run the session, and look at what it leaves behind at the very moment it returns."""
        error: BaseException | None = None
        try:
            await self._session().run()
        except asyncio.CancelledError as cancelled:
            error = cancelled
        except Exception as failure:  # noqa: BLE001  # the invariants look at it
            error = failure
        self._end(error)

    def _session(self) -> Session:
        call, opinions, memory = self._script.call, self._script.opinions, self._memory
        services = Services(
            SimEar(self._script, self._notes),
            SimModel(self._script, self._notes),
            SimVoice(self._script, self._notes),
            (lambda _: SimActivity(self._script, self._notes)) if call.activity else None,
            record=self._record if self._events else None,
            turn_sound=(lambda _: SimSound(cycle(opinions), self._notes)) if opinions else None,
            memory=(lambda _: memory) if memory else None,
        )
        config = CallConfig("sim", "en-US", call.rate_hz, "", "Be brief.", call.can_pause, "sim")
        session = Session(self._caller, services, config, rules_of(call))
        if call.ending == "drained":
            asyncio.get_running_loop().call_at(
                call.ends_at, self._leave, "drained", lambda: session.drain(DRAINED)
            )
        return session

    def _record(self, config: CallConfig) -> CallRecord:
        assert self._events
        return self._events

    def _leave(self, how: str, do: Callable[[], object]) -> None:
        if not self._notes.closed:
            self._notes.add(Left(self._notes.now(), how))
            do()

    def _end(self, error: BaseException | None) -> None:
        ours = (self._driving, asyncio.current_task())
        left = sorted(task.get_name() for task in asyncio.all_tasks() if task not in ours)
        self._notes.add(
            Ended(
                self._notes.now(),
                error,
                still_open=tuple(self._notes.open),
                tasks=tuple(left),
                broken=tuple(self._broken),
                hung=self._hung,
                receiving_since=self._caller.receiving_since,
            )
        )
        self._notes.closed = True


def rules_of(call: Call) -> CallOptions:
    return CallOptions(
        playback_lead_s=call.lead_s,
        idle_timeout_s=call.idle_timeout_s,
        longest_s=call.longest_s,
        policy=_of_call(TurnPolicy, call),
        reply=_of_call(ReplyOptions, call),
    )


def _of_call(kind: type[T], call: Call) -> T:
    """The rules that a call's script has a word on, by their names; the others are as usual."""
    scripted = {f.name for f in fields(call)}
    return kind(**{f.name: getattr(call, f.name) for f in fields(kind) if f.name in scripted})


def _numbered(numbers: Iterator[int]) -> Callable[..., asyncio.Task[Any]]:
    def started(
        loop: asyncio.AbstractEventLoop, coro: Any, context: Context | None = None
    ) -> asyncio.Task[Any]:
        return _NumberedTask(next(numbers), coro, loop=loop, context=context)

    return started


def _failure(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context['message']}: {error!r}" if error else str(context["message"])
