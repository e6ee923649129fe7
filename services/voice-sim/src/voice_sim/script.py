"""The script of one simulated call: plain values, written as text and read back.

Everything random about a call stands in its script; running a script twice gives the same call.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, cast

from voice_sim.marks import GOODBYE, PROMPT, canned

Deed = Literal["talks", "types", "interrupts", "ends_utterance", "plays"]
Ending = Literal["hangs up", "vanishes", "stays", "drained"]
EarTrouble = Literal[
    "unavailable", "timed_out", "rejected", "misconfigured", "idle", "ended", "silent", "down",
    "deaf",
]  # fmt: skip
ModelTrouble = Literal["", "unavailable", "timed_out", "misconfigured", "empty", "endless"]
VoiceTrouble = Literal[
    "", "unavailable", "timed_out", "rejected", "partial", "no_audio", "half_sample"
]


@dataclass(frozen=True, slots=True)
class Call:
    """What is true for the whole call. Seconds throughout, from the start of the call."""

    seed: int = 0
    rate_hz: int = 16_000
    lead_s: float = 0.3
    idle_timeout_s: float = 30.0
    longest_s: float = 600.0
    settle_s: float = 0.0
    max_silence_s: float = 3.0
    silence_s: float = 0.3
    unsure_silence_s: float = 0.6
    open_silence_s: float = 1.2
    halting_silence_s: float = 2.0
    final_wait_s: float = 0.7
    late_s: float = 2.0
    reopen_s: float = 1.0
    drafts: int = 3
    words_to_interrupt: int = 1
    memory_messages: int = 40
    normalise: bool = True
    min_words: int = 1
    trim_s: float = 0.0
    greeting: str = ""
    greeting_interruptible: bool = True
    idle_prompt_s: float = 0.0
    idle_prompt: str = canned(PROMPT, 4)
    idle_end_s: float = 0.0
    goodbye: str = canned(GOODBYE, 2)
    can_pause: bool = False
    """The caller's loudspeaker can stop and go on."""
    ending: Ending = "hangs up"
    ends_at: float = 10.0
    activity: bool = False
    """Turns go by the caller's voice, too."""
    headphones: bool = False
    """The voice detector knows that nothing of the replies comes back."""
    gone_at: float | None = None
    """From here on a message to the caller fails."""
    ear_lag_s: float = 0.5
    """How long after the last audio the recogniser still has something to say."""
    ear_obeys_s: float | None = None
    """How soon it gives the final words it is asked for; None: it takes its own time."""

    @property
    def longest_wait_s(self) -> float:
        """How long words may wait until their turn is taken."""
        silences_s = (self.silence_s, self.unsure_silence_s, self.open_silence_s)
        longest_s = max(*silences_s, self.halting_silence_s, self.max_silence_s)
        return self.settle_s + longest_s + self.final_wait_s


@dataclass(frozen=True, slots=True)
class Act:
    """Something the caller does. `talks`: sends `seconds` of audio in frames, each on time."""

    at: float
    does: Deed
    text: str = ""
    reply: int = 0
    seconds: float = 0.0
    frame_s: float = 0.1
    burst: bool = False
    """All of the audio comes at once."""


@dataclass(frozen=True, slots=True)
class Hears:
    """What the recogniser makes of the caller: told once it is that late and a stream is open."""

    at: float
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Voiced:
    """The caller's voice is heard, with words or without."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """How complete a turn sounds; the opinions are given in turn, again and again."""

    chance: float | None
    """None: there is no opinion on this one."""
    after_s: float = 0.05


@dataclass(frozen=True, slots=True)
class EarFault:
    at: float
    kind: EarTrouble
    seconds: float = 0.0
    """How long the recogniser is down, or takes no audio."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How the model answers one request; the last answer stands for all later ones."""

    words: int
    style: Literal["plain", "markdown", "thinking", "breathless"] = "plain"
    piece_chars: int = 6
    first_s: float = 0.1
    gap_s: float = 0.02
    trouble: ModelTrouble = ""
    after: int = 0
    """Pieces before the trouble."""
    stall_s: float = 1.0
    """How long nothing comes before the trouble shows."""
    closing_s: float = 0.0
    """How long the request takes to be cancelled."""


@dataclass(frozen=True, slots=True)
class Speaks:
    """How the voice says one clause; the scripts are taken in turn, again and again."""

    first_s: float = 0.05
    word_s: float = 0.3
    chunk_bytes: int = 6400
    gap_s: float = 0.0
    trouble: VoiceTrouble = ""
    share: float = 0.5
    """How much of the clause is made before the trouble."""
    stall_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Stall:
    """The caller does not read from `at` on, for so long; None: never again."""

    at: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Script:
    call: Call = field(default_factory=Call)
    acts: tuple[Act, ...] = ()
    hears: tuple[Hears, ...] = ()
    voiced: tuple[Voiced, ...] = ()
    """One after the other."""
    ear_faults: tuple[EarFault, ...] = ()
    answers: tuple[Answers, ...] = (Answers(words=6),)
    speaks: tuple[Speaks, ...] = (Speaks(),)
    stalls: tuple[Stall, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    """Empty: nobody hears how complete turns are."""


_ITEMS: dict[str, type[Any]] = {
    "acts": Act,
    "hears": Hears,
    "voiced": Voiced,
    "ear_faults": EarFault,
    "answers": Answers,
    "speaks": Speaks,
    "stalls": Stall,
    "opinions": Opinion,
}
_MARK = "| "


def written(script: Script) -> Iterator[str]:
    """One line per item; `read` takes them back, whatever lines stand around them."""
    yield _line("call", script.call)
    for name in _ITEMS:
        yield from (_line(name, item) for item in getattr(script, name))


def read(lines: Iterable[str]) -> Script:
    """Raises ValueError where no script is in `lines`, or an item that scripts do not have."""
    call: Call | None = None
    items: dict[str, list[Any]] = {name: [] for name in _ITEMS}
    for line in lines:
        if not line.startswith(_MARK):
            continue
        name, _, said = line.removeprefix(_MARK).partition(" ")
        values = cast(dict[str, Any], json.loads(said))
        if name == "call":
            call = Call(**values)
        elif name in items:
            items[name].append(_ITEMS[name](**values))
        else:
            raise ValueError(f"{name!r} is no part of a script; allowed: call, {', '.join(_ITEMS)}")
    if call is None:
        raise ValueError(f"no script: it is the lines that begin with {_MARK!r}, a call first")
    return Script(call, **{name: tuple(those) for name, those in items.items()})


def _line(name: str, item: Any) -> str:
    """What is as it always is need not be said."""
    usual = {f.name: f.default for f in fields(item)}
    said = {key: value for key, value in asdict(item).items() if value != usual[key]}
    return f"{_MARK}{name} {json.dumps(said, ensure_ascii=False)}"
