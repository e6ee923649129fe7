"""Follows a call by its events and commands: who has the floor, and how turns are taken."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from voice_gateway import conversation as c
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.hearing.arrival import LATEST_S

from voice_sim.call_record import Record, Step

ROUNDING_S = 0.002


@dataclass(slots=True)
class Followed:
    """The state before a step; `take` moves on to the state after it."""

    greeting_holds: bool = False
    """Whether the first reply cannot be interrupted."""
    options: TurnOptions = field(default_factory=TurnOptions)
    live: int = 0
    """The reply that has the floor; 0: the caller has it."""
    draft: int = 0
    asked: bool = False
    """Whether the live reply was asked for."""
    audible: bool = False
    """Whether the live reply was announced."""
    paused: bool = False
    voiced: bool = False
    sounded: bool = False
    """Whether there is voice activity detection, and it noticed a voice."""
    sounded_at: float = 0.0
    """When a voice was noticed first since the recogniser last covered all speech."""
    behind: bool = False
    """Whether the words so far are only a prefix of what the caller said."""
    closed: bool = False
    """Whether the caller audio has ended."""
    finished: bool = False
    """Whether its transcripts have ended, too."""
    active_at: float = 0.0
    """When something last happened that may prolong the conversation's wait."""

    @property
    def interruptible(self) -> bool:
        """Whether words take the floor from the live reply."""
        return self.options.interruptible and not (self.greeting_holds and self.live == 1)

    def take(self, step: Step) -> None:
        self.take_event(step.event)
        for command in step.commands:
            self.take_command(command)
        waits = isinstance(step.event, c.TimerFired | c.ReplyHeard | c.EndOfTurnProbability)
        if step.commands or not waits:
            self.active_at = step.event.at

    def take_event(self, event: c.Event) -> None:
        match event:
            case c.CallerVoiced() | c.CallerQuiet():
                self.voiced = isinstance(event, c.CallerVoiced)
                self.sounded_at = self.sounded_at if self.sounded else event.at
                self.sounded = True
            case c.RecognitionBehind() | c.RecognitionCaughtUp():
                self.behind = isinstance(event, c.RecognitionBehind)
                self.sounded = self.sounded and self.behind
            case c.CallerChose():
                self.options = options_in(event)
            case c.CallerClosed():
                self.closed = True
            case c.CallerFinished():
                self.closed = self.finished = True
            case c.ReplyEnded(reply=self.draft):
                self.draft = 0  # the draft failed
            case _:
                pass

    def take_command(self, command: c.Command) -> None:
        match command:
            case c.StartReply(reply) | c.Say(reply) | c.ReleaseReply(reply):
                self.live, self.draft, self.audible, self.paused = reply, 0, False, False
                self.asked = not isinstance(command, c.ReleaseReply) and bool(command.request)
            case c.PrepareReply(reply):
                self.draft = reply
            case c.AnnounceReply():
                self.audible = True
            case c.PauseReply() | c.ResumeReply():
                self.paused = isinstance(command, c.PauseReply)
            case c.CancelReply(reply):
                self.live, self.draft = self.live if reply == self.draft else 0, 0
                self.paused = self.paused and self.live != 0
            case c.EndTurn():
                self.live, self.paused = 0, False
            case _:
                pass


def options_in(event: c.CallerChose) -> TurnOptions:
    return TurnOptions(**{f.name: getattr(event, f.name) for f in fields(TurnOptions)})


def follow(record: Record) -> Iterator[tuple[Step, Followed]]:
    """Each step, with the state before it."""
    followed = Followed(record.script.call.greeting_holds)
    for step in record.steps:
        yield step, followed
        followed.take(step)


def last(record: Record) -> Followed:
    """The state after the last step."""
    followed = Followed(record.script.call.greeting_holds)
    for step in record.steps:
        followed.take(step)
    return followed


def longest_wait_s(policy: TurnPolicy, before: Followed) -> float:
    """How long words may wait for the end of their turn, if nothing happens meanwhile."""
    options = before.options
    silences_s = (policy.silence_s, policy.unsure_silence_s, policy.open_silence_s)
    longest_s = max(*silences_s, policy.halting_silence_s) * options.patience
    if options.silence_s is not None:
        longest_s = options.silence_s
    late_s = policy.late_wait_s if before.behind else 0.0
    longest_s = max(longest_s, policy.max_silence_s)
    return policy.settle_s + longest_s + LATEST_S + policy.final_wait_s + late_s
