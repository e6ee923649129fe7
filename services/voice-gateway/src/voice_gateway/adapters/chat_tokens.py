"""Estimates how many tokens a chat request has, and learns from what its endpoint counted. Pure.

The gateway has no model's tokenizer. Its estimate counts characters by their kind, which costs a
microsecond a message, and is meant to be too high rather than too low: what is too high costs the
oldest turns, what is too low costs a refused request.
"""

import json
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from voice_gateway.conversation import Message
from voice_gateway.messages import Tool

_PER_MESSAGE = 8.0  # the role and the marks around a message; 4 or 5 in most chat templates
_PER_REQUEST = 32.0  # the mark that begins the reply, and the date that some templates add
_PER_TOOL = 16.0

_WORDS = (string.ascii_letters + " ").encode()
_SIGN = 2.5  # a digit or a punctuation mark counts as so many letters

_LETTERS_PER_TOKEN = 3.2  # 4.2 in English, 2.8 in German with a tokenizer made for English
_BYTES_PER_TOKEN = 2.2  # of UTF-8, in other scripts: a character is 2 in Cyrillic, 3 in Hindi

_LEAST_COUNTED = 600.0  # letters; the overhead of less text is too large a share of it
_ONE_SCRIPT = 0.8  # from this share on, a text is written in one kind of script
_MARGIN = 1.1
_DOWN = 0.1  # how fast an estimate that was too high comes down
_LOWEST, _HIGHEST = 0.4, 4.0  # of the rate at the start


class Size(NamedTuple):
    """The size of some texts, by the kinds of their characters."""

    letters: float = 0.0
    """Basic Latin letters, and its other characters by their weight."""
    others: float = 0.0
    """The UTF-8 bytes of all other characters."""


def size_of(text: str) -> Size:
    plain = text.encode("ascii", "ignore")
    signs = len(plain.translate(None, _WORDS))
    letters = len(plain) + signs * (_SIGN - 1)
    if len(plain) == len(text):
        return Size(letters)
    return Size(letters, len(text.encode("utf-8", "surrogatepass")) - len(plain))


@dataclass(slots=True)
class TokenRates:
    """The tokens per character of one model, as far as they are known."""

    per_letter: float = 1 / _LETTERS_PER_TOKEN
    per_byte: float = 1 / _BYTES_PER_TOKEN

    def of_size(self, size: Size) -> float:
        return size.letters * self.per_letter + size.others * self.per_byte

    def of_text(self, text: str) -> float:
        return self.of_size(size_of(text))

    def of_message(self, message: Message) -> float:
        tokens = _PER_MESSAGE + self.of_size(size_of(message.text))
        for call in message.calls:
            tokens += _PER_MESSAGE + self.of_text(f"{call.call_id}{call.name}{call.arguments}")
        return tokens

    def of_head(self, system_prompt: str, tools: Iterable[Tool]) -> float:
        """The tokens of a request besides its history."""
        schemas = sum(_PER_TOOL + self.of_text(_schema(tool)) for tool in tools)
        return _PER_REQUEST + _PER_MESSAGE + self.of_text(system_prompt) + schemas

    def counted(self, history: Sequence[Message], system_prompt: str, tokens: int) -> None:
        """Learn how many tokens a request without tools really had.

        An estimate that was too low rises at once, one that was too high comes down slowly.
        """
        sizes = [size_of(message.text) for message in history] + [size_of(system_prompt)]
        size = Size(sum(each.letters for each in sizes), sum(each.others for each in sizes))
        expected = self.of_size(size)
        counted = tokens - _PER_REQUEST - _PER_MESSAGE * len(sizes)
        if size.letters + size.others < _LEAST_COUNTED or counted <= 0:
            return
        self._scale(counted / expected, size.others * self.per_byte / expected)

    def _scale(self, ratio: float, others: float) -> None:
        """Move the rates towards the counted ones; `others` is the share of the other scripts."""
        if others < _ONE_SCRIPT:
            self.per_letter = _moved(self.per_letter, ratio, 1 / _LETTERS_PER_TOKEN)
        if others > 1 - _ONE_SCRIPT:
            self.per_byte = _moved(self.per_byte, ratio, 1 / _BYTES_PER_TOKEN)

    def raised(self, used: "TokenRates", ratio: float) -> None:
        """A request was refused that had `ratio` times the tokens that `used` estimated.

        Requests of several calls may be refused for the same: that counts once.
        """
        ratio *= _MARGIN
        letter = min(used.per_letter * ratio, _HIGHEST / _LETTERS_PER_TOKEN)
        byte = min(used.per_byte * ratio, _HIGHEST / _BYTES_PER_TOKEN)
        self.per_letter = max(self.per_letter, letter)
        self.per_byte = max(self.per_byte, byte)


def _moved(rate: float, ratio: float, at_start: float) -> float:
    goal = rate * ratio * _MARGIN
    rate = goal if ratio > 1 else rate + (goal - rate) * _DOWN
    return min(max(rate, _LOWEST * at_start), _HIGHEST * at_start)


def _schema(tool: Tool) -> str:
    return f"{tool.name}{tool.description}{json.dumps(tool.parameters, default=str)}"
