"""The scripted caller, model and voice of a simulated call; they note all they do and see."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from voice_gateway.audio import pcm
from voice_gateway.conversation import Message
from voice_gateway.errors import (
    CallerGone,
    Misconfigured,
    Rejected,
    ServiceError,
    Stage,
    TimedOut,
    Unavailable,
)
from voice_gateway.messages import (
    Audio,
    EndOfUtterance,
    FromCaller,
    Interrupt,
    ModelOptions,
    Played,
    ToCaller,
    Typed,
    Word,
)
from voice_gateway.ports import ModelPiece, VoiceAudio

from voice_sim.marks import (
    GOODBYE,
    GREETING,
    PROMPT,
    clause_audio,
    reply_word,
)
from voice_sim.record import (
    Asked,
    Entry,
    Fault,
    Received,
    Record,
    Said,
    Sent,
    Spoke,
    Wrote,
)
from voice_sim.script import Act, Answers, Script, Speaks

_BURST_S = 1.0  # audio in one message of a burst
_ENDLESS = 250  # words: what a model's own limit on its answer comes to
_SENTENCE = 7  # words
_MOST_AT_ONCE = 50_000

_FAULTS: dict[str, type[ServiceError]] = {
    "unavailable": Unavailable,
    "timed_out": TimedOut,
    "rejected": Rejected,
    "misconfigured": Misconfigured,
}


class Spinning(Exception):
    """The call does things without end while no time goes by."""


@dataclass(slots=True)
class Notes:
    """Writes the record, on the clock of the running loop."""

    record: Record
    open: dict[str, None] = field(default_factory=dict[str, None])
    """Upstream calls under way; a dict, for its order."""
    closed: bool = False
    _at_once: tuple[float, int] = (0.0, 0)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def add(self, entry: Entry) -> None:
        if self.closed:
            return
        at, count = self._at_once
        self._at_once = (entry.at, count + 1 if entry.at == at else 1)
        if count > _MOST_AT_ONCE:
            raise Spinning(f"more than {_MOST_AT_ONCE} things happened at {entry.at:.2f}")
        self.record.entries.append(entry)

    def fault(self, what: str) -> None:
        self.add(Fault(self.now(), what))

    @contextmanager
    def upstream(self, name: str) -> Generator[None]:
        """A call to a service, from its start to its end, whatever ends it."""
        self.open[name] = None
        try:
            yield
        finally:
            del self.open[name]


class SimCaller:
    """Implements `ports.Caller`. What is due comes at once, without giving way to other tasks."""

    def __init__(self, script: Script, notes: Notes) -> None:
        self._script = script
        self._notes = notes
        self._coming = heapq.merge(
            *(_messages(act, script.call.rate_hz) for act in script.acts), key=lambda due: due[0]
        )
        self._next = next(self._coming, None)
        self.receiving_since: float | None = None

    async def receive(self) -> FromCaller | None:
        self.receiving_since = self._notes.now()
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
        self._notes.add(Received(self._notes.now(), message))
        return message

    async def send(self, message: ToCaller) -> None:
        now = self._notes.now()
        gone_at = self._script.call.gone_at
        if gone_at is not None and now >= gone_at:
            self._notes.fault("caller gone")
            raise CallerGone("the caller hung up")
        self._notes.add(Sent(now, message))
        for stall in self._script.stalls:
            if stall.seconds is None and now >= stall.at:
                self._notes.fault("caller stopped reading")
                await asyncio.Event().wait()
            elif stall.seconds and stall.at <= now < stall.at + stall.seconds:
                self._notes.fault("caller slow")
                await until(stall.at + stall.seconds)


def _messages(act: Act, rate_hz: int) -> Iterator[tuple[float, FromCaller]]:
    match act.does:
        case "talks":
            yield from _frames(act, rate_hz)
        case "types":
            yield act.at, Typed(act.text)
        case "interrupts":
            yield act.at, Interrupt()
        case "ends_utterance":
            yield act.at, EndOfUtterance()
        case "plays":
            yield act.at, Played(act.reply, act.seconds)


def _frames(act: Act, rate_hz: int) -> Iterator[tuple[float, FromCaller]]:
    frame_s = _BURST_S if act.burst else act.frame_s
    frame = Audio(pcm.silence(frame_s, rate_hz))
    for n in range(max(1, int(act.seconds / frame_s))):
        yield act.at if act.burst else act.at + n * frame_s, frame


class SimModel:
    """Implements `ports.ChatModel`; its words say which answer they are of."""

    def __init__(self, script: Script, notes: Notes) -> None:
        self._answers = script.answers
        self._notes = notes
        self._asked = 0

    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        self._asked += 1
        number = self._asked
        plan = self._answers[min(number, len(self._answers)) - 1]
        self._notes.add(Asked(self._notes.now(), number, tuple(history)))
        given, whole = "", False
        with self._notes.upstream(f"answer {number}"):
            try:
                await _pause(plan.first_s)
                for n, piece in enumerate(_pieces(plan, number)):
                    if n == plan.after:
                        await self._trouble(plan)
                    given += piece
                    yield piece
                    await _pause(plan.gap_s)
                await self._trouble(plan)
                whole = True
            finally:
                await _pause(plan.closing_s)
                self._notes.add(Wrote(self._notes.now(), number, given, whole))

    async def _trouble(self, plan: Answers) -> None:
        if plan.trouble in ("empty", "endless"):
            return
        if plan.trouble:
            await _pause(plan.stall_s)
            self._notes.fault(f"llm {plan.trouble}")
            raise _FAULTS[plan.trouble]("llm", "scripted")


def _pieces(plan: Answers, number: int) -> Iterator[str]:
    text = answer_text(plan, number)
    for start in range(0, len(text), plan.piece_chars):
        yield text[start : start + plan.piece_chars]


def text_of(script: Script, answer: int) -> str:
    """What the answer by this number is in full: one of the model's, or said without it."""
    call = script.call
    canned = {GREETING: call.greeting, PROMPT: call.idle_prompt, GOODBYE: call.goodbye}
    plan = script.answers[min(answer, len(script.answers)) - 1]
    return canned[answer] if answer in canned else answer_text(plan, answer)


def answer_text(plan: Answers, number: int) -> str:
    """The text of the n-th answer."""
    if plan.trouble == "empty":
        return "  "
    count = _ENDLESS if plan.trouble == "endless" else plan.words
    words = [reply_word(number, n) for n in range(1, count + 1)]
    if plan.style == "breathless":
        return " ".join(words)
    text = " ".join(word + _mark(n, count) for n, word in enumerate(words, 1))
    match plan.style:
        case "markdown":
            return "- **" + text.replace(". ", ".**\n- **") + "** 😀"
        case "thinking":
            return f"<think>let me see, {text.replace('q', 'x')}</think>{text}"
        case _:
            return text


def _mark(n: int, count: int) -> str:
    if n == count or n % _SENTENCE == 0:
        return "."
    return "," if n % _SENTENCE == _SENTENCE // 2 else ""


class SimVoice:
    """Implements `ports.Voice`; its samples say which clause they are of."""

    def __init__(self, script: Script, notes: Notes) -> None:
        self._speaks = script.speaks
        self._notes = notes
        self._said = 0

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        self._said += 1
        number = self._said
        plan = self._speaks[(number - 1) % len(self._speaks)]
        samples = round(len(text.split()) * plan.word_s * rate_hz)
        self._notes.add(Said(self._notes.now(), number, text, samples))
        given, whole = 0, False
        with self._notes.upstream(f"clause {number}"):
            try:
                await _pause(plan.first_s)
                for chunk in _chunks(plan, number, samples):
                    given += len(chunk)
                    yield VoiceAudio(chunk)
                    await _pause(plan.gap_s)
                await self._trouble(plan)
                if number % 2:  # as Riva does: late, and only some voices
                    yield VoiceAudio(b"", tuple(_word_times(text, samples / rate_hz)))
                whole = True
            finally:
                made = given // pcm.SAMPLE_BYTES
                self._notes.add(Spoke(self._notes.now(), number, made, whole))

    async def _trouble(self, plan: Speaks) -> None:
        if plan.trouble:
            self._notes.fault(f"tts {plan.trouble}")
        if plan.trouble in _FAULTS:
            await _pause(plan.stall_s)
            raise _FAULTS[plan.trouble]("tts", "scripted")


def _word_times(text: str, seconds: float) -> Iterator[Word]:
    """At an even pace per character."""
    at = 0
    for word in text.split():
        end = at + len(word)
        yield Word(word, seconds * at / len(text), seconds * end / len(text))
        at = end + 1


def _chunks(plan: Speaks, number: int, samples: int) -> Iterator[bytes]:
    """The clause's bytes, as far as they are made, cut anywhere."""
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
    """What an adapter makes of this trouble; whatever breaks off is Unavailable."""
    return _FAULTS.get(kind, Unavailable)(stage, "scripted")


async def until(at: float) -> None:
    """Wait for a time of the call; what is due needs no wait."""
    wait_s = at - asyncio.get_running_loop().time()
    if wait_s > 0:
        await asyncio.sleep(wait_s)


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
