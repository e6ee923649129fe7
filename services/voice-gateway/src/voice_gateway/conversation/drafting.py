"""The rules of drafts: a reply that is prepared before the turn is over, and what becomes of it.

A draft is made in a silence that may end the turn; it is dropped when the words become others, and
released when the turn is over. How many may be made in a turn is bounded (`TurnPolicy.drafts`).
"""

from dataclasses import replace

from voice_gateway.conversation.commands import CancelReply, PrepareReply
from voice_gateway.conversation.events import ReplyAudioStarted, ReplyEnded, ReplyHeard
from voice_gateway.conversation.history import as_turns, plain, remembered, with_question
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import (
    Commands,
    Conversation,
    Draft,
    Finals,
    Listening,
    Quiet,
    Silence,
    Step,
)


def drafted(now: Conversation, floor: Listening, policy: TurnPolicy) -> Step:
    """Prepare a draft, if the caller is silent and the words do not ask for more."""
    text = now.question()
    if floor.draft and text and plain(text) == plain(floor.draft.question):
        return replace(now, floor=floor), ()
    floor, dropped = without(now, floor)
    if not text:
        return replace(now, floor=replace(floor, drafts=0)), dropped  # the open turn has no words
    quiet = isinstance(now.voice, Quiet) and isinstance(floor.wait, Silence | Finals)
    ready = quiet and now.options.answers and floor.drafts < policy.drafts
    if not ready or policy.sounds_open(text):
        return replace(now, floor=floor), dropped
    number = now.reply + 1
    history = as_turns(remembered(with_question(now.history, text), policy.memory_messages))
    floor = replace(floor, draft=Draft(text), drafts=floor.drafts + 1)
    return replace(now, floor=floor, reply=number), (
        *dropped,
        PrepareReply(number, history),
    )


def redrafted(now: Conversation, floor: Listening, policy: TurnPolicy) -> Step:
    """The options or the history changed: make the draft again, if there is one."""
    if floor.draft is None:
        return replace(now, floor=floor), ()
    floor, dropped = without(now, floor)
    after, commands = drafted(now, floor, policy)
    return after, (*dropped, *commands)


def went_on(
    now: Conversation, floor: Listening, event: ReplyAudioStarted | ReplyHeard | ReplyEnded
) -> Conversation:
    draft = floor.draft
    if draft is None or event.reply != now.reply or isinstance(event, ReplyHeard):
        return now
    # A draft that ended before its release has failed; the turn gets a new reply.
    after = replace(draft, audible=True) if isinstance(event, ReplyAudioStarted) else None
    return replace(now, floor=replace(floor, draft=after))


def without(now: Conversation, floor: Listening) -> tuple[Listening, Commands]:
    if floor.draft is None:
        return floor, ()
    return replace(floor, draft=None), (CancelReply(now.reply),)
