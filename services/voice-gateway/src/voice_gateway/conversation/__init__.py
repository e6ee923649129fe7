"""The conversation: who has the floor, and what happens next.

Pure: no I/O, no clock, no tasks, no logging. Every event carries the time it happened at; the only
timer is `wake_at` of the state, which whoever drives the conversation honours with `TimerFired`.
What the conversation decides comes back as commands, to be carried out in order.

    caller   "what is" … "the weather"      |                    | "wait"
    events   CallerSpoke (interims, final)  | TimerFired         | CallerSpoke
    floor    Listening ────────────────────▶ Replying ──────────▶ Listening
    commands                                  StartReply           CancelReply, Interrupted

Where the caller's voice is known to have fallen silent, the answer is prepared at once, out of
the caller's hearing, as a draft; it is released when the turn is over and the words have stayed
the same.

    voice    ▅▇▅▂▁▁▁▁▁▁▁▁▁▁▁▁
    events       CallerQuiet |  TimerFired | CallerSpoke (final)
    commands     PrepareReply   AskFinal     ReleaseReply

A voice during a reply makes it pause; its words decide whether the reply is cut off or goes on.

`state` has a type for each holder of the floor, with what only that one can have; `listening` and
`replying` have the rules of each, and know nothing of each other. `unasked` is what the gateway
says of its own accord, `requests` what a caller's program asks for, `history` what was said. `step`
hands each event to its owner, and the floor from one holder to the other. `events` and `commands`
are the words that all of it is written in.
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
    PauseReply,
    PrepareReply,
    ReleaseReply,
    ResumeReply,
    Say,
    StartReply,
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
from voice_gateway.conversation.history import Message, ToolCall
from voice_gateway.conversation.replying import left_over
from voice_gateway.conversation.state import (
    Asked,
    Conversation,
    Draft,
    Finals,
    Idle,
    Line,
    Listening,
    Pause,
    Quiet,
    Replying,
    Silence,
    Step,
    Voiced,
)
from voice_gateway.conversation.step import step

__all__ = [
    "AnnounceReply",
    "AskFinal",
    "Asked",
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
    "Draft",
    "EndCall",
    "EndOfTurnProbability",
    "EndTurn",
    "Event",
    "Finals",
    "HeardAmended",
    "Idle",
    "Interrupted",
    "KeepTurn",
    "Line",
    "Listening",
    "Message",
    "Pause",
    "PauseReply",
    "PrepareReply",
    "Quiet",
    "ReleaseReply",
    "ReplyAudioStarted",
    "ReplyEnded",
    "ReplyHeard",
    "Replying",
    "ResumeReply",
    "Say",
    "Silence",
    "StartReply",
    "Step",
    "TimerFired",
    "ToolCall",
    "Voiced",
    "left_over",
    "step",
]
