"""Takes out of a model's text what is not meant for the caller, however the text is cut. Pure.

    "<think>hm</think>It is noon.<|eot_id|>"                  "It is noon."
    "<|channel|>analysis<|message|>hm<|end|>…final<|message|>It is noon."
    "hm</think>It is noon."
    '<tool_call>{"name": "look", "arguments": {}}</tool_call>'   a call of `look`

Thoughts and protocol tokens are removed, calls that were written as text are returned as calls. Of
the text only what may be the beginning of a mark is kept back.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from json import JSONDecoder
from typing import Literal

from voice_gateway.adapters.chat_calls import MOST_ARGUMENTS_CHARS, calls_in_text, calls_of
from voice_gateway.ports import Retracted

_THOUGHTS = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "seed:think")
_TAG = "|".join(_THOUGHTS)
_OPENS = rf"<(?:{_TAG})\s*>|(?-i:\[THINK\])|◁think▷|<\|begin_of_thought\|>"
_CLOSES = rf"</(?:{_TAG})\s*>|(?-i:\[/THINK\])|◁/think▷|<\|end_of_thought\|>"
_TOKEN = r"<[|｜](?P<token>[^<>|｜\s][^<>|｜]{0,40})[|｜]>"
_CALL_TAGS = ("tool_call", "tool_calls", "function_call", "function_calls")
_CALL = rf"<(?P<tag>{'|'.join(_CALL_TAGS)})\s*>|(?-i:\[TOOL_CALLS\])"
_FUNCTION = r"<function=(?P<function>[\w.\-]+)(?:\s*>|(?=\s*[\[{(]))"
_LITERALS = (
    *("<s>", "</s>", "<bos>", "<eos>", "<pad>", "<unk>", "<end_of_turn>", "<start_of_turn>"),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "</function>"),
    *(f"</{tag}>" for tag in _CALL_TAGS),
)
_KEYS = r"name|type|function|tool|tool_name|parameters|arguments|id"
_FENCE = r"(?P<fence>(?:```(?:json|tool_call|tool_code)?\s*)?)"
_SPELLED = rf'{_FENCE}(?P<spelled>(?:\[\s*)?\{{\s*"(?:{_KEYS})"\s*:)'
_MARK = re.compile(
    rf"(?P<opens>{_OPENS})|(?P<closes>{_CLOSES})|{_TOKEN}|(?P<call>{_CALL}|{_FUNCTION})"
    rf"|(?P<literal>{'|'.join(map(re.escape, _LITERALS))})|{_SPELLED}",
    re.IGNORECASE,
)
_MAY_BEGIN = re.compile(r"[<\[{`◁]")
_BEGUN = re.compile(
    rf"</?(?:{_TAG}|{'|'.join(_CALL_TAGS)})\s*|<function=[\w.\-]*\s*"
    r"|<[|｜](?:[^<>|｜\s][^<>|｜]{0,40}[|｜]?)?"
    r'|(?:```[a-z_]*\s*)?(?:\[\s*)?(?:\{\s*(?:"[a-z_]{0,12}(?:"\s*)?)?)?',
    re.IGNORECASE,
)
"""What may become a mark and is no beginning of one of `_WORDS`."""
_WORDS = tuple(
    word.lower()
    for word in (
        *(f"<{end}{tag}>" for end, tag in product(("", "/"), (*_THOUGHTS, *_CALL_TAGS))),
        *_LITERALS,
        *("[THINK]", "[/THINK]", "◁think▷", "◁/think▷", "[TOOL_CALLS]", "<function=", "```"),
    )
)
_LONGEST_BEGUN = 64

_HEADERS = frozenset({"start_header_id", "header_start", "im_start", "start", "channel"})
_HEADER_END = re.compile(r"<\|(?:end_header_id|header_end|message|im_sep)\|>|\n")
_MOST_HEADER_CHARS = 200
_OTHERS = frozenset({"user", "human", "system", "developer", "tool", "ipython", "observation"})
_CALL_TOKENS = {
    "python_tag": r"(?=<\|)",
    "tool_call": r"(?=<\|)",
    "tool_calls_section_begin": r"<\|tool_calls_section_end\|>",
    "tool▁calls▁begin": r"<｜tool▁calls▁end｜>",
}
_NEXT_TOKEN = r"(?=<\|(?:start|channel|end|return|call)\|>)"
_NEXT_HEADER = r"(?=<\|(?:start_header_id|header_start|im_start|start|assistant)\|>)"
_TO = re.compile(r"\bto=(?:functions\.)?([\w\-]+)")
_FIRST_CLAUSE = re.compile(r"[.!?。！？]\s|\n|[。！？]")
_MOST_HELD_CHARS = 200
_BLANK = " \t\r\n"
_LEFT_BY_A_CALL = _BLANK + ";,`"
_DECODER = JSONDecoder()

Hold = Literal["nothing", "clause", "all"]


@dataclass(frozen=True, slots=True)
class TextCall:
    """A tool call that stood in the text."""

    name: str
    arguments: str


Found = str | TextCall | Retracted


class Markup:
    """One answer's text.

    `hold` says what is kept back in case that a closing tag makes a thought of it: for models that
    are known to think, the first clause; for those that left the opening tag out last time, all.
    """

    def __init__(
        self, hold: Hold = "nothing", tools: Iterable[str] = (), *, spoken: bool = True
    ) -> None:
        self.hidden = False
        """Whether the last text was a thought, or something else that nobody gets."""
        self.untagged = False
        """Whether a thought ended that had not begun."""
        self.broken: list[str] = []
        """The calls that could not be read; each is a name, or empty."""
        self._hold: Hold = hold
        self._tools = frozenset(tools)
        self._spoken = spoken
        self._text = ""
        self._until: re.Pattern[str] | None = None
        """What ends the hidden text that has begun; None: the text is for the caller."""
        self._in: Literal["text", "thought", "call", "header", "spelled"] = "text"
        self._called = ""
        self._fence = ""
        """The code mark before JSON that may be a call."""
        self._thoughts = 0
        self._held = ""
        self._said = False
        self._strip = _BLANK
        self._found: list[Found] = []

    def feed(self, text: str) -> list[Found]:
        """The new text for the caller, and the calls that are complete."""
        if not self._text and self._in == "text" and not _MAY_BEGIN.search(text):
            self._say(text)
        else:
            self._text += text
            while self._step():
                pass
        return self._taken()

    def end(self, *, cut: bool = False) -> list[Found]:
        """What was kept back; `cut` says that the answer ended before the model was done."""
        text, self._text = self._text, ""
        if self._in == "text":
            self._say(text)
        elif self._in == "call":
            self._call(text)
        elif self._in == "spelled":
            self._end_spelled(text)
        if self._hold != "all" or not cut:
            self.release()
        return self._taken()

    def release(self) -> None:
        """Keep nothing back any more for want of a closing tag."""
        self._hold = "nothing"
        held, self._held = self._held, ""
        self._say(held)

    def _taken(self) -> list[Found]:
        found, self._found = self._found, []
        return found

    def _step(self) -> bool:
        """Go on to the next mark; whether there may be one more."""
        match self._in:
            case "text":
                return self._read_text()
            case "spelled":
                return self._read_spelled()
            case "header":
                return self._read_header()
            case "thought" | "call":
                return self._read_hidden()

    def _read_text(self) -> bool:
        text = self._text
        mark = _MARK.search(text)
        if mark is None:
            end = _begun(text)
            self._text = text[end:]
            self._say(text[:end])
            return False
        self._text = text[mark.end() :]
        self._say(text[: mark.start()])
        self._meet(mark)
        return bool(self._text)

    def _meet(self, mark: re.Match[str]) -> None:
        if mark["spelled"]:
            self._in = "spelled"
            self._text, self._fence = mark["spelled"] + self._text, mark["fence"]
        elif mark["opens"]:
            self._hide(_CLOSES)
        elif mark["closes"]:
            self._unopened()
        elif mark["call"]:
            self._begin_call(mark)
        elif token := mark["token"]:
            self._token(token.strip().lower())
        else:
            self._literal(mark["literal"].lower())

    def _hide(self, until: str) -> None:
        self._in, self._until, self.hidden = "thought", re.compile(until, re.IGNORECASE), True
        self._thoughts += 1
        self.release()

    def _unopened(self) -> None:
        """A closing tag: all the text before it was a thought, if none began before."""
        if self._thoughts == 0:
            self.untagged = True
            self._held = ""
            self._found = [one for one in self._found if isinstance(one, TextCall)]
            if self._said:
                self._found.append(Retracted())
            self._said = False
            self._strip = _BLANK
        self._thoughts += 1
        self.release()

    def _begin_call(self, mark: re.Match[str]) -> None:
        tag, name = mark["tag"], mark["function"]
        if name:
            self._await_call(r"</?function\s*>", name)
        elif tag:
            self._await_call(rf"</{tag}\s*>|(?=<{tag}\s*>)|(?=<\|)")
        else:
            self._await_call(r"</s>|(?=<\|)")

    def _await_call(self, until: str, name: str = "") -> None:
        self._in, self._until, self._called = "call", re.compile(until, re.IGNORECASE), name

    def _token(self, token: str) -> None:
        if token in _HEADERS:
            self._in, self._until = "header", _HEADER_END
        elif token in _CALL_TOKENS:
            self._await_call(_CALL_TOKENS[token])
        elif token in _OTHERS:
            self._hide(_NEXT_HEADER)

    def _literal(self, literal: str) -> None:
        if literal == "<start_of_turn>":
            self._in, self._until = "header", _HEADER_END
        elif literal == "[inst]":
            self._hide(r"\[/INST\]")
        elif literal == "<<sys>>":
            self._hide(r"<</SYS>>")

    def _read_header(self) -> bool:
        end = _HEADER_END.search(self._text)
        if end is None and len(self._text) <= _MOST_HEADER_CHARS:
            return False
        header = self._text[: end.start()] if end else ""
        self._text = self._text[end.end() :] if end else self._text
        self._in, self.hidden, self._strip = "text", False, _BLANK
        words = set(re.findall(r"\w+", header.lower()))
        if to := _TO.search(header):
            self._await_call(_NEXT_TOKEN, to[1])
        elif "analysis" in words:
            self._hide(_NEXT_TOKEN)
        elif words & _OTHERS:
            self._hide(_NEXT_HEADER)
        return bool(self._text)

    def _read_hidden(self) -> bool:
        assert self._until
        end = self._until.search(self._text)
        is_call = self._in == "call"
        if end is None:
            if is_call:
                self._check_size()
            self._text = self._text if is_call else self._text[-_LONGEST_BEGUN:]
            return False
        body, self._text = self._text[: end.start()], self._text[end.end() :]
        self._in, self.hidden = "text", False
        if is_call:
            self._call(body)
        else:
            self._strip = _BLANK
        return bool(self._text)

    def _call(self, body: str) -> None:
        calls = calls_in_text(body, self._called)
        if not calls:
            self.broken.append(self._called)
        self._found += [TextCall(name, arguments) for name, arguments in calls]
        self._strip = _LEFT_BY_A_CALL

    def _read_spelled(self) -> bool:
        """JSON that begins as a call does: it is one, or the text that it stands in."""
        self._check_size()
        try:
            value, end = _DECODER.raw_decode(self._text)
        except (ValueError, RecursionError):
            return False  # more of it is to come
        written, self._text, self._in = self._text[:end], self._text[end:], "text"
        calls = calls_of(value)
        if calls and self._takes(name for name, _ in calls):
            self._found += [TextCall(name, arguments) for name, arguments in calls]
            self._strip = _LEFT_BY_A_CALL
        else:
            self._say(self._fence + written)
        return bool(self._text)

    def _takes(self, names: Iterable[str]) -> bool:
        """Whether calls without a mark are calls: JSON may also be what was asked for in text."""
        return self._spoken or all(name in self._tools for name in names)

    def _check_size(self) -> None:
        if len(self._text) > MOST_ARGUMENTS_CHARS:
            self._text = ""
            raise ValueError("a tool call in the text has no end")

    def _end_spelled(self, text: str) -> None:
        """The answer ended within the JSON."""
        name = re.search(r'"(?:name|function|tool_name|tool)"\s*:\s*"([^"]*)"?', text)
        is_call = name and re.search(r'"(?:parameters|arguments|args|input)"\s*:', text)
        if name and is_call and self._takes((name[1],)):
            self.broken.append(name[1])
        else:
            self._say(self._fence + text)

    def _say(self, text: str) -> None:
        if self._strip:
            text = text.lstrip(self._strip)
        if not text:
            return
        self.hidden, self._strip = False, ""
        if self._hold != "nothing":
            self._held += text
            if self._hold == "clause" and _is_clause(self._held):
                self.release()
            return
        self._said = True
        self._found.append(text)


def _is_clause(text: str) -> bool:
    return len(text) > _MOST_HELD_CHARS or bool(_FIRST_CLAUSE.search(text))


def _begun(text: str) -> int:
    """Where a mark may begin that the end of `text` cuts off; its length if none does."""
    for place in _MAY_BEGIN.finditer(text, max(0, len(text) - _LONGEST_BEGUN)):
        rest = text[place.start() :]
        low = rest.lower()
        if any(word.startswith(low) for word in _WORDS) or _BEGUN.fullmatch(rest):
            return place.start()
    return len(text)
