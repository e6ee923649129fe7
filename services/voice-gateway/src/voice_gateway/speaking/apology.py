"""Makes and keeps the audio of the apology, so that it can be said when the voice is down.

a call begins     prepare   the voice says the apology once for its language, voice and rate
a reply fails     audio     it is there, whatever failed
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import replace

from voice_gateway.audio import pcm
from voice_gateway.errors import Empty, Rejected, ServiceError, TimedOut
from voice_gateway.language import language_of
from voice_gateway.messages import CallConfig
from voice_gateway.ports import Voice
from voice_gateway.speaking.trim import Trim, TrimEnd

log = logging.getLogger(__name__)

OFF = "off"
"""The text that stands for no apology."""

_MOST_KEPT = 32  # audios of a few seconds each
_PAUSE_S = 0.2  # silence before the apology, which is no part of the sentence that broke off
_TRIMMED_S = 1.0
_MAKING_S = 3.0  # a caller who waits longer than this for an apology has spoken again
_RETRY_S = 5.0  # between two tries to make one in advance

_Key = tuple[str, str, int]
"""Language, voice and rate."""


class Apologies:
    """Implements `ports.Apologies`; `run` makes what `prepare` asked for."""

    def __init__(self, voice: Voice, text: str = "") -> None:
        """`text` is said in every language; empty: each language's own; OFF: nothing."""
        self._voice = voice
        self._text = text
        self._kept: dict[_Key, bytes] = {}
        """The audios, the one used last at the end; empty: the voice has none."""
        self._wanted: dict[_Key, None] = {}
        self._changed = asyncio.Event()

    def text(self, language: str) -> str:
        if self._text == OFF:
            return ""
        return self._text or language_of(language).apology or language_of("en").apology

    def prepare(self, config: CallConfig) -> None:
        key = _key(config)
        if key in self._kept or key in self._wanted or not (config.spoken and self._text != OFF):
            return
        if len(self._wanted) < _MOST_KEPT:
            self._wanted[key] = None
            self._changed.set()

    def voice_is_up(self, usual: Iterable[CallConfig]) -> None:
        """Try at once to make what could not be made, and what the usual calls will need."""
        for config in usual:
            self.prepare(config)
        self._changed.set()

    async def audio(self, config: CallConfig) -> bytes:
        key = _key(config)
        if not self._kept.get(key):
            try:
                async with asyncio.timeout(_MAKING_S):
                    self._keep(key, await self._made(key))
            except Rejected:
                if not config.voice:
                    raise
                return await self.audio(replace(config, voice=""))  # any voice is better than none
            except TimeoutError:
                raise TimedOut("tts", f"no apology within {_MAKING_S:g} s") from None
        self._kept[key] = self._kept.pop(key)
        return self._kept[key]

    async def run(self) -> None:
        """Make the audios that are wanted, one after the other, until cancelled."""
        while True:
            self._changed.clear()
            for key in tuple(self._wanted):
                if key in self._kept or await self._prepared(key):
                    self._wanted.pop(key, None)
            await self._next_try()

    async def _prepared(self, key: _Key) -> bool:
        """Make an audio in advance; False where it is to be tried again."""
        try:
            self._keep(key, await self._made(key))
        except (Rejected, Empty) as never:  # another try would bring the same
            log.info("no apology in %s with voice %r: %s", *key[:2], never.text)
            self._keep(key, b"")
        except ServiceError as fault:
            log.info("no apology in %s yet: %s", key[0], fault.text)
            return False
        except Exception:  # the boundary: what is made in advance must not end the gateway
            log.exception("no apology in %s", key[0])
            self._keep(key, b"")
        return True

    async def _next_try(self) -> None:
        try:
            async with asyncio.timeout(_RETRY_S if self._wanted else None):
                await self._changed.wait()
        except TimeoutError:
            pass  # what is still wanted is tried again

    def _keep(self, key: _Key, audio: bytes) -> None:
        self._kept[key] = audio
        if len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    async def _made(self, key: _Key) -> bytes:
        """The whole audio, without the silence around it."""
        language, voice, rate_hz = key
        speech = self._voice.speak(
            self.text(language), language=language, voice=voice, rate_hz=rate_hz
        )
        # Each chunk is trimmed as it comes: all of them at once would hold the event loop up.
        whole, start, end = (
            pcm.WholeSamples(),
            Trim(rate_hz, _TRIMMED_S),
            TrimEnd(rate_hz, _TRIMMED_S),
        )
        async with aclosing(speech) as chunks:
            sounds = [end.feed(start.feed(whole.feed(chunk.pcm))) async for chunk in chunks]
        sound = b"".join([*sounds, end.feed(start.flush()), end.flush()])
        if not sound:
            raise Empty("tts", "the voice said nothing of the apology")
        return pcm.silence(_PAUSE_S, rate_hz) + sound


def _key(config: CallConfig) -> _Key:
    return config.language, config.voice, config.rate_hz
