"""The evidence at each silence of a turn: its edges, how it sounded, and the words that were known.

`evidence.json` holds that of the bundled turns, so that rules can be fitted and compared without
any model.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from voice_gateway.hearing.end_of_turn import TurnEnds

from cut_offs.labelled_turns import RATE_HZ, Turn
from cut_offs.real_time import Step

STORED = Path(__file__).with_name("evidence.json")
LOOKED_AT_S = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.6, 2.0)
"""Seconds of silence at which the network was asked how the turn sounds."""
_LEAD_IN_S = 0.5  # as the gateway keeps it from before the first voice
_WITHIN_S = 0.15  # the gateway's edges and the labels' differ by a few frames
_LASTS_S = 3.0  # of a turn's last silence, in which the recogniser may still add words

Kind = Literal["hold", "end", "doubtful"]


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence as the gateway noticed it; times are seconds from `since`, but for itself."""

    turn: str
    speaker: str
    kind: Kind
    since: float
    """The second of the turn at which the voice ended."""
    lasts: float | None
    """When the gateway knew that the voice had begun again; None: it did not."""
    sound: tuple[tuple[float, float], ...]
    """When the network was asked, and the end-of-turn probability."""
    words: tuple[tuple[float, str], ...]
    """When the transcript became known, and the transcript; the first may be from before."""

    def text(self, at: float) -> str:
        """The words that are known then."""
        return next((text for known, text in reversed(self.words) if known <= at), "")

    def probability(self, at: float) -> float | None:
        """The newest end-of-turn probability of the sound that was asked for by then."""
        asked = [each for when, each in self.sound if when <= at + 1e-9]
        return asked[-1] if asked else None


async def silences(turn: Turn, steps: Sequence[Step], ends: TurnEnds) -> list[Silence]:
    """The silences of a turn that was said to a gateway which noted these steps."""
    events = [step["event"] for step in steps]
    edges = [each for each in events if each["is"] in ("CallerVoiced", "CallerQuiet")]
    first = next((each["at"] for each in edges if each["is"] == "CallerVoiced"), 0.0)
    found: list[Silence] = []
    for quiet, voiced in pairwise([*edges, None]):
        if quiet and quiet["is"] == "CallerQuiet":
            since = quiet["since"]
            lasts = voiced["at"] - since if voiced else None
            sound = await _sound(turn, first, since, lasts, ends)
            words = _words(events, since, lasts)
            kind = _kind(turn, since, lasts)
            found.append(Silence(turn.name, turn.speaker, kind, since, lasts, sound, words))
    return found


def _kind(turn: Turn, since: float, lasts: float | None) -> Kind:
    if lasts is None or since > turn.ends_s - _WITHIN_S:
        return "end"
    middle = since + lasts / 2
    doubtful = any(a - _WITHIN_S < middle < b + _WITHIN_S for a, b in turn.doubtful)
    return "doubtful" if doubtful else "hold"


async def _sound(
    turn: Turn, first: float, since: float, lasts: float | None, ends: TurnEnds
) -> tuple[tuple[float, float], ...]:
    begin = 2 * round(max(0.0, first - _LEAD_IN_S) * RATE_HZ)
    found: list[tuple[float, float]] = []
    for asked in LOOKED_AT_S:
        end = 2 * round((since + asked) * RATE_HZ)
        if end > len(turn.pcm) or (lasts is not None and asked >= lasts):
            break
        caller = ends(RATE_HZ)
        caller.feed(turn.pcm[begin:end])
        probability = await caller.probability()
        assert probability is not None, "nobody else asks"
        found.append((asked, round(probability, 4)))
    return tuple(found)


def _words(
    events: Sequence[Any], since: float, lasts: float | None
) -> tuple[tuple[float, str], ...]:
    """The transcript of the turn when the silence began, and each change of it until its end."""
    known: list[tuple[float, str]] = []
    finals, interim = list[str](), ""
    for event in (each for each in events if each["is"] == "CallerSpoke"):
        text = event["text"].strip()
        if event["at"] - since > (_LASTS_S if lasts is None else lasts):
            break
        if event["final"]:
            finals, interim = [*finals, text] if text else finals, ""
        else:
            interim = text or interim
        whole = " ".join([*finals, interim]).strip()
        if not known or whole != known[-1][1]:
            known.append((round(event["at"] - since, 3), whole))
    before = [each for each in known if each[0] <= 0][-1:]
    return (*before, *(each for each in known if each[0] > 0))


def write(found: Iterable[Silence], file: Path = STORED) -> None:
    lines = (json.dumps(_rounded(each), ensure_ascii=False) for each in found)
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _rounded(silence: Silence) -> dict[str, Any]:
    lasts = None if silence.lasts is None else round(silence.lasts, 3)
    return asdict(silence) | {"since": round(silence.since, 3), "lasts": lasts}


def read(file: Path = STORED) -> list[Silence]:
    return [_silence(each) for each in json.loads(file.read_text())]


def _silence(stored: dict[str, Any]) -> Silence:
    sound = tuple((asked, probability) for asked, probability in stored["sound"])
    words = tuple((known, text) for known, text in stored["words"])
    plain = {name: value for name, value in stored.items() if name not in ("sound", "words")}
    return Silence(**plain, sound=sound, words=words)
