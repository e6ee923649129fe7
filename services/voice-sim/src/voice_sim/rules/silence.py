"""Checks what the gateway says unasked: greeting, idle prompt and goodbye."""

from collections.abc import Iterator
from dataclasses import dataclass

from voice_gateway import conversation as c
from voice_gateway.conversation.history import plain
from voice_gateway.conversation.policy import TurnPolicy

from voice_sim.call_record import Left, Received, Record
from voice_sim.rules.followed import ROUNDING_S, Followed, follow, last, longest_wait_s

_HANG_UP_S = 0.5  # from the goodbye's last audio to the end of the call


def the_greeting(record: Record) -> Iterator[str]:
    """A greeting opens the call; one that is not interruptible is neither paused nor cut off."""
    greeting = record.script.call.policy.greeting
    for step, before in follow(record):
        at = step.event.at
        says = [command.text for command in step.commands if isinstance(command, c.Say)]
        joins = isinstance(step.event, c.CallerJoined) and not step.event.recalled
        if joins and says != ([greeting] if greeting else []):
            yield f"the call was opened at {at:.2f} with {says}, not {greeting!r}"
        if not joins and greeting and greeting in says:
            yield f"at {at:.2f} the greeting was said again"
        for command in step.commands if before.greeting_holds and before.live == 1 else ():
            if isinstance(command, c.Interrupted | c.PauseReply | c.CancelReply):
                yield f"at {at:.2f} {type(command).__name__} of a greeting that nobody interrupts"


def the_silence(record: Record) -> Iterator[str]:
    """The gateway speaks into a silence in time, and only into a silence."""
    silence = _Silence(record.script.call.policy)
    for step, before in follow(record):
        yield from silence.waited(step.event.at, before)
        silence.take(step.event, before)
        for command in step.commands:
            yield from silence.spoken_into(step.event.at, command, before)
    yield from silence.waited(record.over_at, last(record))


@dataclass(slots=True)
class _Silence:
    """How long the call has been silent, and what the gateway has said into it."""

    policy: TurnPolicy
    since: float = 0.0
    finals: bool = False
    """Whether the caller has said something that is not answered yet."""
    interim: bool = False
    prompted: bool = False
    """Whether the caller has said nothing since the idle prompt."""
    last: str = ""
    """The last interim, if no final came since."""
    answered: str = ""
    """That interim, if a turn was taken with it."""
    unanswered: bool = False
    """Whether the caller has neither said nor done anything since the idle prompt."""

    def take(self, event: c.Event, before: Followed) -> None:
        match event:
            case c.CallerVoiced() | c.CallerQuiet():
                self._broken(event.at)
            case c.CallerTyped():
                self.finals = True
                self._broken(event.at)
            case c.CallerSpoke(at, text, final):
                words = bool(text.strip()) and not self._is_old(text, final=final)
                self.finals = self.finals or (final and words)
                self.interim = not final and (self.interim or words)
                if words:
                    self._broken(at)
            case c.CallerForgot():
                self.finals = self.interim = self.unanswered = False
                self.last = self.answered = ""
            case c.ReplyAudioStarted() | c.ReplyHeard() | c.ReplyEnded() | c.TimerFired():
                pass
            case c.EndOfTurnProbability() | c.HeardAmended():
                pass
            case _:
                self.unanswered = False
        if before.live and isinstance(event, c.ReplyEnded) and event.reply == before.live:
            self.since = event.at

    def _is_old(self, text: str, *, final: bool) -> bool:
        """Whether the recogniser repeats or confirms the interim of a turn that was taken."""
        words, taken = plain(text).split(), plain(self.answered).split()
        old = bool(words) and words == (taken if final else taken[: len(words)])
        if text.strip() and not old:
            self.last = "" if final else text
        if final:
            self.answered = ""
        return old

    def _broken(self, at: float) -> None:
        self.since, self.prompted, self.unanswered = at, False, False

    def spoken_into(self, at: float, command: c.Command, before: Followed) -> Iterator[str]:
        prompt_s = self.policy.prompts_after(before.options)
        match command:
            case c.Say(_, self.policy.idle_prompt):
                yield from self._too_soon(at, "the idle prompt", prompt_s, before)
                if self.unanswered:
                    yield f"at {at:.2f} the caller was asked again, and nobody had said anything"
                self.prompted = self.unanswered = True
            case c.Say(_, self.policy.goodbye):
                yield from self._too_soon(at, "the goodbye", self.policy.idle_end_s, before)
                if prompt_s and not self.prompted:
                    yield f"at {at:.2f} the goodbye was said to a caller whom nobody had asked"
            case c.StartReply() | c.ReleaseReply() | c.KeepTurn() | c.Say(asks_again=True):
                self.answered = "" if isinstance(command, c.Say) else self.last
                self.finals = self.interim = False
            case c.Interrupted(reopened=reopened):
                self.since = at
                self.finals = self.finals or reopened  # the question waits for its answer again
            case _:
                pass

    def _too_soon(self, at: float, name: str, wait_s: float, before: Followed) -> Iterator[str]:
        if before.voiced:
            yield f"at {at:.2f} {name} was said while the caller spoke"
        if not wait_s or at - self.since < wait_s - ROUNDING_S:
            yield (
                f"at {at:.2f} {name} was said after {at - self.since:.2f} s of silence; "
                f"its wait: {wait_s:g} s"
            )

    def waited(self, at: float, before: Followed) -> Iterator[str]:
        """While nothing happens, the gateway speaks once its wait is over."""
        prompt_s, end_s = self.policy.prompts_after(before.options), self.policy.idle_end_s
        wait_s = max(prompt_s, end_s)
        holds = before.live or before.closed or before.voiced
        by_hand = before.options.by_hand and (self.finals or self.interim)
        if holds or by_hand or not wait_s or (self.prompted and not end_s):
            return
        since = before.active_at
        if at - since > wait_s + longest_wait_s(self.policy, before) + ROUNDING_S:
            yield f"from {since:.2f} to {at:.2f} nobody said anything, nor did the gateway"


def the_polite_end(record: Record) -> Iterator[str]:
    """The gateway ends a call only for a silence, after its goodbye, and at once."""
    policy = record.script.call.policy
    goodbye, said_at = 0, None
    for step, before in follow(record):
        ends = any(isinstance(command, c.EndCall) for command in step.commands)
        leaves = before.closed or isinstance(step.event, c.CallerFinished)
        spoken_into = any(
            isinstance(command, c.StartReply | c.KeepTurn) for command in step.commands
        )
        for command in step.commands:
            match command:
                case c.Say(reply, policy.goodbye):
                    goodbye = reply
                case c.EndTurn(reply) if reply == goodbye and not spoken_into:
                    said_at = step.event.at
                case _:
                    pass
        if ends and not leaves and policy.goodbye and said_at is None:
            yield f"at {step.event.at:.2f} the gateway hung up without a goodbye"
    end = record.end
    left = any(isinstance(e, Left) or e == Received(e.at, None) for e in record.entries)
    if said_at is None or left:
        return
    if end.at - said_at > _HANG_UP_S and not record.unread:
        yield f"the goodbye was over at {said_at:.2f}, and the call at {end.at:.2f}"
    if end.error and not record.unread and "caller gone" not in record.faults:
        yield f"the goodbye was said at {said_at:.2f}, and the call ended with {end.error!r}"
