"""Checks that what was decided is done in order, and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from math import inf

from voice_gateway import conversation as c
from voice_gateway.messages import (
    Answer,
    CutOff,
    Goodbye,
    Paused,
    Processing,
    ReplyAudio,
    ReplyText,
    Resumed,
    Speaking,
    ToCaller,
    Transcript,
    TurnOver,
    TurnTaken,
)

from voice_sim.call_record import Asked, Left, Received, Record, Sent, Step
from voice_sim.rules.followed import follow

_NOTICES = (Processing, Speaking, Paused, Resumed, CutOff, TurnOver, TurnTaken, Goodbye)


def what_was_decided(record: Record) -> Iterator[str]:
    """The caller is told every decision, in order, as far as it reads."""
    decided = list(_decided(record))
    told = [_named(sent.message) for sent in _sent(record) if isinstance(sent.message, _NOTICES)]
    for due, came in zip_longest(decided, told):
        if due != came and (came or _all_read(record)):
            yield f"{_said(due)} was decided, and the caller told {_said(came)}"
            return


def what_the_caller_said(record: Record) -> Iterator[str]:
    """The caller is shown every word that the conversation was told, as far as it reads."""
    told = [
        (step.event.text, step.event.final)
        for step in record.steps
        if isinstance(step.event, c.CallerSpoke) and step.event.text.strip()
    ]
    shown = [
        (sent.message.text, sent.message.final)
        for sent in _sent(record)
        if isinstance(sent.message, Transcript) and sent.message.text.strip()
    ]
    for due, came in zip_longest(told, shown[: len(told)]):
        if due != came and (came or _all_read(record)):
            yield f"the caller said {due}, and was shown {came}"
            return


def what_is_asked(record: Record) -> Iterator[str]:
    """The model is asked with the history and prompt that were decided, while the reply lives."""
    asking = _Asking(record.script.call.config.system_prompt)
    for entry in record.entries:
        match entry:
            case Received(_, Answer(config)):
                asking.requested.append(config.system_prompt if config else asking.usual_prompt)
            case Step(at, _, commands):
                for command in commands:
                    asking.decide(at, command)
            case Asked():
                yield from asking.asked(entry)
            case _:
                pass


@dataclass(slots=True)
class _Begun:
    history: Sequence[c.Message]
    prompt: str
    over_at: float = inf


@dataclass(slots=True)
class _Asking:
    usual_prompt: str
    requested: list[str] = field(default_factory=list[str])
    """The system prompts of the replies that were asked for, in the order of the requests."""
    begun: list[_Begun] = field(default_factory=list[_Begun])

    def decide(self, at: float, command: c.Command) -> None:
        match command:
            case c.StartReply(_, history, request):
                prompt = self.requested[request - 1] if request else self.usual_prompt
                self.begun.append(_Begun(history, prompt))
            case c.PrepareReply(_, history):
                self.begun.append(_Begun(history, self.usual_prompt))
            case c.CancelReply() | c.EndTurn():
                for each in self.begun[-1:]:
                    each.over_at = min(each.over_at, at)
            case _:
                pass

    def asked(self, asked: Asked) -> Iterator[str]:
        at, about = asked.at, f"at {asked.at:.2f} answer {asked.answer} was asked for"
        living = [each for each in self.begun if at <= each.over_at]
        same = [each for each in living if tuple(each.history) == asked.history]
        if not living:
            yield f"{about}, and no reply was under way"
        elif not same:
            yield f"{about} with another history than decided"
        elif all(each.prompt != asked.system_prompt for each in same):
            yield f"{about} with {asked.system_prompt!r}, not {same[-1].prompt!r}"


def nothing_before_its_release(record: Record) -> Iterator[str]:
    """Nothing of a reply is sent while it is a draft, in its pause, or after its end."""
    released, over, paused = 0, 0, False
    for entry in record.entries:
        match entry:
            case Sent(at, ReplyAudio(reply) | ReplyText(reply)):
                if reply > released:
                    yield f"at {at:.2f} something of reply {reply} came before it was released"
                elif reply <= over:
                    yield f"at {at:.2f} something of reply {reply} came, which was cut off"
                elif paused and isinstance(entry.message, ReplyAudio):
                    yield f"at {at:.2f} audio of reply {reply} came in its pause"
            case Step(_, _, commands):
                for command in commands:
                    released, over, paused = _now_heard(command, released, over, paused=paused)
            case _:
                pass


def _now_heard(
    command: c.Command, released: int, over: int, *, paused: bool
) -> tuple[int, int, bool]:
    match command:
        case c.StartReply(reply) | c.Say(reply) | c.ReleaseReply(reply):
            return reply, over, False
        case c.Interrupted(reply):
            return released, reply, False
        case c.PauseReply() | c.ResumeReply():
            return released, over, isinstance(command, c.PauseReply)
        case _:
            return released, over, paused


def _decided(record: Record) -> Iterator[str]:
    """The notices that the commands cause."""
    pauses = record.script.call.can_pause
    for step, before in follow(record):
        closed = before.closed or isinstance(step.event, c.CallerFinished)
        for command in step.commands:
            match command:
                case c.StartReply(reply) | c.Say(reply) | c.ReleaseReply(reply):
                    yield _name(Processing, reply)
                case c.AnnounceReply(reply):
                    yield _name(Speaking, reply)
                case c.PauseReply(reply) | c.ResumeReply(reply) if pauses:
                    pause = isinstance(command, c.PauseReply)
                    yield _name(Paused if pause else Resumed, reply)
                case c.Interrupted(reply):
                    yield _name(CutOff, reply)
                case c.EndTurn(reply):
                    yield _name(TurnOver, reply)
                case c.KeepTurn(reply):
                    yield _name(TurnTaken, reply)
                case c.EndCall() if not closed:
                    yield _name(Goodbye, 0)
                case _:
                    pass


def _named(message: ToCaller) -> str:
    return _name(type(message), getattr(message, "reply", 0))


def _name(kind: type[ToCaller], reply: int) -> str:
    return f"{kind.__name__} {reply}" if reply else kind.__name__


def _said(name: str | None) -> str:
    return name or "nothing"


def _sent(record: Record) -> Iterator[Sent]:
    return (entry for entry in record.entries if isinstance(entry, Sent))


def _all_read(record: Record) -> bool:
    """Whether the caller read to the end, and the end did not cut a message off."""
    vanished = any(isinstance(e, Left) and e.how == "vanished" for e in record.entries)
    time_up = record.end.at >= record.script.call.options.longest_s - 0.01
    gone = vanished or "caller gone" in record.faults
    return not (record.unread or gone or time_up or record.end.hung)
