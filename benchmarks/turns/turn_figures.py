"""Computes figures from what callers and upstreams saw. Pure; times are in seconds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from shared.delays import AUDIO_S_PER_CHAR
from shared.figures import Cost
from shared.lines import Json
from turns.talk_plans import Question
from turns.talkers import Came, Talk

ANSWER = "speech end to answer's first audio"
DECISION = "speech end to PROCESSING"
AFTER = "PROCESSING to answer's first audio"
ASKED = "speech end to the model's request"

CUT = "speech onset to LISTENING"
WORD = "· onset to the first word's end"
TOLD = "· the word's end to the recogniser's say"
CUT_AFTER_WORD = "· the recogniser's say to LISTENING"
LAST_AUDIO = "speech onset to the last audio"
LAST_EARLY = "· in the call's first 2 s of answer"
CHAT_OVER = "LISTENING to the chat request's end"
VOICE_OVER = "LISTENING to the voice call's end"

_AHEAD_S = 0.03
"""A request this long before PROCESSING came to the caller was made before the turn was over."""
_ECHO_LEARNED_S = 2.0
"""Seconds of the first answer in which the gateway learns whether its audio comes back."""
_REOPEN_S = 1.2
"""Seconds after PROCESSING within which more speech may go on with the question."""


@dataclass(slots=True)
class Tally:
    """The samples of each figure, and the count of each occurrence."""

    samples: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict[str, list[float]](list)
    )
    counts: Counter[str] = field(default_factory=Counter[str])
    costs: list[Cost] = field(default_factory=list[Cost])

    def add(self, name: str, value: float) -> None:
        self.samples[name].append(value)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a call and what came until the next one began."""

    question: Question
    onset_at: float
    end_at: float
    came: Sequence[Came]
    """The messages until the next question's onset."""
    chats: Sequence[Json]
    voices: Sequence[Json]

    @property
    def taken(self) -> Sequence[Came]:
        return [one for one in self.came if one.kind == "processing"]

    @property
    def reply(self) -> int | None:
        """The last reply that was made to it."""
        return self.taken[-1].reply if self.taken else None

    @property
    def answering(self) -> Json | None:
        """The model's request that the reply came from: a later one replaces those before."""
        return self.chats[-1] if self.chats else None


def turns_of(talk: Talk, seen: Json) -> list[Turn]:
    questions = talk.plan.questions
    onsets = [talk.sent(one.start_s) for one in questions]
    return [
        Turn(
            question,
            onset_at,
            talk.sent(question.end_s),
            [one for one in talk.came if onset_at <= one.at < until],
            seen["chats"].get(question.tag, []),
            seen["voices"].get(question.tag, []),
        )
        for question, onset_at, until in zip(questions, onsets, [*onsets[1:], inf], strict=True)
    ]


def note_answers(tally: Tally, talk: Talk, seen: Json) -> None:
    """Note voice-to-voice times, when turns were taken, and what became of prepared answers."""
    for turn in turns_of(talk, seen):
        tally.counts["turns"] += 1
        _note_drafts(tally, turn)
        audio = [one for one in turn.came if one.kind == "audio" and one.reply == turn.reply]
        if not audio or turn.answering is None:
            continue
        tally.counts["answered"] += 1
        tally.add(ANSWER, audio[0].at - turn.end_at)
        tally.add(DECISION, turn.taken[0].at - turn.end_at)
        tally.add(AFTER, audio[0].at - turn.taken[-1].at)
        tally.add(ASKED, turn.answering["asked_at"] - turn.end_at)


def _note_drafts(tally: Tally, turn: Turn) -> None:
    if not turn.taken or turn.answering is None:
        return
    taken_at = turn.taken[-1].at
    tally.counts["taken early"] += turn.taken[0].at < turn.end_at
    tally.counts["taken again"] += len(turn.taken) > 1
    ahead = [one for one in turn.chats if one["asked_at"] < taken_at - _AHEAD_S]
    tally.counts["prepared"] += len(ahead)
    tally.counts["hits"] += turn.answering in ahead
    tally.counts["tokens"] += sum(one["pieces"] for one in turn.chats)
    tally.counts["tokens wasted"] += sum(one["pieces"] for one in turn.chats[:-1])


def note_cuts(tally: Tally, talk: Talk, seen: Json) -> None:
    """Note how soon speech silences each reply that was being heard, and its audio after that."""
    turns = turns_of(talk, seen)
    for turn, later in pairwise(turns):
        tally.counts["interruptions"] += 1
        if not any(one.kind == "audio" and one.reply == turn.reply for one in turn.came):
            tally.counts["before any audio"] += 1
            continue
        cut = next((o for o in later.came if o.kind == "cut" and o.reply == turn.reply), None)
        if cut is None:
            tally.counts["not silenced"] += 1
            continue
        audio = [one for one in talk.came if one.kind == "audio" and one.reply == cut.reply]
        tally.counts["silenced"] += 1
        tally.counts["stale audio"] += sum(one.at > cut.at for one in audio)
        tally.add(CUT, cut.at - later.onset_at)
        early = turn is turns[0] and later.onset_at - audio[0].at < _ECHO_LEARNED_S
        tally.add(LAST_EARLY if early else LAST_AUDIO, audio[-1].at - later.onset_at)
        _note_way(tally, talk, later, cut, seen["recognised"][str(talk.plan.ordinal)])
        _note_upstreams(tally, turn, cut)
        _note_heard(tally, talk, turn, later, cut)


def _note_way(tally: Tally, talk: Talk, later: Turn, cut: Came, recognised: Json) -> None:
    """Note where the time goes between the first sound and the decision."""
    question = later.question
    word_at = talk.sent(question.start_s + question.first_word_s)
    told_at = next((o["at"] for o in recognised["said"] if o["until_s"] > question.start_s), None)
    if told_at is None:
        return
    tally.add(WORD, word_at - later.onset_at)
    tally.add(TOLD, told_at - word_at)
    tally.add(CUT_AFTER_WORD, cut.at - told_at)


def _note_upstreams(tally: Tally, turn: Turn, cut: Came) -> None:
    """Note what the services did for a reply that nobody wanted any more.

    A request after the cut belongs to the next answer, where the words went on with the question.
    """
    for name, figure, records in (
        ("chat", CHAT_OVER, [one for one in turn.chats if one["asked_at"] < cut.at][-1:]),
        ("voice", VOICE_OVER, [one for one in _voice_requests(turn) if one["started_at"] < cut.at]),
    ):
        for one in records:
            running = one["ended_at"] is None or one["ended_at"] > cut.at - _AHEAD_S
            ending = "cancelled" if one["cancelled"] else "completed" if running else "over before"
            tally.counts[f"{name} {ending}"] += 1
            if running and one["ended_at"] is not None:
                tally.add(figure, one["ended_at"] - cut.at)


def _voice_requests(turn: Turn) -> list[Json]:
    """The voice's requests for the reply that was heard, in order."""
    since = turn.answering["asked_at"] if turn.answering else inf
    return [one for one in turn.voices if one["started_at"] >= since]


def _note_heard(tally: Tally, talk: Talk, turn: Turn, later: Turn, cut: Came) -> None:
    """Compare the words that the gateway took for heard with those that had been played."""
    played_s = talk.speakers[cut.reply].played_s(cut.at)
    texts = [str(one["text"]) for one in _voice_requests(turn)]
    true_words, words = words_played(texts, played_s), cut.heard.split()
    mode = ledger_mode(reports=talk.plan.reports, buffer_s=talk.plan.buffer_s)
    if not words and true_words and later.onset_at - turn.taken[-1].at < _REOPEN_S:
        tally.counts["taken to go on"] += 1
        return
    tally.counts["other words"] += words != " ".join(texts).split()[: len(words)]
    tally.add(mode, len(words) - true_words)
    tally.add(f"{mode}, audio", cut.heard_s - played_s)


def ledger_mode(*, reports: bool, buffer_s: float) -> str:
    played = f"plays {buffer_s * 1000:.0f} ms late" if buffer_s else "plays at once"
    return f"{played}, {'reports' if reports else 'says nothing'}"


def words_played(texts: Sequence[str], played_s: float) -> int:
    """How many words had been played in full; each character lasts equally long."""
    words = 0
    for text in texts:
        reached = min(len(text), int(played_s / AUDIO_S_PER_CHAR + 1e-6))
        words += len(text.split()) if reached == len(text) else _whole_words(text, reached)
        played_s -= len(text) * AUDIO_S_PER_CHAR
        if played_s <= 0:
            break
    return words


def _whole_words(text: str, reached: int) -> int:
    complete = text[:reached] if text[reached].isspace() else text[:reached].rpartition(" ")[0]
    return len(complete.split())
