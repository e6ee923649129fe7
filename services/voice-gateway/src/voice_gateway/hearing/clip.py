"""Recognises a clip: audio that comes whole, beside what the caller says, and in bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from voice_gateway.errors import ServiceError, TimedOut
from voice_gateway.messages import Transcript
from voice_gateway.ports import CallerAudioPiece, CallerAudioStream, Recogniser

_TRIES = 2


async def transcribed(
    recogniser: Recogniser,
    clip: Callable[[], Iterator[bytes]],
    *,
    language: str,
    rate_hz: int,
    within_s: float,
    turn: Callable[[], Awaitable[None]],
) -> str:
    """The words of a clip, which gives its pieces at this rate from the beginning.

    `turn` waits before each piece, so that calls are heard meanwhile. Raises ServiceError.
    """
    try:
        async with asyncio.timeout(within_s):
            for left in reversed(range(_TRIES)):
                words = _Words()
                try:
                    await recogniser.listen(
                        _Clip(clip(), turn),
                        language=language,
                        rate_hz=rate_hz,
                        on_transcript=words.take,
                    )
                except ServiceError as fault:
                    if not (left and fault.retryable):
                        raise
                else:
                    return words.text
    except TimeoutError:
        raise TimedOut("asr", f"a clip was not recognised within {within_s:g} s") from None
    raise AssertionError("the last try returns or raises")


class _Words:
    def __init__(self) -> None:
        self._finals: list[str] = []
        self._interim = ""

    def take(self, transcript: Transcript) -> None:
        text = transcript.text.strip()
        if transcript.final:
            self._finals.append(text)
        self._interim = "" if transcript.final else text

    @property
    def text(self) -> str:
        return " ".join(filter(None, (*self._finals, self._interim)))


class _Clip(CallerAudioStream):
    """Gives a clip to the recogniser as fast as it takes it."""

    def __init__(self, pieces: Iterator[bytes], turn: Callable[[], Awaitable[None]]) -> None:
        self._pieces = pieces
        self._turn = turn
        self._over = False

    async def take(self) -> CallerAudioPiece | None:
        if self._over:
            return None
        await self._turn()
        piece = next(self._pieces, None)
        self._over = piece is None
        return CallerAudioPiece(piece or b"", ends_utterance=self._over)

    def recognised(self, until_s: float | None) -> None:
        """All of the clip is there, however far the recogniser is."""
