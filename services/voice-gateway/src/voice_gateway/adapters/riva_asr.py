"""Speech to words over Riva's streaming recognition."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc.aio

from voice_gateway.adapters.riva_link import RivaLine, parameters
from voice_gateway.adapters.riva_proto import LINEAR_PCM
from voice_gateway.adapters.riva_proto import asr as pb
from voice_gateway.adapters.riva_proto import asr_grpc as pb_grpc
from voice_gateway.audio import pcm
from voice_gateway.errors import Rejected, ServiceError, TimedOut, Unavailable
from voice_gateway.messages import Transcript, Word
from voice_gateway.ports import CallerAudioPiece, CallerAudioStream

_PIECE_S = 0.8  # audio in one message
_SILENCE_S = 0.2  # in one keepalive
_ANSWER_DUE_S = 2.0  # audio without an answer after which the clock runs; Riva answers each 0.16 s
_ACCEPTED_S = 0.1  # some servers say at once that they took the config; none must
_BREATH_S = 0.02  # some audio must come with a request: what an empty one does is not documented
_FORCE_END = {"force_eou": "true"}
_CHECK_S = 3.0


@dataclass(frozen=True, slots=True)
class RecogniserOptions:
    """How Riva is asked to listen."""

    model: str = ""
    punctuation: bool = True
    stop_history_ms: int = 480
    """Silence that ends an utterance; 0 leaves Riva's own."""
    stop_history_eou_ms: int = 0
    force_eou: bool = True
    """Ask for final words when the gateway takes the turn to be over."""
    timeout_s: float = 10.0
    """Longest wait for an answer; 0 for ever."""
    keepalive_s: float = 20.0


class RivaRecogniser:
    """Implements `ports.Recogniser`."""

    def __init__(self, line: RivaLine, rules: RecogniserOptions) -> None:
        self._line = line
        self._rules = rules
        self._channel = line.open()
        self._stub = pb_grpc.RivaSpeechRecognitionStub(self._channel)
        self.served: tuple[str, ...] = ()
        """The languages it recognises, when last asked."""

    async def listen(
        self,
        speech: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        call = self._stub.StreamingRecognize(metadata=self._line.metadata())
        hearing = _Hearing(call, self._rules, rate_hz)
        try:
            async with asyncio.TaskGroup() as tasks:
                config = _config(self._rules, language, rate_hz)
                sending = tasks.create_task(hearing.send(config, speech), name="asr-send")
                fault = await self._read(hearing, on_transcript, f"{language!r} at {rate_hz} Hz")
                sending.cancel()
        finally:
            call.cancel()
        if isinstance(fault, Rejected):
            raise Rejected("asr", fault.text + await self._choice())
        if fault:
            raise fault

    async def check(self) -> str:
        """Say which languages are served; raises ServiceError."""
        self.served = tuple(await self._languages())
        return f"languages {', '.join(self.served) or 'not said'}"

    async def close(self) -> None:
        await self._channel.close()

    async def _read(
        self, hearing: "_Hearing", on_transcript: Callable[[Transcript], None], asked: str
    ) -> ServiceError | None:
        try:
            await hearing.read(on_transcript)
        except grpc.aio.AioRpcError as error:
            return self._line.fault(error, asked)
        except TimeoutError:
            return TimedOut("asr", f"Riva ASR did not answer for {self._rules.timeout_s:g} s")
        if hearing.half_closed:
            return None
        return Unavailable("asr", "Riva ASR ended the stream in mid-call")

    async def _languages(self) -> list[str]:
        request = pb.RivaSpeechRecognitionConfigRequest()
        try:
            response = await self._stub.GetRivaSpeechRecognitionConfig(
                request, metadata=self._line.metadata(), timeout=_CHECK_S
            )
        except grpc.aio.AioRpcError as error:
            raise self._line.fault(error, "the list of models") from None
        named = [p["language_code"] for p in parameters(response) if "language_code" in p]
        return sorted({language for names in named for language in names.split(",")})

    async def _choice(self) -> str:
        try:
            return f"; available: {', '.join(await self._languages())}"
        except ServiceError:
            return ""  # the refusal itself says enough


class _Hearing:
    """One streaming call: what was sent, and what it is still to answer."""

    def __init__(self, call: Any, rules: RecogniserOptions, rate_hz: int) -> None:
        self._call = call
        self._rules = rules
        self._rate_hz = rate_hz
        self._patience = asyncio.timeout(None)
        self._unanswered_s = 0.0
        self._sent_s = 0.0
        self._inserted: list[tuple[float, float]] = []
        self.half_closed = False

    async def send(self, config: Any, speech: CallerAudioStream) -> None:
        """Send all of `speech`; where the call breaks, its reader knows why."""
        try:
            await self._call.write(pb.StreamingRecognizeRequest(streaming_config=config))
            await self._accepted()
            while (spoken := await self._next(speech)) is not None:
                await self._send(spoken)
            self.half_closed = True
            self._expect(due=True)
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass

    async def read(self, on_transcript: Callable[[Transcript], None]) -> None:
        """Raises AioRpcError, or TimeoutError where audio stays without an answer."""
        async with self._patience:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._unanswered_s = 0.0
                self._expect(due=self.half_closed)
                for result in response.results:
                    if heard := self._heard(result):
                        on_transcript(heard)

    async def _accepted(self) -> None:
        # A refusal that meets a client in full flow may be lost (grpc issue 36066): wait for it.
        try:
            async with asyncio.timeout(_ACCEPTED_S):
                await self._call.initial_metadata()
        except TimeoutError:
            pass

    async def _next(self, speech: CallerAudioStream) -> CallerAudioPiece | None:
        while True:
            try:
                async with asyncio.timeout(self._rules.keepalive_s):
                    return await speech.take()
            except TimeoutError:
                await self._insert(_SILENCE_S)

    async def _send(self, spoken: CallerAudioPiece) -> None:
        for piece in pcm.pieces(spoken.pcm, _PIECE_S, self._rate_hz):
            if piece:
                await self._write(pb.StreamingRecognizeRequest(audio_content=piece))
        if spoken.ends_utterance:
            # Servers that know force_eou end the utterance here; the silence ends it for the rest.
            stop_s = (self._rules.stop_history_ms or 800) / 1000
            await self._insert(stop_s + 0.32, runtime_config=_FORCE_END)
        elif spoken.asks_final and self._rules.force_eou:
            await self._insert(_BREATH_S, runtime_config=_FORCE_END)

    async def _insert(self, duration_s: float, **options: Any) -> None:
        """Send silence that the caller never sent; word times are corrected for it."""
        self._inserted.append((self._sent_s, duration_s))
        quiet = pcm.silence(duration_s, self._rate_hz)
        await self._write(pb.StreamingRecognizeRequest(audio_content=quiet, **options))

    async def _write(self, request: Any) -> None:
        length_s = pcm.seconds(request.audio_content, self._rate_hz)
        self._sent_s += length_s
        self._unanswered_s += length_s
        if self._unanswered_s >= _ANSWER_DUE_S and self._patience.when() is None:
            self._expect(due=True)
        await self._call.write(request)

    def _expect(self, *, due: bool) -> None:
        """An answer is due from now on, or none is."""
        if self._patience.expired():
            return
        now = asyncio.get_running_loop().time()
        waits = due and self._rules.timeout_s > 0
        self._patience.reschedule(now + self._rules.timeout_s if waits else None)

    def _heard(self, result: Any) -> Transcript | None:
        if not result.alternatives:
            return None
        best = result.alternatives[0]
        return Transcript(
            best.transcript.strip(), result.is_final, result.stability, tuple(self._words(best))
        )

    def _words(self, alternative: Any) -> Iterator[Word]:
        for word in alternative.words:
            yield Word(
                word.word,
                self._caller_s(word.start_time / 1000),
                self._caller_s(word.end_time / 1000),
            )

    def _caller_s(self, riva_s: float) -> float:
        """Where in the caller's own audio this position of the stream is."""
        extra = (min(length, max(0.0, riva_s - at)) for at, length in self._inserted)
        return riva_s - sum(extra)


def _config(rules: RecogniserOptions, language: str, rate_hz: int) -> Any:
    config = pb.RecognitionConfig(
        encoding=LINEAR_PCM,
        sample_rate_hertz=rate_hz,
        language_code=language,
        model=rules.model,
        max_alternatives=1,
        audio_channel_count=1,
        enable_automatic_punctuation=rules.punctuation,
        enable_word_time_offsets=True,
    )
    if rules.stop_history_ms:
        config.endpointing_config.stop_history = rules.stop_history_ms
    if rules.stop_history_eou_ms:
        config.endpointing_config.stop_history_eou = rules.stop_history_eou_ms
    return pb.StreamingRecognitionConfig(config=config, interim_results=True)
