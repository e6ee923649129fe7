"""Checks that what a caller's program requests is done, and nothing against it."""

from collections.abc import Iterator, Sequence

from voice_gateway import conversation as c

from voice_sim.call_record import Record
from voice_sim.rules.followed import ROUNDING_S, Followed, follow


def turns_as_asked_for(record: Record) -> Iterator[str]:
    """No turn is answered or ended, and no reply cut off, that the program decides itself."""
    asked_final = False
    for step, before in follow(record):
        for command in step.commands:
            for broken in _against(step.event, command, before, asked_final=asked_final):
                yield f"at {step.event.at:.2f} {broken}"
            asked_final = asked_final or isinstance(command, c.AskFinal)
        answers = any(isinstance(command, _ENDS_TURN) for command in step.commands)
        final = isinstance(step.event, c.CallerSpoke) and step.event.final
        stirs = final or isinstance(step.event, c.CallerVoiced | c.CallerForgot)
        asked_final = asked_final and not (answers or stirs)


_ENDS_TURN = c.StartReply | c.ReleaseReply | c.KeepTurn


def _against(
    event: c.Event, command: c.Command, before: Followed, *, asked_final: bool
) -> Iterator[str]:
    options = before.options
    answers = isinstance(command, c.StartReply | c.PrepareReply | c.ReleaseReply)
    asked = isinstance(command, c.StartReply) and bool(command.request)
    over = before.finished or isinstance(event, c.CallerFinished)
    if answers and not (asked or options.answers or over):
        yield f"{type(command).__name__}, though answers wait until they are asked for"
    silence = isinstance(event, c.TimerFired) and not asked_final
    if isinstance(command, _ENDS_TURN) and not asked and silence and options.by_hand:
        yield "a silence ended a turn, which the program ends"
    sound = isinstance(event, c.CallerSpoke | c.CallerVoiced | c.CallerQuiet | c.TimerFired)
    if isinstance(command, c.Interrupted) and sound and not before.interruptible:
        yield f"reply {command.reply} was cut off, which cannot be interrupted"


def an_answer_comes(record: Record) -> Iterator[str]:
    """An answer that is asked for comes after the final, or after the time it had.

    Where the client ended several utterances, each of their finals has that time. A reply that is
    live counts as the answer, and so does a request to say it again; after the end of the call, or
    once the program takes its request back, none comes.
    """
    policy = record.script.call.policy
    behind = any(isinstance(step.event, c.RecognitionBehind) for step in record.steps)
    late_s = policy.late_wait_s if behind else 0.0
    wait_s = max(policy.final_wait_s, late_s) + ROUNDING_S
    asked_at: float | None = None
    final_at = 0.0
    for step, before in follow(record):
        if asked_at is not None and step.event.at > max(asked_at, final_at) + wait_s:
            break
        if isinstance(step.event, c.CallerAsked) and not (before.live or before.finished):
            asked_at = step.event.at if asked_at is None else asked_at
        if isinstance(step.event, c.CallerSpoke) and step.event.awaits:
            final_at = step.event.at
        if _is_settled(step.event, step.commands):
            asked_at = None
    if asked_at is not None and record.over_at > max(asked_at, final_at) + wait_s:
        yield f"the answer that was asked for at {asked_at:.2f} never came"


def _is_settled(event: c.Event, commands: Sequence[c.Command]) -> bool:
    """Whether what was asked for is answered now, or taken back."""
    taken_back = isinstance(event, c.CallerInterrupted)
    return any(
        (isinstance(command, c.StartReply | c.Say) and bool(command.request))
        or (taken_back and isinstance(command, c.DropRequest))
        for command in commands
    )
