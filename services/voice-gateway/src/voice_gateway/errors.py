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
    ├── GatewayFull        no room for another call
    └── CallLost           caller audio was lost, or the gateway stops
"""

from typing import ClassVar, Literal

Stage = Literal["asr", "llm", "tts", "memory", "gateway"]


class VoiceGatewayError(Exception):
    """The base class of the gateway's errors."""


class ServiceError(VoiceGatewayError):
    code: ClassVar[str]
    retryable: ClassVar[bool]

    def __init__(self, stage: Stage, text: str) -> None:
        super().__init__(text)
        self.stage: Stage = stage
        self.text = text


class Unavailable(ServiceError):
    code = "unavailable"
    retryable = True


class TimedOut(ServiceError):
    code = "timed_out"
    retryable = True


class Rejected(ServiceError):
    code = "rejected"
    retryable = False


class Misconfigured(ServiceError):
    code = "misconfigured"
    retryable = False


class Empty(ServiceError):
    code = "empty"
    retryable = True


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


class GatewayFull(CallError):
    pass


class CallLost(CallError):
    pass
