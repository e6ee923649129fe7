"""Serves Riva's SynthesizeOnline from a script: audio that identifies its text, at a set pace."""
# ruff: noqa: N802  # the method names are gRPC's

import asyncio
import re
import sys
from array import array
from binascii import crc32
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import grpc
import grpc.aio
from riva.client.proto import riva_audio_pb2, riva_tts_pb2, riva_tts_pb2_grpc

from voice_gateway.testing.fake_faults import (
    DieAfter,
    FaultScript,
    Hang,
    Log,
    Refuse,
    RivaFault,
    fault_of,
)
from voice_gateway.testing.fake_riva_asr import metadata_of

_pb = cast(Any, riva_tts_pb2)  # riva ships no types
_pb_grpc = cast(Any, riva_tts_pb2_grpc)
_LINEAR_PCM = cast(Any, riva_audio_pb2).AudioEncoding.LINEAR_PCM

MAX_TEXT_CHARS = 2000
"""Riva's own limit on one request, after normalisation."""

WordTimes = Literal["early", "late", "never", "refused"]
"""When a call that asks for word times gets them: with its first audio, or after its last."""

_LANGUAGE = "en-US"
_VOICE = "Scripted"
_WORD = re.compile(r"\S+")
_RAMP = array("H", range(0x10000))
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 8_000, 48_000


@dataclass(slots=True)
class VoiceCall:
    """One text given to the voice; all times are the loop's."""

    ordinal: int
    text: str
    voice: str
    language: str
    rate_hz: int
    encoding: int
    timed: bool
    """Whether word times were asked for."""
    metadata: dict[str, str] = field(repr=False)
    started_at: float
    first_audio_at: float | None = None
    chunks_sent: int = 0
    bytes_sent: int = 0
    cancelled: bool = False
    ended_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def voice_pcm(text: str, seconds: float, rate_hz: int) -> bytes:
    """The audio of a text: a slow ramp, s16le mono, whose first sample is the text's checksum.

    Each sample is one more than the one before, so any two bytes tell the text and the position.
    """
    first = crc32(text.encode()) & 0xFFFF
    count = round(seconds * rate_hz)
    turns = (first + count) // len(_RAMP) + 1
    samples = (_RAMP * turns)[first : first + count]
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


@dataclass(slots=True)
class FakeVoice:
    """The servicer. Every attribute may be changed while it serves."""

    first_audio_s: float
    """From a text to its first audio."""
    real_time_factor: float
    """Seconds of work for one second of audio, after the first chunk."""
    audio_s_per_char: float
    """Seconds of audio for each character of a text."""
    chunk_s: float
    """Seconds of audio in one response."""
    languages: Collection[str]
    """The languages that are accepted; empty: any language."""
    voices: Collection[str]
    """The voices that are accepted, besides the empty name; empty: any voice."""
    fault: FaultScript
    word_times: WordTimes = "late"
    calls: Log[VoiceCall] = field(default_factory=Log[VoiceCall])

    def add_to(self, server: grpc.aio.Server) -> None:
        _pb_grpc.add_RivaSpeechSynthesisServicer_to_server(self, server)

    async def GetRivaSynthesisConfig(self, request: Any, context: Any) -> Any:
        response = _pb.RivaSynthesisConfigResponse()
        model = response.model_config.add(model_name="scripted-voice")
        # A language without a name stands for all that the server does not name.
        model.parameters["language_code"] = ",".join(self.languages or (_LANGUAGE, ""))
        model.parameters["voice_name"] = _VOICE
        subvoices = (f"{voice}:{ordinal}" for ordinal, voice in enumerate(self.voices))
        model.parameters["subvoices"] = ",".join(subvoices)
        return response

    async def SynthesizeOnline(self, _requests: Any, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            refusal = await self._speak(request, context)
            if refusal is not None:
                await context.abort(refusal.code, refusal.text)

    async def Synthesize(self, request: Any, context: Any) -> Any:
        whole = _Whole(context)
        refusal = await self._speak(request, whole)
        if refusal is not None:
            await context.abort(refusal.code, refusal.text)
        return _pb.SynthesizeSpeechResponse(audio=bytes(whole.audio), id=request.id)

    def duration_s(self, text: str) -> float:
        return len(text) * self.audio_s_per_char

    def pcm(self, text: str, rate_hz: int) -> bytes:
        """All of this text's audio."""
        return voice_pcm(text, self.duration_s(text), rate_hz)

    async def _speak(self, request: Any, context: Any) -> Refuse | None:
        call = _begin(request, context, len(self.calls.records))
        self.calls.add(call)
        try:
            return self._refusal(call) or await self._send(call, request, context)
        except asyncio.CancelledError:
            call.cancelled = True
            raise
        finally:
            call.ended_at = _now()
            call.ended.set()

    async def _send(self, call: VoiceCall, request: Any, context: Any) -> Refuse | None:
        pcm = self.pcm(call.text, call.rate_hz)
        step = round(self.chunk_s * call.rate_hz) * 2
        due_at = call.started_at + self.first_audio_s
        for start in range(0, len(pcm), step):
            await asyncio.sleep(due_at - _now())
            death = await self._stopped_by(call)
            if death is not None:
                return death
            response = _pb.SynthesizeSpeechResponse(audio=pcm[start : start + step], id=request.id)
            if start == 0 and self.word_times == "early":
                self._time(call, response)
            await context.write(response)
            _note_sent(call, len(pcm[start : start + step]))
            due_at += self.chunk_s * self.real_time_factor
        if call.timed and self.word_times == "late":
            await context.write(self._time(call, _pb.SynthesizeSpeechResponse(id=request.id)))
        return None

    def _time(self, call: VoiceCall, response: Any) -> Any:
        """Add the times of all words to a response, if the call asked for them."""
        for word in _WORD.finditer(call.text) if call.timed else ():
            start, end = (round(at * self.audio_s_per_char * 1000) for at in word.span())
            response.meta.words.add(word=word[0], start_time=start, end_time=end)
        return response

    async def _stopped_by(self, call: VoiceCall) -> Refuse | None:
        fault = self._fault(call)
        if isinstance(fault, Hang):
            await asyncio.Event().wait()
        if isinstance(fault, DieAfter) and call.chunks_sent >= fault.responses:
            return Refuse(fault.code, fault.text)
        return None

    def _refusal(self, call: VoiceCall) -> Refuse | None:
        fault = self._fault(call)
        if isinstance(fault, Refuse):
            return fault
        problem = self._problem(call)
        return Refuse(grpc.StatusCode.INVALID_ARGUMENT, problem) if problem else None

    def _problem(self, call: VoiceCall) -> str | None:
        if not _LOWEST_RATE_HZ <= call.rate_hz <= _HIGHEST_RATE_HZ:
            return "Invalid sample rate"
        if call.encoding not in (0, _LINEAR_PCM):
            return f"Error: encoding {call.encoding} is not supported"
        if call.timed and self.word_times == "refused":
            return "Error: word time offsets are not supported by this model"
        if not call.text.strip():
            return "Error: text is empty"
        if len(call.text) > MAX_TEXT_CHARS:
            return f"Error: text of {len(call.text)} characters exceeds {MAX_TEXT_CHARS}"
        known_language = not self.languages or call.language in self.languages
        voice = call.voice.removeprefix(f"{_VOICE}.")
        known_voice = not (self.voices and voice) or voice in self.voices
        if known_language and known_voice:
            return None
        return (
            f"Error: Model is not available on server: Voice {call.voice} for language"
            f" {call.language} not found. Please specify the voice name in your"
            " SynthesizeSpeechRequest."
        )

    def _fault(self, call: VoiceCall) -> RivaFault | None:
        return fault_of(self.fault, call.ordinal)


@dataclass(slots=True)
class _Whole:
    """Collects the chunks of a unary call."""

    context: Any
    audio: bytearray = field(default_factory=bytearray)

    def invocation_metadata(self) -> Any:
        return self.context.invocation_metadata()

    async def write(self, response: Any) -> None:
        self.audio += response.audio


def _begin(request: Any, context: Any, ordinal: int) -> VoiceCall:
    return VoiceCall(
        ordinal=ordinal,
        text=request.text,
        voice=request.voice_name,
        language=request.language_code,
        rate_hz=request.sample_rate_hz,
        encoding=request.encoding,
        timed=request.enable_word_time_offsets,
        metadata=metadata_of(context),
        started_at=_now(),
    )


def _note_sent(call: VoiceCall, size: int) -> None:
    call.first_audio_at = _now() if call.first_audio_at is None else call.first_audio_at
    call.chunks_sent += 1
    call.bytes_sent += size


def _now() -> float:
    return asyncio.get_running_loop().time()
