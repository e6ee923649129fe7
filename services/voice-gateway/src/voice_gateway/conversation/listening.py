"""The rules while the caller has the floor: when the turn ends, and when a draft is made.

voice    ▅▇▅▂▁▁▁▁▁▁▁▁▁▁▁▁
words        "what is the weather"        "What is the weather?" final
wait         Silence     | Finals         | (the turn is taken)
commands     PrepareReply  AskFinal         ReleaseReply

voice    ▅▇▅▇▅▇▅▂▁▁▁▁▁▁▁▁▁▁▁▁▁   the recogniser is behind
words        "what is"         "what is the weather" interim
wait                Silence | Late                 | Finals | (the turn is taken)
commands                      AskFinal
"""

from dataclasses import replace

from voice_gateway.conversation import drafting
from voice_gateway.conversation.commands import (
    AnnounceReply,
    AskFinal,
    DropRequest,
    DropWords,
    KeepTurn,
    ReleaseReply,
    Say,
    StartReply,
)
from voice_gateway.conversation.events import (
    CallerAsked,
    CallerQuiet,
    CallerSpoke,
    CallerVoiced,
)
from voice_gateway.conversation.history import (
    as_turns,
    last_heard,
    plain,
    question_name,
    remembered,
    with_question,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import (
    Asked,
    Conversation,
    Finals,
    Idle,
    Late,
    Line,
    Listening,
    Quiet,
    Replying,
    Silence,
    Step,
    Unchanged,
    Voiced,
)


def spoke(now: Conversation, floor: Listening, event: CallerSpoke, policy: TurnPolicy) -> Step:
    text = event.text.strip()
    if not (event.final or text):
        return now, ()  # an empty interim does not take back the one before
    if text:
        now, floor = _with_words(now, floor, event)
    if event.final:
        return _final_came(now, floor, event, policy)
    now, floor = replace(now, interim=text), replace(floor, ended=False)
    return _timed_and_drafted(now, floor, event.at, policy)


def confirms(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> bool:
    """Whether this final only confirms the interim words of the turn that was just taken.

    Its reply is over, or it had none; during a reply, `replying` tells what a late final means.
    """
    floor, voice = now.floor, now.voice
    if not isinstance(floor, Listening) or isinstance(floor.wait, Asked) or now.said():
        return False
    if event.at - now.taken.at >= policy.late_s:
        return False
    spoke_since = isinstance(voice, Voiced) or (voice is not None and voice.since > now.taken.at)
    same = plain(event.text) == plain(now.taken.interim)
    return same and bool(plain(event.text)) and not spoke_since


def _final_came(
    now: Conversation, floor: Listening, event: CallerSpoke, policy: TurnPolicy
) -> Step:
    text, interim = event.text.strip(), now.interim
    retracted = (DropWords(interim, "retracted"),) if interim and not text else ()
    finals = (*now.finals, text) if text else now.finals
    awaits = event.awaits and now.options.by_hand
    now = replace(now, finals=finals, interim="", commit_pending=awaits)
    asked = floor.wait if isinstance(floor.wait, Asked) else None
    if asked and not (now.behind or awaits):
        after, commands = answer(now, floor, asked.request, event.at, policy)
    elif retracted and floor.cut and not (asked or now.said()) and _may_ask(now):
        # Nobody said what the reply was cut off for: silence would be the answer to it.
        after, commands = _ask_again(now, floor, event.at, policy)
    else:
        floor = _without_wait_for_finals(_with_final(floor, event, policy))
        after, commands = _timed_and_drafted(now, floor, event.at, policy)
    return after, (*retracted, *commands)


def sounded(
    now: Conversation, floor: Listening, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    if isinstance(event, CallerQuiet):
        now = replace(now, voice=Quiet(event.since))
        late = isinstance(floor.wait, Late)  # it began while the caller still spoke
        floor = replace(floor, wait=None) if late else floor
        return _timed_and_drafted(now, floor, event.at, policy)
    now = replace(now, voice=Voiced(event.at))
    unchanged = floor.unchanged
    if unchanged and not unchanged.voiced:
        unchanged = replace(unchanged, since=event.at, voiced=True, latest=None)
        floor = replace(floor, unchanged=unchanged)
    goes_on = isinstance(floor.wait, Finals | Late) and not _is_overdue(floor, event.at, policy)
    floor = replace(floor, wait=None) if goes_on else floor
    floor, dropped = drafting.without(now, floor)
    return replace(now, floor=timed(now, floor, event.at, policy)), dropped


def caught_up(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    """The words cover all speech again; the recogniser was asked for their final before."""
    if isinstance(floor.wait, Asked) and not (now.interim or now.commit_pending):
        return answer(now, floor, floor.wait.request, at, policy)
    if isinstance(floor.wait, Asked):
        until = min(floor.wait.until, at + policy.final_wait_s)
        floor = replace(floor, wait=replace(floor.wait, until=until))
    if isinstance(floor.wait, Late):
        finals = Finals(at + policy.final_wait_s)
        asked = now.interim and not isinstance(now.voice, Voiced)
        floor = replace(floor, wait=finals if asked else None)
    return _timed_and_drafted(now, floor, at, policy)


def wait_over(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    """The caller has been silent long enough: ask for the final, or answer."""
    late_s = max(0.0, policy.late_wait_s - policy.final_wait_s)
    match floor.wait:
        case Asked():
            return _asked_over(now, floor, floor.wait, at, policy)
        case Late():
            return _ask_again(now, floor, at, policy)
        case Silence() | Finals() if now.behind and _is_too_late(floor, at):
            return _ask_again(now, floor, at, policy)
        case Silence() if now.behind and isinstance(now.voice, Voiced):
            return replace(now, floor=replace(floor, wait=Late(at + policy.late_wait_s))), ()
        case Silence() if now.behind:
            return replace(now, floor=_waits_late(floor, at, policy.late_wait_s)), (AskFinal(),)
        case Finals() if now.behind:
            return replace(now, floor=_waits_late(floor, at, late_s)), ()
        case Silence() if now.interim and now.voice:
            waiting = replace(floor, wait=Finals(at + policy.final_wait_s))
            return replace(now, floor=waiting), (AskFinal(),)
        case _:
            return take_turn(now, floor, at, policy)


def asked(now: Conversation, floor: Listening, event: CallerAsked, policy: TurnPolicy) -> Step:
    """The program asks for a reply: wait for the open turn's final, or answer the history."""
    if isinstance(floor.wait, Asked):
        return now, (DropRequest(event.request),)  # one waits already
    behind = now.behind and now.finals
    if not (now.interim or now.commit_pending or behind):
        return answer(now, floor, event.request, event.at, policy)
    comes = now.commit_pending or isinstance(floor.wait, Finals) or now.line is not Line.OPEN
    until, latest = event.at + policy.final_wait_s, event.at + policy.late_wait_s
    waiting = replace(floor, wait=Asked(until, event.request, latest))
    return replace(now, floor=waiting), () if comes else (AskFinal(),)


def request_taken_back(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    """The program wants no reply any more; the words that it waited for stay an open turn."""
    if not isinstance(floor.wait, Asked):
        return now, ()
    listens = timed(now, replace(floor, wait=None), at, policy)
    return replace(now, floor=listens), (DropRequest(floor.wait.request),)


def answer(
    now: Conversation, floor: Listening, request: int, at: float, policy: TurnPolicy
) -> Step:
    """Answer the request of the caller's program: the open turn, or else the history."""
    if now.said():
        return take_turn(now, floor, at, policy, request)
    _, dropped = drafting.without(now, floor)
    number = now.reply + 1
    history = remembered(now.history, policy.memory_messages)
    after = replace(
        now,
        floor=Replying(request=request),
        history=history,
        reply=number,
        taken=replace(now.taken, at=at),
        commit_pending=False,
    )
    return after, (*dropped, StartReply(number, as_turns(history), request))


def take_turn(
    now: Conversation, floor: Listening, at: float, policy: TurnPolicy, request: int = 0
) -> Step:
    """The caller's turn is over: release its draft if that fits, else start a reply."""
    if isinstance(floor.wait, Asked):
        request = floor.wait.request
    keeps = not (now.options.answers or request or now.line is Line.CLOSED)
    question, provisional, draft = now.question(), now.interim, floor.draft
    # A program's request may carry other options than the draft was made with.
    fits = draft and not (request or keeps) and plain(question) == plain(draft.question)
    number = now.reply if fits else now.reply + 1
    history = with_question(now.history, question, question_name(number))
    history = remembered(history, policy.memory_messages)
    _, dropped = drafting.without(now, floor)
    now = replace(now, floor=Listening(), history=history, finals=(), interim="", prompted=False)
    now = replace(now, taken=replace(now.taken, interim=provisional or now.taken.interim))
    if keeps:  # its number is its own: a program takes back one kept turn, and not the next
        kept = replace(now, reply=number, taken=replace(now.taken, at=at))
        return kept, (*dropped, KeepTurn(number))
    audible = bool(draft and fits and draft.audible)
    reply = Replying(
        audible=audible,
        provisional=provisional,
        ended=floor.ended,
        replaces=floor.reopened,
        request=request,
    )
    after = replace(
        now, floor=reply, reply=number, taken=replace(now.taken, at=at), commit_pending=False
    )
    if fits:
        return after, (ReleaseReply(number), *((AnnounceReply(number),) if audible else ()))
    return after, (*dropped, StartReply(number, as_turns(history), request))


def timed(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Listening:
    """Set the wait for the end of the turn, unless the floor waits for words."""
    floor = _since_when_unchanged(now, floor, at)
    if isinstance(floor.wait, Asked | Finals):
        return floor
    if isinstance(floor.wait, Late) and (now.said() or _is_unheard(now)):
        return floor
    if not now.said():
        if _is_unheard(now):
            return _waits_unheard(now, floor, at, policy)
        return floor if isinstance(floor.wait, Idle) else replace(floor, wait=None)
    until = _turn_end(now, floor, at, policy)
    return replace(floor, wait=None if until is None else Silence(until))


def forgotten(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    """The transcript of the open turn was discarded; a requested reply starts without it."""
    if isinstance(floor.wait, Asked):
        return answer(now, floor, floor.wait.request, at, policy)
    _, dropped = drafting.without(now, floor)
    idle = floor.wait if isinstance(floor.wait, Idle) else None
    return replace(now, floor=Listening(idle)), dropped


def shortened(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    """Some finals of the open turn were discarded; its draft follows those that stay."""
    if now.said() or now.commit_pending or now.behind:
        return _timed_and_drafted(now, floor, at, policy)
    return forgotten(now, floor, at, policy)


def works_again(now: Conversation) -> Conversation:
    """Words came of a recogniser that had failed: what it loses from now on is asked for again."""
    if not (now.behind and now.behind.asked_again):
        return now
    return replace(now, behind=replace(now.behind, asked_again=False))


def closing(floor: Listening) -> Listening:
    """No silence ends the turn once the audio has ended: the last final is still to come."""
    return floor if isinstance(floor.wait, Asked) else replace(floor, wait=None)


def _asked_over(
    now: Conversation, floor: Listening, wait: Asked, at: float, policy: TurnPolicy
) -> Step:
    """The program's request has waited for the final: a recogniser that is behind gets longer."""
    if not now.behind or not (now.said() or now.commit_pending):
        return answer(now, floor, wait.request, at, policy)
    if at >= wait.latest:
        return _ask_again(now, floor, at, policy, wait.request)
    longer = replace(wait, until=wait.latest)
    return replace(now, floor=replace(floor, wait=longer)), ()


def _ask_again(
    now: Conversation, floor: Listening, at: float, policy: TurnPolicy, request: int = 0
) -> Step:
    """The rest of the words did not come: half of what was said is not answered.

    The caller is asked to say it again. The finals stay in the history; the interim is dropped, as
    it comes again in its final, or in what the caller repeats.
    """
    if not now.options.answers and not request:
        return take_turn(now, floor, at, policy)  # the program decides what to answer
    floor, dropped = drafting.without(now, floor)
    number, finals = now.reply + 1, " ".join(now.finals)
    name = question_name(number)
    history = with_question(now.history, finals, name) if finals else now.history
    after = replace(
        now,
        floor=Replying(request=request),
        history=remembered(history, policy.memory_messages),
        finals=(),
        interim="",
        behind=replace(now.behind, asked_again=True) if now.behind else None,
        reply=number,
        taken=replace(now.taken, at=at),
        commit_pending=False,
    )
    lost = (DropWords(now.interim, "say_again"),) if now.interim else ()
    said = Say(number, policy.request_to_repeat(), request=request, asks_again=True)
    return after, (*lost, *dropped, said)


def _is_unheard(now: Conversation) -> bool:
    """Whether the caller has said something, and none of it may ever be recognised."""
    broken = now.behind and now.behind.broken and not now.behind.asked_again
    return bool(broken) and _may_ask(now) and now.voice is not None


def _may_ask(now: Conversation) -> bool:
    """Whether the caller may be asked to say something again, without a program's request."""
    return now.line is Line.OPEN and now.options.answers and not now.options.by_hand


def _with_words(
    now: Conversation, floor: Listening, event: CallerSpoke
) -> tuple[Conversation, Listening]:
    """Words come: the first of them have a new wait."""
    now = works_again(now)
    late = isinstance(floor.wait, Late) and not now.said()
    length = len(plain(event.text))
    if event.final or floor.unchanged is None or length > floor.unchanged.length:
        unchanged = Unchanged(event.at, length=0 if event.final else length)
        floor = replace(floor, unchanged=unchanged)
    return now, replace(floor, wait=None) if late else floor


def _since_when_unchanged(now: Conversation, floor: Listening, at: float) -> Listening:
    """Note since when the caller is owed an answer, where it is owed one."""
    if not (now.said() or _is_unheard(now)):
        return replace(floor, unchanged=None)
    if floor.unchanged:
        return floor
    return replace(floor, unchanged=Unchanged(at))


def _is_overdue(floor: Listening, at: float, policy: TurnPolicy) -> bool:
    """Whether voice has gone on for so long without new words that it is no part of the turn."""
    unchanged = floor.unchanged
    if unchanged is None or not unchanged.voiced:
        return False
    return at >= unchanged.since + policy.max_silence_s


def _is_too_late(floor: Listening, at: float) -> bool:
    """Whether a recogniser that is behind, again and again, has had all its time."""
    latest = floor.unchanged.latest if floor.unchanged else None
    return latest is not None and at >= latest


def _waits_late(floor: Listening, at: float, wait_s: float) -> Listening:
    """Wait for a recogniser that is behind, but no longer than it was waited for before."""
    unchanged = floor.unchanged or Unchanged(at)
    latest = at + wait_s if unchanged.latest is None else unchanged.latest
    unchanged = replace(unchanged, latest=latest)
    return replace(floor, unchanged=unchanged, wait=Late(max(at, min(at + wait_s, latest))))


def _waits_unheard(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Listening:
    """Wait for words of which there are none yet; under a voice that lasts, for longer."""
    if isinstance(now.voice, Quiet):
        return _waits_late(floor, at, policy.late_wait_s)
    since = floor.unchanged.since if floor.unchanged else at
    until = since + policy.max_silence_s + policy.late_wait_s
    return replace(floor, wait=Late(max(at, until)))


def _turn_end(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> float | None:
    """The time at which silence ends the turn, if nothing new comes before."""
    if now.line is not Line.OPEN or now.options.by_hand:
        return None
    if isinstance(now.voice, Quiet):
        asked = last_heard(now.history)
        silence_s = policy.silence_after(now.question(), now.voice.probability, now.options, asked)
        return max(at, now.voice.since + silence_s)
    unfinished = now.voice or now.interim
    since = floor.unchanged.since if floor.unchanged else at
    return max(at, since + (policy.max_silence_s if unfinished else policy.settle_s))


def _timed_and_drafted(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    return drafting.drafted(now, timed(now, floor, at, policy), policy)


def _with_final(floor: Listening, event: CallerSpoke, policy: TurnPolicy) -> Listening:
    """A final came; where the client ended more utterances, theirs have as long to come."""
    if isinstance(floor.wait, Asked) and event.awaits:
        until = max(floor.wait.until, event.at + policy.final_wait_s)
        floor = replace(floor, wait=replace(floor.wait, until=until))
    more = bool(event.text.strip())
    return replace(floor, ended=event.ended or (floor.ended and not more))


def _without_wait_for_finals(floor: Listening) -> Listening:
    return replace(floor, wait=None) if isinstance(floor.wait, Finals) else floor
