"""Draws what calls are made of: replies, recordings to talk over them, and echo paths.

One seed gives one set of calls.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import voice_client.speech
from voice_gateway.language.speakable import speakable
from voice_gateway.testing.loudspeaker import FRAME, Way

from shared.recordings import RATE_HZ, recording

REPLIES = (
    "The capital of France is Paris. It lies on the Seine, and about 2 million people live there.",
    "Your order of 3 large pizzas comes to $47.50. The driver needs about 20 minutes.",
    "There are two trains. One leaves at 9:40 from platform 6, and the other an hour later.",
    "To reset the router, hold the small button for 10 seconds. Then wait for the green light.",
    "It will rain until noon, with up to 15 millimetres. After that it warms up to 21 degrees.",
    "I found four restaurants nearby. The Italian one has the best reviews and a table tonight.",
    "Your appointment is on Thursday at half past eleven. Please bring your insurance card.",
    "A light year is a distance, not a time. It is how far light travels in one year.",
    "First chop the onions and fry them in butter. Then add the rice, and stir for a minute.",
    "The museum opens at ten and closes at six. Children under 14 get in for free.",
    "Sure, I can help you. Tell me which account you mean, and I will look up the last payments.",
    "The meeting has moved to room 204. Everybody else has confirmed, only your answer is missing.",
)
"""Each takes the voice five to eight seconds."""

ASKED = (
    ("Would you like the morning flight or the evening flight?", "The evening flight."),
    ("Is the table for two people or for four people?", "Four people."),
    ("Shall I send it to your office or to your home address?", "My home address."),
    ("Do you want to go by bus or by train?", "I'd rather go by train."),
    ("Should the room have a view of the garden or the street?", "The garden."),
    ("Would you like the small pizza or the large pizza?", "The large pizza."),
    ("Is that for this week or for next week?", "Next week."),
    ("Do you pay by credit card or by bank transfer?", "Credit card."),
    ("Did you mean the north station or the south station?", "The south station."),
    ("Would Monday morning or Tuesday afternoon suit you?", "Tuesday afternoon."),
    ("Shall I book the window seat or the aisle seat?", "The window seat."),
    ("Do you need a single ticket or a return ticket?", "A return ticket."),
    ("Is the problem with the kitchen light or the bathroom light?", "The bathroom light."),
    ("Should I call your mobile number or your work number?", "My work number."),
    ("Would you like green tea or black coffee?", "Black coffee."),
    ("Is it the blue jacket or the red jacket that you want back?", "The red jacket."),
    ("Do you want the short answer or the long answer?", "The short answer."),
    ("Shall we meet at the front door or the back door?", "The front door."),
    ("Is the delivery for the first floor or the second floor?", "The second floor."),
    ("Would you like to speak to sales or to technical support?", "Technical support."),
)
"""Questions, and answers that repeat words of theirs."""

QUIET, OVER, ANSWERED = "quiet", "over", "answered"
_CLIPS = (
    "en_austen_0880",
    "en_cards_10c",
    "en_cards_7c",
    "en_cards_list",
    "en_goforward",
    "en_nlp_question",
    "en_something",
    "en_weather_synth",
)
_EDGE_FRAMES = 2  # kept before the first audible frame and after the last one
_AUDIBLE_DB = -40.0  # relative to the loudest frame
_EARLIEST_S, _LATEST_S = 0.3, 3.0  # after a reply's first audio
_LONGEST_REVERBERATION_S = 0.35
_SOONEST_ANSWER_S, _LATEST_ANSWER_S = 0.3, 0.8  # after the loudspeaker fell silent
_FIRST_ASKING = 1000  # the ordinal of the first call that asks
_OF_EACH_PER_ASKING_CALL = 5
_OF_EACH_PER_CALL = 3  # quiet replies, and as many that are talked over


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    words: tuple[str, ...]
    samples: Any
    """The samples from its first sound to its last one."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE_HZ


@dataclass(frozen=True, slots=True)
class Part:
    """What the caller does during one reply."""

    kind: str
    clip: Clip | None = None
    after_s: float = 0.0
    """Seconds to the clip: from the reply's first audio, or from its silence if it is answered."""


@dataclass(frozen=True, slots=True)
class Plan:
    ordinal: int
    way: Way
    can_pause: bool
    parts: tuple[Part, ...]
    asks: tuple[str, ...] = ()
    """The questions that the call's typed turns are answered with; empty: by `REPLIES`."""

    @property
    def name(self) -> str:
        return f"echo-{self.ordinal}"

    def reply_to(self, questions: int) -> str:
        """The model's answer to the call's n-th question; where it asks, to the n-th typed one."""
        if self.asks:
            return self.asks[questions - 1]
        return REPLIES[(self.ordinal * 5 + questions) % len(REPLIES)]


def plans(quiet: int, over: int, seed: int, echo_db: float) -> list[Plan]:
    """Draw calls with `quiet` replies that nobody talks over, and `over` that somebody does."""
    dice = random.Random(seed)
    calls = -(-max(quiet, over) // _OF_EACH_PER_CALL)
    return [
        _plan(ordinal, dice, _share(quiet, ordinal, calls), _share(over, ordinal, calls), echo_db)
        for ordinal in range(calls)
    ]


def answered_plans(
    answers: int, seed: int, echo_db: float, say: Callable[[str], Any]
) -> list[Plan]:
    """Draw calls in which short answers repeat the questions' words; `say` speaks a text."""
    dice = random.Random(seed)
    asked = [ASKED[at % len(ASKED)] for at in range(answers)]
    calls = [
        asked[at : at + _OF_EACH_PER_ASKING_CALL]
        for at in range(0, answers, _OF_EACH_PER_ASKING_CALL)
    ]
    return [
        replace(
            _plan(ordinal, dice, 0, 0, echo_db),
            ordinal=_FIRST_ASKING + ordinal,
            parts=tuple(_answer(answer, say, dice) for _, answer in call),
            asks=tuple(question for question, _ in call),
        )
        for ordinal, call in enumerate(calls)
    ]


def _answer(text: str, say: Callable[[str], Any], dice: random.Random) -> Part:
    clip = Clip(text, words_of(text), _trimmed(say(text)))
    return Part(ANSWERED, clip, dice.uniform(_SOONEST_ANSWER_S, _LATEST_ANSWER_S))


def _share(of: int, ordinal: int, calls: int) -> int:
    return of * (ordinal + 1) // calls - of * ordinal // calls


def _plan(ordinal: int, dice: random.Random, quiet: int, over: int, echo_db: float) -> Plan:
    parts = [Part(QUIET)] * quiet + [_over(dice) for _ in range(over)]
    dice.shuffle(parts)
    way = Way(
        delay_s=dice.uniform(0.05, 0.25),
        gain_db=echo_db,
        room_s=dice.choice((0.0, dice.uniform(0.1, _LONGEST_REVERBERATION_S))),
        seed=dice.randrange(2**32),
    )
    return Plan(ordinal, way, ordinal % 2 == 0, tuple(parts))


def _over(dice: random.Random) -> Part:
    return Part(OVER, dice.choice(clips()), dice.uniform(_EARLIEST_S, _LATEST_S))


@cache
def clips() -> tuple[Clip, ...]:
    return tuple(_read(name) for name in _CLIPS)


def words_of(text: str) -> tuple[str, ...]:
    """The words as they are compared: numbers spelled out, without case and marks."""
    said = speakable(text.replace("-", " "), "en-US").lower().replace("-", " ")
    return tuple("".join(c for c in said if c.isalnum() or c in " '").split())


def _read(name: str) -> Clip:
    samples = np.frombuffer(recording(name), "<i2") / 32_768.0
    return Clip(name, words_of(_transcripts()[name]), _trimmed(samples))


@cache
def _transcripts() -> dict[str, str]:
    entries = json.loads((voice_client.speech.FOLDER / "manifest.json").read_text())
    return {entry["file"].removesuffix(".wav"): entry["transcript"] for entry in entries}


def _trimmed(samples: Any) -> Any:
    whole = len(samples) // FRAME * FRAME
    energies: Any = np.mean(samples[:whole].reshape(-1, FRAME) ** 2, axis=1)
    audible: Any = np.flatnonzero(energies > energies.max() * 10 ** (_AUDIBLE_DB / 10))
    first, last = max(0, int(audible[0]) - _EDGE_FRAMES), int(audible[-1]) + 1 + _EDGE_FRAMES
    return samples[first * FRAME : last * FRAME]
