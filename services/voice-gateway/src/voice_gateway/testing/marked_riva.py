"""A recogniser in memory that hears words in the audio itself, so that audio can be given again.

    caller   marked_audio(0.0, 6.0)     every sample says at which hundredth of a second it was said
    riva     MarkedRiva(words("what is the time", 1.0, 2.6), behind_s=2.0)
             RivaRecogniser(riva.connection(), RecogniserOptions())    the real adapter

Its streams behave as Riva's: one response per 160 ms of audio with the position in it, finals after
a silence or where they are forced. A word counts only in a stream that was given all of it. It runs
on any event loop, also on one with a virtual clock; a fault is set at a moment of that clock.
"""

import array
import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import grpc
import grpc.aio

from voice_gateway.adapters.riva_link import RivaConnection
from voice_gateway.adapters.riva_proto import asr as pb
from voice_gateway.testing.fake_riva_transcripts import TICK_S, Says, TimedWord, spread

RATE_HZ = 16_000
_MARKS_PER_S = 100
_ENDPOINT_S = 0.48
_TICK = round(TICK_S * RATE_HZ)

Kind = Literal["killed", "reset", "hung", "not found", "unknown model", "no such method"]
KINDS: tuple[Kind, ...] = (
    "killed",
    "reset",
    "hung",
    "not found",
    "unknown model",
    "no such method",
)  # fmt: skip
_ENDS: dict[str, tuple[grpc.StatusCode, str]] = {
    "killed": (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    "reset": (grpc.StatusCode.UNAVAILABLE, "recvmsg: Connection reset by peer"),
    "not found": (grpc.StatusCode.NOT_FOUND, "no healthy upstream model"),
    "unknown model": (grpc.StatusCode.INVALID_ARGUMENT, "Error: unknown model"),
    "no such method": (grpc.StatusCode.UNIMPLEMENTED, "unknown service"),
}


def marked_audio(start_s: float, end_s: float) -> bytes:
    """Audio of which each sample says when it was said."""
    samples = range(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
    return array.array("h", (1 + n * _MARKS_PER_S // RATE_HZ for n in samples)).tobytes()


def words(text: str, start_s: float, end_s: float) -> tuple[TimedWord, ...]:
    return tuple(spread(Says(text, start_s, end_s)))


@dataclass(frozen=True, slots=True)
class Fault:
    """The stream that is open at this time ends in this way, or answers nothing more."""

    at: float
    kind: Kind


@dataclass(slots=True)
class MarkedRiva:
    """The server: its words, how far it is behind, and its faults."""

    words: Sequence[TimedWord]
    behind_s: float = 0.05
    """From the audio that causes a response to the response."""
    faults: list[Fault] = field(default_factory=list[Fault])
    tells_silence: bool = True
    """Whether audio without words is answered."""
    tells_position: bool = True
    """Whether results say how much audio they answer."""
    still: tuple[float, float] = (0.0, 0.0)
    """From when to when nothing is answered; what was due then comes at the end."""
    streams: int = 0
    audio_s: float = 0.0
    """All audio that its streams were sent."""
    opened: int = 0
    """The connections that were opened to it."""

    def connection(self) -> RivaConnection:
        return _Connection("asr", "riva.test:50051", riva=self)

    def answers_at(self, now: float) -> float:
        """When an answer to what comes now is given."""
        due_at, (still_from, still_to) = now + self.behind_s, self.still
        return still_to if still_from <= due_at < still_to else due_at

    def fault_now(self, now: float) -> Fault | None:
        """The next fault, if it is due."""
        return self.faults.pop(0) if self.faults and self.faults[0].at <= now else None


@dataclass(frozen=True, slots=True)
class _Connection(RivaConnection):
    riva: MarkedRiva = field(default_factory=lambda: MarkedRiva(()))

    def open(self) -> Any:
        self.riva.opened += 1
        return _Channel(self.riva)


@dataclass(slots=True)
class _Channel:
    riva: MarkedRiva

    def stream_stream(self, *_: Any, **__: Any) -> Callable[..., "_Stream"]:
        def opened(metadata: object) -> _Stream:
            return _Stream(self.riva)

        return opened

    def unary_unary(self, *_: Any, **__: Any) -> Callable[..., Any]:
        return _no_models

    async def close(self) -> None:
        """Closes nothing: its streams end with their calls."""


async def _no_models(*_: Any, **__: Any) -> Any:
    return pb.RivaSpeechRecognitionConfigResponse()


class _Stream:
    """One recognition stream, as the client's end of it."""

    def __init__(self, riva: MarkedRiva) -> None:
        riva.streams += 1
        self._riva = riva
        self._loop = asyncio.get_running_loop()
        self._heard = _Heard(riva.words)
        self._due: deque[tuple[float, Any]] = deque()
        self._error: grpc.aio.AioRpcError | None = None
        self._hung = False
        self._changed = asyncio.Event()
        first = riva.faults[0] if riva.faults else None
        self._timer = self._loop.call_at(first.at, self._fail) if first else None

    async def initial_metadata(self) -> tuple[()]:
        return ()

    async def write(self, request: Any) -> None:
        if self._error:
            raise self._error
        self._riva.audio_s += len(request.audio_content) / (2 * RATE_HZ)
        for response in self._heard.responses(request, tells_silence=self._riva.tells_silence):
            self._answer(response)

    async def done_writing(self) -> None:
        if last := self._heard.forced():
            self._answer(last)
        self._answer(grpc.aio.EOF)

    async def read(self) -> Any:
        while True:
            if self._error:
                raise self._error
            due_at = self._due[0][0] if self._due and not self._hung else None
            if due_at is not None and due_at <= self._loop.time():
                return self._due.popleft()[1]
            self._changed.clear()
            due = self._loop.call_at(due_at, self._changed.set) if due_at is not None else None
            try:
                await self._changed.wait()
            finally:
                if due:
                    due.cancel()

    def _answer(self, response: Any) -> None:
        for result in () if self._riva.tells_position else getattr(response, "results", ()):
            result.audio_processed = 0.0
        self._due.append((self._riva.answers_at(self._loop.time()), response))
        self._changed.set()

    def cancel(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _fail(self) -> None:
        fault = self._riva.fault_now(self._loop.time())
        if fault is None:
            return
        self._hung = fault.kind == "hung"
        self._changed.set()
        if not self._hung:
            code, text = _ENDS[fault.kind]
            none = grpc.aio.Metadata()
            self._error = grpc.aio.AioRpcError(code, none, none, details=text)


class _Heard:
    """The words in the audio of one stream, by the marks of its samples."""

    def __init__(self, said: Sequence[TimedWord]) -> None:
        self._said = said
        self._unread = array.array("h")
        self._at_s = 0.0
        self._began: int | None = None
        self._mark = 0
        self._silences: list[tuple[float, float]] = []
        """Silence that is no audio of the caller's: what was said before it, and its length."""
        self._final_count = 0

    def responses(self, request: Any, *, tells_silence: bool) -> Iterator[Any]:
        self._unread.frombytes(request.audio_content)
        while len(self._unread) >= _TICK:
            self._read(self._unread[:_TICK])
            del self._unread[:_TICK]
            yield from self._answers(tells_silence=tells_silence)
        if request.runtime_config.get("force_eou") == "true":
            rest, self._unread = self._unread, array.array("h")
            self._read(rest)
            yield self.forced() or self._response((), final=True)

    def forced(self) -> Any:
        pending = self._pending()
        return self._response(pending, final=True) if pending else None

    def _answers(self, *, tells_silence: bool) -> Iterator[Any]:
        pending = self._pending()
        if pending and self._at_s - self._stream_s(pending[-1].end_s) >= _ENDPOINT_S:
            yield self._response(pending, final=True)
        elif pending:
            yield self._response(pending, final=False)
        elif tells_silence:
            yield pb.StreamingRecognizeResponse()

    def _read(self, samples: "array.array[int]") -> None:
        said = [mark for mark in samples if mark]
        if said and self._began is None:
            self._began = said[0]
        self._mark = said[-1] if said else self._mark
        if silent := len(samples) - len(said):
            self._silences.append((self._mark / _MARKS_PER_S, silent / RATE_HZ))
        self._at_s += len(samples) / RATE_HZ

    def _whole(self) -> list[TimedWord]:
        if self._began is None:
            return []
        began_s, now_s = (self._began - 1) / _MARKS_PER_S, self._mark / _MARKS_PER_S
        return [w for w in self._said if began_s - 0.015 <= w.start_s and w.end_s <= now_s + 0.001]

    def _pending(self) -> tuple[TimedWord, ...]:
        return tuple(self._whole()[self._final_count :])

    def _stream_s(self, said_s: float) -> float:
        before = sum(length_s for at_s, length_s in self._silences if at_s < said_s)
        return said_s - ((self._began or 1) - 1) / _MARKS_PER_S + before

    def _response(self, pending: Sequence[TimedWord], *, final: bool) -> Any:
        self._final_count += len(pending) if final else 0
        response = pb.StreamingRecognizeResponse()
        result = response.results.add(
            is_final=final, stability=0.0 if final else 0.1, audio_processed=self._at_s
        )
        alternative = result.alternatives.add(transcript=" ".join(w.text for w in pending))
        for word in pending if final else ():
            start_s, end_s = self._stream_s(word.start_s), self._stream_s(word.end_s)
            alternative.words.add(
                word=word.text, start_time=round(start_s * 1000), end_time=round(end_s * 1000)
            )
        return response
