"""Answers that repeat the question's own words, on a line that brings the question back."""

import asyncio
import wave
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import voice_client.speech
from voice_gateway.audio import pcm
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation import Message
from voice_gateway.hearing.voice_activity import load_silero
from voice_gateway.messages import (
    Audio,
    CallConfig,
    CutOff,
    FromCaller,
    ReplyAudio,
    ToCaller,
    Transcript,
    Typed,
    Word,
)
from voice_gateway.ports import CallerAudioStream, Services, VoiceAudio
from voice_gateway.testing import virtual_time
from voice_gateway.testing.loudspeaker import FRAME, RATE_HZ, Room, Way
from voice_gateway.testing.scripted import Call, Says, ScriptedModel

QUESTION = "Would you like the morning flight or the evening flight?"
SPEECH = Path(voice_client.speech.__file__).parent
STEP_S = FRAME / RATE_HZ


@pytest.mark.parametrize(
    "answer", ["The evening flight.", "The morning flight or the evening flight", "Flight."]
)
def test_what_was_said_after_the_question_had_come_back_is_the_callers(answer: str):
    call = Call(
        says=[Says(0.6, "book a flight"), Says(5.5, QUESTION), Says(6.8, answer)],
        replies=[QUESTION, "Very well."],
        voiced=[(0.1, True), (0.5, False), (5.7, True), (6.5, False)],
        loudspeaker=True,
        hangs_up=20.0,
    ).run()
    assert [history[-1].text for history in call.asked] == ["book a flight", answer]


def test_the_question_that_comes_back_late_beside_a_cough_is_nobodys():
    call = Call(
        says=[Says(0.6, "book a flight"), Says(6.3, QUESTION)],
        replies=[QUESTION, "Very well."],
        voiced=[(0.1, True), (0.5, False), (5.9, True), (6.0, False)],
        loudspeaker=True,
        hangs_up=20.0,
    ).run()
    assert len(call.asked) == 1


# The same with real sound: what the loudspeaker plays comes back 120 ms later, at -20 dB.


@cache
def speech(name: str) -> Any:
    with wave.open(str(SPEECH / f"{name}.wav"), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_768
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    samples = samples[loud[0] : loud[-1]]
    return samples * (0.06 / np.sqrt(np.mean(samples**2)))


class RecordedVoice:
    """Answers each text with a recording."""

    def __init__(self, clips: Sequence[str]) -> None:
        self._clips = list(clips)

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        samples = speech(self._clips.pop(0) if len(self._clips) > 1 else self._clips[0])
        yield VoiceAudio((samples * 32_767).astype("<i2").tobytes())


@dataclass
class Phone:
    """A caller whose microphone picks up its loudspeaker; it speaks a recording."""

    types: str
    way: Way
    says: str = ""
    after_s: float = 0.5
    """Seconds between the silence of the loudspeaker and the caller's voice."""
    lasts_s: float = 16.0
    can_drop: bool = True
    """What is queued is dropped at an interruption."""
    received: list[tuple[float, ToCaller]] = field(default_factory=list[tuple[float, ToCaller]])
    said_at: float | None = None
    silent_at: float | None = None
    _queued: Any = field(default_factory=lambda: np.zeros(0))
    _said: Any = field(default_factory=lambda: np.zeros(0))
    _due: float = 0.0

    def __post_init__(self) -> None:
        self._room = Room(self.way)
        self._typed = False

    async def receive(self) -> FromCaller | None:
        if not self._typed:
            self._typed = True
            return Typed(self.types)
        self._due += STEP_S
        await asyncio.sleep(max(0.0, self._due - now()))
        if self._due > self.lasts_s:
            return None
        recorded = self._room.pass_through(self._play()) + self._speak()
        return Audio((np.clip(recorded, -1, 1) * 32_767).astype("<i2").tobytes())

    async def send(self, message: ToCaller) -> None:
        self.received.append((now(), message))
        if isinstance(message, ReplyAudio):
            samples = np.frombuffer(message.pcm, "<i2") / 32_768
            self._queued = np.append(self._queued, samples)
        elif isinstance(message, CutOff) and self.can_drop:
            self._queued = np.zeros(0)

    def _play(self) -> Any:
        frame = np.zeros(FRAME)
        played, self._queued = self._queued[:FRAME], self._queued[FRAME:]
        frame[: len(played)] = played
        if len(played):
            self.silent_at = None
        elif self.silent_at is None:
            self.silent_at = self._due
        return frame

    def _speak(self) -> Any:
        heard = any(isinstance(message, ReplyAudio) for _, message in self.received)
        silent_s = self._due - self.silent_at if heard and self.silent_at else 0.0
        if self.says and self.said_at is None and silent_s >= self.after_s:
            self.said_at, self._said = self._due, speech(self.says)
        frame = np.zeros(FRAME)
        said, self._said = self._said[:FRAME], self._said[FRAME:]
        frame[: len(said)] = said
        return frame


class EchoingRecogniser:
    """Writes down the question as it comes back, and then what the caller answers."""

    def __init__(self, phone: Phone, answer: str, *, timed: bool) -> None:
        self._phone = phone
        self._answer = answer
        self._timed = timed

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        taken_s, told_echo, told = 0.0, 0.0, False
        while (piece := await caller_audio.take()) is not None:
            taken_s += pcm.seconds(piece.pcm, rate_hz)
            silent, said = self._phone.silent_at, self._phone.said_at
            if not told_echo and silent and silent > 1.5 and taken_s > silent + 0.4:
                told_echo = taken_s
                on_transcript(self._heard(QUESTION, 0.5, silent))
            lasts_s = len(speech(self._phone.says)) / RATE_HZ if self._phone.says else 0.0
            if said and not told and taken_s > said + lasts_s + 0.4:
                told = True
                on_transcript(self._heard(self._answer, said, said + lasts_s))

    def _heard(self, text: str, begin_s: float, end_s: float) -> Transcript:
        words, each_s = text.split(), (end_s - begin_s) / len(text.split())
        times = (
            Word(word, begin_s + at * each_s, begin_s + (at + 1) * each_s)
            for at, word in enumerate(words)
        )
        return Transcript(text, final=True, words=tuple(times) if self._timed else ())


@dataclass
class Told:
    """What a call's record was told."""

    dropped_words: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def note(self, event: Any, commands: Any) -> None:
        """Ignores it."""

    def dropped(self, at: float, text: str, reason: str) -> None:
        self.dropped_words.append((text, reason))

    def close(self) -> None:
        """Ignores it."""


async def called(
    phone: Phone,
    answer: str = "",
    *,
    timed: bool = True,
) -> tuple[list[str], Told]:
    """Hold the call; return what the model was asked, and what was dropped."""
    model, told = ScriptedModel([QUESTION, "Very well.", "Indeed."]), Told()
    services = Services(
        EchoingRecogniser(phone, answer, timed=timed),
        model,
        RecordedVoice(("en_austen_0880", "en_cards_7c")),
        load_silero(),
        record=lambda _config: told,
    )
    config = CallConfig("test", "en-US", RATE_HZ, "", "Be brief.")
    await Session(phone, services, config, CallOptions()).run()
    return [history[-1].text for history in model.asked], told


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("timed", [True, False], ids=["word times", "no word times"])
@pytest.mark.parametrize("answer", ["The evening flight.", "The morning flight."])
def test_a_short_answer_half_a_second_after_the_question_is_heard(answer: str, timed: bool):
    async def main() -> None:
        phone = Phone("Book a flight.", Way(0.12, -20.0), says="en_cards_7c")
        asked, told = await called(phone, answer, timed=timed)
        assert asked == ["Book a flight.", answer]
        assert told.dropped_words == [(QUESTION, "echo")]

    virtual_time.run(main())


def test_what_the_caller_repeats_right_after_the_last_echo_is_not_lost():
    async def main() -> None:
        phone = Phone("Book a flight.", Way(0.12, -20.0), says="en_cards_7c", after_s=0.25)
        asked, _ = await called(phone, "The evening flight.")
        assert asked == ["Book a flight.", "The evening flight."]

    virtual_time.run(main())


def test_a_turn_that_goes_on_keeps_the_words_that_its_early_answer_also_says():
    interim, whole = "What is natural language", "What is natural language processing?"
    call = Call(
        says=[Says(1.8, interim, False), Says(3.75, whole, False), Says(4.6, whole)],
        voiced=[(1.0, True), (2.0, False), (3.3, True), (4.1, False)],
        replies=["Natural language is how people talk.", "A field.", "A field."],
        hangs_up=12.0,
    ).run()
    assert call.asked[-1] == (Message("user", whole),)
