"""A recogniser that hears the words in the audio itself, as Riva does.

It knows nothing of calls or scripts: a stream that is opened anew, at another address too, hears
what is sent to it, once and in order.
"""
# ruff: noqa: N802  # the method names are gRPC's

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import grpc
import grpc.aio
from riva.client.proto import riva_asr_pb2
from voice_gateway.testing.fake_riva import FakeRecogniser, TimedWord

from faults.words_in_sound import Reader
from shared.recordings import RATE_HZ, SAMPLE_BYTES

_pb = cast(Any, riva_asr_pb2)  # riva ships no types
_TICK_S = 0.16  # Riva's low-latency profile answers once per 160 ms of audio
_LONGEST_WORD_S = 0.25


@dataclass(slots=True)
class Utterances:
    """One stream's position in its audio, and the words of the utterance it is in."""

    endpoint_s: float
    """Silence after which an utterance is final."""
    at_s: float = 0.0
    words: list[TimedWord] = field(default_factory=list[TimedWord])
    _reader: Reader = field(default_factory=Reader)
    _ticks: int = 0
    _last_end_s: float = 0.0

    def hear(self, pcm: bytes) -> list[tuple[tuple[TimedWord, ...], bool]]:
        """The words so far, and whether they are final, for every step of this audio."""
        for heard in self._reader.read(pcm):
            start_s = max(self._last_end_s, heard.end_s - _LONGEST_WORD_S)
            self.words.append(TimedWord(heard.word, start_s, heard.end_s))
            self._last_end_s = heard.end_s
        self.at_s += len(pcm) / SAMPLE_BYTES / RATE_HZ
        steps = int(self.at_s / _TICK_S) - self._ticks
        self._ticks += steps
        return [self._step(last=step == steps - 1) for step in range(steps)]

    def force(self) -> tuple[TimedWord, ...]:
        """The final of the words so far: none, where there are none."""
        words, self.words = tuple(self.words), []
        return words

    def _step(self, *, last: bool) -> tuple[tuple[TimedWord, ...], bool]:
        if last and self.words and self.at_s - self.words[-1].end_s >= self.endpoint_s:
            return self.force(), True
        return tuple(self.words), False


class ListeningRecogniser(FakeRecogniser):
    """The servicer. It knows the streams that are open, so that they can be spoiled."""

    open_streams: ClassVar[set[asyncio.Future[str]]] = set()
    """What each open stream is spoiled by, once it is."""

    @classmethod
    def spoil(cls, kind: str) -> int:
        """Answer the open streams no more (hang), or end them (refuse); return how many."""
        fresh = [stream for stream in cls.open_streams if not stream.done()]
        for stream in fresh:
            stream.set_result(kind)
        return len(fresh)

    async def StreamingRecognize(self, _requests: Any, context: Any) -> None:
        spoiled = asyncio.get_running_loop().create_future()
        self.open_streams.add(spoiled)
        listening = asyncio.create_task(self._listen_to(context))
        try:
            await asyncio.wait((listening, spoiled), return_when=asyncio.FIRST_COMPLETED)
            if not spoiled.done():
                return listening.result()
            listening.cancel()
            if spoiled.result() == "hang":
                await asyncio.Event().wait()
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        finally:
            listening.cancel()
            self.open_streams.discard(spoiled)

    async def _listen_to(self, context: Any) -> None:
        first = await context.read()
        if first is grpc.aio.EOF or not first.HasField("streaming_config"):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "streaming_config must be first")
        await context.send_initial_metadata(())
        utterances = Utterances(self.endpoint_s)
        while (request := await context.read()) is not grpc.aio.EOF:
            for words, is_final in utterances.hear(request.audio_content):
                await context.write(_response(utterances, words, is_final=is_final))
            if request.runtime_config.get("force_eou", "").lower() == "true":
                await self._finish(utterances, context)
        await self._finish(utterances, context)

    async def _finish(self, utterances: Utterances, context: Any) -> None:
        if words := utterances.force():
            await context.write(_response(utterances, words, is_final=True))


def _response(utterances: Utterances, words: tuple[TimedWord, ...], *, is_final: bool) -> Any:
    response = _pb.StreamingRecognizeResponse()
    if not words:
        return response
    result = response.results.add(
        is_final=is_final,
        stability=0.0 if is_final else 0.1,
        channel_tag=1,
        audio_processed=utterances.at_s,
    )
    heard = result.alternatives.add(transcript="".join(f"{word.text} " for word in words))
    for word in words if is_final else ():
        start_ms, end_ms = round(word.start_s * 1000), round(word.end_s * 1000)
        heard.words.add(word=word.text, start_time=start_ms, end_time=end_ms)
    return response
