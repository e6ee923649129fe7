"""What can go wrong, by whose fault it is.

VoiceGatewayError
├── ServiceError           an upstream: `stage` says which, `retryable` whether to try again
│   ├── Unavailable        cannot be reached, or broke off
│   ├── TimedOut           accepted the work and did not answer
│   ├── Rejected           will not serve what the caller asked for (a language, a voice)
│   ├── Misconfigured      will not serve the gateway: a wrong key, model or address
│   └── Empty              answered, with nothing
└── CallError              this call: the transport turns it into a status
    ├── BadMessage         the caller sent something that is not allowed
    ├── CallerSilent       the caller sent nothing for too long
    ├── CallerSlow         the caller does not read
    ├── CallerGone         the caller hung up without a word, or its line dropped
    ├── GatewayFull        no room for another call
    └── CallLost           what the caller said, or the gateway itself, is gone
"""

from typing import ClassVar, Literal

Stage = Literal["asr", "llm", "tts", "memory", "gateway"]


class VoiceGatewayError(Exception):
    """The root of everything the gateway raises on purpose."""


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
