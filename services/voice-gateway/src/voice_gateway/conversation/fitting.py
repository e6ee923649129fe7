"""Fits a history into a number of tokens: the newest turns stay word for word, the oldest go first.

`divided` gives the turns that go beside those that stay: something shorter, such as a summary, may
stand for them one day.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

from voice_gateway.conversation.history import (
    History,
    Message,
    turn_edges,
    without_exchanges,
)

TokensOf = Callable[[Message], float]
"""Estimates the tokens of a message, its overhead included."""

CUT_MARK = "…"
_AT_ONCE = 0.25
"""The share of the tokens by which a history becomes shorter at once. The messages after the system
prompt are then the same for several turns, and a model server that caches prompts need not read all
of them again at each turn."""
_LEAST_KEPT = 0.5
"""No more than is needed goes where less than this share of the tokens would stay."""
_LEAST_CHARS = 200
"""What stays at least of a message that is cut."""


def fitted(history: History, tokens: float, tokens_of: TokensOf) -> History:
    """The newest turns that have together at most so many tokens; the last turn always stays.

    Where the last turn is longer than that by itself, the oldest of its tool calls go with their
    outputs, and then its longest texts are cut.
    """
    sums = _sums(history, tokens_of)
    place = _place(history, sums, tokens)
    kept = history[place:]
    if sums[-1] - sums[place] <= tokens:
        return kept
    return _cut(without_exchanges(kept, tokens, tokens_of), tokens, tokens_of)


def divided(history: History, tokens: float, tokens_of: TokensOf) -> tuple[History, History]:
    """The oldest turns, which go, and the newest turns, which fit or are the last turn alone."""
    place = _place(history, _sums(history, tokens_of), tokens)
    return history[:place], history[place:]


def _sums(history: History, tokens_of: TokensOf) -> list[float]:
    """The tokens before each message, and those of all."""
    return [0.0, *accumulate(map(tokens_of, history))]


def _place(history: History, sums: Sequence[float], tokens: float) -> int:
    """The place of the first message that stays."""
    excess = sums[-1] - tokens
    edges = turn_edges(history) if excess > 0 else []
    if not edges:
        return 0
    step = max(1.0, tokens * _AT_ONCE)
    steady = -(-excess // step) * step
    needed = next((place for place in edges if sums[place] >= excess), edges[-1])
    place = next((place for place in edges if sums[place] >= steady), edges[-1])
    return place if sums[-1] - sums[place] >= tokens * _LEAST_KEPT else needed


def _cut(turn: History, tokens: float, tokens_of: TokensOf) -> History:
    """Cut the longest texts of a turn until it fits, or until little is left of each of them."""
    messages = list(turn)
    sizes = [tokens_of(message) for message in messages]
    while (excess := sum(sizes) - tokens) > 0:
        places = [n for n, each in enumerate(messages) if len(each.text) > _LEAST_CHARS]
        if not places:
            break
        longest = max(places, key=sizes.__getitem__)
        share = max(0.0, 1 - excess / sizes[longest]) * 0.95
        messages[longest] = _shortened(messages[longest], share)
        sizes[longest] = tokens_of(messages[longest])
    return tuple(messages)


def _shortened(message: Message, share: float) -> Message:
    """A tool's output keeps its beginning; of what somebody said, the end matters most."""
    text = message.text.strip(CUT_MARK + " ")
    length = max(_LEAST_CHARS - len(CUT_MARK) - 1, int(len(text) * share))
    if message.role == "tool":
        return replace(message, text=f"{text[:length].rstrip()} {CUT_MARK}")
    return replace(message, text=f"{CUT_MARK} {_from_a_word(text[-length:])}")


def _from_a_word(text: str) -> str:
    """The text without the rest of a word that it begins with."""
    space = text.find(" ", 0, 40)
    return text[space + 1 :].lstrip() if space >= 0 else text
