"""The turns of a call, each with its transcript, its answer and its times."""

from dataclasses import asdict, dataclass, field

from voice_client.failures import Exit
from voice_client.messages import (
    Fault,
    Interruption,
    Listening,
    Message,
    Processing,
    Reconnected,
    ReplyAudio,
    ReplyText,
    Speaking,
    StageLatency,
    Transcript,
    TurnEnded,
)


@dataclass(slots=True)
class Turn:
    """One turn as the gateway cut it: one saying may be several turns."""

    saying: int
    """The saying that it belongs to, counted from 0."""
    said: str
    finals: list[str] = field(default_factory=list[str])
    interim: str = ""
    reply: str = ""
    audio: bytearray = field(default_factory=bytearray)
    faults: list[Fault] = field(default_factory=list[Fault])
    stages: StageLatency | None = None
    measured_ms: int | None = None
    ending: str = "open"
    """"open", "answered" or "interrupted"."""
    answering: bool = False
    incomplete: str = ""
    """What ended the reply before the model was done with it; empty: nothing did."""
    begun: bool = False
    """The reply has text or audio: words recognised from here on are another turn's."""
    taken_back: int = 0
    """The newest reply to it that was taken back, as the turn went on."""

    @property
    def heard(self) -> str:
        """The caller's words; the last interim counts where no final came."""
        words = [*self.finals, self.interim]
        return " ".join(word.strip() for word in words if word.strip())

    def hear(self, transcript: Transcript) -> None:
        """Take a transcript; a final that repeats the earlier ones stands for them."""
        if not transcript.is_final:
            self.interim = transcript.text
            return
        self.interim = ""
        if self.finals and transcript.text.startswith(" ".join(self.finals)):
            self.finals.clear()
        self.finals.append(transcript.text.strip())

    def go_on(self, transcript: Transcript) -> None:
        """Take words that show that the turn was taken too early: nothing of its reply counts."""
        if transcript.replaces != self.taken_back:
            self.taken_back = transcript.replaces
            self.reply, self.answering, self.begun = "", False, False
            self.audio.clear()
        self.finals, self.interim = [transcript.turn], ""

    def begin_anew(self) -> None:
        """Forget the answer, which comes again, and what of the words is not answered yet."""
        self.reply, self.begun, self.taken_back = "", False, 0
        self.audio.clear()
        self.faults.clear()
        if not self.answering:
            self.finals, self.interim = [], ""


class Turns:
    """Folds the messages of one call into turns. Times are the event loop's seconds."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.all: list[Turn] = []
        self._sayings: list[tuple[str, bool]] = []
        self._speech_end: float | None = None
        self._measured = False

    def say(self, label: str, *, typed: bool = False) -> None:
        """Note that a saying begins: what follows answers it."""
        self._sayings.append((label, typed))
        self._speech_end, self._measured = None, False

    def speech_ended(self, at: float) -> None:
        """Note that the last of the saying's speech has been sent."""
        self._speech_end = at

    def see(self, message: Message, at: float) -> Turn | None:
        """Take a message; return the turn that it ended."""
        match message:
            case Transcript():
                self._hear(message)
            case Processing():
                self._turn().answering = True
            case ReplyText(text=text):
                turn = self._turn()
                turn.reply += text
                turn.begun = True
            case Speaking():
                self._turn().begun = True
            case ReplyAudio(pcm=pcm):
                self._voice(pcm, at)
            case Fault():
                self._turn().faults.append(message)
            case Listening():
                return self._listened(message)
            case TurnEnded():
                return self._answered(message)
            case Reconnected(anew=True):
                self._begin_anew()
            case _:
                pass
        return None

    def more_words(self) -> bool:
        """Tell whether words came that belong to no finished turn."""
        return any(turn.ending == "open" and turn.heard for turn in self.all)

    def audio(self) -> bytes:
        """All replies' audio, the interrupted ones as far as they were heard."""
        return b"".join(bytes(turn.audio) for turn in self.all)

    def forget_ended(self) -> None:
        """Let go of finished turns: a conversation may last for hours."""
        self.all = [turn for turn in self.all if turn.ending == "open"]

    def outcome(self) -> Exit:
        """Judge the call by the first saying that was not answered in full."""
        for number, (_, typed) in enumerate(self._sayings):
            turns = [turn for turn in self.all if turn.saying == number]
            if not typed and not any(turn.heard for turn in turns):
                return Exit.NOT_RECOGNISED
            if not any(turn.audio for turn in turns):
                return Exit.NO_REPLY_AUDIO
        return Exit.ANSWERED

    def _turn(self) -> Turn:
        """The open turn; while one is being answered, words after it wait behind it."""
        for turn in self.all:
            if turn.ending == "open":
                return turn
        return self._new()

    def _turn_being_said(self) -> Turn:
        turn = self._turn()
        if not turn.begun:
            return turn
        return self.all[-1] if self.all[-1] is not turn else self._new()

    def _hear(self, transcript: Transcript) -> None:
        if not transcript.replaces:
            self._turn_being_said().hear(transcript)
            return
        turn = self._turn()
        if transcript.replaces != turn.taken_back:
            self._measured, turn.measured_ms = False, None
            self.all = [each for each in self.all if each is turn or each.ending != "open"]
        turn.go_on(transcript)

    def _listened(self, message: Listening) -> Turn | None:
        cut = message.interruption
        return self._interrupted(cut) if cut and not self._took_back(message.reply_id) else None

    def _took_back(self, reply_id: int) -> bool:
        opened = (turn for turn in self.all if turn.ending == "open")
        return any(turn.taken_back == reply_id > 0 for turn in opened)

    def _begin_anew(self) -> None:
        """Drop what comes again: the answer under way, and the words that nobody answers yet."""
        for turn in self.all:
            if turn.ending == "open":
                turn.begin_anew()
        self.all = [turn for turn in self.all if turn.ending != "open" or turn.answering]

    def _new(self) -> Turn:
        label = self._sayings[-1][0] if self._sayings else ""
        turn = Turn(max(len(self._sayings) - 1, 0), label)
        self.all.append(turn)
        return turn

    def _voice(self, pcm: bytes, at: float) -> None:
        turn = self._turn()
        if not turn.audio and self._speech_end is not None and not self._measured:
            turn.measured_ms = round((at - self._speech_end) * 1000)
            self._measured = True
        turn.begun = True
        turn.audio += pcm

    def _answered(self, ended: TurnEnded) -> Turn:
        turn = self._turn()
        turn.ending, turn.stages, turn.incomplete = "answered", ended.latency, ended.incomplete
        return turn

    def _interrupted(self, interruption: Interruption) -> Turn:
        turn = self._turn()
        turn.ending = "interrupted"
        del turn.audio[interruption.heard_ms * self.rate_hz // 1000 * 2 :]
        return turn


def turn_as_json(turn: Turn, rate_hz: int) -> dict[str, object]:
    """Return the turn as `--json` prints it."""
    return {
        "said": turn.said,
        "heard": turn.heard,
        "reply": turn.reply,
        "audio_ms": len(turn.audio) // 2 * 1000 // rate_hz,
        "ending": turn.ending,
        "incomplete": turn.incomplete or None,
        "latency": asdict(turn.stages) if turn.stages else None,
        "measured_ms": turn.measured_ms,
        "faults": [asdict(fault) for fault in turn.faults],
    }
