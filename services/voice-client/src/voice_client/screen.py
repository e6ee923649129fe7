"""Shows a call to the person at the terminal."""

import re
from collections.abc import Callable
from typing import Protocol

from voice_client.messages import (
    Fault,
    Goodbye,
    Interruption,
    Listening,
    Message,
    Processing,
    ReplyAudio,
    ReplyText,
    Speaking,
    Transcript,
    TurnEnded,
    VoicePaused,
    VoiceResumed,
)
from voice_client.turn_latency import latency_lines
from voice_client.turns import Turn

_CLEAR = "\r\x1b[K"
_REPLY = "reply: "


class Audience(Protocol):
    """Whoever watches a call."""

    def note(self, text: str) -> None: ...
    def see(self, message: Message) -> None: ...
    def turn_over(self, turn: Turn) -> None: ...
    def close(self) -> None: ...


class Nobody:
    """Shows nothing, for `--json`."""

    def note(self, text: str) -> None: ...
    def see(self, message: Message) -> None: ...
    def turn_over(self, turn: Turn) -> None: ...
    def close(self) -> None: ...


class Screen:
    """Plain lines; on a terminal the interim transcript is one line that is rewritten.

    `width` is the terminal's, asked before each rewritten line; None where there is no terminal.
    """

    def __init__(
        self, write: Callable[[str], object], *, width: Callable[[], int] | None = None
    ) -> None:
        self._write = write
        self._width = width
        self._interim = ""
        self._in_reply = False

    def note(self, text: str) -> None:
        """Show a line of the client's own."""
        self._line(text)

    def see(self, message: Message) -> None:
        """Show a message as it comes."""
        match message:
            case Transcript():
                self._show_transcript(message)
            case ReplyText(text=text):
                self._reply(text)
            case Processing():
                self._settle_interim()
                self._line("[thinking]")
            case Speaking():
                if not self._in_reply:  # else the line shows the text that is being spoken
                    self._line("[speaking]")
            case Fault():
                where = f"{message.stage} {message.code}".strip() or "gateway"
                self._line(f"error: {where}: {_clean(message.note)}")
            case Listening(interruption=cut):
                self._line(_interrupted(cut) if cut else "[listening]")
            case TurnEnded() | ReplyAudio() | VoicePaused() | VoiceResumed() | Goodbye():
                pass

    def turn_over(self, turn: Turn) -> None:
        """Show where the time of a finished turn went."""
        if turn.ending == "answered":
            self._line("[end of turn]")
        for line in latency_lines(turn.stages, turn.measured_ms):
            self._line(line)

    def close(self) -> None:
        """Leave the cursor on a fresh line."""
        self._settle_interim()
        self._end_reply()

    def _show_transcript(self, transcript: Transcript) -> None:
        text = _clean(transcript.text).strip()
        if transcript.is_final:
            self._interim = ""
            self._line(f"you: {text}")
        elif text != self._interim:
            self._interim = text
            self._show_interim(text)

    def _show_interim(self, text: str) -> None:
        self._end_reply()
        if self._width is None:
            self._write(f"  ... {text}\n")
            return
        room = max(self._width() - 7, 10)
        shown = text if len(text) <= room else f"…{text[1 - room :]}"
        self._write(f"{_CLEAR}  ... {shown}")

    def _settle_interim(self) -> None:
        """Print the interim as what was said."""
        if self._interim:
            text, self._interim = self._interim, ""
            self._line(f"you: {text}")

    def _reply(self, text: str) -> None:
        text = _clean(text)
        if not self._in_reply:
            self._clear_interim()
            self._write(_REPLY)
            self._in_reply = True
            text = text.lstrip()
        self._write(text)

    def _line(self, text: str) -> None:
        self._end_reply()
        self._clear_interim()
        self._write(f"{text}\n")

    def _end_reply(self) -> None:
        if self._in_reply:
            self._write("\n")
            self._in_reply = False

    def _clear_interim(self) -> None:
        if self._width is not None:
            self._write(_CLEAR)


def _interrupted(cut: Interruption) -> str:
    heard = _clean(cut.heard_text) or "nothing"
    return f"[interrupted after {cut.heard_ms} ms, heard: {heard}]"


def _clean(text: str) -> str:
    """Drop control characters: the network must not steer the terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
