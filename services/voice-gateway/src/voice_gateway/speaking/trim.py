"""Takes the silence off the start of synthesised speech. Pure; s16le mono, little-endian machines.

Voices begin a clause with up to 300 ms of silence, which the caller would wait through.
"""

from voice_gateway.audio.pcm import SAMPLE_BYTES

_FRAME_S = 0.01  # a whole period of the lowest voice
_PRE_ROLL_S = 0.02  # kept before the first sound: consonants begin softly
# Swings (highest less lowest sample of a frame), so that a constant offset is silence, too.
_CLEARLY = 1_000  # -36 dBFS: sound, whatever came before
_HARDLY = 200  # -50 dBFS: silence, whatever came before
_ABOVE_FLOOR = 4  # in between: sound where it is this much over the quietest frame until here


class Trim:
    """One clause's audio on its way: feed chunks, send what comes back, `flush` at its end.

    Removes at most `limit_s` and leaves `pause_s` of silence before the first sound. Nothing is
    held back but silence that may still be removed, so a clause without any sound comes out whole.
    """

    def __init__(self, rate_hz: int, limit_s: float, pause_s: float = 0.0) -> None:
        self._frame = SAMPLE_BYTES * max(1, round(_FRAME_S * rate_hz))
        self._limit = SAMPLE_BYTES * round(limit_s * rate_hz)
        self._kept = SAMPLE_BYTES * round(max(pause_s, _PRE_ROLL_S) * rate_hz)
        self._rate_hz = rate_hz
        self._removed = 0
        self._held = b""
        self._silent = 0  # bytes at the start of `_held` that are known to be silence
        self._floor = _CLEARLY
        self._sounds = not self._limit

    @property
    def removed_s(self) -> float:
        """How much was taken off."""
        return self._removed / (SAMPLE_BYTES * self._rate_hz)

    def feed(self, chunk: bytes) -> bytes:
        """Take whole samples in; return what is to be sent now."""
        if self._sounds:
            return chunk
        self._held += chunk
        self._sounds = self._look()
        spare = max(0, self._silent - self._kept)
        beyond = self._let_go(max(0, spare - self._limit))
        if not self._sounds:
            return beyond
        self._removed = len(self._let_go(min(spare, self._limit)))
        return beyond + self.flush()

    def flush(self) -> bytes:
        """What is left when the clause is complete."""
        return self._let_go(len(self._held))

    def _look(self) -> bool:
        """Go on to the first frame that sounds; False where there is none yet."""
        while len(self._held) - self._silent >= self._frame:
            frame = memoryview(self._held)[self._silent : self._silent + self._frame].cast("h")
            swing = max(frame) - min(frame)
            if swing >= min(_CLEARLY, max(_HARDLY, _ABOVE_FLOOR * self._floor)):
                return True
            self._floor = min(self._floor, swing)
            self._silent += self._frame
        return False

    def _let_go(self, size: int) -> bytes:
        audio, self._held = self._held[:size], self._held[size:]
        self._silent -= size
        return audio
