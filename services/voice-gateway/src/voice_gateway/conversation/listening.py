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

from voice_gateway.conversation.commands import (
    AnnounceReply,
    AskFinal,
    CancelReply,
    KeepTurn,
    PrepareReply,
    ReleaseReply,
    Say,
    StartReply,
)
from voice_gateway.conversation.events import (
    CallerAsked,
    CallerQuiet,
    CallerSpoke,
    CallerVoiced,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
)
from voice_gateway.conversation.history import (
    as_turns,
    plain,
    question_name,
    remembered,
    with_question,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import (
    Asked,
    Commands,
    Conversation,
    Draft,
    Finals,
    Idle,
    Late,
    Line,
    Listening,
    Quiet,
    Replying,
    Silence,
    Step,
    Voiced,
)


def spoke(now: Conversation, floor: Listening, event: CallerSpoke, policy: TurnPolicy) -> Step:
    text = event.text.strip()
    if text:
        now, floor = _with_words(now, floor)
    if event.final:
        finals = (*now.finals, text) if text else now.finals
        awaits = event.awaits and now.options.by_hand
        now = replace(now, finals=finals, interim="", commit_pending=awaits)
        if isinstance(floor.wait, Asked) and not (now.behind or awaits):
            return answer(now, floor, floor.wait.request, event.at, policy)
        floor = _without_wait_for_finals(_with_final(floor, event, policy))
    elif not text:
        return now, ()  # an empty interim does not take back the one before
    else:
        now, floor = replace(now, interim=text), replace(floor, ended=False)
    return _drafted(now, timed(now, floor, event.at, policy), policy)


def sounded(
    now: Conversation, floor: Listening, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    if isinstance(event, CallerQuiet):
        now = replace(now, voice=Quiet(event.since))
        late = isinstance(floor.wait, Late)  # it began while the caller still spoke
        floor = replace(floor, wait=None) if late else floor
        return _drafted(now, timed(now, floor, event.at, policy), policy)
    now = replace(now, voice=Voiced(event.at))
    floor = replace(floor, wait=None) if isinstance(floor.wait, Finals | Late) else floor
    floor, dropped = _without_draft(now, floor)
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
        floor = replace(floor, wait=finals if now.interim else None)
    return _drafted(now, timed(now, floor, at, policy), policy)


def draft_went_on(
    now: Conversation, floor: Listening, event: ReplyAudioStarted | ReplyHeard | ReplyEnded
) -> Conversation:
    draft = floor.draft
    if draft is None or event.reply != now.reply or isinstance(event, ReplyHeard):
        return now
    # A draft that ended before its release has failed; the turn gets a new reply.
    after = replace(draft, audible=True) if isinstance(event, ReplyAudioStarted) else None
    return replace(now, floor=replace(floor, draft=after))


def wait_over(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    """The caller has been silent long enough: ask for the final, or answer."""
    late_s = max(0.0, policy.late_wait_s - policy.final_wait_s)
    match floor.wait:
        case Asked():
            return _asked_over(now, floor, floor.wait, at, policy)
        case Late():
            return _ask_again(now, floor, at, policy)
        case Silence() if now.behind:
            waiting = replace(floor, wait=Late(at + policy.late_wait_s))
            return replace(now, floor=waiting), (AskFinal(),)
        case Finals() if now.behind:
            return replace(now, floor=replace(floor, wait=Late(at + late_s))), ()
        case Silence() if now.interim and now.voice:
            waiting = replace(floor, wait=Finals(at + policy.final_wait_s))
            return replace(now, floor=waiting), (AskFinal(),)
        case _:
            return take_turn(now, floor, at, policy)


def asked(now: Conversation, floor: Listening, event: CallerAsked, policy: TurnPolicy) -> Step:
    """The program asks for a reply: wait for the open turn's final, or answer the history."""
    if isinstance(floor.wait, Asked):
        return now, ()  # a request waits already
    behind = now.behind and now.finals
    if not (now.interim or now.commit_pending or behind):
        return answer(now, floor, event.request, event.at, policy)
    comes = now.commit_pending or isinstance(floor.wait, Finals) or now.line is not Line.OPEN
    until, latest = event.at + policy.final_wait_s, event.at + policy.late_wait_s
    waiting = replace(floor, wait=Asked(until, event.request, latest))
    return replace(now, floor=waiting), () if comes else (AskFinal(),)


def answer(
    now: Conversation, floor: Listening, request: int, at: float, policy: TurnPolicy
) -> Step:
    """Answer the request of the caller's program: the open turn, or else the history."""
    if now.said():
        return take_turn(now, floor, at, policy, request)
    _, dropped = _without_draft(now, floor)
    number = now.reply + 1
    history = remembered(now.history, policy.memory_messages)
    after = replace(
        now,
        floor=Replying(request=request),
        history=history,
        reply=number,
        turn_at=at,
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
    _, dropped = _without_draft(now, floor)
    now = replace(now, floor=Listening(), history=history, finals=(), interim="", prompted=False)
    if keeps:
        return now, (*dropped, KeepTurn(number))
    audible = bool(draft and fits and draft.audible)
    reply = Replying(
        audible=audible,
        provisional=provisional,
        unsettled=provisional,
        ended=floor.ended,
        replaces=floor.reopened,
        request=request,
    )
    after = replace(now, floor=reply, reply=number, turn_at=at, commit_pending=False)
    if fits:
        return after, (ReleaseReply(number), *((AnnounceReply(number),) if audible else ()))
    return after, (*dropped, StartReply(number, as_turns(history), request))


def timed(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Listening:
    """Set the wait for the end of the turn, unless the floor waits for words."""
    if isinstance(floor.wait, Asked | Finals):
        return floor
    if isinstance(floor.wait, Late) and (now.said() or _is_unheard(now)):
        return floor
    if not now.said():
        if _is_unheard(now):
            return replace(floor, wait=Late(at + policy.late_wait_s))
        return floor if isinstance(floor.wait, Idle) else replace(floor, wait=None)
    until = _turn_end(now, at, policy)
    return replace(floor, wait=None if until is None else Silence(until))


def redrafted(now: Conversation, floor: Listening, policy: TurnPolicy) -> Step:
    """The options or the history changed: make the draft again, if there is one."""
    if floor.draft is None:
        return replace(now, floor=floor), ()
    floor, dropped = _without_draft(now, floor)
    after, commands = _drafted(now, floor, policy)
    return after, (*dropped, *commands)


def forgotten(now: Conversation, floor: Listening, at: float, policy: TurnPolicy) -> Step:
    """The transcript of the open turn was discarded; a requested reply starts without it."""
    if isinstance(floor.wait, Asked):
        return answer(now, floor, floor.wait.request, at, policy)
    _, dropped = _without_draft(now, floor)
    idle = floor.wait if isinstance(floor.wait, Idle) else None
    return replace(now, floor=Listening(idle)), dropped


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
    assert now.behind
    if not now.options.answers and not request:
        return take_turn(now, floor, at, policy)  # the program decides what to answer
    floor, dropped = _without_draft(now, floor)
    number, finals = now.reply + 1, " ".join(now.finals)
    name = question_name(number)
    history = with_question(now.history, finals, name) if finals else now.history
    after = replace(
        now,
        floor=Replying(request=request),
        history=remembered(history, policy.memory_messages),
        finals=(),
        interim="",
        behind=replace(now.behind, asked_again=True),
        reply=number,
        turn_at=at,
        commit_pending=False,
    )
    said = Say(number, policy.say_again, request=request, asks_again=True)
    return after, (*dropped, said)


def _is_unheard(now: Conversation) -> bool:
    """Whether the caller has said something, and none of it may ever be recognised."""
    broken = now.behind and now.behind.broken and not now.behind.asked_again
    waits = now.line is Line.OPEN and now.options.answers and not now.options.by_hand
    return bool(broken) and waits and isinstance(now.voice, Quiet)


def _with_words(now: Conversation, floor: Listening) -> tuple[Conversation, Listening]:
    """Words come: a recogniser that failed works again, and the first of them have a new wait."""
    if now.behind and now.behind.asked_again:
        now = replace(now, behind=replace(now.behind, asked_again=False))
    late = isinstance(floor.wait, Late) and not now.said()
    return now, replace(floor, wait=None) if late else floor


def _turn_end(now: Conversation, at: float, policy: TurnPolicy) -> float | None:
    """The time at which silence ends the turn, if no event comes before."""
    if now.line is not Line.OPEN or now.options.by_hand:
        return None
    if isinstance(now.voice, Quiet):
        silence_s = policy.silence_after(now.question(), now.voice.probability, now.options)
        return max(at, now.voice.since + silence_s)
    unfinished = now.voice or now.interim
    return at + (policy.max_silence_s if unfinished else policy.settle_s)


def _drafted(now: Conversation, floor: Listening, policy: TurnPolicy) -> Step:
    """Prepare a draft, if the caller is silent and the words do not ask for more."""
    text = now.question()
    if floor.draft and text and plain(text) == plain(floor.draft.question):
        return replace(now, floor=floor), ()
    floor, dropped = _without_draft(now, floor)
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


def _without_draft(now: Conversation, floor: Listening) -> tuple[Listening, Commands]:
    if floor.draft is None:
        return floor, ()
    return replace(floor, draft=None), (CancelReply(now.reply),)


def _with_final(floor: Listening, event: CallerSpoke, policy: TurnPolicy) -> Listening:
    """A final came; where the client ended more utterances, theirs have as long to come."""
    if isinstance(floor.wait, Asked) and event.awaits:
        until = max(floor.wait.until, event.at + policy.final_wait_s)
        floor = replace(floor, wait=replace(floor.wait, until=until))
    more = bool(event.text.strip())
    return replace(floor, ended=event.ended or (floor.ended and not more))


def _without_wait_for_finals(floor: Listening) -> Listening:
    return replace(floor, wait=None) if isinstance(floor.wait, Finals) else floor
