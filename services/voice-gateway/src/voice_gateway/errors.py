"""The errors of the gateway, by their cause.

VoiceGatewayError
├── ServiceError           an upstream failed: `stage` names it, `retryable` allows a retry
│   ├── Unavailable        it cannot be reached, or the connection broke
│   ├── TimedOut           it accepted the request and did not answer
│   ├── Rejected           it does not serve what the caller asked for (a language, a voice)
│   ├── Misconfigured      it does not serve the gateway: a wrong key, model or address
│   └── Empty              it answered with nothing
└── CallError              the call ends; the transport sends it as a status
    ├── BadMessage         the caller sent a message that is not allowed
    ├── CallerSilent       the caller sent nothing for too long
    ├── CallerSlow         the caller does not read its messages
    ├── CallerGone         the caller's connection ended without a hang-up
    ├── CallerElsewhere    the caller goes on with the call over a newer connection
    ├── GatewayFull        no room for another call
    ├── CallLost           caller audio was lost, or the gateway stops
    └── CallBroke          a bug of the gateway ended the call
"""

import re
from typing import ClassVar, Literal

Stage = Literal["asr", "llm", "tts", "memory", "gateway"]

_WHO: dict[Stage, str] = {
    "asr": "Speech recognition",
    "llm": "The language model",
    "tts": "The voice",
    "memory": "The memory of earlier calls",
    "gateway": "The gateway",
}
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]+@")


class VoiceGatewayError(Exception):
    """The base class of the gateway's errors."""


class ServiceError(VoiceGatewayError):
    """`text` may quote the upstream, and is for the log; `sentence` is for clients."""

    code: ClassVar[str]
    retryable: ClassVar[bool]
    what: ClassVar[str]
    """What happened to the stage, for the clients' sentence."""

    def __init__(self, stage: Stage, text: str, sentence: str = "") -> None:
        """`sentence` is given where the stage and the code do not tell a client enough."""
        text = without_credentials(text)
        super().__init__(text)
        self.stage: Stage = stage
        self.text = text
        self.sentence = sentence or f"{_WHO[stage]} {self.what}."


class Unavailable(ServiceError):
    code = "unavailable"
    retryable = True
    what = "is not available just now"


class TimedOut(ServiceError):
    code = "timed_out"
    retryable = True
    what = "did not answer in time"


class Rejected(ServiceError):
    code = "rejected"
    retryable = False
    what = "does not serve what was asked for"


class Misconfigured(ServiceError):
    code = "misconfigured"
    retryable = False
    what = "refuses the gateway, whose log says why"


class Empty(ServiceError):
    code = "empty"
    retryable = True
    what = "answered with nothing"


class CallError(VoiceGatewayError):
    """Ends one call; the text is meant for the caller."""


class BadMessage(CallError):
    pass


class CallerSilent(CallError):
    pass


class CallerSlow(CallError):
    pass


class CallerGone(CallError):
    pass


class CallerElsewhere(CallError):
    pass


class GatewayFull(CallError):
    pass


class CallLost(CallError):
    pass


class CallBroke(CallError):
    pass


def without_credentials(text: str) -> str:
    """The text without the user names and passwords of its URLs."""
    return _CREDENTIALS.sub("", text)
