"""The conversation: who has the floor, and what happens next.

Pure: no I/O, no clock, no tasks, no logging. Every event carries the time it happened at; the only
timer is the `deadline` in the state, which whoever drives the conversation honours with
`TimerFired`. What the conversation decides comes back as commands, to be carried out in order.

    caller   "what is" … "the weather"      |                    | "wait"
    events   CallerSpoke (interims, final)  | TimerFired         | CallerSpoke
    phase    LISTENING ────────────────────▶ THINKING ▶ SPEAKING ─▶ LISTENING
    commands                                  StartReply           CancelReply, Interrupted

Where the caller's voice is known to have fallen silent, the answer is prepared at once, out of
the caller's hearing; it is released when the turn is over and the words have stayed the same.

    voice    ▅▇▅▂▁▁▁▁▁▁▁▁▁▁▁▁
    events       CallerQuiet |  TimerFired | CallerSpoke (final)
    commands     PrepareReply   AskFinal     ReleaseReply

A voice during a reply makes it pause; its words decide whether the reply is cut off or goes on
(`floor`).

`turns` has the rules, `state` what they look at, `events` and `commands` the words they are
written in.
"""

from voice_gateway.conversation.commands import (
    AnnounceReply,
    AskFinal,
    CancelReply,
    Command,
    EndCall,
    EndTurn,
    Interrupted,
    KeepTurn,
    Message,
    PauseReply,
    PrepareReply,
    ReleaseReply,
    ResumeReply,
    Say,
    StartReply,
    ToolCall,
)
from voice_gateway.conversation.events import (
    CallerAsked,
    CallerChose,
    CallerClosed,
    CallerEnded,
    CallerFinished,
    CallerForgot,
    CallerInterrupted,
    CallerJoined,
    CallerNoted,
    CallerQuiet,
    CallerSpoke,
    CallerTyped,
    CallerVoiced,
    CallerWithdrew,
    EndOfTurnProbability,
    Event,
    HeardAmended,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
    TimerFired,
)
from voice_gateway.conversation.state import Conversation, Phase, Step, left_over
from voice_gateway.conversation.turns import step

__all__ = [
    "AnnounceReply",
    "AskFinal",
    "CallerAsked",
    "CallerChose",
    "CallerClosed",
    "CallerEnded",
    "CallerFinished",
    "CallerForgot",
    "CallerInterrupted",
    "CallerJoined",
    "CallerNoted",
    "CallerQuiet",
    "CallerSpoke",
    "CallerTyped",
    "CallerVoiced",
    "CallerWithdrew",
    "CancelReply",
    "Command",
    "Conversation",
    "EndCall",
    "EndOfTurnProbability",
    "EndTurn",
    "Event",
    "HeardAmended",
    "Interrupted",
    "KeepTurn",
    "Message",
    "PauseReply",
    "Phase",
    "PrepareReply",
    "ReleaseReply",
    "ReplyAudioStarted",
    "ReplyEnded",
    "ReplyHeard",
    "ResumeReply",
    "Say",
    "StartReply",
    "Step",
    "TimerFired",
    "ToolCall",
    "left_over",
    "step",
]
