"""Owns the engines, and asks each on its own thread, one call at a time, with fair turns."""

from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from functools import partial

from voice_local.engines import Recogniser, Said, Samples, Transcript, Voice, VoiceActivity
from voice_local.lane import Lane

ROOM = 256
"""Calls that may wait for one engine."""

GLANCE_SHARE = 0.5
"""The share of the recogniser's time that interims of unfinished utterances may take."""


class Bench:
    """Owns the engines; every method may be called by many callers at once.

    A caller is whoever waits for answers in order: one stream. Any hashable object identifies it.
    Methods raise `BusyError`, `LaneClosedError`, or what the engine raised.
    """

    def __init__(
        self, recogniser: Recogniser, voice: Voice, listeners: Callable[[], VoiceActivity]
    ) -> None:
        self.recogniser = recogniser
        self.voice = voice
        self._listeners = listeners
        self._hearing = Lane("recogniser", room=ROOM, glance_share=GLANCE_SHARE)
        self._speaking = Lane("voice", room=ROOM)
        self._listening = Lane("activity", room=ROOM)

    async def transcribe(self, caller: Hashable, samples: Samples, language: str) -> Transcript:
        """Transcribe what must not be lost; the caller's waiting interim is dropped."""
        return await self._hearing.do(
            caller, partial(self.recogniser.transcribe, samples, language)
        )

    async def interim(
        self, caller: Hashable, newest: Callable[[], Samples | None], language: str
    ) -> Transcript | None:
        """Transcribe an interim of what `newest` gives when the turn comes, unless it gives None.

        Raises SupersededError when the caller asked for a transcript or a newer interim meanwhile.
        """

        def prepare() -> Callable[[], Transcript] | None:
            samples = newest()
            if samples is None:
                return None
            return partial(self.recogniser.transcribe, samples, language)

        return await self._hearing.glance(caller, prepare)

    def speak(self, caller: Hashable, text: str, speaker: str) -> AsyncGenerator[Said, None]:
        """Speak piece by piece; once closed or cancelled the voice is not asked for another."""
        return self._speaking.pieces(caller, partial(self.voice.speak, text, speaker))

    async def new_listener(self, caller: Hashable) -> VoiceActivity:
        """Make the memory of one listener; the caller keeps it for `speech_probabilities`."""
        return await self._listening.do(caller, self._listeners)

    async def speech_probabilities(
        self, caller: Hashable, listener: VoiceActivity, frames: Sequence[Samples]
    ) -> list[float]:
        """The probability of speech in each frame of VAD_FRAME samples."""
        return await self._listening.do(caller, lambda: [listener.speech(f) for f in frames])

    async def close(self) -> None:
        """Drop what has not started and end the threads when their running calls end."""
        for lane in (self._hearing, self._speaking, self._listening):
            await lane.close()
