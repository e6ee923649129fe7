"""Text to speech over Riva: one `SynthesizeOnline` call per clause.

One text per call is the only form that every Riva understands: servers before 26.02 stream only
their answers, and drop a second text without an error.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc.aio

from voice_gateway.adapters.riva_link import RivaLine, parameters
from voice_gateway.adapters.riva_proto import LINEAR_PCM
from voice_gateway.adapters.riva_proto import tts as pb
from voice_gateway.adapters.riva_proto import tts_grpc as pb_grpc
from voice_gateway.errors import Rejected, ServiceError, TimedOut

_CHECK_S = 3.0


class RivaVoice:
    """Implements `ports.Voice`."""

    def __init__(self, line: RivaLine, timeout_s: float) -> None:
        self._line = line
        self._timeout_s = timeout_s
        self._channel = line.open()
        self._stub = pb_grpc.RivaSpeechSynthesisStub(self._channel)

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[bytes, None]:
        request = pb.SynthesizeSpeechRequest(
            text=text,
            language_code=language,
            encoding=LINEAR_PCM,
            sample_rate_hz=rate_hz,
            voice_name=voice,
        )
        call = self._stub.SynthesizeOnline(metadata=self._line.metadata())
        try:
            await self._ask(call, request)
            while (response := await self._read(call)) is not grpc.aio.EOF:
                yield response.audio
        except grpc.aio.AioRpcError as error:
            asked = f"config.voice_name {voice!r} for {language!r} at {rate_hz} Hz"
            raise await self._explained(self._line.fault(error, asked)) from None
        except TimeoutError:
            raise TimedOut("tts", f"Riva TTS sent no audio for {self._timeout_s:g} s") from None
        finally:
            call.cancel()

    async def check(self) -> str:
        """Say which voices are served; raises ServiceError."""
        voices = await self._voices()
        return f"voices {', '.join(voices) or 'not said'}"

    async def close(self) -> None:
        await self._channel.close()

    async def _ask(self, call: Any, request: Any) -> None:
        async with asyncio.timeout(self._timeout_s):
            await call.write(request)
            await call.done_writing()

    async def _read(self, call: Any) -> Any:
        async with asyncio.timeout(self._timeout_s):
            return await call.read()

    async def _explained(self, fault: ServiceError) -> ServiceError:
        if not isinstance(fault, Rejected):
            return fault
        try:
            return Rejected("tts", f"{fault.text}; available: {', '.join(await self._voices())}")
        except ServiceError:
            return fault

    async def _voices(self) -> list[str]:
        request = pb.RivaSynthesisConfigRequest()
        try:
            response = await self._stub.GetRivaSynthesisConfig(
                request, metadata=self._line.metadata(), timeout=_CHECK_S
            )
        except grpc.aio.AioRpcError as error:
            raise self._line.fault(error, "the list of voices") from None
        return sorted({name for p in parameters(response) for name in _voice_names(p)})


def _voice_names(parameters: dict[str, str]) -> list[str]:
    """A voice's full names: `subvoices` is "Name:id,Name:id", each said as voice.Name."""
    voice, subvoices = parameters.get("voice_name", ""), parameters.get("subvoices", "")
    names = [part.partition(":")[0] for part in subvoices.split(",") if part]
    return [f"{voice}.{name}" for name in names] or ([voice] if voice else [])
