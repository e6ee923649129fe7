"""Makes records of calls by hand, to break one rule each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from voice_gateway import conversation as c
from voice_gateway.audio import pcm
from voice_gateway.conversation import Message
from voice_gateway.latency import TurnStages
from voice_gateway.messages import Listening, ReplyAudio, ToCaller

from voice_sim.call_record import Ended, Entry, Over, Received, Record, Sent, Step
from voice_sim.marked_words import GOODBYE, GREETING, PROMPT, canned, clause_audio, reply_word
from voice_sim.script import OPTIONS, Answers, Call, Script

CALL = Call(ends_at=5.0)
WORDS = [reply_word(1, n) for n in (1, 2, 3)]
SPOKEN = " ".join(WORDS)
STAGES = TurnStages(None, None, None, None, None)
HELLO, ASKED, BYE = (canned(each, 2) for each in (GREETING, PROMPT, GOODBYE))
HEARD = (Message("user", "u1"), Message("assistant", SPOKEN), Message("user", "u2"))
BY_HAND = c.CallerChose(
    0.0, by_hand=True, answers=False, interruptible=False, silence_s=None, patience=1.0
)


def script(*, call: Call = CALL, **policy: Any) -> Script:
    options = replace(OPTIONS, policy=replace(OPTIONS.policy, **policy))
    return Script(replace(call, options=options), answers=(Answers(words=3),))


def went(
    *entries: Entry,
    of: Script | None = None,
    error: Exception | None = None,
    ends_at: float = 30.0,
) -> Record:
    """A record of these entries in a call that ends at `ends_at`."""
    last = [Over(ends_at), Ended(ends_at, error)]
    return Record(of or script(), [Sent(0.0, Listening()), *entries, *last])


def decided(*steps: Step, of: Script | None = None, ends_at: float = 30.0) -> Record:
    return went(*steps, of=of, ends_at=ends_at)


def step(event: c.Event, *commands: c.Command) -> Step:
    return Step(event.at, event, commands)


def fired(at: float, *commands: c.Command) -> Step:
    return step(c.TimerFired(at), *commands)


def said(at: float, text: str, *commands: c.Command, final: bool = True) -> Step:
    return step(c.CallerSpoke(at, text, final), *commands)


def starts(reply: int, *words: str, asked: bool = False) -> c.StartReply:
    return c.StartReply(reply, tuple(Message("user", each) for each in words), request=int(asked))


def sent(*messages: ToCaller, until: float = 1.0) -> Record:
    """A record of messages sent one after the other, 0.1 s apart."""
    entries: Sequence[Entry] = [Sent(n / 10, message) for n, message in enumerate(messages)]
    return Record(script(), [*entries, Received(until, None), Ended(until + 1, None)])


def audio(seconds: float, clause: int = 1) -> bytes:
    return clause_audio(clause, len(pcm.silence(seconds, CALL.rate_hz)))


def piece(offset_s: float, reply: int = 1) -> ReplyAudio:
    return ReplyAudio(reply, offset_s, audio(0.1))
