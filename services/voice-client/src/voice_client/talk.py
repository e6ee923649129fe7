"""Holds a call that says files and typed lines, turn by turn."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from voice_client.call import Call
from voice_client.failures import CallBrokenError, first_failure
from voice_client.messages import Listening, Message, Processing, TurnEnded
from voice_client.pace import Pace
from voice_client.screen import Audience
from voice_client.turns import Turns

NOTHING_RECOGNISED_S = 5.0
"""An announced end of utterance without a turn for this long means that nothing was recognised."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Speech to send: s16le mono at the call's rate."""

    label: str
    pcm: bytes
    speech_end: int | None
    """The sample after the last speech; None where the recording is silent."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line to send as text."""

    text: str


Saying = Spoken | Typed


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """How the sayings are sent, and how long to wait for answers."""

    piece_s: float = 0.02
    fast: bool = False
    """Send recordings as fast as the gateway takes them instead of in real time."""
    trailing_silence_s: float = 10.0
    """The silence that follows a recording, in real time, before its end is announced."""
    patience_s: float = 60.0
    """How long the gateway may be silent while it owes an answer."""


class Talk:
    """Says one thing after the other, each when the one before has been answered."""

    def __init__(
        self, call: Call, turns: Turns, audience: Audience, talk_options: TalkOptions
    ) -> None:
        self._call = call
        self._turns = turns
        self._audience = audience
        self._talk_options = talk_options
        self._now = asyncio.get_running_loop().time
        self._news_at = self._now()
        self._greeted = asyncio.Event()
        self._answered = asyncio.Event()
        self._over = asyncio.Event()
        self._all_said = False
        """The last speech of the current saying is out: an end of turn from here on answers it."""
        self._floor_ours = True
        self._cut_off = False
        """The call ended while we still waited for something."""

    async def run(self, sayings: Sequence[Saying]) -> None:
        """Say everything, read every answer, and return when the gateway has ended the call."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(), name="listen")
                await self._say_all(sayings)
        except BaseExceptionGroup as group:
            raise first_failure(group) from None

    async def _say_all(self, sayings: Sequence[Saying]) -> None:
        await self._until(self._greeted, "did not say that it listens")
        for number, saying in enumerate(sayings, start=1):
            await self._say(saying, last=number == len(sayings))
        await self._call.finish()
        await self._until(self._over, "said nothing more and did not end the call")

    async def _listen(self) -> None:
        async for message in self._call.messages():
            self._news_at = self._now()
            self._audience.see(message)
            ended = self._turns.see(message, self._news_at)
            if ended:
                self._audience.turn_over(ended)
            self._follow(message)
        # Who still waits for a message must not wait for ever.
        self._cut_off = not (self._greeted.is_set() and self._answered.is_set())
        for event in (self._greeted, self._answered, self._over):
            event.set()

    def _follow(self, message: Message) -> None:
        match message:
            case Listening():
                self._greeted.set()
                self._floor_ours = True
            case Processing():
                self._floor_ours = False
            case TurnEnded():
                self._floor_ours = True
                if self._all_said and not self._turns.more_words():
                    self._answered.set()
            case _:
                pass

    async def _say(self, saying: Saying, *, last: bool) -> None:
        self._answered.clear()
        match saying:
            case Typed(text):
                self._turns.say(text, typed=True)
                self._audience.note(f"you typed: {text}")
                await self._call.type(text)
                self._all_said = True
                self._turns.speech_ended(self._now())
                await self._until(self._answered, "did not answer")
            case Spoken():
                self._turns.say(saying.label)
                self._audience.note(f"saying {saying.label}")
                await self._speak(saying, last=last)

    async def _speak(self, spoken: Spoken, *, last: bool) -> None:
        self._all_said = False
        size = self._piece_bytes()
        pace = Pace(self._talk_options.piece_s, now=self._now)
        end = 2 * (spoken.speech_end or 0)
        for start in range(0, len(spoken.pcm), size):
            if not self._talk_options.fast:
                await pace.next_piece()
            await self._send(spoken.pcm[start : start + size])
            if not self._all_said and start + size >= end:
                self._all_said = True
                if spoken.speech_end:
                    self._turns.speech_ended(self._now())
        await self._fall_silent(Pace(self._talk_options.piece_s, now=self._now), last=last)

    async def _fall_silent(self, pace: Pace, *, last: bool) -> None:
        """Send silence, as a microphone does, until the saying is answered.

        A saying that becomes no turn within the trailing silence is declared over: the last one by
        the half-close that follows, the others by `end_of_utterance`.
        """
        silence = bytes(self._piece_bytes())
        limit_s, silent_s, declared = self._talk_options.trailing_silence_s, 0.0, False
        self._news_at = self._now()
        while not self._answered.is_set():
            if self._floor_ours and silent_s >= limit_s:
                if last or declared:
                    return
                await self._call.end_utterance()
                limit_s, silent_s, declared = NOTHING_RECOGNISED_S, 0.0, True
            await pace.next_piece()
            await self._send(silence)
            silent_s = silent_s + self._talk_options.piece_s if self._floor_ours else 0.0
            if not self._floor_ours:
                self._check_patience("did not answer")

    async def _send(self, pcm: bytes) -> None:
        if self._over.is_set():
            raise _cut_off()
        await self._call.speak(pcm)

    async def _until(self, event: asyncio.Event, complaint: str) -> None:
        """Wait for `event`, as long as the gateway sends something now and then."""
        self._news_at = self._now()
        while not event.is_set():
            self._check_patience(complaint)
            try:
                async with asyncio.timeout_at(self._news_at + self._talk_options.patience_s):
                    await event.wait()
            except TimeoutError:
                continue
        if self._cut_off and event is not self._over:
            raise _cut_off()

    def _check_patience(self, complaint: str) -> None:
        if self._now() - self._news_at > self._talk_options.patience_s:
            raise CallBrokenError(
                f"the gateway {complaint} within {self._talk_options.patience_s:g} s"
            )

    def _piece_bytes(self) -> int:
        return 2 * round(self._talk_options.piece_s * self._turns.rate_hz)


def _cut_off() -> CallBrokenError:
    return CallBrokenError("the gateway ended the call before all was answered", code="OK")
