"""Interrupts synthesised speech at random times, where the time of every word is known.

The gateway's own session runs on a virtual clock, so that hundreds of calls take a minute; the
speech is real, made by the local stack's voice. What was truly heard goes by the voice's own word
times, by where that audio is found in what reached the caller, and by the caller's loudspeaker;
no part of the gateway judges it.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation import Message
from voice_gateway.messages import CallConfig, ModelOptions, Transcript
from voice_gateway.ports import CallerAudioStream, Services
from voice_gateway.speaking.reply import ReplyOptions
from voice_gateway.testing import virtual_time

from heard.interrupting_caller import InterruptingCaller
from heard.spoken_answers import Answer, answers
from heard.synthesised_voice import VOICE_RATE_HZ, SynthesisedVoice, Tells
from heard.word_times import MIN_WORDS


@dataclass(frozen=True, slots=True)
class Arm:
    """One kind of call: what its voice and its caller are like."""

    tells: Tells
    reports: bool
    """The caller says ten times a second how far its loudspeaker has got."""
    buffer_s: float = 0.0
    """Seconds by which the loudspeaker starts later than the first audio arrives."""
    real_time_factor: float = 0.1
    """Seconds that the voice takes to make a second of audio."""


ARMS = [
    Arm(tells, reports, buffer_s)
    for tells in ("late", "never")
    for reports, buffer_s in ((True, 0.2), (False, 0.0), (False, 0.2))
] + [Arm("never", reports=True, buffer_s=0.2, real_time_factor=0.9)]


@dataclass(slots=True)
class Counted:
    """For each call, the words that the gateway took for heard less those that were."""

    off: list[int] = field(default_factory=list[int])
    problems: list[str] = field(default_factory=list[str])


def interruptions(count: int, seed: int = 0) -> Iterator[tuple[Arm, Counted]]:
    """Hold `count` calls for each arm, and interrupt one answer in each."""
    for arm in ARMS:
        dice = random.Random(seed)
        counted = Counted()
        for answer in islice(cycle(answers()), count):
            _count(counted, arm, answer, dice.random())
        yield arm, counted


def _count(counted: Counted, arm: Arm, answer: Answer, share: float) -> None:
    call = InterruptingCaller(answer, share, reports=arm.reports, buffer_s=arm.buffer_s)
    virtual_time.run(_hold(call, arm, answer))
    if call.cut is None:
        counted.problems.append(f"not interrupted: {answer.text[:40]!r}")
        return
    heard = call.cut.heard_text
    if not answer.text.startswith(heard):
        counted.problems.append(f"other words: {heard!r}")
        return
    counted.off.append(len(heard.split()) - call.words_heard())


async def _hold(caller: InterruptingCaller, arm: Arm, answer: Answer) -> None:
    voice = SynthesisedVoice(arm.tells, arm.real_time_factor)
    services = Services(_NoRecogniser(), _Model(answer), voice)
    config = CallConfig("heard", "en-US", VOICE_RATE_HZ, "", "")
    rules = CallOptions(reply=ReplyOptions(min_words=MIN_WORDS, trim_s=0.3))
    await Session(caller, services, config, rules).run()


class _NoRecogniser:
    """Recognises nothing: this caller types."""

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        while await caller_audio.take() is not None:
            pass


class _Model:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[str, None]:
        await asyncio.sleep(0.12)
        for word in self._answer.text.split():
            yield f"{word} "
            await asyncio.sleep(0.01)
