"""Trims silence off the ends of synthesised speech. Pure; s16le mono, little-endian machines.

Voices begin a clause with up to 300 ms of silence, and the caller would wait through it. They end
every text with half a second, as if it were a sentence, also one that was cut in mid-sentence.
"""

from voice_gateway.audio.pcm import SAMPLE_BYTES

_FRAME_S = 0.01  # a whole period of the lowest voice
_PRE_ROLL_S = 0.02  # silence kept before the first sound, because consonants begin softly
_POST_ROLL_S = 0.04  # silence kept after the last sound, because vowels and sibilants end softly
# A swing is the highest less the lowest sample of a frame, so a constant offset is silence, too.
_SOUND_SWING = 1_000  # -36 dBFS: a frame with more is sound, whatever came before
_SILENT_SWING = 200  # -50 dBFS: a frame with less is silence, whatever came before
_SOUND_TO_NOISE = 4  # in between, sound has this many times the swing of the quietest frame so far


class Trim:
    """Trims one clause's audio: feed chunks, send what comes back, `flush` at the end.

    It removes at most `limit_s`, and leaves `pause_s` of silence before the first sound. Only
    silence that may still be removed waits here, so a clause without any sound comes out whole.
    """

    def __init__(self, rate_hz: int, limit_s: float, pause_s: float = 0.0) -> None:
        self._frame = SAMPLE_BYTES * max(1, round(_FRAME_S * rate_hz))
        self._limit = SAMPLE_BYTES * round(limit_s * rate_hz)
        self._kept = SAMPLE_BYTES * round(max(pause_s, _PRE_ROLL_S) * rate_hz)
        self._rate_hz = rate_hz
        self._removed = 0
        self._waiting = b""
        self._silent = 0  # bytes at the start of `_waiting` that are known to be silence
        self._quietest = _SOUND_SWING
        self._sounded = not self._limit

    @property
    def removed_s(self) -> float:
        """How much audio was removed."""
        return self._removed / (SAMPLE_BYTES * self._rate_hz)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next whole samples; return what is to be sent now."""
        if self._sounded:
            return chunk
        self._waiting += chunk
        self._sounded = self._finds_sound()
        spare = max(0, self._silent - self._kept)
        beyond = self._release(max(0, spare - self._limit))
        if not self._sounded:
            return beyond
        self._removed = len(self._release(min(spare, self._limit)))
        return beyond + self.flush()

    def flush(self) -> bytes:
        """Return the rest when the clause is complete."""
        return self._release(len(self._waiting))

    def _finds_sound(self) -> bool:
        """Look for the first frame that sounds; False if there is none yet."""
        while len(self._waiting) - self._silent >= self._frame:
            frame = memoryview(self._waiting)[self._silent : self._silent + self._frame].cast("h")
            swing = max(frame) - min(frame)
            if swing >= min(_SOUND_SWING, max(_SILENT_SWING, _SOUND_TO_NOISE * self._quietest)):
                return True
            self._quietest = min(self._quietest, swing)
            self._silent += self._frame
        return False

    def _release(self, size: int) -> bytes:
        audio, self._waiting = self._waiting[:size], self._waiting[size:]
        self._silent -= size
        return audio


class TrimEnd:
    """Trims the silence at the end of a text's audio: feed chunks, send what comes back, `flush`.

    It removes at most `limit_s`. Sound passes at once; only silence waits here, until sound follows
    it or the audio is over. A text without any sound comes out whole.
    """

    def __init__(self, rate_hz: int, limit_s: float) -> None:
        self._frame = SAMPLE_BYTES * max(1, round(_FRAME_S * rate_hz))
        self._kept = round(_POST_ROLL_S / _FRAME_S) * self._frame
        self._limit = round(limit_s / _FRAME_S) * self._frame
        self._waiting = b""
        self._rate_hz = rate_hz
        self._removed = 0
        self._silent = 0  # bytes at the start of `_waiting` that are known to be silence
        self._sounded = False

    @property
    def removed_s(self) -> float:
        """How much audio was removed; known after `flush`."""
        return self._removed / (SAMPLE_BYTES * self._rate_hz)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next whole samples; return what is to be sent now."""
        if not self._limit:
            return chunk
        self._waiting += chunk
        whole = len(self._waiting) - len(self._waiting) % self._frame
        for end in range(whole, self._silent, -self._frame):
            if self._sounds(end - self._frame, end):
                self._sounded, self._silent = True, whole - end
                return self._release(end)
        self._silent = whole
        return self._release(max(0, whole - self._kept - self._limit)) if self._sounded else b""

    def flush(self) -> bytes:
        """Return what is left to be sent when the audio is over."""
        ends_in_sound = self._sounds(self._silent, len(self._waiting))
        if not ends_in_sound and self._sounded:
            self._removed = max(0, len(self._waiting) - self._kept)
        return self._waiting[: len(self._waiting) - self._removed]

    def _sounds(self, start: int, end: int) -> bool:
        samples = memoryview(self._waiting)[start:end].cast("h")
        return bool(samples) and max(samples) - min(samples) >= _SILENT_SWING

    def _release(self, size: int) -> bytes:
        audio, self._waiting = self._waiting[:size], self._waiting[size:]
        self._silent = min(self._silent, len(self._waiting))
        return audio
