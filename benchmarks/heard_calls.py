"""Interruptions at random times of synthesised speech whose every word's time is known.

The gateway's own session runs on a virtual clock, so that hundreds of calls take a minute; the
speech is real, made by the local stack's voice. What was truly heard goes by the voice's own word
times, by where that audio is found in what reached the caller, and by the caller's loudspeaker; no
part of the gateway has a say in it.
"""

import asyncio
import random
from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle, islice
from typing import Literal

import numpy as np
from heard_answers import Answer, answers
from turn_callers import Loudspeaker
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation import Message
from voice_gateway.language.speakable import speakable
from voice_gateway.messages import (
    CallConfig,
    CutOff,
    FromCaller,
    Interrupt,
    ModelOptions,
    Played,
    ReplyAudio,
    ToCaller,
    Transcript,
    Typed,
    Word,
)
from voice_gateway.ports import CallerAudioStream, Services, VoiceAudio
from voice_gateway.speaking.clauses import Clauses
from voice_gateway.speaking.reply import ReplyOptions
from voice_gateway.testing import virtual_time
from voice_local.models.hibari import HibariVoice

_SPEAKER = "heart"
_RATE_HZ = HibariVoice.rate_hz
_SAMPLE_BYTES = 2
_CHUNK_S = 0.2
_FIRST_S = 0.06
_WIRE_S = 0.02  # one way
_REPORT_S = 0.1
_MIN_WORDS = 2
_LOUD = 1_000
_MARK = round(0.03 * _RATE_HZ) * _SAMPLE_BYTES  # enough of a waveform to find it again
_EARLIEST_S, _LATEST_S = 0.05, 0.4  # after the first audio, before the end of the last

Tells = Literal["early", "late", "never"]


@dataclass(frozen=True, slots=True)
class Arm:
    """What voice and caller are like."""

    tells: Tells
    """The voice gives word times with a sentence's first audio, behind a text's last, or not."""
    reports: bool
    """The caller says ten times a second how far its loudspeaker has got."""
    buffer_s: float = 0.0
    """How much later than its first audio the loudspeaker starts."""
    real_time_factor: float = 0.1
    """What a second of the voice's audio takes it."""


ARMS = [
    Arm(tells, reports, buffer_s)
    for tells in ("late", "never")
    for reports, buffer_s in ((True, 0.2), (False, 0.0), (False, 0.2))
] + [Arm("never", reports=True, buffer_s=0.2, real_time_factor=0.9)]


@dataclass(slots=True)
class Counted:
    """Words that the gateway took for heard, less those that were."""

    off: list[int] = field(default_factory=list[int])
    problems: list[str] = field(default_factory=list[str])


def interruptions(count: int, seed: int = 0) -> Iterator[tuple[Arm, Counted]]:
    """For each arm so many calls, in each of which one answer is interrupted."""
    for arm in ARMS:
        chance = random.Random(seed)
        counted = Counted()
        for answer in islice(cycle(answers()), count):
            _count(counted, arm, answer, chance.random())
        yield arm, counted


def _count(counted: Counted, arm: Arm, answer: Answer, share: float) -> None:
    call = _Caller(arm, answer, share)
    virtual_time.run(_held(call, arm, answer))
    if call.cut is None:
        counted.problems.append(f"not interrupted: {answer.text[:40]!r}")
        return
    heard = call.cut.heard_text
    if not answer.text.startswith(heard):
        counted.problems.append(f"other words: {heard!r}")
        return
    counted.off.append(len(heard.split()) - call.words_heard())


async def _held(caller: "_Caller", arm: Arm, answer: Answer) -> None:
    services = Services(_Ear(), _Model(answer), _Voice(arm))
    config = CallConfig("heard", "en-US", _RATE_HZ, "", "")
    rules = CallOptions(reply=ReplyOptions(min_words=_MIN_WORDS, trim_s=0.3))
    await Session(caller, services, config, rules).run()


class _Ear:
    """Hears nothing: this caller types."""

    async def listen(
        self,
        speech: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        while await speech.take() is not None:
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


@dataclass(frozen=True, slots=True)
class _Speech:
    pcm: bytes
    words: tuple[Word, ...]
    sentences: tuple[float, ...]
    """Where in it the voice's sentences begin."""


@cache
def _engine() -> HibariVoice:
    return HibariVoice()


@cache
def _speech(text: str) -> _Speech:
    """What the voice makes of a text; one told word for each word of it."""
    at_s, pieces, words, starts = 0.0, list[bytes](), list[Word](), list[float]()
    for said in _engine().speak(text, _SPEAKER):
        starts.append(at_s)
        words += [Word(w.text, at_s + w.start_s, at_s + w.end_s) for w in said.words]
        at_s += len(said.samples) / _RATE_HZ
        pieces.append(np.rint(np.clip(said.samples, -1, 1) * 32_767).astype("<i2").tobytes())
    if [word.text for word in words] != text.split():
        raise ValueError(f"the voice made other words of {text!r}: {words}")
    return _Speech(b"".join(pieces), tuple(words), tuple(starts))


class _Voice:
    """The local stack's voice, by default as quick as a GPU's."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        speech = _speech(text)
        await asyncio.sleep(_FIRST_S)
        size = round(_CHUNK_S * rate_hz) * _SAMPLE_BYTES
        told = 0
        for start in range(0, len(speech.pcm), size):
            until = self._told_until(speech, _seconds(start + size))
            yield VoiceAudio(speech.pcm[start : start + size], speech.words[told:until])
            told = until
            await asyncio.sleep(_CHUNK_S * self._arm.real_time_factor)
        if self._arm.tells == "late":
            yield VoiceAudio(b"", speech.words)

    def _told_until(self, speech: _Speech, at_s: float) -> int:
        """How many words are told once so much audio was given: those of sentences begun."""
        if self._arm.tells != "early":
            return 0
        begun = bisect_left(speech.sentences, at_s)
        end_s = (*speech.sentences, float("inf"))[begun]
        return sum(word.start_s < end_s for word in speech.words)


class _Caller:
    """Asks, plays the answer, and interrupts it; implements `ports.Caller`."""

    def __init__(self, arm: Arm, answer: Answer, share: float) -> None:
        self.cut: CutOff | None = None
        self._arm = arm
        self._answer = answer
        self._share = share
        self._speaker = Loudspeaker(arm.buffer_s)
        self._stream = b""
        self._reply = 0
        self._cut_at = 0.0
        self._began: float | None = None
        self._sent_question = False
        self._first_audio = asyncio.Event()
        self._interrupted = False

    async def receive(self) -> FromCaller | None:
        if not self._sent_question:
            self._sent_question = True
            return Typed("tell me")
        await self._first_audio.wait()
        assert self._began is not None
        if self._interrupted:
            await asyncio.sleep(1.0)
            return None
        stops_at = self._began + _EARLIEST_S + self._share * self._length_s()
        wait_s = stops_at + _WIRE_S - _now()
        if self._arm.reports and wait_s > _REPORT_S:
            played_s = self._speaker.played_s(_now() + _REPORT_S - _WIRE_S)
            await asyncio.sleep(_REPORT_S)
            return Played(self._reply, round(played_s, 3))
        await asyncio.sleep(wait_s)
        self._interrupted = True
        return Interrupt()

    async def send(self, message: ToCaller) -> None:
        """It reaches the caller's loudspeaker a little later, over the wire."""
        match message:
            case ReplyAudio(reply, _, audio):
                self._reply = reply
                self._began = _now() if self._began is None else self._began
                self._speaker.add(_seconds(len(audio)), _now() + _WIRE_S)
                self._stream += audio
                self._first_audio.set()
            case CutOff():
                self.cut, self._cut_at = message, _now() + _WIRE_S
            case _:
                pass

    def words_heard(self) -> int:
        """Written words all of whose spoken ones had left the loudspeaker when the cut came."""
        played_s = self._speaker.played_s(self._cut_at)
        ends = list(_word_ends(_texts(self._answer.text), self._stream))
        said = sum(end_s <= played_s for end_s in ends)
        heard = 0
        for word in self._answer.words:
            said -= len(word.spoken)
            if said < 0:
                break
            heard += 1
        return heard

    def _length_s(self) -> float:
        """Of the time in which it may interrupt: the answer's audio, without what is trimmed."""
        spans = [_speech(text).words for text in _texts(self._answer.text)]
        return sum(words[-1].end_s - words[0].start_s for words in spans) - _LATEST_S


@cache
def _texts(text: str) -> tuple[str, ...]:
    """What the voice is given of an answer, piece by piece."""
    cutter = Clauses(_MIN_WORDS, "en-US")
    return tuple(speakable(clause, "en-US") for clause in cutter.feed(text) + cutter.flush())


def _word_ends(texts: Sequence[str], stream: bytes) -> Iterator[float]:
    """When in the stream each word ends that the voice said; stops with what is not in it."""
    since = 0
    for text in texts:
        speech = _speech(text)
        samples = np.frombuffer(speech.pcm, "<i2")
        loud = int(np.argmax(np.abs(samples) > _LOUD)) * _SAMPLE_BYTES
        place = stream.find(speech.pcm[loud : loud + _MARK], since)
        if place < 0:
            return
        shift_s = _seconds(place - loud)
        yield from (shift_s + word.end_s for word in speech.words)
        since = place


def _seconds(size: int) -> float:
    return size / (_SAMPLE_BYTES * _RATE_HZ)


def _now() -> float:
    return asyncio.get_running_loop().time()
