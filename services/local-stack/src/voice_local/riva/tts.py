"""Riva's synthesis service over gRPC: streamed speech, whole speech, and the list of voices."""
# ruff: noqa: N802 - the methods bear the names of the RPCs

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from grpc import StatusCode, aio

from voice_local.bench import Bench
from voice_local.engines import Word
from voice_local.riva import tts_wire
from voice_local.riva.refusal import Admission, Call, RefusedError, answering
from voice_local.riva.speaking import CheckedText, Speaking, check

WHOLE_LIMIT_BYTES = 4_000_000
"""A whole answer has to fit gRPC's usual limit of 4 MiB on the client's side."""


@dataclass(frozen=True, slots=True)
class TtsLimits:
    calls: int = 64
    """Synthesis calls at a time."""
    idle_s: float = 300.0
    """How long a stream may stay open between texts."""


class Synthesis:
    """The servicer of nvidia.riva.tts.RivaSpeechSynthesis."""

    def __init__(self, bench: Bench, limits: TtsLimits) -> None:
        self._bench = bench
        self._limits = limits
        self._admission = Admission("synthesis", limits.calls)

    async def SynthesizeOnline(self, _requests: object, context: Call) -> None:
        async with answering(context):
            with self._admission.admit():
                accepted = False
                while (request := await self._next(context)) is not aio.EOF:
                    asked = check(tts_wire.read_wish(request), self._bench.voice)
                    if not accepted:
                        await context.send_initial_metadata(())
                    accepted = True
                    await self._speak(asked, tts_wire.request_id(request), context)

    async def Synthesize(self, request: Any, context: Call) -> Any:
        response = None
        async with answering(context):
            with self._admission.admit():
                response = await self._speak_whole(request)
        return response

    async def GetRivaSynthesisConfig(self, request: Any, context: Call) -> Any:
        voice = self._bench.voice
        async with answering(context):
            wanted = tts_wire.asked_for_model(request)
            if wanted and wanted != voice.name:
                raise RefusedError(
                    f"Error: Model {wanted} is not available on server; available: {voice.name}",
                    StatusCode.NOT_FOUND,
                )
        return tts_wire.write_models(voice)

    async def _next(self, context: Call) -> Any:
        try:
            async with asyncio.timeout(self._limits.idle_s):
                return await context.read()
        except TimeoutError:
            raise RefusedError(
                f"Error: no text within {self._limits.idle_s:g} s", StatusCode.DEADLINE_EXCEEDED
            ) from None

    async def _speak(self, asked: CheckedText, request_id: str, context: Call) -> None:
        """Answer one text: `meta.text` comes with its first audio."""
        speaking = Speaking(asked, self._bench)
        untold = asked
        async with aclosing(speaking.chunks()) as chunks:
            async for chunk in chunks:
                answer = tts_wire.write_audio(chunk.audio, request_id, untold, chunk.words)
                await context.write(answer)
                untold = None

    async def _speak_whole(self, request: Any) -> Any:
        asked = check(tts_wire.read_wish(request), self._bench.voice)
        speaking = Speaking(asked, self._bench)
        audio, words = bytearray(), list[Word]()
        async with aclosing(speaking.chunks()) as chunks:
            async for chunk in chunks:
                audio += chunk.audio
                words += chunk.words
                if len(audio) > WHOLE_LIMIT_BYTES:
                    raise RefusedError(
                        f"Error: the audio of text exceeds {WHOLE_LIMIT_BYTES} bytes; "
                        "use SynthesizeOnline, a shorter text or a lower sample_rate_hz"
                    )
        return tts_wire.write_audio(bytes(audio), tts_wire.request_id(request), asked, words)
