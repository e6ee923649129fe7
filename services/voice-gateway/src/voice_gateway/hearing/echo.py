"""Tells whether a frame of caller audio is only the echo of the gateway's own replies.

A microphone near a loudspeaker picks the playback up: later by the round trip, softer by the room.
Both are learned from the call itself, by correlating the levels of caller audio and playback in
each frequency band. A frame that is no louder than the expected echo is not the caller.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from voice_gateway.messages import LineEcho

FRAME_S = 0.032
_BANDS_HZ = (200, 300, 420, 560, 720, 900, 1_120, 1_380, 1_700, 2_080, 2_540, 3_100, 3_700)
_FLOOR_DB = -90.0
_NOISE_DB = -75.0  # below this level, a band holds only noise
_LOUD_DB = -15.0  # below the recent maximum: a band this loud echoes, if anything does
_AUDIBLE_DB = -25.0  # below the recent maximum of its band: softer levels teach nothing
_LONGEST_DELAY = 25  # frames of the round trip: 0.8 s
_LEARNED_FRAMES = 125  # newest frames that the room is learned from: 4 s
_LEAST_AUDIBLE_FRAMES = 10  # audible frames per band before anything is learned
_RING_FRAMES = 512  # frames of playback that are remembered: 16 s
_KEPT_FRAMES = _RING_FRAMES - 4 * _LONGEST_DELAY  # the oldest frame whose playback is remembered
_FRAMES_TO_LEARN = 5  # frames between two estimates, until the round trip is known
_FRAMES_TO_REVISE = 30  # frames between two estimates from then on; each takes 1 to 2 ms
_LEAST_COMPARED_FRAMES = 25  # frames of a reply that a correlation needs
_ECHO_CORRELATION = 0.7  # least correlation of an echo; two voices seldom reach it in a second
_LONG_FRAMES = 45  # frames over which two voices correlate less
_LONG_ECHO_CORRELATION = 0.55  # least correlation of an echo over that many frames
_NO_ECHO_DB = -35.0  # below playback: nothing comes back, as with headphones
_LITTLE_ECHO_DB = -24.0  # highest level over playback in any band, where nothing comes back
_UNKNOWN_ECHO_DB = -3.0  # highest level of an echo over playback before the room is known
_CANCELLED_ECHO_DB = -15.0  # the same where it is cancelled, but the canceller still learns
_AUDIBLE_PLAYBACK_DB = -60.0  # softer playback makes no echo that anybody notices
_WORDLESS_DB = -20.0  # below playback: an echo that cannot be louder brings no words
_RINGING = 3  # frames that a room goes on sounding
_ECHO_PERCENTILE = 20  # an echo is always there, a caller is silent at times
_DELAY_SHIFT = 4  # frames by which the round trip may differ in another reply
_LEAST_LOUD_BANDS = 20  # loud bands, over all frames, that can show that nothing comes back
_FRAMES_TO_DOUBT_ECHO = 60  # frames that can show that a known echo has ended
_ECHO_SWING_DB = 6.0  # how much louder an echo may become than it was
_BOUNDING_FRAMES = 40  # newest frames that bound the echo's level at each delay
_FRAMES_TO_TELL_APART = 8  # newest frames that are held against playback at each delay
_LEVELS_TO_TELL_APART = 12  # audible levels, over those frames, that can show that it is no echo
_FRAMES_TO_BOUND = 10  # audible frames after which an echo is bounded by its levels alone
_UNLIKE_DB = 8.5  # least spread over playback of another voice; an echo's is 6.6 at p99
_GROUP = 3  # neighbouring bands that loudspeaker and room treat alike; they are bounded together
_LEAST_SOFTER = 4  # least levels softer than an echo of some gain that show that there is none
_SOFTER_PERCENT = 12  # the same, of all levels that are due; in a true echo few are softer
_DECAY_DB = 3.0  # decay of a sound in a room, in each frame
_OVER_ECHO_DB = 8.0  # how much louder than its echo a band of the caller is
_REVERBERATION_DB = -65.0  # highest level of reverberation in one band; voice is louder
_VOICE_BANDS = 3  # least bands with voice in a frame; reverberation is in one
_CALLER_SHARE = 0.4  # least share of a frame's energy that is the caller's

_CLAIMED_DB: Mapping[LineEcho, float] = {
    "phone": _CANCELLED_ECHO_DB,
    "cancelled": _CANCELLED_ECHO_DB,
}
_CLAIMED: Mapping[LineEcho, bool] = {"none": False, "loudspeaker": True}
"""Whether anything comes back, by the caller's word; of what was cancelled some words may."""

_Array = Any  # numpy's types say less than the variables' names


class Echo:
    """One call's echo path from loudspeaker to microphone; times are of the gateway's clock."""

    def __init__(self) -> None:
        # A ring, by frame of the clock.
        self._far = np.full((_RING_FRAMES, len(_BANDS_HZ) - 1), _FLOOR_DB)
        self._far_until = 0  # the newest frame in the ring
        self._plays_until = -4 * _LONGEST_DELAY
        self._audible_until = -4 * _LONGEST_DELAY  # as `_plays_until`, without silence at its end
        self._began = 0  # the frame in which the running playback began
        self._received: list[tuple[int, _Array]] = []  # caller audio levels during playback
        self._tail = np.full(len(_BANDS_HZ) - 1, _FLOOR_DB)
        self._frames = 0
        self._sure = False
        self._comes_back: bool | None = None
        self._line: LineEcho = "auto"
        self._claimed_db = _UNKNOWN_ECHO_DB
        self._highest_db = np.full((_LONGEST_DELAY, len(_BANDS_HZ) - 1), _UNKNOWN_ECHO_DB)
        self._unlike = np.zeros(_LONGEST_DELAY, bool)
        """The delays at which the newest caller audio is another sound than playback."""
        self.delay: int | None = None
        """Frames of the round trip; None: not known."""
        self.gain_db: _Array | None = None
        """The echo's level over playback in each band; None: not known."""

    def expects(self, line: LineEcho) -> None:
        """Take the caller's word for its line, until the sound says otherwise."""
        if line == self._line:
            return
        self._line = line
        self._claimed_db = _CLAIMED_DB.get(line, _UNKNOWN_ECHO_DB)
        self._highest_db[:] = self._claimed_db

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """The caller's loudspeaker plays this audio from `at` on."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        size = round(FRAME_S * rate_hz)
        first = math.floor(at / FRAME_S)
        frames = [samples[start : start + size] for start in range(0, len(samples), size)]
        self._clear_until(first + len(frames))
        if first > self._plays_until + _DELAY_SHIFT:
            self._begin(first)
        for number, frame in enumerate(frames, start=first):
            row = self._far[number % len(self._far)]
            np.maximum(row, _levels(frame, rate_hz), out=row)
            if row.max() > _AUDIBLE_PLAYBACK_DB:
                self._audible_until = number + 1
        self._plays_until = first + len(frames)

    def _begin(self, frame: int) -> None:
        """A new playback begins: the network delay may have changed since the last one."""
        self._sure = False
        # An echo that nobody believes in cuts every reply off: it is learned from several of them.
        kept = _KEPT_FRAMES if self.comes_back() is False else 0
        self._received = [each for each in self._received if each[0] >= frame - kept]
        if not self._received:
            self._began = frame

    def explains(self, samples: _Array, rate_hz: int, at: float) -> bool:
        """Whether a frame that ended at `at` is no more than the echo of playback."""
        now = math.floor((at - FRAME_S) / FRAME_S)
        if now - self._plays_until > 2 * _LONGEST_DELAY:
            return False  # no playback is recent enough to echo
        self._clear_until(now)
        levels = _levels(samples, rate_hz)
        self._learn(now, levels)
        if self._line == "none" and not self._comes_back:
            return False  # the caller is believed as long as the sound does not show an echo
        expected = self._expected(now)
        energy = 10 ** (levels / 10)
        louder = levels > np.maximum(expected + _OVER_ECHO_DB, _REVERBERATION_DB)
        speaks = (
            louder.sum() >= _VOICE_BANDS and energy[louder].sum() >= _CALLER_SHARE * energy.sum()
        )
        return not speaks

    def comes_back(self) -> bool | None:
        """Whether the microphone picks up the loudspeaker; None: not known yet."""
        return self._comes_back if self._comes_back is not None else _CLAIMED.get(self._line)

    def until(self) -> float:
        """When the last of what was played has come back, where anything does."""
        if self.comes_back() is False:
            return -math.inf
        return (self._audible_until + self._latest() + _RINGING) * FRAME_S

    def _latest(self) -> int:
        """The longest delay, in frames, at which something may come back."""
        if self.delay is not None and self._comes_back:
            return self.delay + (1 if self._sure else _DELAY_SHIFT)
        may_echo = np.flatnonzero(self._highest_db.max(axis=1) > _WORDLESS_DB)
        return int(may_echo[-1]) if len(may_echo) else 0

    def _expected(self, now: int) -> _Array:
        """The highest level that the echo may have in each band now."""
        if self.delay is None or self.gain_db is None:
            self._tail = self._highest_echo(now)
            return self._tail
        shift = 1 if self._sure else _DELAY_SHIFT
        since, until = now - self.delay - shift, min(now, now - self.delay + shift)
        direct = self._played(since, until).max(axis=0) + self.gain_db
        self._tail = np.maximum(direct, self._tail - _DECAY_DB)
        return self._tail

    def _highest_echo(self, now: int) -> _Array:
        """The highest level that the echo may have at any delay; it decays in a room."""
        decay = _DECAY_DB * np.arange(_LONGEST_DELAY)[:, None]
        highest_db = np.where(self._unlike[:, None], _FLOOR_DB, self._highest_db)
        highest = np.maximum.accumulate(highest_db + decay) - decay
        return (self._played(now - _LONGEST_DELAY + 1, now)[::-1] + highest).max(axis=0)

    def _learn(self, now: int, levels: _Array) -> None:
        if self._plays_until < now - _LONGEST_DELAY:
            return
        self._received.append((now, levels))
        del self._received[:-_LEARNED_FRAMES]
        self._frames += 1
        if self._frames % (_FRAMES_TO_REVISE if self._sure else _FRAMES_TO_LEARN) == 0:
            self._estimate()
        if self.gain_db is None and levels.max() > _REVERBERATION_DB:
            near, played = self._newest()
            self._bound(near, played)
            self._find_unlike(near, played)

    def _newest(self) -> tuple[_Array, _Array]:
        """The newest caller audio by frame and band, and playback by delay, frame and band."""
        newest = self._received[-_BOUNDING_FRAMES:]
        near = np.array([levels for _, levels in newest])
        times = np.array([at for at, _ in newest])
        delays = np.arange(_LONGEST_DELAY)[:, None]
        return near, self._far[(times - delays) % len(self._far)]

    def _bound(self, near: _Array, played: _Array) -> None:
        """Bound the echo's level at each delay by what came back so far.

        An echo is in every frame that is due. So a delay at which the microphone was silent, or
        had other sounds, while playback was audible, is none at which much comes back.
        """
        over_db = _by_group(np.where(played > _REVERBERATION_DB, near - played, np.inf))
        audible = np.isfinite(over_db).sum(axis=1)
        softer = np.maximum(_LEAST_SOFTER, audible * _SOFTER_PERCENT // 100)
        known = audible > softer
        ranked = np.sort(over_db, axis=1)
        gain = np.take_along_axis(ranked, np.where(known, softer, 0)[:, None], axis=1)[:, 0]
        gain = np.maximum(gain, np.maximum(_delayed(gain, 1), _delayed(gain, -1)))
        bound = np.minimum(gain + _ECHO_SWING_DB, self._claimed_db)
        self._highest_db = np.where(_of_bands(known), _of_bands(bound), self._highest_db)

    def _find_unlike(self, near: _Array, played: _Array) -> None:
        """Tell the delays at which what came back is no echo, by how it differs from playback.

        Loudspeaker and room treat neighbouring bands alike, and one frame as the next: the level of
        an echo over playback hardly varies, that of another voice does.
        """
        sounds = played > np.maximum(self._far.max(axis=0) + _AUDIBLE_DB, _NOISE_DB)
        short = sounds.any(axis=2).sum(axis=1) <= _FRAMES_TO_BOUND
        sounds = _by_group(sounds[:, -_FRAMES_TO_TELL_APART:])
        over_db = np.where(sounds, _by_group((near - played)[:, -_FRAMES_TO_TELL_APART:]), 0.0)
        means_db = over_db.sum(axis=1) / np.maximum(sounds.sum(axis=1), 1)
        squares = np.where(sounds, over_db - means_db[:, None], 0.0) ** 2
        compared = sounds.sum(axis=(1, 2))
        spread_db = np.sqrt(squares.sum(axis=(1, 2)) / np.maximum(compared, 1))
        self._unlike = short & (compared >= _LEVELS_TO_TELL_APART) & (spread_db > _UNLIKE_DB)

    def _is_bounded(self) -> bool:
        """Whether little comes back in every band; a small loudspeaker leaves the low ones out."""
        self._bound(*self._newest())
        return bool(self._highest_db.max() <= _LITTLE_ECHO_DB)

    def _estimate(self) -> None:
        near = np.array([levels for _, levels in self._received])
        times = np.array([at for at, _ in self._received])
        delays = np.arange(_LONGEST_DELAY)[:, None]
        played = self._far[(times - delays) % len(self._far)]  # by delay, frame and band
        loudest = played.max(axis=(0, 1))
        audible = played > np.maximum(loudest + _AUDIBLE_DB, _NOISE_DB)
        audible_bands = audible.sum(axis=(1, 2))
        loud = loudest.max() + _LOUD_DB
        if self.comes_back() and len(near) < _FRAMES_TO_DOUBT_ECHO:
            loud = math.inf  # after an interruption, audio that was sent was never played
        back_db = np.array([_steady_level((near - far)[far > loud]) for far in played])
        correlation = _correlation(near, played, times - delays >= self._began)
        enough = _LEAST_AUDIBLE_FRAMES * len(loudest)
        correlation[(audible_bands < enough) | (back_db < _NO_ECHO_DB)] = 0.0
        best = int(correlation.argmax())
        long = len(near) >= _LONG_FRAMES and self._comes_back is not False
        if correlation[best] >= (_LONG_ECHO_CORRELATION if long else _ECHO_CORRELATION):
            self._set_known(True, best, near - played[best], audible[best])
        elif audible_bands.min() >= enough and back_db.max() < _NO_ECHO_DB and self._is_bounded():
            self._set_known(False, best, near - played[best], audible[best])

    def _set_known(self, comes_back: bool, delay: int, over_db: _Array, audible: _Array) -> None:
        self._sure, self._comes_back = True, comes_back
        self.delay, self.gain_db = delay, _gain(over_db, audible)

    def _played(self, since: int, until: int) -> _Array:
        """The playback levels of these frames, both included."""
        return self._far[np.arange(since, until + 1) % len(self._far)]

    def _clear_until(self, frame: int) -> None:
        """Clear the ring up to this frame: playback that is not noted is silence."""
        for empty in range(max(self._far_until + 1, frame - len(self._far)), frame + 1):
            self._far[empty % len(self._far)] = _FLOOR_DB
        self._far_until = max(self._far_until, frame)


def _by_group(levels: _Array) -> _Array:
    """The levels by delay, frame and band as levels by delay and group of bands."""
    delays, frames, bands = levels.shape
    grouped = levels.reshape(delays, frames, bands // _GROUP, _GROUP)
    return grouped.swapaxes(2, 3).reshape(delays, frames * _GROUP, bands // _GROUP)


def _of_bands(of_groups: _Array) -> _Array:
    """The value of its group for each band."""
    return np.repeat(of_groups, _GROUP, axis=1)


def _delayed(values: _Array, by: int) -> _Array:
    """The values of another delay for each; the outermost stay."""
    return values[np.clip(np.arange(len(values)) - by, 0, len(values) - 1)]


def _levels(samples: _Array, rate_hz: int) -> _Array:
    """The level of each band, in dB of full scale."""
    window, edges = _bands(len(samples), rate_hz)
    spectrum = np.fft.rfft(samples * window)
    energy = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, edges)[:-1]
    return np.maximum(10 * np.log10(energy + 1e-12), _FLOOR_DB)


@cache
def _bands(length: int, rate_hz: int) -> tuple[_Array, _Array]:
    """The window of a frame of `length` samples, and the bins at which its bands begin."""
    edges = np.round(np.array(_BANDS_HZ) * length / rate_hz).astype(int)
    return (np.hanning(length) / length).astype(np.float32), edges


def _steady_level(over_db: _Array) -> float:
    """The level over playback that caller audio keeps while playback is loud."""
    if len(over_db) < _LEAST_LOUD_BANDS:
        return _UNKNOWN_ECHO_DB
    seldom = len(over_db) * _ECHO_PERCENTILE // 100
    return float(np.partition(over_db, seldom)[seldom])


def _gain(over_db: _Array, audible: _Array) -> _Array:
    """The median of each band; of all bands, where too little was played in one."""
    overall = np.median(over_db[audible])
    known = audible.sum(axis=0) >= _LEAST_AUDIBLE_FRAMES
    return np.array(
        [np.median(over_db[on, b]) if known[b] else overall for b, on in enumerate(audible.T)]
    )


def _correlation(near: _Array, played: _Array, counts: _Array) -> _Array:
    """Correlate the levels of caller audio and playback over all bands, for each delay.

    Only the frames of `counts` are compared; the result is 0 where they are too few.
    """
    frames = np.maximum(counts.sum(axis=1), 1)[:, None]
    weight = counts[:, :, None]
    a, b = np.maximum(near, _NOISE_DB) * weight, np.maximum(played, _NOISE_DB) * weight
    a -= (a.sum(axis=1) / frames)[:, None] * weight
    b -= (b.sum(axis=1) / frames)[:, None] * weight
    scale = np.sqrt((a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2)))
    alike = (a * b).sum(axis=(1, 2)) / np.maximum(scale, 1e-9)
    return np.where(frames[:, 0] < _LEAST_COMPARED_FRAMES, 0.0, alike)
