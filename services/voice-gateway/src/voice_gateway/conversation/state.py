"""What a conversation is at any moment, and what may be asked of it."""

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from unicodedata import category

from voice_gateway.conversation.commands import Command, Message, ToolCall
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy


class Phase(Enum):
    LISTENING = auto()  # the caller has the floor
    THINKING = auto()  # a reply is being made; nothing of it was heard yet
    SPEAKING = auto()  # the caller is hearing a reply


@dataclass(frozen=True, slots=True)
class Conversation:
    phase: Phase = Phase.LISTENING
    history: tuple[Message, ...] = ()
    reply: int = 0
    """The live reply, or the last one: whatever names an older one is stale."""
    words: tuple[str, ...] = ()
    """The caller's final words in the open turn."""
    murmur: str = ""
    """The caller's words that may still change."""
    heard: str = ""
    """What the caller has heard of the live reply."""
    taken: str = ""
    """The words of the question under way that were not final when the turn was taken."""
    deadline: float | None = None
    """When silence becomes the end of the caller's turn; in a pause, when it ends."""
    turn_at: float = 0.0
    """When the turn under way was taken."""
    voiced_since: float | None = None
    """Since when the caller makes voice; None where it is silent, or nothing is known of it."""
    quiet_since: float | None = None
    """Since when the caller is silent; None where it makes voice, or nothing is known of it."""
    probability: float | None = None
    """That the turn is complete, by its sound in this silence; None: nothing is known of that."""
    asked: bool = False
    """The recogniser was asked for its final words."""
    wanted: bool = False
    """The caller's program wants an answer, as soon as those words are there."""
    owed: bool = False
    """The caller has ended its utterance, and the recogniser has not answered that yet."""
    held: int = 0
    """The reply that is being prepared out of hearing; 0: none."""
    guess: str = ""
    """The question it answers."""
    guessed: int = 0
    """How many replies were prepared in this turn."""
    held_speaks: bool = False
    """There is audio of the reply that is held, or paused before anything of it was heard."""
    paused_at: float | None = None
    """Since when the live reply waits for what the caller's sound turns out to be."""
    false_alarms: int = 0
    """How often the live reply paused for nothing."""
    firm: bool = False
    """The live reply cannot be interrupted."""
    idle_at: float | None = None
    """When the silence has lasted so long that something is said about it."""
    prompted: bool = False
    """The caller was asked whether it is still there, and has not made a sound since."""
    ending: bool = False
    """The live reply is the goodbye."""
    noted: tuple[Message, ...] = ()
    """Messages that wait for the live reply to be over."""
    manner: TurnOptions = field(default_factory=TurnOptions)
    """How the caller's program wants turns taken."""
    closing: bool = False
    """No more audio comes in, but words may."""
    finished: bool = False
    """No more words come: the call ends with the reply to the last ones."""

    @property
    def wake_at(self) -> float | None:
        """When `TimerFired` is wanted."""
        times = [at for at in (self.deadline, self.idle_at) if at is not None]
        return min(times) if times else None

    def said(self) -> tuple[str, ...]:
        """Everything the caller said in the open turn."""
        return (*self.words, self.murmur) if self.murmur else self.words

    def question(self) -> str:
        return " ".join(self.said())

    def goes_on(self, at: float, policy: TurnPolicy) -> bool:
        """Whether a voice that begins now goes on with what was said, as far as one can know."""
        unanswered = self.phase is Phase.THINKING or at - self.turn_at < policy.reopen_s
        return unanswered or bool(self.said())


Step = tuple[Conversation, tuple[Command, ...]]


def turn_end(now: Conversation, at: float, policy: TurnPolicy) -> float | None:
    """When the turn is over if nothing more happens."""
    if now.phase is not Phase.LISTENING or now.closing or not now.said():
        return None
    if now.asked:
        return now.deadline
    if now.manner.by_hand:
        return None
    if now.quiet_since is not None:
        silence_s = policy.silence_after(now.question(), now.probability, now.manner)
        return max(at, now.quiet_since + silence_s)
    going_on = now.voiced_since is not None or now.murmur
    return at + (policy.max_silence_s if going_on else policy.settle_s)


def with_question(history: tuple[Message, ...], text: str, name: str = "") -> tuple[Message, ...]:
    """Add the caller's words; to a question nobody answered they are its continuation."""
    if history and history[-1].role == "user":
        return (*history[:-1], Message("user", f"{history[-1].text} {text}", name=name))
    return (*history, Message("user", text, name=name))


def with_answer(
    history: tuple[Message, ...],
    text: str,
    *,
    interrupted: bool = False,
    calls: tuple[ToolCall, ...] = (),
    name: str = "",
) -> tuple[Message, ...]:
    """Add what was heard of a reply; two in a row are one message: chat templates want turns."""
    if not text and not calls:
        return history
    last = history[-1] if history else None
    if last and last.role == "assistant" and not last.calls and not calls:
        said = Message("assistant", f"{last.text} {text}", interrupted, name=name)
        return (*history[:-1], said)
    return (*history, Message("assistant", text, interrupted, calls, name=name))


def question_name(reply: int) -> str:
    """What the question to this reply is known by."""
    return f"question-{reply}"


def answer_name(reply: int) -> str:
    return f"answer-{reply}"


def remembered(history: tuple[Message, ...], limit: int) -> tuple[Message, ...]:
    """The newest messages, from a question on, unless the call began with a greeting."""
    if len(history) <= limit:
        return history
    kept = history[-limit:]
    return kept[1:] if kept[0].role == "assistant" else kept


def nameless(history: tuple[Message, ...]) -> tuple[Message, ...]:
    """As another call may have it, which counts its replies anew."""
    return tuple(replace(message, name="") for message in history)


def left_over(now: Conversation, heard: str) -> tuple[Message, ...]:
    """What is remembered where the call breaks off now; `heard` is of the live reply."""
    if now.phase is Phase.LISTENING:
        return now.history
    return yield_floor(now, heard, interrupted=True).history


def yield_floor(
    now: Conversation,
    said: str,
    *,
    interrupted: bool = False,
    calls: tuple[ToolCall, ...] = (),
) -> Conversation:
    """Give the floor back to the caller, remembering of the reply only `said`."""
    name = answer_name(now.reply)
    history = with_answer(now.history, said, interrupted=interrupted, calls=calls, name=name)
    return replace(
        now,
        phase=Phase.LISTENING,
        history=(*history, *now.noted),
        noted=(),
        heard="",
        taken="",
        deadline=None,
        paused_at=None,
        held_speaks=False,
        false_alarms=0,
        firm=False,
        ending=False,
    )


def plain(text: str) -> str:
    """Words without case and punctuation, to tell whether two transcripts say the same."""
    # By category, not isalnum(): vowel signs of Devanagari and others are part of their words.
    return "".join(c for c in text.lower() if category(c)[0] not in "PS").strip()
