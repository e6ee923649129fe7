"""Owns the audio of items: it is transcribed beside the call, and its words are noted in place."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from voice_gateway.audio.resample import Resampler
from voice_gateway.call.calls import Call
from voice_gateway.errors import CallError, OverLimit, ServiceError, Unavailable
from voice_gateway.messages import FromCaller, Noted
from voice_gateway.transports.realtime import caller_turn, items
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.items import Item
from voice_gateway.transports.realtime.session_options import RATE_HZ, Sound
from voice_gateway.transports.realtime.sound import AudioDecoder
from voice_gateway.transports.realtime.state import Clip, Events, State

log = logging.getLogger(__name__)

_AT_ONCE, _MOST_WAITING = 4, 32
_Found = str | ServiceError | BadEvent
"""The words of a clip, or why there are none."""
_PIECE_CHARS = 16 * 1024  # of base64: a quarter of a second, which takes no time to decode


@dataclass(slots=True)
class _Decoded:
    """A clip at the recogniser's rate, from its beginning each time."""

    clip: Clip
    rate_hz: int
    fault: BadEvent | None = None
    """Why the rest of it is no audio."""

    def __call__(self) -> Iterator[bytes]:
        decoder, resampler = AudioDecoder(self.clip.sound), Resampler(RATE_HZ, self.rate_hz)
        for start in range(0, len(self.clip.audio), _PIECE_CHARS):
            try:
                pcm = decoder.feed(self.clip.audio[start : start + _PIECE_CHARS])
            except BadEvent as fault:
                self.fault = fault
                return
            yield resampler.feed(pcm)
        yield resampler.flush()


class Clips:
    """Transcribes the clips of one call in `tasks`, some at a time."""

    def __init__(
        self,
        call: Call,
        tasks: asyncio.TaskGroup,
        state: State,
        tell: Callable[[Events], Awaitable[None]],
        note: Callable[[FromCaller], None],
    ) -> None:
        self._call = call
        self._tasks = tasks
        self._state = state
        self._tell = tell
        self._note = note
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)
        state.admit_clips = self.admit

    def admit(self, clips: Sequence[Clip]) -> None:
        """Raise BadEvent where the client sends more than it may."""
        if len(self._running) >= _MOST_WAITING:
            said = f"{_MOST_WAITING} items with audio wait for their words; allowed: as many."
            raise BadEvent("rate_limit_exceeded", said, "item.content")
        try:
            self._call.allowance.clip(sum(clip.seconds for clip in clips))
        except OverLimit as refusal:
            raise BadEvent("rate_limit_exceeded", refusal.sentence, "item.content") from None

    def begin(self, item: Item, clips: Sequence[Clip]) -> None:
        task = self._tasks.create_task(self._transcribe(item, clips), name="clips of an item")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def settled(self) -> None:
        """Wait until the words of all clips so far are noted, which takes a bounded time."""
        if self._running:
            await asyncio.wait(tuple(self._running))

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()

    async def _transcribe(self, item: Item, clips: Sequence[Clip]) -> None:
        async with self._room:
            found = [await self._words(clip) for clip in clips]
        if not self._state.items.holds(item):
            return  # the client has deleted it meanwhile
        try:
            await self._take(item, clips, found)
        except CallError as error:  # the call meets the same error, and ends
            log.info("the words of an item were not told: %s", error)

    async def _take(self, item: Item, clips: Sequence[Clip], found: Sequence[_Found]) -> None:
        """Put the words into the item and the conversation, and tell the client."""
        for clip, words in zip(clips, found, strict=True):
            item.sent_s += clip.seconds
            if isinstance(words, str):
                item.wire["content"][clip.index]["transcript"] = words
        message = items.message_of(item)
        if items.says(message):
            self._note(Noted(message, self._place(item)))
        told = (self._told(item, *each) for each in zip(clips, found, strict=True))
        await self._tell([event for events in told for event in events])

    async def _words(self, clip: Clip) -> _Found:
        decoded = _Decoded(clip, self._call.asr_rate_hz)
        try:
            words = await self._call.transcribed(decoded, clip.language, clip.seconds)
        except ServiceError as fault:
            return fault
        except Exception:  # the boundary: a bug in a recogniser must not end the call
            log.exception("a clip broke")
            return Unavailable("asr", "it failed inside the gateway; see its log")
        return decoded.fault or words

    def _told(self, item: Item, clip: Clip, words: _Found) -> Events:
        if isinstance(words, str):
            where = clip.index, clip.seconds
            return caller_turn.transcribed(self._state, item, words, *where)
        return caller_turn.not_transcribed(self._state, item, clip.index, words)

    def _place(self, item: Item) -> str | None:
        """Where its message stands by now, as `Noted` has it."""
        known = self._state.items
        return None if known.last_id == item.id else known.told_before(known.before(item.id))


def clips_in(wire: Json, sound: Sound, language: str) -> list[Clip]:
    """Take the audio out of an item's parts, whose words are to be found; raises BadEvent."""
    parts = cast(list[Json], wire.get("content", []))
    found = [
        Clip(index, part.pop("audio"), sound, language)
        for index, part in enumerate(parts)
        if "audio" in part
    ]
    for clip in found:
        AudioDecoder(sound).feed(clip.audio[:_PIECE_CHARS])
    return found
