"""Serves Riva's StreamingRecognize from a script, by the position in the received audio."""
# ruff: noqa: N802  # the method names are gRPC's

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import grpc.aio
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from voice_gateway.testing.fake_faults import (
    WAIT_S,
    Changes,
    DieAfter,
    FaultScript,
    Hang,
    Log,
    Refuse,
    RivaFault,
    fault_of,
)
from voice_gateway.testing.fake_riva_transcripts import Recognition, Result, Says, TimedWord

_pb = cast(Any, riva_asr_pb2)  # riva ships no types
_pb_grpc = cast(Any, riva_asr_pb2_grpc)

Config = Any
"""Riva's StreamingRecognitionConfig."""

SaysScript = Sequence[Says] | Callable[[Config, int], Sequence[Says]]
"""The words of every call's audio, or those of the n-th call (from 0) with this config.

A stream that is opened again is another call, whose positions start at 0.
"""

_MODEL = "scripted-recogniser"
_DEFAULT_RATE_HZ = 16_000
_BYTES_PER_SAMPLE = 2
_MOST_QUEUED_RESPONSES = 4096
_CANCELLATION_S = 0.02
_START_FLAG = (
    "inference request for sequence {sequence} to model '{model}' must specify the START flag"
    " on the first request of the sequence"
)


@dataclass(frozen=True, slots=True)
class AsrResponse:
    """A response sent to the client; times are the loop's."""

    caused_at: float
    """When the audio, the request or the half-close that caused it came."""
    sent_at: float
    result: Result

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.result.words)


@dataclass(slots=True)
class AsrCall:
    """One recognition stream as the server saw it; all times are the loop's."""

    metadata: dict[str, str] = field(repr=False)
    opened_at: float
    ordinal: int = -1
    """The stream's number, in the order of the configs."""
    config: Config = None
    detects: str = ""
    """The language that it reports; empty: the one that it was asked for."""
    bytes_received: int = 0
    messages_received: int = 0
    first_audio_at: float | None = None
    last_audio_at: float | None = None
    forced_at: list[float] = field(default_factory=list[float])
    """When each `force_eou` came, with or without words to finalise."""
    responses: list[AsrResponse] = field(default_factory=list[AsrResponse])
    half_closed: bool = False
    cancelled: bool = False
    ended_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _changes: Changes = field(default_factory=Changes, repr=False)

    @property
    def rate_hz(self) -> int:
        return self.config.config.sample_rate_hertz or _DEFAULT_RATE_HZ

    @property
    def audio_s(self) -> float:
        """Seconds of audio received."""
        return self.bytes_received / (self.rate_hz * _BYTES_PER_SAMPLE)

    @property
    def finals(self) -> list[str]:
        return [response.text for response in self.responses if response.result.is_final]

    @property
    def interims(self) -> list[str]:
        return [
            response.text
            for response in self.responses
            if response.result.words and not response.result.is_final
        ]

    def note(self) -> None:
        """Let waiting tests check their conditions."""
        self._changes.notify()

    async def until(
        self, condition: Callable[["AsrCall"], bool], timeout_s: float = WAIT_S
    ) -> None:
        """Wait, for example: `await call.until(lambda call: call.audio_s >= 1.0)`."""
        await self._changes.until(lambda: condition(self), timeout_s)


@dataclass(frozen=True, slots=True)
class _Due:
    at: float
    caused_at: float
    result: Result
    request_id: str


@dataclass(slots=True)
class FakeRecogniser:
    """The servicer. Every attribute may be changed while it serves."""

    says: SaysScript
    endpoint_s: float
    """Silence after which an utterance is final."""
    stable_s: float | None
    """Silence after which one interim of stability 1.0 comes (two-pass end of utterance)."""
    delay_s: float
    """From the audio that causes a response to the response."""
    languages: Collection[str]
    """The languages that are accepted; empty: any language."""
    fault: FaultScript
    idle_s: float
    """Seconds without audio after which Riva frees a stream, and the next audio fails."""
    blank_finals: bool = False
    """A forced end of an utterance has a final also where there are no words for it."""
    detects: str = ""
    """The language that later calls report; empty: the one that they were asked for."""
    calls: Log[AsrCall] = field(default_factory=Log[AsrCall])

    def add_to(self, server: grpc.aio.Server) -> None:
        _pb_grpc.add_RivaSpeechRecognitionServicer_to_server(self, server)

    async def Recognize(self, request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the scripted recogniser only streams")

    async def GetRivaSpeechRecognitionConfig(self, request: Any, context: Any) -> Any:
        response = _pb.RivaSpeechRecognitionConfigResponse()
        model = response.model_config.add(model_name=_MODEL)
        model.parameters["type"] = "online"
        model.parameters["streaming"] = "True"
        model.parameters["offline"] = "False"
        model.parameters["sample_rate"] = str(_DEFAULT_RATE_HZ)
        model.parameters["language_code"] = ",".join(self.languages or ("en-US", "multi"))
        return response

    async def StreamingRecognize(self, _requests: Any, context: Any) -> None:
        call = AsrCall(metadata=metadata_of(context), opened_at=_now())
        try:
            refusal = await self._serve(call, context)
        except asyncio.CancelledError:
            call.cancelled = True
            raise
        finally:
            call.ended_at = _now()
            call.ended.set()
            call.note()
        if refusal is not None:
            await context.abort(refusal.code, refusal.text)

    async def _serve(self, call: AsrCall, context: Any) -> Refuse | None:
        first = await context.read()
        if first is grpc.aio.EOF or not first.HasField("streaming_config"):
            return Refuse(
                grpc.StatusCode.INVALID_ARGUMENT, "Error: First message must be streaming_config"
            )
        call.config, call.detects = first.streaming_config, self.detects
        call.ordinal = len(self.calls.records)
        self.calls.add(call)
        refusal = self._refusal(call)
        if refusal is None or refusal.after_metadata:
            await context.send_initial_metadata(())
        if refusal is not None:
            return refusal
        due: asyncio.Queue[_Due | Refuse | None] = asyncio.Queue(_MOST_QUEUED_RESPONSES)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen(call, context, due))
            refusal = await self._answer(call, context, due)
            listening.cancel()
        return refusal

    def _refusal(self, call: AsrCall) -> Refuse | None:
        fault = self._fault(call)
        if isinstance(fault, Refuse):
            return fault
        language = call.config.config.language_code
        if self.languages and language and language not in self.languages:
            return Refuse(
                grpc.StatusCode.INVALID_ARGUMENT,
                "Error: Unavailable model requested given these parameters:"
                f" language_code={language}; sample_rate={call.rate_hz}; type=online; ",
            )
        return None

    async def _listen(
        self, call: AsrCall, context: Any, due: asyncio.Queue[_Due | Refuse | None]
    ) -> None:
        recognition = self._recognition(call)
        async for request in _requests(context):
            if self._idle(call):
                await due.put(_released(call))
                return
            _note_audio(call, len(request.audio_content))
            for result in self._results(call, recognition, request):
                await due.put(self._due(result, request.id.value))
        await asyncio.sleep(_CANCELLATION_S)  # the input also ends when a call is cancelled
        call.half_closed = True
        call.note()
        last = recognition.force()
        if last is not None:
            await due.put(self._due(last))
        await due.put(None)

    def _results(self, call: AsrCall, recognition: Recognition, request: Any) -> list[Result]:
        results = list(recognition.listen(call.audio_s))
        if request.runtime_config.get("force_eou", "").lower() == "true":
            call.forced_at.append(_now())
            blank = Result((), call.audio_s, is_final=True) if self.blank_finals else None
            forced = recognition.force() or blank
            results.extend([forced] if forced else [])
        return results

    def _due(self, result: Result, request_id: str = "") -> _Due:
        now = _now()
        return _Due(now + self.delay_s, now, result, request_id)

    def _recognition(self, call: AsrCall) -> Recognition:
        says = self.says(call.config, call.ordinal) if callable(self.says) else self.says
        return Recognition(says, self.endpoint_s, self.stable_s)

    def _idle(self, call: AsrCall) -> bool:
        since = call.opened_at if call.last_audio_at is None else call.last_audio_at
        return _now() - since > self.idle_s

    async def _answer(
        self, call: AsrCall, context: Any, due: asyncio.Queue[_Due | Refuse | None]
    ) -> Refuse | None:
        while True:
            answer = await due.get()
            fault = self._fault(call)
            if isinstance(fault, Hang):
                await asyncio.Event().wait()
            if isinstance(fault, DieAfter) and len(call.responses) >= fault.responses:
                return Refuse(fault.code, fault.text)
            if answer is None or isinstance(answer, Refuse):
                return answer
            await asyncio.sleep(answer.at - _now())
            await context.write(_response(call, answer))
            call.responses.append(AsrResponse(answer.caused_at, _now(), answer.result))
            call.note()

    def _fault(self, call: AsrCall) -> RivaFault | None:
        return fault_of(self.fault, call.ordinal)


def metadata_of(context: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in context.invocation_metadata() or ()}


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _requests(context: Any) -> AsyncIterator[Any]:
    while (request := await context.read()) is not grpc.aio.EOF:
        yield request


def _note_audio(call: AsrCall, size: int) -> None:
    now = _now()
    call.first_audio_at = now if call.first_audio_at is None else call.first_audio_at
    call.last_audio_at = now
    call.bytes_received += size
    call.messages_received += 1
    call.note()


def _released(call: AsrCall) -> Refuse:
    text = _START_FLAG.format(sequence=call.ordinal + 1, model=_MODEL)
    return Refuse(grpc.StatusCode.INVALID_ARGUMENT, text)


def _response(call: AsrCall, due: _Due) -> Any:
    response = _pb.StreamingRecognizeResponse()
    response.id.value = due.request_id
    result = due.result
    shown = result.is_final or (result.words and call.config.interim_results)
    if not shown:
        return response
    sent = response.results.add(
        is_final=result.is_final,
        stability=0.0 if result.is_final else result.stability,
        channel_tag=1,
        audio_processed=result.at_s,
    )
    text = "".join(f"{word.text} " for word in result.words)
    alternative = sent.alternatives.add(transcript=text)
    alternative.language_code.append(call.detects or call.config.config.language_code)
    if result.is_final:
        alternative.confidence = -0.1
        if call.config.config.enable_word_time_offsets:
            _add_words(alternative, result.words)
    return response


def _add_words(alternative: Any, words: Sequence[TimedWord]) -> None:
    for word in words:
        alternative.words.add(
            word=word.text,
            start_time=round(word.start_s * 1000),
            end_time=round(word.end_s * 1000),
        )
