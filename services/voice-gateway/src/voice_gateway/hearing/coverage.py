"""Knows which of the caller's speech the recogniser's words cover.

All positions are seconds of caller audio.

    caller audio   ──▅▇▅▇▅──────▅▇▅▇▅▇▅▇▅──────────
    finals         ──what is────|
    interim                      natural lang|
                             _final_s    _reached_s  _speech_s

Words are a prefix of what was said as long as the recogniser has not come to the end of the speech
that voice activity was detected in. A recogniser that never says how far it has come is taken to be
where its audio is, unless its stream was lost: then all since the last final is to be recognised
again, and the last interim of the lost stream counts until the next stream has come as far.
"""

from enum import Enum, auto

from voice_gateway.messages import Transcript

_WORD_END_S = 0.1  # voice activity lasts this much longer than its last word, at most
_UNTOLD_S = 30.0  # a stream that lives for longer has come further, even if it does not say so
_ON_TIME_S = 1.0  # a recogniser that is closer behind a voice that still lasts is on time


class Covered(Enum):
    """How much of the caller's speech the words cover."""

    WHOLE = auto()
    BEHIND = auto()  # the recogniser has not come to the end of the speech yet
    UNHEARD = auto()  # the same, and it has given no words of it
    BROKEN = auto()  # its stream was lost, and the speech is to be recognised again


class Coverage:
    """The speech and the words of one caller."""

    def __init__(self) -> None:
        self.voiced = False
        self._speech_s = 0.0
        self._final_s = 0.0
        """Where the audio begins that is recognised again if the stream is lost."""
        self._covered_s = 0.0
        """Up to here everything was recognised, words or not."""
        self._reached_s: float | None = None
        """How far the stream has come; None: it did not say."""
        self._furthest_s = 0.0
        """How far any stream has come."""
        self._interim: Transcript | None = None
        self._lost_s: float | None = None
        """While a lost stream is made good: how far its interim had come."""
        self._lost_interim: Transcript | None = None
        """That interim, until the next stream gives as many words."""
        self._answers_silence = False
        """Whether it answers audio without words, so that it always tells its position."""
        self._wordless = False
        """The last response has had no words."""

    @property
    def replay_from_s(self) -> float:
        return self._final_s

    @property
    def lost_interim(self) -> Transcript | None:
        """The words of a lost stream that no other stream has replaced."""
        return self._lost_interim

    @property
    def needed_from_s(self) -> float:
        """The audio before this position is never recognised again."""
        accounted_s = self._accounted_s()
        heard = self.voiced or self._speech_s > accounted_s
        owed = heard or self._interim or self._lost_s is not None
        return self._final_s if owed else max(self._final_s, accounted_s)

    @property
    def has_all_speech(self) -> bool:
        """Whether all speech is recognised; False where no voice was ever detected."""
        return 0.0 < self._speech_s - _WORD_END_S <= self._accounted_s() and not self.voiced

    def voice(self, until_s: float, *, voiced: bool) -> None:
        """Voice activity began, or ended, at this position."""
        self.voiced = voiced
        self._speech_s = max(self._speech_s, until_s)

    def came(self, added_s: float) -> None:
        """Audio came up to this position."""
        if self.voiced:
            self._speech_s = added_s

    def reached(self, until_s: float | None) -> None:
        """A response came: the stream has come this far; None: it does not say."""
        self._answers_silence = self._answers_silence or self._wordless
        self._wordless = True
        self._reached_s = until_s

    def took(self, transcript: Transcript, taken_s: float) -> None:
        """A transcript came when so much audio was taken."""
        self._wordless = False
        if not transcript.final:
            return
        reached_s = taken_s if self._reached_s is None else self._reached_s
        words_end_s = transcript.words[-1].end_s if transcript.words else reached_s
        self._settle(min(words_end_s, reached_s), reached_s)

    def shows(self, interim: Transcript) -> None:
        """The conversation has these words of the caller now, which may still change."""
        self._interim, self._lost_interim = interim, None

    def answered(self, taken_s: float) -> None:
        """The words so far are a turn: a lost stream's audio is recognised from here on."""
        if self._interim and self._lost_s is None:
            reached_s = taken_s if self._reached_s is None else self._reached_s
            self._settle(reached_s, reached_s)

    def repeats(self, transcript: Transcript) -> bool:
        """Whether the transcript only repeats the beginning of what the lost stream gave."""
        lost = self._lost_interim
        if lost is None or self._lost_s is None or transcript.final:
            return False
        past = self._reached_s is not None and self._reached_s >= self._lost_s
        return not past and len(transcript.text.split()) < len(lost.text.split())

    def lost(self, taken_s: float, *, lead_s: float) -> bool:
        """The stream was lost, which had taken so much; return whether it had come further.

        Where nothing was said in the last of it, only `lead_s` of that are recognised again.
        """
        needed_s = self.needed_from_s
        reached_s = taken_s - _UNTOLD_S if self._reached_s is None else self._reached_s
        further = reached_s > self._furthest_s + _ON_TIME_S
        self._furthest_s = max(self._furthest_s, reached_s)
        if needed_s > self._final_s:  # nobody spoke since
            self._settle(max(self._final_s, needed_s - lead_s), needed_s)
        self._lost_interim = self._lost_interim or self._interim
        came_s = max(reached_s, self._final_s) if self._interim else self._final_s
        self._lost_s = max(came_s, self._lost_s or 0.0)
        self._reached_s = None
        return further

    def released(self, before_s: float) -> None:
        """The audio before this position, of which nothing was owed, is not kept any more."""
        self._final_s = max(self._final_s, before_s)

    def give_up(self, before_s: float) -> None:
        """What was said before this position is not recognised any more."""
        self._settle(before_s, before_s)

    def give_up_to_lost(self) -> None:
        """The words of the lost stream count: what they cover is not recognised again."""
        self.give_up(self._lost_s or 0.0)

    def now(self) -> Covered:
        speech_s = self._speech_s - (_ON_TIME_S if self.voiced else _WORD_END_S)
        if self._lost_s is not None:
            if self._accounted_s() < max(self._lost_s, speech_s):
                return Covered.BROKEN
            self._lost_s = self._lost_interim = None
        if self._reached_s is None or not (self._answers_silence or self._interim):
            return Covered.WHOLE
        if self._accounted_s() >= speech_s:
            return Covered.WHOLE
        return Covered.BEHIND if self._interim else Covered.UNHEARD

    def _settle(self, final_s: float, covered_s: float) -> None:
        self._interim = self._lost_interim = None
        self._final_s = max(self._final_s, final_s)
        self._covered_s = max(self._covered_s, covered_s)

    def _accounted_s(self) -> float:
        return max(self._covered_s, self._reached_s or 0.0)
