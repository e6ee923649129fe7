"""Shortens the script of a failed call while it still fails in the same way."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from voice_sim.rules.invariants import broken
from voice_sim.script import Answers, Script, Speaks
from voice_sim.simulation import simulated

_MOST_RUNS = 600
_LISTS = (
    "recogniser_faults", "stalls", "acts", "recognised", "voiced", "opinions", "speaks", "answers",
)  # fmt: skip
_TIMES_AND_WORDS = re.compile(r"[\d.]+|'.*'|: .*$")


def shrunk(script: Script, wrong: str) -> Script:
    """The shortest script found that breaks the same rule in the same words."""
    wanted = _kind(wrong)
    runs = 0
    again = True
    while again:
        again = False
        for shorter in _shorter(script):
            if runs >= _MOST_RUNS:
                return script
            runs += 1
            if any(_kind(said) == wanted for said in broken(simulated(shorter))):
                script, again = shorter, True
                break
    return script


def _kind(sentence: str) -> str:
    """The kind of failure: the sentence without its times and words."""
    rule, _, said = sentence.partition(": ")
    return f"{rule}: {_TIMES_AND_WORDS.sub('', said)}"


def _shorter(script: Script) -> Iterator[Script]:
    """The script without one of its parts, large parts first, or with simpler services."""
    for name in _LISTS:
        items: tuple[Any, ...] = getattr(script, name)
        size = len(items)
        while size >= 1:
            for start in range(0, len(items), size):
                left = items[:start] + items[start + size :]
                if left or name not in ("speaks", "answers"):
                    yield replace(script, **{name: left})
            size //= 2
    for usual in ({"greeting": ""}, {"idle_prompt_s": 0.0}, {"idle_end_s": 0.0}):
        policy = replace(script.call.policy, **usual)
        if policy != script.call.policy:
            options = replace(script.call.options, policy=policy)
            yield replace(script, call=replace(script.call, options=options))
    if script.answers != (simple := (Answers(words=6),)):
        yield replace(script, answers=simple)
    if script.speaks != (plain := (Speaks(),)):
        yield replace(script, speaks=plain)
