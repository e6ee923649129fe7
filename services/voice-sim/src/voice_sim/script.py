"""Defines the script of one simulated call, and writes and reads it as text.

Everything random about a call is in its script; running a script twice gives the same call.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, cast

from voice_gateway.call.session import CallOptions
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.messages import CallConfig

from voice_sim.marked_words import AGAIN, GOODBYE, PROMPT, canned

Deed = Literal[
    "talks", "types", "interrupts", "ends_utterance", "plays",
    "adjusts", "notes", "withdraws", "asks", "truncates", "forgets",
]  # fmt: skip
"""The acts of a caller and of its program."""
Role = Literal["user", "assistant", "system"]
ApologyMade = Literal["before", "at once", "slowly", "never"]
Ending = Literal["hangs up", "vanishes", "stays", "drained"]
RecogniserTrouble = Literal[
    "unavailable", "timed_out", "rejected", "misconfigured", "idle", "ended", "silent", "down",
    "deaf",
]  # fmt: skip
ModelTrouble = Literal["", "unavailable", "timed_out", "misconfigured", "empty", "endless"]
VoiceTrouble = Literal[
    "", "unavailable", "timed_out", "rejected", "partial", "no_audio", "half_sample"
]


DEFAULT_TURNS = TurnOptions()
OPTIONS = CallOptions(
    idle_timeout_s=30.0,
    longest_s=600.0,
    policy=TurnPolicy(
        idle_prompt=canned(PROMPT, 4), goodbye=canned(GOODBYE, 2), say_again=canned(AGAIN, 5)
    ),
)
"""The options of simulated gateways, unless a script says otherwise."""


@dataclass(frozen=True, slots=True)
class Call:
    """The options of the whole call. Times are seconds from the start of the call."""

    seed: int = 0
    rate_hz: int = 16_000
    options: CallOptions = OPTIONS
    can_pause: bool = False
    """Whether the caller's loudspeaker can pause."""
    ending: Ending = "hangs up"
    ends_at: float = 10.0
    activity: bool = False
    """Whether the call has voice activity detection."""
    headphones: bool = False
    """Whether the voice detector knows that there is no echo of the replies."""
    apology: ApologyMade = "before"
    """When the voice makes the apology for replies that fail."""
    gone_at: float | None = None
    """When messages to the caller begin to fail."""
    recogniser_lag_s: float = 0.5
    """How long after the last audio the recogniser still gives transcripts."""
    recogniser_obeys_s: float | None = None
    """How soon it gives a final that it is asked for; None: it ignores the request."""
    recogniser_behind_s: float | None = None
    """How late it says how far it has come in the audio; None: it never does."""

    @property
    def policy(self) -> TurnPolicy:
        return self.options.policy

    @property
    def greeting_holds(self) -> bool:
        """Whether a greeting that is not interruptible opens the call."""
        return bool(self.policy.greeting) and not self.policy.greeting_interruptible

    @property
    def config(self) -> CallConfig:
        return CallConfig("sim", "en-US", self.rate_hz, "", "Be brief.", self.can_pause, "sim")


@dataclass(frozen=True, slots=True)
class Act:
    """Something the caller or its program does."""

    at: float
    does: Deed
    text: str = ""
    """The text that is typed or noted, or the instructions of an answer that is asked for."""
    reply: int = 0
    seconds: float = 0.0
    """Seconds of audio for `talks`; seconds of the reply for `plays` and `truncates`."""
    frame_s: float = 0.1
    burst: bool = False
    """Whether all of the audio comes at once."""
    name: str = ""
    """The name of the message that is noted or withdrawn."""
    role: Role = "user"
    turns: TurnOptions = DEFAULT_TURNS
    """How turns are taken from now on."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A transcript, given at `at` or as soon as a stream is open."""

    at: float
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Voiced:
    """A stretch of voice activity, with words or without."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """An end-of-turn prediction; the script's predictions are given in turn, again and again."""

    probability: float | None
    """The end-of-turn probability; None: there is no prediction."""
    after_s: float = 0.05


@dataclass(frozen=True, slots=True)
class RecogniserFault:
    at: float
    kind: RecogniserTrouble
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
    asks: bool = False
    """Whether its sentences are questions, in turn with others."""
    trouble: ModelTrouble = ""
    after: int = 0
    """Pieces before the trouble."""
    stall_s: float = 1.0
    """Seconds without a piece before the trouble."""
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
    """The share of the clause that is made before the trouble."""
    stall_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Stall:
    """The caller does not read for `seconds` from `at` on; None: never again."""

    at: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Script:
    call: Call = field(default_factory=Call)
    acts: tuple[Act, ...] = ()
    recognised: tuple[Recognised, ...] = ()
    voiced: tuple[Voiced, ...] = ()
    """The stretches, which do not overlap."""
    recogniser_faults: tuple[RecogniserFault, ...] = ()
    answers: tuple[Answers, ...] = (Answers(words=6),)
    speaks: tuple[Speaks, ...] = (Speaks(),)
    stalls: tuple[Stall, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    """The end-of-turn predictions; empty: the gateway makes none."""


_ITEMS: dict[str, type[Any]] = {
    "acts": Act,
    "recognised": Recognised,
    "voiced": Voiced,
    "recogniser_faults": RecogniserFault,
    "answers": Answers,
    "speaks": Speaks,
    "stalls": Stall,
    "opinions": Opinion,
}
_MARK = "| "


def written(script: Script) -> Iterator[str]:
    """One line per item; `read` reads them among any other lines."""
    yield _line("call", script.call)
    for name in _ITEMS:
        yield from (_line(name, item) for item in getattr(script, name))


def read(lines: Iterable[str]) -> Script:
    """Read a script; raises ValueError if there is none, or an item is unknown."""
    call: Call | None = None
    items: dict[str, list[Any]] = {name: [] for name in _ITEMS}
    for line in lines:
        if not line.startswith(_MARK):
            continue
        name, _, said = line.removeprefix(_MARK).partition(" ")
        values = cast(dict[str, Any], json.loads(said))
        if name == "call":
            call = _made(Call, values)
        elif name in items:
            items[name].append(_made(_ITEMS[name], values))
        else:
            raise ValueError(f"{name!r} is no part of a script; allowed: call, {', '.join(_ITEMS)}")
    if call is None:
        raise ValueError(f"no script: it is the lines that begin with {_MARK!r}, a call first")
    return Script(call, **{name: tuple(those) for name, those in items.items()})


def _line(name: str, item: Any) -> str:
    """One item as a line, without the values that are defaults."""
    said = _differing(item, _defaults(item))
    return f"{_MARK}{name} {json.dumps(said, ensure_ascii=False)}"


def _defaults(kind: Any) -> dict[str, Any]:
    return {f.name: f.default for f in fields(kind)}


def _differing(item: Any, default: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not defaults, by name; nested values likewise."""
    said = {f.name: getattr(item, f.name) for f in fields(item)}
    return {
        name: _differing(value, _values(default[name])) if is_dataclass(value) else value
        for name, value in said.items()
        if value != default[name]
    }


def _values(item: Any) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in fields(item)}


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    default = _defaults(kind)
    return kind(**{name: _changed(default.get(name), value) for name, value in values.items()})


def _changed(default: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    said = cast(dict[str, Any], value)
    changes = {name: _changed(getattr(default, name, None), each) for name, each in said.items()}
    return replace(default, **changes)
