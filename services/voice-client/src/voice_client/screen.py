"""Shows a call to the person at the terminal."""

import re
from collections.abc import Callable
from typing import Protocol
from unicodedata import category

from rich.cells import cell_len

from voice_client.messages import (
    Fault,
    Goodbye,
    Interruption,
    Listening,
    Message,
    Processing,
    Reconnected,
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
_ERASE = "\x1b[{rows}A\r\x1b[J"  # so many rows up, and all from there on
_MOST_ROWS = 16  # more may have scrolled out of a small window
_REPLY = "reply: "

_CUT_SHORT = {
    "max_output_tokens": "the answer is as long as it may be",
    "content_filter": "the model's filter withheld the rest",
}


def reconnected(message: Reconnected) -> str:
    """Say in one line that the connection is back, and what of it comes again."""
    again = "; what was not answered is asked again" if message.anew else ""
    return f"[back on another line{again}]"


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
        self._settled = ""
        """The interim words that were answered, until their final."""
        self._turn: str | None = None
        """What was written since the turn began; None: it has no words yet."""
        self._taken_back: int = 0

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
            case Listening() | TurnEnded() | Reconnected():
                self._give_floor(message)
            case ReplyAudio() | VoicePaused() | VoiceResumed() | Goodbye():
                pass

    def _give_floor(self, message: Listening | TurnEnded | Reconnected) -> None:
        match message:
            case Listening():
                self._take_floor(message)
            case TurnEnded(incomplete=incomplete):
                self._end_turn(incomplete)
            case Reconnected():
                self._reconnect(message)

    def _reconnect(self, message: Reconnected) -> None:
        if message.anew:
            self._turn, self._settled, self._interim = None, "", ""
            self._taken_back = 0
        self._line(reconnected(message))

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

    def _take_floor(self, listening: Listening) -> None:
        cut = listening.interruption
        if cut and listening.reply_id and listening.reply_id == self._taken_back:
            return  # the turn goes on, and shows its words already
        self._turn, self._settled = None, ""
        self._line(_interrupted(cut) if cut else "[listening]")

    def _end_turn(self, incomplete: str) -> None:
        self._turn, self._settled = None, ""
        if incomplete:
            self._line(cut_short(incomplete))

    def _show_transcript(self, transcript: Transcript) -> None:
        if transcript.replaces:
            self._go_on(transcript)
            return
        self._turn = self._turn or ""
        text = _clean(transcript.text).strip()
        if transcript.is_final:
            self._interim = ""
            settled, self._settled = self._settled, ""
            if not same_words(text, settled):
                self._line(f"you: {text}")
        elif text != self._interim:
            self._interim = text
            self._show_interim(text)

    def _go_on(self, transcript: Transcript) -> None:
        """Show the whole turn in place of what was shown of it before."""
        if transcript.replaces != self._taken_back:
            self._taken_back = transcript.replaces
            self._take_back()
        text = _clean(transcript.turn).strip()
        if text != self._interim:
            self._interim = text
            self._show_interim(text)

    def _take_back(self) -> None:
        """Erase the turn's lines where that can be done, else say that it goes on."""
        rows = _rows(self._turn or "", self._width()) if self._width else _MOST_ROWS
        if rows < _MOST_ROWS:
            self._in_reply = False
            self._write(_ERASE.format(rows=rows) if rows else _CLEAR)
        else:
            self._line("[the turn goes on]")
        self._turn = ""

    def _show_interim(self, text: str) -> None:
        self._end_reply()
        if self._width is None:
            self._put(f"  ... {text}\n")
            return
        room = max(self._width() - 7, 10)
        shown = text if len(text) <= room else f"…{text[1 - room :]}"
        self._put(f"{_CLEAR}  ... {shown}")

    def _settle_interim(self) -> None:
        """Print the interim as what was said."""
        if self._interim:
            text, self._interim = self._interim, ""
            self._settled = text
            self._line(f"you: {text}")

    def _reply(self, text: str) -> None:
        text = _clean(text)
        if not self._in_reply:
            self._clear_interim()
            self._put(_REPLY)
            self._in_reply = True
            text = text.lstrip()
        self._put(text)

    def _line(self, text: str) -> None:
        self._end_reply()
        self._clear_interim()
        self._put(f"{text}\n")

    def _end_reply(self) -> None:
        if self._in_reply:
            self._put("\n")
            self._in_reply = False

    def _clear_interim(self) -> None:
        if self._width is not None:
            self._put(_CLEAR)

    def _put(self, text: str) -> None:
        if self._turn is not None:
            self._turn += text
        self._write(text)


def same_words(text: str, other: str) -> bool:
    """Tell whether two transcripts differ in case and punctuation alone."""
    return _words(text) == _words(other)


def _words(text: str) -> str:
    return "".join(c for c in text if category(c)[0] not in "PS").casefold().strip()


def cut_short(incomplete: str) -> str:
    """Say what ended a reply before the model was done with it."""
    return f"[cut short: {_CUT_SHORT.get(incomplete) or _clean(incomplete)}]"


def _rows(written: str, width: int) -> int:
    """How many rows the cursor stands below the first row of what was written."""
    lines = [line.rpartition(_CLEAR)[2] for line in written.split("\n")]
    wrapped = sum(max(0, cell_len(line) - 1) // max(width, 1) for line in lines)
    return len(lines) - 1 + wrapped


def _interrupted(cut: Interruption) -> str:
    heard = _clean(cut.heard_text) or "nothing"
    return f"[interrupted after {cut.heard_ms} ms, heard: {heard}]"


def _clean(text: str) -> str:
    """Drop control characters: the network must not steer the terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
