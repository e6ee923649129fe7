"""Recognises the caller's audio over Riva's streaming recognition."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from voice_gateway.adapters.pool import Listeners
from voice_gateway.adapters.riva_addresses import RivaAddresses, RivaLink, RivaStream
from voice_gateway.adapters.riva_link import RivaConnection, parameters
from voice_gateway.adapters.riva_progress import Inserted, Progress
from voice_gateway.adapters.riva_proto import LINEAR_PCM
from voice_gateway.adapters.riva_proto import asr as pb
from voice_gateway.adapters.riva_proto import asr_grpc as pb_grpc
from voice_gateway.audio import pcm
from voice_gateway.audio.resample import Resampler
from voice_gateway.errors import Rejected, ServiceError, TimedOut, Unavailable
from voice_gateway.messages import Transcript, Word
from voice_gateway.ports import CallerAudioPiece, CallerAudioStream
from voice_gateway.whole_reads import Whole

_MESSAGE_S = 0.8  # audio in one message
_KEEPALIVE_SILENCE_S = 0.2
_ANSWER_DUE_S = 2.0  # unanswered audio that starts the timeout: speech before a first result
_NEXT_ANSWER_DUE_S = 1.0  # the same of a server that answers all audio; Riva does every 0.16 s
_CONFIG_ANSWER_S = 0.1  # some servers say at once that they accept the config
_FORCED_END_SILENCE_S = 0.02  # sent with the request, as the effect of an empty one is undocumented
_FORCE_END = {"force_eou": "true"}
_CHECK_TIMEOUT_S = 3.0
_TIMEOUTS_TO_DIAL = 2  # timeouts in a row after which the connection is taken for dead


@dataclass(frozen=True, slots=True)
class RecognisedLanguage:
    """How Riva is asked for one language."""

    code: str = ""
    """Riva's code for it; empty: its tag."""
    model: str = ""
    rate_hz: int = 0
    """The rate that it is recognised at; 0: the call's."""


@dataclass(frozen=True, slots=True)
class RecogniserOptions:
    """How Riva is asked to recognise."""

    languages: Mapping[str, RecognisedLanguage] = field(
        default_factory=dict[str, RecognisedLanguage]
    )
    """By tag; a language that is not there is asked for by its tag, with `model`."""
    model: str = ""
    punctuation: bool = True
    stop_history_ms: int = 480
    """Silence that ends an utterance; 0: Riva's own default."""
    stop_history_eou_ms: int = 0
    force_eou: bool = True
    """Whether to ask for a final when the gateway takes the turn to be over."""
    timeout_s: float = 10.0
    """Longest wait for an answer; 0: no limit."""
    keepalive_s: float = 20.0

    def language(self, tag: str, rate_hz: int) -> RecognisedLanguage:
        """How a language is asked for in a call that is heard at this rate."""
        found = self.languages.get(tag, RecognisedLanguage(tag, self.model))
        return RecognisedLanguage(found.code or tag, found.model, found.rate_hz or rate_hz)


class RivaRecogniser:
    """Implements `ports.Recogniser`."""

    def __init__(
        self,
        connection: RivaConnection,
        options: RecogniserOptions,
        listeners: Listeners | None = None,
    ) -> None:
        self._riva = RivaAddresses(connection, pb_grpc.RivaSpeechRecognitionStub, listeners)
        self._options = options
        self._answers_silence = False
        self.served: tuple[str, ...] = ()
        """The languages that Riva recognised at the last check."""

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        with self._riva.stream() as riva:
            await self._listen(riva, caller_audio, language, rate_hz, on_transcript)

    async def _listen(
        self,
        riva: RivaStream,
        caller_audio: CallerAudioStream,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        call = riva.stub.StreamingRecognize(metadata=riva.connection.metadata())
        asked_for = self._options.language(language, rate_hz)
        resampler = Resampler(rate_hz, asked_for.rate_hz)
        stream = _RecognitionStream(
            call, self._options, asked_for.rate_hz, caller_audio, riva, resampler
        )
        stream.answers_silence = self._answers_silence
        try:
            async with asyncio.TaskGroup() as tasks:
                config = _config(self._options, asked_for)
                sending = tasks.create_task(stream.send(config), name="asr-send")
                accepting = tasks.create_task(stream.accept(), name="asr-accept")
                asked = f"{asked_for.code!r} at {asked_for.rate_hz} Hz"
                fault = await self._read(stream, on_transcript, riva.connection, asked)
                sending.cancel()
                accepting.cancel()
        finally:
            call.cancel()
            self._answers_silence = stream.answers_silence
        if isinstance(fault, Rejected):
            available = await _available(riva)
            raise Rejected("asr", fault.text + available, fault.sentence + available)
        if fault:
            raise fault

    async def check(self) -> str:
        """Say which languages are served; raises ServiceError."""
        said = await self._riva.check(_check)
        self.served = tuple(sorted({language for each in self._riva.served for language in each}))
        return said

    async def close(self) -> None:
        await self._riva.close()

    async def _read(
        self,
        stream: "_RecognitionStream",
        on_transcript: Callable[[Transcript], None],
        connection: RivaConnection,
        asked: str,
    ) -> ServiceError | None:
        try:
            await stream.read(on_transcript)
        except grpc.aio.AioRpcError as error:
            fault = connection.fault(error, asked)
            # A stream that was accepted was asked for rightly, whatever it ends with.
            its_own = stream.accepted and not fault.retryable
            return Unavailable("asr", fault.text) if its_own else fault
        except TimeoutError:
            return TimedOut("asr", f"Riva ASR did not answer for {self._options.timeout_s:g} s")
        if stream.half_closed:
            return None
        return Unavailable("asr", "Riva ASR ended the stream in mid-call")


async def _check(link: RivaLink, stub: Any) -> str:
    link.served = tuple(await _languages(stub, link.connection))
    return f"languages {', '.join(link.served) or 'not said'}"


async def _languages(stub: Any, connection: RivaConnection) -> list[str]:
    request = pb.RivaSpeechRecognitionConfigRequest()
    try:
        response = await stub.GetRivaSpeechRecognitionConfig(
            request, metadata=connection.metadata(), timeout=_CHECK_TIMEOUT_S
        )
    except grpc.aio.AioRpcError as error:
        raise connection.fault(error, "the list of models") from None
    named = [p["language_code"] for p in parameters(response) if "language_code" in p]
    return sorted({language for names in named for language in names.split(",")})


async def _available(riva: RivaStream) -> str:
    try:
        return f"; available: {', '.join(await _languages(riva.stub, riva.connection))}"
    except ServiceError:
        return ""  # the refusal is reported without the list


class _RecognitionStream:
    """One streaming call: sends audio, reads transcripts, and times out unanswered audio."""

    def __init__(
        self,
        call: Any,
        options: RecogniserOptions,
        rate_hz: int,
        caller_audio: CallerAudioStream,
        riva: RivaStream,
        resampler: Resampler,
    ) -> None:
        self._call = call
        self._resampler = resampler
        self._options = options
        self._rate_hz = rate_hz
        self._caller_audio = caller_audio
        self._riva = riva
        self._timeout = asyncio.timeout(None)
        self._unanswered_s = 0.0
        self._sent_s = 0.0
        self._inserted = Inserted()
        self._progress = Progress()
        self.answers_silence = False
        """Whether the server answers all audio, so that no answer means that it hangs."""
        self.half_closed = False
        self._metadata = asyncio.Event()
        self._metadata_at = 0.0
        self._answered = False

    @property
    def accepted(self) -> bool:
        """Whether the server took the config: it answered, or let the stream live."""
        lived_s = asyncio.get_running_loop().time() - self._metadata_at
        return self._answered or (self._metadata.is_set() and lived_s > _CONFIG_ANSWER_S)

    async def accept(self) -> None:
        """Note when the server's metadata comes; a refusal comes with it, or right after it."""
        await self._call.initial_metadata()
        self._metadata_at = asyncio.get_running_loop().time()
        self._metadata.set()

    async def send(self, config: Any) -> None:
        """Send all of the caller audio; if the call breaks, `read` raises the error."""
        try:
            await self._call.write(pb.StreamingRecognizeRequest(streaming_config=config))
            await self._config_answered()
            while (piece := await self._next()) is not None:
                await self._send(piece)
            self.half_closed = True
            self._expect(due=True)
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass

    async def read(self, on_transcript: Callable[[Transcript], None]) -> None:
        """Read until the end; raises AioRpcError, or TimeoutError if audio stays unanswered."""
        async with self._timeout:
            while (response := await Whole(self._call.read())) is not grpc.aio.EOF:
                self._answered = True
                self._riva.answered()
                self._unanswered_s = 0.0
                self._expect(due=self.half_closed)
                self._note_progress(response)
                for result in response.results:
                    if transcript := self._transcript(result):
                        on_transcript(transcript)

    def _note_progress(self, response: Any) -> None:
        """Tell how far the response reaches; one without any alternative answers silence."""
        worded = any(result.alternatives for result in response.results)
        self.answers_silence = self.answers_silence or not worded
        stream_s = self._progress.take(response, self._sent_s, answers_silence=self.answers_silence)
        until_s = None if stream_s is None else self._inserted.caller_s(stream_s)
        self._caller_audio.recognised(until_s)

    async def _config_answered(self) -> None:
        # gRPC may lose a refusal that comes while the client is writing (grpc issue 36066).
        try:
            async with asyncio.timeout(_CONFIG_ANSWER_S):
                await self._metadata.wait()
        except TimeoutError:
            pass

    async def _next(self) -> CallerAudioPiece | None:
        while True:
            try:
                async with asyncio.timeout(self._options.keepalive_s):
                    return await self._caller_audio.take()
            except TimeoutError:
                await self._insert(_KEEPALIVE_SILENCE_S)

    async def _send(self, piece: CallerAudioPiece) -> None:
        # A server that answers nothing in silence is not taken for dead; one that did answer, is.
        due = piece.voiced or self.answers_silence
        samples = self._resampler.feed(piece.pcm)
        for chunk in pcm.pieces(samples, _MESSAGE_S, self._rate_hz):
            if chunk:
                await self._write(pb.StreamingRecognizeRequest(audio_content=chunk), due=due)
        if piece.ends_utterance:
            # Servers that know force_eou end the utterance at once; for others the silence ends it.
            stop_s = (self._options.stop_history_ms or 800) / 1000
            await self._insert(stop_s + 0.32, due=due, runtime_config=_FORCE_END)
        elif piece.asks_final and self._options.force_eou:
            await self._insert(_FORCED_END_SILENCE_S, runtime_config=_FORCE_END)

    async def _insert(self, duration_s: float, *, due: bool = False, **options: Any) -> None:
        """Send silence that the caller never sent; word times are corrected for it."""
        self._inserted.add(self._sent_s, duration_s)
        quiet = pcm.silence(duration_s, self._rate_hz)
        request = pb.StreamingRecognizeRequest(audio_content=quiet, **options)
        await self._write(request, due=due or self.answers_silence)

    async def _write(self, request: Any, *, due: bool) -> None:
        """Send audio; `due`: it starts the timeout for an answer, where there is enough of it."""
        length_s = pcm.seconds(request.audio_content, self._rate_hz)
        self._sent_s += length_s
        self._unanswered_s += length_s if due else 0.0
        due_s = _NEXT_ANSWER_DUE_S if self.answers_silence else _ANSWER_DUE_S
        if self._unanswered_s >= due_s and self._timeout.when() is None:
            self._expect(due=True)
        await self._call.write(request)

    def _expect(self, *, due: bool) -> None:
        """Start the timeout for an answer from now on, or stop it."""
        if self._timeout.expired():
            return
        now = asyncio.get_running_loop().time()
        waits = due and self._options.timeout_s > 0
        self._timeout.reschedule(now + self._options.timeout_s if waits else None)
        if due:
            self._riva.waits(self._timeout)

    def _transcript(self, result: Any) -> Transcript | None:
        if not result.alternatives:
            return None
        best = result.alternatives[0]
        return Transcript(
            best.transcript.strip(),
            result.is_final,
            result.stability,
            tuple(self._words(best)),
            language=next(iter(best.language_code), ""),
        )

    def _words(self, alternative: Any) -> Iterator[Word]:
        caller_s = self._inserted.caller_s
        for word in alternative.words:
            yield Word(word.word, caller_s(word.start_time / 1000), caller_s(word.end_time / 1000))


def _config(options: RecogniserOptions, language: RecognisedLanguage) -> Any:
    config = pb.RecognitionConfig(
        encoding=LINEAR_PCM,
        sample_rate_hertz=language.rate_hz,
        language_code=language.code,
        model=language.model,
        max_alternatives=1,
        audio_channel_count=1,
        enable_automatic_punctuation=options.punctuation,
        enable_word_time_offsets=True,
    )
    if options.stop_history_ms:
        config.endpointing_config.stop_history = options.stop_history_ms
    if options.stop_history_eou_ms:
        config.endpointing_config.stop_history_eou = options.stop_history_eou_ms
    return pb.StreamingRecognitionConfig(config=config, interim_results=True)
