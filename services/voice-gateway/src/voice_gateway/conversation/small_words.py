"""The small words that a caller says into a reply: a listener's, or the answer to its question.

reply    "Shall I cancel it now? It takes effect at once. Your seat goes to somebody else."
              "Yes." ▲            ▲ "Yes."            ▲ "Yes."                      ▲
                     | answered at once               | kept: the turn after the reply
reply    "Once upon a time there was a fox. It lived in a wood."
                      "Yeah." dropped ▲

An answer said early in its question, while nobody knows yet that it is one, waits until that
sentence was heard. Where the reply has gone on beyond the question, the answer does not cut it off:
what is said there was said for the caller to hear ("There is a fee of ten euros"), and what it
answered is not lost meanwhile.
"""

from dataclasses import replace

from voice_gateway.conversation.commands import DropReason, DropWords
from voice_gateway.conversation.events import CallerSpoke
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import Commands, Conversation, Doubted, Replying, Step


def answer_at_once(floor: Replying, text: str, policy: TurnPolicy) -> bool:
    """Whether the small words answer what the caller heard last: now, or as its voice began."""
    heard = (floor.heard, floor.heard_at_voice)
    return any(policy.has_just_asked(text, each) for each in heard)


def doubted(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> Step:
    """Take small words in, and decide on those that are final as far as that is possible."""
    text = event.text.strip()
    if not text:
        return _retracted(now, floor) if event.final else (now, ())
    floor, dropped = _without(replaced(floor))
    reason: DropReason = "backchannel" if policy.is_backchannel(text) else "too_few_words"
    words = Doubted(text, len(floor.heard), reason, final=event.final)
    now, more = decided(replace(now, floor=replace(floor, doubted=words)), floor.heard, policy)
    return now, (*dropped, *more)


def decided(now: Conversation, said: str, policy: TurnPolicy, *, over: bool = False) -> Step:
    """Use or drop the doubted words by what the reply has said; `over`: it says no more."""
    floor = now.floor
    words = floor.doubted if isinstance(floor, Replying) else None
    if not isinstance(floor, Replying) or words is None or not (words.final or over):
        return now, ()
    asked = policy.asked_when(said, words.begun) if policy.answers(words.text) else False
    if asked is None and not over:
        return now, ()
    if not asked:
        floor, dropped = _without(floor)
        return replace(now, floor=floor), dropped
    now = replace(now, floor=replace(floor, doubted=None))
    if words.final:
        return replace(now, finals=(*now.finals, words.text)), ()
    return replace(now, interim=words.text), ()


def replaced(floor: Replying) -> Replying:
    """Any transcript replaces the interim before it."""
    final = floor.doubted is not None and floor.doubted.final
    return floor if final else replace(floor, doubted=None)


def dropped(floor: Replying, reason: DropReason | None = None) -> Commands:
    """The commands that drop the words in doubt: their reply is cut off, or they are forgotten."""
    words = floor.doubted
    return (DropWords(words.text, reason or words.reason),) if words else ()


def _retracted(now: Conversation, floor: Replying) -> Step:
    if floor.doubted is None or floor.doubted.final:
        return now, ()
    return replace(now, floor=replace(floor, doubted=None)), dropped(floor, "retracted")


def _without(floor: Replying) -> tuple[Replying, Commands]:
    return replace(floor, doubted=None), dropped(floor)
