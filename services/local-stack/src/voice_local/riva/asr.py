"""Riva's recognition service over gRPC: streams, whole recordings and the list of models."""
# ruff: noqa: N802 - the methods bear the names of the RPCs

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Any

from grpc import StatusCode, aio

from voice_local.bench import Bench
from voice_local.riva import asr_wire
from voice_local.riva.asking import Asked, check
from voice_local.riva.asr_wire import Message, Model
from voice_local.riva.listening import Listening
from voice_local.riva.refusal import Admission, Call, RefusedError, answering
from voice_local.riva.wording import Reached, Result

_RESPONSES_LIMIT = 64


@dataclass(frozen=True, slots=True)
class AsrLimits:
    calls: int = 64
    """Recognition calls at a time."""
    config_wait_s: float = 10.0
    """How long a stream may take to send its configuration."""
    idle_s: float = 60.0
    """How long a stream may go without audio; Riva releases the sequence then."""


class Recognition:
    """The servicer of nvidia.riva.asr.RivaSpeechRecognition."""

    def __init__(self, bench: Bench, limits: AsrLimits) -> None:
        self._bench = bench
        self._limits = limits
        self._admission = Admission("recognition", limits.calls)
        self._sequences = count(1)
        name, languages = bench.recogniser.name, bench.recogniser.languages
        self._models = [
            Model(f"{name}-{language}-asr-{kind}", language, kind == "streaming")
            for language in languages
            for kind in ("streaming", "offline")
        ]

    async def StreamingRecognize(self, _requests: object, context: Call) -> None:
        async with answering(context):
            stream = _Stream(self._bench, self._limits, next(self._sequences), context)
            asked = await stream.open()
            with self._admission.admit():
                await stream.serve(asked)

    async def Recognize(self, request: Any, context: Call) -> Any:
        response = None
        async with answering(context):
            with self._admission.admit():
                response = await self._recognise(asr_wire.read_whole(request))
        return response

    async def GetRivaSpeechRecognitionConfig(self, request: Any, context: Call) -> Any:
        models = self._models
        async with answering(context):
            wanted = asr_wire.asked_for_model(request)
            if wanted:
                models = [model for model in models if model.name == wanted]
                if not models:
                    raise RefusedError(
                        f"Error: Model {wanted} is not available on server",
                        StatusCode.NOT_FOUND,
                    )
        return asr_wire.write_models(models)

    async def _recognise(self, message: Message) -> Any:
        asked = _asked(message, self._bench, "offline")
        finals: list[Result] = []

        async def keep(result: Result | Reached | None) -> None:
            if isinstance(result, Result):
                finals.append(result)

        activity = await self._bench.new_listener(keep)
        listening = Listening(asked, self._bench, activity, keep)
        await listening.run(lambda: listening.hear(message.audio))
        return asr_wire.write_whole(finals, asked, message.request_id)


class _End:
    """Marks the end of the responses."""


class _Stream:
    """One StreamingRecognize call: a reader that feeds the listening, and the one writer."""

    def __init__(self, bench: Bench, limits: AsrLimits, sequence: int, context: Call) -> None:
        self._bench = bench
        self._limits = limits
        self._sequence = sequence
        self._context = context
        self._responses: asyncio.Queue[Result | Reached | _End | None] = asyncio.Queue(
            _RESPONSES_LIMIT
        )
        self._request_id = ""

    async def serve(self, asked: Asked) -> None:
        activity = await self._bench.new_listener(self)
        listening = Listening(asked, self._bench, activity, self._responses.put)
        await self._context.send_initial_metadata(())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(asked), name="write")
            await listening.run(lambda: self._feed(listening))
            await self._responses.put(_End())

    async def open(self) -> Asked:
        """Take the configuration, which is the first message."""
        try:
            async with asyncio.timeout(self._limits.config_wait_s):
                message = await self._read()
        except TimeoutError:
            raise RefusedError(
                f"Error: no streaming_config within {self._limits.config_wait_s:g} s",
                StatusCode.DEADLINE_EXCEEDED,
            ) from None
        if message is None or message.wanted is None:
            raise RefusedError("Error: the first message must have a streaming_config")
        return _asked(message, self._bench, "online")

    async def _feed(self, listening: Listening) -> None:
        """Read until the client half-closes; time spent on recognition does not count as idle."""
        clock = asyncio.get_running_loop()
        audio_until = clock.time() + self._limits.idle_s
        while (message := await self._read_by(audio_until)) is not None:
            if message.wanted is not None:
                raise RefusedError("Error: streaming_config is allowed in the first message only")
            await listening.hear(message.audio)
            if message.force_end:
                await listening.force_end()
            if message.audio:
                audio_until = clock.time() + self._limits.idle_s

    async def _read_by(self, when: float) -> Message | None:
        try:
            async with asyncio.timeout_at(when):
                return await self._read()
        except TimeoutError:
            raise RefusedError(
                f"Error: inference request for sequence {self._sequence} to model "
                f"'{self._bench.recogniser.name}' must specify the START flag on the first "
                "request of the sequence"
            ) from None

    async def _read(self) -> Message | None:
        received = await self._context.read()
        if received is aio.EOF:
            return None
        message = asr_wire.read_message(received)
        self._request_id = message.request_id or self._request_id
        return message

    async def _write(self, asked: Asked) -> None:
        while not isinstance(result := await self._responses.get(), _End):
            await self._context.write(asr_wire.write_response(result, asked, self._request_id))


def _asked(message: Message, bench: Bench, kind: str) -> Asked:
    if message.wanted is None:
        raise RefusedError("Error: the request has no config")
    return check(message.wanted, bench.recogniser.languages, kind)
