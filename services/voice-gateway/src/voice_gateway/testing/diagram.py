"""Draws who has the floor, and which events pass it on, by trying every event in every state.

uv run python -m voice_gateway.testing.diagram           prints the diagram and the table
uv run python -m voice_gateway.testing.diagram --write   puts them into the docs

The conversation's step is run, breadth first, from a call's beginning. Two states count as the same
if the same fields are set in them: the words said and the number of replies make no difference to
who has the floor.
"""

import re
import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Any, get_args

from voice_gateway import conversation as c
from voice_gateway.command_line import OneLineParser
from voice_gateway.conversation.policy import TurnPolicy

BEGIN = "<!-- drawn by voice_gateway.testing.diagram -->"
END = "<!-- drawn until here -->"
_DOCS = Path("docs/architecture/turn-taking.md")

_STEP_S = 0.1
_POLICIES = (
    TurnPolicy(),
    TurnPolicy(greeting="Hello.", idle_prompt_s=10.0, idle_end_s=10.0),
    TurnPolicy(greeting="Hello.", greeting_interruptible=False, drafts=0),
)
_WORDS = {"what is the weather": "words", "i want to": "words that go on", "mm-hm": "mm-hm"}

LEFT_OUT = frozenset(
    """CallerAsked CallerEnded CallerForgot CallerNoted CallerWithdrew CallerChose
    HeardAmended""".split()
)
"""Events that only a caller's program causes: the diagram shows calls without one."""

_SAID = frozenset(
    """CallerJoined CallerSpoke CallerVoiced CallerQuiet CallerTyped CallerInterrupted CallerClosed
    CallerFinished RecognitionBehind RecognitionCaughtUp ReplyAudioStarted
    ReplyHeard ReplyEnded TimerFired""".split()
)
_OTHERS: list[type[c.Event]] = [
    kind for kind in get_args(c.Event) if kind.__name__ not in LEFT_OUT | _SAID
]

Edges = dict[tuple[str, str], dict[tuple[str, ...], set[str]]]
"""For each pair of states, the commands of the transition, with the events that cause them."""


def events(now: c.Conversation, at: float) -> Iterator[tuple[str, c.Event]]:
    """Every event that may come at this moment, with its name in the diagram."""
    for text, name in _WORDS.items():
        yield name, c.CallerSpoke(at, text, final=False)
        yield f"{name} (final)", c.CallerSpoke(at, text, final=True)
    yield "no words (final)", c.CallerSpoke(at, "", final=True)
    yield "voice", c.CallerVoiced(at)
    yield "hush", c.CallerQuiet(at, at)
    yield "recogniser behind", c.RecognitionBehind(at)
    yield "recogniser broken", c.RecognitionBehind(at, broken=True)
    yield "recogniser caught up", c.RecognitionCaughtUp(at)
    yield "typed text", c.CallerTyped(at, "hello")
    yield "interrupt", c.CallerInterrupted(at)
    yield "hang-up", c.CallerClosed(at)
    yield "nothing more to recognise", c.CallerFinished(at)
    yield "first audio", c.ReplyAudioStarted(at, now.reply)
    yield "", c.ReplyHeard(at, now.reply, "well")
    yield "end of reply", c.ReplyEnded(at, now.reply, "well")
    if now.wake_at is not None:
        yield "time is up", c.TimerFired(max(at, now.wake_at))
    for kind in _OTHERS:
        yield from _made_up(kind, at)


def _made_up(kind: type[c.Event], at: float) -> Iterator[tuple[str, c.Event]]:
    """An event without a name in `events`, with each of its numbers at 0 and at 1."""
    others = [f.name for f in fields(kind) if f.name != "at"]
    for values in product((0.0, 1.0), repeat=len(others)):
        named: dict[str, Any] = dict(zip(others, values, strict=True))
        yield re.sub("(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower(), kind(at, **named)


def explored(policies: Iterable[TurnPolicy] = _POLICIES) -> Edges:
    """Every transition that can be found."""
    edges: Edges = defaultdict(lambda: defaultdict(set))
    for policy in policies:
        joined, commands = c.step(c.Conversation(), c.CallerJoined(0.0), policy)
        _note(edges, "[*]", joined, "the call begins", commands)
        for now, name, after, commands in _transitions(joined, policy):
            _note(edges, _state(now), after, name, commands)
    return edges


def _transitions(
    start: c.Conversation, policy: TurnPolicy
) -> Iterator[tuple[c.Conversation, str, c.Conversation, tuple[c.Command, ...]]]:
    """Every event in every conversation, in breadth-first order, and what comes of it."""
    waiting, seen = deque([(start, 0.0)]), {shape(start)}
    while waiting:
        now, at = waiting.popleft()
        for name, event in events(now, at + _STEP_S):
            after, commands = c.step(now, event, policy)
            yield now, name, after, commands
            over = any(isinstance(command, c.EndCall) for command in commands)
            if not over and (new := shape(after)) not in seen:
                seen.add(new)
                waiting.append((after, event.at))


def _note(
    edges: Edges, origin: str, after: c.Conversation, name: str, commands: Iterable[c.Command]
) -> None:
    said = tuple(type(command).__name__ for command in commands)
    goal = "[*]" if "EndCall" in said else _state(after)
    if name and (said or goal != origin):
        edges[origin, goal][said].add(name)


def _state(now: c.Conversation) -> str:
    match now.floor:
        case c.Listening(draft=draft):
            return "PREPARING" if draft else "LISTENING"
        case c.Replying(pause=c.Pause()):
            return "PAUSED"
        case c.Replying(audible=audible):
            return "SPEAKING" if audible else "THINKING"


def shape(now: c.Conversation) -> tuple[object, ...]:
    """What distinguishes a state: its types, and which of their fields are set."""
    return tuple(_shape(getattr(now, f.name)) for f in fields(now) if f.name != "reply")


def _shape(value: Any) -> object:
    if isinstance(value, Enum):
        return value
    if is_dataclass(value):
        parts = (_shape(getattr(value, f.name)) for f in fields(value))
        return type(value).__name__, *parts
    return value is not None and value not in (False, "", (), 0)


# The output.

_ORDER = ("[*]", "LISTENING", "PREPARING", "THINKING", "SPEAKING", "PAUSED")
_MEANING = {
    "LISTENING": "the caller has the floor",
    "PREPARING": "the caller is silent; an answer is made out of hearing",
    "THINKING": "a reply is being made, and nothing of it was heard yet",
    "SPEAKING": "the caller hears a reply",
    "PAUSED": "the reply waits for what a sound turns out to be",
}


def drawn(edges: Edges) -> str:
    """The diagram in Mermaid, and the table of what each transition commands."""
    ordered = sorted(edges.items(), key=lambda item: tuple(map(_ORDER.index, item[0])))
    table = ("<details><summary>What each transition commands</summary>", "", *_table(ordered))
    return "\n".join(["```mermaid", *_diagram(ordered), "```", "", *table, "", "</details>"])


def _diagram(ordered: list[tuple[tuple[str, str], dict[tuple[str, ...], set[str]]]]) -> list[str]:
    lines = ["stateDiagram-v2", "    direction TB"]
    lines += [f"    {state} : {state}<br/>{said}" for state, said in _MEANING.items()]
    for (origin, goal), ways in ordered:
        if origin == goal:
            continue  # the floor does not change; the table has the transition
        names = _merged(set[str]().union(*ways.values()))
        lines.append(f"    {origin} --> {goal} : {'<br/>'.join(names)}")
    return lines


def _table(
    ordered: list[tuple[tuple[str, str], dict[tuple[str, ...], set[str]]]],
) -> Iterator[str]:
    yield "| from | to | at | the conversation commands |"
    yield "|---|---|---|---|"
    for (origin, goal), ways in ordered:
        for said, names in sorted(ways.items(), key=lambda way: (len(way[0]), way[0])):
            commands = ", ".join(f"`{name}`" for name in said) or "–"
            at = ", ".join(_merged(names))
            yield f"| {_shown(origin)} | {_shown(goal)} | {at} | {commands} |"


def _shown(state: str) -> str:
    return "*no call*" if state == "[*]" else state


def _merged(names: set[str]) -> list[str]:
    """The names in order; words that have the same effect as interim and final are listed once."""
    final = {name for name in names if name.endswith(" (final)")}
    both = {name for name in final if name.removesuffix(" (final)") in names}
    return sorted(names - both)


def inserted(page: str, block: str) -> str:
    """The page with the block between its marks; raises ValueError if it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    parser = OneLineParser("python -m voice_gateway.testing.diagram", __doc__)
    parser.add_argument("--write", action="store_true", help=f"put both into {_DOCS}")
    into_the_docs: bool = parser.parse_args(arguments).write
    block = drawn(explored())
    if into_the_docs:
        _DOCS.write_text(inserted(_DOCS.read_text(), block))
    else:
        sys.stdout.write(f"{block}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
