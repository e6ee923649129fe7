"""Makes one reply: history → text → clauses → audio. It is one coroutine, cancelled whole.

The model writes and the voice speaks at the same time: the caller hears the first clause while the
rest of the answer is still being made.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from voice_gateway.audio import pcm
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.errors import Empty, Rejected, ServiceError, TimedOut
from voice_gateway.language.speakable import speakable
from voice_gateway.latency import TurnMoments
from voice_gateway.messages import (
    CallConfig,
    Incomplete,
    ReplyAudio,
    ReplyText,
    Tool,
    ToolCalled,
    Usage,
)
from voice_gateway.ports import Finish, ModelPiece, Retracted, Services
from voice_gateway.speaking.clauses import Clauses, GoesOn, fitting
from voice_gateway.speaking.heard import Ledger
from voice_gateway.speaking.hidden import CodeBlocks
from voice_gateway.speaking.language_tool import (
    NAME,
    LanguageChange,
    language_tool,
    told,
    wanted,
)
from voice_gateway.speaking.outbox import Outbox
from voice_gateway.speaking.trim import Trim, TrimEnd

log = logging.getLogger(__name__)

_CLAUSES_AHEAD = 8  # how far the model may run ahead of the voice
_MESSAGE_S = 0.1  # audio in one message: small enough to stop quickly, large enough to be cheap
_CLAUSE_GAP_S = 0.1  # silence left between two clauses, so that they do not run together
_NO_TEXT: dict[Incomplete, str] = {
    "": "the model answered without any text",
    "max_output_tokens": "the model had used up its tokens before it answered with any text",
    "content_filter": "the model's filter withheld the answer",
}
_MOST_END_S = 1.0  # silence taken off the end of a clause whose sentence goes on
_RETRY_WAIT_S = 0.25  # a connection that broke is dialled again by then


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How replies are spoken."""

    normalise: bool = True
    """Write numbers and symbols out as words, where the language's rules are known."""
    normalise_in: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """The same for single languages, by their tags."""
    min_words: int = 1
    """Fewest words given to the voice at once, unless the reply has fewer."""
    trim_s: float = 0.0
    """Most silence taken off the start of a clause's audio; 0: none is taken off its end either."""
    voice_timeout_s: float = 10.0
    """How long a clause's first audio may take, over all tries."""

    def normalises(self, language: str) -> bool:
        """Whether the gateway writes numbers out in this language, and not its voice."""
        return self.normalise_in.get(language, self.normalise)


@dataclass(frozen=True, slots=True)
class _Clause:
    written: str
    """What the conversation remembers."""
    spoken: str
    """What the voice is given: numbers are words, unless the voice reads them by itself."""
    said: str
    """The words that the voice says."""
    goes_on: bool
    """The sentence goes on after it, without a mark between."""
    config: CallConfig
    """The language and the voice that it is said in."""


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
        language_change: LanguageChange | None = None,
    ) -> None:
        self.number = number
        self.ledger = Ledger(config.rate_hz, config.language)
        self.moments = moments
        self._services = services
        self._config = config
        """The config that the text is written with; a clause of it is said with that text's own."""
        self._saying = config
        self._language_change = language_change
        self._may_change = False
        """The model was offered the tool that changes the language."""
        self._change_asked: ToolCall | None = None
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
        self._unsaid: ServiceError | None = None
        """Why a clause has no audio, where the voice gave none for it."""
        self._announced = False
        self._apology = ""

    async def run(
        self, answers: Sequence[Message] | str, on_audio: Callable[[], None]
    ) -> ServiceError | None:
        """Make the reply and wait until all of it was sent; return what stopped it, if anything.

        `answers` is the history to answer, or a text to say as it is. `on_audio` is called right
        before the first audio.
        """
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(answers), name=f"write-{self.number}")
            fault = await self._speak(on_audio)
            if fault:
                writing.cancel()
        if self._made_s or self.calls or not self._config.spoken:
            await self._outbox.drained()  # a draft does not end before its release
        if fault or writing.cancelled():
            return fault
        return writing.result() or self._unsaid or self._silent()

    async def apologise(self, on_audio: Callable[[], None]) -> None:
        """Say that the reply failed, after what was said of it, and wait until that was sent.

        The client is shown the words; they are no part of the answer, whose memory has none.
        """
        apologies = self._services.apologies
        text = apologies.text(self._config.language) if apologies else ""
        # A program that got tool calls has the next word.
        if not apologies or not text or not self._config.spoken or self.calls:
            return
        try:
            audio = await apologies.audio(self._config)
        except ServiceError as fault:
            log.warning("call %s: no apology: %s", self._config.call_id, fault.text)
            return
        self._apology = text
        self._outbox.post(ReplyText(self.number, f" {text}" if self._shown else text, apology=True))
        for piece in filter(None, pcm.pieces(audio, _MESSAGE_S, self._config.rate_hz)):
            await self._send(piece, on_audio)
        await self._outbox.drained()

    def sounding(self, sent_s: float) -> str:
        """The words that the caller's loudspeaker has got when `sent_s` of the reply were sent."""
        said = self.ledger.heard(sent_s)
        return f"{said} {self._apology}" if self._apology else said

    def _silent(self) -> ServiceError | None:
        if self._made_s or not self._shown or not self._config.spoken:
            return None
        return Empty("tts", "the voice answered without any audio")

    @property
    def language(self) -> str:
        """The language that the reply is in now."""
        return self._config.language

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
        config, tool = self._config, self._tool()
        self._may_change = self._may_change or tool is not None
        tools = (*config.asking.tools, *([tool] if tool else []))
        return self._services.model.complete(
            answers,
            system_prompt=config.system_prompt,
            asking=replace(config.asking, spoken=config.spoken, tools=tools),
        )

    def _tool(self) -> Tool | None:
        """The tool that changes the language, once in a reply."""
        change = None if self._change_asked else self._language_change
        return language_tool(self._config, change.offered(self._config)) if change else None

    async def _write(self, answers: Sequence[Message] | str) -> ServiceError | None:
        """Pass the model's text on; where it changes the language, it goes on in the new one."""
        about = None if isinstance(answers, str) else self._config.asking.about
        answers = answers if about is None else about
        fault = await self._pass_on(self._text(answers))
        more = () if fault or self.calls else await self._change_language()
        if more and not isinstance(answers, str):
            fault = await self._pass_on(self._text((*answers, *more)))
        await self._clauses.put(None)
        if not self._shown and not self.calls and not fault:
            fault = Empty("llm", _NO_TEXT[self.incomplete])
        return fault

    async def _change_language(self) -> Sequence[Message]:
        """Change the language that was asked for, once the turn is certain.

        Return what the model is told of it; nothing where it asked for none.
        """
        call = self._change_asked
        if not (call and self._language_change and await self._outbox.released(self.number)):
            return ()
        tag = wanted(call, self._language_change.offered(self._config))
        output = "There is no such language. Say so."
        if tag:
            try:
                self._config = self._language_change.to(self._config, tag)
                output = f"The call is in {tag} now. Answer in it."
            except ServiceError as fault:
                output = f"{fault.sentence} Say so."
        return told(call, self._written, output)

    async def _pass_on(self, answer: AsyncGenerator[ModelPiece, None]) -> ServiceError | None:
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
        return fault

    def _take(self, piece: str | ToolCall | Usage | Finish) -> str:
        """Return the piece's text, if it has any; report a tool call to the caller."""
        match piece:
            case str():
                self.pieces += 1
                return piece
            case ToolCall() if piece.name == NAME and self._may_change:
                self._change_asked = self._change_asked or piece
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
        normalises = self._options.normalises(self._config.language)
        spoken = said if normalises else written
        too_short = len(spoken.split()) < self._options.min_words
        spoken = f"{spoken}." if too_short and spoken[-1].isalnum() else spoken
        return _Clause(written, spoken, said, isinstance(text, GoesOn), self._config)

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
        self._saying = clause.config
        self.ledger.speaks(clause.config.language)
        self.ledger.begin(clause.written, clause.said)
        texts = fitting(clause.spoken)
        for n, text in enumerate(texts, 1):
            self.ledger.say(self._said(text))
            try:
                goes_on = clause.goes_on or n < len(texts)
                await self._speak_text(text, on_audio, goes_on=goes_on)
            except Empty as fault:
                self._unsaid = fault  # what comes after it is spoken all the same
            self.ledger.end()

    def _said(self, text: str) -> str:
        """The words the voice says for this text, even if it reads numbers by itself."""
        language = self._saying.language
        return text if self._options.normalises(language) else speakable(text, language)

    async def _speak_text(self, text: str, on_audio: Callable[[], None], *, goes_on: bool) -> None:
        """Have the voice say a text; where it fails before any of that was sent, once more."""
        began, before_s = self._clock(), self._made_s
        fault = await _fault_of(self._try_text(text, on_audio, goes_on=goes_on))
        if fault is None:
            return
        waited_s = 0.0 if self._made_s > before_s else self._clock() - began
        left_s = self._options.voice_timeout_s - waited_s - _RETRY_WAIT_S
        hopeless = isinstance(fault, Rejected) or left_s <= 0.0
        if hopeless or not self._outbox.take_back(before_s):
            raise fault
        log.info("call %s: the voice is asked again: %s", self._config.call_id, fault.text)
        self._forget_audio(before_s)
        await asyncio.sleep(_RETRY_WAIT_S)
        try:
            async with asyncio.timeout(left_s) as first_audio:
                await self._try_text(text, on_audio, goes_on=goes_on, limit=first_audio)
        except TimeoutError:
            raise TimedOut("tts", f"no audio after a second try of {left_s:g} s") from None

    def _forget_audio(self, since_s: float) -> None:
        """Forget the audio of the latest text, which begins at `since_s` and was taken back."""
        self._made_s = since_s
        self.ledger.again()
        if not since_s:
            self.moments.first_audio = None

    async def _try_text(
        self,
        text: str,
        on_audio: Callable[[], None],
        *,
        goes_on: bool,
        limit: asyncio.Timeout | None = None,
    ) -> None:
        """Play the voice's audio of a text; its first audio lifts the limit."""
        rate_hz, before_s = self._config.rate_hz, self._made_s
        speech = self._services.voice.speak(
            text, language=self._saying.language, voice=self._saying.voice, rate_hz=rate_hz
        )
        whole = pcm.WholeSamples()  # it drops half a sample at the end of this text's audio
        trim = Trim(rate_hz, self._options.trim_s, _CLAUSE_GAP_S if self._made_s else 0.0)
        end = TrimEnd(rate_hz, _MOST_END_S if goes_on and self._options.trim_s else 0.0)
        async with aclosing(speech) as chunks:
            async for chunk in chunks:
                if limit and chunk.pcm:
                    limit.reschedule(None)
                audio = end.feed(trim.feed(whole.feed(chunk.pcm)))
                self.ledger.tell(chunk.words, trim.removed_s)
                await self._play(audio, on_audio)
        await self._play(end.feed(trim.flush()) + end.flush(), on_audio)
        self.ledger.trimmed(end.removed_s)
        if self._made_s == before_s:
            raise Empty("tts", "the voice gave no audio for a part of the reply")

    async def _play(self, audio: bytes, on_audio: Callable[[], None]) -> None:
        for piece in filter(None, pcm.pieces(audio, _MESSAGE_S, self._config.rate_hz)):
            if self.moments.first_audio is None:
                self.moments.first_audio = self._clock()
            self.ledger.add(piece)
            await self._send(piece, on_audio)

    async def _send(self, piece: bytes, on_audio: Callable[[], None]) -> None:
        if not self._announced:
            self._announced = True
            on_audio()
        await self._outbox.play(ReplyAudio(self.number, self._made_s, piece))
        self._made_s += pcm.seconds(piece, self._config.rate_hz)


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


async def _fault_of(trying: Coroutine[None, None, None]) -> ServiceError | None:
    try:
        await trying
    except ServiceError as fault:
        return fault
    return None
