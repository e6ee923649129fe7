"""Synthesises replies over Riva, with one `SynthesizeOnline` call per clause.

One text per call is the only form that every Riva understands: servers before 26.02 stream only
their answers, and drop a second text without an error.

Every call asks for word times (Riva 26.07 and later with Magpie 1.10 give them; older ones ignore
the field). If a server refuses, the text is requested again without word times, and so are later
texts of that voice. Times are milliseconds; they come late, with a call's last audio or every
hundred characters, and words may be split.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

import grpc.aio

from voice_gateway.adapters.pool import Listeners
from voice_gateway.adapters.riva_addresses import RivaAddresses, RivaLink, RivaStream
from voice_gateway.adapters.riva_link import RivaConnection, parameters
from voice_gateway.adapters.riva_proto import LINEAR_PCM
from voice_gateway.adapters.riva_proto import tts as pb
from voice_gateway.adapters.riva_proto import tts_grpc as pb_grpc
from voice_gateway.errors import Rejected, ServiceError, TimedOut, Unavailable
from voice_gateway.messages import Word
from voice_gateway.ports import VoiceAudio
from voice_gateway.whole_reads import Whole

log = logging.getLogger(__name__)

Voices = Mapping[str, tuple[str, ...]]

_CHECK_TIMEOUT_S = 3.0
_MOST_VOICES = 256  # a caller may name any, and a server may speak with all of them
_MOST_RATES = 64  # clients use a handful
# A server may answer a request for word times that it can't serve with one of these.
_REFUSAL_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}


class RivaVoice:
    """Implements `ports.Voice`."""

    def __init__(
        self,
        connection: RivaConnection,
        timeout_s: float,
        listeners: Listeners | None = None,
        codes: Mapping[str, str] | None = None,
    ) -> None:
        """`codes`: the server's own for languages that it knows by another than their tag."""
        self._riva = RivaAddresses(connection, pb_grpc.RivaSpeechSynthesisStub, listeners)
        self._timeout_s = timeout_s
        self._codes = codes or {}
        self._untimed = KnownVoices()
        """Languages and voices that the server speaks only without word times."""
        self._spoken = KnownVoices()
        """Languages and voices that the server has spoken."""
        self._timed = KnownVoices()
        """Languages and voices that the server has spoken when asked for word times."""
        self._rates_hz: set[int] = set()
        """Rates that the server has spoken at."""
        self.served: Voices = {}
        """The voices of each language at the last check."""

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        request = pb.SynthesizeSpeechRequest(
            text=text,
            language_code=self._codes.get(language) or language,
            encoding=LINEAR_PCM,
            sample_rate_hz=rate_hz,
            voice_name=voice,
        )
        request.enable_word_time_offsets = _voice_of(request) not in self._untimed
        with self._riva.stream() as riva:
            try:
                async with aclosing(self._responses(request, riva)) as responses:
                    async for response in responses:
                        riva.answered()
                        self._note_spoken(request)
                        yield VoiceAudio(response.audio, tuple(map(_word, response.meta.words)))
            except grpc.aio.AioRpcError as error:
                asked = f"config.voice_name {voice!r} for {language!r} at {rate_hz} Hz"
                fault = riva.connection.fault(error, asked)
                raise await self._explained(fault, request, riva) from None
            except TimeoutError:
                said = f"Riva TTS sent no audio for {self._timeout_s:g} s"
                raise TimedOut("tts", said) from None

    async def _responses(self, request: Any, riva: RivaStream) -> AsyncGenerator[Any, None]:
        """The server's responses; asks a second time, without word times, if it refuses."""
        refusal: grpc.aio.AioRpcError | None = None
        try:
            async with aclosing(self._answers(request, riva)) as responses:
                async for response in responses:
                    if request.enable_word_time_offsets:
                        self._timed.add(_voice_of(request))
                    yield response
        except grpc.aio.AioRpcError as error:
            requested = request.enable_word_time_offsets and _voice_of(request) not in self._timed
            if not requested or error.code() not in _REFUSAL_CODES:
                raise
            refusal = error
        if refusal:
            request.enable_word_time_offsets = False
            async with aclosing(self._answers(request, riva)) as responses:
                async for response in responses:
                    self._note_refusal(request, refusal)
                    yield response

    def _note_spoken(self, request: Any) -> None:
        self._spoken.add(_voice_of(request))
        if len(self._rates_hz) < _MOST_RATES:
            self._rates_hz.add(request.sample_rate_hz)

    def _note_refusal(self, request: Any, refusal: grpc.aio.AioRpcError) -> None:
        """Note that the server refused the word times, since it speaks without them."""
        if _voice_of(request) in self._untimed:
            return
        self._untimed.add(_voice_of(request))
        log.info(
            "voice %r for %s gives no word times (%s); what was heard of a reply is estimated",
            request.voice_name,
            request.language_code,
            refusal.details(),
        )

    async def _answers(self, request: Any, riva: RivaStream) -> AsyncGenerator[Any, None]:
        call = riva.stub.SynthesizeOnline(metadata=riva.connection.metadata())
        try:
            await self._ask(call, request)
            while (response := await self._read(call, riva)) is not grpc.aio.EOF:
                yield response
        finally:
            call.cancel()

    async def check(self) -> str:
        """Say which voices are served; raises ServiceError."""
        said = await self._riva.check(self._check)
        self.served = _together(self._riva.served)
        return said

    async def close(self) -> None:
        await self._riva.close()

    async def _check(self, link: RivaLink, stub: Any) -> str:
        link.served = await _voices(stub, link.connection)
        return f"voices {_names(link.served) or 'not said'}"

    async def _ask(self, call: Any, request: Any) -> None:
        async with asyncio.timeout(self._timeout_s):
            await call.write(request)
            await call.done_writing()

    async def _read(self, call: Any, riva: RivaStream) -> Any:
        async with asyncio.timeout(self._timeout_s) as limit:
            riva.waits(limit)
            return await Whole(call.read())

    async def _explained(self, fault: ServiceError, request: Any, riva: RivaStream) -> ServiceError:
        """The fault, as the server's own where it refuses what it served or says that it serves."""
        if not fault.retryable and _voice_of(request) in self._spoken:
            return Unavailable("tts", fault.text)
        if not isinstance(fault, Rejected):
            return fault
        try:
            voices = await _voices(riva.stub, riva.connection)
        except ServiceError:
            return fault
        if request.sample_rate_hz in self._rates_hz and _offers(voices, *_voice_of(request)):
            return Unavailable("tts", fault.text)
        available = f"; available: {_names(voices)}"
        return Rejected("tts", fault.text + available, fault.sentence + available)


async def _voices(stub: Any, connection: RivaConnection) -> Voices:
    request = pb.RivaSynthesisConfigRequest()
    try:
        response = await stub.GetRivaSynthesisConfig(
            request, metadata=connection.metadata(), timeout=_CHECK_TIMEOUT_S
        )
    except grpc.aio.AioRpcError as error:
        raise connection.fault(error, "the list of voices") from None
    return _voices_of(parameters(response))


class KnownVoices:
    """Languages and voices of which something is known; the oldest are forgotten."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], None] = {}

    def __contains__(self, voice: tuple[str, str]) -> bool:
        return voice in self._known

    def add(self, voice: tuple[str, str]) -> None:
        self._known[voice] = None
        if len(self._known) > _MOST_VOICES:
            del self._known[next(iter(self._known))]


def _voice_of(request: Any) -> tuple[str, str]:
    return request.language_code, request.voice_name


def _offers(voices: Voices, language: str, voice: str) -> bool:
    names = voices.get(language)
    return names is not None and (voice in names or not voice)


def _word(timing: Any) -> Word:
    return Word(timing.word, timing.start_time / 1000, timing.end_time / 1000)


def _voices_of(models: Iterable[dict[str, str]]) -> Voices:
    """The voices of each language; a model may name several languages, with commas."""
    voices: dict[str, set[str]] = {}
    for model in models:
        for language in model.get("language_code", "").split(","):
            voices.setdefault(language, set()).update(_voice_names(model))
    return {language: tuple(sorted(names)) for language, names in sorted(voices.items())}


def _together(served: Iterable[Voices]) -> Voices:
    """The voices of each language at any of the addresses."""
    voices: dict[str, set[str]] = {}
    for language, names in (pair for each in served for pair in each.items()):
        voices.setdefault(language, set()).update(names)
    return {language: tuple(sorted(names)) for language, names in sorted(voices.items())}


def _names(voices: Voices) -> str:
    return ", ".join(sorted({name for names in voices.values() for name in names}))


def _voice_names(parameters: dict[str, str]) -> list[str]:
    """A voice's full names: `subvoices` is "Name:id,Name:id", and each is used as voice.Name."""
    voice, subvoices = parameters.get("voice_name", ""), parameters.get("subvoices", "")
    names = [part.partition(":")[0] for part in subvoices.split(",") if part]
    return [f"{voice}.{name}" for name in names] or ([voice] if voice else [])
