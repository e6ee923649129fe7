"""Compares two courses of a call: when turns were taken, and what became of the answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from statistics import median
from typing import Any

from voice_gateway import conversation as c
from voice_gateway.conversation.history import plain
from voice_gateway.observe.event_log import LoggedStep, question_in

_COLUMN_CHARS = 46
_LONGEST_QUOTE_CHARS = 40  # of a question, or of what the caller heard


@dataclass(slots=True)
class Turn:
    """One turn of the caller, and the outcome of its answer. Times are the event loop's."""

    reply: int
    question: str
    taken_at: float
    speech_end: float | None
    prepared: bool
    answer_at: float | None = None
    fate: str = "still under way"


@dataclass(slots=True)
class Summary:
    """The turns of a call, and what its drafts and pauses cost."""

    turns: list[Turn] = field(default_factory=list[Turn])
    prepared: int = 0
    in_vain: int = 0
    """How many drafts were dropped."""
    pauses: int = 0
    """How often an answer paused for a sound that was no interruption, and summary on."""


class _Follower:
    def __init__(self) -> None:
        self.summary = Summary()
        self._live: dict[int, Turn] = {}
        self._drafts: dict[int, tuple[str, float | None]] = {}
        """The question of each draft, and since when the draft has audio."""
        self._speech_end: float | None = None
        self._activity_known = False

    def take(self, step: LoggedStep) -> None:
        self._event(step.event)
        for command in step.commands:
            self._command(command, step.event.at)

    def _event(self, event: c.Event) -> None:
        match event:
            case c.CallerQuiet(since=since):
                self._speech_end, self._activity_known = since, True
            case c.CallerVoiced():
                self._speech_end, self._activity_known = None, True
            case c.CallerSpoke(at=at) if not self._activity_known:
                self._speech_end = at
            case c.ReplyAudioStarted(at=at, reply=reply):
                self._audio_started(reply, at)
            case _:
                pass

    def _audio_started(self, reply: int, at: float) -> None:
        if reply in self._drafts:
            self._drafts[reply] = (self._drafts[reply][0], at)
        elif reply in self._live:
            self._live[reply].answer_at = at

    def _command(self, command: Mapping[str, Any], at: float) -> None:
        number = int(command.get("reply", 0))
        match command["is"]:
            case "PrepareReply":
                self.summary.prepared += 1
                self._drafts[number] = (question_in(command), None)
            case "Say":
                said = f"(says: {command['text']})"
                self._take_turn(number, said, at, prepared=False).speech_end = None
            case "StartReply":
                self._take_turn(number, question_in(command), at, prepared=False)
            case "ReleaseReply":
                question, voice_at = self._drafts.pop(number, ("", None))
                turn = self._take_turn(number, question, at, prepared=True)
                turn.answer_at = None if voice_at is None else max(voice_at, at)
            case "CancelReply" if number in self._drafts:
                del self._drafts[number]
                self.summary.in_vain += 1
            case "Interrupted" if number in self._live:
                heard = _short(str(command["heard"]))
                self._over(number, f"cut off after {heard!r}" if heard else "cut off, not heard")
            case "EndTurn" if number in self._live:
                whole = self._live[number].answer_at is not None
                self._over(number, "whole" if whole else "failed")
            case "ResumeReply":
                self.summary.pauses += 1
            case _:
                pass

    def _take_turn(self, number: int, question: str, at: float, *, prepared: bool) -> Turn:
        end = None if self._speech_end is None else min(self._speech_end, at)
        turn = Turn(number, question, at, end, prepared)
        self._live[number] = turn
        self.summary.turns.append(turn)
        return turn

    def _over(self, number: int, fate: str) -> None:
        self._live.pop(number).fate = fate


def summarised(steps: Sequence[LoggedStep]) -> Summary:
    follower = _Follower()
    for step in steps:
        follower.take(step)
    return follower.summary


def side_by_side(
    old: Summary, new: Summary, names: tuple[str, str], began: float, estimated_from: float | None
) -> Iterator[str]:
    """Two lines per turn, then the sums. An estimate begins with `~`."""
    yield f"{'':9}{names[0]:<{_COLUMN_CHARS}}  {names[1]}"
    for one, other in _pairs(old.turns, new.turns):
        at = (one or other or old.turns[0]).taken_at - began
        question = (one or other or old.turns[0]).question
        yield f"{at:7.2f}  {_short(question)!r}"
        sure = other is None or estimated_from is None or other.taken_at < estimated_from
        left, right = _turn(one, began), _turn(other, began)
        yield f"{'':9}{left:<{_COLUMN_CHARS}}  {'' if sure else '~ '}{right}"
    yield ""
    for name, left, right in zip(_SUMS, _sums(old), _sums(new), strict=True):
        yield f"{name:<36}{left:>14}{right:>14}{'' if left == right else '   *'}"


def _pairs(old: list[Turn], new: list[Turn]) -> Iterator[tuple[Turn | None, Turn | None]]:
    """Pair the turns that have the same question."""
    matcher = SequenceMatcher(
        None, [plain(t.question) for t in old], [plain(t.question) for t in new], autojunk=False
    )
    for _, a, a_end, b, b_end in matcher.get_opcodes():
        for n in range(max(a_end - a, b_end - b)):
            yield (
                old[a + n] if a + n < a_end else None,
                new[b + n] if b + n < b_end else None,
            )


def _turn(turn: Turn | None, began: float) -> str:
    if turn is None:
        return "no turn"
    taken = f"taken {turn.taken_at - began:.2f}{_after(turn.speech_end, turn.taken_at)}"
    answer = f", answer{_after(turn.speech_end, turn.answer_at)}" if turn.answer_at else ""
    return f"{taken}{answer}{', prepared' if turn.prepared else ''}, {turn.fate}"


def _after(start: float | None, end: float | None) -> str:
    return "" if start is None or end is None else f" +{end - start:.2f}"


_SUMS = (
    "turns taken",
    "answers heard to their end",
    "answers cut off while heard",
    "answers cut off before they were",
    "pauses for nothing",
    "prepared",
    "prepared in vain",
    "speech end to answer, median",
    "speech end to answer, longest",
)


def _sums(of: Summary) -> tuple[str, ...]:
    waits = [
        turn.answer_at - turn.speech_end
        for turn in of.turns
        if turn.answer_at is not None and turn.speech_end is not None
    ]
    heard = sum(turn.fate.startswith("cut off after") for turn in of.turns)
    return (
        str(len(of.turns)),
        str(sum(turn.fate == "whole" for turn in of.turns)),
        str(heard),
        str(sum(turn.fate.startswith("cut off") for turn in of.turns) - heard),
        str(of.pauses),
        str(of.prepared),
        str(of.in_vain),
        f"{median(waits):.2f} s" if waits else "-",
        f"{max(waits):.2f} s" if waits else "-",
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE_CHARS else f"{text[: _LONGEST_QUOTE_CHARS - 1]}…"
