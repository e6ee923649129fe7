"""Reads one chat answer: its chunks become text, tool calls, usage, and why it ended."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from voice_gateway.adapters.chat_calls import CallParts
from voice_gateway.adapters.chat_markup import Found, Hold, Markup, TextCall
from voice_gateway.adapters.chat_stream import BadAnswer, Body
from voice_gateway.conversation import ToolCall
from voice_gateway.messages import Incomplete, ModelOptions, Usage
from voice_gateway.ports import Finish, ModelPiece

Json = dict[str, Any]

MOST_CHARS = 200_000
"""The longest text of one answer, thoughts included; a model that never stops is cut there."""
_TOO_LONG = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "content_filtered", "safety", "recitation"})
_GAVE_UP = frozenset({"error", "abort", "insufficient_system_resource"})
_TEXT_PARTS = frozenset({"text", "output_text", "refusal"})
_TEXT_KEYS = frozenset({"role", "content"})
_REASONING = ("reasoning_content", "reasoning", "thinking")


@dataclass(slots=True)
class Habits:
    """What is known of a model's answers, from those before."""

    thinks: bool = False
    untagged: bool = False
    """Whether its last answer began with a thought without an opening tag."""

    def hold(self) -> Hold:
        if self.untagged:
            return "all"
        return "clause" if self.thinks else "nothing"


class Answer:
    """One answer; `done` becomes true when no more of it is worth waiting for."""

    def __init__(self, asking: ModelOptions, habits: Habits) -> None:
        self.done = False
        self.finished = False
        """Whether the model said that its answer is over; only counts of tokens may follow."""
        self.advanced = False
        """Whether the last chunks had text for the caller, or a part of a tool call."""
        self.fault = ""
        """What is wrong with the answer, in our words."""
        self.shown = ""
        """What the server sent that is wrong, for the log alone."""
        self.has_text = False
        self._habits = habits
        self._declared = {tool.name for tool in asking.tools}
        self._most_calls = None if asking.parallel_calls else 1
        self._markup = Markup(habits.hold(), self._declared, spoken=asking.spoken)
        self._body = Body()
        self._parts = CallParts()
        self._calls: list[ToolCall] = []
        self._usage: Usage | None = None
        self._incomplete: Incomplete = ""
        self._chars = 0

    def feed(self, received: bytes) -> list[ModelPiece]:
        """The text in these bytes of the body."""
        self.advanced = False
        return self._pieces(self._body.feed(received))

    def end(self, *, whole: bool = True) -> list[ModelPiece]:
        """The rest: text, calls, usage, and why the answer ended; then `fault` is known.

        `whole` says that the body went to its end, or as far as this wanted to read it.
        """
        pieces: list[ModelPiece] = []
        if whole and not self.done:
            pieces += self._pieces(self._body.end())
        if not (self.finished or self.done):
            self.fault = self.fault or "the chat model's answer broke off"
        cut = bool(self.fault or self._incomplete)
        pieces += self._given(self._markup.end(cut=cut))
        self._learn(cut=cut)
        pieces += self._all_calls()
        if self._usage:
            pieces.append(self._usage)
        if not self.fault or self._incomplete:
            pieces.append(Finish(self._incomplete))
        return pieces

    def _pieces(self, chunks: Iterator[Json]) -> list[ModelPiece]:
        pieces: list[ModelPiece] = []
        try:
            for chunk in chunks:
                pieces += self._take(chunk)
                if self.done:
                    break
        except BadAnswer as error:
            self._fail(str(error), error.shown)
        except (ValueError, AttributeError, TypeError, LookupError) as error:  # no chat chunk
            self._fail("the chat model sent a chunk that cannot be read", repr(error))
        if self._chars > MOST_CHARS:
            self._incomplete, self.finished = "max_output_tokens", True
        self.done = self.done or self._body.done or self._chars > MOST_CHARS
        return pieces

    def _fail(self, said: str, shown: str) -> None:
        if not self.finished:  # a complete answer stands, whatever comes after it
            self.fault, self.shown = said, shown
        self.done = True

    def _take(self, chunk: Json) -> list[ModelPiece]:
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = _usage(cast("Json", usage))
        choices = chunk.get("choices") or ()
        return [p for choice in choices if not choice.get("index") for p in self._choice(choice)]

    def _choice(self, choice: Json) -> list[ModelPiece]:
        pieces: list[ModelPiece] = []
        delta: Json = choice.get("delta") or {}
        if not delta and not self.has_text:  # the whole message: nothing was streamed
            delta = choice.get("message") or {}
        if not _TEXT_KEYS.issuperset(delta):
            self._take_others(delta)
        if text := _text(delta.get("content") or delta.get("refusal") or choice.get("text")):
            self._chars += len(text)
            pieces = self._given(self._markup.feed(text))
            self.advanced = self.advanced or not self._markup.hidden
        if reason := choice.get("finish_reason"):
            self._finish(str(reason).lower())
        return pieces

    def _take_others(self, delta: Json) -> None:
        """Take what is no text: thoughts that the server tells apart, and parts of tool calls."""
        for key in _REASONING:
            if thought := delta.get(key):
                self._chars += len(thought)
                self._habits.thinks = True
                self._markup.release()
        for part in delta.get("tool_calls") or ():
            self._parts.add(part)
            self.advanced = True
        if old := delta.get("function_call"):
            self._parts.add({"function": old})
            self.advanced = True

    def _given(self, found: Iterable[Found]) -> list[ModelPiece]:
        pieces: list[ModelPiece] = []
        for one in found:
            if isinstance(one, TextCall):
                self._calls.append(ToolCall(_new_id(), one.name, one.arguments))
            else:
                self.has_text = isinstance(one, str)
                pieces.append(one)
        return pieces

    def _finish(self, reason: str) -> None:
        if reason in _GAVE_UP:
            self._fail("the chat model gave its answer up", reason)
            return
        self.finished = True
        if reason in _TOO_LONG:
            self._incomplete = "max_output_tokens"
        elif reason in _FILTERED:
            self._incomplete = "content_filter"

    def _all_calls(self) -> list[ToolCall]:
        """The calls to hand on: those that are whole, if any tool was declared."""
        calls, cut = self._parts.taken()
        known = {(call.name, call.arguments) for call in calls}
        calls += [call for call in self._calls if (call.name, call.arguments) not in known]
        if not self._declared:
            undeclared = [call.name for call in calls] + cut + self._markup.broken
            if undeclared and not self.has_text:
                self.fault = self.fault or "the chat model called a tool, and none was declared"
            return []
        for name in [*cut, *self._markup.broken]:
            what = f"call of {name}" if name in self._declared else "tool call"
            self.fault = self.fault or f"the chat model's {what} was cut off or cannot be read"
        # Not every server knows of such a limit, so that it is kept here.
        return calls[: self._most_calls]

    def _learn(self, *, cut: bool) -> None:
        if self._markup.untagged:
            self._habits.thinks = self._habits.untagged = True
        elif self.has_text and not cut:
            self._habits.untagged = False


def _text(content: Any) -> str:
    """The text of a content, which may be a list of parts; thinking parts are none of it."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, dict):
        part = cast("Json", content)
        is_text = part.get("type", "text") in _TEXT_PARTS
        return _text(part.get("text") or part.get("refusal")) if is_text else ""
    return "".join(_text(part) for part in content)


def _usage(counts: Json) -> Usage:
    return Usage(_count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")))


def _count(given: Any) -> int:
    return int(given) if isinstance(given, int | float) and 0 <= given < 1e12 else 0


def _new_id() -> str:
    return f"call_{uuid4().hex[:16]}"
