"""Who has the floor, and what happens next: the one step of a conversation."""

from dataclasses import replace

from voice_gateway.conversation.commands import (
    AnnounceReply,
    AskFinal,
    EndCall,
    KeepTurn,
    PrepareReply,
    ReleaseReply,
    StartReply,
)
from voice_gateway.conversation.events import (
    CallerAsked,
    CallerClosed,
    CallerEnded,
    CallerFinished,
    CallerInterrupted,
    CallerJoined,
    CallerQuiet,
    CallerSpoke,
    CallerTyped,
    CallerVoiced,
    EndOfTurnProbability,
    Event,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
    TimerFired,
)
from voice_gateway.conversation.floor import (
    caller_sounded,
    cut_reply,
    drop_held,
    note,
    only_listens,
    pause_over,
    reply_went_on,
    resume,
    say,
    speak_up,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.requests import answer_now, follow
from voice_gateway.conversation.state import (
    Conversation,
    Phase,
    Step,
    nameless,
    plain,
    question_name,
    remembered,
    turn_end,
    with_question,
)


def step(now: Conversation, event: Event, policy: TurnPolicy) -> Step:
    """Return the conversation after `event`, and the commands it gives rise to."""
    after, commands = _step(now, event, policy)
    return _watch_silence(after, event.at, policy), commands


def _step(now: Conversation, event: Event, policy: TurnPolicy) -> Step:
    match event:
        case ReplyAudioStarted() | ReplyHeard() | ReplyEnded():
            return _reply_went_on(now, event, policy)
        case CallerSpoke() | CallerTyped():
            return _caller_said(now, event, policy)
        case CallerVoiced() | CallerQuiet() | EndOfTurnProbability():
            return _sounded(now, event, policy)
        case CallerInterrupted():
            if now.firm:
                return now, ()
            after, commands = cut_reply(now)
            return after, (*commands, EndCall()) if after.finished else commands
        case TimerFired(at=at):
            return _timer_fired(now, at, policy)
        case CallerJoined() | CallerClosed() | CallerFinished():
            return _came_or_left(now, event, policy)
        case CallerAsked(at=at):
            return _asked(now, at, policy)
        case CallerEnded():
            return replace(now, owed=now.manner.by_hand), ()
        case _:
            return follow(now, event, policy)


def _came_or_left(
    now: Conversation, event: CallerJoined | CallerClosed | CallerFinished, policy: TurnPolicy
) -> Step:
    match event:
        case CallerJoined(at=at, recalled=recalled):
            return _greet(replace(now, history=nameless(recalled)), at, policy)
        case CallerClosed():
            after, commands = resume(now)
            return replace(after, closing=True, deadline=None), commands
        case CallerFinished(at=at):
            return _finish(now, at, policy)


def _timer_fired(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    if now.deadline is not None and at >= now.deadline:
        return pause_over(now) if now.paused_at is not None else _silence_fell(now, at, policy)
    if now.idle_at is not None and at >= now.idle_at:
        return speak_up(now, at, policy)
    return now, ()


def _watch_silence(now: Conversation, at: float, policy: TurnPolicy) -> Conversation:
    """Keep the time at which a silent call is spoken into, or ended."""
    sounds = now.voiced_since is not None or bool(now.said())
    prompted = now.prompted and not sounds
    if now.phase is not Phase.LISTENING or now.closing or sounds:
        return replace(now, idle_at=None, prompted=prompted)
    if now.idle_at is not None:
        return now
    prompts_s = policy.prompts_after(now.manner)
    wait_s = policy.idle_end_s if prompted else prompts_s or policy.idle_end_s
    return replace(now, idle_at=at + wait_s) if wait_s else now


def _asked(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """An answer is wanted: to the open turn, once its final words are there, or to what stands."""
    if now.phase is not Phase.LISTENING or now.finished:
        return now, ()
    if now.murmur or now.owed:
        deadline = at + policy.final_wait_s
        asks = () if now.owed or now.asked else (AskFinal(),)
        return replace(now, wanted=True, asked=True, deadline=deadline), asks
    return _answer_asked(now, at, policy)


def _greet(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    if now.history or not policy.greeting:
        return now, ()  # who is called back is not greeted again
    after, commands = say(now, policy.greeting, at)
    return replace(after, firm=policy.greeting_firm), commands


def _reply_went_on(
    now: Conversation, event: ReplyAudioStarted | ReplyHeard | ReplyEnded, policy: TurnPolicy
) -> Step:
    if now.held:
        return _held_went_on(now, event), ()
    if event.reply != now.reply or now.phase is Phase.LISTENING:
        return now, ()  # stale
    after, commands = reply_went_on(now, event, policy)
    if after.phase is not Phase.LISTENING or not (now.ending or after.finished):
        return after, commands
    if after.said():  # into a greeting that could not be interrupted
        after, asked = _take_turn(after, event.at, policy)
        return after, (*commands, *asked)
    return after, (*commands, EndCall())


def _caller_said(now: Conversation, event: CallerSpoke | CallerTyped, policy: TurnPolicy) -> Step:
    if now.finished:
        return now, ()  # the call only waits for its last reply
    if isinstance(event, CallerSpoke):
        return _caller_spoke(now, event, policy)
    after, cut = (now, ()) if now.firm else cut_reply(now)
    after = replace(after, words=(*after.said(), event.text), murmur="")
    if after.firm:
        return after, ()
    after, asked = _take_turn(after, event.at, policy)
    return after, (*cut, *asked)


def _caller_spoke(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> Step:
    text = event.text.strip()
    if now.firm or not (now.phase is Phase.LISTENING or now.manner.interruptible):
        return note(now, event), ()
    if now.phase is not Phase.LISTENING:
        if _is_late(now, event, policy):
            return _correct(now, text, event.at, policy) if event.final and text else (now, ())
        if not _takes_floor(now, text, policy):
            there = replace(now, prompted=now.prompted and not text)
            return only_listens(there, event, policy)
    if now.wanted and event.final:
        words = (*now.words, text) if text else now.words
        return _answer_asked(replace(now, words=words, murmur=""), event.at, policy)
    if not text and not event.final:
        return now, ()  # the recogniser has second thoughts; what it said before still waits
    after, commands = cut_reply(_reopened(now, event.at, policy))
    if commands and now.quiet_since is not None:
        # Words without a voice: the reply drowned it. The silence counts from here, not from before
        # the reply, and is waited for as if they went on: they may be the first half of a word.
        after = replace(after, quiet_since=event.at, probability=0.0)
    if event.final:
        words = (*after.words, text) if text else after.words
        after = replace(after, words=words, murmur="", asked=False, owed=False)
    else:
        after = replace(after, murmur=text)
    after, prepared = _prepare(replace(after, deadline=turn_end(after, event.at, policy)), policy)
    return after, (*commands, *prepared)


def _answer_asked(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    if not now.said():
        return answer_now(now, at, policy)
    return _take_turn(replace(now, wanted=True), at, policy)


def _takes_floor(now: Conversation, text: str, policy: TurnPolicy) -> bool:
    """Before anything of the answer was heard, any word goes on with the question."""
    return bool(text) if now.phase is Phase.THINKING else policy.interrupts(text)


def _sounded(
    now: Conversation, event: CallerVoiced | CallerQuiet | EndOfTurnProbability, policy: TurnPolicy
) -> Step:
    if isinstance(event, EndOfTurnProbability):
        return _sound_judged(now, event, policy), ()
    now = replace(now, probability=None)
    listens = now.phase is Phase.LISTENING
    return (_caller_sounded if listens else caller_sounded)(now, event, policy)


def _caller_sounded(
    now: Conversation, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    if isinstance(event, CallerVoiced):
        after, commands = drop_held(now)
        after = replace(after, voiced_since=event.at, quiet_since=None, asked=False, taken="")
        return replace(after, deadline=turn_end(after, event.at, policy)), commands
    after = replace(now, voiced_since=None, quiet_since=event.since)
    return _prepare(replace(after, deadline=turn_end(after, event.at, policy)), policy)


def _sound_judged(
    now: Conversation, event: EndOfTurnProbability, policy: TurnPolicy
) -> Conversation:
    """How the turn sounds brings its end closer, or puts it off."""
    if now.quiet_since is None:
        return now  # it went on meanwhile
    after = replace(now, probability=event.probability)
    if after.phase is not Phase.LISTENING or not after.said():
        return after
    return replace(after, deadline=turn_end(after, event.at, policy))


def _prepare(now: Conversation, policy: TurnPolicy) -> Step:
    """Have the answer made ahead, if the caller is silent and the words seem to be all."""
    text = now.question()
    if now.held and plain(text) == plain(now.guess):
        return now, ()
    after, dropped = drop_held(now)
    ready = after.deadline is not None and after.quiet_since is not None and after.manner.answers
    if not ready or policy.sounds_open(text) or after.guessed >= policy.guesses:
        return after, dropped
    number = after.reply + 1
    history = remembered(with_question(now.history, text), policy.memory_messages)
    after = replace(
        after, reply=number, held=number, guess=text, guessed=after.guessed + 1, held_speaks=False
    )
    return after, (*dropped, PrepareReply(number, history))


def _held_went_on(
    now: Conversation, event: ReplyAudioStarted | ReplyHeard | ReplyEnded
) -> Conversation:
    match event:
        case ReplyAudioStarted(reply=now.held):
            return replace(now, held_speaks=True)
        case ReplyEnded(reply=now.held):
            return replace(now, held=0, guess="")  # it failed; the turn will be answered anew
        case _:
            return now


def _silence_fell(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """The caller has been silent long enough: have the last words made final, or answer."""
    if now.wanted:
        return _answer_asked(now, at, policy)
    listens = now.voiced_since is not None or now.quiet_since is not None
    if now.murmur and not now.asked and listens:
        return replace(now, asked=True, deadline=at + policy.final_wait_s), (AskFinal(),)
    return _take_turn(now, at, policy)


def _is_late(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> bool:
    """Whether these are still words of the question under way: the caller made no sound since."""
    if not now.taken or now.quiet_since is None or event.at - now.turn_at >= policy.late_s:
        return False
    words, taken = plain(event.text), plain(now.taken)
    return event.final or words.startswith(taken) or taken.startswith(words)


def _correct(now: Conversation, text: str, at: float, policy: TurnPolicy) -> Step:
    """The final words of a question that was taken before they came."""
    if plain(text) == plain(now.taken):
        return replace(now, taken=""), ()
    question = now.history[-1].text.removesuffix(now.taken).strip()
    after, cut = cut_reply(replace(now, heard=""))
    words = (question, text) if question else (text,)
    history = (*now.history[:-1], *now.noted)
    after, asked = _take_turn(replace(after, history=history, words=words), at, policy)
    return after, (*cut, *asked)


def _take_turn(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """The caller's turn is over: answer it, with what was prepared if it fits."""
    question = now.question()
    # What a program asks for, it may want made in another way than what was prepared.
    fits = bool(now.held) and not now.wanted and plain(question) == plain(now.guess)
    number = now.held if fits else now.reply + 1
    history = with_question(now.history, question, question_name(number))
    history = remembered(history, policy.memory_messages)
    if not (now.manner.answers or now.wanted or now.finished):
        after = replace(now, history=history, words=(), murmur="", asked=False, deadline=None)
        return after, (KeepTurn(number),)
    after = Conversation(
        Phase.SPEAKING if fits and now.held_speaks else Phase.THINKING,
        history,
        number,
        taken=now.murmur,
        turn_at=at,
        voiced_since=now.voiced_since,
        quiet_since=now.quiet_since,
        probability=now.probability,
        closing=now.closing,
        finished=now.finished,
        manner=now.manner,
    )
    if not fits:
        _, dropped = drop_held(now)
        return after, (*dropped, StartReply(after.reply, history, asked=now.wanted))
    speaks = (AnnounceReply(after.reply),) if now.held_speaks else ()
    return after, (ReleaseReply(after.reply), *speaks)


def _finish(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    after, resumed = resume(replace(now, closing=True, finished=True))
    if after.phase is not Phase.LISTENING:
        return after, resumed  # the call ends with the reply
    if after.said():
        return _take_turn(after, at, policy)
    return after, (EndCall(),)


def _reopened(now: Conversation, at: float, policy: TurnPolicy) -> Conversation:
    """Where the caller only went on, nothing was answered yet, whatever was heard of it."""
    began = at if now.voiced_since is None else now.voiced_since
    return replace(now, heard="") if began - now.turn_at < policy.reopen_s else now
