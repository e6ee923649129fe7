"""Contains the scripted model and voice of a simulated call, which record all that they do."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence

from voice_gateway.audio import pcm
from voice_gateway.conversation import Message
from voice_gateway.errors import (
    Misconfigured,
    Rejected,
    ServiceError,
    Stage,
    TimedOut,
    Unavailable,
)
from voice_gateway.messages import (
    ModelOptions,
    Word,
)
from voice_gateway.ports import ModelPiece, Retracted, VoiceAudio

from voice_sim.call_record import (
    Asked,
    Said,
    Spoke,
    Wrote,
)
from voice_sim.marked_words import (
    AGAIN,
    APOLOGY_CLAUSE,
    GOODBYE,
    GREETING,
    PROMPT,
    clause_audio,
    reply_word,
)
from voice_sim.recorder import Recorder
from voice_sim.script import Answers, Script, Speaks

_ENDLESS_WORDS = 250  # about the limit that models have on an answer
_SENTENCE_WORDS = 7
_APOLOGY_S = 1.5
_APOLOGY_MADE_S = {"before": 0.0, "at once": 0.05, "slowly": 2.5, "never": 0.05}

_FAULTS: dict[str, type[ServiceError]] = {
    "unavailable": Unavailable,
    "timed_out": TimedOut,
    "rejected": Rejected,
    "misconfigured": Misconfigured,
}


class SimModel:
    """Implements `ports.ChatModel`; its words identify their answer."""

    def __init__(self, script: Script, recorder: Recorder) -> None:
        self._answers = script.answers
        self._recorder = recorder
        self._asked = 0

    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        self._asked += 1
        number = self._asked
        plan = self._answers[min(number, len(self._answers)) - 1]
        now = self._recorder.now()
        self._recorder.add(Asked(now, number, tuple(history), system_prompt))
        given, whole = "", False
        with self._recorder.upstream(f"answer {number}"):
            try:
                await _pause(plan.first_s)
                for n, piece in enumerate(_pieces(plan, number)):
                    if n == plan.after:
                        await self._trouble(plan)
                    given = "" if isinstance(piece, Retracted) else given + piece
                    yield piece
                    await _pause(plan.gap_s)
                await self._trouble(plan)
                whole = True
            finally:
                await _pause(plan.closing_s)
                self._recorder.add(Wrote(self._recorder.now(), number, given, whole))

    async def _trouble(self, plan: Answers) -> None:
        if plan.trouble in ("empty", "endless"):
            return
        if plan.trouble:
            await _pause(plan.stall_s)
            self._recorder.fault(f"llm {plan.trouble}")
            raise _FAULTS[plan.trouble]("llm", "scripted")


def _pieces(plan: Answers, number: int) -> Iterator[str | Retracted]:
    text = answer_text(plan, number)
    if plan.style == "thinking" and text.strip():
        yield from _cut(plan, f"Let me see, {text.replace('q', 'x')} ")
        yield Retracted()
    yield from _cut(plan, text)


def _cut(plan: Answers, text: str) -> Iterator[str]:
    for start in range(0, len(text), plan.piece_chars):
        yield text[start : start + plan.piece_chars]


def text_of(script: Script, answer: int) -> str:
    """The whole text of this answer: one of the model's, or a text said without the model."""
    call = script.call
    policy = call.policy
    canned = {
        GREETING: policy.greeting,
        PROMPT: policy.idle_prompt,
        GOODBYE: policy.goodbye,
        AGAIN: policy.say_again,
    }
    plan = script.answers[min(answer, len(script.answers)) - 1]
    return canned[answer] if answer in canned else answer_text(plan, answer)


def answer_text(plan: Answers, number: int) -> str:
    """The text of the n-th answer."""
    if plan.trouble == "empty":
        return "  "
    count = _ENDLESS_WORDS if plan.trouble == "endless" else plan.words
    words = [reply_word(number, n) for n in range(1, count + 1)]
    if plan.style == "breathless":
        return " ".join(words)
    text = " ".join(word + _mark(n, count, asks=plan.asks) for n, word in enumerate(words, 1))
    if plan.style == "markdown":
        return "- **" + re.sub(r"([.?]) ", r"\1**\n- **", text) + "** 😀"
    return text


def _mark(n: int, count: int, *, asks: bool) -> str:
    if n == count or n % _SENTENCE_WORDS == 0:
        return "?" if asks and -(-n // _SENTENCE_WORDS) % 2 else "."
    return "," if n % _SENTENCE_WORDS == _SENTENCE_WORDS // 2 else ""


class SimVoice:
    """Implements `ports.Voice`; its samples identify their clause."""

    def __init__(self, script: Script, recorder: Recorder) -> None:
        self._speaks = script.speaks
        self._recorder = recorder
        self._said = 0

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        self._said += 1
        number = self._said
        plan = self._speaks[(number - 1) % len(self._speaks)]
        samples = round(len(text.split()) * plan.word_s * rate_hz)
        self._recorder.add(Said(self._recorder.now(), number, text, samples))
        given, whole = 0, False
        with self._recorder.upstream(f"clause {number}"):
            try:
                await _pause(plan.first_s)
                for chunk in _chunks(plan, number, samples):
                    given += len(chunk)
                    yield VoiceAudio(chunk)
                    await _pause(plan.gap_s)
                await self._trouble(plan)
                if number % 2:  # as with Riva, word times come late, and from some voices only
                    yield VoiceAudio(b"", tuple(_word_times(text, samples / rate_hz)))
                whole = True
            finally:
                made = given // pcm.SAMPLE_BYTES
                self._recorder.add(Spoke(self._recorder.now(), number, made, whole))

    async def _trouble(self, plan: Speaks) -> None:
        if plan.trouble:
            self._recorder.fault(f"tts {plan.trouble}")
        if plan.trouble in _FAULTS:
            await _pause(plan.stall_s)
            raise _FAULTS[plan.trouble]("tts", "scripted")


class SimApologyVoice:
    """Implements `ports.Voice` for the apology, whose samples belong to no other clause."""

    def __init__(self, script: Script, recorder: Recorder) -> None:
        self._made = script.call.apology
        self._recorder = recorder

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        with self._recorder.upstream("apology"):
            await _pause(_APOLOGY_MADE_S[self._made])
            if self._made == "never":
                raise Unavailable("tts", "scripted")
            yield VoiceAudio(clause_audio(APOLOGY_CLAUSE, apology_samples(rate_hz) * 2))


def apology_samples(rate_hz: int) -> int:
    return round(_APOLOGY_S * rate_hz)


def _word_times(text: str, seconds: float) -> Iterator[Word]:
    """The words' times, at an even pace per character."""
    at = 0
    for word in text.split():
        end = at + len(word)
        yield Word(word, seconds * at / len(text), seconds * end / len(text))
        at = end + 1


def _chunks(plan: Speaks, number: int, samples: int) -> Iterator[bytes]:
    """The bytes that are made of the clause, cut anywhere."""
    size = samples * pcm.SAMPLE_BYTES
    match plan.trouble:
        case "":
            pass
        case "no_audio" | "rejected":
            size = 0
        case _:
            size = int(samples * plan.share) * pcm.SAMPLE_BYTES
    if plan.trouble == "half_sample":
        size += 1
    audio = clause_audio(number, size)
    for start in range(0, size, plan.chunk_bytes):
        yield audio[start : start + plan.chunk_bytes]


def service_fault(stage: Stage, kind: str) -> ServiceError:
    """The error an adapter raises for this trouble; a broken stream is Unavailable."""
    return _FAULTS.get(kind, Unavailable)(stage, "scripted")


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
