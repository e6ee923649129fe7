"""Which recognised words are the caller's, and which the gateway's own voice come back.

Pure. On loudspeakers the recogniser writes down what the gateway says. Its words are laid beside
the words that were being spoken; what has no place there was said by the caller.

    being spoken   the capital of france is paris it lies on the seine
    recognised     the capitol of france is paris wait what about london
                   └──────── own voice ────────┘ └──── the caller ───┘

The recogniser mishears a voice that comes back through a room: words need not be the same to lie
beside each other. Of a soft or ringing echo it makes words that nobody said, so words alone take
nothing for the caller's: the caller's voice must have been noticed beside the echo (`Utterance`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from unicodedata import category

from voice_gateway.language.speakable import speakable
from voice_gateway.messages import Transcript

APART = " ¦ "
"""Between texts that were not spoken one after the other."""

_ALIKE = 0.65  # of 1: "capitol" is "capital", "seine" is "sane"; "london" is not "million"
_MOST_WORDS = 150  # a minute of speech: older words are nobody's echo any more
_MISHEARD = 3  # words in a row that may have come back as other ones
_STRAY = 1  # words beside an echo that are rather misheard than the caller's
COMES_BACK_S = 2.0  # after it was played, at the latest: the way there, back, and a recogniser
_NOTICED_S = 1.0  # after its first word, a voice beside an echo has been noticed
_SPLIT_S = 0.4  # between two finals of one voice; an answer's echo takes longer to be words
_RECOGNISER_S = 1.0  # that final words come after the voice that said them, at the latest


@dataclass(frozen=True, slots=True)
class Split:
    """Recognised words, told apart."""

    callers: tuple[int, ...]
    """Which words are not the gateway's own."""
    own: int
    """How many words are."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Heard words `start` to `end` that lie beside said words up to `said_end`."""

    start: int
    end: int
    said_end: int
    same: int
    """How many of them are the said words, or like them."""


def split(recognised: str, spoken: str, keep: frozenset[str] = frozenset()) -> Split:
    """Tell the caller's words in `recognised` from those of `spoken` that came back.

    `spoken` is everything that may have left the caller's loudspeaker while these words were said;
    texts that did not follow each other stand apart by APART.
    Words of `keep` are the caller's unless they were spoken, wherever they stand.
    """
    heard = [_plain(word) for word in recognised.split()]
    said = list(_said(spoken))[-_MOST_WORDS:]
    own: set[int] = set()
    for run in _runs(_as_said(heard, said), said):
        if run.same > 1 or run.end - run.start == len(heard):
            own |= set(range(run.start, run.end))
    own -= {at for at in own if heard[at] in keep and heard[at] not in said}
    return Split(tuple(at for at in range(len(heard)) if at not in own), len(own))


def callers_part(
    transcript: Transcript, own: str, stops: frozenset[str], *, doubted: int = 0
) -> Transcript:
    """What of it the caller said, while `own` could come back; `stops` are never strays.

    So few words as `doubted` are nobody's, even where none of them is like one of our own.
    """
    written = transcript.text.split()
    parts = split(transcript.text, own, stops)
    strays = max(_STRAY if parts.own else 0, doubted)
    words = [written[at] for at in parts.callers]
    if len(words) <= strays and not any(_plain(word) in stops for word in words):
        return replace(transcript, text="", words=())
    if not parts.own:
        return transcript
    timed = len(transcript.words) == len(written)
    times = tuple(transcript.words[at] for at in parts.callers) if timed else ()
    return replace(transcript, text=" ".join(words), words=times)


class Utterance:
    """What is recognised between one final and the next, and whether the caller spoke in it."""

    def __init__(self) -> None:
        self._over = False
        self._voiced = False
        self._voiced_until = -_RECOGNISER_S
        self._theirs = False
        self._echoes: list[tuple[float, str]] = []

    def voice(self, now: float, *, voiced: bool) -> None:
        """The caller's voice began, or fell silent."""
        self._next()
        if voiced and not self._theirs:
            self._echoes = [each for each in self._echoes if each[0] <= now - _NOTICED_S]
            self._theirs = True
        self._voiced, self._voiced_until = voiced, now

    def take(self, transcript: Transcript, now: float) -> bool:
        """The recogniser says this of it; returns whether words of the caller may be in it."""
        self._next()
        late = now - self._voiced_until <= _RECOGNISER_S  # the final before cut the words off
        self._theirs = self._theirs or self._voiced or late
        if not self._theirs:
            self._echoes.append((now, transcript.text))
        self._over = transcript.final
        return self._theirs

    def understood(self, now: float) -> None:
        """Final words of what the caller said are there: more of it comes at once, or never."""
        self._voiced_until = min(self._voiced_until, now + _SPLIT_S - _RECOGNISER_S)

    def accept(self) -> None:
        """Its words are the caller's after all, and so is what goes on with them."""
        if not self._theirs:
            self._theirs = True
            self._echoes.clear()

    @property
    def misheard(self) -> str:
        """What the recogniser made of it before the caller spoke: an echo, however it reads."""
        return self._echoes[-1][1] if self._echoes else ""

    def _next(self) -> None:
        if self._over:
            self._over, self._theirs = False, False
            self._echoes.clear()


class OwnWords:
    """What the gateway has said, for as long as it may come back. Times in seconds."""

    def __init__(self, language: str, sounding: Callable[[], str]) -> None:
        """`sounding`: what of the live reply may have been heard by now."""
        self._language = language
        self.sounding = sounding
        self._over: list[tuple[float, str]] = []
        self._between = True

    def adjust(self, language: str) -> None:
        """From now on, what is said is in this language."""
        self._language = language
        self._over.clear()
        self._between = True

    def reply_over(self, text: str, until: float) -> None:
        """A reply was played, or cut off: nothing of it sounds after `until`."""
        if text:
            self._over.append((until, text))

    def sounds(self, now: float) -> bool:
        """Whether anything that was said may still come back."""
        return bool(self.sounding()) or any(until + COMES_BACK_S > now for until, _ in self._over)

    def of_utterance(self, now: float, *, final: bool) -> str:
        """What may have come back in the utterance under way, which ends where `final`."""
        if self._between:
            self._over = [each for each in self._over if each[0] + COMES_BACK_S > now]
        self._between = final
        said = APART.join(filter(None, [text for _, text in self._over] + [self.sounding()]))
        if not any(map(str.isdigit, said)):
            return said
        spoken = (speakable(text, self._language) for text in said.split(APART))
        return APART.join((said, *spoken))  # recognisers write either


def _said(spoken: str) -> Iterator[str]:
    for text in spoken.split(APART):
        yield from filter(None, map(_plain, text.split()))
        yield from (APART,) * (_MISHEARD + 2)  # no run goes on over this many words


def _runs(heard: Sequence[str], said: Sequence[str]) -> Iterator[_Run]:
    """The stretches of heard words that lie beside said ones, a misheard word or two among them."""
    run: _Run | None = None
    for block in SequenceMatcher(None, heard, said, autojunk=False).get_matching_blocks():
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


def _continues(heard_gap: int, said_gap: int, same: int) -> bool:
    """Whether what lies between two stretches is misheard, and nothing the caller put in.

    So many words are the `same` in them: "is the weather in paris" is no "is sunny and paris".
    """
    return heard_gap <= min(_MISHEARD, same - 1) and abs(heard_gap - said_gap) <= 1


def _as_said(heard: Sequence[str], said: Sequence[str]) -> list[str]:
    """The heard words, each that is like a said one replaced by it."""
    known = tuple(dict.fromkeys(said))
    alike = [word if word in known else _likest(word, known) or word for word in heard]
    if alike and alike[-1] and alike[-1] not in known:  # an interim may end inside a word
        alike[-1] = next((word for word in known if word.startswith(alike[-1])), alike[-1])
    return alike


@lru_cache(maxsize=4096)  # the same utterance is looked at again with each of its words
def _likest(word: str, known: tuple[str, ...]) -> str | None:
    return next((other for other in known if _alike(word, other)), None)


def _alike(word: str, other: str) -> bool:
    if abs(len(word) - len(other)) > 2 or min(len(word), len(other)) < 3:
        return False
    matcher = SequenceMatcher(None, word, other, autojunk=False)
    return matcher.real_quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def _plain(word: str) -> str:
    # By category: the vowel signs of Devanagari and others are part of their words.
    return "".join(c for c in word.lower() if category(c)[0] in "LMN")
