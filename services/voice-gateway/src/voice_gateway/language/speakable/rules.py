"""Replacement rules: a pattern, and what takes the place of a match."""

import re
from collections.abc import Callable, Iterable

Match = re.Match[str]
Rule = tuple[re.Pattern[str], Callable[[Match], str]]


def rule(pattern: str, said: str | Callable[[Match], str], flags: int = 0) -> Rule:
    """Make a rule; `said` is a template as in re.sub, or a function. Classes match ASCII only."""
    return re.compile(pattern, flags | re.ASCII), said if callable(said) else _filled_in(said)


def _filled_in(template: str) -> Callable[[Match], str]:
    if "\\" not in template:
        return lambda _: template

    def said(match: Match) -> str:
        return match.expand(template)

    return said


def apply(rules: Iterable[Rule], text: str) -> str:
    for pattern, said in rules:
        text = pattern.sub(said, text)
    return text


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of the words; of two that begin alike it finds the longer one."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def full_stop(match: Match) -> str:
    """A point, if the match took the one that ends the text; else empty."""
    return "." if not match.string[match.end() :].strip(" \"')”’") else ""
