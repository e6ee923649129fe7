"""What callers say and when, and what they are answered.

Every question is one recorded sentence, sent in real time; the scripted recogniser knows where in
the call's audio it stands, and recognises in each a name that no other question has.
"""

import math
import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from voice_proto import voice_workflow_pb2 as pb

from shared.call_names import tag_of
from shared.delays import Delays
from shared.recordings import RATE_HZ, bytes_of, recording

CHUNK_S = 0.02
FIRST_CLAUSE_PIECES = 3
"""Pieces of an answer after its first one until its first clause is certain."""

_CLIP = "en_weather_synth"
_PAUSED_AT_S = 1.5  # in the clip, between two sounds
_PAUSE_S = 0.2  # too short to end a turn, long enough to look like its end
_PAUSE_EVERY = 3  # questions, the last of which has a pause
_FRAME_S = 0.01
_QUIET_SHARE = 0.01  # of the loudest frame: -40 dB, in a recording whose silence is at -60 dB
_REPLY_TURN_S = 4.6  # question, decision, answer, and a pause
_LEAD_IN_S = 0.6  # the voice activity needs some silence before the first word
_EARLIEST_CUT_S, _LATEST_CUT_S = 0.8, 4.5  # after the question's end
_LATEST_FIRST_CUT_S = 2.6  # of the first answer, two seconds of which are heard by then
_SENTENCES = 24  # of a long answer, which nobody here hears to its end


@dataclass(frozen=True, slots=True)
class Clip:
    """A recorded question; where its speech begins and ends goes by its energy."""

    pcm: bytes
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Question:
    tag: str
    start_s: float
    """Start of the speech in the call's audio."""
    answer: str
    pause_s: float = 0.0
    """Pause before the last word, where the question sounds complete already."""
    level_db: float = 0.0
    """Its loudness over the recording's."""

    @property
    def end_s(self) -> float:
        return self.start_s + clip().end_s - clip().start_s + self.pause_s

    @property
    def says(self) -> list[tuple[str, float, float]]:
        """The texts, and where in the call's audio each begins and ends."""
        whole, last = f"what is the weather in {self.tag}", "today"
        if not self.pause_s:
            return [(f"{whole} {last}", self.start_s, self.end_s)]
        pause_at_s = self.start_s + _PAUSED_AT_S - clip().start_s
        return [
            (whole, self.start_s, pause_at_s),
            (last, pause_at_s + self.pause_s, self.end_s),
        ]

    @property
    def first_word_s(self) -> float:
        text, start_s, end_s = self.says[0]
        return (end_s - start_s) / len(text.split())

    @property
    def pcm(self) -> bytes:
        pause_at, said = bytes_of(_PAUSED_AT_S), _at_level(self.level_db)
        return said[:pause_at] + bytes(bytes_of(self.pause_s)) + said[pause_at:]


@dataclass(frozen=True, slots=True)
class Plan:
    """One caller's call."""

    ordinal: int
    questions: tuple[Question, ...]
    seconds: float
    reports: bool = False
    """The caller says how far its loudspeaker has got."""
    buffer_s: float = 0.0
    """Seconds by which its loudspeaker starts later than the first audio arrives."""
    line_echo: "pb.LineEcho" = pb.LINE_ECHO_UNSPECIFIED
    """What the caller says of its line."""

    def audio(self) -> list[bytes]:
        """The whole call's audio in chunks."""
        pcm = bytearray(round(self.seconds / CHUNK_S) * bytes_of(CHUNK_S))
        for question in self.questions:
            start = bytes_of(question.start_s - clip().start_s)
            pcm[start : start + len(question.pcm)] = question.pcm
        size = bytes_of(CHUNK_S)
        return [bytes(pcm[start : start + size]) for start in range(0, len(pcm), size)]


def answer_s(delays: Delays) -> float:
    """Seconds from the model's request to the first audio."""
    return delays.first_token_s + FIRST_CLAUSE_PIECES * delays.token_s + delays.voice_s


@cache
def clip() -> Clip:
    pcm = recording(_CLIP)
    samples, size = array("h", pcm), round(_FRAME_S * RATE_HZ)
    energies = [
        sum(sample * sample for sample in samples[start : start + size])
        for start in range(0, len(samples) - size + 1, size)
    ]
    floor = max(energies) * _QUIET_SHARE**2
    loud = [frame for frame, energy in enumerate(energies) if energy > floor]
    return Clip(pcm, loud[0] * _FRAME_S, (loud[-1] + 1) * _FRAME_S)


@cache
def _at_level(level_db: float) -> bytes:
    gain = 10 ** (level_db / 20)
    return array("h", (round(gain * sample) for sample in array("h", clip().pcm))).tobytes()


def answered(ordinal: int, turns: int, late_s: float) -> Plan:
    """Plan a call whose questions are all answered in full; the first comes `late_s` later."""
    dice = random.Random(ordinal)
    starts = [
        _LEAD_IN_S + late_s + turn * _REPLY_TURN_S + dice.uniform(0, 0.2) for turn in range(turns)
    ]
    pauses = [_PAUSE_S if turn % _PAUSE_EVERY == _PAUSE_EVERY - 1 else 0.0 for turn in range(turns)]
    questions = _questions(ordinal, starts, pauses, _short_answer)
    return Plan(ordinal, questions, _LEAD_IN_S + late_s + turns * _REPLY_TURN_S)


def interrupted(ordinal: int, cuts: int, late_s: float) -> Plan:
    """Plan a call in which every question but the first interrupts the answer before it."""
    dice = random.Random(ordinal)
    starts = [_LEAD_IN_S + late_s]
    for _ in range(cuts):
        after_s = dice.uniform(_EARLIEST_CUT_S, _LATEST_CUT_S)
        starts.append(starts[-1] + clip().end_s - clip().start_s + after_s)
    questions = _questions(ordinal, starts, [0.0] * len(starts), _long_answer)
    assert all(one.end_s < next_one.start_s for one, next_one in pairwise(questions))
    buffer_s = 0.2 if ordinal // 2 % 2 else 0.0
    seconds = math.ceil(questions[-1].end_s / CHUNK_S) * CHUNK_S + CHUNK_S
    return Plan(ordinal, questions, seconds, ordinal % 2 == 1, buffer_s)


def interrupted_at_once(
    ordinal: int, late_s: float, line_echo: "pb.LineEcho", level_db: float
) -> Plan:
    """Plan a call whose first answer is interrupted within its first two seconds."""
    dice = random.Random(ordinal)
    first_s = _LEAD_IN_S + late_s
    after_s = dice.uniform(_EARLIEST_CUT_S, _LATEST_FIRST_CUT_S)
    starts = [first_s, first_s + clip().end_s - clip().start_s + after_s]
    question, cut = _questions(ordinal, starts, [0.0, 0.0], _long_answer)
    cut = replace(cut, level_db=level_db)
    seconds = math.ceil(cut.end_s / CHUNK_S) * CHUNK_S + CHUNK_S
    return Plan(ordinal, (question, cut), seconds, line_echo=line_echo)


def _questions(
    ordinal: int, starts: list[float], pauses: list[float], answer: Callable[[str], str]
) -> tuple[Question, ...]:
    tags = [tag_of(ordinal, turn) for turn in range(len(starts))]
    return tuple(
        Question(tag, start_s, answer(tag), pause_s)
        for tag, start_s, pause_s in zip(tags, starts, pauses, strict=True)
    )


def _short_answer(tag: str) -> str:
    return f"{tag.capitalize()} is sunny, so smile."


def _long_answer(tag: str) -> str:
    """An answer that names its question in every clause, so that no clause fits another answer."""
    rest = [f"Later {tag} will have clouds and some rain from the west." for _ in range(_SENTENCES)]
    return " ".join([f"{tag.capitalize()} is sunny, and {tag} stays so until noon.", *rest])
