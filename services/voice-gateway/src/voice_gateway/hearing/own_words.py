"""Tells the caller's recognised words from the echo of the gateway's own replies.

The module is pure. If the caller uses a loudspeaker, the recogniser also transcribes the replies.
Its words are aligned with the words of the reply; words without a counterpart are the caller's.

    reply          the capital of france is paris it lies on the seine
    recognised     the capitol of france is paris wait what about london
                   └─────────── echo ──────────┘ └──── the caller ───┘

The recogniser gets some words of an echo wrong, so aligned words need not be equal. It also makes
words of a soft or reverberant echo that nobody said, so words alone never prove that the caller
spoke: voice activity must have been detected beside the echo (`Utterance`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from unicodedata import category

from voice_gateway.hearing.unechoed import could_say
from voice_gateway.language.speakable import speakable
from voice_gateway.messages import Transcript

APART = " ¦ "
"""Separates texts that were not spoken one after the other."""

_NO_ECHO = ""  # stands for a word that is no echo: nothing that is said equals it
_LEAST_LIKENESS = 0.65  # of 1: "capitol" passes for "capital", "london" not for "million"
_ECHO_WORDS = 150  # newest words of a reply, a minute of it, that may still be an echo
_MISHEARD_WORDS = 3  # most words in a row that the recogniser may get wrong in an echo
_STRAY_WORDS = 1  # words beside an echo that are more likely misheard than the caller's
_LAST_WORDS = 1  # words of an echo that may still be added to its transcript
COMES_BACK_S = 2.0  # longest time from playback to the transcript of its echo
_NOTICED_S = 1.0  # longest time from a first word beside an echo to its voice activity
_SPLIT_FINALS_S = 0.4  # longest time between two finals of one voice; an echo takes longer
_FINAL_DELAY_S = 1.0  # longest time from the end of a voice to its final


@dataclass(frozen=True, slots=True)
class Split:
    """Which recognised words are the caller's, and how many are an echo."""

    callers: tuple[int, ...]
    """The positions of the words that are not an echo."""
    own: int
    """How many words are an echo."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Recognised words `start` to `end`, aligned with words of the reply up to `said_end`."""

    start: int
    end: int
    said_end: int
    same: int
    """How many of them equal the reply's words, or are like them."""


def split(
    recognised: str,
    spoken: str,
    keep: frozenset[str] = frozenset(),
    theirs: frozenset[int] = frozenset(),
) -> Split:
    """Tell the caller's words in `recognised` from the echo of `spoken`.

    `spoken` is all text that the caller's loudspeaker may have played meanwhile; APART separates
    texts that did not follow each other. Words of `keep` are always the caller's, unless `spoken`
    has them. The words at the positions `theirs` are the caller's, whatever was spoken.
    """
    words = [_plain(word) for word in recognised.split()]
    said = list(_said(spoken))[-_ECHO_WORDS:]
    own: set[int] = set()
    doubted = [_NO_ECHO if at in theirs else word for at, word in enumerate(words)]
    for run in _runs(_as_said(doubted, said), said):
        if run.same > 1 or run.end - run.start == len(words):
            own |= set(range(run.start, run.end)) - theirs
    own -= {at for at in own if words[at] in keep and words[at] not in said}
    return Split(tuple(at for at in range(len(words)) if at not in own), len(own))


def callers_part(
    transcript: Transcript,
    own: str,
    stops: frozenset[str],
    *,
    doubted: int = 0,
    theirs: frozenset[int] = frozenset(),
) -> Transcript:
    """Cut the transcript to the caller's words, where `own` may echo; `stops` are always kept.

    A rest of at most `doubted` words is dropped, even where no word is like one of `own`. The words
    at the positions `theirs` are known to be no echo.
    """
    written = transcript.text.split()
    parts = split(transcript.text, own, stops, theirs)
    strays = max(_STRAY_WORDS if parts.own else 0, doubted)
    words = [written[at] for at in parts.callers]
    certain = theirs or any(_plain(word) in stops for word in words)
    if len(words) <= strays and not certain:
        return replace(transcript, text="", words=())
    if not parts.own:
        return transcript
    timed = len(transcript.words) == len(written)
    times = tuple(transcript.words[at] for at in parts.callers) if timed else ()
    return replace(transcript, text=" ".join(words), words=times)


def left_out(transcript: Transcript, part: Transcript) -> str:
    """The words of the transcript that are not in this part of it."""
    kept = iter(part.text.split())
    word = next(kept, None)
    out: list[str] = []
    for written in transcript.text.split():
        if written == word:
            word = next(kept, None)
        else:
            out.append(written)
    return " ".join(out)


class Utterance:
    """One utterance, from final to final: whether the caller's voice was in it."""

    def __init__(self) -> None:
        self._over = False
        self._voiced = False
        self._voiced_until = -_FINAL_DELAY_S
        self._has_caller = False
        self._unechoed_since: float | None = None
        self._echoes: list[tuple[float, str]] = []

    def voice(self, now: float, *, voiced: bool, unechoed_since: float | None = None) -> None:
        """Note an edge of the caller's voice activity.

        `unechoed_since`: when the voice began, where no echo can have been beside it any more.
        """
        self._next()
        if voiced and not (self._has_caller and self._unechoed_since is None):
            self._unechoed_since = unechoed_since
        if voiced and not self._has_caller:
            self._echoes = [each for each in self._echoes if each[0] <= now - _NOTICED_S]
            self._has_caller = True
        self._voiced, self._voiced_until = voiced, now

    def may_echo(self) -> None:
        """What was played may come back now: an echo may be beside a voice that goes on."""
        if self._voiced:
            self._unechoed_since = None

    def take(self, transcript: Transcript, now: float) -> bool:
        """Note a transcript; return whether words of the caller may be in it."""
        self._next()
        late = now - self._voiced_until <= _FINAL_DELAY_S  # a final split off these words
        self._has_caller = self._has_caller or self._voiced or late
        if not self._has_caller:
            self._echoes.append((now, transcript.text))
        self._over = transcript.final
        return self._has_caller

    def understood(self, now: float) -> None:
        """Note a final of the caller: another final of the same voice comes soon, or never."""
        self._voiced_until = min(self._voiced_until, now + _SPLIT_FINALS_S - _FINAL_DELAY_S)

    def unechoed(self, transcript: Transcript, now: float) -> frozenset[int]:
        """The words that can only be the caller's, as all its voice began after the last echo.

        The echo of before may stand at the beginning; the rest of it is not in doubt.
        """
        words = len(transcript.text.split())
        echo = len(self.misheard.split())
        first = echo + _LAST_WORDS if echo else 0
        since = self._unechoed_since
        fresh = self._voiced or now - self._voiced_until <= _FINAL_DELAY_S
        if since is None or not fresh or not could_say(words - echo, now - since):
            return frozenset()
        return frozenset(range(first, words))

    def accept(self) -> None:
        """Count the rest of the utterance as the caller's, as some of its words are."""
        if not self._has_caller:
            self._has_caller = True
            self._echoes.clear()

    @property
    def misheard(self) -> str:
        """The transcript from before the caller's voice: an echo, whatever its words are."""
        return self._echoes[-1][1] if self._echoes else ""

    def _next(self) -> None:
        if self._over:
            self._over, self._has_caller = False, False
            self._echoes.clear()


class OwnWords:
    """The texts of the gateway's replies that may still come back as an echo."""

    def __init__(self, language: str, sounding: Callable[[], str]) -> None:
        """`sounding` returns the text of the live reply that the caller may have heard by now."""
        self._language = language
        self.sounding = sounding
        self._over: list[tuple[float, str]] = []
        self._between = True

    def adjust(self, language: str) -> None:
        """Take all replies from now on to be in this language."""
        self._language = language
        self._over.clear()
        self._between = True

    def reply_over(self, text: str, until: float) -> None:
        """Note the text of a reply that is over; its playback ends at `until`."""
        if text:
            self._over.append((until, text))

    def sounds(self, now: float) -> bool:
        """Whether any reply may still come back as an echo."""
        return bool(self.sounding()) or any(until + COMES_BACK_S > now for until, _ in self._over)

    def of_utterance(self, now: float, *, final: bool) -> str:
        """The texts that may echo in the running utterance; `final` ends the utterance."""
        if self._between:
            self._over = [each for each in self._over if each[0] + COMES_BACK_S > now]
        self._between = final
        said = APART.join(filter(None, [text for _, text in self._over] + [self.sounding()]))
        if not any(map(str.isdigit, said)):
            return said
        spoken = (speakable(text, self._language) for text in said.split(APART))
        return APART.join((said, *spoken))  # a recogniser writes digits or words


def _said(spoken: str) -> Iterator[str]:
    for text in spoken.split(APART):
        yield from filter(None, map(_plain, text.split()))
        yield from (APART,) * (_MISHEARD_WORDS + 2)  # no run spans this many words


def _runs(recognised: Sequence[str], said: Sequence[str]) -> Iterator[_Run]:
    """The runs of recognised words that are aligned with said ones, misheard words included."""
    run: _Run | None = None
    for block in SequenceMatcher(None, recognised, said, autojunk=False).get_matching_blocks():
        if not block.size:
            break
        end, said_end = block.a + block.size, block.b + block.size
        if run and _continues(block.a - run.end, block.b - run.said_end, run.same + block.size):
            run = _Run(run.start, end, said_end, run.same + block.size)
            continue
        if run:
            yield run
        run = _Run(block.a, end, said_end, block.size)
    if run:
        yield run


def _continues(recognised_gap: int, said_gap: int, same: int) -> bool:
    """Whether the words between two runs are misheard, and not the caller's.

    `same` is the number of equal words in both: "is the weather in paris" is not taken for an echo
    of "is sunny and paris".
    """
    return recognised_gap <= min(_MISHEARD_WORDS, same - 1) and abs(recognised_gap - said_gap) <= 1


def _as_said(recognised: Sequence[str], said: Sequence[str]) -> list[str]:
    """The recognised words, each replaced by the said word that it is like."""
    known = tuple(dict.fromkeys(said))
    alike = [word if word in known else _most_like(word, known) or word for word in recognised]
    if alike and alike[-1] and alike[-1] not in known:  # an interim may end inside a word
        alike[-1] = next((word for word in known if word.startswith(alike[-1])), alike[-1])
    return alike


@lru_cache(maxsize=4096)  # each interim repeats the words before it
def _most_like(word: str, known: tuple[str, ...]) -> str | None:
    return next((other for other in known if _alike(word, other)), None)


def _alike(word: str, other: str) -> bool:
    if abs(len(word) - len(other)) > 2 or min(len(word), len(other)) < 3:
        return False
    matcher = SequenceMatcher(None, word, other, autojunk=False)
    return matcher.real_quick_ratio() >= _LEAST_LIKENESS and matcher.ratio() >= _LEAST_LIKENESS


def _plain(word: str) -> str:
    # isalnum() would drop the vowel signs of Devanagari, which are part of their words.
    return "".join(c for c in word.lower() if category(c)[0] in "LMN")
