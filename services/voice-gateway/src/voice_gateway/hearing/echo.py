"""Whether a sound on the caller's line is the gateway's own voice come back.

On loudspeakers the microphone hears what is being played: later by the way there and back, softer
by the room. Both are learned from the call itself, by laying the loudness of what came in beside
that of what was sent, band by band; a frame that is no louder than the echo would be is no caller.
"""

import math
from functools import cache
from typing import Any

import numpy as np

FRAME_S = 0.032
_BANDS_HZ = (200, 300, 420, 560, 720, 900, 1_120, 1_380, 1_700, 2_080, 2_540, 3_100, 3_700)
_FLOOR_DB = -90.0
_HUSH_DB = -75.0  # softer courses of loudness are only noise
_LOUD_DB = -15.0  # under the loudest of late: what is this loud comes back, if anything does
_AUDIBLE_DB = -25.0  # under the loudest of late in its band: softer sounds teach nothing
_LONGEST = 25  # frames on the way there and back: 0.8 s
_MEMORY = 125  # frames that the room is learned from: 4 s
_ENOUGH = 10  # sounding frames to learn from before anything is believed
_EVERY = 5  # frames between two lessons, until the way is known
_REVISES = 30  # frames between two lessons from then on: each takes a millisecond or two
_TELLING = 25  # frames of a reply to compare at least
_LIKENESS = 0.7  # correlation that makes a sound an echo; two voices hardly reach it in a second
_LONG = 45  # frames, in which they reach less
_LONG_LIKENESS = 0.55
_CLEAN_DB = -35.0  # under what was sent: nothing comes back, the caller wears headphones
_UNKNOWN_DB = -3.0  # how loud an echo may be before the room is known
_ALWAYS = 20  # percent: an echo is there all the time, a caller is silent now and then
_STRAYS = 4  # frames that the way may be longer or shorter in another reply
_PROOF = 20  # bands, over all frames, that were loud: to tell from them that nothing comes back
_DOUBTED = 60  # frames that show that what came back does no more
_SWAYS_DB = 6.0  # how much louder than that a room lets an echo become
_DECAY_DB = 3.0  # per frame, of a sound in a room
_OVER_DB = 8.0  # how much louder than its echo a band is to be somebody else's
_FAINT_DB = -65.0  # in one band: nobody speaks so softly, but a room rings so
_BROAD = 3  # bands that a voice is heard in; a room rings in one
_SHARE = 0.4  # of a frame's energy that is somebody else's, from which on somebody speaks

_Array = Any  # numpy's own types say less than their names


class Echo:
    """One call's way from the loudspeaker back to the microphone. Times are the gateway's clock."""

    def __init__(self) -> None:
        self._far = np.full((512, len(_BANDS_HZ) - 1), _FLOOR_DB)  # a ring, by frame of the clock
        self._far_until = 0  # the newest frame in it
        self._plays_until = -4 * _LONGEST
        self._began = 0  # the frame with which what plays now began, after a silence
        self._lines: list[tuple[int, _Array]] = []  # what came in while something played
        self._tail = np.full(len(_BANDS_HZ) - 1, _FLOOR_DB)
        self._lesson = 0
        self._sure = False
        self._comes_back: bool | None = None
        self._most_db = _UNKNOWN_DB
        self.delay: int | None = None
        """Frames on the way there and back; None: not known."""
        self.gain_db: _Array | None = None
        """Per band, of what came in over what was sent; None: not known."""

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """This audio is to leave the caller's loudspeaker from `at` on."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        size = round(FRAME_S * rate_hz)
        first = math.floor(at / FRAME_S)
        frames = [samples[start : start + size] for start in range(0, len(samples), size)]
        self._known_until(first + len(frames))
        if first > self._plays_until + _STRAYS:
            self._lines.clear()  # a network's delay may have changed since
            self._sure = False
            self._began = first
        for number, frame in enumerate(frames, start=first):
            row = self._far[number % len(self._far)]
            np.maximum(row, _levels(frame, rate_hz), out=row)
        self._plays_until = first + len(frames)

    def explains(self, samples: _Array, rate_hz: int, at: float) -> bool:
        """Whether a frame that was complete at `at` is no more than the echo of what was played."""
        now = math.floor((at - FRAME_S) / FRAME_S)
        if now - self._plays_until > 2 * _LONGEST:
            return False  # nothing has played for long
        self._known_until(now)
        levels = _levels(samples, rate_hz)
        self._learn(now, levels)
        expected = self._expected(now)
        energy = 10 ** (levels / 10)
        louder = levels > np.maximum(expected + _OVER_DB, _FAINT_DB)
        speaks = louder.sum() >= _BROAD and energy[louder].sum() >= _SHARE * energy.sum()
        return not speaks

    def comes_back(self) -> bool | None:
        """Whether the caller's microphone hears what is played; None: not known yet."""
        return self._comes_back

    def _expected(self, now: int) -> _Array:
        """How loud the echo may be now, band by band."""
        if self.delay is None or self.gain_db is None:
            since, until, gain = now - _LONGEST + 1, now, self._most_db
        else:
            strays = 1 if self._sure else _STRAYS
            since, gain = now - self.delay - strays, self.gain_db
            until = min(now, now - self.delay + strays)
        direct = self._played(since, until).max(axis=0) + gain
        self._tail = np.maximum(direct, self._tail - _DECAY_DB)
        return self._tail

    def _learn(self, now: int, levels: _Array) -> None:
        if self._plays_until < now - _LONGEST:
            return
        self._lines.append((now, levels))
        del self._lines[:-_MEMORY]
        self._lesson += 1
        if self._lesson % (_REVISES if self._sure else _EVERY) == 0:
            self._look_back()

    def _look_back(self) -> None:
        near = np.array([levels for _, levels in self._lines])
        times = np.array([at for at, _ in self._lines])
        delays = np.arange(_LONGEST)[:, None]
        played = self._far[(times - delays) % len(self._far)]  # by delay, frame and band
        loudest = played.max(axis=(0, 1))
        teaching = played > np.maximum(loudest + _AUDIBLE_DB, _HUSH_DB)
        taught = teaching.sum(axis=(1, 2))
        loud = loudest.max() + _LOUD_DB
        if self.comes_back() and len(near) < _DOUBTED:
            loud = math.inf  # whoever cuts a reply off throws away what it did not play of it
        back_db = np.array([_always((near - far)[far > loud]) for far in played])
        likeness = _likeness(near, played, times - delays >= self._began)
        likeness[(taught < _ENOUGH * len(loudest)) | (back_db < _CLEAN_DB)] = 0.0
        best = int(likeness.argmax())
        long = len(near) >= _LONG and self._comes_back is not False
        if likeness[best] >= (_LONG_LIKENESS if long else _LIKENESS):
            self._is_known(True, best, near - played[best], teaching[best])
        elif taught.min() >= _ENOUGH * len(loudest):
            self._most_db = min(_UNKNOWN_DB, float(back_db.max()) + _SWAYS_DB)
            if back_db.max() < _CLEAN_DB:
                self._is_known(False, best, near - played[best], teaching[best])

    def _is_known(self, comes_back: bool, delay: int, over_db: _Array, teaching: _Array) -> None:
        self._sure, self._comes_back = True, comes_back
        self.delay, self.gain_db = delay, _gain(over_db, teaching)

    def _played(self, since: int, until: int) -> _Array:
        """What was played in these frames, both included."""
        return self._far[np.arange(since, until + 1) % len(self._far)]

    def _known_until(self, frame: int) -> None:
        """Make room in the ring: nothing is known to play before this frame but what is in it."""
        for empty in range(max(self._far_until + 1, frame - len(self._far)), frame + 1):
            self._far[empty % len(self._far)] = _FLOOR_DB
        self._far_until = max(self._far_until, frame)


def _levels(samples: _Array, rate_hz: int) -> _Array:
    """Loudness per band, in dB of full scale."""
    window, edges = _bands(len(samples), rate_hz)
    spectrum = np.fft.rfft(samples * window)
    energy = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, edges)[:-1]
    return np.maximum(10 * np.log10(energy + 1e-12), _FLOOR_DB)


@cache
def _bands(length: int, rate_hz: int) -> tuple[_Array, _Array]:
    """What to look through at a frame of so many samples, and where its bands begin."""
    edges = np.round(np.array(_BANDS_HZ) * length / rate_hz).astype(int)
    return (np.hanning(length) / length).astype(np.float32), edges


def _always(over_db: _Array) -> float:
    """How loud what came in is at least, over what was sent, nearly whenever that was loud."""
    if len(over_db) < _PROOF:
        return _UNKNOWN_DB
    seldom = len(over_db) * _ALWAYS // 100
    return float(np.partition(over_db, seldom)[seldom])


def _gain(over_db: _Array, teaching: _Array) -> _Array:
    """Per band the median; where too little was played to tell, that of all bands."""
    overall = np.median(over_db[teaching])
    known = teaching.sum(axis=0) >= _ENOUGH
    return np.array(
        [np.median(over_db[on, b]) if known[b] else overall for b, on in enumerate(teaching.T)]
    )


def _likeness(near: _Array, played: _Array, counts: _Array) -> _Array:
    """Correlation of two courses of loudness, all bands together; for each delay.

    Of the frames that count; 0 where they are too few to tell.
    """
    frames = np.maximum(counts.sum(axis=1), 1)[:, None]
    weight = counts[:, :, None]
    a, b = np.maximum(near, _HUSH_DB) * weight, np.maximum(played, _HUSH_DB) * weight
    a -= (a.sum(axis=1) / frames)[:, None] * weight
    b -= (b.sum(axis=1) / frames)[:, None] * weight
    scale = np.sqrt((a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2)))
    alike = (a * b).sum(axis=(1, 2)) / np.maximum(scale, 1e-9)
    return np.where(frames[:, 0] < _TELLING, 0.0, alike)
