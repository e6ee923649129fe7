"""Runs whole calls on a virtual clock, with a scripted caller and scripted services.

call = Call(says=[Says(1.0, "tell me a story"), Says(4.0, "wait", final=False)],
            replies=["Once upon a time. There was a fox."]).run()
assert call.timeline() == [(0.0, "LISTENING"), (1.0, "PROCESSING"), ...]
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from voice_gateway.audio import pcm
from voice_gateway.audio.pcm import SAMPLE_BYTES
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation import Message
from voice_gateway.errors import ServiceError
from voice_gateway.messages import (
    Audio,
    CallConfig,
    CutOff,
    Failed,
    FromCaller,
    Goodbye,
    LineEcho,
    Listening,
    ModelOptions,
    Paused,
    Processing,
    ReplyAudio,
    ReplyText,
    Resumed,
    Speaking,
    ToCaller,
    Transcript,
    TurnOver,
    Word,
)
from voice_gateway.ports import (
    Activity,
    CallerAudioStream,
    Edge,
    Memory,
    ModelPiece,
    Services,
    TurnSound,
    VoiceAudio,
)
from voice_gateway.speaking.apology import Apologies
from voice_gateway.testing import virtual_time

RATE_HZ = 16_000
_FRAME_S = 0.1
_SOUNDS_ON_S = 4.0


@dataclass(frozen=True, slots=True)
class Says:
    """A transcript, and when the recogniser gives it."""

    at: float
    text: str
    final: bool = True
    language: str = ""
    """The language that the recogniser reports."""


@dataclass(frozen=True, slots=True)
class Sends:
    """A message of the caller, and when it is sent."""

    at: float
    message: FromCaller


class ScriptedActivity:
    """Reports voice and silence at the given times, with the first audio after each."""

    def __init__(self, edges: Sequence[tuple[float, bool]], *, loudspeaker: bool = False) -> None:
        self._edges = list(edges)
        self._loudspeaker = loudspeaker
        self._plays_until = float("-inf")

    def feed(self, pcm: bytes, at: float) -> list[Edge]:
        found: list[Edge] = []
        while self._edges and self._edges[0][0] <= _now() + 1e-6:
            edge_at, voiced = self._edges.pop(0)
            found.append(Edge(voiced, max(0.0, _now() - edge_at)))
        return found

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """Note it: with `loudspeaker` all of it comes back at once, otherwise nothing does."""
        self._plays_until = at + len(pcm) / (SAMPLE_BYTES * rate_hz)

    def expects(self, line: LineEcho) -> None:
        """Ignores it: `loudspeaker` says what comes back."""

    def echoes(self) -> bool | None:
        return True if self._loudspeaker else None

    @property
    def echoed_at(self) -> float:
        return _now() if self._loudspeaker else float("-inf")

    @property
    def unechoed_s(self) -> float:
        return max(0.0, _now() - self._plays_until) if self._loudspeaker else float("inf")


class ScriptedCaller:
    """Sends its messages on time; it hangs up at `hangs_up`, or never if that is None."""

    def __init__(self, sends: Sequence[Sends], hangs_up: float | None) -> None:
        self._sends = list(sends)
        self._hangs_up = hangs_up
        self.received: list[tuple[float, ToCaller]] = []

    async def receive(self) -> FromCaller | None:
        if self._sends:
            next_up = self._sends.pop(0)
            await _until(next_up.at)
            return next_up.message
        if self._hangs_up is None:
            await asyncio.Event().wait()
        await _until(self._hangs_up or 0.0)
        return None

    async def send(self, message: ToCaller) -> None:
        self.received.append((_now(), message))


class ScriptedRecogniser:
    """Gives its transcripts whatever the audio; `fails` streams fail, at `fails_at`, with `fault`.

    It does not say how far it has come in the audio.
    """

    def __init__(
        self,
        says: Sequence[Says],
        fault: ServiceError | None = None,
        fails_at: float = 0.0,
        fails: int = 1,
    ) -> None:
        self._says = list(says)
        self._faults = [fault] * fails
        self._fails_at = fails_at
        self.languages: list[str] = []
        self.bytes_taken = 0

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        self.languages.append(language)
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(self._take(caller_audio))
            while self._says:
                await _until(self._says[0].at)
                said = self._says.pop(0)
                on_transcript(Transcript(said.text, said.final, language=said.language))
            fault = self._faults.pop() if self._faults else None
            if fault:
                await _until(self._fails_at)
                taking.cancel()
        if fault:
            raise fault

    async def _take(self, caller_audio: CallerAudioStream) -> None:
        while (piece := await caller_audio.take()) is not None:
            self.bytes_taken += len(piece.pcm)


class ScriptedModel:
    """Answers with its next reply, word by word; raises it if it is a fault."""

    def __init__(
        self, replies: Sequence[str | ServiceError], *, first_s: float = 0.1, word_s: float = 0.02
    ) -> None:
        self._replies = list(replies)
        self._first_s = first_s
        self._word_s = word_s
        self.asked: list[tuple[Message, ...]] = []
        self.cancelled = 0

    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        self.asked.append(tuple(history))
        reply = self._replies.pop(0) if self._replies else "I have nothing more to say."
        try:
            await asyncio.sleep(self._first_s)
            if isinstance(reply, ServiceError):
                raise reply
            for word in reply.split(" "):
                yield word + " "
                await asyncio.sleep(self._word_s)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise


class ScriptedVoice:
    """Makes silence of `seconds_per_word` for each word, far faster than real time."""

    def __init__(
        self,
        *,
        seconds_per_word: float = 0.4,
        first_s: float = 0.05,
        fault: ServiceError | None = None,
        tells_words: bool = False,
    ) -> None:
        self._seconds_per_word = seconds_per_word
        self._tells_words = tells_words
        self._first_s = first_s
        self._fault = fault
        self.spoken: list[str] = []
        self.spoken_by: list[tuple[str, str]] = []
        """The language and the voice of each text."""
        self.cancelled: list[str] = []

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        self.spoken.append(text)
        self.spoken_by.append((language, voice))
        try:
            await asyncio.sleep(self._first_s)
            if self._fault:
                raise self._fault
            each_s = self._seconds_per_word
            for at, word in enumerate(text.split()):
                time = Word(word, at * each_s, (at + 1) * each_s)
                words = (time,) if self._tells_words else ()
                yield VoiceAudio(pcm.silence(each_s, rate_hz), words)
                await asyncio.sleep(0.01)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.append(text)
            raise


@dataclass
class Call:
    """One scripted call, and its results. Times are seconds of the call."""

    says: Sequence[Says] = ()
    replies: Sequence[str | ServiceError] = ()
    sends: Sequence[Sends] = ()
    voiced: Sequence[tuple[float, bool]] = ()
    """When the gateway detects that the caller's voice begins (True) or falls silent (False)."""
    activity: Activity | None = None
    """Detects the voice in the audio that `sends` has; None: `voiced` says when there is one."""
    turn_sound: TurnSound | None = None
    """Predicts how probably the caller's turns are complete."""
    hangs_up: float | None = 60.0
    can_pause: bool = False
    conversation_id: str = ""
    memory: Callable[[str, str], Memory] | None = None
    turn_under_way: str = ""
    language_named: bool = True
    asking: ModelOptions = field(default_factory=ModelOptions)
    apology: str = "off"
    """The APOLOGY setting."""
    loudspeaker: bool = False
    rules: CallOptions = field(default_factory=CallOptions)
    voice: ScriptedVoice = field(default_factory=ScriptedVoice)
    recogniser: ScriptedRecogniser | None = None
    model: ScriptedModel | None = None
    error: Exception | None = None
    received: list[tuple[float, ToCaller]] = field(default_factory=list[tuple[float, ToCaller]])
    ended_at: float = 0.0

    def run(self) -> "Call":
        virtual_time.run(self._run())
        return self

    async def _run(self) -> None:
        recogniser = self.recogniser = self.recogniser or ScriptedRecogniser(self.says)
        model = self.model = self.model or ScriptedModel(self.replies)
        scripted = self.says and not self.activity
        first = list(_sounds([at for at, _ in self.voiced])) if scripted else []
        sends = sorted([*first, *self.sends], key=lambda sent: sent.at)
        caller = ScriptedCaller(sends, self.hangs_up)
        config = CallConfig(
            "test",
            "en-US",
            RATE_HZ,
            "",
            "Be brief.",
            self.can_pause,
            self.conversation_id,
            asking=self.asking,
            language_named=self.language_named,
            turn_under_way=self.turn_under_way,
        )
        try:
            services = Services(
                recogniser,
                model,
                self.voice,
                self._detects if self.voiced or self.activity else None,
                turn_sound=self._makes_turn_sound,
                memory=self.memory,
                apologies=Apologies(self.voice, self.apology),
            )
            await Session(caller, services, config, self.rules).run()
        except Exception as error:  # noqa: BLE001  # tests check it
            self.error = error
        self.received, self.ended_at = caller.received, _now()

    def _detects(self, rate_hz: int) -> Activity:
        return self.activity or ScriptedActivity(self.voiced, loudspeaker=self.loudspeaker)

    @property
    def _makes_turn_sound(self) -> Callable[[int], TurnSound] | None:
        sound = self.turn_sound
        return (lambda _rate_hz: sound) if sound else None

    @property
    def asked(self) -> list[tuple[Message, ...]]:
        assert self.model
        return self.model.asked

    def timeline(self) -> list[tuple[float, str]]:
        """The time of each event, to the hundredth of a second, with the event's name."""
        names = [(at, _name(message)) for at, message in self.received]
        return [(round(at, 2), name) for at, name in names if name]

    def audio(self, reply: int) -> list[tuple[float, ReplyAudio]]:
        return [
            (at, m) for at, m in self.received if isinstance(m, ReplyAudio) and m.reply == reply
        ]

    def audio_seconds(self, reply: int) -> float:
        return sum(pcm.seconds(m.pcm, RATE_HZ) for _, m in self.audio(reply))

    def text(self, reply: int) -> str:
        pieces = [m.text for _, m in self.received if isinstance(m, ReplyText) and m.reply == reply]
        return "".join(pieces).strip()

    def cut_offs(self) -> list[CutOff]:
        return [m for _, m in self.received if isinstance(m, CutOff)]


def _sounds(edges: Sequence[float]) -> Iterator[Sends]:
    """Audio without a gap until a while after the last edge, with a piece at each edge."""
    yield Sends(0.0, Audio(pcm.silence(_FRAME_S, RATE_HZ)))
    until = edges[-1] + _SOUNDS_ON_S if edges else 0.0
    times = {*edges, *(n * _FRAME_S for n in range(1, round(until / _FRAME_S)))}
    sent_s = 0.0
    for at in sorted(times):
        yield Sends(at, Audio(pcm.silence(at - sent_s, RATE_HZ)))
        sent_s = at


def _name(message: ToCaller) -> str:
    match message:
        case Listening():
            return "LISTENING"
        case Processing():
            return "PROCESSING"
        case Speaking():
            return "SPEAKING"
        case Paused():
            return "PAUSED"
        case Resumed():
            return "RESUMED"
        case CutOff():
            return "CUT OFF"
        case Failed(error):
            return f"ERROR {error.stage} {error.code}"
        case TurnOver():
            return "END_OF_TURN"
        case Goodbye():
            return "GOODBYE"
        case _:
            return ""


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - _now()))
