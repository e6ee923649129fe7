"""Checks that replies are decided one at a time, and that each comes to an end."""

from collections.abc import Iterator

from voice_gateway import conversation as c

from voice_sim.call_record import Record
from voice_sim.rules.followed import ROUNDING_S, Followed, follow, last


def one_reply_at_a_time(record: Record) -> Iterator[str]:
    """A reply begins when none is live, and every draft is released or cancelled, or fails."""
    newest = 0
    for step, before in follow(record):
        now = Followed(live=before.live, draft=before.draft, paused=before.paused)
        now.take_event(step.event)
        for command in step.commands:
            for broken in _odd(command, now, newest):
                yield f"at {step.event.at:.2f} {broken}"
            if isinstance(command, c.StartReply | c.Say | c.PrepareReply):
                newest = command.reply
            now.take_command(command)


def _odd(command: c.Command, now: Followed, newest: int) -> Iterator[str]:
    match command:
        case c.StartReply(reply) | c.Say(reply) | c.PrepareReply(reply):
            yield from _begins(reply, now, newest)
        case c.ReleaseReply(reply) if reply != now.draft:
            yield f"reply {reply} was released, which was no draft"
        case c.CancelReply(reply) if reply not in (now.live, now.draft):
            yield f"reply {reply} was cancelled, which was not live"
        case c.EndTurn(reply) | c.AnnounceReply(reply):
            yield from _of_the_live(reply, now)
            if isinstance(command, c.EndTurn) and now.paused:
                yield f"reply {reply} ended in its pause"
        case c.PauseReply(reply) | c.ResumeReply(reply):
            yield from _of_the_live(reply, now)
            if now.paused is isinstance(command, c.PauseReply):
                yield f"reply {reply} {'paused' if now.paused else 'went on'} twice"
        case _:
            pass


def _begins(reply: int, now: Followed, newest: int) -> Iterator[str]:
    if now.live:
        yield f"reply {reply} began while reply {now.live} lived"
    if now.draft:
        yield f"reply {reply} began, and draft {now.draft} was neither used nor dropped"
    if reply <= newest:
        yield f"reply {reply} came after reply {newest}"


def _of_the_live(reply: int, now: Followed) -> Iterator[str]:
    if reply != now.live:
        yield f"something was decided of reply {reply}, which was not live"


def a_pause_ends(record: Record) -> Iterator[str]:
    """A paused reply goes on or is cut off in time, whatever sounds meanwhile."""
    policy = record.script.call.policy
    most_s = max(policy.longest_pause_s, policy.late_wait_s) + ROUNDING_S
    paused_at = 0.0
    for step, before in follow(record):
        if before.paused and step.event.at - paused_at > most_s:
            yield f"reply {before.live} was still paused at {step.event.at:.2f}"
            return
        if not before.paused:
            paused_at = step.event.at
    after = last(record)
    if after.paused and record.over_at - paused_at > most_s:
        yield f"reply {after.live} was still paused when the call was over"
