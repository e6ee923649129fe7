"""The conversation: who has the floor, and what happens next.

The package is pure: it has no I/O, no clock, no tasks and no logging. Every event carries the time
it happened at. The only timer is the state's `wake_at`: the driver sends `TimerFired` at that time.
The conversation returns its decisions as commands, and the driver carries them out in order.

    caller   "what is" … "the weather"      |                    | "wait"
    events   CallerSpoke (interims, final)  | TimerFired         | CallerSpoke
    floor    Listening ────────────────────▶ Replying ──────────▶ Listening
    commands                                  StartReply           CancelReply, Interrupted

When voice activity ends, the answer is prepared at once as a draft that the caller does not hear.
The draft is released when the turn is over, if the transcript has stayed the same.

    voice    ▅▇▅▂▁▁▁▁▁▁▁▁▁▁▁▁
    events       CallerQuiet |  TimerFired | CallerSpoke (final)
    commands     PrepareReply   AskFinal     ReleaseReply

While the recogniser is behind, its words are only the beginning of what the caller said. No turn is
taken on them; if the rest does not come, the caller is asked to say it again.

    voice    ▅▇▅▇▅▇▅▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    words        "what is"   | "what is the weather"
    events   RecognitionBehind  RecognitionCaughtUp
    commands           AskFinal                     ReleaseReply

Voice activity during a reply pauses it; the transcript decides whether the reply is cut off.

`state` has a type for each holder of the floor, with the fields that only this holder has.
`listening` and `replying` hold the rules of each, and neither imports the other. `unasked` makes
the replies that no turn asked for (greeting, idle prompt, goodbye), `requests` follows the caller's
program, and `history` keeps the messages. `policy` has the numbers of turn-taking; `end_of_turn`
makes one probability of all that speaks for the end of a turn. `step` hands each event to the
holder of the floor, and passes the floor on. `events` are the inputs of a step, `commands` its
outputs.
"""

from voice_gateway.conversation.commands import (
    AnnounceReply,
    AskFinal,
    CancelReply,
    Command,
    DropReason,
    DropRequest,
    DropWords,
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
    RecognitionBehind,
    RecognitionCaughtUp,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
    TimerFired,
)
from voice_gateway.conversation.history import Message, ToolCall, asked_again
from voice_gateway.conversation.replying import left_over
from voice_gateway.conversation.state import (
    Asked,
    Behind,
    Conversation,
    Doubted,
    Draft,
    Finals,
    Idle,
    Late,
    Line,
    Listening,
    Pause,
    Quiet,
    Replying,
    Silence,
    Step,
    Unchanged,
    Voiced,
    taken_back,
)
from voice_gateway.conversation.step import step

__all__ = [
    "AnnounceReply",
    "AskFinal",
    "Asked",
    "Behind",
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
    "Doubted",
    "Draft",
    "DropReason",
    "DropRequest",
    "DropWords",
    "EndCall",
    "EndOfTurnProbability",
    "EndTurn",
    "Event",
    "Finals",
    "HeardAmended",
    "Idle",
    "Interrupted",
    "KeepTurn",
    "Late",
    "Line",
    "Listening",
    "Message",
    "Pause",
    "PauseReply",
    "PrepareReply",
    "Quiet",
    "RecognitionBehind",
    "RecognitionCaughtUp",
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
    "Unchanged",
    "Voiced",
    "asked_again",
    "left_over",
    "step",
    "taken_back",
]
