"""The live view of a call on a terminal: finished lines above, the present state below.

Finished lines scroll away as in the plain view; the panel under them shows who has the floor, how
loud both sides are, the interim words, and where the last turn's time went.
"""

import re
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from voice_client.levels import QUIETEST_DB, Levels
from voice_client.messages import (
    Fault,
    Listening,
    Message,
    Processing,
    Reconnected,
    ReplyText,
    Speaking,
    StageLatency,
    Transcript,
    TurnEnded,
    VoicePaused,
    VoiceResumed,
)
from voice_client.screen import cut_short, reconnected, same_words
from voice_client.turns import Turn

REFRESHES_PER_S = 12
LOWEST_DB = -60.0
BAR_WIDTH = 24
STAGES_WIDTH = 40
LONGEST_TEXT = 600

_STAGES = (
    ("end of turn", "endpoint_ms", "yellow"),
    ("model", "model_ms", "cyan"),
    ("clause", "clause_ms", "blue"),
    ("voice", "voice_ms", "magenta"),
)
_FLOORS = {
    "dialling": ("no line yet", "dim"),
    "yours": ("the floor is yours", "green"),
    "thinking": ("thinking", "yellow"),
    "speaking": ("the gateway speaks", "cyan"),
    "waiting": ("the gateway waits for you", "magenta"),
}


class LiveScreen:
    """An audience that draws a panel; a context manager around the call."""

    def __init__(self, console: Console, levels: Levels, *, hint: str = "") -> None:
        self._console = console
        self._levels = levels
        self._hint = hint
        self._floor = "dialling"
        self._interim = ""
        self._said: list[str] = []
        """What the caller said in the turn under answer, which may turn out to go on."""
        self._reply = ""
        self._taken_back: int = 0
        self._stages: StageLatency | None = None
        self._live = Live(
            console=console,
            get_renderable=self.picture,
            refresh_per_second=REFRESHES_PER_S,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._live.stop()

    def note(self, text: str) -> None:
        """Show a line of the client's own."""
        self._print(text, "dim")

    def see(self, message: Message) -> None:
        """Show a message of the call."""
        match message:
            case Transcript():
                self._show_transcript(message)
            case ReplyText(text=text):
                self._keep_interim()
                self._reply += _clean(text)
            case Processing():
                self._keep_interim()
                self._floor = "thinking"
            case Speaking() | VoiceResumed():
                self._floor = "speaking"
            case VoicePaused():
                self._floor = "waiting"
            case Listening():
                self._take_floor(message)
            case Fault():
                self._show_fault(message)
            case TurnEnded(incomplete=incomplete):
                self._end_turn(incomplete)
            case Reconnected():
                self._reconnect(message)
            case _:
                pass

    def _show_fault(self, fault: Fault) -> None:
        self._settle_said()
        where = f"{fault.stage} {fault.code}".strip() or "gateway"
        self._print(f"error: {where}: {_clean(fault.note)}", "red")

    def _end_turn(self, incomplete: str) -> None:
        self._settle_turn()
        if incomplete:
            self._print(cut_short(incomplete), "yellow")
        self._floor = "yours"

    def _reconnect(self, message: Reconnected) -> None:
        if message.anew:
            self._interim = self._reply = ""
            self._taken_back = 0
        self._print(reconnected(message), "dim")

    def turn_over(self, turn: Turn) -> None:
        """Show where the time of a finished turn went."""
        self._stages = turn.stages or self._stages

    def close(self) -> None:
        """Print the words that were still unfinished."""
        self._keep_interim()
        self._settle_turn()
        self._floor = "dialling"

    def picture(self) -> RenderableType:
        """Return the panel as it is now."""
        name, style = _FLOORS[self._floor]
        rows: list[RenderableType] = [self._bars(), Text(f"● {name}", style=style)]
        rows += [Text(f"you: {said[-LONGEST_TEXT:]}") for said in self._said]
        if self._interim:
            rows.append(Text(f"  … {self._interim[-LONGEST_TEXT:]}", style="italic"))
        if self._reply:
            rows.append(Text(f"reply: {self._reply[-LONGEST_TEXT:].lstrip()}"))
        if self._stages:
            rows.append(stages_line(self._stages))
        return Panel(Group(*rows), subtitle=self._hint or None, border_style=style)

    def _bars(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_row("microphone ", *_bar(self._levels.microphone_db, "green"))
        table.add_row("loudspeaker", *_bar(self._levels.loudspeaker_db, "cyan"))
        return table

    def _show_transcript(self, transcript: Transcript) -> None:
        if transcript.replaces:
            self._go_on(transcript)
            return
        self._interim = _clean(transcript.text).strip()
        if transcript.is_final:
            if self._said and same_words(self._said[-1], self._interim):
                self._said.pop()  # the words were answered before their final
            self._keep_interim()

    def _go_on(self, transcript: Transcript) -> None:
        """Show the whole turn in place of what was shown of it before."""
        if transcript.replaces != self._taken_back:
            self._taken_back = transcript.replaces
            self._said.clear()
            self._reply = ""
        self._interim = _clean(transcript.turn).strip()

    def _take_floor(self, listening: Listening) -> None:
        cut = listening.interruption
        self._floor = "yours"
        if cut and listening.reply_id and listening.reply_id == self._taken_back:
            return  # the turn goes on, and nothing of the reply is kept
        self._settle_turn()
        if cut:
            heard = _clean(cut.heard_text) or "nothing"
            self._print(f"[interrupted after {cut.heard_ms} ms, heard: {heard}]", "magenta")

    def _keep_interim(self) -> None:
        if self._interim:
            self._said.append(self._interim)
            self._interim = ""

    def _settle_said(self) -> None:
        for said in self._said:
            self._print(f"you: {said}", "bold")
        self._said.clear()

    def _settle_turn(self) -> None:
        self._settle_said()
        if self._reply.strip():
            self._print(f"reply: {self._reply.strip()}", "")
        self._reply = ""

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style))


def stages_line(stages: StageLatency) -> Text:
    """Return where the last turn's time went, each stage as long as it took."""
    took = [(name, getattr(stages, field) or 0, style) for name, field, style in _STAGES]
    total = max(sum(ms for _, ms, _ in took), 1)
    line = Text()
    for _, ms, style in took:
        line.append("━" * round(STAGES_WIDTH * ms / total), style=style)
    line.append("\n")
    for name, ms, style in took:
        line.append(f"{name} {ms}  ", style=style)
    if stages.total_ms is not None:
        line.append(f"= {stages.total_ms} ms", style="bold")
    return line


def _bar(db: float, style: str) -> tuple[Text, str]:
    full = round(BAR_WIDTH * max(0.0, min(1.0, 1 - db / LOWEST_DB)))
    bar = Text("█" * full, style="red" if db > -1 else style)
    bar.append("·" * (BAR_WIDTH - full), style="dim")
    return bar, "silent" if db <= QUIETEST_DB else f"{db:.0f} dB"


def _clean(text: str) -> str:
    """Drop control characters: the network must not steer the terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
