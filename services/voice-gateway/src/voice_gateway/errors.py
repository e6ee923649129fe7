"""The errors of the gateway, by their cause.

VoiceGatewayError
├── ServiceError           an upstream failed: `stage` names it, `retryable` allows a retry
│   ├── Unavailable        it cannot be reached, or the connection broke
│   ├── TimedOut           it accepted the request and did not answer
│   ├── Rejected           it does not serve what the caller asked for (a language, a voice)
│   ├── Misconfigured      it does not serve the gateway: a wrong key, model or address
│   ├── Empty              it answered with nothing
│   └── OverLimit          the gateway takes no more of this from one call just now
└── CallError              the call ends; the transport sends it as a status
    ├── BadMessage         the caller sent a message that is not allowed
    ├── CallerSilent       the caller sent nothing for too long
    ├── CallerSlow         the caller does not read its messages
    ├── CallerGone         the caller's connection ended without a hang-up
    ├── CallerElsewhere    the caller goes on with the call over a newer connection
    ├── GatewayFull        no room for another call
    ├── Unauthenticated    the caller gave no key, or none that is accepted
    ├── NotPermitted       the caller asked for what the operator keeps to itself
    ├── TooManyCalls       no other call of this caller, who has enough or calls too often
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


class OverLimit(ServiceError):
    """A message was not followed, as the caller sends too much; `sentence` names the limit."""

    code = "rate_limited"
    retryable = True
    what = "takes no more just now"

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__("gateway", sentence, sentence)
        self.retry_after_s = retry_after_s


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
    def __init__(self, text: str, retry_after_s: int = 1) -> None:
        """`retry_after_s`: when it is worth to come back."""
        super().__init__(text)
        self.retry_after_s = retry_after_s


class TooManyCalls(GatewayFull):
    pass


class Unauthenticated(CallError):
    """`reason` says why to the log; the text tells a caller no more than it must know."""

    def __init__(self, said: str, reason: str) -> None:
        super().__init__(said)
        self.reason = reason


class NotPermitted(CallError):
    pass


class CallLost(CallError):
    pass


class CallBroke(CallError):
    pass


def without_credentials(text: str) -> str:
    """The text without the user names and passwords of its URLs."""
    return _CREDENTIALS.sub("", text)
