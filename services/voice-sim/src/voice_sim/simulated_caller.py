"""Contains the scripted caller of a simulated call, and the program that may act for it."""

import asyncio
import heapq
from collections.abc import Iterator
from dataclasses import replace

from voice_gateway.audio import pcm
from voice_gateway.conversation import Message
from voice_gateway.errors import CallerGone
from voice_gateway.messages import (
    Adjust,
    Answer,
    Audio,
    CallConfig,
    EndOfUtterance,
    Forget,
    FromCaller,
    Interrupt,
    Noted,
    Played,
    ToCaller,
    Truncated,
    Typed,
    Withdrawn,
)

from voice_sim.call_record import Received, Sent
from voice_sim.recorder import Recorder, until
from voice_sim.script import Act, Call, Script

_BURST_MESSAGE_S = 1.0  # of audio


class SimCaller:
    """Implements `ports.Caller`; a message that is due comes without letting other tasks run."""

    def __init__(self, script: Script, recorder: Recorder) -> None:
        self._script = script
        self._recorder = recorder
        self._coming = heapq.merge(
            *(_messages(act, script.call) for act in script.acts), key=lambda due: due[0]
        )
        self._next = next(self._coming, None)
        self.receiving_since: float | None = None

    async def receive(self) -> FromCaller | None:
        self.receiving_since = self._recorder.now()
        call = self._script.call
        leaves = call.ends_at if call.ending == "hangs up" else None
        due = self._next
        if due is None or (leaves is not None and due[0] > leaves):
            if leaves is None:
                await asyncio.Event().wait()
            await until(leaves or 0.0)
            return self._take(None)
        await until(due[0])
        self._next = next(self._coming, None)
        return self._take(due[1])

    def _take(self, message: FromCaller | None) -> FromCaller | None:
        self.receiving_since = None
        self._recorder.add(Received(self._recorder.now(), message))
        return message

    async def send(self, message: ToCaller) -> None:
        now = self._recorder.now()
        gone_at = self._script.call.gone_at
        if gone_at is not None and now >= gone_at:
            self._recorder.fault("caller gone")
            raise CallerGone("the caller hung up")
        self._recorder.add(Sent(now, message))
        for stall in self._script.stalls:
            if stall.seconds is None and now >= stall.at:
                self._recorder.fault("caller stopped reading")
                await asyncio.Event().wait()
            elif stall.seconds and stall.at <= now < stall.at + stall.seconds:
                self._recorder.fault("caller slow")
                await until(stall.at + stall.seconds)


def _messages(act: Act, call: Call) -> Iterator[tuple[float, FromCaller]]:
    if act.does == "talks":
        yield from _frames(act, call.rate_hz)
    else:
        yield act.at, _message(act, call.config)


def _message(act: Act, config: CallConfig) -> FromCaller:
    match act.does:
        case "types":
            return Typed(act.text)
        case "interrupts":
            return Interrupt()
        case "ends_utterance":
            return EndOfUtterance()
        case "plays":
            return Played(act.reply, act.seconds)
        case _:
            return _request(act, config)


def _request(act: Act, config: CallConfig) -> FromCaller:
    """A message that only a caller's program sends."""
    match act.does:
        case "adjusts":
            return Adjust(replace(config, turns=act.turns))
        case "notes":
            return Noted(Message(act.role, act.text, name=act.name))
        case "withdraws":
            return Withdrawn(act.name)
        case "asks":
            return Answer(replace(config, system_prompt=act.text) if act.text else None)
        case "truncates":
            return Truncated(act.reply, act.seconds)
        case _:
            return Forget()


def _frames(act: Act, rate_hz: int) -> Iterator[tuple[float, FromCaller]]:
    frame_s = _BURST_MESSAGE_S if act.burst else act.frame_s
    frame = Audio(pcm.silence(frame_s, rate_hz))
    for n in range(max(1, int(act.seconds / frame_s))):
        yield act.at if act.burst else act.at + n * frame_s, frame
