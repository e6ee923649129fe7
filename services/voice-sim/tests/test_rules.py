"""Every rule catches what it is for: each is fed a record in which it is broken."""

from dataclasses import replace

import pytest
from voice_gateway import conversation as c
from voice_gateway.conversation import Message
from voice_gateway.errors import CallerSilent, CallLost, Unavailable
from voice_gateway.messages import (
    Answer,
    CutOff,
    Failed,
    Forget,
    Goodbye,
    Listening,
    Paused,
    Processing,
    ReplyAudio,
    ReplyText,
    Speaking,
    Transcript,
    TurnOver,
    Typed,
)
from voice_sim.call_record import (
    Asked,
    Left,
    Noticed,
    Received,
    Record,
    Said,
    Sent,
    Spoke,
    Transcribed,
)
from voice_sim.handwritten_records import (
    ASKED,
    BY_HAND,
    BYE,
    HEARD,
    HELLO,
    SPOKEN,
    STAGES,
    WORDS,
    audio,
    decided,
    fired,
    piece,
    said,
    script,
    sent,
    starts,
    step,
    went,
)
from voice_sim.marked_words import APOLOGY, APOLOGY_CLAUSE, PROMPT, canned
from voice_sim.rules import (
    apologies,
    call_end,
    caller_words,
    dead_air,
    histories,
    intake,
    messages_sent,
    outcome,
    program_requests,
    reply_order,
    silence,
    speech,
)
from voice_sim.rules.invariants import RULES, Rule
from voice_sim.script import Call

GREETS = script(greeting=HELLO, greeting_interruptible=False)
ASKS = script(idle_prompt_s=2.0, idle_end_s=1.0, idle_prompt=ASKED, goodbye=BYE)
LISTENS = script(call=Call(activity=True))
JOINED = step(c.CallerJoined(0.0))
Broken = tuple[Rule, str, Record]

INTAKE: list[Broken] = [
    (intake.what_the_caller_sends, "sent Typed, and the conversation was not told", went(
        JOINED, Received(1.0, Typed("t1")))),
    (intake.what_the_caller_sends, "sent Forget, and the conversation was not told", went(
        JOINED, Received(1.0, Forget()), Received(1.0, Answer()),
        step(c.CallerAsked(1.0)))),
    (intake.what_is_noticed, "was noticed, and the conversation told None", went(
        JOINED, Noticed(1.0, True))),
    (intake.what_is_recognised, "'u1' was recognised, and not told", went(
        JOINED, Transcribed(1.0, Transcript("u1", final=True)))),
    (intake.what_is_recognised, "'u1 u2' was recognised, and not told as it was", went(
        JOINED, Transcribed(1.0, Transcript("u1 u2", final=True)), said(1.0, "u1"))),
    (intake.what_is_recognised, "'u1' was recognised, and not told", went(  # under a voice
        JOINED, Sent(0.5, piece(0.0)), Noticed(0.9, True),
        Transcribed(1.0, Transcript("u1", final=True)), of=LISTENS)),
    (intake.what_is_recognised, "'u9' was told, and nothing like it recognised", went(
        JOINED, said(1.0, "u9"))),
]  # fmt: skip

FAILED = Failed(Unavailable("llm", "down"), 1)
SORRY = ReplyAudio(1, 0.0, audio(1.0, APOLOGY_CLAUSE))
FAILURES: list[Broken] = [
    (apologies.a_failure_is_heard_of, "after 0 samples of an apology, where 24000 were due", sent(
        Processing(1), FAILED, TurnOver(1, STAGES))),
    (apologies.a_failure_is_heard_of, "after 32000 samples of an apology, where 24000", sent(
        Processing(1), FAILED, SORRY, SORRY, TurnOver(1, STAGES))),
    (apologies.a_failure_is_heard_of, "reply 1 apologised more than once", sent(
        Processing(1), FAILED, SORRY, SORRY, CutOff(1, 0.5, ""))),
    (apologies.a_failure_is_heard_of, "reply 1 apologised without a failure", sent(
        Processing(1), SORRY)),
    (apologies.a_failure_is_heard_of, "reply 1 apologised before it was said to fail", sent(
        Processing(1), ReplyText(1, "Sorry.", apology=True), FAILED)),
    (apologies.it_is_no_answer, "answer 1 was asked for with an apology", went(
        Asked(1.0, 1, (Message("assistant", f"{SPOKEN} {canned(APOLOGY, 2)}"),)))),
]  # fmt: skip

ORDER: list[Broken] = [
    (reply_order.one_reply_at_a_time, "reply 2 began while reply 1 lived", decided(
        fired(1.0, starts(1, "u1")), fired(2.0, starts(2, "u1")))),
    (reply_order.one_reply_at_a_time, "draft 1 was neither used nor dropped", decided(
        fired(1.0, c.PrepareReply(1, ())), fired(2.0, starts(2, "u1")))),
    (reply_order.one_reply_at_a_time, "reply 1 came after reply 1", decided(
        fired(1.0, starts(1, "u1"), c.EndTurn(1)), fired(2.0, starts(1, "u1")))),
    (reply_order.one_reply_at_a_time, "reply 1 was released, which was no draft", decided(
        fired(1.0, c.ReleaseReply(1)))),
    (reply_order.one_reply_at_a_time, "reply 1 was cancelled, which was not live", decided(
        fired(1.0, c.CancelReply(1)))),
    (reply_order.one_reply_at_a_time, "of reply 1, which was not live", decided(
        fired(1.0, c.EndTurn(1)))),
    (reply_order.one_reply_at_a_time, "reply 1 paused twice", decided(
        fired(1.0, starts(1, "u1"), c.PauseReply(1), c.PauseReply(1)))),
    (reply_order.one_reply_at_a_time, "reply 1 ended in its pause", decided(
        fired(1.0, starts(1, "u1"), c.PauseReply(1), c.EndTurn(1)))),
    (reply_order.a_pause_ends, "reply 1 was still paused at 9.00", decided(
        fired(1.0, starts(1, "u1")), step(c.CallerVoiced(2.0), c.PauseReply(1)),
        step(c.CallerForgot(9.0)))),
    (reply_order.a_pause_ends, "reply 1 was still paused when the call was over", decided(
        fired(1.0, starts(1, "u1")), step(c.CallerVoiced(2.0), c.PauseReply(1)))),
]  # fmt: skip

MEMORY: list[Broken] = [
    (caller_words.the_callers_words, "at 1.00 was still waiting at 30.00: u1 u2", decided(
        said(1.0, "u1 u2"))),
    (caller_words.the_callers_words, "at 1.00 was still waiting at 30.00: u3", decided(
        said(1.0, "u3", final=False))),
    (caller_words.the_callers_words, "not in the question at 1.00: t1", decided(
        step(c.CallerTyped(1.0, "t1"), starts(1, "u1")))),
    (caller_words.the_callers_words, "not in the question at 2.00: u2", decided(  # not in order
        said(1.0, "u1"), said(1.0, "u2"), fired(2.0, starts(1, "u2 u1")))),
    (caller_words.the_callers_words, "was never answered; the call was over at 2.00: u1", decided(
        said(1.0, "u1"), step(c.CallerFinished(2.0), c.EndCall()))),
    (caller_words.the_callers_words, "what was to be forgotten was answered: u1", decided(
        said(1.0, "u1"), step(c.CallerForgot(1.5)), fired(2.0, starts(1, "u1")))),
    (caller_words.nothing_is_forgotten, "what was said before is forgotten: u1", decided(
        fired(1.0, starts(1, "u1")), fired(2.0, starts(2, "u2")))),
    (caller_words.nothing_is_forgotten, "what was said before is forgotten: n1", decided(
        step(c.CallerNoted(1.0, Message("user", "n1"))), fired(2.0, starts(1, "u1")))),
    (caller_words.nothing_is_forgotten, "is remembered in another order", decided(
        fired(1.0, starts(1, "u1 u2")), fired(2.0, starts(2, "u2 u1")))),
    (caller_words.nothing_is_forgotten, "is remembered in another order", decided(
        fired(1.0, starts(1, "u1")), step(c.CallerNoted(1.5, Message("user", "n1"))),
        fired(1.6, c.EndTurn(1)), fired(2.0, starts(2, "n1 u1")))),
    (caller_words.nothing_is_forgotten, "what was withdrawn is remembered: n1", decided(
        step(c.CallerNoted(1.0, Message("user", "n1", name="a"))),
        step(c.CallerWithdrew(1.5, "a")), fired(2.0, starts(1, "n1 u1")))),
    (histories.the_history, "does not take turns", decided(fired(1.0, starts(1, "a", "b")))),
    (histories.the_history, "begin and end with a question", decided(
        fired(1.0, c.StartReply(1, HEARD[1:])))),
    (histories.the_history, "an empty message", decided(fired(1.0, starts(1, " ")))),
    (histories.the_history, "allowed: 40", decided(
        fired(1.0, c.PrepareReply(1, 21 * HEARD[:2] + HEARD[:1])))),
]  # fmt: skip

REQUESTS: list[Broken] = [
    (program_requests.turns_as_asked_for, "StartReply, though answers wait", decided(
        step(BY_HAND), said(1.0, "u1"), fired(2.0, starts(1, "u1")))),
    (program_requests.turns_as_asked_for, "PrepareReply, though answers wait", decided(
        step(BY_HAND), fired(2.0, c.PrepareReply(1, ())))),
    (program_requests.turns_as_asked_for, "a silence ended a turn, which the program ends", decided(
        step(BY_HAND), said(1.0, "u1"), fired(2.0, c.KeepTurn(1)))),
    (program_requests.turns_as_asked_for, "reply 1 was cut off, which cannot be", decided(
        step(BY_HAND), fired(1.0, starts(1, "u1", asked=True)),
        said(2.0, "u2", c.CancelReply(1), c.Interrupted(1, "")))),
    (program_requests.an_answer_comes, "asked for at 1.00 never came", decided(
        said(0.5, "u1", final=False), step(c.CallerAsked(1.0)))),
    (program_requests.an_answer_comes, "asked for at 1.00 never came", decided(
        step(c.CallerAsked(1.0)), fired(9.0, starts(1, "u1", asked=True)))),
    (outcome.what_is_asked, "with 'Be brief.', not 'Be long.'", went(
        Received(1.0, Answer(replace(Call().config, system_prompt="Be long."))),
        step(c.CallerAsked(1.0), starts(1, "u1", asked=True)),
        Asked(1.0, 1, starts(1, "u1").history, "Be brief."))),
]  # fmt: skip

SILENCE: list[Broken] = [
    (silence.the_greeting, "was opened at 0.00 with []", decided(JOINED, of=GREETS)),
    (silence.the_greeting, "the greeting was said again", decided(
        step(c.CallerJoined(0.0), c.Say(1, HELLO)), fired(3.0, c.Say(2, HELLO)), of=GREETS)),
    (silence.the_greeting, "Interrupted of a greeting that nobody interrupts", decided(
        step(c.CallerJoined(0.0), c.Say(1, HELLO)),
        said(1.0, "u1", c.CancelReply(1), c.Interrupted(1, "")), of=GREETS)),
    (silence.the_greeting, "PauseReply of a greeting that nobody interrupts", decided(
        step(c.CallerJoined(0.0), c.Say(1, HELLO)),
        step(c.CallerVoiced(1.0), c.PauseReply(1)), of=GREETS)),
    (silence.the_silence, "was said while the caller spoke", decided(
        step(c.CallerVoiced(0.0)), fired(2.0, c.Say(1, ASKED)), of=ASKS)),
    (silence.the_silence, "the idle prompt was said after 1.50 s of silence; its wait: 2", decided(
        step(c.CallerTyped(0.5, "t1")), fired(2.0, c.Say(1, ASKED)), of=ASKS)),
    (silence.the_silence, "the idle prompt was said after 0.50 s of silence; its wait: 2", decided(
        said(1.5, "u1"), fired(2.0, c.Say(1, ASKED)), of=ASKS)),
    (silence.the_silence, "the caller was asked again", decided(
        fired(2.0, c.Say(1, ASKED)), fired(2.5, c.EndTurn(1)), fired(4.5, c.Say(2, ASKED)),
        of=ASKS)),
    (silence.the_silence, "the goodbye was said to a caller whom nobody had asked", decided(
        fired(2.0, c.Say(1, BYE)), of=ASKS)),
    (silence.the_silence, "from 0.00 to 20.00 nobody said anything", decided(
        JOINED, of=ASKS, ends_at=20.0)),
    (silence.the_polite_end, "the goodbye was over at 2.00, and the call at 4.00", decided(
        fired(1.0, c.Say(1, BYE)), fired(2.0, c.EndTurn(1), c.EndCall()), of=ASKS, ends_at=4.0)),
    (silence.the_polite_end, "the goodbye was said at 2.00, and the call ended with", went(
        fired(1.0, c.Say(1, BYE)), fired(2.0, c.EndTurn(1), c.EndCall()), of=ASKS, ends_at=2.0,
        error=CallerSilent("nothing"))),
    (silence.the_polite_end, "the gateway hung up without a goodbye", decided(
        fired(1.0, c.EndCall()), of=ASKS)),
]  # fmt: skip

OUTCOME: list[Broken] = [
    (outcome.what_was_decided, "Processing 1 was decided, and the caller told nothing", decided(
        fired(1.0, starts(1, "u1")))),
    (outcome.what_was_decided, "nothing was decided, and the caller told Processing 1", went(
        Sent(1.0, Processing(1)))),
    (outcome.what_was_decided, "CutOff 1 was decided, and the caller told TurnOver 1", went(
        fired(1.0, starts(1, "u1")), Sent(1.0, Processing(1)),
        said(2.0, "u2", c.CancelReply(1), c.Interrupted(1, "")), Sent(2.0, TurnOver(1, STAGES)))),
    (outcome.what_was_decided, "nothing was decided, and the caller told Paused 1", went(
        fired(1.0, starts(1, "u1")), Sent(1.0, Processing(1)),
        step(c.CallerVoiced(2.0), c.PauseReply(1)), Sent(2.0, Paused(1)))),
    (outcome.what_was_decided, "nothing was decided, and the caller told Goodbye", went(
        step(c.CallerFinished(1.0), c.EndCall()), Sent(1.0, Goodbye()))),
    (outcome.what_the_caller_said, "('u1', True), and was shown None", decided(said(1.0, "u1"))),
    (outcome.what_is_asked, "answer 1 was asked for, and no reply was under way", went(
        Asked(1.0, 1, HEARD))),
    (outcome.what_is_asked, "answer 1 was asked for, and no reply was under way", went(
        fired(1.0, c.StartReply(1, HEARD)), fired(2.0, c.EndTurn(1)),
        Asked(3.0, 1, HEARD, "Be brief."))),
    (outcome.what_is_asked, "answer 1 was asked for with another history than decided", went(
        fired(1.0, starts(1, "u1")), Asked(1.0, 1, HEARD, "Be brief."))),
    (outcome.nothing_before_its_release, "something of reply 1 came before it was released", went(
        fired(1.0, c.PrepareReply(1, ())), Sent(1.2, piece(0.0)))),
    (outcome.nothing_before_its_release, "something of reply 1 came, which was cut off", went(
        fired(1.0, starts(1, "u1")), said(1.1, "u2", c.CancelReply(1), c.Interrupted(1, "")),
        Sent(1.2, ReplyText(1, "so")))),
    (outcome.nothing_before_its_release, "audio of reply 1 came in its pause", went(
        fired(1.0, starts(1, "u1"), c.AnnounceReply(1)),
        step(c.CallerVoiced(1.1), c.PauseReply(1)), Sent(1.2, piece(0.0)))),
]  # fmt: skip

WIRE: list[Broken] = [
    (messages_sent.the_order, "text of reply 1 came while it was not live", sent(
        Listening(), Processing(1), TurnOver(1, STAGES), ReplyText(1, "so"))),
    (messages_sent.the_order, "audio of reply 1 came while it was not live", sent(
        Listening(), Processing(1), Speaking(1), CutOff(1, 0.0, ""), piece(0.0))),
    (messages_sent.the_order, "came before SPEAKING", sent(Listening(), Processing(1), piece(0.0))),
    (messages_sent.the_order, "goes on at 0.2000 s", sent(
        Listening(), Processing(1), Speaking(1), piece(0.0), piece(0.2))),
    (messages_sent.the_order, "not whole samples", sent(
        Listening(), Processing(1), Speaking(1), ReplyAudio(1, 0.0, b"abc"))),
    (messages_sent.the_order, "3.000 s were heard", sent(
        Listening(), Processing(1), Speaking(1), piece(0.0), CutOff(1, 3.0, "all"))),
    (messages_sent.the_order, "failed inside the gateway", sent(
        Listening(), Processing(1), Failed(Unavailable("gateway", "broke"), 1))),
    (messages_sent.the_order, "Processing came first", sent(Processing(1))),
    (messages_sent.the_order, "Listening came again", sent(Listening(), Listening())),
    (messages_sent.the_pace, "ahead of the loudspeaker", sent(
        Listening(), Processing(1), *(ReplyAudio(1, n * 0.4, audio(0.4)) for n in range(4)))),
    (speech.what_was_heard, "no beginning of what it said in answer 90002", went(
        Sent(1.0, ReplyText(1, ASKED)), Said(1.0, 1, ASKED, 3200), Sent(1.1, piece(0.0)),
        fired(2.0, c.StartReply(1, (Message("assistant", ASKED + canned(PROMPT, 3)),))),
        of=ASKS)),
    (speech.what_was_heard, "was not sent as audio", went(
        Said(1.0, 1, SPOKEN, 9600), Sent(1.1, piece(0.0)), fired(2.0, c.StartReply(2, HEARD)))),
    (speech.what_was_heard, "no beginning of what it said", went(
        Said(1.0, 1, WORDS[0], 1600), Sent(1.1, piece(0.0)), Spoke(1.2, 1, 1600, True),
        fired(2.0, c.PrepareReply(2, HEARD)))),
    (speech.what_was_heard, "sounds of nothing the voice said", went(Sent(1.1, piece(0.0)))),
    (speech.whole_replies, "not all of its text was shown", went(
        Sent(1.0, ReplyText(1, WORDS[0])), Sent(2.0, TurnOver(1, STAGES)))),
    (speech.whole_replies, "not all of it was spoken", went(
        Said(1.0, 1, WORDS[0], 1600), Sent(1.0, ReplyText(1, SPOKEN)),
        Sent(2.0, TurnOver(1, STAGES)))),
    (speech.whole_replies, "0 samples were sent, 1600 made", went(
        Said(1.0, 1, SPOKEN, 1600), Spoke(1.0, 1, 1600, True), Sent(1.0, ReplyText(1, SPOKEN)),
        Sent(2.0, TurnOver(1, STAGES)))),
]  # fmt: skip

END: list[Broken] = [
    (call_end.true_reasons, "the call broke: KeyError", went(error=KeyError("x"))),
    (call_end.true_reasons, "CallerSilent", went(error=CallerSilent("nothing"))),
    (call_end.true_reasons, "CallLost", went(error=CallLost("speech was lost"))),
    (call_end.the_end_comes, "after the caller hung up", went(ends_at=500.0)),
    (call_end.the_end_comes, "its longest is 600 s", went(ends_at=700.0)),
    (call_end.the_end_comes, "after the caller vanished", went(Left(3.0, "vanished"))),
    (call_end.the_end_comes, "after the caller's last message", went(
        Received(1.0, Typed("t1")), ends_at=90.0)),
]  # fmt: skip

DEAD_AIR: list[Broken] = [
    (dead_air.no_dead_air, "what was heard at 1.00 was answered by nothing until 30.00", decided(
        JOINED, said(1.0, "u1"))),
    (dead_air.no_dead_air, "what was heard at 1.50 was answered by nothing", decided(
        JOINED, said(1.0, "u1", final=False), step(c.CallerVoiced(1.5)), *(
            each for at in range(2, 40)
            for each in (said(float(at), "u1", final=False), step(c.CallerVoiced(at + 0.5)))),
        ends_at=60.0)),
    (dead_air.no_dead_air, "a voice of 1.00 could not be recognised, and nobody asked", decided(
        JOINED, step(c.RecognitionBehind(0.5, broken=True)), step(c.CallerVoiced(1.0)),
        step(c.CallerQuiet(2.0, 2.0)))),
    (dead_air.only_words_cut_a_reply_off, "at 4.00 TimerFired cut off a reply", decided(
        JOINED, said(1.0, "u1", starts(1, "u1")), step(c.CallerVoiced(3.0), c.PauseReply(1)),
        fired(4.0, c.CancelReply(1), c.Interrupted(1, "")))),
    (dead_air.small_words, "'Yes.' was dropped, which answers 'Now? Well'", decided(
        JOINED, said(1.0, "u1", starts(1, "u1")), step(c.ReplyHeard(2.0, 1, "Now? Well")),
        said(2.0, "Yes.", c.DropWords("Yes.", "backchannel")))),
    (dead_air.small_words, "what became of 'mm-hm' is not recorded at 5.00", decided(
        JOINED, said(1.0, "u1", starts(1, "u1")), said(2.0, "mm-hm"),
        step(c.ReplyEnded(3.0, 1, "Well."), c.EndTurn(1)), said(5.0, "u2", starts(2, "u2")))),
    (dead_air.small_words, "what became of 'Yes.' is not recorded at 5.00", decided(
        JOINED, said(1.0, "Yes."), step(c.CallerFinished(5.0), c.EndCall()))),
]  # fmt: skip

BROKEN = [
    *INTAKE,
    *FAILURES,
    *ORDER,
    *DEAD_AIR,
    *MEMORY,
    *REQUESTS,
    *SILENCE,
    *OUTCOME,
    *WIRE,
    *END,
]


@pytest.mark.parametrize(("rule", "sentence", "record"), BROKEN, ids=[b[1] for b in BROKEN])
def test_a_broken_record_is_caught(rule: Rule, sentence: str, record: Record):
    assert any(sentence in said for said in rule(record)), list(rule(record))


def test_every_rule_is_shown_to_catch_something():
    shown = {rule for rule, _, _ in BROKEN} | {call_end.nothing_left}
    assert shown == set(RULES)


@pytest.mark.parametrize("left", ["still_open", "tasks", "broken"])
def test_what_a_call_leaves_behind_is_caught(left: str):
    record = went()
    record.entries[-1] = replace(record.end, **{left: ("answer 1",)})
    assert any("answer 1" in said for said in call_end.nothing_left(record))


def test_a_call_that_hangs_is_caught():
    record = went()
    record.entries[-1] = replace(record.end, hung=True)
    assert "the call hung" in list(call_end.the_end_comes(record))
