"""What became of each turn, and how long recovery took. Pure; times are in seconds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from faults.heard_turns import Came, Turn
from faults.spoken_questions import ANSWER, Question, name_of

Outcome = Literal["answered", "apologised", "late", "broke off", "astray", "told", "silent"]
OUTCOMES: Mapping[Outcome, str] = {
    "answered": "the whole answer to the whole question was heard, begun within the limit",
    "apologised": "something else was said, within the limit",
    "late": "either of them, after the limit",
    "broke off": "an answer began, and nothing said why it stopped",
    "astray": "an answer was heard, and not to this question: to half of it, or to another",
    "told": "nothing was heard; a message says what failed",
    "silent": "nothing came",
}
_QUICK_S = 2.0  # an answer that began within it was not delayed
GOOD: tuple[Outcome, ...] = ("answered", "apologised")

Words = Literal["whole", "part", "none", "twice"]
WORDS: tuple[Words, ...] = ("whole", "part", "none", "twice")
"""What the model was asked of a question: all its words in order, a part, nothing, or more."""


class Asked:
    """All that the model was asked: to be found by an answer's name, and by a question's words."""

    def __init__(self, requests: Iterable[Sequence[str]]) -> None:
        self._by_name: dict[str, tuple[str, ...]] = {}
        self._by_word: dict[str, list[tuple[str, ...]]] = {}
        for request in requests:
            words = tuple(request)
            if self._by_name.setdefault(name_of(words), words) is words:
                for word in set(words):
                    self._by_word.setdefault(word, []).append(words)

    def __contains__(self, name: str) -> bool:
        """Whether an answer begins with this name."""
        return name in self._by_name

    def by(self, name: str) -> tuple[str, ...]:
        """What was asked for the answer that begins with this name."""
        return self._by_name.get(name, ())

    def about(self, question: Question) -> list[tuple[str, ...]]:
        """The requests with at least one of the question's names."""
        return [words for name in question.names for words in self._by_word.get(name, ())]


@dataclass(frozen=True, slots=True)
class Said:
    """What one reply said at one place."""

    name: str
    """The name its answer begins with; "?" where the name is missing; empty: no answer's words."""
    at: float
    whole: bool


def said_in(turn: Turn, asked: Asked) -> list[Said]:
    """What the caller heard, reply by reply."""
    replies: dict[int, list[Came]] = {}
    for one in turn.audio:
        replies.setdefault(one.reply, []).append(one)
    return [said for came in replies.values() for said in _said_in_reply(came, asked)]


def _said_in_reply(came: Sequence[Came], asked: Asked) -> Iterator[Said]:
    """Every answer in it, and where it says something else."""
    name, at, spoken = "?", came[0].at, list[str]()
    for word_at, word in _words_at(came):
        if word in ANSWER:
            spoken.append(word)
            continue
        if name != "?" or spoken:
            yield Said(name, at, whole=_is_whole(spoken))
            at = word_at
        if word not in asked:
            yield Said("", at, whole=True)
            return
        name, spoken = word, []
    yield Said(name, at, whole=_is_whole(spoken))


def _words_at(came: Sequence[Came]) -> Iterator[tuple[float, str]]:
    return ((one.at, word) for one in came for word in one.words)


def _is_whole(spoken: Sequence[str]) -> bool:
    return tuple(spoken[: len(ANSWER)]) == ANSWER


def times_within(words: Sequence[str], asked: Sequence[str]) -> int:
    """How often these words stand in what was asked, whole and in order."""
    size, wanted = len(words), tuple(words)
    return sum(
        tuple(asked[start : start + size]) == wanted for start in range(len(asked) - size + 1)
    )


def outcome_of(turn: Turn, asked: Asked, limit_s: float) -> Outcome:
    said = said_in(turn, asked)
    until = turn.ended_at + limit_s
    answers = [one for one in said if _answers(turn, one, asked)]
    others = [one for one in said if not one.name]
    if answers or others:
        good: Outcome = "answered" if answers else "apologised"
        return good if min(one.at for one in answers or others) <= until else "late"
    if any(one.whole for one in said):
        return "astray"
    if said:
        return "broke off"
    return "told" if any(one.kind == "error" for one in turn.came) else "silent"


def _answers(turn: Turn, said: Said, asked: Asked) -> bool:
    return said.whole and times_within(turn.question.words, asked.by(said.name)) == 1


def words_of(turn: Turn, asked: Asked) -> Words:
    """What the model was asked of this question, at any time and in any request."""
    requests = asked.about(turn.question)
    times = [times_within(turn.question.words, words) for words in requests]
    heard = sum(_answers(turn, said, asked) for said in said_in(turn, asked))
    if max(times, default=0) > 1 or heard > 1:
        return "twice"
    return "whole" if 1 in times else "part" if requests else "none"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What one call saw of a fault, in seconds since the fault began; None: nothing of the kind."""

    told_s: float | None
    """To the first message that something failed."""
    heard_s: float | None
    """To the next thing said, where the fault spoiled or delayed a turn."""
    answered_s: float | None
    """To the beginning of the next answer that was whole, to a whole question."""


def recovery_of(turns: Sequence[Turn], asked: Asked, since: float, until: float) -> Recovery:
    """How one call came through a fault at `since`; the next fault is at `until`."""
    near = [turn for turn in turns if turn.over_at > since and turn.began_at < until]
    errors = (one.at for turn in near for one in turn.came if one.kind == "error")
    said = [(turn, one) for turn in near for one in said_in(turn, asked)]
    touched = any(outcome_of(turn, asked, _QUICK_S) != "answered" for turn in near)
    return Recovery(
        _first(errors, since, until),
        _first((one.at for _, one in said), since, until) if touched else None,
        _first((one.at for turn, one in said if _answers(turn, one, asked)), since, until),
    )


def _first(times: Iterable[float], since: float, until: float) -> float | None:
    return min((at - since for at in times if since <= at < until), default=None)
