"""Makes one reply: history → text → clauses → audio. It is one coroutine, cancelled whole.

The model writes and the voice speaks at the same time: the caller hears the first clause while the
rest of the answer is still being made.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from voice_gateway.audio import pcm
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.errors import Empty, ServiceError
from voice_gateway.language.speakable import speakable
from voice_gateway.latency import TurnMoments
from voice_gateway.messages import (
    CallConfig,
    Incomplete,
    ReplyAudio,
    ReplyText,
    ToolCalled,
    Usage,
)
from voice_gateway.ports import Finish, ModelPiece, Retracted, Services
from voice_gateway.speaking.clauses import Clauses, fitting
from voice_gateway.speaking.heard import Ledger
from voice_gateway.speaking.hidden import CodeBlocks
from voice_gateway.speaking.outbox import Outbox
from voice_gateway.speaking.trim import Trim

_CLAUSES_AHEAD = 8  # how far the model may run ahead of the voice
_MESSAGE_S = 0.1  # audio in one message: small enough to stop quickly, large enough to be cheap
_CLAUSE_GAP_S = 0.1  # silence left between two clauses, so that they do not run together
_NO_TEXT: dict[Incomplete, str] = {
    "": "the model answered without any text",
    "max_output_tokens": "the model had used up its tokens before it answered with any text",
    "content_filter": "the model's filter withheld the answer",
}


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How replies are spoken."""

    normalise: bool = True
    """Write numbers and symbols out as words, where the language's rules are known."""
    min_words: int = 1
    """Fewest words given to the voice at once, unless the reply has fewer."""
    trim_s: float = 0.0
    """Most silence taken off the start of a clause's audio."""


@dataclass(frozen=True, slots=True)
class _Clause:
    written: str
    """What the conversation remembers."""
    spoken: str
    """What the voice is given: numbers are words, unless the voice reads them by itself."""
    said: str
    """The words that the voice says."""


class Reply:
    """Speaks the answer to `history` into the outbox."""

    def __init__(
        self,
        number: int,
        *,
        services: Services,
        config: CallConfig,
        outbox: Outbox,
        moments: TurnMoments,
        clock: Callable[[], float],
        options: ReplyOptions | None = None,
    ) -> None:
        self.number = number
        self.ledger = Ledger(config.rate_hz, config.language)
        self.moments = moments
        self._services = services
        self._config = config
        self._outbox = outbox
        self._clock = clock
        self._options = options or ReplyOptions()
        self._clauses = asyncio.Queue[_Clause | None](_CLAUSES_AHEAD)
        self.pieces = 0
        """How many pieces of text the model gave so far: about a token each."""
        self.calls: list[ToolCall] = []
        self.usage: Usage | None = None
        self.incomplete: Incomplete = ""
        self._made_s = 0.0
        self._written = ""
        self._replaces = False

    async def run(
        self, answers: Sequence[Message] | str, on_audio: Callable[[], None]
    ) -> ServiceError | None:
        """Make the reply and wait until all of it was sent; return what stopped it, if anything.

        `answers` is the history to answer, or a text to say as it is. `on_audio` is called right
        before the first audio.
        """
        async with asyncio.TaskGroup() as tasks:
            text = self._text(answers)
            writing = tasks.create_task(self._write(text), name=f"write-{self.number}")
            fault = await self._speak(on_audio)
            if fault:
                writing.cancel()
        if self._made_s or self.calls or not self._config.spoken:
            await self._outbox.drained()  # a draft does not end before its release
        if fault or writing.cancelled():
            return fault
        return writing.result() or self._silent()

    def _silent(self) -> ServiceError | None:
        if self._made_s or not self._shown or not self._config.spoken:
            return None
        return Empty("tts", "the voice answered without any audio")

    def text(self) -> str:
        """All words that became audio; all that was written, where replies are not spoken."""
        return self.ledger.text() if self._config.spoken else self._written.strip()

    def heard(self, played_s: float) -> str:
        """The words the caller knows when `played_s` of the reply have been played."""
        return self.ledger.heard(played_s) if self._config.spoken else self._written.strip()

    @property
    def _shown(self) -> bool:
        return bool(self._written.strip())

    def _text(self, answers: Sequence[Message] | str) -> AsyncGenerator[ModelPiece, None]:
        if isinstance(answers, str):
            return _at_once(answers)
        config = self._config
        about = config.asking.about
        return self._services.model.complete(
            answers if about is None else about,
            system_prompt=config.system_prompt,
            asking=replace(config.asking, spoken=config.spoken),
        )

    async def _write(self, answer: AsyncGenerator[ModelPiece, None]) -> ServiceError | None:
        """Pass the model's text on as it comes; what came before a failure is spoken, too."""
        script = _Script(self._options.min_words, self._config.language)
        fault: ServiceError | None = None
        try:
            async with aclosing(answer) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Retracted):
                        script = self._retract()
                    elif said := self._take(piece):
                        self._show(said)
                        await self._offer(script.feed(said))
        except ServiceError as error:
            fault = error
        await self._offer(script.flush())
        await self._clauses.put(None)
        if not self._shown and not self.calls and not fault:
            fault = Empty("llm", _NO_TEXT[self.incomplete])
        return fault

    def _take(self, piece: str | ToolCall | Usage | Finish) -> str:
        """Return the piece's text, if it has any; report a tool call to the caller."""
        match piece:
            case str():
                self.pieces += 1
                return piece
            case ToolCall():
                self.calls.append(piece)
                self._outbox.post(ToolCalled(self.number, piece))
            case Usage():
                self.usage = piece
            case Finish(incomplete):
                self.incomplete = incomplete
        return ""

    def _retract(self) -> "_Script":
        """Take the text so far back: a clause of it that is being spoken is the last of it."""
        self._written, self._replaces = "", True
        while not self._clauses.empty():
            self._clauses.get_nowait()
        self.ledger.disown()
        return _Script(self._options.min_words, self._config.language)

    def _show(self, text: str) -> None:
        self._written += text
        if self.moments.first_text is None:
            self.moments.first_text = self._clock()
        self._outbox.post(ReplyText(self.number, text, replaces=self._replaces))
        self._replaces = False

    async def _offer(self, clauses: Sequence[str]) -> None:
        for clause in filter(None, map(self._clause, clauses)):
            if self.moments.first_clause is None:
                self.moments.first_clause = self._clock()
            await self._clauses.put(clause)

    def _clause(self, text: str) -> _Clause | None:
        written = speakable(text)
        if not written:
            return None
        said = speakable(text, self._config.language)
        spoken = said if self._options.normalise else written
        too_short = len(spoken.split()) < self._options.min_words
        spoken = f"{spoken}." if too_short and spoken[-1].isalnum() else spoken
        return _Clause(written, spoken, said)

    async def _speak(self, on_audio: Callable[[], None]) -> ServiceError | None:
        try:
            while (clause := await self._clauses.get()) is not None:
                await self._say(clause, on_audio)
        except ServiceError as error:
            return error
        return None

    async def _say(self, clause: _Clause, on_audio: Callable[[], None]) -> None:
        if not self._config.spoken:
            return
        self.ledger.begin(clause.written, clause.said)
        for text in fitting(clause.spoken):
            self.ledger.say(self._said(text))
            await self._speak_text(text, on_audio)
            self.ledger.end()

    def _said(self, text: str) -> str:
        """The words the voice says for this text, even if it reads numbers by itself."""
        return text if self._options.normalise else speakable(text, self._config.language)

    async def _speak_text(self, text: str, on_audio: Callable[[], None]) -> None:
        rate_hz = self._config.rate_hz
        speech = self._services.voice.speak(
            text, language=self._config.language, voice=self._config.voice, rate_hz=rate_hz
        )
        whole = pcm.WholeSamples()  # it drops half a sample at the end of this text's audio
        trim = Trim(rate_hz, self._options.trim_s, _CLAUSE_GAP_S if self._made_s else 0.0)
        async with aclosing(speech) as chunks:
            async for chunk in chunks:
                audio = trim.feed(whole.feed(chunk.pcm))
                self.ledger.tell(chunk.words, trim.removed_s)
                await self._play(audio, on_audio)
        await self._play(trim.flush(), on_audio)

    async def _play(self, audio: bytes, on_audio: Callable[[], None]) -> None:
        for piece in filter(None, pcm.pieces(audio, _MESSAGE_S, self._config.rate_hz)):
            await self._play_piece(piece, on_audio)

    async def _play_piece(self, piece: bytes, on_audio: Callable[[], None]) -> None:
        if self.moments.first_audio is None:
            self.moments.first_audio = self._clock()
            on_audio()
        length_s = pcm.seconds(piece, self._config.rate_hz)
        self.ledger.add(piece)
        await self._outbox.play(ReplyAudio(self.number, self._made_s, piece))
        self._made_s += length_s


class _Script:
    """What is spoken of a text that streams in: its clauses, with a remark in place of code."""

    def __init__(self, min_words: int, language: str) -> None:
        self._code = CodeBlocks(language)
        self._clauses = Clauses(min_words, language)

    def feed(self, text: str) -> list[str]:
        return self._clauses.feed(self._code.feed(text))

    def flush(self) -> list[str]:
        return self._clauses.feed(self._code.flush()) + self._clauses.flush()


async def _at_once(text: str) -> AsyncGenerator[ModelPiece, None]:
    yield text
