"""The script of one simulated call: plain values, written as text and read back.

Everything random about a call stands in its script; running a script twice gives the same call.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, cast

from voice_gateway.call.session import CallOptions
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.messages import CallConfig

from voice_sim.marked_words import GOODBYE, PROMPT, canned

Deed = Literal[
    "talks", "types", "interrupts", "ends_utterance", "plays",
    "adjusts", "notes", "withdraws", "asks", "truncates", "forgets",
]  # fmt: skip
"""What a caller does, and what its program does."""
Role = Literal["user", "assistant", "system"]
Ending = Literal["hangs up", "vanishes", "stays", "drained"]
RecogniserTrouble = Literal[
    "unavailable", "timed_out", "rejected", "misconfigured", "idle", "ended", "silent", "down",
    "deaf",
]  # fmt: skip
ModelTrouble = Literal["", "unavailable", "timed_out", "misconfigured", "empty", "endless"]
VoiceTrouble = Literal[
    "", "unavailable", "timed_out", "rejected", "partial", "no_audio", "half_sample"
]


USUAL_TURNS = TurnOptions()
OPTIONS = CallOptions(
    idle_timeout_s=30.0,
    longest_s=600.0,
    policy=TurnPolicy(idle_prompt=canned(PROMPT, 4), goodbye=canned(GOODBYE, 2)),
)
"""What simulated gateways are set to, where a script says nothing else."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is true for the whole call. Seconds throughout, from the start of the call."""

    seed: int = 0
    rate_hz: int = 16_000
    options: CallOptions = OPTIONS
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
    recogniser_lag_s: float = 0.5
    """How long after the last audio the recogniser still has something to say."""
    recogniser_obeys_s: float | None = None
    """How soon it gives the final words it is asked for; None: it takes its own time."""

    @property
    def policy(self) -> TurnPolicy:
        return self.options.policy

    @property
    def greeting_holds(self) -> bool:
        """The call is opened by a greeting that cannot be interrupted."""
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
    """What is typed or noted; the instructions that an answer asked for is made with."""
    reply: int = 0
    seconds: float = 0.0
    """Talks: of audio, in frames, each on time. Plays and truncates: of the reply."""
    frame_s: float = 0.1
    burst: bool = False
    """All of the audio comes at once."""
    name: str = ""
    """Of the message that is noted or withdrawn."""
    role: Role = "user"
    turns: TurnOptions = USUAL_TURNS
    """How turns are taken from now on."""


@dataclass(frozen=True, slots=True)
class Recognised:
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

    probability: float | None
    """None: there is no opinion on this one."""
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
    recognised: tuple[Recognised, ...] = ()
    voiced: tuple[Voiced, ...] = ()
    """One after the other."""
    recogniser_faults: tuple[RecogniserFault, ...] = ()
    answers: tuple[Answers, ...] = (Answers(words=6),)
    speaks: tuple[Speaks, ...] = (Speaks(),)
    stalls: tuple[Stall, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    """Empty: nobody recognised how complete turns are."""


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
            call = _made(Call, values)
        elif name in items:
            items[name].append(_made(_ITEMS[name], values))
        else:
            raise ValueError(f"{name!r} is no part of a script; allowed: call, {', '.join(_ITEMS)}")
    if call is None:
        raise ValueError(f"no script: it is the lines that begin with {_MARK!r}, a call first")
    return Script(call, **{name: tuple(those) for name, those in items.items()})


def _line(name: str, item: Any) -> str:
    """What is as it always is need not be said."""
    said = _differing(item, _usual(item))
    return f"{_MARK}{name} {json.dumps(said, ensure_ascii=False)}"


def _usual(kind: Any) -> dict[str, Any]:
    return {f.name: f.default for f in fields(kind)}


def _differing(item: Any, usual: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not as usual, by name; of what has values of its own, those."""
    said = {f.name: getattr(item, f.name) for f in fields(item)}
    return {
        name: _differing(value, _values(usual[name])) if is_dataclass(value) else value
        for name, value in said.items()
        if value != usual[name]
    }


def _values(item: Any) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in fields(item)}


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    usual = _usual(kind)
    return kind(**{name: _changed(usual.get(name), value) for name, value in values.items()})


def _changed(usual: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    said = cast(dict[str, Any], value)
    changes = {name: _changed(getattr(usual, name, None), each) for name, each in said.items()}
    return replace(usual, **changes)
