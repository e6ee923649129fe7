"""Reads the body of a chat answer, as it comes, into its chunks: events, or one document.

Pure. What is neither, such as a page of a proxy, is recognised by its first bytes. A chunk is
passed on with the end of its line, because some servers leave the connection open after an error
without the blank line that ends an event.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

Json = dict[str, Any]

MOST_LINE_BYTES = 1 << 19
"""The longest line of a stream, and the longest answer that is one document."""
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_DECODER = json.JSONDecoder()


class BadAnswer(ValueError):
    """The body is no chat answer; the text says in our words what came."""

    def __init__(self, said: str, shown: object = "") -> None:
        super().__init__(said)
        self.shown = " ".join(str(shown).split())[:300]
        """What the server sent, for the log alone."""


class Body:
    """One body; `done` becomes true with its last chunk, whatever the connection does then."""

    def __init__(self) -> None:
        self.done = False
        self._kept = b""
        self._data = b""
        """The data of an event whose JSON goes on in its next line."""
        self._event = b""
        self._is_stream: bool | None = None
        self._begin = b""
        self._has_data = False

    def feed(self, received: bytes) -> Iterator[Json]:
        """Yield the chunks that are complete now; raises BadAnswer after those that are good."""
        may_end = b"}" in received or b"]" in received
        if self._kept:
            received = self._kept + received
        if self._is_stream is None:
            if not self._begins(received):
                self._kept = received
                return
            received = received.removeprefix(_BOM)
        if not self._is_stream:
            yield from self._document(received, may_end=may_end)
        else:
            *lines, self._kept = _lines(received)
            yield from self._chunks(lines)
            _check_size(self._kept)

    def end(self) -> Iterator[Json]:
        """Yield the chunks in what was kept; a part of one is none. Raises BadAnswer."""
        kept, self._kept = self._kept, b""
        if self._is_stream is None:
            raise BadAnswer("the chat model answered with an empty body")
        if not self._is_stream:
            raise BadAnswer("the chat model's answer broke off", kept)
        yield from self._chunks([kept.strip()])
        if not self._has_data:
            raise BadAnswer("the chat model answered with no chat stream", _text(self._begin))

    def _begins(self, received: bytes) -> bool:
        """Find out what the body is; whether that is known."""
        begin = received.removeprefix(_BOM).lstrip(_BLANK)
        if not begin or _BOM.startswith(begin):
            return False
        if begin.startswith(b"<"):
            raise BadAnswer("the chat model's address answered with a web page", _text(begin))
        self._is_stream, self._begin = not begin.startswith((b"{", b"[")), begin[:300]
        return True

    def _document(self, received: bytes, *, may_end: bool) -> Iterator[Json]:
        _check_size(received)
        self._kept = received
        if not may_end:
            return
        try:
            document, _ = _DECODER.raw_decode(_text(received).lstrip())
        except (ValueError, RecursionError):
            return  # more of it is to come
        self.done = True
        yield _chunk(document)

    def _chunks(self, lines: Iterable[bytes]) -> Iterator[Json]:
        for line in lines:
            if line.startswith(b"data:"):
                if (chunk := self._read(line[5:].strip())) is not None:
                    yield chunk
                if self.done:
                    return
            elif line.startswith(b"event:"):
                self._event = line[6:].strip()
            elif not line:
                self._end_event()
            elif line.startswith(b"{"):  # a proxy wrote an error into the stream as it is
                self._data = b""
                raise BadAnswer("the chat model reported an error in its answer", _text(line))

    def _read(self, data: bytes) -> Json | None:
        """The chunk in one line of data; None where the line has none, or only a part of one."""
        self._has_data = True
        if data.startswith(b"[DONE]"):
            self.done = True
            return None
        self._data = data = self._data + b"\n" + data if self._data else data
        _check_size(data)
        if not data or data == b"null":
            self._data = b""
            return None
        try:
            value: Any = json.loads(_text(data))
        except (ValueError, RecursionError):
            return None  # the event may go on in its next line
        self._data = b""
        return _chunk(value, self._event)

    def _end_event(self) -> None:
        if self._data:
            raise BadAnswer("the chat model sent a chunk that is no JSON", _text(self._data))
        self._event = b""


def _lines(received: bytes) -> list[bytes]:
    """The lines, the last of which may go on; a CR at the very end may be half of a CRLF."""
    if b"\r" not in received:
        return received.split(b"\n")
    whole = received.removesuffix(b"\r")
    *lines, last = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [*lines, last + received[len(whole) :]]


def _chunk(value: Any, event: bytes = b"") -> Json:
    """The value as a chunk; raises BadAnswer if it is an error, or nothing that is known."""
    if not isinstance(value, dict):
        raise BadAnswer("the chat model sent a chunk that is no chat chunk", cast("object", value))
    chunk = cast(Json, value)
    if _is_error(chunk, event):
        raise BadAnswer("the chat model reported an error in its answer", chunk)
    return chunk


def _is_error(chunk: Json, event: bytes) -> bool:
    named = event == b"error" or "error" in (chunk.get("object"), chunk.get("type"))
    if chunk.get("error") or named:
        return True
    # Nothing that belongs to an answer, and a text: {"detail": "Not Found"}, {"message": …}.
    return not chunk.get("choices") and any(
        isinstance(chunk.get(name), str) for name in ("detail", "message", "error_message")
    )


def _check_size(text: bytes) -> None:
    if len(text) > MOST_LINE_BYTES:
        raise BadAnswer(f"the chat model sent more than {MOST_LINE_BYTES} bytes in one line")


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
