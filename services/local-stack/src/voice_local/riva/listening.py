"""Recognises one stream: audio in, one response per 160 ms and every final out.

hear()                bytes -> samples -> frames -> voice activity -> Utterances -> events
_conclude()           events in order -> the recogniser -> finals; none is skipped or reordered
_recognise_interims() the tail of the utterance under way -> the recogniser -> the newest interim
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from voice_local.bench import Bench
from voice_local.engines import ASR_RATE_HZ, VAD_FRAME, Samples, Transcript, VoiceActivity
from voice_local.lane import BusyError, SupersededError
from voice_local.riva import wording
from voice_local.riva.asking import Asked
from voice_local.riva.decoding import Decoder
from voice_local.riva.utterance import Cut, Ended, Event, Part, Paused, Span, Utterance, Utterances
from voice_local.riva.wording import Reached, Result

CHUNK = 5 * VAD_FRAME
"""Samples of audio, 160 ms, for which one response is sent."""

INTERIM_EVERY = ASR_RATE_HZ // 2
"""New samples of an utterance that are worth a new interim."""

FIRST_INTERIM_LATER = ASR_RATE_HZ // 10
"""An utterance's first 500 ms are half lead; what little speech is in them is recognised badly."""

BEHIND_LIMIT = 20 * ASR_RATE_HZ
"""With more samples than these waiting for the recogniser, no audio is taken in."""

_EVENTS_LIMIT = 128
_SLICE_BYTES = 32_768


Tell = Callable[[Result | Reached | None], Awaitable[None]]
"""Takes one response; None is a response without results, as nothing waits to be recognised.

Its wait holds the stream up.
"""


class Listening:
    """Listens to one stream. `run` it with what feeds it; `hear` and `force_end` are for the feed.

    Where utterances begin and end, and the finals, depend on the audio alone, not on how it was
    cut into messages nor on how fast it came.
    """

    def __init__(self, asked: Asked, bench: Bench, activity: VoiceActivity, tell: Tell) -> None:
        self._asked = asked
        self._bench = bench
        self._activity = activity
        self._tell = tell
        self._decoder = Decoder(asked.encoding, asked.rate_hz, asked.channels)
        self._unframed = np.zeros(0, np.float32)
        self._utterances = Utterances(asked.windows)
        self._events: asyncio.Queue[Event | None] = asyncio.Queue(_EVENTS_LIMIT)
        self._behind = 0
        self._recognised = VAD_FRAME  # a position of zero would say that it is not known
        self._waited = False
        """Whether audio waited to be recognised at the last response."""
        self._eased = asyncio.Event()
        self._newest: Result | None = None
        self._interim_due = asyncio.Event()
        self._interim_at = 0
        self._early = 0

    async def run(self, feed: Callable[[], Awaitable[None]]) -> None:
        """Listen until `feed` returns and the last final is told."""
        async with asyncio.TaskGroup() as group:
            interims = group.create_task(self._recognise_interims(), name="interims")
            concluding = group.create_task(self._conclude(), name="conclude")
            await feed()
            await self._finish()
            await concluding
            interims.cancel()

    async def hear(self, audio: bytes) -> None:
        """Take the next bytes; waits while the recogniser is far behind."""
        for start in range(0, len(audio), _SLICE_BYTES):
            await self._listen(self._decoder.feed(audio[start : start + _SLICE_BYTES]))

    async def force_end(self) -> None:
        """End the utterance under way and send its final, an empty one where it has no words."""
        await self._put(self._utterances.force_end())

    async def _finish(self) -> None:
        await self._listen(self._decoder.finish())
        missing = -len(self._unframed) % VAD_FRAME
        await self._listen(np.zeros(missing, np.float32))
        await self._put(self._utterances.finish())
        await self._events.put(None)

    async def _listen(self, samples: Samples) -> None:
        self._unframed = np.concatenate([self._unframed, samples])
        for frames in self._framed():
            await self._room()
            probabilities = await self._bench.speech_probabilities(self, self._activity, frames)
            for frame, probability in zip(frames, probabilities, strict=True):
                await self._put(self._utterances.hear(frame, probability))
            self._want_interim()
            if self._utterances.position % CHUNK == 0:
                await self._respond()

    def _framed(self) -> Iterator[list[Samples]]:
        """Whole frames, as many as there are, in groups that end where a response is due."""
        while len(self._unframed) >= VAD_FRAME:
            until_due = CHUNK - self._utterances.position % CHUNK
            count = min(len(self._unframed), until_due) // VAD_FRAME
            taken, self._unframed = np.split(self._unframed, [count * VAD_FRAME])
            yield np.split(taken, count)

    async def _room(self) -> None:
        while self._behind > BEHIND_LIMIT:
            self._eased.clear()
            await self._eased.wait()

    async def _put(self, events: list[Event]) -> None:
        for event in events:
            self._behind += _weight(event)
            await self._events.put(event)

    async def _respond(self) -> None:
        """Respond to 160 ms of audio with the newest result, unless that was done early."""
        idle = self._utterances.current is None and not self._behind
        if idle:
            self._recognised = max(self._recognised, self._utterances.position)
        if self._early:
            self._early -= 1
            return
        told = self._newest or self._reached(idle=idle)
        self._waited = not idle
        await self._tell(told)

    def _reached(self, *, idle: bool) -> Reached | None:
        """How far recognition has come; None: to the end of the audio, as before."""
        says = self._asked.interims and (self._waited or not idle)
        return Reached(self._recognised / ASR_RATE_HZ) if says else None

    async def _tell_now(self, told: Result | Reached) -> None:
        """Respond early, and leave out the next due response: the count stays one per 160 ms."""
        self._early += 1
        await self._tell(told)

    async def _tell_interim(self, parts: list[Part], audio_s: float) -> None:
        punctuated = self._asked.punctuated
        self._newest = wording.interim(parts, audio_s, self._newest, punctuated=punctuated)
        await self._tell_now(self._newest)

    async def _conclude(self) -> None:
        while (event := await self._events.get()) is not None:
            match event:
                case Cut():
                    await self._learn_part(event)
                case Paused():
                    await self._think_ahead(event)
                case Ended():
                    await self._tell_final(event)
            self._behind -= _weight(event)
            self._eased.set()

    async def _learn_part(self, cut: Cut) -> None:
        transcript = await self._transcript(cut.span)
        cut.utterance.parts.append(Part(transcript, cut.span.start_s))

    async def _think_ahead(self, paused: Paused) -> None:
        utterance, span = paused.utterance, paused.span
        if utterance.paused_at != span.end:
            return
        parts = [*utterance.parts, await self._tail(utterance, span)]
        if not self._asked.interims or utterance.paused_at != span.end:
            return
        if paused.settled:
            self._newest, self._recognised = None, span.end
            punctuated = self._asked.punctuated
            await self._tell_now(wording.settled(parts, span.end_s, punctuated=punctuated))
        else:
            await self._tell_interim(parts, span.end_s)

    async def _tell_final(self, ended: Ended) -> None:
        parts: list[Part] = []
        if ended.utterance is not None:
            parts = [*ended.utterance.parts, await self._tail(ended.utterance, ended.span)]
        self._newest, self._recognised = None, ended.decided_at
        audio_s = ended.decided_at / ASR_RATE_HZ
        result = wording.final(parts, audio_s, punctuated=self._asked.punctuated)
        if result.text or ended.forced:
            await self._tell_now(result)
        elif self._asked.interims:
            await self._tell_now(Reached(audio_s))

    async def _tail(self, utterance: Utterance, span: Span) -> Part:
        """The transcript of the tail; it is known already where it was recognised ahead."""
        ahead = utterance.ahead
        if ahead is None or (ahead[0].start, ahead[0].end) != (span.start, span.end):
            ahead = utterance.ahead = (span, await self._transcript(span))
        return Part(ahead[1], span.start_s)

    async def _transcript(self, span: Span) -> Transcript:
        if not len(span.samples):
            return Transcript("")
        return await self._bench.transcribe(self, span.samples, self._asked.language)

    def _want_interim(self) -> None:
        utterance = self._utterances.current
        if utterance is None or not self._asked.interims:
            return
        since = max(self._interim_at, utterance.tail_start * VAD_FRAME + FIRST_INTERIM_LATER)
        if self._utterances.position - since >= INTERIM_EVERY:
            self._interim_due.set()

    async def _recognise_interims(self) -> None:
        while await self._interim_due.wait():
            self._interim_due.clear()
            with suppress(SupersededError, BusyError):
                await self._recognise_interim_once()

    async def _recognise_interim_once(self) -> None:
        tail: _InterimTail | None = None

        def newest() -> Samples | None:
            nonlocal tail
            tail = self._interim_tail()
            return None if tail is None else tail.span.samples

        transcript = await self._bench.interim(self, newest, self._asked.language)
        if tail is None or transcript is None or not tail.is_of(self._utterances.current):
            return
        parts = [*tail.utterance.parts, Part(transcript, tail.span.start_s)]
        await self._tell_interim(parts, tail.span.end_s)

    def _interim_tail(self) -> "_InterimTail | None":
        """The tail under way; None while it is silent, or while what came before it is unknown."""
        utterance = self._utterances.current
        if utterance is None or self._utterances.silent or self._behind:
            return None
        self._interim_at = self._utterances.position
        return _InterimTail(utterance, utterance.cuts, utterance.span())


@dataclass(frozen=True, slots=True)
class _InterimTail:
    utterance: Utterance
    cuts: int
    span: Span

    def is_of(self, current: Utterance | None) -> bool:
        """Whether it still belongs to the utterance that is under way."""
        return self.utterance is current and self.utterance.cuts == self.cuts


def _weight(event: Event) -> int:
    """Samples that have to be recognised for an event."""
    return 0 if isinstance(event, Paused) else len(event.span.samples)
